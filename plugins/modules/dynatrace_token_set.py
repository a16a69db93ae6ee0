#!/usr/bin/python
# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dynatrace_token_set
short_description: Manage many Dynatrace tokens at once
version_added: 1.0.0
author:
  - The community.dynatrace project (@ansible-collections)
description:
  - Manages many tokens, each as M(community.dynatrace.dynatrace_token) does. All tokens share one
    listing, and requests that change tokens run in parallel.
  - If a token fails, the task goes on with the others. Then it fails, names each failed token, and
    still returns the tokens that it issued.
  - On a local connection, a task that takes long reports its progress on stderr every few seconds.
extends_documentation_fragment:
  - community.dynatrace.attributes
  - community.dynatrace.attributes.idempotent
  - community.dynatrace.connection
  - community.dynatrace.connection.action
  - community.dynatrace.store
  - community.dynatrace.token.suboptions
options:
  tokens:
    description:
      - The tokens, each with options of M(community.dynatrace.dynatrace_token).
      - Each token may occur once.
    type: list
    elements: dict
    required: true
  workers:
    description:
      - The largest number of parallel connections for requests that change tokens.
    type: int
    default: 8
  purge:
    description:
      - Whether to delete the tokens that O(store) has for this environment and O(tokens) does not
        name, in Dynatrace and in the store. O(purge) never deletes any other token.
      - Tokens are purged last, and only if everything else succeeded.
    type: bool
    default: false
  max_deletes:
    description:
      - How many tokens O(purge) may delete. If there are more, the task fails and changes nothing.
    type: int
    default: 10
  reveal:
    description:
      - Whether Ansible may print the secrets. With V(true), the result is not marked.
      - Use it with the commands C(ansible) and C(ansible-console), which print the secrets. In a
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
      Not with O(tokens[].rotate=always), which issues a new token in each run, and not with
      O(tokens[].on_missing_secret=rotate) without O(store), because nothing keeps the secret
      between runs.
seealso:
  - module: community.dynatrace.dynatrace_token
  - module: community.dynatrace.dynatrace_token_info
  - plugin: community.dynatrace.api_token
    plugin_type: lookup
  - name: The role dynatrace_tokens
    description: P(community.dynatrace.dynatrace_tokens#role) issues tokens for many hosts.
    link: https://github.com/ansible-collections/community.dynatrace/blob/main/roles/dynatrace_tokens/README.md
  - name: Performance
    description: The time and the number of requests that a set of tokens takes.
    link: https://github.com/ansible-collections/community.dynatrace/blob/main/docs/performance.md
"""

EXAMPLES = r"""
- name: Manage all tokens of a team
  hosts: localhost
  gather_facts: false
  tasks:
    # The store is the folder tokens beside the playbook. Give a vault password, for example with
    # --ask-vault-pass.
    - name: Two tokens for 90 days that are rotated, and a token that must not exist
      community.dynatrace.dynatrace_token_set:
        tokens:
          - name: team-reports
            scopes: [metrics.read, entities.read]
            expires_in: 90d
            rotate: expiring
            overlap: 2d
          - name: team-ingest
            scopes: [metrics.ingest, logs.ingest]
            expires_in: 90d
            rotate: expiring
            overlap: 2d
          - name: team-old
            state: absent
        store: tokens
      register: team

    - name: The results are in the order of the list, and Ansible does not print the secrets
      ansible.builtin.assert:
        that: team.tokens[1].token.startswith(team.tokens[1].token_id)
        quiet: true
      # In check mode, a token that would be issued has no secret yet.
      when: team.tokens[1].token is not none

- name: Delete tokens of a store that the list does not name any more
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Of all tokens in the store for-stage-dev, keep only these
      community.dynatrace.dynatrace_token_set:
        tokens:
          - name: stage-dev-reports
            scopes: [metrics.read]
        purge: true
        max_deletes: 3
        store: for-stage-dev
"""

RETURN = r"""
tokens:
  description:
    - The result for each of O(tokens), in the same order. Each has the return values of
      M(community.dynatrace.dynatrace_token) except C(diff).
    - For a token that failed, C(failed) is true and C(msg) is the reason.
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
      metadata:
        id: dt0c01.ST2EY72KQINMH574WMNVI7YN
        name: reports
        enabled: true
        owner: null
        scopes: [entities.read, metrics.read]
        kind: access
        personal_access_token: false
        creation_date: null
        expiration_date: "2027-02-03T08:15:30.144Z"
      retired: []
      retiring: []
      store_updated: true
      handed_over: true
purged:
  description: The tokens that O(purge) deleted.
  returned: when requests could be made
  type: list
  elements: dict
  sample:
    - id: dt0c01.ST2EY72KQINMH574WMNVI7YN
      name: reports
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
  description: The changed tokens, before and after. The same in check mode and outside it.
  returned: when requests could be made
  type: list
  elements: dict
  sample:
    - before: {}
      after:
        name: reports
        enabled: true
        scopes: [entities.read, metrics.read]
        kind: access
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
