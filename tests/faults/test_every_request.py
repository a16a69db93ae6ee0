# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every fault at every request of every kind of task.

A task happens in this process, against the stand-in over HTTP and with a store on disk. It has to
end as wanted or with an error that somebody has thought of. One more run of the same task without
faults has to succeed, and leaves in Dynatrace exactly the tokens that the store knows, all of them
with the scopes that were asked for, and working. No secret stands in a message.

A case is a task with a fault at one of its requests. The number of cases is printed at the end of a
test run.
"""

from __future__ import annotations

import pathlib
import re
import time
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    environment_key,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    TOKEN_OPTIONS,
    TOKEN_SET_OPTIONS,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import RunContext
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import (
    manage_token,
    manage_tokens,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._resolve import resolve_options
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.ansible_vault import (
    AnsibleVault,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.file import file_store

from support.stand_in import Environment, new_environment

Options = dict[str, t.Any]

READ, WIDER = ["metrics.read"], ["logs.read", "metrics.read"]
QUICK: Options = {
    "timeout": 0.2,
    "max_wait": 8.0,
}  # seconds; pauses are counted whole, and slept a hundredth
FOR_GOOD = {"times": 0}


def answer(status: int, headers: dict[str, str] | None = None, **more: t.Any) -> Options:
    return {"kind": "answer", "status": status, "headers": headers or {}, **more}


def reset_at(seconds: float, unit: int) -> dict[str, str]:
    return {"X-RateLimit-Reset": str(int((time.time() + seconds) * unit))}


IN_1000_YEARS = 974 * 365 * 86400
FAULTS: dict[str, Options] = {
    "refused": {"kind": "refuse", "seconds": 0.02},
    "reset before": {"kind": "reset"},
    "reset after": {"kind": "reset", "carried_out": True},
    "no answer before": {"kind": "silence"},
    "no answer after": {"kind": "silence", "carried_out": True},
    "throttled": answer(429),
    "throttled, Retry-After": answer(429, {"Retry-After": "2"}),
    "throttled, Retry-After a date": answer(429, {"Retry-After": "Thu, 01 Jan 2026 00:00:00 GMT"}),
    "throttled, Retry-After nonsense": answer(429, {"Retry-After": "soon"}),
    "throttled, reset in microseconds": answer(429, reset_at(2, 10**6)),
    "throttled, reset in seconds": answer(429, reset_at(2, 1)),
    "throttled, reset in the past": answer(429, reset_at(-3600, 10**6)),
    "throttled, reset in the year 3000": answer(429, reset_at(IN_1000_YEARS, 10**6)),
    "500": answer(500),
    "500 after": answer(500, carried_out=True),
    "502 with HTML": answer(
        502, {"Content-Type": "text/html"}, body="<html><body>Bad gateway</body></html>"
    ),
    "502 with HTML after": answer(
        502, {"Content-Type": "text/html"}, body="<html></html>", carried_out=True
    ),
    "503": answer(503),
    "503 after": answer(503, carried_out=True),
    "504 after": answer(504, carried_out=True),
    "401": answer(401),
    "403": answer(403),
    "400 as a list": answer(
        400, body='[{"error": {"code": 400, "message": null, "constraintViolations": null}}]'
    ),
    "200 with HTML": answer(200, {"Content-Type": "text/html"}, body="<html>Log in</html>"),
    "200 with null": answer(200, method="GET", body="null"),
    "201 with null": answer(201, method="POST", body="null", carried_out=True),
    "cut off": {"kind": "cut"},
    "cut-off JSON": {"kind": "cut_json"},
    "wrong content type": {"kind": "content_type"},
    "empty body": {"kind": "empty"},
    "redirect": {"kind": "redirect"},
    "redirect after": {"kind": "redirect", "carried_out": True},
    "very slow": {"kind": "drip", "pieces": 5, "pause": 0.01},
    "too slow": {"kind": "drip", "pieces": 2, "pause": 0.3},
    "100 MB": {"kind": "huge", "chunked": True, "method": "GET"},
    "100 MB for a token": {"kind": "huge", "method": "POST", "path": "okens$", "carried_out": True},
    "reset for good": {"kind": "reset", **FOR_GOOD},
    "reset after, for good": {"kind": "reset", "carried_out": True, **FOR_GOOD},
    "503 for good": answer(503, **FOR_GOOD),
    "500 after, for good": answer(500, carried_out=True, **FOR_GOOD),
    "throttled for good": answer(429, {"Retry-After": "1"}, **FOR_GOOD),
}


# One fault of each sort that the collection tells apart: what surely was not carried out, what may
# have been, what is refused, what makes no sense, and each of them again and again.
OF_EACH_SORT = [
    "refused",
    "reset before",
    "reset after",
    "no answer after",
    "throttled",
    "500",
    "503 after",
    "403",
    "200 with HTML",
    "cut off",
    "100 MB for a token",
    "reset after, for good",
    "503 for good",
    "500 after, for good",
]


class Job(t.NamedTuple):
    """A task, and the tasks that lead to it."""

    before: tuple[Options, ...]
    task: Options
    kept: bool = True  # in the store


def one(**options: t.Any) -> Options:
    return {"name": "ci", "scopes": READ, **options}


def a_set(*tokens: Options, **options: t.Any) -> Options:
    return {"tokens": list(tokens), "workers": 2, **options}


JOBS: dict[str, Job] = {
    "issue": Job((), one()),
    "issue without a store": Job((), one(on_missing_secret="rotate"), kept=False),
    "change": Job((one(),), one(scopes=WIDER)),
    "rotate": Job((one(),), one(rotate="always")),
    "rotate with an overlap": Job((one(),), one(rotate="always", overlap="1d", delete_after="1d")),
    "delete": Job((one(),), one(state="absent", scopes=None)),
    "set": Job(
        (
            a_set(
                {"name": "changed", "scopes": READ},
                {"name": "gone", "scopes": READ},
                {"name": "purged", "scopes": READ},
            ),
        ),
        a_set(
            {"name": "new", "scopes": READ},
            {"name": "changed", "scopes": WIDER},
            {"name": "gone", "state": "absent"},
            purge=True,
        ),
    ),
}


@pytest.fixture(scope="module")
def requests_of(
    server: Environment, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Options]]:
    """The requests that each task makes where nothing fails: up to the one that is struck, they are
    the same with a fault.
    """
    made = {}
    for name, job in JOBS.items():
        world = World(server, tmp_path_factory.mktemp("whole"), job)
        world.environment.forget_requests()
        world.run(world.environment, job.task)
        made[name] = world.environment.requests()
    return made


# A fault looks the same to every task: all strike one task, and one of each sort the others.
CASES = [
    (job, fault) for job in JOBS for fault in FAULTS if job == "rotate" or fault in OF_EACH_SORT
]


@pytest.mark.parametrize(("job", "fault"), CASES)
def test_after_any_fault_one_more_run_puts_everything_right(
    server: Environment,
    tmp_path: pathlib.Path,
    record_property: t.Callable[[str, object], None],
    requests_of: dict[str, list[Options]],
    job: str,
    fault: str,
) -> None:
    assert len(requests_of[job]) >= 2
    for nth, request in enumerate(requests_of[job], 1):
        if fits(FAULTS[fault], request):
            world = World(server, tmp_path / str(nth), JOBS[job])
            world.strike({**FAULTS[fault], "nth": nth}, JOBS[job].task)
            world.check_what_one_more_run_leaves(JOBS[job].task)
            record_property("fault cases", 1)


def fits(fault: Options, request: Options) -> bool:
    return (
        fault.get("method") in (None, request["method"])
        and re.search(fault.get("path", ""), request["path"]) is not None
    )


class World:
    """An environment, a store, and tasks that happen there: first those that lead to the job's."""

    def __init__(self, server: Environment, folder: pathlib.Path, job: Job) -> None:
        self.environment = new_environment(server)
        self._said: list[str] = []
        self._store = file_store(str(folder), AnsibleVault([], None), False, self._said.append)
        self._kept = job.kept
        for task in job.before:
            self.run(self.environment, task)

    def run(self, environment: Environment, task: Options, **connection: t.Any) -> Options:
        options, perform = (
            (TOKEN_SET_OPTIONS, manage_tokens)
            if "tokens" in task
            else (TOKEN_OPTIONS, manage_token)
        )
        where = {
            "environment_url": environment.url,
            "api_token": environment.api_token,
            "api_version": environment.api_version,
        }
        context = RunContext(
            False,
            True,
            True,
            self._said.append,
            **({"store": self._store} if self._kept else {}),
            sleep=a_hundredth,
        )
        report = perform(resolve_options({**task, **where, **connection}, options, [{}]), context)
        self._said += [report.public_line, str(report.result.get("msg"))]
        return report.result

    def strike(self, fault: Options, task: Options) -> None:
        """Run the task with this fault."""
        door = self.environment.open_door() if fault["kind"] == "refuse" else self.environment
        self.environment.set_faults(fault)
        try:
            self.run(door, task, **QUICK)
        except DynatraceError as error:
            self._said.append(str(error))
        left = self.environment.faults_left()
        assert not left or "times" in fault or "method" in fault, (
            "it struck no request"
        )  # which of a set's come first is not fixed
        if left:
            self.environment.set_faults()

    def check_what_one_more_run_leaves(self, task: Options) -> None:
        result = self.run(self.environment, task)
        said = "\n".join(self._said)
        assert "Unexpected" not in said, said
        assert not [secret for secret in self.environment.secrets() if secret in said], said
        left = self.environment.tokens()
        if self._kept:
            entries = self._store.entries(environment_key(self.environment.url))
            known = [entry.id for entry in entries if entry.id] + [
                old.id for entry in entries for old in entry.predecessors
            ]
            assert sorted(token["id"] for token in left) == sorted(known), said
            assert [self._tell(self._store.unseal(entry)) for entry in entries] == [
                (entry.id, entry.name) for entry in entries
            ]
        else:
            assert self._tell(Secret(result["token"])) == (result["token_id"], "ci")
            # Nobody else can know that others are ours; so it has to be said what may be left.
            told = re.findall(
                r"(?:there is a|may have left a|No) token '?(dt0c01\.\w+|ci ~pending-\w+)", said
            )
            assert [
                token
                for token in left
                if token["id"] not in (result["token_id"], *told) and token["name"] not in told
            ] == [], said
        wanted = {
            one["name"]: one["scopes"]
            for one in task.get("tokens", [task])
            if one.get("state") != "absent"
        }
        assert {
            token["name"]: sorted(token["scopes"]) for token in left if token["enabled"]
        }.items() >= wanted.items()
        assert not {token["name"] for token in left}.difference(wanted) or not self._kept

    def _tell(self, secret: Secret | None) -> tuple[str, str] | None:
        """The id and the name of the token with this secret, asked for with it; None where it does
        not work.
        """
        if secret is None:
            return None
        answer = self.environment.call(
            "POST", "/lookup", token=secret.reveal(), json={"token": secret.reveal()}
        )
        return (answer.json()["id"], answer.json()["name"]) if answer.ok else None


def a_hundredth(seconds: float) -> None:
    time.sleep(seconds / 100)
