# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is left of a task that fails half-way."""

from __future__ import annotations

import concurrent.futures
import pathlib
import re
import typing as t

import pytest

from support.relay import Fault, relay
from support.runs import Ansible, Task, check, token, works
from support.stand_in import Environment, new_environment


def failing(method: str, fault: Fault, times: int = 1):  # type: ignore[no-untyped-def]
    """A rule under which the first requests of this method fail."""
    left = [times]

    def rule(called: str, path: str) -> Fault:
        if called == method and left[0]:
            left[0] -= 1
            return fault
        return None

    return rule


@pytest.mark.parametrize(
    ("method", "fault", "explanation"),
    [
        ("POST", 403, "No token was issued."),
        ("PUT", 500, "was deleted again. Nothing is left of it"),
    ],
)
def test_a_token_whose_issuing_fails_is_taken_back(
    ansible: Ansible, environment: Environment, method: str, fault: Fault, explanation: str
) -> None:
    task = token("ci", register="made", scopes=["metrics.read"])
    with relay(environment, failing(method, fault)) as broken:
        run = ansible.play(task, env=broken.environment.variables).failed()
    assert explanation in run.result("ci")["msg"]
    assert environment.tokens() == []
    assert not [secret for secret in environment.secrets() if secret in run.output]
    ansible.play(task, check("made.changed")).succeeded()


@pytest.mark.parametrize("fault", ["lose", 500])
def test_a_creation_whose_answer_is_lost_again_and_again_leaves_nothing_behind(
    ansible: Ansible, environment: Environment, fault: Fault
) -> None:
    with relay(environment, failing("POST", fault, times=3)) as broken:
        task = token("ci", register="made", scopes=["metrics.read"], max_wait=0)
        run = ansible.play(task, env=broken.environment.variables).failed()
    left = "was deleted again. Nothing is left of it" if fault == "lose" else "was found, so none was issued"
    assert left in run.result("ci")["msg"]
    assert environment.tokens() == []


@pytest.mark.parametrize(
    ("method", "fault"), [("POST", "lose"), ("POST", 503), ("PUT", "lose"), ("PUT", 502), ("GET", "lose"), ("GET", 429)]
)
def test_a_request_that_fails_once_costs_a_moment_and_nothing_else(
    ansible: Ansible, environment: Environment, method: str, fault: Fault
) -> None:
    with relay(environment, failing(method, fault)) as broken:
        task = token("ci", register="made", scopes=["metrics.read"])
        ansible.play(task, works("made.token"), env=broken.environment.variables).succeeded()
    assert [found["name"] for found in environment.tokens()] == ["ci"]


def test_what_fails_for_good_is_told_with_how_often_and_how_long_it_was_tried(ansible: Ansible, environment: Environment) -> None:
    with relay(environment, lambda method, path: 503) as broken:
        run = ansible.play(token("ci", register="made", max_wait=1.2), env=broken.environment.variables).failed()
    assert re.search(r"Dynatrace answered 503.* Tried [34] times in 1\.[23] s \(max_wait: 1\.2 s\)\.", run.result("ci")["msg"])


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_task_that_runs_out_of_its_time_leaves_nothing_behind(ansible: Ansible, environment: Environment, method: str) -> None:
    with relay(environment, failing(method, "hang")) as broken:
        task = token("ci", register="made", keywords={"timeout": 3}, scopes=["metrics.read"])
        ansible.play(task, env=broken.environment.variables).failed()
    assert environment.writes()[-1] == "DELETE"
    assert environment.tokens() == []


def test_what_cannot_be_taken_back_is_named(ansible: Ansible, environment: Environment) -> None:
    with relay(environment, lambda method, path: 500 if method in ("PUT", "DELETE") else None) as broken:
        run = ansible.play(token("ci", register="made", scopes=["metrics.read"]), env=broken.environment.variables).failed()
    left = environment.tokens()
    assert [found["name"].startswith("ci ~pending-") for found in left] == [True]
    assert f"If there is a token {left[0]['id']}, delete it" in run.result("ci")["msg"]


def test_a_new_token_is_not_lost_because_the_old_one_cannot_be_deleted(ansible: Ansible, environment: Environment) -> None:
    dead = environment.plant("ci", expires="now-1d")["id"]
    task = token("ci", register="made", scopes=["metrics.read"])
    with relay(environment, lambda method, path: 500 if method == "DELETE" else None) as broken:
        run = ansible.play(task, check("made.token is not none", "made.retired == []"), env=broken.environment.variables).succeeded()
    assert f"({dead}) was replaced, but could not be deleted" in run.text


LOST = {"kind": "reset", "carried_out": True}
FAULTS: list[dict[str, t.Any]] = [
    {"kind": "reset"},
    LOST,
    {"kind": "silence", "carried_out": True},
    {"kind": "answer", "status": 429, "headers": {"Retry-After": "1"}},
    {"kind": "answer", "status": 500},
    {"kind": "answer", "status": 503, "carried_out": True},
    {"kind": "answer", "status": 502, "headers": {"Content-Type": "text/html"}, "body": "<html></html>"},
    {"kind": "cut"},
    {"kind": "cut_json"},
    {"kind": "redirect"},
]


class Case(t.NamedTuple):
    environment: Environment
    fault: dict[str, t.Any]

    @property
    def task(self) -> Task:
        return token(
            "ci",
            register="got",
            scopes=["metrics.read"],
            store=f"store-{self.environment.url.rpartition('/')[2]}",
            environment_url=self.environment.url,
            api_token=self.environment.api_token,
            timeout=0.5,
        )

    @property
    def works(self) -> Task:
        task = works()
        task["community.dynatrace.dynatrace_token_info"] |= {
            "environment_url": self.environment.url,
            "api_token": self.environment.api_token,
        }
        return task


def outputs(ansible: Ansible, cases: list[Case]) -> str:
    """Of a run in which each task meets its fault, and of one more."""
    for case in cases:
        case.environment.set_faults(case.fault)
    first = ansible.play(*({**case.task, "ignore_errors": True} for case in cases)).succeeded()
    for case in cases:
        case.environment.set_faults()
    return first.output + ansible.play(*(part for case in cases for part in (case.task, case.works))).succeeded().output


def test_after_any_fault_one_more_playbook_puts_everything_right(
    server: Environment, tmp_path: pathlib.Path, record_property: t.Callable[[str, object], None]
) -> None:
    """As tests/faults tests it for far more, but as users run it: six playbooks at once, each with five tasks and as many environments."""
    cases = [Case(new_environment(server), {**fault, "nth": nth}) for nth in (1, 2, 3) for fault in FAULTS]
    groups = [cases[start : start + 5] for start in range(0, len(cases), 5)]
    controllers = [Ansible(tmp_path / str(number), server) for number in range(len(groups))]
    for number in range(len(groups)):
        (tmp_path / str(number)).mkdir()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        said = "".join(pool.map(outputs, controllers, groups))
    assert "Unexpected" not in said
    for case in cases:
        assert [found["name"] for found in case.environment.tokens()] == ["ci"]
        assert not [secret for secret in case.environment.secrets() if secret in said]
        record_property("fault cases with ansible-playbook", 1)
