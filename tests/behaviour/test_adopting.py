# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide on adopting tokens: each play of it adopts a token that another tool has made."""

from __future__ import annotations

import json

import pytest
from dynatrace import Dynatrace

from support.guides import plays_of
from support.runs import Ansible
from support.stand_in import Environment


@pytest.mark.once
def test_tokens_of_other_tools_are_adopted_and_keep_their_ids(
    ansible: Ansible, environment: Environment
) -> None:
    ace_box = environment.issue("ace_box_gitlab_api_token", ["slo.read"])
    terraform = environment.issue("reports", ["logs.read", "metrics.read"])
    client = Dynatrace(environment.url, environment.api_token, timeout=10)
    nightly = client.tokens.create("nightly", ["metrics.ingest"])
    adopting = {play.splitlines()[0]: play for play in plays_of("migrating")}
    plays = "".join(
        adopting[f"- name: Adopt a token of {tool}"]
        for tool in ("ACE-Box", "Terraform", "a Python script")
    )
    own = {"REPORTS_TOKEN": terraform["token"], "NIGHTLY_TOKEN": nightly.token}
    variables = json.dumps({"old_secret": ace_box["token"]})
    environment.forget_requests()

    ansible.playbook(plays, ["--check", "-e", variables], env=own).succeeded()
    assert environment.writes() == []
    assert not (ansible.folder / "tokens").exists()

    run = ansible.playbook(plays, ["-e", variables], env=own).succeeded()
    ansible.playbook(plays, env=dict.fromkeys(own, "")).succeeded()
    left = {token["id"]: token["scopes"] for token in environment.tokens()}
    assert left == {
        ace_box["id"]: ["slo.read", "slo.write"],
        terraform["id"]: ["logs.read", "metrics.read"],
        nightly.id: ["metrics.ingest"],
    }
    assert len(list(ansible.folder.glob("tokens/*/*.yml"))) == 3
    assert not [secret for secret in environment.secrets() if secret in run.output]


@pytest.mark.once
def test_a_token_of_tasks_with_uri_is_adopted(ansible: Ansible, environment: Environment) -> None:
    (play,) = (play for play in plays_of("migrating") if "From uri" in play)
    ansible.playbook(play, ["--check"]).succeeded()
    assert environment.writes() == []
    ansible.playbook(play * 2).succeeded()
    (token,) = environment.tokens()
    assert token["name"] == "reports"
