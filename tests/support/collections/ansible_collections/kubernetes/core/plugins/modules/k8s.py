# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stands in for the module of kubernetes.core: keeps the definition in a file."""

from __future__ import annotations

import json
import os
import pathlib

from ansible.module_utils.basic import AnsibleModule

OPTIONS = {
    "definition": {"type": "dict", "aliases": ["inline", "resource_definition"]},
    "state": {"default": "present", "choices": ["present", "absent", "patched"]},
    "kubeconfig": {"type": "raw"},
    "context": {},
}

module = AnsibleModule(OPTIONS, supports_check_mode=True)
kept = pathlib.Path(os.environ["HANDED_OVER"], "k8s.json")
before = json.loads(kept.read_text()) if kept.exists() else None
after = module.params["definition"]
if not module.check_mode:
    kept.write_text(json.dumps(after))
module.exit_json(changed=before != after, result=after)
