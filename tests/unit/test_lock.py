# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._lock import identity_locks

IDENTITY = ("abc12345", "API token", "ci")
HOLDER = """
import sys
from ansible_collections.community.dynatrace.plugins.plugin_utils._lock import identity_locks
with identity_locks(sys.argv[1], [sys.argv[2:]]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: pathlib.Path) -> t.Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until it ends."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "locks" / "lock"), *IDENTITY]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_wait_for_a_lock_that_is_held_ends_with_an_error(
    tmp_path: pathlib.Path, holder: subprocess.Popen[str]
) -> None:
    with (
        pytest.raises(
            DynatraceError, match=r"busy with the token 'ci' for 0.2 s. Nothing was done"
        ),
        identity_locks(str(tmp_path / "locks" / "lock"), [IDENTITY], longest_wait=0.2),
    ):
        pass


def test_other_identities_do_not_wait(
    tmp_path: pathlib.Path, holder: subprocess.Popen[str]
) -> None:
    for other in (
        ("abc12345", "API token", "cd"),
        ("abc12345", "personal access token", "ci"),
        ("xyz", "API token", "ci"),
    ):
        with identity_locks(str(tmp_path / "locks" / "lock"), [other], longest_wait=0):
            pass


def test_a_process_that_is_killed_leaves_no_lock(
    tmp_path: pathlib.Path, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.wait()
    with identity_locks(str(tmp_path / "locks" / "lock"), [IDENTITY], longest_wait=0):
        assert (tmp_path / "locks").stat().st_mode & 0o777 == 0o700


def test_a_lock_is_no_link_to_follow(tmp_path: pathlib.Path) -> None:
    with identity_locks(str(tmp_path / "lock"), [IDENTITY]):
        pass
    (lock,) = tmp_path.iterdir()
    lock.unlink()
    lock.symlink_to(tmp_path / "elsewhere")
    with (
        pytest.raises(DynatraceError, match="Set ANSIBLE_HOME to a folder"),
        identity_locks(str(tmp_path / "lock"), [IDENTITY]),
    ):
        pass
    assert not (tmp_path / "elsewhere").exists()


MANY = [["abc12345", "API token", f"t{number}"] for number in range(2000)]
TAKING_ALL = """
import json, sys
from ansible_collections.community.dynatrace.plugins.plugin_utils._lock import identity_locks
for _time in range(3):
    with identity_locks(sys.argv[1], json.loads(sys.argv[2])):
        pass
"""


def test_two_who_want_many_in_another_order_do_not_wait_for_each_other(
    tmp_path: pathlib.Path,
) -> None:
    orders = [MANY, MANY[::-1]]
    commands = [
        [sys.executable, "-c", TAKING_ALL, str(tmp_path / "lock"), json.dumps(order)]
        for order in orders
    ]
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait(30) for process in processes] == [0, 0]


def test_any_text_can_be_locked(tmp_path: pathlib.Path) -> None:
    with identity_locks(str(tmp_path / "lock"), [("abc12345", "API token", "\ud800")]):
        assert (tmp_path / "lock").exists()
