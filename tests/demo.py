# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs playbooks/demo.yml twice against the stand-in, with a store. Called by make demo."""

from __future__ import annotations

import os
import pathlib
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
                command, env={**os.environ, **QUIET, **environment.variables, **store}, check=False
            )
            if done.returncode:
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
