#!/usr/bin/python
# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dynatrace_token_set
short_description: Manage many Dynatrace access tokens at once
version_added: 1.0.0
author:
  - The community.dynatrace project (@ansible-collections)
description:
  - Makes sure that each of many access tokens is as specified, as M(community.dynatrace.dynatrace_token) does for one, with one listing for
    all of them and with the requests that change something side by side.
  - If one token fails, the others are managed all the same. The task fails at the end, names each, and still returns what it has issued.
  - On a local connection, work that takes long says every few seconds on stderr how far it is.
extends_documentation_fragment:
  - community.dynatrace.connection
  - community.dynatrace.connection.action
  - community.dynatrace.store
options:
  tokens:
    description:
      - The tokens, each with options of M(community.dynatrace.dynatrace_token), which has more about them.
      - None may stand twice.
    type: list
    elements: dict
    required: true
    suboptions:
      state:
        description: Whether the token should exist.
        type: str
        choices: [present, absent]
        default: present
      name:
        description: The name of the token. At least one of this and O(tokens[].token_id) is needed.
        type: str
      token_id:
        description: The id of an existing token.
        type: str
      scopes:
        description: The scopes of the token.
        type: list
        elements: str
      scopes_mode:
        description: Whether the token has these scopes and no others, has them besides others, or has none of them.
        type: str
        choices: [exact, add, remove]
        default: exact
      enabled:
        description: Whether the token can be used. If not given, a new token is enabled, and an existing one is left as it is.
        type: bool
      personal_access_token:
        description: Whether the token is a personal access token.
        type: bool
        default: false
      expires_in:
        description: How long a token that is issued is valid, such as V(90d). Never a reason to change an existing token.
        type: str
      expiration_date:
        description: When the token expires, as an ISO 8601 date and time with a zone.
        type: str
      rotate:
        description: When to issue another token in place of an existing one.
        type: str
        choices: [never, expiring, always]
        default: never
      rotate_before:
        description: How long before its end a token is replaced with O(tokens[].rotate=expiring).
        type: str
        default: 7d
      overlap:
        description: How long a token that is replaced stays usable. Needs O(store).
        type: str
        default: '0'
      delete_after:
        description: How long a token that was replaced is kept disabled before it is deleted. Needs O(store).
        type: str
        default: '0'
      retire:
        description: Whether tokens that were replaced are disabled and deleted when their time is over. V(false) needs O(store).
        type: bool
        default: true
      on_immutable_change:
        description: What to do if the end of an existing token is not O(tokens[].expiration_date).
        type: str
        choices: [fail, rotate, ignore]
        default: fail
      on_duplicates:
        description: What to do if there are several tokens of this name and kind.
        type: str
        choices: [fail, newest, oldest]
        default: fail
      token:
        description: The secret of the token, if it is already held.
        type: str
      on_missing_secret:
        description: What to do if the token exists and nobody holds its secret. If not given, V(fail) with O(store), and V(ignore) without.
        type: str
        choices: [fail, ignore, rotate]
  workers:
    description:
      - How many connections to use at once for requests that change something, at most.
    type: int
    default: 8
  purge:
    description:
      - Whether to delete what O(store) holds for this environment and O(tokens) does not name, in Dynatrace and in the store. Nothing
        else is ever deleted by this.
      - It comes last, and only if all else has succeeded.
    type: bool
    default: false
  max_deletes:
    description:
      - How many tokens O(purge) may delete. If there are more, the task fails with nothing done.
    type: int
    default: 10
  reveal:
    description:
      - Whether the result may show the secrets. The result is not marked then, and Ansible prints it. Meant for ad-hoc commands.
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
  - module: community.dynatrace.dynatrace_token
"""

EXAMPLES = r"""
- name: Manage all tokens of a team
  hosts: localhost
  gather_facts: false
  vars:
    store: "{{ lookup('ansible.builtin.env', 'HOME') }}/dynatrace-tokens"
  tasks:
    - name: Two tokens for 90 days, replaced in time, and one that is to be gone
      community.dynatrace.dynatrace_token_set:
        tokens:
          - name: reports
            scopes: [metrics.read, entities.read]
            expires_in: 90d
            rotate: expiring
            overlap: 2d
          - name: ingest
            scopes: [metrics.ingest, logs.ingest]
            expires_in: 90d
            rotate: expiring
            overlap: 2d
          - name: old-reports
            state: absent
        store: "{{ store }}"
      register: team

    - name: The secrets stand in the order of the list, and are not printed
      ansible.builtin.assert:
        that: team.tokens[1].token is not none
        quiet: true

    - name: Nothing but this one is to be left of what this store holds
      community.dynatrace.dynatrace_token_set:
        tokens:
          - name: reports
            scopes: [metrics.read, entities.read]
        store: "{{ store }}"
        purge: true
        max_deletes: 3
        workers: 4
"""

RETURN = r"""
tokens:
  description:
    - What became of each of O(tokens), in that order. Each has what M(community.dynatrace.dynatrace_token) returns, but C(diff).
    - For one that failed, C(failed) is true and C(msg) says why.
  returned: when requests could be made
  type: list
  elements: dict
  sample:
    - action: created
      changed: true
      failed: false
      token_id: dt0c01.ST2EY72KQINMH574WMNVI7YN
      token: null
      secret_available: true
      usable: true
      retired: []
      retiring: []
      store_updated: true
      handed_over: true
purged:
  description: The tokens that O(purge) deleted.
  returned: when requests could be made
  type: list
  elements: dict
  contains:
    id:
      description: The id of the token.
      type: str
      sample: dt0c01.ST2EY72KQINMH574WMNVI7YN
    name:
      description: The name of the token.
      type: str
      sample: reports
diff:
  description: Each token that is changed, before and after. The same in check mode and outside it.
  returned: when requests could be made
  type: list
  elements: dict
  sample:
    - before: {}
      after:
        name: reports
        enabled: true
        scopes: [entities.read, metrics.read]
        personal_access_token: false
        expiration_date: 90d from its creation
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.community.dynatrace.plugins.module_utils._options import TOKEN_SET_OPTIONS
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import (
    manage_tokens,
    run_module,
)

if __name__ == "__main__":
    run_module(
        AnsibleModule(argument_spec=TOKEN_SET_OPTIONS, supports_check_mode=True), manage_tokens
    )
