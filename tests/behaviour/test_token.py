# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What dynatrace_token promises, as playbooks see it."""

from __future__ import annotations

import re
import typing as t

import pytest

from support import stand_in
from support.runs import Ansible, Task, check, in_check_mode, info, token
from support.stand_in import Environment

READ = ["metrics.read", "entities.read"]


def failing(name: str, task_name: str | None = None, **options: t.Any) -> Task:
    """A task after whose failure the play goes on."""
    return {**token(name, keywords={"ignore_errors": True}, **options), "name": task_name or name}


def by_id(token_id: str, register: str | None = None, **options: t.Any) -> Task:
    task = {
        "name": "by id",
        "community.dynatrace.dynatrace_token": {"token_id": token_id, **options},
    }
    return {**task, "register": register} if register else task


def test_the_secret_that_was_registered_works_and_the_second_run_changes_nothing(
    ansible: Ansible, environment: Environment
) -> None:
    tasks = [
        token("ci", register="first", scopes=READ, expires_in="90d"),
        check(
            "first.changed", "first.action == 'created'", "first.secret_available", "first.usable"
        ),
        check(
            "first.token.startswith(first.token_id ~ '.')",
            "first.metadata.scopes == ['entities.read', 'metrics.read']",
        ),
        info("used", token="{{ first.token }}", api_token="{{ first.token }}", api_version="v2"),
        check("used.tokens | map(attribute='id') == [first.token_id]"),
        token("ci", register="second", scopes=READ, expires_in="90d"),
        check("not second.changed", "second.action == 'none'", "second.token_id == first.token_id"),
        check(
            "second.token is none",
            "not second.secret_available",
            "second.metadata.owner == 'admin@example.com'",
        ),
    ]
    ansible.play(*tasks).succeeded()
    assert [(found["name"], found["scopes"]) for found in environment.tokens()] == [
        ("ci", sorted(READ))
    ]
    assert environment.writes() == ["POST", "PUT"]


@pytest.mark.once
@pytest.mark.v2
def test_a_token_is_issued_under_a_provisional_name(
    ansible: Ansible, environment: Environment
) -> None:
    """Seen from outside: creation and renaming are two requests, and only the name asked for is
    left.
    """
    ansible.play(token("ci", register="made", scopes=READ)).succeeded()
    assert [entry["method"] for entry in environment.requests()] == ["GET", "POST", "PUT"]
    assert [found["name"] for found in environment.tokens()] == ["ci"]


def test_check_mode_plans_the_same_and_writes_nothing(
    ansible: Ansible, environment: Environment
) -> None:
    task = token("ci", register="made", scopes=READ, expires_in="90d")
    planned = check(
        "made.changed", "made.action == 'created'", "made.token is none", "made.token_id is none"
    )
    run = ansible.play(
        in_check_mode(task), planned, task, check("made.action == 'created'"), options=["--diff"]
    ).succeeded()
    assert environment.writes() == ["POST", "PUT"]
    dry_diff, wet_diff = run.results("ci")[0]["diff"], 'expiration_date": "90d from its creation'
    assert dry_diff["before"] == {}
    assert dry_diff["after"]["scopes"] == ["entities.read", "metrics.read"]
    assert wet_diff in run.stdout
    assert wet_diff in run.stderr


CHANGES: dict[str, dict[str, t.Any]] = {
    "other scopes": {"scopes": ["logs.read"]},
    "one more scope": {"scopes": ["logs.read"], "scopes_mode": "add"},
    "disabled": {"enabled": False},
    "absent": {"state": "absent"},
}


@pytest.mark.once
def test_check_mode_and_real_run_agree_on_every_change(
    ansible: Ansible, environment: Environment
) -> None:
    for name in CHANGES:
        environment.issue(name, READ)
    environment.forget_requests()
    tasks = [token(name, **change) for name, change in CHANGES.items()]
    run = ansible.play(
        *(each for task in tasks for each in (in_check_mode(task), task))
    ).succeeded()
    for name in CHANGES:
        dry, wet = (
            {key: result[key] for key in ("changed", "action", "diff", "metadata")}
            for result in run.results(name)
        )
        assert dry == wet, name
        assert dry["changed"], name
    assert environment.writes() == [
        "PUT",
        "PUT",
        "PUT",
        "DELETE",
    ]  # had check mode written, there would be nothing left to do


SCOPE_CHANGES: dict[str, tuple[dict[str, t.Any], list[str]]] = {
    "add": (
        {"scopes": ["logs.read"], "scopes_mode": "add"},
        ["entities.read", "logs.read", "metrics.read"],
    ),
    "remove": (
        {"scopes": ["metrics.read", "logs.read"], "scopes_mode": "remove"},
        ["entities.read"],
    ),
    "exact": ({"scopes": ["logs.read"], "scopes_mode": "exact"}, ["logs.read"]),
}


@pytest.mark.once
def test_a_change_of_scopes_is_one_put_with_the_whole_list(
    ansible: Ansible, environment: Environment
) -> None:
    for name in SCOPE_CHANGES:
        environment.issue(name, READ)
    environment.forget_requests()
    tasks = [token(name, **options) for name, (options, _expected) in SCOPE_CHANGES.items()]
    run = ansible.play(*tasks, *tasks).succeeded()
    for name, (_options, expected) in SCOPE_CHANGES.items():
        assert [result["action"] for result in run.results(name)] == ["updated", "none"], name
        assert environment.tokens(name)[0]["scopes"] == expected, name
    assert environment.writes() == ["PUT"] * len(SCOPE_CHANGES)


@pytest.mark.once
def test_the_order_of_scopes_repeated_ones_and_ones_newer_than_the_collection_are_no_change(
    ansible: Ansible, environment: Environment
) -> None:
    environment.issue("ci", ["metrics.read", "entities.read", "logs.read"])
    environment.issue("new", ["brandNewFeature.read"])
    tasks = [
        token(
            "ci",
            register="made",
            scopes=["logs.read", "metrics.read", "logs.read", "entities.read"],
        ),
        check("not made.changed"),
        token("new", register="made", scopes=["brandNewFeature.read"]),
        check("not made.changed"),
    ]
    assert "is not a known one" not in ansible.play(*tasks).succeeded().text


@pytest.mark.once
def test_a_token_is_enabled_or_disabled_only_where_that_is_said(
    ansible: Ansible, environment: Environment
) -> None:
    environment.issue("on")
    environment.plant("off", enabled=False)
    tasks = [
        token("on", register="on", scopes=["logs.read"]),
        check("on.changed", "on.usable"),
        token("off", register="off", scopes=["metrics.read"]),
        check("not off.changed", "not off.usable", "off.token is none"),
        token("changed", register="made", scopes=["metrics.read"], enabled=False),
        check("made.token is not none", "not made.usable", "not made.metadata.enabled"),
        token("changed", register="on", enabled=True),
        check("on.changed", "on.usable", "on.metadata.scopes == ['metrics.read']"),
        token("changed", register="off", enabled=False),
        check("off.changed", "not off.usable"),
        token("changed", register="on", enabled=True),
        check("on.changed", "on.usable", "on.metadata.scopes == ['metrics.read']"),
    ]
    run = ansible.play(*tasks).succeeded()
    assert {found["name"]: found["enabled"] for found in environment.tokens()} == {
        "on": True,
        "off": False,
        "changed": True,
    }
    assert run.text.count("is disabled and is left so, because enabled was not given") == 1


@pytest.mark.once
def test_of_two_tokens_of_one_name_none_is_touched_unless_it_is_said_which(
    ansible: Ansible, environment: Environment
) -> None:
    ids = [environment.issue("ci")["id"], environment.issue("ci")["id"]]
    mine, _other = environment.issue("held"), environment.issue("held")
    environment.forget_requests()
    held = token(
        "held",
        register="found",
        token=mine["token"],
        scopes=["metrics.read"],
        on_missing_secret="fail",
    )
    found = check(
        f"found.token_id == '{mine['id']}'",
        "found.secret_available",
        "found.token.startswith(found.token_id)",
    )
    run = ansible.play(failing("ci", scopes=READ), held, found).succeeded()
    assert all(token_id in run.result("ci")["msg"] for token_id in ids)
    assert environment.writes() == []


@pytest.mark.once
def test_on_duplicates_chooses_one_and_leaves_the_others_alone(
    ansible: Ansible, environment: Environment
) -> None:
    chosen, others = {}, {}
    for name, ages in {"newest": ("now-2d", "now-1d"), "oldest": ("now-1d", "now-2d")}.items():
        others[name], chosen[name] = (
            environment.plant(name, created=created)["id"] for created in ages
        )
    run = ansible.play(
        *(token(name, scopes=["logs.read"], on_duplicates=name) for name in chosen)
    ).succeeded()
    for name in chosen:
        assert run.result(name)["token_id"] == chosen[name]
        scopes = {found["id"]: found["scopes"] for found in environment.tokens(name)}
        assert scopes == {chosen[name]: ["logs.read"], others[name]: ["metrics.read"]}


@pytest.mark.once
def test_on_missing_secret_fail_stops_and_says_why(
    ansible: Ansible, environment: Environment
) -> None:
    mine, other = environment.issue("ci"), environment.issue("other")
    unknown = mine["token"].rpartition(".")[0] + "." + "A" * 64
    held = {
        "none": (None, "was not given as token"),
        "foreign": (other["token"], other["id"]),
        "unknown": (unknown, "no token that Dynatrace knows"),
    }
    usual = {"scopes": ["metrics.read"], "on_missing_secret": "fail"}
    run = ansible.play(
        *(
            failing("ci", task_name, token=secret, **usual)
            for task_name, (secret, _why) in held.items()
        )
    ).succeeded()
    for task_name, (_secret, why) in held.items():
        assert why in run.result(task_name)["msg"], task_name


@pytest.mark.once
def test_absent_twice_is_one_change(ansible: Ansible, environment: Environment) -> None:
    environment.issue("ci")
    environment.issue("other")
    environment.plant("ci", expires="now-1d")
    tasks = [
        token("ci", register="first", state="absent"),
        check(
            "first.changed",
            "first.action == 'deleted'",
            "not first.usable",
            "first.retired | length == 1",
        ),
        token("ci", register="second", state="absent"),
        check("not second.changed", "second.action == 'none'", "second.metadata is none"),
    ]
    ansible.play(*tasks).succeeded()
    assert [found["name"] for found in environment.tokens()] == ["other"]


@pytest.mark.once
def test_by_id_a_token_can_be_renamed_and_deleted(
    ansible: Ansible, environment: Environment
) -> None:
    made = environment.issue("old", READ)["id"]
    tasks = [
        by_id(made, register="renamed", name="new"),
        check(
            "renamed.action == 'updated'",
            "renamed.metadata.name == 'new'",
            "renamed.metadata.scopes | length == 2",
        ),
        by_id(made, register="again", name="new"),
        check("not again.changed"),
        by_id(made, register="gone", state="absent"),
        check("gone.changed"),
    ]
    ansible.play(*tasks).succeeded()
    assert environment.tokens() == []


@pytest.mark.once
def test_an_id_that_is_unknown_or_of_another_token_is_an_error(
    ansible: Ansible, environment: Environment
) -> None:
    """A deletion by id minds the name that is given, and an unknown id is never a creation."""
    made = environment.issue("precious")["id"]
    unknown = "dt0c01.ST2EY72KQINMH574WMNVI7YN"
    run = ansible.play(
        failing("worthless", token_id=made, state="absent"),
        failing("ci", register="made", token_id=unknown, scopes=READ),
    ).succeeded()
    assert "is named 'precious', not 'worthless'" in run.result("worthless")["msg"]
    assert unknown in run.result("ci")["msg"]
    assert [found["id"] for found in environment.tokens()] == [made]


@pytest.mark.once
@pytest.mark.v2
def test_a_personal_access_token_and_an_api_token_of_one_name_are_different(
    ansible: Ansible, environment: Environment
) -> None:
    plain = environment.issue("ci")
    tasks = [
        token("ci", register="personal", scopes=READ, personal_access_token=True),
        check("personal.action == 'created'", "personal.metadata.personal_access_token"),
        token("ci", register="plain", scopes=["metrics.read"]),
        check("not plain.changed", f"plain.token_id == '{plain['id']}'"),
        failing("ci", token_id=plain["id"], personal_access_token=True),
    ]
    run = ansible.play(*tasks).succeeded()
    assert "Say kind: access, and" in run.result("ci")["msg"]


@pytest.mark.once
def test_an_expired_token_is_replaced_and_deleted(
    ansible: Ansible, environment: Environment
) -> None:
    dead = environment.plant("ci", expires="now-1d")["id"]
    tasks = [
        token("ci", register="made", scopes=READ, expires_in="30d"),
        check(
            "made.action == 'rotated'",
            "made.token is not none",
            f"made.retired == [{{'id': '{dead}', 'action': 'deleted'}}]",
        ),
    ]
    ansible.play(*tasks).succeeded()
    assert [found["id"] != dead for found in environment.tokens("ci")] == [True]


@pytest.mark.once
def test_the_end_of_a_token_is_compared_as_a_moment_and_cannot_be_changed(
    ansible: Ansible, environment: Environment
) -> None:
    environment.issue("ci", expirationDate="2040-01-31T12:00:00.000Z")
    other = {"expiration_date": "2041-01-31T12:00:00Z"}
    tasks = [
        token("ci", register="same", expiration_date="2040-01-31T14:00:00+02:00"),
        check("not same.changed"),
        failing("ci", "refused", **other),
        token("ci", register="left", on_immutable_change="ignore", **other),
        check("not left.changed"),
    ]
    run = ansible.play(*tasks).succeeded()
    message = run.result("refused")["msg"]
    assert (
        "say on_immutable_change: rotate to have another token issued in its place, or ignore"
        in message
    )
    assert "2040-01-31T12:00:00.000Z" in message


@pytest.mark.once
def test_expires_in_is_no_drift_and_a_token_without_end_is_a_warning(
    ansible: Ansible, environment: Environment
) -> None:
    environment.issue("ending", expirationDate="now+5d")
    environment.issue("endless")
    tasks = [
        token("ending", register="ending", expires_in="90d"),
        token("endless", register="endless", expires_in="90d"),
        check("not ending.changed", "not endless.changed"),
    ]
    run = ansible.play(*tasks).succeeded()
    assert "'endless'" in run.text
    assert run.text.count("never expires, although expires_in asks for 90d") == 1


@pytest.mark.once
@pytest.mark.v2
def test_tokens_that_others_own_or_the_product_made_are_left_alone(
    ansible: Ansible, environment: Environment
) -> None:
    environment.plant("ci", additional_metadata={"dashboardId": "82402bab"})
    environment.plant("ci ", created="now-1d")
    tasks = [token("ci", register="gone", state="absent"), check("not gone.changed")]
    ansible.play(*tasks).succeeded()
    assert len(environment.tokens()) == 2


@pytest.mark.once
def test_what_a_cut_off_run_left_is_reported_and_can_be_deleted_by_id(
    ansible: Ansible, environment: Environment
) -> None:
    left = environment.issue("ci ~pending-0011223344556677")["id"]
    created = check("made.action == 'created'")
    run = ansible.play(
        token("ci", register="made", scopes=READ), created, by_id(left, state="absent")
    ).succeeded()
    assert f"({left}) is from a run that was cut off" in run.text
    assert [found["name"] for found in environment.tokens()] == ["ci"]


@pytest.mark.once
def test_a_name_is_found_on_any_page(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with stand_in.serve("--preload", "25", "--page-cap", "10") as environment:
        tasks = [token("preloaded-3", register="found", scopes=READ), check("not found.changed")]
        Ansible(tmp_path, environment).play(*tasks).succeeded()
        assert [entry["method"] for entry in environment.requests()] == ["GET", "GET", "GET"]


HARMS: dict[str, tuple[dict[str, t.Any], str]] = {
    "absent": ({"state": "absent"}, "delete"),
    "disabled": ({"enabled": False}, "disable"),
    "narrowed": ({"scopes": ["apiTokens.read", "metrics.read"]}, "take apiTokens.write from"),
    "rotated": (
        {"scopes": ["apiTokens.read", "apiTokens.write"], "rotate": "always", "register": "made"},
        "delete",
    ),
}


@pytest.mark.once
def test_the_calling_token_is_spared(ansible: Ansible, environment: Environment) -> None:
    tasks = [
        failing("admin", task_name, **options) for task_name, (options, _harm) in HARMS.items()
    ]
    run = ansible.play(*tasks, *map(in_check_mode, tasks)).succeeded()
    for task_name, (_options, harm) in HARMS.items():
        message = f"This would {harm} 'admin', the token that this task itself calls Dynatrace with"
        assert [message in result["msg"] for result in run.results(task_name)] == [True, True], (
            task_name
        )
    assert environment.writes() == []


def test_a_scope_that_is_not_known_is_a_warning_and_for_dynatrace_to_judge(
    ansible: Ansible, environment: Environment
) -> None:
    newer = [token("new", register="made", scopes=["brandNewFeature.read"]), check("made.changed")]
    run = ansible.play(
        failing("typo", register="made", scopes=["metrics.reed"]), *newer
    ).succeeded()
    assert "Did you mean 'metrics.read'?" in run.text
    assert "scopes[0]: 'metrics.reed' is not a valid scope" in run.result("typo")["msg"]
    assert "'brandNewFeature.read' is not a known one" in run.text
    assert [found["name"] for found in environment.tokens()] == ["new"]


@pytest.mark.once
@pytest.mark.v2
def test_what_the_calling_token_lacks_is_told_at_the_first_request_that_needs_it(
    ansible: Ansible, environment: Environment
) -> None:
    secret = environment.issue("whole", ["apiTokens.read", "apiTokens.write"])["token"]
    callers = {
        "cannot write": (
            environment.issue("reader", ["apiTokens.read"])["token"],
            "403: Token is missing .* the scope apiTokens.write, or",
        ),
        "cannot read": (
            environment.issue("writer", ["apiTokens.write"])["token"],
            "403: Token is missing .* the scope apiTokens.read, or",
        ),
        "disabled": (
            environment.plant("off", enabled=False)["token"],
            "401: .* disabled, expired .* or lack the scope apiTokens.read.",
        ),
        "expired": (
            environment.plant("dead", expires="now-1d")["token"],
            "401: .* disabled, expired .* or lack the scope apiTokens.read.",
        ),
        "cut off": (secret[:-1], "401: .* wrong, cut off, "),
        "id": (secret.rpartition(".")[0], "^api_token: it is the id of a token alone"),
        "client": (
            "dt0s02." + secret.partition(".")[2],
            "^api_token: it is the secret of an OAuth client",
        ),
    }
    tasks = [
        token(
            "ci",
            register=name.replace(" ", "_"),
            scopes=READ,
            api_token=caller,
            keywords={"name": name, "ignore_errors": True},
        )
        for name, (caller, _message) in callers.items()
    ]
    environment.forget_requests()
    run = ansible.play(*tasks).succeeded()
    for name, (_caller, message) in callers.items():
        assert re.search(message, run.result(name)["msg"]), name
    assert environment.tokens("ci") == []
    assert environment.writes() == ["POST"]  # the one that was not allowed


def test_what_nobody_would_keep_is_not_issued(ansible: Ansible, environment: Environment) -> None:
    plain = failing("ci", "plain", scopes=READ)
    until = {
        **failing("ci", "until", register="made", scopes=READ),
        "until": "made is success",
        "retries": 3,
        "delay": 0,
    }
    in_the_background = {**failing("ci", "async", scopes=READ), "async": 10, "poll": 1}
    run = ansible.play(plain, until, in_the_background).succeeded()
    assert "store, or hand it to later tasks with register" in run.result("plain")["msg"]
    assert "under until" in run.result("until")["msg"]
    assert "async" in run.result("async")["msg"]
    assert environment.tokens() == []


def test_run_once_that_does_not_work_is_refused(ansible: Ansible, environment: Environment) -> None:
    tasks = [token("ci", register="made", keywords={"run_once": True}, scopes=READ)]
    run = ansible.play(
        *tasks, hosts="all", strategy="free", options=["-i", "one,two,three,", "-c", "local"]
    ).failed()
    assert "run_once does not work under the strategy free" in run.text
    assert environment.tokens() == []


def test_options_come_from_module_defaults_then_the_tasks_environment_then_the_controllers(
    ansible: Ansible, environment: Environment
) -> None:
    wrong = {"DYNATRACE_ENV_URL": "http://127.0.0.1:9/controller", "DYNATRACE_API_TOKEN": "wrong"}
    right = environment.variables
    defaults = {
        "environment_url": right["DYNATRACE_ENV_URL"],
        "api_token": right["DYNATRACE_API_TOKEN"],
    }
    sources = {
        "task environment": {"environment": right},
        "module_defaults": {
            "environment": wrong,
            "module_defaults": {"group/community.dynatrace.dynatrace": defaults},
        },
    }
    plays = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "tasks": [token(name, register="made", scopes=READ), check("made.changed")],
            **keywords,
        }
        for name, keywords in sources.items()
    ]
    ansible.playbook(plays, env=wrong).succeeded()
    assert {found["name"] for found in environment.tokens()} == set(sources)
