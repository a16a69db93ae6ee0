# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stands in for the module of community.general: keeps variables in a file instead of GitLab."""

from __future__ import annotations

import json
import os
import pathlib

from ansible.module_utils.basic import AnsibleModule

VARIABLE = {
    "name": {"type": "str", "required": True},
    "value": {"type": "str", "no_log": True},
    "masked": {"type": "bool", "default": False},
    "protected": {"type": "bool", "default": False},
    "raw": {"type": "bool", "default": False},
    "environment_scope": {"type": "str", "default": "*"},
}
OPTIONS = {
    "api_url": {"type": "str"},
    "api_token": {"type": "str", "no_log": True, "required": True},
    "project": {"type": "str", "required": True},
    "variables": {"type": "list", "elements": "dict", "default": [], "options": VARIABLE},
}

module = AnsibleModule(OPTIONS, supports_check_mode=True)
pathlib.Path(os.environ["HANDED_OVER"], "gitlab.json").write_text(
    json.dumps(module.params["variables"])
)
module.exit_json(changed=True)
