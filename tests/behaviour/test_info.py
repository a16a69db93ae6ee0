# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What dynatrace_token_info finds."""

from __future__ import annotations

import pytest

from support.runs import Ansible, Run, Task, info, token
from support.stand_in import Environment

pytestmark = pytest.mark.once

CRITERIA = {
    "name": ({"name": "ci"}, ["ci", "ci"]),
    "name_regex": ({"name_regex": "^c"}, ["cd", "ci", "ci"]),
    "owner": ({"owner": "jane"}, ["cd"]),
    "one of the scopes": ({"scopes": ["logs.read", "slo.read"]}, ["cd", "off"]),
    "kind": ({"personal_access_token": True}, ["ci"]),
    "enabled": ({"enabled": False}, ["off"]),
    "expires within": ({"expires_within": "30d"}, ["ci"]),
    "unused for": ({"unused_for": "90d"}, ["cd", "old"]),
    "all of several": ({"name": "ci", "personal_access_token": False}, ["ci"]),
    "nothing meets it": ({"name": "none"}, []),
    "no criteria": ({}, ["admin", "cd", "ci", "ci", "off", "old"]),
}


@pytest.fixture
def tokens(environment: Environment) -> dict[str, str]:
    planted = [
        environment.plant("ci", expires="now+10d"),
        environment.plant("ci", personal_access_token=True, expires="now+60d"),
        environment.plant(
            "cd", scopes=["logs.read"], owner="jane", created="now-1y", last_used="now-91d"
        ),
        environment.plant("old", created="now-91d", expires="now-1d"),
        environment.plant(
            "off",
            scopes=["slo.read", "metrics.read"],
            enabled=False,
            created="now-91d",
            last_used="now-1d",
        ),
    ]
    return {token["name"]: token["token"] for token in planted}


def test_tokens_are_found_by_every_criterion(
    ansible: Ansible, environment: Environment, tokens: dict[str, str]
) -> None:
    run = ansible.play(
        *(info(name.replace(" ", "_"), **options) for name, (options, _names) in CRITERIA.items())
    ).succeeded()
    for name, (_options, expected) in CRITERIA.items():
        found = run.result(name.replace(" ", "_"))["tokens"]
        assert sorted(token["name"] for token in found) == expected, name
    assert environment.writes() == []
    assert not [secret for secret in environment.secrets() if secret in run.output]


def test_one_token_is_found_by_its_id_or_its_secret(
    ansible: Ansible, environment: Environment, tokens: dict[str, str]
) -> None:
    secret = tokens["cd"]
    token_id = secret.rpartition(".")[0]
    unknown = token_id + "." + "A" * 64
    run = ansible.play(
        info("by_id", token_id=token_id),
        info("by_secret", token=secret),
        info("unknown", token=unknown),
        options=["-vvvv"],
    ).succeeded()
    assert run.result("by_id")["tokens"] == run.result("by_secret")["tokens"]
    assert run.result("by_id")["tokens"][0]["last_used_date"] is not None
    assert run.result("unknown")["tokens"] == []
    assert secret not in run.output


def test_bad_criteria_are_refused(ansible: Ansible, tokens: dict[str, str]) -> None:
    cases = [
        ({"name_regex": "("}, "is not a regular expression"),
        ({"expires_within": "soon"}, "expires_within: 'soon' is not a period"),
        (
            {"token": tokens["cd"], "token_id": "dt0c01.ABC"},
            "token and token_id exclude each other",
        ),
        ({"name": tokens["cd"]}, "It is not shown here"),
    ]
    run = ansible.play(
        *(info("bad", **options) for options, _message in cases), ignore_errors=True
    ).succeeded()
    for (_options, message), result in zip(cases, run.results("bad"), strict=True):
        assert message in result["msg"]


LASTING = {"scopes": ["metrics.read"], "store": "store", "overlap": "2d", "delete_after": "1w"}


def elsewhere(task: Task) -> Task:
    """The task on a host that is not the controller."""
    connection = {
        "ansible_connection": "elsewhere",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }
    return {**task, "vars": connection, "ignore_errors": True}


def retiring(run: Run, task: str) -> dict[str, dict[str, str | None]]:
    """What a task said of the tokens that are retiring, by their ids."""
    return {
        found["id"]: found["retiring"]
        for found in run.result(task)["tokens"]
        if found["retiring"] is not None
    }


def test_of_tokens_that_others_have_replaced_it_says_until_when_they_are_left(
    ansible: Ansible, environment: Environment
) -> None:
    environment.plant("ci", personal_access_token=True)
    bystander = environment.issue("bystander")["id"]
    run = ansible.play(
        info("before", store="store"),
        token("ci", **LASTING),
        token("ci", register="rotated", rotate="always", **LASTING),
        info("told", store="store"),
        info("of_one", store="store", token_id="{{ rotated.retiring[0].id }}"),
        info("without"),
        elsewhere(info("shipped")),
        elsewhere(info("refused", store="store")),
    ).succeeded()
    (old,) = retiring(run, "told")
    assert old == environment.tokens("ci")[1]["id"]
    note = retiring(run, "told")[old]
    assert note == {"disable_date": note["disable_date"], "delete_date": None}
    assert retiring(run, "of_one") == {old: note}
    assert [
        len(run.result(task)["tokens"]) for task in ("before", "told", "without", "shipped")
    ] == [3, 5, 5, 5]
    assert [retiring(run, task) for task in ("before", "without", "shipped")] == [{}, {}, {}]
    assert "store: it is kept on the controller" in run.result("refused")["msg"]

    (file,) = (ansible.folder / "store").glob("*/ci.yml")
    foreign = (
        f"- id: {bystander}\n  disable_date: '2020-01-31T12:00:00.000Z'\n  delete_date: null\n"
    )
    file.write_text(file.read_text().replace("retiring:\n", f"retiring:\n{foreign}"))
    environment.set_clock("now+3d")
    without_password = {"DYNATRACE_TOKEN_STORE": "store", "ANSIBLE_VAULT_PASSWORD_FILE": None}
    run = ansible.play(
        info("due"), token("ci", **LASTING), info("disabled"), env=without_password
    ).succeeded()
    assert retiring(run, "due") == {old: note}
    assert retiring(run, "disabled")[old]["disable_date"] == note["disable_date"]
    assert retiring(run, "disabled")[old]["delete_date"] is not None


def test_a_damaged_entry_is_a_warning_that_names_it(
    ansible: Ansible, environment: Environment
) -> None:
    ansible.play(
        token("ci", **LASTING),
        token("other", **LASTING),
        token("ci", rotate="always", **LASTING),
        token("other", rotate="always", **LASTING),
    ).succeeded()
    (damaged,) = (ansible.folder / "store").glob("*/other.yml")
    damaged.write_text("half of it")
    spared = ansible.play(info("spared", store="store", name="ci")).succeeded()
    run = ansible.play(
        info("all", store="store"), info("of_its_name", store="store", name="other")
    ).succeeded()
    old = environment.tokens("ci")[1]["id"]
    assert list(retiring(spared, "spared")) == list(retiring(run, "all")) == [old]
    assert retiring(run, "of_its_name") == {}
    assert "damaged" not in spared.output
    # Ansible wraps a warning, even within a path.
    assert f"{damaged}isdamaged" in "".join(run.output.split())
    assert "half of it" not in run.output
