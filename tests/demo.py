# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs playbooks/demo.yml against the stand-in. Called by make demo."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

from support.stand_in import serve

QUIET = {"ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}
ROOT = pathlib.Path(__file__).parents[1]


def main() -> int:
    ansible_playbook = pathlib.Path(sys.executable).with_name("ansible-playbook")
    with serve() as environment:
        command = [str(ansible_playbook), str(ROOT / "playbooks" / "demo.yml"), *sys.argv[1:]]
        return subprocess.run(command, env={**os.environ, **QUIET, **environment.variables}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
