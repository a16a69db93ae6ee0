# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module on another host, which it is shipped to."""

from __future__ import annotations

import pytest

from support.runs import Ansible, check, info, token
from support.ssh import over_ssh
from support.stand_in import Environment

READ = ["metrics.read"]


@pytest.fixture
def inventory(ansible: Ansible) -> list[str]:
    return over_ssh(ansible.folder, pipelining=True)


def test_the_result_is_the_same_as_in_process(
    ansible: Ansible, environment: Environment, inventory: list[str]
) -> None:
    tasks = [
        token("ci", register="made", scopes=READ, expires_in="90d"),
        check(
            "made.action == 'created'",
            "made.token.startswith(made.token_id ~ '.')",
            "'invocation' not in made",
            "'public_line' not in made",
        ),
        token(
            "ci", register="again", scopes=READ, token="{{ made.token }}", on_missing_secret="fail"
        ),
        check(
            "not again.changed",
            "again.token == made.token",
            "again.secret_available",
            "again.keys() | sort == made.keys() | sort",
        ),
        info("listed", name="ci"),
        check("listed.tokens | length == 1"),
        token("ci", register="deleted", state="absent"),
        check("deleted.changed"),
    ]
    run = ansible.play(*tasks, hosts="remote", options=[*inventory, "-v"]).succeeded()
    assert "dynatrace_token: created: 'ci' (dt0c01." in run.stderr
    assert not [secret for secret in environment.secrets() if secret in run.output]


def test_errors_and_warnings_come_back_as_that_nobody_would_keep_the_secret(
    ansible: Ansible, environment: Environment, inventory: list[str]
) -> None:
    tasks = [
        token("unkept", scopes=READ),
        token("misspelt", register="made", scopes=["metrics.reed"]),
    ]
    run = ansible.play(*tasks, hosts="remote", options=inventory, ignore_errors=True).succeeded()
    assert "Keep the secret with store" in run.result("unkept")["msg"]
    assert "Did you mean 'metrics.read'?" in run.text
    assert "'metrics.reed' is not a valid scope" in run.result("misspelt")["msg"]
    assert environment.tokens() == []


def test_delegated_to_localhost_it_runs_in_process(
    ansible: Ansible, environment: Environment, inventory: list[str]
) -> None:
    task = token(
        "ci", register="made", keywords={"delegate_to": "localhost", "become": True}, scopes=READ
    )
    options = ["-i", "remote,", "-e", "ansible_become_exe=/nonexistent"]
    ansible.play(task, check("made.token is not none"), hosts="remote", options=options).succeeded()


def test_an_oauth_client_of_the_controller_calls_from_there(
    ansible: Ansible, environment: Environment, inventory: list[str]
) -> None:
    client = environment.oauth_client()
    variables = {
        "DT_CLIENT_ID": client["client_id"],
        "DT_CLIENT_SECRET": client["client_secret"],
        "DT_SSO_URL": client["token_url"],
    }
    tasks = [
        token("ci", register="made", scopes=READ),
        check("made.token.startswith(made.token_id ~ '.')"),
        info("refused", oauth_client_id=client["client_id"], oauth_client_secret="S3CR3TS3CR3T"),
    ]
    env = {**variables, "DYNATRACE_API_TOKEN": None}
    run = ansible.play(*tasks, hosts="remote", options=[*inventory, "-vvvv"], env=env).failed()
    assert (
        "Check oauth_client_id, oauth_client_secret and account_uuid"
        in run.result("refused")["msg"]
    )
    assert len(environment.tokens("ci")) == 1
    assert not [secret for secret in environment.secrets() if secret in run.output]


def test_the_older_api_is_called_from_there(
    ansible: Ansible, environment: Environment, inventory: list[str]
) -> None:
    options = {"api_version": "v1", "token_location": "query", "api_token": environment.v1_token()}
    tasks = [
        token("ci", register="made", scopes=READ, expires_in="24h", **options),
        token(
            "ci",
            register="again",
            scopes=READ,
            token="{{ made.token }}",
            on_missing_secret="fail",
            **options,
        ),
        check("made.action == 'created'", "not again.changed", "again.token == made.token"),
        token("ci", register="deleted", state="absent", **options),
        token("none", register="none_made", scopes=["no.such"], **options),
    ]
    run = ansible.play(*tasks, hosts="remote", options=[*inventory, "-vvvv"]).failed()
    assert "'no.such' is not a valid scope" in run.result("none")["msg"]
    assert "token_location: query puts the secret of api_token into addresses" in run.text
    assert not [secret for secret in environment.secrets() if secret in run.output]
    assert "api-token=" not in run.output
