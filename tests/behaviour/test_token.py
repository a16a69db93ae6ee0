# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What dynatrace_token promises, as playbooks see it."""

from __future__ import annotations

import re

import pytest

from support import stand_in
from support.runs import Ansible, check, in_check_mode, token
from support.stand_in import Environment

READ = ["metrics.read", "entities.read"]


def test_the_second_run_changes_nothing(ansible: Ansible, environment: Environment) -> None:
    tasks = [
        token("ci", register="first", scopes=READ, expires_in="90d"),
        check("first.changed", "first.action == 'created'", "first.secret_available", "first.usable"),
        check("first.token.startswith(first.token_id ~ '.')", "first.metadata.scopes == ['entities.read', 'metrics.read']"),
        token("ci", register="second", scopes=READ, expires_in="90d"),
        check("not second.changed", "second.action == 'none'", "second.token_id == first.token_id"),
        check("second.token is none", "not second.secret_available", "second.metadata.owner == 'admin@example.com'"),
    ]
    ansible.play(*tasks).succeeded()
    assert [found["scopes"] for found in environment.tokens("ci")] == [sorted(READ)]
    assert environment.writes() == ["POST", "PUT"]


def test_the_secret_that_was_registered_works(ansible: Ansible, environment: Environment) -> None:
    uri = {
        "name": "use",
        "ansible.builtin.uri": {
            "url": environment.url + stand_in.API,
            "headers": {"Authorization": "Api-Token {{ made.token }}"},
        },
        "no_log": True,
    }
    ansible.play(token("ci", register="made", scopes=["apiTokens.read"]), uri).succeeded()


@pytest.mark.v2
def test_a_token_is_issued_under_a_provisional_name(ansible: Ansible, environment: Environment) -> None:
    """Seen from outside: creation and renaming are two requests, and only the name asked for is left."""
    ansible.play(token("ci", register="made", scopes=READ)).succeeded()
    assert [entry["method"] for entry in environment.requests()] == ["GET", "POST", "PUT"]
    assert [found["name"] for found in environment.tokens()] == ["ci"]


def test_check_mode_plans_the_same_and_writes_nothing(ansible: Ansible, environment: Environment) -> None:
    task = token("ci", register="made", scopes=READ, expires_in="90d")
    dry = ansible.play(
        task, check("made.changed", "made.token is none", "made.token_id is none"), options=["--check", "--diff"]
    ).succeeded()
    assert environment.writes() == []
    wet = ansible.play(task, options=["--diff"]).succeeded()
    dry_diff, wet_diff = dry.result("ci")["diff"], 'expiration_date": "90d from its creation'
    assert dry_diff["before"] == {}
    assert dry_diff["after"]["scopes"] == ["entities.read", "metrics.read"]
    assert wet_diff in dry.stdout
    assert wet_diff in wet.stderr


@pytest.mark.parametrize(
    "change",
    [
        {"scopes": ["logs.read"]},
        {"scopes": ["logs.read"], "scopes_mode": "add"},
        {"enabled": False},
        {"state": "absent"},
    ],
)
def test_check_mode_and_real_run_agree_on_every_change(ansible: Ansible, environment: Environment, change: dict[str, object]) -> None:
    environment.issue("ci", READ)
    environment.forget_requests()
    run = ansible.play(in_check_mode(token("ci", **change)), token("ci", **change)).succeeded()
    dry, wet = run.results("ci")
    assert len(environment.writes()) == 1  # had check mode written, there would be nothing left to do
    assert {key: dry[key] for key in ("changed", "action", "diff", "metadata")} == {
        key: wet[key] for key in ("changed", "action", "diff", "metadata")
    }


def test_the_order_of_scopes_and_repeated_ones_are_no_change(ansible: Ansible, environment: Environment) -> None:
    environment.issue("ci", ["metrics.read", "entities.read", "logs.read"])
    tasks = [token("ci", register="made", scopes=["logs.read", "metrics.read", "logs.read", "entities.read"]), check("not made.changed")]
    ansible.play(*tasks).succeeded()


@pytest.mark.parametrize(
    ("mode", "scopes", "expected"),
    [
        ("add", ["logs.read"], ["entities.read", "logs.read", "metrics.read"]),
        ("remove", ["metrics.read", "logs.read"], ["entities.read"]),
        ("exact", ["logs.read"], ["logs.read"]),
    ],
)
def test_a_change_of_scopes_is_one_put_with_the_whole_list(
    ansible: Ansible, environment: Environment, mode: str, scopes: list[str], expected: list[str]
) -> None:
    environment.issue("ci", READ)
    environment.forget_requests()
    task = token("ci", register="made", scopes=scopes, scopes_mode=mode)
    again = token("ci", register="again", scopes=scopes, scopes_mode=mode)
    ansible.play(task, check("made.action == 'updated'"), again, check("not again.changed")).succeeded()
    assert environment.tokens("ci")[0]["scopes"] == expected
    assert environment.writes() == ["PUT"]


def test_leaving_enabled_out_never_disables_and_never_enables(ansible: Ansible, environment: Environment) -> None:
    environment.issue("on")
    environment.plant("off", enabled=False)
    tasks = [
        token("on", register="on", scopes=["logs.read"]),
        check("on.changed", "on.usable"),
        token("off", register="off", scopes=["metrics.read"]),
        check("not off.changed", "not off.usable", "off.token is none"),
    ]
    run = ansible.play(*tasks).succeeded()
    assert environment.tokens("on")[0]["enabled"] is True
    assert environment.tokens("off")[0]["enabled"] is False
    assert "is disabled and is left so, because enabled was not given" in run.text


def test_enabled_is_changed_when_it_is_given(ansible: Ansible, environment: Environment) -> None:
    environment.issue("ci")
    tasks = [
        token("ci", register="off", enabled=False),
        check("off.changed", "not off.usable"),
        token("ci", register="on", enabled=True),
        check("on.changed", "on.usable", "on.metadata.scopes == ['metrics.read']"),
    ]
    ansible.play(*tasks).succeeded()


def test_a_token_can_be_issued_disabled(ansible: Ansible, environment: Environment) -> None:
    tasks = [token("ci", register="made", scopes=READ, enabled=False), check("made.token is not none", "not made.usable")]
    ansible.play(*tasks).succeeded()
    assert environment.tokens("ci")[0]["enabled"] is False


def test_two_tokens_of_one_name_fail_with_both_ids(ansible: Ansible, environment: Environment) -> None:
    ids = [environment.issue("ci")["id"], environment.issue("ci")["id"]]
    run = ansible.play(token("ci", scopes=READ)).failed()
    assert all(token_id in run.result("ci")["msg"] for token_id in ids)
    assert environment.writes() == ["POST", "POST"]


@pytest.mark.parametrize(("choice", "index"), [("newest", 1), ("oldest", 0)])
def test_on_duplicates_chooses_one_and_leaves_the_others_alone(ansible: Ansible, environment: Environment, choice: str, index: int) -> None:
    made = [environment.plant("ci", created=created)["id"] for created in ("now-2d", "now-1d")]
    run = ansible.play(token("ci", scopes=["logs.read"], on_duplicates=choice)).succeeded()
    assert run.result("ci")["token_id"] == made[index]
    assert {found["id"]: found["scopes"] for found in environment.tokens("ci")} == {
        made[index]: ["logs.read"],
        made[1 - index]: ["metrics.read"],
    }


def test_the_secret_that_is_held_tells_which_of_two_is_meant(ansible: Ansible, environment: Environment) -> None:
    mine, _other = environment.issue("ci"), environment.issue("ci")
    tasks = [
        token("ci", register="found", token=mine["token"], scopes=["metrics.read"], on_missing_secret="fail"),
        check(f"found.token_id == '{mine['id']}'", "found.secret_available", "found.token.startswith(found.token_id)"),
    ]
    ansible.play(*tasks).succeeded()


@pytest.mark.parametrize("secret", ["none", "foreign", "unknown"])
def test_on_missing_secret_fail_stops_and_says_why(ansible: Ansible, environment: Environment, secret: str) -> None:
    mine, other = environment.issue("ci"), environment.issue("other")
    held = {"none": None, "foreign": other["token"], "unknown": mine["token"].rpartition(".")[0] + "." + "A" * 64}[secret]
    run = ansible.play(token("ci", token=held, scopes=["metrics.read"], on_missing_secret="fail")).failed()
    explanation = {"none": "was not given as token", "foreign": other["id"], "unknown": "no token that Dynatrace knows"}[secret]
    assert explanation in run.result("ci")["msg"]


def test_absent_twice_is_one_change(ansible: Ansible, environment: Environment) -> None:
    environment.issue("ci")
    environment.issue("other")
    environment.plant("ci", expires="now-1d")
    tasks = [
        token("ci", register="first", state="absent"),
        check("first.changed", "first.action == 'deleted'", "not first.usable", "first.retired | length == 1"),
        token("ci", register="second", state="absent"),
        check("not second.changed", "second.action == 'none'", "second.metadata is none"),
    ]
    ansible.play(*tasks).succeeded()
    assert [found["name"] for found in environment.tokens()] == ["other"]


def test_by_id_a_token_can_be_renamed_and_deleted(ansible: Ansible, environment: Environment) -> None:
    made = environment.issue("old", READ)
    tasks = [
        token("new", register="renamed", token_id=made["id"]),
        check("renamed.action == 'updated'", "renamed.metadata.name == 'new'", "renamed.metadata.scopes | length == 2"),
        token("new", register="again", token_id=made["id"]),
        check("not again.changed"),
        {"name": "gone", "community.dynatrace.dynatrace_token": {"token_id": made["id"], "state": "absent"}, "register": "gone"},
        check("gone.changed"),
    ]
    ansible.play(*tasks).succeeded()
    assert environment.tokens() == []


def test_deleting_by_id_minds_the_name_that_is_given(ansible: Ansible, environment: Environment) -> None:
    made = environment.issue("precious")
    run = ansible.play(token("worthless", token_id=made["id"], state="absent")).failed()
    assert "is named 'precious', not 'worthless'" in run.result("worthless")["msg"]
    assert environment.tokens("precious")


def test_an_unknown_id_is_an_error_and_never_a_creation(ansible: Ansible, environment: Environment) -> None:
    unknown = "dt0c01.ST2EY72KQINMH574WMNVI7YN"
    run = ansible.play(token("ci", register="made", token_id=unknown, scopes=READ)).failed()
    assert unknown in run.result("ci")["msg"]
    assert environment.tokens() == []


@pytest.mark.v2
def test_a_personal_access_token_and_an_api_token_of_one_name_are_different(ansible: Ansible, environment: Environment) -> None:
    plain = environment.issue("ci")
    tasks = [
        token("ci", register="personal", scopes=READ, personal_access_token=True),
        check("personal.action == 'created'", "personal.metadata.personal_access_token"),
        token("ci", register="plain", scopes=["metrics.read"]),
        check("not plain.changed", f"plain.token_id == '{plain['id']}'"),
    ]
    ansible.play(*tasks).succeeded()
    run = ansible.play(token("ci", token_id=plain["id"], personal_access_token=True)).failed()
    assert "Say personal_access_token: false" in run.result("ci")["msg"]


def test_an_expired_token_is_replaced_and_deleted(ansible: Ansible, environment: Environment) -> None:
    dead = environment.plant("ci", expires="now-1d")["id"]
    tasks = [
        token("ci", register="made", scopes=READ, expires_in="30d"),
        check("made.action == 'rotated'", "made.token is not none", f"made.retired == [{{'id': '{dead}', 'action': 'deleted'}}]"),
    ]
    ansible.play(*tasks).succeeded()
    assert [found["id"] != dead for found in environment.tokens("ci")] == [True]


def test_the_end_of_a_token_is_compared_as_a_moment_and_cannot_be_changed(ansible: Ansible, environment: Environment) -> None:
    environment.issue("ci", expirationDate="2040-01-31T12:00:00.000Z")
    task = token("ci", register="same", expiration_date="2040-01-31T14:00:00+02:00")
    ansible.play(task, check("not same.changed")).succeeded()
    other = token("ci", expiration_date="2041-01-31T12:00:00Z")
    run = ansible.play(other).failed()
    assert "say on_immutable_change: rotate to have another token issued in its place, or ignore" in run.result("ci")["msg"]
    assert "2040-01-31T12:00:00.000Z" in run.result("ci")["msg"]
    ansible.play(
        token("ci", register="left", expiration_date="2041-01-31T12:00:00Z", on_immutable_change="ignore"), check("not left.changed")
    ).succeeded()


def test_expires_in_is_no_drift_and_a_token_without_end_is_a_warning(ansible: Ansible, environment: Environment) -> None:
    environment.issue("ending", expirationDate="now+5d")
    environment.issue("endless")
    tasks = [
        token("ending", register="ending", expires_in="90d"),
        token("endless", register="endless", expires_in="90d"),
        check("not ending.changed", "not endless.changed"),
    ]
    run = ansible.play(*tasks).succeeded()
    assert "'endless'" in run.text
    assert run.text.count("never ends, although expires_in asks for 90d") == 1


@pytest.mark.v2
def test_tokens_that_others_own_or_the_product_made_are_left_alone(ansible: Ansible, environment: Environment) -> None:
    environment.plant("ci", additional_metadata={"dashboardId": "82402bab"})
    environment.plant("ci ", created="now-1d")
    tasks = [token("ci", register="gone", state="absent"), check("not gone.changed")]
    ansible.play(*tasks).succeeded()
    assert len(environment.tokens()) == 2


def test_what_a_cut_off_run_left_is_reported_and_can_be_deleted_by_id(ansible: Ansible, environment: Environment) -> None:
    left = environment.issue("ci ~pending-0011223344556677")["id"]
    run = ansible.play(token("ci", register="made", scopes=READ), check("made.action == 'created'")).succeeded()
    assert left in run.text
    remove = {"name": "remove", "community.dynatrace.dynatrace_token": {"token_id": left, "state": "absent"}}
    ansible.play(remove).succeeded()
    assert [found["name"] for found in environment.tokens()] == ["ci"]


def test_a_name_is_found_on_any_page(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with stand_in.serve("--preload", "25", "--page-cap", "10") as environment:
        tasks = [token("preloaded-3", register="found", scopes=READ), check("not found.changed")]
        Ansible(tmp_path, environment).play(*tasks).succeeded()
        assert [entry["method"] for entry in environment.requests()] == ["GET", "GET", "GET"]


@pytest.mark.parametrize(
    ("options", "harm"),
    [
        ({"state": "absent"}, "delete"),
        ({"enabled": False}, "disable"),
        ({"scopes": ["apiTokens.read", "metrics.read"]}, "take apiTokens.write from"),
    ],
)
def test_the_calling_token_is_spared(ansible: Ansible, environment: Environment, options: dict[str, object], harm: str) -> None:
    for extra in ([], ["--check"]):
        run = ansible.play(token("admin", **options), options=extra).failed()
        assert f"This would {harm} 'admin'" in run.result("admin")["msg"]
    assert environment.writes() == []


def test_a_scope_with_a_typo_gets_a_hint_and_what_dynatrace_says(ansible: Ansible, environment: Environment) -> None:
    run = ansible.play(token("ci", register="made", scopes=["metrics.reed"])).failed()
    assert "Did you mean 'metrics.read'?" in run.text
    assert "scopes[0]: 'metrics.reed' is not a valid scope" in run.result("ci")["msg"]
    assert environment.tokens() == []


def test_a_scope_newer_than_the_collection_is_a_warning_alone(ansible: Ansible, environment: Environment) -> None:
    run = ansible.play(token("ci", register="made", scopes=["brandNewFeature.read"]), check("made.changed")).succeeded()
    assert "'brandNewFeature.read' is not a known one" in run.text
    again = ansible.play(token("ci", register="made", scopes=["brandNewFeature.read"]), check("not made.changed")).succeeded()
    assert "is not a known one" not in again.text


@pytest.mark.v2
def test_what_the_calling_token_lacks_is_told_at_the_first_request_that_needs_it(ansible: Ansible, environment: Environment) -> None:
    secret = environment.issue("whole", ["apiTokens.read", "apiTokens.write"])["token"]
    callers = {
        "cannot write": (
            environment.issue("reader", ["apiTokens.read"])["token"],
            "403: Token is missing .* the scope apiTokens.write, or",
        ),
        "cannot read": (environment.issue("writer", ["apiTokens.write"])["token"], "403: Token is missing .* the scope apiTokens.read, or"),
        "disabled": (environment.plant("off", enabled=False)["token"], "401: .* disabled, expired .* or lack the scope apiTokens.read."),
        "expired": (environment.plant("dead", expires="now-1d")["token"], "401: .* disabled, expired .* or lack the scope apiTokens.read."),
        "cut off": (secret[:-1], "401: .* wrong, cut off, "),
        "id": (secret.rpartition(".")[0], "^api_token: it is the id of a token alone"),
        "client": ("dt0s02." + secret.partition(".")[2], "^api_token: it is the secret of an OAuth client"),
    }
    tasks = [
        token("ci", register=name.replace(" ", "_"), scopes=READ, api_token=caller, keywords={"name": name, "ignore_errors": True})
        for name, (caller, _message) in callers.items()
    ]
    environment.forget_requests()
    run = ansible.play(*tasks).succeeded()
    for name, (_caller, message) in callers.items():
        assert re.search(message, run.result(name)["msg"]), name
    assert environment.tokens("ci") == []
    assert environment.writes() == ["POST"]  # the one that was not allowed


@pytest.mark.parametrize(
    ("keywords", "register", "explanation"),
    [
        ({}, None, "store, hand it to later tasks with register"),
        ({"until": "made is success", "retries": 3, "delay": 0}, "made", "under until"),
        ({"async": 10, "poll": 1}, "made", "async"),
    ],
)
def test_what_nobody_would_keep_is_not_issued(
    ansible: Ansible, environment: Environment, keywords: dict[str, object], register: str | None, explanation: str
) -> None:
    run = ansible.play(token("ci", register=register, keywords=keywords, scopes=READ)).failed()
    assert explanation in run.text
    assert environment.tokens() == []


def test_run_once_that_does_not_work_is_refused(ansible: Ansible, environment: Environment) -> None:
    tasks = [token("ci", register="made", keywords={"run_once": True}, scopes=READ)]
    run = ansible.play(*tasks, hosts="all", strategy="free", options=["-i", "one,two,three,", "-c", "local"]).failed()
    assert "run_once does not work under the strategy free" in run.text
    assert environment.tokens() == []


def test_options_come_from_module_defaults_then_the_tasks_environment_then_the_controllers(
    ansible: Ansible, environment: Environment
) -> None:
    wrong = {"DYNATRACE_ENV_URL": "http://127.0.0.1:9/controller", "DYNATRACE_API_TOKEN": "wrong"}
    right = environment.variables
    plays = {
        "task environment": {"environment": right},
        "module_defaults": {
            "environment": wrong,
            "module_defaults": {
                "group/community.dynatrace.dynatrace": {
                    "environment_url": right["DYNATRACE_ENV_URL"],
                    "api_token": right["DYNATRACE_API_TOKEN"],
                }
            },
        },
    }
    for name, keywords in plays.items():
        run = ansible.play(token(name, register="made", scopes=READ), check("made.changed"), env=wrong, **keywords)
        run.succeeded()
    assert {found["name"] for found in environment.tokens()} == set(plays)
