# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: token_findings
short_description: Find Dynatrace tokens that need attention
version_added: 1.1.0
author:
  - The community.dynatrace project (@ansible-collections)
description:
  - Adds C(findings) to each of the tokens that M(community.dynatrace.dynatrace_token_info) returns.
  - The most urgent tokens come first. Tokens of the same urgency are sorted by expiration date, and
    then by name.
  - The playbook C(community.dynatrace.audit_tokens) writes its report with this filter.
options:
  _input:
    description:
      - The tokens, as in RV(community.dynatrace.dynatrace_token_info#module:tokens). Predecessors
        are recognized only if the module was given a store.
    type: list
    elements: dict
    required: true
  expires_within:
    description:
      - A token with the finding V(ending) expires within this period. The units are those of
        O(community.dynatrace.dynatrace_token#module:expires_in).
    type: str
    default: 30d
  unused_for:
    description:
      - A token with the finding V(unused) was not used for this period.
    type: str
    default: 90d
  max_scopes:
    description:
      - A token with the finding V(wide) has more scopes than this.
    type: int
    default: 10
  over_privileged_scopes:
    description:
      - A token with any of these scopes has the finding V(wide) too.
    type: list
    elements: str
    default: []
  now:
    description:
      - The time to compare with, as an ISO 8601 date and time with a time zone. If not given, the
        time of the controller is used.
    type: str
seealso:
  - module: community.dynatrace.dynatrace_token_info
  - name: Audit
    description: The playbook C(community.dynatrace.audit_tokens) writes a page of all tokens.
    link: https://github.com/ansible-collections/community.dynatrace/blob/main/docs/audit.md
"""

EXAMPLES = r"""
- name: Find tokens that need attention
  hosts: localhost
  gather_facts: false
  tasks:
    - name: List all tokens
      community.dynatrace.dynatrace_token_info:
      register: listed

    - name: Show the tokens that are over-privileged or unused
      ansible.builtin.debug:
        msg: "{{ item.name }}: {{ item.findings | join(', ') }}"
      loop: >-
        {{ listed.tokens | community.dynatrace.token_findings(
           unused_for='30d', over_privileged_scopes=['apiTokens.write', 'settings.write']) }}
      loop_control:
        label: "{{ item.id }}"
      when: item.findings | intersect(['wide', 'unused', 'never_used']) | length > 0
"""

RETURN = r"""
_value:
  description:
    - The tokens, each with C(findings), a list of any of the following values.
    - V(ended), the token has expired.
    - V(ending), the token expires within O(expires_within).
    - V(wide), the token has more than O(max_scopes) scopes, or any of O(over_privileged_scopes).
    - V(never_used), the token was never used, and is older than O(unused_for).
    - V(unused), the token was used, but not within O(unused_for).
    - V(no_end), the token never expires.
    - V(same_name), another token has the same name, kind and resources. Predecessors do not count.
    - V(disabled), the token is disabled.
    - V(retiring), the token is a predecessor of another token.
    - Only usable tokens, which are enabled and have not expired, have V(ending), V(wide),
      V(never_used), V(unused) and V(no_end).
    - Each token also has C(commands), a dictionary from a finding to the shell command that
      resolves it. A token whose name or id needs quotes has fewer commands.
  type: list
  elements: dict
  sample:
    - id: dt0c01.ST2EY72KQINMH574WMNVI7YN
      name: reports
      findings: [never_used]
      commands:
        never_used: >-
          ansible localhost -m community.dynatrace.dynatrace_token
          -a "token_id=dt0c01.ST2EY72KQINMH574WMNVI7YN kind=access enabled=false"
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import utc_now
from ansible_collections.community.dynatrace.plugins.plugin_utils._findings import (
    parse_now,
    parse_settings,
    token_findings,
)


def find(
    tokens: t.Sequence[t.Mapping[str, t.Any]],
    expires_within: str = "30d",
    unused_for: str = "90d",
    max_scopes: int = 10,
    over_privileged_scopes: t.Sequence[str] = (),
    now: str | None = None,
) -> list[dict[str, t.Any]]:
    settings = {
        "expires_within": expires_within,
        "unused_for": unused_for,
        "max_scopes": max_scopes,
        "over_privileged_scopes": over_privileged_scopes,
    }
    try:
        return token_findings(tokens, parse_now(now, utc_now), parse_settings(settings))
    except DynatraceError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"token_findings": find}
