# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that are killed between any two of their requests, and what the next run makes of it."""

from __future__ import annotations

import typing as t

import pytest

from support.relay import Call, Fault, relay
from support.runs import Ansible, Task, check, in_check_mode, token, works
from support.stand_in import Environment

READ = ["metrics.read"]
CREATE = token("ci", register="got", scopes=READ, store="store")
ROTATE = token("ci", register="got", scopes=READ, store="store", on_missing_secret="rotate")

# Each moment between two steps: the request it lies before, or after it was carried out and before its answer was read.
BEFORE_POST, AFTER_POST = ("POST", False), ("POST", True)  # with the intent in the store; the secret not saved yet
BEFORE_PUT, AFTER_PUT = ("PUT", False), ("PUT", True)  # the secret saved; the real name given
BEFORE_LOOKUP = ("LOOKUP", False)  # the new token not seen to work yet
BEFORE_DELETE, AFTER_DELETE = ("DELETE", False), ("DELETE", True)

MOMENTS = [
    pytest.param(CREATE, moment, id=f"create-{'after' if moment[1] else 'before'}-{moment[0]}")
    for moment in (AFTER_POST, BEFORE_PUT, AFTER_PUT)
] + [
    pytest.param(ROTATE, moment, id=f"rotate-{'after' if moment[1] else 'before'}-{moment[0]}")
    for moment in (BEFORE_POST, AFTER_POST, BEFORE_PUT, BEFORE_LOOKUP, BEFORE_DELETE, AFTER_DELETE)
]


def killing(ansible: Ansible, method: str, passed_on: bool) -> t.Callable[[str, str], Fault]:
    def rule(called: str, path: str) -> Fault:
        kind = "LOOKUP" if path.endswith("/lookup") else called
        return Call(ansible.kill, passed_on) if kind == method else None

    return rule


@pytest.mark.parametrize(("task", "moment"), MOMENTS)
def test_a_killed_run_is_put_right_by_the_next(ansible: Ansible, environment: Environment, task: Task, moment: tuple[str, bool]) -> None:
    if task is ROTATE:
        environment.issue("ci")
    with relay(environment, killing(ansible, *moment)) as deadly:
        assert ansible.play(task, env=deadly.environment.variables).returncode < 0
    before = environment.tokens()
    usable = check("got.usable", "got.secret_available")
    planned = {**in_check_mode(task), "register": "planned"}
    again = {**task, "register": "again"}
    # Check mode tells beforehand what is then done.
    ansible.play(planned, task, check("planned.changed == got.changed"), usable, works(), again, check("not again.changed")).succeeded()
    (left,) = environment.tokens()
    assert left["name"] == "ci"
    assert left["enabled"] is True
    if moment in (BEFORE_POST, AFTER_POST):
        assert left["id"] not in [token["id"] for token in before]


def test_a_rotation_that_was_killed_leaves_the_old_token_its_overlap(ansible: Ansible, environment: Environment) -> None:
    lasting = {"register": "got", "scopes": READ, "store": "store", "overlap": "2d", "delete_after": "1w"}
    ansible.play(token("ci", **lasting)).succeeded()
    (old,) = environment.tokens()
    with relay(environment, killing(ansible, *AFTER_PUT)) as deadly:
        assert ansible.play(token("ci", rotate="always", **lasting), env=deadly.environment.variables).returncode < 0
    settled = [token("ci", **lasting), check(f"got.retiring | map(attribute='id') | list == ['{old['id']}']", "got.retired == []"), works()]
    ansible.play(*settled, token("ci", **lasting), check("not got.changed")).succeeded()
    assert old in environment.tokens()
    environment.set_clock("now+3d")
    with relay(environment, killing(ansible, *AFTER_PUT)) as deadly:
        assert ansible.play(token("ci", **lasting), env=deadly.environment.variables).returncode < 0
    disabled = [token("ci", **lasting), check("got.changed", "got.retiring[0].delete_date is not none"), works()]
    ansible.play(*disabled, token("ci", **lasting), check("not got.changed")).succeeded()
    assert [left["enabled"] for left in environment.tokens()] == [True, False]


def test_a_run_that_was_killed_is_put_right_by_absent_too(ansible: Ansible, environment: Environment) -> None:
    for name, moment in (("ci", AFTER_POST), ("cd", BEFORE_PUT)):
        with relay(environment, killing(ansible, *moment)) as deadly:
            killed = token(name, register="got", scopes=READ, store="store")
            assert ansible.play(killed, env=deadly.environment.variables).returncode < 0
    assert len(environment.tokens()) == 2
    ansible.play(*(token(name, state="absent", store="store") for name in ("ci", "cd"))).succeeded()
    assert environment.tokens() == []
    assert list((ansible.folder / "store").glob("*/*.yml")) == []


def test_a_provisional_token_of_somebody_else_is_left_alone(ansible: Ansible, environment: Environment) -> None:
    with relay(environment, killing(ansible, *BEFORE_POST)) as deadly:
        ansible.play(CREATE, env=deadly.environment.variables)
    theirs = environment.issue("ci ~pending-0123456789abcdef")["id"]
    run = ansible.play(CREATE).succeeded()
    assert f"({theirs}) is from a run that was cut off" in run.text
    assert {token["name"] for token in environment.tokens()} == {"ci", "ci ~pending-0123456789abcdef"}
