# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task that changes nothing costs, beside debug and beside ansible.builtin.uri with the same request.

Everything is measured in one run, task after task in turn, against the stand-in. Called by make bench.
"""

from __future__ import annotations

import collections
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import typing as t
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from support.stand_in import API, Environment, serve

BIN = pathlib.Path(sys.executable).parent
PLUGINS = pathlib.Path(__file__).parent / "plugins"
ROUNDS = 15
ITEMS = 20
TOKENS = 100
FIELDS = "+scopes,+expirationDate,+personalAccessToken,+additionalMetadata"

Task = dict[str, t.Any]


def main() -> int:
    with serve("--preload", str(TOKENS)) as environment, tempfile.TemporaryDirectory() as folder:
        seconds = measure(environment, pathlib.Path(folder))
    print(f"ansible-core {core_version()}, Python {platform.python_version()}, {TOKENS} tokens listed, medians of {ROUNDS} rounds")
    report("a task", seconds, "")
    report(f"an item of a loop of {ITEMS}", seconds, " loop")
    return 0


def tasks(environment: Environment) -> list[Task]:
    """The tasks of one round; each kind also as a loop."""
    query = urllib.parse.urlencode({"pageSize": 10000, "fields": FIELDS, "apiTokenSelector": "personalAccessToken(false)"})
    headers = {"Authorization": f"Api-Token {environment.api_token}"}
    kinds = {
        "debug": {"ansible.builtin.debug": {"msg": "nothing"}},
        "dynatrace_token": {"community.dynatrace.dynatrace_token": {"name": "preloaded-7", "scopes": ["metrics.read", "entities.read"]}},
        "uri": {"ansible.builtin.uri": {"url": f"{environment.url}{API}?{query}", "headers": headers}},
    }
    single = [{"name": name, **task} for name, task in kinds.items()]
    return single + [{"name": f"{name} loop", **task, "loop": list(range(ITEMS))} for name, task in kinds.items()]


def measure(environment: Environment, folder: pathlib.Path) -> dict[str, list[float]]:
    playbook, timing = folder / "playbook.yml", folder / "timing.jsonl"
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks(environment) * ROUNDS}]))
    settings = {"ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS), "ANSIBLE_CALLBACKS_ENABLED": "timing", "TIMING_FILE": str(timing)}
    variables = {**os.environ, **environment.variables, **settings, "ANSIBLE_LOCALHOST_WARNING": "0"}
    subprocess.run([str(BIN / "ansible-playbook"), str(playbook)], env=variables, check=True, stdout=subprocess.DEVNULL)
    seconds = collections.defaultdict(list)
    for line in timing.read_text().splitlines():
        entry = json.loads(line)
        seconds[entry["task"]].append(entry["seconds"] / (ITEMS if entry["task"].endswith("loop") else 1))
    return seconds


def report(title: str, seconds: dict[str, list[float]], suffix: str) -> None:
    medians = {name: statistics.median(seconds[name + suffix]) for name in ("debug", "dynatrace_token", "uri")}
    own = medians["dynatrace_token"]
    print(f"\n{title:<26} {'ms':>8} {'of debug':>10} {'of uri':>8}")
    for name, median in medians.items():
        print(f"{name:<26} {median * 1000:8.1f} {median / medians['debug']:10.2f} {median / medians['uri']:8.3f}")
    print(f"uri takes {medians['uri'] / own:.1f} times as long as dynatrace_token")


def core_version() -> str:
    import ansible.release

    return ansible.release.__version__


if __name__ == "__main__":
    sys.exit(main())
