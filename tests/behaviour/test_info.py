# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What dynatrace_token_info finds."""

from __future__ import annotations

import pytest

from support.runs import Ansible, info
from support.stand_in import Environment

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
        environment.plant("cd", scopes=["logs.read"], owner="jane", created="now-1y", last_used="now-91d"),
        environment.plant("old", created="now-91d", expires="now-1d"),
        environment.plant("off", scopes=["slo.read", "metrics.read"], enabled=False, created="now-91d", last_used="now-1d"),
    ]
    return {token["name"]: token["token"] for token in planted}


def test_tokens_are_found_by_every_criterion(ansible: Ansible, environment: Environment, tokens: dict[str, str]) -> None:
    run = ansible.play(*(info(name.replace(" ", "_"), **options) for name, (options, _names) in CRITERIA.items())).succeeded()
    for name, (_options, expected) in CRITERIA.items():
        found = run.result(name.replace(" ", "_"))["tokens"]
        assert sorted(token["name"] for token in found) == expected, name
    assert environment.writes() == []
    assert not [secret for secret in environment.secrets() if secret in run.output]


def test_one_token_is_found_by_its_id_or_its_secret(ansible: Ansible, environment: Environment, tokens: dict[str, str]) -> None:
    secret = tokens["cd"]
    token_id = secret.rpartition(".")[0]
    unknown = token_id + "." + "A" * 64
    run = ansible.play(
        info("by_id", token_id=token_id), info("by_secret", token=secret), info("unknown", token=unknown), options=["-vvvv"]
    ).succeeded()
    assert run.result("by_id")["tokens"] == run.result("by_secret")["tokens"]
    assert run.result("by_id")["tokens"][0]["last_used_date"] is not None
    assert run.result("unknown")["tokens"] == []
    assert secret not in run.output


def test_bad_criteria_are_refused(ansible: Ansible, tokens: dict[str, str]) -> None:
    for options, message in [
        ({"name_regex": "("}, "is not a regular expression"),
        ({"expires_within": "soon"}, "expires_within: 'soon' is not a period"),
        ({"token": tokens["cd"], "token_id": "dt0c01.ABC"}, "token and token_id exclude each other"),
        ({"name": tokens["cd"]}, "It is not shown here"),
    ]:
        run = ansible.play(info("bad", **options)).failed()
        assert message in run.result("bad")["msg"]
