#!/usr/bin/python
# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dynatrace_token_info
short_description: List Dynatrace tokens
version_added: 1.0.0
author:
  - The community.dynatrace project (@ansible-collections)
description:
  - Lists the tokens of a Dynatrace environment that meet all given criteria. Without criteria,
    lists all access tokens. Lists other tokens with O(kind).
  - If O(store) is given, RV(tokens[].retiring) shows which tokens are predecessors, and until when
    they are kept. Secrets are not decrypted for that.
  - Never returns a secret, and changes nothing.
extends_documentation_fragment:
  - community.dynatrace.attributes
  - community.dynatrace.attributes.idempotent
  - community.dynatrace.connection
  - community.dynatrace.connection.action
  - community.dynatrace.store
options:
  name:
    description:
      - The exact name. Several tokens may have the same name.
    type: str
  name_regex:
    description:
      - A Python regular expression that is searched for anywhere in the name.
    type: str
  token_id:
    description:
      - The id of the token.
      - Mutually exclusive with O(token).
    type: str
  owner:
    description:
      - The user who owns the token, exactly as Dynatrace returns it. Not for O(kind=platform),
        because Dynatrace does not return the owner of a platform token.
    type: str
  kind:
    description:
      - The kind of the tokens. If not given, V(access) and V(personal_access).
    type: str
    choices: [access, personal_access, platform, activegate]
    version_added: 1.1.0
  resources:
    description:
      - For O(kind=platform) only. The token is for exactly these environments or this account.
        If not given, all platform tokens of the account are listed.
    type: list
    elements: str
    version_added: 1.1.0
  scopes:
    description:
      - The token has at least one of these scopes.
    type: list
    elements: str
  personal_access_token:
    description:
      - With V(true), only personal access tokens, with V(false), only API tokens. If not given,
        both.
    type: bool
  enabled:
    description:
      - Whether the token is enabled. If not given, both.
    type: bool
  expires_within:
    description:
      - A period from now in which the token expires, such as V(30d). The units are those of
        O(community.dynatrace.dynatrace_token#module:expires_in).
      - Excludes expired tokens, and tokens that never expire.
    type: str
  unused_for:
    description:
      - A period, such as V(90d), in which the token was not used. A token that was never used is
        included if it is at least that old.
    type: str
  token:
    description:
      - The secret of the token to look up. It is sent to Dynatrace in the body of a request, never
        in the address.
    type: str
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details: It changes nothing.
  idempotent:
    support: full
seealso:
  - module: community.dynatrace.dynatrace_token
  - module: community.dynatrace.dynatrace_token_set
  - plugin: community.dynatrace.token_findings
    plugin_type: filter
  - name: The role dynatrace_tokens
    description: P(community.dynatrace.dynatrace_tokens#role) issues tokens for many hosts.
    link: https://github.com/ansible-collections/community.dynatrace/blob/main/roles/dynatrace_tokens/README.md
  - name: Audit
    description: The playbook C(community.dynatrace.audit_tokens) writes a page of all tokens.
    link: https://github.com/ansible-collections/community.dynatrace/blob/main/docs/audit.md
"""

EXAMPLES = r"""
- name: Find tokens that expire soon
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Tokens that expire within 30 days
      community.dynatrace.dynatrace_token_info:
        expires_within: 30d
      register: expiring

    - name: Show the expiration dates
      ansible.builtin.debug:
        msg: "{{ item.name }} of {{ item.owner }} expires on {{ item.expiration_date }}"
      loop: "{{ expiring.tokens }}"
      loop_control:
        label: "{{ item.id }}"

- name: Find tokens that nobody uses
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Enabled API tokens that were not used for 90 days
      community.dynatrace.dynatrace_token_info:
        enabled: true
        personal_access_token: false
        unused_for: 90d
      register: unused

- name: Find tokens by their owner, name and scopes
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Tokens of john.smith that may write settings and whose name begins with ci-
      community.dynatrace.dynatrace_token_info:
        owner: john.smith
        name_regex: ^ci-
        scopes: [settings.write]
      register: writers

- name: Look up a single token
  hosts: localhost
  gather_facts: false
  tasks:
    - name: By its id
      community.dynatrace.dynatrace_token_info:
        token_id: dt0c01.ST2EY72KQINMH574WMNVI7YN
      register: by_id

    - name: By its secret. In this example, the admin token of this play
      community.dynatrace.dynatrace_token_info:
        token: "{{ lookup('ansible.builtin.env', 'DYNATRACE_API_TOKEN') }}"
      register: mine

- name: Show the predecessors, and until when they work
  hosts: localhost
  gather_facts: false
  tasks:
    - name: All tokens of a name, with the dates from the store
      community.dynatrace.dynatrace_token_info:
        name: reports
        store: tokens
      register: reports

    - name: Show the dates
      ansible.builtin.debug:
        msg: "{{ item.id }} works until {{ item.retiring.disable_date }}"
      loop: "{{ reports.tokens | selectattr('retiring') }}"
      loop_control:
        label: "{{ item.id }}"
"""

RETURN = r"""
tokens:
  description:
    - The tokens, in the order in which Dynatrace lists them. Times are in UTC, as
      V(2030-01-31T12:00:00.000Z). A value that Dynatrace does not return is null.
  returned: success
  type: list
  elements: dict
  sample:
    - id: dt0c01.ST2EY72KQINMH574WMNVI7YN
      name: reports
      enabled: true
      owner: john.smith
      scopes: [entities.read, metrics.read]
      kind: access
      personal_access_token: false
      creation_date: "2026-11-05T08:15:30.144Z"
      expiration_date: "2027-02-03T08:15:30.144Z"
      modified_date: null
      last_used_date: "2026-11-07T08:15:30.144Z"
      last_used_ip_address: 34.197.2.44
      retiring: null
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
      description: Whether the token is enabled. An expired token can be enabled too.
      type: bool
      sample: true
    owner:
      description: The user who owns the token.
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
      description: When the token was created.
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
    modified_date:
      description: When the name or the scopes were last changed. Null if never.
      type: str
      sample: "2026-11-06T08:15:30.144Z"
    last_used_date:
      description: When the token was last used. Null if never.
      type: str
      sample: "2026-11-07T08:15:30.144Z"
    last_used_ip_address:
      description: The address from which the token was last used. Null if never.
      type: str
      sample: 34.197.2.44
    retiring:
      description:
        - Until when the token is kept, if it is the predecessor of a token in O(store). Null for
          other tokens, and without O(store).
      type: dict
      sample:
        disable_date: "2026-11-07T08:15:30.144Z"
        delete_date: null
      contains:
        disable_date:
          description: Until when the token stays usable.
          type: str
          sample: "2026-11-07T08:15:30.144Z"
        delete_date:
          description: When the token is deleted. Null as long as it is usable.
          type: str
          sample: "2026-11-14T08:15:30.144Z"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.community.dynatrace.plugins.module_utils._options import TOKEN_INFO_OPTIONS
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import (
    query_tokens,
    run_module,
)

if __name__ == "__main__":
    run_module(
        AnsibleModule(argument_spec=TOKEN_INFO_OPTIONS, supports_check_mode=True), query_tokens
    )
