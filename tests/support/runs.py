# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real runs of ansible-playbook and ansible, each in a folder of its own, and what came out of
them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import sys
import tempfile
import typing as t

from support import warm
from support.stand_in import Environment

BIN = pathlib.Path(sys.executable).parent
PLUGINS = pathlib.Path(__file__).parent / "plugins"

VAULT_PASSWORD = "hunter2"

Task = dict[str, t.Any]
Env = t.Optional[t.Mapping[str, t.Optional[str]]]  # variables of a run; None takes one away


@dataclasses.dataclass(frozen=True)
class Run:
    """What one run said and did."""

    returncode: int
    stdout: str
    stderr: str
    events: list[dict[str, t.Any]]

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    @property
    def text(self) -> str:
        """The output with runs of white space made one, because Ansible wraps messages."""
        return " ".join(self.output.split())

    def results(self, task: str) -> list[dict[str, t.Any]]:
        """The results of the task of this name as callbacks got them, the items of a loop first."""
        return [
            event["result"] for event in self.events if event["task"].rpartition(" : ")[2] == task
        ]

    def result(self, task: str) -> dict[str, t.Any]:
        return self.results(task)[-1]

    def succeeded(self) -> Run:
        assert self.returncode == 0, self.output
        return self

    def failed(self) -> Run:
        assert self.returncode != 0, self.output
        return self


def _children(pid: int) -> list[int]:
    """The descendants of a process, the youngest first."""
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [child for child, parent in parents.items() if parent == pid]
    return [descendant for child in found for descendant in [*_children(child), child]]


def _awaits_alarm(pid: int) -> bool:
    """Whether the process has a handler for the signal of a timeout, which would kill others."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGALRM - 1) & 1)


def token(
    name: str, register: str | None = None, keywords: Task | None = None, **options: t.Any
) -> Task:
    """A task of dynatrace_token, called after the token."""
    task = {
        "name": name,
        "community.dynatrace.dynatrace_token": {"name": name, **options},
        **(keywords or {}),
    }
    return {**task, "register": register} if register else task


def info(register: str, **options: t.Any) -> Task:
    return {
        "name": register,
        "community.dynatrace.dynatrace_token_info": options,
        "register": register,
    }


def works(secret: str = "got.token") -> Task:
    """A task that fails unless Dynatrace knows this secret, given as an expression, as that of an
    enabled token.
    """
    arguments = {"token": f"{{{{ {secret} }}}}"}
    condition = "used.tokens | selectattr('enabled') | length != 1"
    return {
        "name": "works",
        "community.dynatrace.dynatrace_token_info": arguments,
        "register": "used",
        "failed_when": condition,
    }


def in_check_mode(task: Task) -> Task:
    return {**task, "check_mode": True}


def check(*conditions: str) -> Task:
    return {"name": "check", "ansible.builtin.assert": {"that": list(conditions)}}


def without_library(library: str, folder: pathlib.Path) -> dict[str, str]:
    """The variables of a run that cannot import this library."""
    folder.mkdir()
    (folder / f"{library}.py").write_text("raise ImportError\n")
    return {"PYTHONPATH": str(folder)}


def set_clock(environment: Environment, now: str) -> Task:
    """A task after which it is that moment in the environment, such as now+30d."""
    return {"name": now, "set_clock": {"url": f"{environment.url}/_emulator/clock", "now": now}}


@dataclasses.dataclass(frozen=True)
class Ansible:
    """Runs Ansible against one environment, with everything it writes below one folder."""

    folder: pathlib.Path
    environment: Environment
    running: list[int] = dataclasses.field(default_factory=list)  # process ids

    def kill(self) -> None:
        """Kill what runs, with all its workers, as a machine that loses power would."""
        for pid in self.running:
            os.kill(
                pid, signal.SIGSTOP
            )  # or it could see that its workers are dead, and end by itself
            for doomed in [*_children(pid), pid]:
                os.kill(doomed, signal.SIGKILL)

    def time_out(self) -> None:
        """Let the task end that is under way and has a timeout, as if its time were over."""
        for pid in self.running:
            for child in filter(_awaits_alarm, _children(pid)):
                os.kill(child, signal.SIGALRM)

    def play(
        self, *tasks: Task, options: t.Sequence[str] = (), env: Env = None, **keywords: t.Any
    ) -> Run:
        """One play of these tasks, on localhost if no hosts are given."""
        defaults = {
            "group/community.dynatrace.dynatrace": {"api_version": self.environment.api_version}
        }
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "module_defaults": defaults,
            "tasks": list(tasks),
            **keywords,
        }
        return self.playbook([play], options, env)

    def playbook(self, plays: t.Any, options: t.Sequence[str] = (), env: Env = None) -> Run:
        file = self.folder / "playbook.yml"
        file.write_text(plays if isinstance(plays, str) else json.dumps(plays, indent=1))
        return self.command("ansible-playbook", str(file), *options, env=env)

    def adhoc(self, module: str, arguments: str, *options: str, env: Env = None) -> Run:
        return self.command(
            "ansible",
            "localhost",
            "-m",
            f"community.dynatrace.{module}",
            "-a",
            arguments,
            *options,
            env=env,
        )

    def command(self, program: str, *arguments: str, env: Env = None) -> Run:
        record = self.folder / "record.jsonl"
        record.unlink(missing_ok=True)
        own_tmp = {"TMPDIR": str(self.folder / "tmp")}
        variables = {
            name: value
            for name, value in {**self.variables(), **own_tmp, **(env or {})}.items()
            if value is not None
        }
        with tempfile.TemporaryDirectory() as said_in:
            stdout, stderr = pathlib.Path(said_in) / "stdout", pathlib.Path(said_in) / "stderr"
            run = warm.Process(
                [str(BIN / program), *arguments], variables, self.folder, stdout, stderr
            )
            self.running.append(run.pid)
            try:
                returncode = run.wait(timeout=300)
            except TimeoutError:
                self.kill()
                raise
            finally:
                self.running.remove(run.pid)
            said = stdout.read_text(), stderr.read_text()
        lines = record.read_text().splitlines() if record.exists() else []
        return Run(returncode, *said, [json.loads(line) for line in lines])

    def variables(self) -> dict[str, str]:
        """The environment of a run: that of the tests without what belongs to their user, and the
        stand-in's variables.
        """
        own = ("ANSIBLE_", "AWS_", "BAO_", "DT_", "DYNATRACE_", "VAULT_")
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(own) and not name.lower().endswith("_proxy")
        }
        folders = {
            "HOME": "home",
            "ANSIBLE_LOCAL_TEMP": "local",
            "ANSIBLE_REMOTE_TEMP": "remote",
        }
        for name in ("tmp", *folders.values()):
            (self.folder / name).mkdir(exist_ok=True)
        (self.folder / "vault-password").write_text(VAULT_PASSWORD)
        return {
            **kept,
            **{variable: str(self.folder / name) for variable, name in folders.items()},
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "1000",
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(
                BIN.parent / "pycache"
            ),  # compiled once for all runs, and nothing written into the checkout
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_INVENTORY_ENABLED": "host_list,ini",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
            "ANSIBLE_ACTION_PLUGINS": str(PLUGINS / "action"),
            "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS / "callback"),
            "ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS / "connection"),
            "ANSIBLE_STRATEGY_PLUGINS": str(PLUGINS / "strategy"),
            "ANSIBLE_CALLBACKS_ENABLED": "recorder",
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self.folder / "vault-password"),
            "RECORDER_FILE": str(self.folder / "record.jsonl"),
            **self.environment.variables,
        }
