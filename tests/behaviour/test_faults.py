# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is left of a task that fails half-way."""

from __future__ import annotations

import contextlib
import re
import typing as t

import pytest

from support.relay import Fault, Rule, relay
from support.runs import Ansible, Task, check, token, works
from support.stand_in import Environment, new_environment

pytestmark = pytest.mark.once


def failing(method: str, fault: Fault, times: int = 1) -> Rule:
    """A rule under which the first requests of this method fail."""
    left = [times]

    def rule(called: str, path: str) -> Fault:
        if called == method and left[0]:
            left[0] -= 1
            return fault
        return None

    return rule


def there(environment: Environment, task: Task) -> Task:
    """The task in this environment."""
    module = next(key for key in task if key.startswith("community.dynatrace."))
    return {
        **task,
        module: {
            **task[module],
            "environment_url": environment.url,
            "api_token": environment.api_token,
        },
    }


@contextlib.contextmanager
def broken(environments: list[Environment], rules: list[Rule]) -> t.Iterator[list[Environment]]:
    """The environments behind servers with these rules."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(relay(*pair)).environment for pair in zip(environments, rules)]


# The first requests of a method, how often they fail, and what the error says then.
ISSUING_FAILS: list[tuple[str, Fault, int, str]] = [
    ("POST", 403, 1, "No token was issued."),
    ("PUT", 500, 1, "was deleted again. Nothing is left of it"),
    ("POST", "lose", 3, "was deleted again. Nothing is left of it"),
    ("POST", 500, 3, "was found, so none was issued"),
]


def test_a_token_whose_issuing_fails_or_whose_secret_is_lost_again_and_again_is_taken_back(
    ansible: Ansible, server: Environment
) -> None:
    environments = [new_environment(server) for _fails in ISSUING_FAILS]
    task = token("ci", register="made", scopes=["metrics.read"], max_wait=0)
    with broken(
        environments,
        [failing(method, fault, times) for method, fault, times, _says in ISSUING_FAILS],
    ) as reached:
        run = ansible.play(*(there(one, task) for one in reached), ignore_errors=True).succeeded()
    assert [
        fails[-1] in result["msg"] for fails, result in zip(ISSUING_FAILS, run.results("ci"))
    ] == [True] * len(ISSUING_FAILS)
    assert [environment.tokens() for environment in environments] == [[]] * len(environments)
    assert not [
        secret
        for environment in environments
        for secret in environment.secrets()
        if secret in run.output
    ]
    ansible.play(
        *(part for one in environments for part in (there(one, task), check("made.changed")))
    ).succeeded()


FAILING_ONCE: list[tuple[str, Fault]] = [
    ("POST", "lose"),
    ("POST", 503),
    ("PUT", "lose"),
    ("PUT", 502),
    ("GET", "lose"),
    ("GET", 429),
]


def test_a_request_that_fails_once_costs_a_moment_and_nothing_else(
    ansible: Ansible, server: Environment
) -> None:
    environments = [new_environment(server) for _fault in FAILING_ONCE]
    task = token("ci", register="made", scopes=["metrics.read"])
    with broken(environments, [failing(*fault) for fault in FAILING_ONCE]) as reached:
        ansible.play(
            *(there(one, part) for one in reached for part in (task, works("made.token")))
        ).succeeded()
    assert [[found["name"] for found in environment.tokens()] for environment in environments] == [
        ["ci"]
    ] * len(environments)


def test_what_fails_for_good_is_told_with_how_often_and_how_long_it_was_tried(
    ansible: Ansible, environment: Environment
) -> None:
    with relay(environment, lambda method, path: 503) as broken:
        run = ansible.play(
            token("ci", register="made", max_wait=1.2), env=broken.environment.variables
        ).failed()
    assert re.search(
        r"Dynatrace answered 503.* Tried [34] times in 1\.[23] s \(max_wait: 1\.2 s\)\.",
        run.result("ci")["msg"],
    )


def test_a_task_that_runs_out_of_its_time_leaves_nothing_behind(
    ansible: Ansible, server: Environment
) -> None:
    environments = [new_environment(server), new_environment(server)]
    task = token("ci", register="made", keywords={"timeout": 3}, scopes=["metrics.read"])
    with broken(environments, [failing("POST", "hang"), failing("PUT", "hang")]) as reached:
        run = ansible.play(*(there(one, task) for one in reached), ignore_errors=True).succeeded()
    assert [event["event"] for event in run.events] == ["failed", "failed"]
    for environment in environments:
        assert environment.writes()[-1] == "DELETE"
        assert environment.tokens() == []


def test_what_cannot_be_taken_back_is_named(ansible: Ansible, environment: Environment) -> None:
    with relay(
        environment, lambda method, path: 500 if method in ("PUT", "DELETE") else None
    ) as broken:
        run = ansible.play(
            token("ci", register="made", scopes=["metrics.read"]), env=broken.environment.variables
        ).failed()
    left = environment.tokens()
    assert [found["name"].startswith("ci ~pending-") for found in left] == [True]
    assert f"If there is a token {left[0]['id']}, delete it" in run.result("ci")["msg"]


def test_a_new_token_is_not_lost_because_the_old_one_cannot_be_deleted(
    ansible: Ansible, environment: Environment
) -> None:
    dead = environment.plant("ci", expires="now-1d")["id"]
    task = token("ci", register="made", scopes=["metrics.read"])
    with relay(environment, lambda method, path: 500 if method == "DELETE" else None) as broken:
        run = ansible.play(
            task,
            check("made.token is not none", "made.retired == []"),
            env=broken.environment.variables,
        ).succeeded()
    assert f"({dead}) was replaced, but could not be deleted" in run.text


LOST = {"kind": "reset", "carried_out": True}
FAULTS: list[dict[str, t.Any]] = [
    {"kind": "reset"},
    LOST,
    {"kind": "silence", "carried_out": True},
    {"kind": "answer", "status": 429, "headers": {"Retry-After": "1"}},
    {"kind": "answer", "status": 500},
    {"kind": "answer", "status": 503, "carried_out": True},
    {
        "kind": "answer",
        "status": 502,
        "headers": {"Content-Type": "text/html"},
        "body": "<html></html>",
    },
    {"kind": "cut"},
    {"kind": "cut_json"},
    {"kind": "redirect"},
]


CASES = {
    f"case{number}": {**fault, "nth": 1 + number % 3}
    for number, fault in enumerate(fault for fault in FAULTS for _nth in range(3))
}


@pytest.mark.long
def test_after_any_fault_one_more_playbook_puts_everything_right(
    ansible: Ansible, server: Environment, record_property: t.Callable[[str, object], None]
) -> None:
    """As tests/faults tests it for far more, but as users run it: with ansible-playbook, which has
    an environment for each host.
    """
    environments = {name: new_environment(server) for name in CASES}
    own = {"environment_url": "{{ own.url }}", "api_token": "{{ own.api_token }}"}
    task = token(
        "ci",
        register="got",
        scopes=["metrics.read"],
        store="store-{{ inventory_hostname }}",
        timeout=0.5,
        **own,
    )
    working = works()
    working["community.dynatrace.dynatrace_token_info"] |= own
    hosts: dict[str, t.Any] = {
        "hosts": "all",
        "connection": "local",
        "vars": {
            "all_own": {name: vars(one) for name, one in environments.items()},
            "own": "{{ all_own[inventory_hostname] }}",
        },
        "options": ["-i", ",".join(CASES), "--forks", "10"],
    }
    for name, fault in CASES.items():
        environments[name].set_faults(fault)
    first = ansible.play({**task, "ignore_errors": True}, **hosts).succeeded()
    assert len(first.results("ci")) == len(CASES)
    for environment in environments.values():
        assert environment.faults_left() == []
    said = first.output + ansible.play(task, working, **hosts).succeeded().output
    assert "Unexpected" not in said
    for environment in environments.values():
        assert [found["name"] for found in environment.tokens()] == ["ci"]
        assert not [secret for secret in environment.secrets() if secret in said]
        record_property("fault cases with ansible-playbook", 1)
