# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: platform_scopes
short_description: Translate scopes of an access token to those of a platform token
version_added: 1.1.0
author:
  - The community.dynatrace project (@ansible-collections)
description:
  - Returns the scopes that a platform token needs to do the same as an access token.
  - A scope without a known translation is an error, so that no platform token lacks a scope
    unnoticed.
  - The playbook C(community.dynatrace.migrate_to_platform_tokens) translates with this filter. The
    guide to migrating has the table, with the page of Dynatrace's documentation for each scope.
options:
  _input:
    description:
      - The scopes of an access token.
    type: list
    elements: str
    required: true
  more:
    description:
      - Further translations, by scope. Each is a list of scopes of a platform token. They take
        precedence over the known translations.
    type: dict
    default: {}
seealso:
  - module: community.dynatrace.dynatrace_token
  - name: Migrating
    description: Replace access tokens by platform tokens, with the table of translations.
    link: https://github.com/ansible-collections/community.dynatrace/blob/main/docs/migrating.md
"""

EXAMPLES = r"""
- name: Translate scopes of an access token
  hosts: localhost
  gather_facts: false
  vars:
    extra:
      entities.read: [storage:entities:read]
  tasks:
    - name: Show the scopes of a platform token
      ansible.builtin.debug:
        msg: >-
          {{ ['logs.ingest', 'entities.read']
          | community.dynatrace.platform_scopes(more=extra) }}
"""

RETURN = r"""
_value:
  description:
    - The scopes of the platform token, sorted.
  type: list
  elements: str
  sample: [openpipeline:logs:ingest, storage:entities:read]
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.platform_scopes import (
    platform_scopes,
)


def translate(
    scopes: t.Sequence[str], more: t.Mapping[str, t.Sequence[str]] | None = None
) -> list[str]:
    if isinstance(scopes, str) or not isinstance(scopes, t.Sequence):
        raise AnsibleFilterError("platform_scopes: the input is not a list of scopes.")
    try:
        return list(platform_scopes(scopes, more or {}))
    except DynatraceError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"platform_scopes": translate}
