#!/usr/bin/python
# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dynatrace_token
short_description: Manage one Dynatrace access token
version_added: 1.0.0
author:
  - The community.dynatrace project (@ansible-collections)
description:
  - Makes sure that one access token of a Dynatrace environment exists with the scopes it should have, or that it does not exist.
  - The name, the scopes and the state of an existing token are changed in place, by one request. Its end cannot be changed.
  - The secret of a token is shown by Dynatrace once, when it is issued. With O(store) it is kept, and a second run still has it.
  - This module refuses to issue a token whose secret nobody would receive or keep, and marks a result that holds a secret so that
    Ansible does not print it. All other results stay readable.
  - With a store, a run that was cut off at any point is put right by the next one. A token that was issued and whose secret was not
    saved is deleted, and one whose secret was saved gets its name.
extends_documentation_fragment:
  - community.dynatrace.connection
  - community.dynatrace.connection.action
  - community.dynatrace.store
options:
  state:
    description:
      - With V(present), the token is issued if there is none, and changed if it differs.
      - With V(absent), the token is deleted, and with it expired tokens of its name and kind, those that it has replaced, and its entry
        in O(store).
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - The name of the token. Together with the kind (O(personal_access_token)) it identifies the token in its environment.
      - Names are not unique in Dynatrace, see O(on_duplicates).
      - At least one of O(name) and O(token_id) is needed. With both, the token with this id is given this name, and its entry in
        O(store) moves along.
    type: str
  token_id:
    description:
      - The id of an existing token, which is the public part of it, all up to the second dot.
    type: str
  scopes:
    description:
      - The scopes of the token. Their order and repeated ones make no difference. If not given, existing scopes are left as they are.
      - Needed to issue a token.
      - A scope that is not known here is a warning. Whether it exists is for Dynatrace to say.
    type: list
    elements: str
  scopes_mode:
    description:
      - With V(exact), the token has O(scopes) and no others. With V(add), it has them besides those it has. With V(remove), it
        has none of them.
    type: str
    choices: [exact, add, remove]
    default: exact
  enabled:
    description:
      - Whether the token can be used. If not given, a new token is enabled, and an existing one is left as it is.
    type: bool
  personal_access_token:
    description:
      - Whether the token is a personal access token. A personal access token and an API token of the same name are different tokens.
    type: bool
    default: false
  expires_in:
    description:
      - How long a token that is issued is valid. A number and a unit, which is one of V(m) for minutes, V(h) for hours, V(d) for days,
        V(w) for weeks, V(M) for months and V(y) for years.
      - Used once, when a token is issued. It never is a reason to change an existing token, but see O(rotate).
      - If neither this nor O(expiration_date) is given, a new token never expires.
      - Mutually exclusive with O(expiration_date).
    type: str
  expiration_date:
    description:
      - When the token expires, as an ISO 8601 date and time with a zone.
      - An existing token with another end is a case for O(on_immutable_change).
    type: str
  rotate:
    description:
      - When to issue another token in place of an existing one. It gets the same scopes, where no others are asked for. Its secret is
        kept, it is seen to work, with a request of its own, and only then the old one is deleted, after O(overlap). If it does not
        work, it is deleted again, and the old one is left as it is.
      - With V(expiring), when the token ends within O(rotate_before). Needs O(expires_in), which decides when the new one ends. A token
        that never ends is left alone.
      - With V(always), in each run, which is not idempotent.
      - A token that is disabled is left alone, unless O(enabled) is given. The token that the task itself calls Dynatrace with is
        refused.
      - Cannot go with O(token_id), because the new token has another id.
    type: str
    choices: [never, expiring, always]
    default: never
  rotate_before:
    description:
      - How long before its end a token is replaced with O(rotate=expiring), in the form of O(expires_in). Must be less than
        O(expires_in).
    type: str
    default: 7d
  overlap:
    description:
      - How long a token that is replaced stays usable, in the form of O(expires_in), or V(0) to delete it in the same run. At most until
        its own end.
      - O(store) remembers it. The first run after that time deletes it, or disables it, see O(delete_after). Until then, runs change
        nothing. RV(retiring) tells what is left.
      - Needs O(store).
    type: str
    default: '0'
  delete_after:
    description:
      - How long a token that was replaced is kept disabled before it is deleted, in the form of O(expires_in), or V(0) to delete it
        without that. As long as it is there, it can be enabled again, by its O(token_id).
      - Counts from the run that disables it.
      - Needs O(store).
    type: str
    default: '0'
  retire:
    description:
      - With V(false), tokens that were replaced are left alone in this run, however long ago that was. A later run with V(true) goes on.
        Between the two the new secret can be handed to whoever uses it, and RV(handed_over) is V(false).
      - V(false) needs O(store). With O(state=absent) all goes, whatever this says.
    type: bool
    default: true
  on_immutable_change:
    description:
      - What to do if the end of an existing token is not O(expiration_date), since Dynatrace cannot change it.
      - With V(rotate), another token with that end is issued in its place, as with O(rotate).
    type: str
    choices: [fail, rotate, ignore]
    default: fail
  on_duplicates:
    description:
      - What to do if there are several tokens of this name and kind and O(token) does not tell which one is meant.
      - With V(fail), the error lists their ids. With V(newest) or V(oldest), the one created last or first is managed, and the
        others are left alone.
      - With O(state=absent) several are always an error, because each run would delete another one. To delete one, give its
        O(token_id).
    type: str
    choices: [fail, newest, oldest]
    default: fail
  token:
    description:
      - The secret of the token, if the caller already holds it. It is checked against the token that is found, with one request.
      - If it belongs to the token, RV(secret_available) is true and RV(token) is this secret. With O(store) it is put there.
    type: str
  on_missing_secret:
    description:
      - What to do if the token exists and nobody holds its secret. It is not in O(store) and not given as O(token), or what is there
        belongs to another token.
      - With V(rotate), another token is issued with the same scopes and the same end, where nothing else is asked for, its secret is
        kept, and then the old one is deleted. Whoever uses the old one is locked out. A token that is disabled is left alone, unless
        O(enabled) is given.
      - If not given, V(fail) with O(store), because somebody else may be using the token, and V(ignore) without.
    type: str
    choices: [fail, ignore, rotate]
  reveal:
    description:
      - Whether the result may show the secret. The result is not marked then, and Ansible prints it. Meant for ad-hoc commands.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
seealso:
  - module: community.dynatrace.dynatrace_token_set
  - module: community.dynatrace.dynatrace_token_info
"""

EXAMPLES = r"""
- name: Issue a token for 90 days and use it
  hosts: localhost
  gather_facts: false
  tasks:
    - name: A token that reads metrics
      community.dynatrace.dynatrace_token:
        name: reports
        scopes:
          - metrics.read
          - entities.read
        expires_in: 90d
      register: reports

    - name: The secret is in the registered result, which Ansible does not print
      ansible.builtin.assert:
        that: reports.token is not none
        quiet: true

    - name: Let the token read problems too
      community.dynatrace.dynatrace_token:
        name: reports
        scopes: [problems.read]
        scopes_mode: add

    - name: Take a scope away again
      community.dynatrace.dynatrace_token:
        name: reports
        scopes: [problems.read]
        scopes_mode: remove

    - name: Rename the token and disable it
      community.dynatrace.dynatrace_token:
        token_id: "{{ reports.token_id }}"
        name: reports-old
        enabled: false

    - name: Enable it again, going on from the secret that is already held
      community.dynatrace.dynatrace_token:
        name: reports-old
        enabled: true
        token: "{{ reports.token }}"
        on_missing_secret: fail
      register: reports

    - name: A personal access token that ends at a given moment
      community.dynatrace.dynatrace_token:
        name: laptop
        personal_access_token: true
        scopes: [logs.read]
        expiration_date: "2040-01-31T12:00:00Z"
        on_immutable_change: ignore
      register: laptop

    - name: Of several tokens of one name, disable the newest
      community.dynatrace.dynatrace_token:
        name: laptop
        personal_access_token: true
        on_duplicates: newest
        enabled: false

    - name: Keep the secret from now on
      community.dynatrace.dynatrace_token:
        name: reports-old
        token: "{{ reports.token }}"
        store: "{{ lookup('ansible.builtin.env', 'HOME') }}/dynatrace-tokens"

    - name: Have it from the store, in this play and in every later one
      community.dynatrace.dynatrace_token:
        name: reports-old
        scopes: [metrics.read, entities.read]
        store: "{{ lookup('ansible.builtin.env', 'HOME') }}/dynatrace-tokens"
      register: kept
      failed_when: kept.token != reports.token

    - name: Delete the token and what the store has of it
      community.dynatrace.dynatrace_token:
        name: reports-old
        state: absent
        store:
          type: file
          path: "{{ lookup('ansible.builtin.env', 'HOME') }}/dynatrace-tokens"

    - name: Replace a token whose secret nobody has, and keep that of the new one
      community.dynatrace.dynatrace_token:
        name: laptop
        personal_access_token: true
        on_missing_secret: rotate
        enabled: true
        store:
          type: file
          path: "{{ lookup('ansible.builtin.env', 'HOME') }}/dynatrace-tokens"
          encrypt_vault_id: default

    - name: A token that is replaced in the last two weeks of its 90 days, whenever this play runs then
      community.dynatrace.dynatrace_token:
        name: reports
        scopes: [metrics.read]
        expires_in: 90d
        rotate: expiring
        rotate_before: 2w
        store: "{{ lookup('ansible.builtin.env', 'HOME') }}/dynatrace-tokens"

    - name: Replace it now
      community.dynatrace.dynatrace_token:
        name: reports
        scopes: [metrics.read]
        rotate: always
        store: "{{ lookup('ansible.builtin.env', 'HOME') }}/dynatrace-tokens"

    - name: Replace it, and let the old one work for two more days, and be there disabled for another week
      community.dynatrace.dynatrace_token:
        name: reports
        scopes: [metrics.read]
        rotate: always
        overlap: 2d
        delete_after: 1w
        store: "{{ lookup('ansible.builtin.env', 'HOME') }}/dynatrace-tokens"
      register: rotated

    - name: Take the old one back, so that it stays
      community.dynatrace.dynatrace_token:
        token_id: "{{ rotated.retiring[0].id }}"
        enabled: true
        store: "{{ lookup('ansible.builtin.env', 'HOME') }}/dynatrace-tokens"

    - name: Replace it, and leave the old one alone
      community.dynatrace.dynatrace_token:
        name: reports
        scopes: [metrics.read]
        rotate: always
        retire: false
        store: "{{ lookup('ansible.builtin.env', 'HOME') }}/dynatrace-tokens"
      register: reports

    - name: The new secret is handed to those who use it
      ansible.builtin.assert:
        that: reports.token is not none
        quiet: true

    - name: Now the old one goes
      community.dynatrace.dynatrace_token:
        name: reports
        scopes: [metrics.read]
        store: "{{ lookup('ansible.builtin.env', 'HOME') }}/dynatrace-tokens"

    - name: Issue a token and have it printed
      community.dynatrace.dynatrace_token:
        name: shown
        scopes: [metrics.read]
        reveal: true
"""

RETURN = r"""
action:
  description:
    - What was done to the token. C(rotated) means that another one was issued in its place.
    - C(changed) can be true with C(none), where only others were deleted, or only the store was changed.
  returned: success
  type: str
  sample: created
token_id:
  description: The id of the token. Null if there is none, and in check mode for one that would be issued.
  returned: success
  type: str
  sample: dt0c01.ST2EY72KQINMH574WMNVI7YN
token:
  description:
    - The secret of the token, if it was issued in this task, is in O(store), or was given as O(token) and belongs to the token, which
      must be usable.
    - Filled only in a task with C(register) or O(reveal). Null otherwise, and in check mode where a token would be issued.
  returned: success
  type: str
secret_available:
  description: Whether the secret of the token is known.
  returned: success
  type: bool
  sample: true
usable:
  description: Whether the token exists and is enabled.
  returned: success
  type: bool
  sample: true
metadata:
  description:
    - The public facts of the token. For one that was deleted, the facts it had. Null if there is none.
    - Times are in UTC, as V(2030-01-31T12:00:00.000Z).
  returned: success
  type: dict
  contains:
    id:
      description: The id of the token.
      type: str
      sample: dt0c01.ST2EY72KQINMH574WMNVI7YN
    name:
      description: The name of the token.
      type: str
      sample: reports
    enabled:
      description: Whether the token can be used.
      type: bool
      sample: true
    owner:
      description: The user who owns the token. Null in the task that issues it, because Dynatrace does not tell then.
      type: str
      sample: john.smith
    scopes:
      description: The scopes of the token, sorted.
      type: list
      elements: str
      sample: [entities.read, metrics.read]
    personal_access_token:
      description: Whether the token is a personal access token.
      type: bool
      sample: false
    creation_date:
      description: When the token was created. Null in the task that issues it.
      type: str
      sample: "2026-11-05T08:15:30.144Z"
    expiration_date:
      description: When the token expires. Null if never.
      type: str
      sample: "2027-02-03T08:15:30.144Z"
retired:
  description:
    - The tokens that were disabled or deleted beside the one that RV(action) is about, which are its predecessors, expired ones of its
      name and kind, and those that an earlier run of this collection had issued and left without a secret when it was cut off.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The id of the token.
      type: str
      sample: dt0c01.ST2EY72KQINMH574WMNVI7YN
    action:
      description: What was done to it, V(disabled) or V(deleted).
      type: str
      sample: deleted
retiring:
  description: The tokens that were replaced and are left for now, see O(overlap), O(delete_after) and O(retire).
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The id of the token.
      type: str
      sample: dt0c01.ST2EY72KQINMH574WMNVI7YN
    disable_date:
      description: Until when it stays usable.
      type: str
      sample: "2026-11-07T08:15:30.144Z"
    delete_date:
      description: When it is deleted. Null as long as it is usable.
      type: str
      sample: "2026-11-14T08:15:30.144Z"
store_updated:
  description: Whether O(store) holds something else now. In check mode, whether it would.
  returned: success
  type: bool
  sample: true
handed_over:
  description:
    - V(false) after the token was issued with O(retire=false), until a call with O(retire=true) follows. Between the two, hand the
      secret to those who use it.
    - Null without O(store), and if there is no token.
  returned: success
  type: bool
  sample: true
diff:
  description: The token before and after. The same in check mode and outside it.
  returned: success
  type: dict
  sample:
    before: {}
    after:
      name: reports
      enabled: true
      scopes: [entities.read, metrics.read]
      personal_access_token: false
      expiration_date: 90d from its creation
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.community.dynatrace.plugins.module_utils._options import TOKEN_OPTIONS
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import (
    manage_token,
    run_module,
)

if __name__ == "__main__":
    run_module(AnsibleModule(argument_spec=TOKEN_OPTIONS, supports_check_mode=True), manage_token)
