# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role costs with many hosts, beside a play of as many tasks of set_fact."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import typing as t

from support.stand_in import Environment, serve

HOSTS = int(os.environ.get("BENCHMARK_HOSTS", "1000"))
# What Ansible starts on each host for the role: its argument spec, two includes, and five tasks.
TASKS = 8
MOST = 3.0  # times a play of as many tasks of set_fact
BIN = pathlib.Path(sys.executable).parent
ROLE = "community.dynatrace.dynatrace_tokens"


def main() -> None:
    with serve() as environment, tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        facts = [{"ansible.builtin.set_fact": {f"fact_{number}": 1}} for number in range(TASKS)]
        baseline = seconds(folder, environment, {"tasks": facts})
        tokens = [{"name": "same", "scopes": ["metrics.read"], "fact": "same_secret"}]
        use = {
            "role": ROLE,
            "vars": {"dynatrace_tokens": tokens, "dynatrace_tokens_store": "store"},
        }
        environment.forget_requests()
        role = seconds(folder, environment, {"roles": [use]})
        listings = sum(request["method"] == "GET" for request in environment.requests())
    print(f"\n{HOSTS} hosts, the same list on all, a store; seconds")
    print(f"{TASKS} tasks of set_fact {baseline:.1f}, the role {role:.1f}")
    print(f"{role / baseline:.2f} times, at most {MOST}; reading requests: {listings}")


def seconds(folder: pathlib.Path, environment: Environment, play: dict[str, t.Any]) -> float:
    """What a play takes on all hosts."""
    (folder / "playbook.yml").write_text(
        json.dumps([{"hosts": "all", "gather_facts": False, **play}])
    )
    (folder / "vault-password").write_text("correct horse")
    hosts = "\n".join(f"host-{number} ansible_connection=local" for number in range(HOSTS))
    (folder / "inventory.ini").write_text(hosts)
    settings = {"ANSIBLE_VAULT_PASSWORD_FILE": str(folder / "vault-password")}
    command = [str(BIN / "ansible-playbook"), "-i", "inventory.ini", "playbook.yml"]
    started = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment.variables, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    return time.perf_counter() - started
