# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The specifications that a task of the role dynatrace_tokens makes tokens by."""

from __future__ import annotations

import typing as t

DOCUMENTATION = r"""
name: dynatrace_tokens_wanted
short_description: The tokens that a group of hosts asks for together
version_added: 1.1.0
author:
  - The community.dynatrace project (@ansible-collections)
description:
  - An internal part of the role P(community.dynatrace.dynatrace_tokens#role), useless without it.
  - Returns a list for the option O(community.dynatrace.dynatrace_token_set#module:tokens).
positional: gathered, leader
options:
  _input:
    description: The variable C(hostvars).
    type: dict
    required: true
  gathered:
    description: The result of the step V(gather) of M(community.dynatrace.dynatrace_tokens_step).
    type: dict
    required: true
  leader:
    description: The host that represents its group.
    type: str
    required: true
seealso:
  - module: community.dynatrace.dynatrace_token_set
"""

EXAMPLES = r"""
- name: Manage the tokens that a group of hosts asks for
  community.dynatrace.dynatrace_token_set:
    tokens: "{{ hostvars | community.dynatrace.dynatrace_tokens_wanted(
      __dynatrace_tokens_gathered, inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: The specifications, each once.
  type: list
  elements: dict
  sample:
    - name: reports
      scopes: [metrics.read]
"""

from ansible_collections.community.dynatrace.plugins.plugin_utils._role.gather import wanted_by
from ansible_collections.community.dynatrace.plugins.plugin_utils._role.hosts import answers_of
from ansible_collections.community.dynatrace.plugins.plugin_utils._role.receive import group_of


def wanted(hostvars: t.Any, gathered: t.Mapping[str, t.Any], leader: str) -> list[dict[str, t.Any]]:
    group = group_of(leader, gathered)
    if group is None:
        return []
    known = {"hostvars": hostvars, "ansible_play_hosts_all": group["hosts"]}
    return wanted_by(group, answers_of(known, gathered["use"]))


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"dynatrace_tokens_wanted": wanted}
