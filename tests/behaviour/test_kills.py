# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that are killed between any two of their requests, and what the next run makes of it."""

from __future__ import annotations

import contextlib
import threading
import typing as t

import pytest

from support.relay import Call, Fault, relay
from support.runs import Ansible, Task, check, in_check_mode, info, set_clock, token, works
from support.stand_in import Environment

READ = ["metrics.read"]
CREATE: dict[str, t.Any] = {"register": "got", "scopes": READ, "store": "store"}
ROTATE = {**CREATE, "on_missing_secret": "rotate"}

# Each moment between two steps: the request it lies before, or after it was carried out and before
# its answer was read.
Moment = tuple[str, bool]
BEFORE_POST, AFTER_POST = (
    ("POST", False),
    ("POST", True),
)  # with the intent in the store; the secret not saved yet
BEFORE_PUT, AFTER_PUT = ("PUT", False), ("PUT", True)  # the secret saved; the real name given
BEFORE_LOOKUP = ("LOOKUP", False)  # the new token not seen to work yet
BEFORE_DELETE, AFTER_DELETE = ("DELETE", False), ("DELETE", True)

MOMENTS = {
    "create": (CREATE, [AFTER_POST, BEFORE_PUT, AFTER_PUT]),
    "rotate": (
        ROTATE,
        [BEFORE_POST, AFTER_POST, BEFORE_PUT, BEFORE_LOOKUP, BEFORE_DELETE, AFTER_DELETE],
    ),
}


def at(moment: Moment, act: t.Callable[[], t.Any]) -> t.Callable[[str, str], Fault]:
    """A rule that does something at a moment, and has the run wait for it."""

    def rule(method: str, path: str) -> Fault:
        kind = "LOOKUP" if path.endswith("/lookup") else method
        return Call(act, moment[1]) if kind == moment[0] else None

    return rule


def kill(ansible: Ansible, moments: t.Mapping[str, Moment], options: t.Mapping[str, t.Any]) -> None:
    """Run a task for tokens of these names, each on a host of its own, and kill that run when each
    is at its moment.
    """
    together = threading.Barrier(len(moments), ansible.kill, timeout=30)
    task = token("{{ inventory_hostname }}", environment_url="{{ url }}", **options)
    with contextlib.ExitStack() as relays:
        deadly = {
            name: relays.enter_context(relay(ansible.environment, at(moment, together.wait)))
            for name, moment in moments.items()
        }
        hosts = [
            f"{name} ansible_connection=local url={there.environment.url}\n"
            for name, there in deadly.items()
        ]
        (ansible.folder / "hosts").write_text("".join(hosts))
        run = ansible.play(task, hosts="all", options=["-i", "hosts", "-f", str(len(hosts))])
    assert run.returncode < 0, run.output


def going_on(name: str, options: t.Mapping[str, t.Any]) -> list[Task]:
    """Tasks that do what a run was killed at. Check mode tells beforehand what is then done."""
    task = token(name, **options)
    planned, again = {**in_check_mode(task), "register": "planned"}, {**task, "register": "again"}
    done = check("planned.changed == got.changed", "got.usable", "got.secret_available")
    return [planned, task, done, works(), again, check("not again.changed")]


@pytest.mark.parametrize("kind", MOMENTS)
def test_a_killed_run_is_put_right_by_the_next(
    ansible: Ansible, environment: Environment, kind: str
) -> None:
    options, moments = MOMENTS[kind]
    killed = {f"{'after' if moment[1] else 'before'}-{moment[0]}": moment for moment in moments}
    if options is ROTATE:
        for name in killed:
            environment.issue(name)
    kill(ansible, killed, options)
    before = [found["id"] for found in environment.tokens()]
    ansible.play(*(task for name in killed for task in going_on(name, options))).succeeded()
    left = environment.tokens()
    assert sorted(found["name"] for found in left) == sorted(killed)
    for found in left:
        assert found["enabled"] is True
        assert found["id"] not in before or killed[found["name"]] not in (BEFORE_POST, AFTER_POST)


@pytest.mark.once
def test_a_rotation_that_was_killed_leaves_the_old_token_its_overlap(
    ansible: Ansible, environment: Environment
) -> None:
    lasting = {**CREATE, "overlap": "2d", "delete_after": "1w"}
    task, quiet = token("ci", **lasting), check("not got.changed")
    with relay(environment, at(AFTER_PUT, ansible.kill)) as deadly:
        there = deadly.environment.url
        first = ansible.play(
            task,
            info("old", name="ci"),
            token("ci", rotate="always", environment_url=there, **lasting),
        )
        assert first.returncode < 0, first.output
        (old,) = first.result("old")["tokens"]
        settled = [
            task,
            check(
                f"got.retiring | map(attribute='id') | list == ['{old['id']}']", "got.retired == []"
            ),
            works(),
            task,
            quiet,
        ]
        later = [
            info("left", name="ci"),
            set_clock(environment, "now+3d"),
            token("ci", environment_url=there, **lasting),
        ]
        second = ansible.play(*settled, *later)
        assert second.returncode < 0, second.output
    assert old in second.result("left")["tokens"]
    disabled = check("got.changed", "got.retiring[0].delete_date is not none")
    ansible.play(task, disabled, works(), task, quiet).succeeded()
    assert [left["enabled"] for left in environment.tokens()] == [True, False]


@pytest.mark.once
def test_a_run_that_was_killed_is_put_right_by_absent_too(
    ansible: Ansible, environment: Environment
) -> None:
    killed = {"ci": AFTER_POST, "cd": BEFORE_PUT}
    kill(ansible, killed, CREATE)
    assert len(environment.tokens()) == 2
    ansible.play(*(token(name, state="absent", store="store") for name in killed)).succeeded()
    assert environment.tokens() == []
    assert list((ansible.folder / "store").glob("*/*.yml")) == []


@pytest.mark.once
def test_a_provisional_token_of_somebody_else_is_left_alone(
    ansible: Ansible, environment: Environment
) -> None:
    kill(ansible, {"ci": BEFORE_POST}, CREATE)
    theirs = environment.issue("ci ~pending-0123456789abcdef")["id"]
    run = ansible.play(token("ci", **CREATE)).succeeded()
    assert f"({theirs}) is from a run that was cut off" in run.text
    assert {token["name"] for token in environment.tokens()} == {
        "ci",
        "ci ~pending-0123456789abcdef",
    }
