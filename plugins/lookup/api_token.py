# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: api_token
short_description: Read secrets of Dynatrace tokens from a store
version_added: 1.0.0
author:
  - The community.dynatrace project (@ansible-collections)
description:
  - Returns the secrets of tokens that M(community.dynatrace.dynatrace_token) has saved in a store.
  - Read only. A lookup cannot issue tokens. It does not know whether the play runs in check mode,
    and Ansible evaluates it again for each use of its variable.
extends_documentation_fragment:
  - community.dynatrace.connection
  - community.dynatrace.connection.plugin
  - community.dynatrace.store
  - community.dynatrace.store.plugin
options:
  _terms:
    description: The names of the tokens.
    type: list
    elements: str
    required: true
  kind:
    description:
      - The kind of the tokens. The default is V(access).
    type: str
    choices: [access, personal_access, platform, activegate]
    version_added: 1.1.0
  resources:
    description:
      - For O(kind=platform) only. The environments or the account that the tokens are for. The
        default is the environment of O(environment_url).
    type: list
    elements: str
    version_added: 1.1.0
  personal_access_token:
    description: Whether the tokens are personal access tokens, the same as O(kind=personal_access).
    type: bool
    default: false
  verify:
    description:
      - Whether to verify with Dynatrace that the secret belongs to a token that is enabled, has not
        expired, and has O(scopes). Sends a request for each token.
    type: bool
    default: false
  scopes:
    description: The scopes that each token must have. Requires O(verify).
    type: list
    elements: str
  return:
    description: The value to return for each token. V(metadata) is a dictionary without the secret.
    type: str
    choices: [secret, id, metadata]
    default: secret
  on_missing:
    description:
      - How to handle a token that the store does not have. With O(verify), also a token that
        Dynatrace does not know. V(warn) and V(skip) leave the token out of the result.
      - With O(verify), a token that is disabled, has expired, or lacks a scope is always an error.
    type: str
    choices: [error, warn, skip]
    default: error
seealso:
  - module: community.dynatrace.dynatrace_token
  - module: community.dynatrace.dynatrace_token_set
  - module: community.dynatrace.dynatrace_token_info
  - name: The role dynatrace_tokens
    description: P(community.dynatrace.dynatrace_tokens#role) issues tokens for many hosts.
    link: https://github.com/ansible-collections/community.dynatrace/blob/main/roles/dynatrace_tokens/README.md
  - name: Use the token
    description: An example for each consumer, with the least scopes.
    link: https://github.com/ansible-collections/community.dynatrace/blob/main/docs/use-the-token.md
"""

EXAMPLES = r"""
- name: Issue a token into a store, and use its secret from there
  hosts: localhost
  gather_facts: false
  tasks:
    # The store is the folder tokens beside the playbook. Give a vault password, for example with
    # --ask-vault-pass.
    - name: A token that lists tokens
      community.dynatrace.dynatrace_token:
        name: lister
        scopes: [apiTokens.read, metrics.read]
        store: tokens

    - name: Use its secret
      ansible.builtin.uri:
        url: "{{ lookup('ansible.builtin.env', 'DYNATRACE_ENV_URL') }}/api/v2/apiTokens"
        headers:
          Authorization: "Api-Token {{
            lookup('community.dynatrace.api_token', 'lister', store='tokens') }}"
      no_log: true
      # In check mode, a token that would be issued is not in the store yet.
      when: not ansible_check_mode

- name: Verify a token before you rely on it
  hosts: localhost
  gather_facts: false
  tasks:
    - name: The token is enabled, has not expired, and has the scope
      ansible.builtin.assert:
        that: token_id is string
        quiet: true
      vars:
        token_id: "{{ lookup('community.dynatrace.api_token', 'lister', store='tokens',
          verify=true, scopes=['metrics.read'], return='id') }}"
      when: not ansible_check_mode

- name: List tokens of a store without their secrets
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Show the scopes of the tokens that the store has
      ansible.builtin.debug:
        msg: "{{ item.name }}: {{ item.scopes | join(', ') }}"
      loop: "{{ query('community.dynatrace.api_token', 'lister', 'other', store='tokens',
        return='metadata', on_missing='skip') }}"
      loop_control:
        label: "{{ item.id }}"
"""

RETURN = r"""
_list:
  description:
    - The secrets, in the order of the names.
    - With O(return=id), the ids.
    - With O(return=metadata), dictionaries as in the return value
      RV(community.dynatrace.dynatrace_token#module:metadata). Without O(verify), C(enabled) and
      C(owner) are null.
  type: list
  elements: raw
  sample: [dt0c01.ST2EY72KQINMH574WMNVI7YN.THE-SECRET-PART]
"""

import typing as t

from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    unexpected,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Redactor
from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    CALLER_OPTIONS,
    LOOKUP_OPTIONS,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._lookup import read_tokens
from ansible_collections.community.dynatrace.plugins.plugin_utils._resolve import (
    validated,
    without_blanks,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import (
    known_secrets,
    variables_as_environment,
)

display = Display()


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(
        self, terms: list[t.Any], variables: dict[str, t.Any] | None = None, **kwargs: t.Any
    ) -> list[t.Any]:
        redactor = Redactor(*known_secrets(kwargs, LOOKUP_OPTIONS))
        given = without_blanks(kwargs)
        try:
            # First, because it names an unknown option, which Ansible overlooks, or fails at with a
            # TypeError. A loop adds wantlist.
            validated(
                {name: value for name, value in given.items() if name != "wantlist"},
                LOOKUP_OPTIONS,
            )
            self.set_options(var_options=variables, direct=given)
        except (AnsibleError, DynatraceError) as error:
            # Both show what cannot be converted.
            raise AnsibleLookupError(redactor.text(str(error))) from None
        # The credentials of the environment are left out here: they count less than those given.
        params = {
            name: given.get(name) if name in CALLER_OPTIONS else self.get_option(name)
            for name in LOOKUP_OPTIONS
        }
        redactor.hide(*known_secrets(params, LOOKUP_OPTIONS))
        store_variables = variables_as_environment(variables or {}, self._templar.template)
        try:
            return read_tokens(
                terms,
                params,
                self._loader,
                lambda message: display.warning(redactor.text(message)),
                lambda line: display.display(redactor.text(f"api_token: {line}"), stderr=True),
                redactor,
                store_variables,
            )
        except DynatraceError as error:
            raise AnsibleLookupError(redactor.text(str(error))) from None
        except Exception as error:
            raise AnsibleLookupError(redactor.text(str(unexpected(error)))) from None
