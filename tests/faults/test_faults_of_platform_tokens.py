# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Platform tokens over HTTP: runs that are killed, and answers that are lost.

A sample: every kill and every fault is tried in memory, see ``tests/histories/test_kinds.py``. A
reader looks into the store after each write, and has to find a secret that works for as long as the
old token works.
"""

from __future__ import annotations

import contextlib
import itertools
import pathlib
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import PLATFORM
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Identity
from ansible_collections.community.dynatrace.plugins.module_utils._options import TOKEN_OPTIONS
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import RunContext
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import manage_token
from ansible_collections.community.dynatrace.plugins.plugin_utils._resolve import resolve_options
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.kept import EntryStore

from support import stand_in
from support.memory import Killed
from support.process import Process, ProcessBackend, requests_of
from support.stand_in import Environment, new_environment

Options = dict[str, t.Any]

ISSUE: Options = {}
ROTATE: Options = {"rotate": "always"}
OVERLAP: Options = {"rotate": "always", "overlap": "2d"}
JOBS = {"issue": ISSUE, "rotate": ROTATE, "rotate with an overlap": OVERLAP}
USUAL: Options = {
    "name": "ci",
    "kind": "platform",
    "scopes": ["app-engine:apps:run", "openpipeline:logs:ingest"],
    "expires_in": "30d",
}
LOST: dict[str, Options] = {
    "reset before": {"kind": "reset"},
    "reset after": {"kind": "reset", "carried_out": True},
    "503 after": {"kind": "answer", "status": 503, "carried_out": True},
    "cut off": {"kind": "cut"},
    "500 after, for good": {"kind": "answer", "status": 500, "carried_out": True, "times": 0},
}


class Controller:
    """Runs tasks for one platform token, and reads the store after each of their writes."""

    def __init__(self, server: Environment, folder: pathlib.Path) -> None:
        self.account = stand_in.account_of(new_environment(server))
        self.environment = self.account.environment
        self._folder = folder
        self._connection = {
            **self.account.connection(),
            "environment_url": self.environment.url,
            "timeout": 0.5,
            "max_wait": 8.0,
        }
        self.said: list[str] = []
        self._old = ""  # the secret that has to work until the store has another

    def store(self, process: Process) -> EntryStore:
        return EntryStore(ProcessBackend(str(self._folder), process))

    @property
    def entry(self) -> Entry:
        identity = Identity(self.account.environment_id, "ci", PLATFORM)
        return self.store(Process(None, lambda: None)).load(identity)

    def secret(self) -> str:
        kept = self.store(Process(None, lambda: None)).unseal(self.entry)
        return kept.reveal() if kept else ""

    def run(
        self, options: Options, dies_before: int | None = None, watched: bool = True
    ) -> Options:
        process = Process(dies_before, self._check_the_store)
        context = RunContext(
            False,
            True,
            True,
            self.said.append,
            store=self.store(process),
            sleep=lambda _seconds: None,
        )
        self._old = self.secret() if watched else ""
        with requests_of(process):
            given = resolve_options({**USUAL, **self._connection, **options}, TOKEN_OPTIONS, [{}])
            report = manage_token(given, context)
        self.said.append(report.public_line)
        return report.result

    def is_killed(self, options: Options, dies_before: int) -> bool:
        try:
            self.run(options, dies_before)
        except Killed:
            return True
        return False

    def _check_the_store(self) -> None:
        if self._old and self.account.works(self._old):
            assert self.account.works(self.secret())

    def check_what_one_more_run_leaves(self) -> None:
        """One token, whose secret is kept and works, and beside it none but a predecessor."""
        self.run(ISSUE)
        entry = self.entry
        known = {entry.id, *(one.id for one in entry.predecessors)}
        assert {token["id"] for token in self.account.tokens()} == known
        assert self.account.works(self.secret())
        assert not self.run(ISSUE)["changed"]
        said = "\n".join(self.said)
        assert not [secret for secret in self.environment.secrets() if secret in said]


# The time until the next run only matters where something is left that expires.
TIMES = [(job, 1) for job in JOBS] + [("rotate with an overlap", minutes) for minutes in (90, 180)]


@pytest.mark.parametrize(("job", "minutes"), TIMES)
def test_after_a_kill_before_any_write_the_next_run_puts_all_right(
    server: Environment, tmp_path: pathlib.Path, job: str, minutes: int
) -> None:
    for dies_before in itertools.count():
        controller = Controller(server, tmp_path / str(dies_before))
        if job != "issue":
            controller.run(ISSUE)
        killed = controller.is_killed(JOBS[job], dies_before)
        controller.environment.set_clock(f"now+{minutes}m")
        controller.check_what_one_more_run_leaves()
        if not killed:
            assert dies_before >= 3
            return


@pytest.mark.parametrize("fault", LOST)
def test_whatever_answer_is_lost_one_more_run_puts_all_right(
    server: Environment,
    tmp_path: pathlib.Path,
    record_property: t.Callable[[str, object], None],
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    caplog.set_level("DEBUG")  # of all libraries, that for HTTP among them
    for nth in range(1, requests_of_a_rotation(server, tmp_path / "whole") + 1):
        controller = Controller(server, tmp_path / str(nth))
        controller.run(ISSUE)
        controller.environment.set_faults({**LOST[fault], "nth": nth})
        with contextlib.suppress(DynatraceError):
            controller.run(ROTATE, watched=False)  # the fault would strike the reader
        assert "times" in LOST[fault] or not controller.environment.faults_left()
        controller.environment.set_faults()
        controller.check_what_one_more_run_leaves()
        logged = caplog.text
        assert "/platform-tokens" in logged
        assert not [one for one in controller.environment.secrets() if one in logged]
        record_property("fault cases", 1)


def requests_of_a_rotation(server: Environment, folder: pathlib.Path) -> int:
    controller = Controller(server, folder)
    controller.run(ISSUE)
    before = len(controller.environment.requests())
    controller.run(ROTATE, watched=False)
    return len(controller.environment.requests()) - before


def test_absent_leaves_what_nothing_tells_apart_where_the_stored_token_is_gone(
    server: Environment, tmp_path: pathlib.Path
) -> None:
    never_expires: Options = {"expires_in": None}
    controller = Controller(server, tmp_path)
    first = controller.run(never_expires)["token_id"]
    controller.account.call("DELETE", f"/platform-tokens/{first}").raise_for_status()
    assert controller.is_killed(never_expires, dies_before=2)  # before its secret is saved
    [left] = controller.account.tokens()
    absent = controller.run({**never_expires, "state": "absent", "scopes": None})
    assert controller.account.tokens() == [left]
    assert absent["action"] == "none"
    assert any(f"may have left {left['id']}" in said for said in controller.said)
