# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stands in for the module of community.general: keeps a secret in a file instead of GitHub."""

from __future__ import annotations

import json
import os
import pathlib

from ansible.module_utils.basic import AnsibleModule

OPTIONS = {
    "organization": {"type": "str", "required": True, "aliases": ["org", "username"]},
    "repository": {"type": "str", "aliases": ["repo"]},
    "key": {"type": "str", "no_log": False},
    "value": {"type": "str", "no_log": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "token": {"type": "str", "required": True, "no_log": True},
}

module = AnsibleModule(OPTIONS)
pathlib.Path(os.environ["HANDED_OVER"], "github.json").write_text(json.dumps(module.params))
module.exit_json(changed=True)
