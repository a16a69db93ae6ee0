# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many tasks that want the same token at the same time: one issues it, the others find it."""

from __future__ import annotations

import concurrent.futures
import pathlib

import pytest

from support import stand_in
from support.runs import Ansible, Run, check, token

READ = ["metrics.read"]


@pytest.mark.parametrize(
    ("connection", "count", "latency"), [("local", 10, 30), ("elsewhere", 2, 700)]
)
def test_many_hosts_of_one_play_get_one_token(
    tmp_path: pathlib.Path, connection: str, count: int, latency: int
) -> None:
    hosts = ",".join(f"host{number}" for number in range(count))
    options = [
        "-i",
        hosts + ",",
        "-f",
        "20",
        "-e",
        f"ansible_connection={connection} "
        "ansible_python_interpreter={{ansible_playbook_python}}",
    ]
    with stand_in.serve("--latency", str(latency)) as slow:
        run = (
            Ansible(tmp_path, slow)
            .play(token("shared", register="made", scopes=READ), hosts="all", options=options)
            .succeeded()
        )
        assert len(slow.tokens("shared")) == 1
        assert slow.writes() == ["POST", "PUT"]
        assert run.stdout.count("changed=1") == 1
        assert "is from a run that was cut off" not in run.text


# What two jobs on one machine share: the home of Ansible, or, as jobs of two users, the store
# alone.
SHARED = {"home": ("home", None), "store": (None, "store")}


@pytest.mark.once
@pytest.mark.parametrize("shared", SHARED)
def test_two_playbooks_get_one_token(tmp_path: pathlib.Path, shared: str) -> None:
    home, store = SHARED[shared]

    def play(name: str) -> Run:
        folder = tmp_path / name
        folder.mkdir()
        options = {"store": str(tmp_path / store)} if store else {}
        tasks = [token("shared", register="made", scopes=READ, **options), check("made.usable")]
        return Ansible(folder, slow).play(
            *tasks, env={"ANSIBLE_HOME": str(tmp_path / (home or f"home-{name}"))}
        )

    with (
        stand_in.serve("--latency", "300") as slow,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        for run in pool.map(play, ["one", "two"]):
            run.succeeded()
        assert slow.writes() == ["POST", "PUT"]
