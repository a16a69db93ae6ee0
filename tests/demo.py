# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs playbooks/demo.yml twice against the stand-in, with a store. Called by make demo.

Prints the summaries only; with arguments for ansible-playbook, such as -v, all that Ansible prints.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import secrets
import subprocess
import sys
import tempfile

from support.stand_in import serve

QUIET = {"ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}
ROOT = pathlib.Path(__file__).parents[1]


def main() -> int:
    ansible_playbook = pathlib.Path(sys.executable).with_name("ansible-playbook")
    command = [str(ansible_playbook), str(ROOT / "playbooks" / "demo.yml"), *sys.argv[1:]]
    with serve() as environment, tempfile.TemporaryDirectory() as folder:
        password = pathlib.Path(folder) / "vault-password"
        password.write_text(secrets.token_hex())
        store = {
            "DYNATRACE_TOKEN_STORE": f"{folder}/tokens",
            "ANSIBLE_VAULT_PASSWORD_FILE": str(password),
        }
        for run in (
            "First run: both tokens are issued",
            "Second run: nothing changes, and the same token is used",
        ):
            print(f"\n##### {run} #####", flush=True)
            done = subprocess.run(
                command,
                env={**os.environ, **QUIET, **environment.variables, **store},
                check=False,
                capture_output=True,
                text=True,
            )
            if done.returncode or sys.argv[1:]:
                print(done.stdout + done.stderr)
            else:
                print("\n".join(told(done.stdout)))
            if done.returncode:
                return done.returncode
    return 0


def told(output: str) -> list[str]:
    """What the summaries of the role and of the demo say, and how many tasks changed something."""
    blocks = re.findall(r'"msg": \[\n(.*?)\n +\]', output, re.DOTALL)
    lines = [line.strip().rstrip(",") for block in blocks for line in block.splitlines()]
    changed = re.findall(r"changed=\d+", output)
    return [*map(json.loads, lines), f"Tasks: {', '.join(changed)}"]


if __name__ == "__main__":
    sys.exit(main())
