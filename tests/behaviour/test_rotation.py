# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A token that is replaced by another: issued, seen to work, and only then the old one goes."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime as dt
import json
import pathlib
import typing as t

import pytest

from support import stand_in
from support.relay import Call, Fault, relay
from support.runs import Ansible, Run, Task, check, in_check_mode, info, set_clock, token, works
from support.stand_in import Environment

pytestmark = pytest.mark.once

READ = ["metrics.read"]
QUIET = check("not got.changed")
ROTATED = check(
    "got.action == 'rotated'", "got.retired | length == 1", "got.retired[0].action == 'deleted'"
)


def rotating(name: str = "ci", register: str = "got", **options: t.Any) -> Task:
    usual = {
        "scopes": READ,
        "store": "store",
        "expires_in": "90d",
        "rotate": "expiring",
        "rotate_before": "14d",
    }
    return token(name, register=register, **{**usual, **options})


def failing(task: Task) -> Task:
    """The task, called so, and after its failure the play goes on."""
    return {**task, "name": "failing", "ignore_errors": True}


def by_id(token_id: str, **options: t.Any) -> Task:
    return {
        "name": "by id",
        "community.dynatrace.dynatrace_token": {"token_id": token_id, "store": "store", **options},
        "register": "got",
    }


DISABLE_BY_HAND = by_id("{{ got.token_id }}", enabled=False, store="")


def refusing_lookups(times: int) -> t.Callable[[str, str], Fault]:
    """A rule under which the first lookups fail, as if a server did not know the new token yet."""
    left = [times]

    def rule(method: str, path: str) -> Fault:
        if not path.endswith("/lookup") or not left[0]:
            return None
        left[0] -= 1
        return 401

    return rule


def test_a_token_is_replaced_before_its_end_and_not_sooner(
    ansible: Ansible, environment: Environment
) -> None:
    sooner = [
        rotating(register="first"),
        set_clock(environment, "now+70d"),
        rotating(),
        QUIET,
        works(),
    ]
    told = [in_check_mode(rotating()), check("got.action == 'rotated'", "got.token is none")]
    replaced = [
        rotating(),
        ROTATED,
        check("got.token_id != first.token_id"),
        works(),
        rotating(),
        QUIET,
        works(),
    ]
    ansible.play(*sooner, set_clock(environment, "now+10d"), *told, *replaced).succeeded()
    assert [left["scopes"] for left in environment.tokens("ci")] == [READ]


def test_always_replaces_it_in_each_run_also_without_a_store(
    ansible: Ansible, environment: Environment
) -> None:
    always = token("ci", register="got", scopes=READ, rotate="always")
    secrets = len(environment.secrets())
    ansible.play(
        always, check("got.action == 'created'"), always, ROTATED, works(), always, ROTATED, works()
    ).succeeded()
    assert len(environment.tokens("ci")) == 1
    assert len(environment.secrets()) == secrets + 3


def test_another_end_is_another_token_where_that_is_said(
    ansible: Ansible, environment: Environment
) -> None:
    first, second = (
        token(
            "ci",
            register="got",
            scopes=READ,
            store="store",
            expiration_date=date,
            on_immutable_change="rotate",
        )
        for date in ("2090-01-01T00:00:00Z", "2095-01-01T00:00:00Z")
    )
    ansible.play(first, first, QUIET, second, ROTATED, works(), second, QUIET).succeeded()
    (found,) = environment.tokens("ci")
    assert abs(
        dt.datetime.fromisoformat(found["expirationDate"])
        - dt.datetime(2095, 1, 1, tzinfo=dt.timezone.utc)
    ) < dt.timedelta(minutes=1)


def test_a_token_without_an_end_and_one_that_is_disabled_are_left_alone(
    ansible: Ansible, environment: Environment
) -> None:
    endless = environment.issue("endless", READ)["token"]
    disabled = [
        rotating(),
        DISABLE_BY_HAND,
        rotating(rotate="always"),
        QUIET,
        check("not got.usable"),
    ]
    run = ansible.play(
        *disabled, rotating(name="endless", token=endless), check("got.action == 'none'")
    ).succeeded()
    assert "never expires, although expires_in asks for 90d" in run.text
    assert "is disabled and is left so" in run.text


@pytest.mark.v2
def test_an_old_token_stays_where_the_new_one_does_not_work(
    ansible: Ansible, environment: Environment
) -> None:
    with relay(environment, refusing_lookups(100)) as blind:
        rotation = failing(rotating(rotate="always", environment_url=blind.environment.url))
        stays = [
            info("before", name="ci"),
            rotation,
            info("after", name="ci"),
            check("before.tokens == after.tokens"),
        ]
        same = [rotating(), QUIET, check("got.token_id == first.token_id"), works()]
        run = ansible.play(rotating(register="first"), *stays, *same).succeeded()
    assert "does not work, so the old one was left as it is." in run.result("failing")["msg"]
    assert "Dynatrace answered 401" in run.result("failing")["msg"]
    assert len(environment.tokens()) == 1


@pytest.mark.v2
def test_a_run_that_goes_on_with_a_rotation_sees_first_that_the_new_token_works(
    ansible: Ansible, environment: Environment
) -> None:
    with relay(
        environment,
        lambda _method, path: Call(ansible.kill, False) if path.endswith("/lookup") else None,
    ) as deadly:
        killed = ansible.play(
            rotating(),
            info("before", name="ci"),
            rotating(rotate="always", environment_url=deadly.environment.url),
        )
    assert killed.returncode < 0
    (before,) = killed.result("before")["tokens"]
    with relay(environment, refusing_lookups(100)) as blind:
        going_on = failing(rotating(environment_url=blind.environment.url))
        run = ansible.play(
            going_on, info("left", name="ci"), rotating(), check("got.changed"), works()
        ).succeeded()
    assert "does not work, so the old one was left as it is." in run.result("failing")["msg"]
    assert before in run.result("left")["tokens"]
    assert [found["id"] == before["id"] for found in environment.tokens("ci")] == [False]


@pytest.mark.v2
def test_a_new_token_may_take_a_moment_to_work(ansible: Ansible, environment: Environment) -> None:
    with relay(environment, refusing_lookups(2)) as slow:
        ansible.play(
            rotating(), rotating(rotate="always", environment_url=slow.environment.url), ROTATED
        ).succeeded()


LASTING = {"overlap": "2d", "delete_after": "1w"}
OLD_STAYS = check(
    "got.action == 'rotated'",
    "got.retired == []",
    "got.retiring | length == 1",
    "got.retiring[0].delete_date is none",
)


@dataclasses.dataclass
class Consumer:
    """Uses the secret that was handed out last, whatever the collection is about to do."""

    ansible: Ansible
    uses: int = 0

    def use(self, _method: str, _path: str) -> Fault:
        secret = self.last_secret()
        if secret:
            answer = self.ansible.environment.call(
                "POST", "/lookup", token=secret, json={"token": secret}
            )
            assert answer.json()["enabled"] is True
            self.uses += 1
        return None

    def last_secret(self) -> str | None:
        """That of the last task of the run that is going on."""
        record = self.ansible.folder / "record.jsonl"
        lines = record.read_text().splitlines() if record.exists() else []
        handed_out = [json.loads(line)["result"].get("token") for line in lines]
        return next(filter(None, reversed(handed_out)), None)


def test_over_its_whole_life_who_holds_the_last_secret_is_never_locked_out(
    ansible: Ansible, environment: Environment
) -> None:
    consumer = Consumer(ansible)
    life = [
        ("now", "created", []),
        ("now+30d", "none", []),
        ("now+50d", "rotated", []),
        ("now+1d", "none", []),
        ("now+2d", "none", ["disabled"]),
        ("now+6d", "none", []),
        ("now+2d", "none", ["deleted"]),
    ]
    tasks = [
        task
        for clock, _action, _retired in life
        for task in (set_clock(environment, clock), rotating(**LASTING, reveal=True))
    ]
    with relay(environment, consumer.use) as watched:
        run = ansible.play(*tasks, env=watched.environment.variables).succeeded()
    for (clock, action, retired), got in zip(life, run.results("ci")):
        assert (got["action"], [old["action"] for old in got["retired"]]) == (action, retired), (
            clock
        )
        assert got["changed"] is (action != "none" or bool(retired)), clock
    assert consumer.last_secret() == environment.secrets()[-1]
    assert environment.writes() == ["POST", "PUT"] * 2 + ["PUT", "DELETE"]
    assert {request["status"] for request in environment.requests()} == {200, 201, 204}
    assert consumer.uses > len(life)
    assert len(environment.tokens("ci")) == 1


def test_what_is_replaced_can_be_taken_back_or_deleted_at_any_time(
    ansible: Ansible, environment: Environment
) -> None:
    oldest = rotating(register="oldest")
    newer, newest = (
        rotating(register=register, rotate="always", **LASTING) for register in ("newer", "newest")
    )
    replaced = [
        oldest,
        newer,
        check("newer.retired == []", "newer.retiring | length == 1"),
        newest,
        check("newest.retiring | length == 2"),
    ]
    disabled = [
        rotating(**LASTING),
        check("got.retired | map(attribute='action') | list == ['disabled'] * 2"),
    ]
    renaming = [
        failing(by_id("{{ newest.token_id }}", name="renamed")),
        check("'still retiring under that name' in got.msg"),
    ]
    taken_back = check("got.action == 'updated'", "got.retiring | length == 1", "got.token is none")
    back = [by_id("{{ oldest.token_id }}", enabled=True), taken_back]
    deleted = check("got.action == 'deleted'", "got.retiring == []", "got.store_updated")
    away = [by_id("{{ newer.token_id }}", state="absent"), deleted]
    left = [rotating(**LASTING), QUIET, check("got.retiring == []"), works()]
    later = [
        set_clock(environment, "now+20d"),
        rotating(),
        QUIET,
        info("still", token_id="{{ oldest.token_id }}"),
    ]
    run = ansible.play(
        *replaced,
        set_clock(environment, "now+3d"),
        *disabled,
        *renaming,
        *back,
        *away,
        *left,
        *later,
    ).succeeded()
    assert [found["name"] for found in run.result("still")["tokens"]] == ["ci"]


def test_what_is_retiring_goes_with_the_token_and_is_not_forgotten_without_it(
    ansible: Ansible, environment: Environment
) -> None:
    gone = [by_id("{{ got.token_id }}", state="absent"), check("got.retiring | length == 1")]
    again = [rotating(overlap="2d"), check("got.action == 'created'", "got.retiring | length == 1")]
    both = [info("left", name="ci"), check("left.tokens | length == 2")]
    absent = token("ci", register="got", state="absent", store="store")
    away = [
        absent,
        check("got.action == 'deleted'", "got.retired | length == 1", "got.retiring == []"),
        absent,
        QUIET,
    ]
    ansible.play(
        rotating(), rotating(rotate="always", overlap="2d"), *gone, *again, *both, *away
    ).succeeded()
    assert environment.tokens("ci") == []
    assert list((ansible.folder / "store").glob("*/ci.yml")) == []


def test_what_works_no_more_or_alone_is_not_disabled(
    ansible: Ansible, environment: Environment
) -> None:
    """A predecessor stays where somebody has disabled its successor, and one that has expired
    meanwhile is only deleted."""
    rotated = [
        rotating(expires_in="5d", rotate_before="1d"),
        rotating(rotate="always", **LASTING),
        OLD_STAYS,
        DISABLE_BY_HAND,
    ]
    stays = [rotating(**LASTING), QUIET, check("not got.usable", "got.retiring | length == 1")]
    goes = [
        rotating(enabled=True, **LASTING),
        check("got.retired | map(attribute='action') | list == ['deleted']"),
    ]
    three_days = set_clock(environment, "now+3d")
    ansible.play(*rotated, three_days, *stays, three_days, *goes).succeeded()


def test_without_a_store_nothing_can_be_retired_later(
    ansible: Ansible, environment: Environment
) -> None:
    bad = [
        (
            rotating(store="", overlap="2d"),
            "overlap needs store, which remembers when to disable and delete the old token.",
        ),
        (rotating(store="", delete_after="2d"), "delete_after needs store"),
        (rotating(store="", retire=False), "retire: false needs store"),
        (rotating(overlap="soon"), "overlap: 'soon' is not a period"),
    ]
    tasks = [
        {**task, "name": f"bad {number}", "ignore_errors": True}
        for number, (task, _message) in enumerate(bad)
    ]
    run = ansible.play(*tasks).succeeded()
    for number, (_task, message) in enumerate(bad):
        assert message in run.result(f"bad {number}")["msg"]
    assert environment.requests() == []


def test_of_two_controllers_one_rotates_and_the_other_finds_it_done(tmp_path: pathlib.Path) -> None:
    def play(name: str) -> Run:
        (tmp_path / name).mkdir(exist_ok=True)
        task = rotating(store=str(tmp_path / "store"))
        return Ansible(tmp_path / name, slow).play(
            task, works(), env={"ANSIBLE_HOME": str(tmp_path / f"home-{name}")}
        )

    with (
        stand_in.serve("--latency", "200") as slow,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        play("one").succeeded()
        slow.set_clock("now+80d")
        slow.forget_requests()
        for run in pool.map(play, ["one", "two"]):
            run.succeeded()
        assert slow.writes() == ["POST", "PUT", "DELETE"]


def test_a_secret_issued_with_retire_false_is_not_handed_over_until_a_call_that_retires(
    ansible: Ansible, environment: Environment
) -> None:
    def call(register: str, **options: t.Any) -> Task:
        return token("ci", register=register, **{"scopes": READ, "store": "store", **options})

    ansible.play(
        call("got", retire=False),
        check("got.handed_over is false"),
        call("got", retire=False),
        check("got.handed_over is false", "not got.changed"),
        in_check_mode(call("got")),
        check("got.handed_over", "got.store_updated", "got.changed", "got.action == 'none'"),
        call("got"),
        check("got.handed_over", "got.store_updated", "got.changed", "got.action == 'none'"),
        call("got"),
        check("got.handed_over", "not got.changed"),
        in_check_mode(call("got", rotate="always", retire=False)),
        check("got.handed_over is false"),
        call("got", rotate="always", retire=False),
        check("got.handed_over is false"),
        by_id("{{ got.retiring[0].id }}", state="absent"),
        check("got.handed_over is none"),
        call("got", retire=False),
        check("got.handed_over is false"),
        call("got", store="", on_missing_secret="ignore"),
        check("got.handed_over is none"),
        call("got", state="absent"),
        check("got.handed_over is none"),
    ).succeeded()


def test_an_adopted_secret_and_an_entry_that_does_not_tell_count_as_handed_over(
    ansible: Ansible, environment: Environment
) -> None:
    made = environment.issue("held", READ)
    ansible.play(
        token("held", "held", token=made["token"], retire=False, store="store"),
        check("held.handed_over"),
        token("old", "old", scopes=READ, retire=False, store="store"),
        check("old.handed_over is false"),
    ).succeeded()
    (file,) = (ansible.folder / "store").glob("*/old.yml")
    told = file.read_text()
    assert "handed_over: false\n" in told
    file.write_text(told.replace("handed_over: false\n", ""))
    ansible.play(
        token("old", "old", retire=False, store="store"),
        check("old.handed_over", "not old.changed"),
    ).succeeded()
