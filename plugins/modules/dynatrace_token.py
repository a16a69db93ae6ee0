#!/usr/bin/python
# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dynatrace_token
short_description: Manage a Dynatrace token
version_added: 1.0.0
author:
  - The community.dynatrace project (@ansible-collections)
description:
  - Ensures that a token exists in a Dynatrace environment with the given scopes, or that it does
    not exist. Manages access tokens by default, and other tokens with O(kind).
  - O(name), O(scopes) and O(enabled) of an existing access token are changed in place, with one
    request. Its expiration date cannot be changed, but the token can be replaced with O(rotate).
  - Dynatrace shows the secret of a token once, when it is issued. O(store) keeps the secret, so
    that later runs have it too.
  - The module refuses to issue a token if nothing would receive or keep its secret. A result with
    a secret is marked, so that Ansible does not print it. All other results stay readable.
  - With O(store), the next run repairs a run that was interrupted at any point. If the secret of
    the new token was saved, the token gets its name. Otherwise the token is deleted.
extends_documentation_fragment:
  - community.dynatrace.attributes
  - community.dynatrace.attributes.idempotent
  - community.dynatrace.connection
  - community.dynatrace.connection.action
  - community.dynatrace.store
  - community.dynatrace.token
options:
  reveal:
    description:
      - Whether Ansible may print the secret. With V(true), the result is not marked.
      - Use it with the commands C(ansible) and C(ansible-console), which print the secret. In a
        playbook, the task also needs C(register). Without it, the task fails.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: >-
      Not with O(rotate=always), which issues a new token in each run, and not with
      O(on_missing_secret=rotate) without O(store), because nothing keeps the secret between runs.
seealso:
  - module: community.dynatrace.dynatrace_token_set
  - module: community.dynatrace.dynatrace_token_info
  - plugin: community.dynatrace.api_token
    plugin_type: lookup
  - name: The role dynatrace_tokens
    description: P(community.dynatrace.dynatrace_tokens#role) issues tokens for many hosts.
    link: https://github.com/ansible-collections/community.dynatrace/blob/main/roles/dynatrace_tokens/README.md
  - name: Rotation
    description: Replace tokens without an outage.
    link: https://github.com/ansible-collections/community.dynatrace/blob/main/docs/rotation.md
  - name: Migrating
    description: Adopt existing tokens, from Terraform or C(uri).
    link: https://github.com/ansible-collections/community.dynatrace/blob/main/docs/migrating.md
"""

EXAMPLES = r"""
- name: Issue a token once, and use it in every run
  hosts: localhost
  gather_facts: false
  tasks:
    # The store is the folder tokens beside the playbook. Give a vault password, for example with
    # --ask-vault-pass.
    - name: A token for 90 days
      community.dynatrace.dynatrace_token:
        name: reports
        scopes:
          - apiTokens.read
          - metrics.read
        expires_in: 90d
        store: tokens
      register: reports

    - name: Use its secret, which Ansible does not print
      ansible.builtin.uri:
        url: "{{ lookup('ansible.builtin.env', 'DYNATRACE_ENV_URL') }}/api/v2/apiTokens"
        headers:
          Authorization: Api-Token {{ reports.token }}
      no_log: true
      # In check mode, a token that would be issued has no secret yet.
      when: reports.token is not none

- name: Rotate a token before it expires
  hosts: localhost
  gather_facts: false
  tasks:
    - name: A token for 90 days, replaced two weeks before it expires. Then both work for two days
      community.dynatrace.dynatrace_token:
        name: agents
        scopes: [metrics.ingest]
        expires_in: 90d
        rotate: expiring
        rotate_before: 2w
        overlap: 2d
        store: tokens
      register: agents

- name: Give the connection once for all tasks
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/community.dynatrace.dynatrace:
      environment_url: https://abc12345.live.dynatrace.com
      api_token: "{{ vault_dynatrace_api_token }}"
      store: tokens
  tasks:
    - name: A token of this environment
      community.dynatrace.dynatrace_token:
        name: dashboards
        scopes: [metrics.read]

- name: Call Dynatrace as an OAuth client
  hosts: localhost
  gather_facts: false
  tasks:
    - name: A token that the client issues
      community.dynatrace.dynatrace_token:
        environment_url: https://abc12345.live.dynatrace.com
        oauth_client_id: "{{ vault_dynatrace_client_id }}"
        oauth_client_secret: "{{ vault_dynatrace_client_secret }}"
        account_uuid: "{{ dynatrace_account_uuid }}"
        name: pipeline
        scopes: [logs.ingest]
        store: tokens

- name: Manage tokens of an older Dynatrace Managed cluster
  hosts: localhost
  gather_facts: false
  tasks:
    - name: The admin token needs the scope TenantTokenManagement
      community.dynatrace.dynatrace_token:
        api_version: v1
        name: legacy
        scopes: [metrics.ingest]
        store: tokens

- name: Keep the secret in HashiCorp Vault or OpenBao
  hosts: localhost
  gather_facts: false
  tasks:
    # The login comes from VAULT_TOKEN or ~/.vault-token.
    - name: The secret is in secret/dynatrace
      community.dynatrace.dynatrace_token:
        name: ingest
        scopes: [metrics.ingest, logs.ingest]
        store:
          type: hashi_vault
          url: https://vault.example.com:8200

- name: Replace a token now, and hand over its secret before the old token stops
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/community.dynatrace.dynatrace:
      store: tokens
  tasks:
    - name: Replace the token, and leave its predecessor alone
      community.dynatrace.dynatrace_token:
        name: replaced
        scopes: [metrics.ingest]
        rotate: always
        retire: false
      register: replaced

    - name: Bring the new secret to its consumer
      ansible.builtin.copy:
        content: "{{ replaced.token }}"
        dest: "{{ playbook_dir }}/replaced.secret"
        mode: "0600"
      no_log: true
      when: replaced.token is not none

    - name: Disable the predecessor now, and delete it after a week
      community.dynatrace.dynatrace_token:
        name: replaced
        scopes: [metrics.ingest]
        delete_after: 1w
      register: replaced

    - name: If a consumer needs the predecessor after all, enable it again, so that it stays
      community.dynatrace.dynatrace_token:
        token_id: "{{ item.id }}"
        enabled: true
      loop: "{{ replaced.retiring }}"
      loop_control:
        label: "{{ item.id }}"

- name: Change a token and delete it
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/community.dynatrace.dynatrace:
      store: tokens
  tasks:
    - name: A token that expires on a date
      community.dynatrace.dynatrace_token:
        name: changed
        scopes: [metrics.read, entities.read]
        expiration_date: "2040-01-31T12:00:00Z"
      register: changed

    - name: Let the token read problems too
      community.dynatrace.dynatrace_token:
        name: changed
        scopes: [problems.read]
        scopes_mode: add
      when: changed.token_id is not none

    - name: Take a scope away again
      community.dynatrace.dynatrace_token:
        name: changed
        scopes: [problems.read]
        scopes_mode: remove
      when: changed.token_id is not none

    - name: Rename the token and disable it
      community.dynatrace.dynatrace_token:
        token_id: "{{ changed.token_id }}"
        name: renamed
        enabled: false
      # In check mode, a token that would be issued has no id yet.
      when: changed.token_id is not none

    - name: Delete the token and its entry in the store
      community.dynatrace.dynatrace_token:
        name: renamed
        state: absent

- name: Adopt an existing token
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Replace a token whose secret is unknown. Only this play has the new secret
      community.dynatrace.dynatrace_token:
        name: adopted
        scopes: [metrics.read]
        on_missing_secret: rotate
      register: adopted

    - name: Adopt the token with its secret, and keep the secret in a store
      community.dynatrace.dynatrace_token:
        name: adopted
        token: "{{ adopted.token }}"
        store: tokens
      when: adopted.token is not none

- name: Manage personal access tokens
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Replace an existing token if its secret is unknown
      community.dynatrace.dynatrace_token:
        name: laptop
        kind: personal_access
        scopes: [logs.read]
        on_missing_secret: rotate
        store:
          type: file
          path: tokens
          encrypt_vault_id: default
      register: laptop

    - name: Of several tokens of this name, disable the newest
      community.dynatrace.dynatrace_token:
        name: laptop
        kind: personal_access
        on_duplicates: newest
        enabled: false
      when: laptop.token_id is not none

    - name: Enable it again
      community.dynatrace.dynatrace_token:
        name: laptop
        kind: personal_access
        enabled: true
      when: laptop.token_id is not none

# On the command line, where Ansible prints the secret:
# ansible localhost -m community.dynatrace.dynatrace_token \
#   -a "name=ci scopes=metrics.read reveal=true"
"""

RETURN = r"""
action:
  description:
    - The change to the token, C(created), C(updated), C(rotated), C(deleted) or C(none).
      C(rotated) means that a new token replaced it.
    - C(changed) can be true with C(none), if only other tokens were deleted, or only the store was
      changed.
  returned: success
  type: str
  sample: created
token_id:
  description:
    - The id of the token. Null if there is no token, and in check mode if a token would be issued.
  returned: success
  type: str
  sample: dt0c01.ST2EY72KQINMH574WMNVI7YN
token:
  description:
    - The secret of a usable token. The task issued it, read it from O(store), or checked it as
      O(token).
    - Filled only in a task with C(register), or with O(reveal) in the commands C(ansible) and
      C(ansible-console). Null otherwise, and in check mode if a token would be issued.
  returned: success
  type: str
  sample: dt0c01.ST2EY72KQINMH574WMNVI7YN.THE-SECRET-PART
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
    - The metadata of the token. For a deleted token, its metadata before the deletion. Null if
      there is no token. A value that Dynatrace does not return is null.
    - Times are in UTC, as V(2030-01-31T12:00:00.000Z).
  returned: success
  type: dict
  sample:
    id: dt0c01.ST2EY72KQINMH574WMNVI7YN
    name: reports
    enabled: true
    owner: john.smith
    scopes: [entities.read, metrics.read]
    kind: access
    personal_access_token: false
    creation_date: "2026-11-05T08:15:30.144Z"
    expiration_date: "2027-02-03T08:15:30.144Z"
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
      description:
        - The user who owns the token. Null in the task that issues it, and for platform tokens,
          because Dynatrace does not return the owner then.
      type: str
      sample: john.smith
    scopes:
      description: The scopes of the token, sorted.
      type: list
      elements: str
      sample: [entities.read, metrics.read]
    kind:
      description: The kind of the token.
      type: str
      sample: access
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
    resources:
      description: The environments or the account that the token is for.
      returned: with O(kind=platform)
      type: list
      elements: str
      sample: [urn:dtenvironment:abc12345]
    tags:
      description: The tags of the token. Null unless the task issues it with O(tags).
      returned: with O(kind=platform)
      type: list
      elements: str
      sample: [team-a]
    user_uuid:
      description:
        - The UUID of the user who owns the token. Null unless the task issues it with
          O(user_uuid).
      returned: with O(kind=platform)
      type: str
      sample: 05d16bf8-b2ca-4c2e-9ed7-d2d4d6c5f8a0
    activegate_type:
      description: The type of the ActiveGate. Null if Dynatrace does not return it.
      returned: with O(kind=activegate)
      type: str
      sample: environment
    seed:
      description: Whether the token is a seed token.
      returned: with O(kind=activegate)
      type: bool
      sample: false
retired:
  description:
    - The other tokens that were disabled or deleted. RV(action) does not include them.
    - These are predecessors, expired tokens of the same name and kind, and tokens that an
      interrupted run issued without saving their secret.
  returned: success
  type: list
  elements: dict
  sample:
    - id: dt0c01.ST2EY72KQINMH574WMNVI7YN
      action: deleted
  contains:
    id:
      description: The id of the token.
      type: str
      sample: dt0c01.ST2EY72KQINMH574WMNVI7YN
    action:
      description: The change to the token, V(disabled) or V(deleted).
      type: str
      sample: deleted
retiring:
  description:
    - The predecessors that still exist. See O(overlap), O(delete_after) and O(retire).
  returned: success
  type: list
  elements: dict
  sample:
    - id: dt0c01.ST2EY72KQINMH574WMNVI7YN
      disable_date: "2026-11-07T08:15:30.144Z"
      delete_date: null
  contains:
    id:
      description: The id of the token.
      type: str
      sample: dt0c01.ST2EY72KQINMH574WMNVI7YN
    disable_date:
      description: Until when the token stays usable.
      type: str
      sample: "2026-11-07T08:15:30.144Z"
    delete_date:
      description: When the token is deleted. Null as long as it is usable.
      type: str
      sample: "2026-11-14T08:15:30.144Z"
store_updated:
  description: Whether O(store) was changed. In check mode, whether it would be changed.
  returned: success
  type: bool
  sample: true
handed_over:
  description:
    - V(false) after a task with O(retire=false) issued the token, until a task with
      O(retire=true) follows. Between the two tasks, give the secret to its consumers.
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
      kind: access
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
