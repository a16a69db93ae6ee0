# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs playbooks/demo.yml twice against the stand-in, with a store that it leaves to look at.
Called by make demo.

Prints the summaries only; with arguments for ansible-playbook, such as -v, all that Ansible prints.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import sys

from support.stand_in import serve

QUIET = {"ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}
ROOT = pathlib.Path(__file__).parents[1]
FOLDER = pathlib.Path(sys.prefix) / "store-of-the-demo"
RUNS = (
    "First run: both tokens are issued",
    "Second run: nothing changes, and the same token is used",
)
END = """
You have seen the role issue two tokens, and other tasks use one of them. The second run changed
nothing and had the same secrets, from the store: {store}
The files there have the secrets encrypted. They are worth nothing: the stand-in is gone.
Next, a token in an environment of yours:
https://github.com/ansible-collections/community.dynatrace#your-first-token"""


def main() -> int:
    ansible_playbook = pathlib.Path(sys.executable).with_name("ansible-playbook")
    command = [str(ansible_playbook), str(ROOT / "playbooks" / "demo.yml"), *sys.argv[1:]]
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(mode=0o700)
    password = FOLDER / "vault-password"
    password.write_text(secrets.token_hex())
    store = {
        "DYNATRACE_TOKEN_STORE": str(FOLDER / "tokens"),
        "ANSIBLE_VAULT_PASSWORD_FILE": str(password),
    }
    with serve() as environment:
        for run in RUNS:
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
    print(END.format(store=os.path.relpath(store["DYNATRACE_TOKEN_STORE"])))
    return 0


def told(output: str) -> list[str]:
    """What the summaries of the role and of the demo say, and how many tasks changed something."""
    blocks = re.findall(r'"msg": \[\n(.*?)\n +\]', output, re.DOTALL)
    lines = [line.strip().rstrip(",") for block in blocks for line in block.splitlines()]
    changed = re.findall(r"changed=\d+", output)
    return [*map(json.loads, lines), f"Tasks: {', '.join(changed)}"]


if __name__ == "__main__":
    sys.exit(main())
