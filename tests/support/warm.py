# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's programs as forks of a parent that has imported what each of them imports, and has
loaded the plugins that each of them loads, which is most of the time of a short run.

Ansible reads its environment when it is imported. So each environment has parents of its own. The
folders that every run has are the same to all runs of a parent: a link that leads each of them to
its own. The link is short, because ansible-core 2.21 makes a socket below TMPDIR, and the path of a
socket must not be longer than about 100 characters.
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
import shutil
import subprocess
import sys
import tempfile
import typing as t
import warnings
from multiprocessing.connection import Connection, Pipe

READ_AT_START = ("ANSIBLE_", "HOME", "LANG", "LC_", "PYTHON", "SSL_", "TMPDIR", "TZ")
LINKED = (
    "ANSIBLE_HOME",
    "ANSIBLE_LOCAL_TEMP",
    "ANSIBLE_REMOTE_TEMP",
    "ANSIBLE_VAULT_PASSWORD_FILE",
    "HOME",
    "TMPDIR",
)
KNOWS_OPTIONS_AT_START = {"tree"}  # a callback that looks at options when it is loaded

_idle: dict[t.Any, list[Parent]] = collections.defaultdict(list)  # those without a run


class Parent(t.NamedTuple):
    connection: Connection
    link: pathlib.Path


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
        same = _linked(env, cwd, pathlib.Path("link")).items()
        self._idle = _idle[frozenset(one for one in same if one[0].startswith(READ_AT_START))]
        self._parent = self._idle.pop() if self._idle else _start_parent(env, cwd)
        connection, link = self._parent
        link.unlink()
        link.symlink_to(cwd)
        connection.send((command, _linked(env, cwd, link), cwd, stdout, stderr))
        self.pid: int = connection.recv()

    def wait(self, timeout: float) -> int:
        connection = self._parent.connection
        if not connection.poll(timeout):
            raise TimeoutError(f"process {self.pid} still runs after {timeout} seconds")
        returncode: int = connection.recv()
        self._idle.append(self._parent)
        return returncode


def _linked(env: dict[str, str], folder: pathlib.Path, link: pathlib.Path) -> dict[str, str]:
    return {
        name: value.replace(str(folder), str(link)) if name in LINKED else value
        for name, value in env.items()
    }


def _start_parent(env: dict[str, str], cwd: pathlib.Path) -> Parent:
    place = pathlib.Path(tempfile.mkdtemp(prefix="dt"))
    link = place / "t"
    link.symlink_to(cwd)
    ours, theirs = Pipe()
    with theirs:
        command, null = [sys.executable, __file__, str(theirs.fileno())], subprocess.DEVNULL
        process = subprocess.Popen(
            command,
            env=_linked(env, cwd, link),
            stdin=null,
            stdout=null,
            pass_fds=[theirs.fileno()],
        )
    atexit.register(shutil.rmtree, place)
    atexit.register(process.wait)
    atexit.register(ours.close)  # called first, and ends the parent
    return Parent(ours, link)


def _import_beforehand() -> str:
    """Import what Ansible and the collection import; return the folder that Ansible made."""
    importlib.import_module("requests")
    importlib.import_module("ansible.cli.playbook")
    _load_plugins(importlib.import_module("ansible.plugins.loader"))
    gc.freeze()  # or each run would go through all of this in search of garbage
    folder: str = importlib.import_module("ansible.constants").DEFAULT_LOCAL_TMP
    return folder


def _load_plugins(loader: t.Any) -> None:
    """Load the plugins that each run loads, among them all callbacks, used or not."""
    loader.init_plugin_loader()
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")
    importlib.import_module("ansible_collections.ansible.builtin")
    for kind in ("become", "cache", "connection", "inventory", "shell", "vars"):
        collections.deque(getattr(loader, f"{kind}_loader").all(class_only=True), maxlen=0)
    callbacks = loader.callback_loader
    names = {pathlib.Path(path).stem for path in callbacks.all(path_only=True)}
    for name in names - KNOWS_OPTIONS_AT_START:
        with contextlib.suppress(Exception):  # each run tries again, and says so itself
            callbacks.get(name, class_only=True)


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
    local: str, command: list[str], env: dict[str, str], cwd: pathlib.Path, *outputs: pathlib.Path
) -> None:
    """Run a program up to its last line; what comes after that, the interpreter does at the end
    of this one too."""
    pathlib.Path(local).mkdir(mode=0o700, exist_ok=True)  # the run before has removed it
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
    local = _import_beforehand()
    with Connection(int(sys.argv[1])) as connection:
        request = _fork(connection)
    if request:
        _become(local, *request)
