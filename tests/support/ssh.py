# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's own ssh connection without a server: in place of ssh, a script runs the command on
this machine."""

from __future__ import annotations

import json
import pathlib

_RUN_HERE = """#!/bin/sh
for command; do :; done
exec sh -c "$command"
"""

_REFUSE = """#!/bin/sh
echo "remote: Permission denied (publickey)." >&2
exit 255
"""


def over_ssh(folder: pathlib.Path, pipelining: bool = False, refused: bool = False) -> list[str]:
    """The options of a run with one host, remote, that is reached over ssh, and is this machine."""
    script = folder / "ssh"
    script.write_text(_REFUSE if refused else _RUN_HERE)
    script.chmod(0o700)
    variables = {
        "ansible_connection": "ssh",
        "ansible_ssh_executable": str(script),
        "ansible_ssh_transfer_method": "piped",
        "ansible_ssh_pipelining": pipelining,
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }
    return ["-i", "remote,", "-e", json.dumps(variables)]
