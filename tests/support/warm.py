# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's programs as forks of a parent that has imported what each of them imports, which saves
time.

Nothing of Ansible's own is imported before the fork, because Ansible reads its environment when it
is imported.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import gc
import importlib
import os
import pathlib
import runpy
import subprocess
import sys
import typing as t
from multiprocessing.connection import Connection, Pipe

READ_AT_START = (
    "LANG",
    "LC_",
    "PYTHON",
    "TZ",
)  # an interpreter does not look at these variables again

_idle: dict[t.Any, list[Connection]] = collections.defaultdict(
    list
)  # the parents without a run, by what they read at start


class Process:
    """A run as subprocess.Popen would start it, but with its output in files. A parent has one
    run at a time."""

    def __init__(
        self,
        command: list[str],
        env: dict[str, str],
        cwd: pathlib.Path,
        stdout: pathlib.Path,
        stderr: pathlib.Path,
    ) -> None:
        self._idle = _idle[
            frozenset(item for item in env.items() if item[0].startswith(READ_AT_START))
        ]
        try:
            self._parent = self._idle.pop()
        except IndexError:
            self._parent = _start_parent(
                {name: value for name, value in env.items() if not name.startswith("ANSIBLE_")}
            )
        self._parent.send((command, env, cwd, stdout, stderr))
        self.pid: int = self._parent.recv()

    def wait(self, timeout: float) -> int:
        if not self._parent.poll(timeout):
            raise TimeoutError(f"process {self.pid} still runs after {timeout} seconds")
        returncode: int = self._parent.recv()
        self._idle.append(self._parent)
        return returncode


def _start_parent(env: dict[str, str]) -> Connection:
    ours, theirs = Pipe()
    with theirs:
        command, null = [sys.executable, __file__, str(theirs.fileno())], subprocess.DEVNULL
        process = subprocess.Popen(
            command, env=env, stdin=null, stdout=null, pass_fds=[theirs.fileno()]
        )
    atexit.register(process.wait)
    atexit.register(ours.close)  # called first, and ends the parent
    return ours


def _import_beforehand() -> None:
    """Import what Ansible and the collection import, but for what is Ansible's own or no module
    by itself."""
    said = subprocess.check_output(
        [sys.executable, "-c", "import sys, ansible.cli.playbook, requests; print(*sys.modules)"],
        text=True,
    )
    for name in said.split():
        if not name.startswith(("__main__", "_ansible", "ansible")):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    gc.freeze()  # or each run would go through all of this in search of garbage


def _fork(connection: Connection) -> t.Any:
    """In each fork what it has to run; in the parent nothing, when the tests are over."""
    with contextlib.suppress(EOFError, ConnectionError, KeyboardInterrupt):
        while True:
            request = connection.recv()
            pid = os.fork()
            if pid == 0:
                return request
            connection.send(pid)
            connection.send(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    return None


def _become(
    command: list[str], env: dict[str, str], cwd: pathlib.Path, *outputs: pathlib.Path
) -> None:
    """Run a program up to its last line; what comes after that, the interpreter does at the end
    of this one too."""
    for descriptor, file in enumerate([os.devnull, *outputs]):
        with open(file, "a+b") as opened:
            os.dup2(opened.fileno(), descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = command
    runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    sys.path[0] = str(pathlib.Path(sys.executable).parent)  # where the programs are
    _import_beforehand()
    with Connection(int(sys.argv[1])) as connection:
        request = _fork(connection)
    if request:
        _become(*request)
