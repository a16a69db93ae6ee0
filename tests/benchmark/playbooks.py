# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of ansible-playbook that are timed: each task, and the whole."""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time
import typing as t

from support.stand_in import Environment

BIN = pathlib.Path(sys.executable).parent
PLUGINS = pathlib.Path(__file__).parent / "plugins"

Task = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Timing:
    whole: float  # seconds, from the start of the process to its end
    tasks: dict[str, list[float]]  # seconds of each task of a name, in order


def run(folder: pathlib.Path, environment: Environment, *tasks: Task) -> Timing:
    playbook, timing, password = (
        folder / "playbook.yml",
        folder / "timing.jsonl",
        folder / "vault-password",
    )
    playbook.write_text(
        json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": list(tasks)}])
    )
    timing.write_text("")
    password.write_text("correct horse")
    settings = {
        "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS),
        "ANSIBLE_CALLBACKS_ENABLED": "timing",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_VAULT_PASSWORD_FILE": str(password),
        "TIMING_FILE": str(timing),
    }
    started = time.perf_counter()
    command = [str(BIN / "ansible-playbook"), str(playbook)]
    done = subprocess.run(
        command,
        env={**os.environ, **environment.variables, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    whole = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    seconds = collections.defaultdict(list)
    for entry in map(json.loads, timing.read_text().splitlines()):
        seconds[entry["task"]].append(entry["seconds"])
    return Timing(whole, seconds)
