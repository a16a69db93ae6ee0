# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module on another host, which it is shipped to."""

from __future__ import annotations

import pytest

from support.runs import Ansible, check, info, token
from support.stand_in import Environment

READ = ["metrics.read"]


@pytest.fixture
def inventory(ansible: Ansible) -> list[str]:
    """One host that is this machine, over a connection that Ansible does not take for a local one."""
    return ["-i", "remote,", "-e", "ansible_connection=elsewhere ansible_python_interpreter={{ansible_playbook_python}}"]


def test_the_result_is_the_same_as_in_process(ansible: Ansible, environment: Environment, inventory: list[str]) -> None:
    tasks = [
        token("ci", register="made", scopes=READ, expires_in="90d"),
        check(
            "made.action == 'created'",
            "made.token.startswith(made.token_id ~ '.')",
            "'invocation' not in made",
            "'public_line' not in made",
        ),
        token("ci", register="again", scopes=READ, token="{{ made.token }}", on_missing_secret="fail"),
        check("not again.changed", "again.token == made.token", "again.secret_available", "again.keys() | sort == made.keys() | sort"),
        info("listed", name="ci"),
        check("listed.tokens | length == 1"),
        token("ci", register="deleted", state="absent"),
        check("deleted.changed"),
    ]
    run = ansible.play(*tasks, hosts="remote", options=[*inventory, "-v"]).succeeded()
    assert "dynatrace_token: created: 'ci' (dt0c01." in run.stderr
    assert not [secret for secret in environment.secrets() if secret in run.output]


def test_what_nobody_would_keep_is_not_issued_there_either(ansible: Ansible, environment: Environment, inventory: list[str]) -> None:
    run = ansible.play(token("ci", scopes=READ), hosts="remote", options=inventory).failed()
    assert "Keep the secret with store" in run.result("ci")["msg"]
    assert environment.tokens() == []


def test_errors_and_warnings_come_back(ansible: Ansible, environment: Environment, inventory: list[str]) -> None:
    run = ansible.play(token("ci", register="made", scopes=["metrics.reed"]), hosts="remote", options=inventory).failed()
    assert "Did you mean 'metrics.read'?" in run.text
    assert "'metrics.reed' is not a valid scope" in run.result("ci")["msg"]


def test_delegated_to_localhost_it_runs_in_process(ansible: Ansible, environment: Environment, inventory: list[str]) -> None:
    task = token("ci", register="made", keywords={"delegate_to": "localhost", "become": True}, scopes=READ)
    options = ["-i", "remote,", "-e", "ansible_become_exe=/nonexistent"]
    ansible.play(task, check("made.token is not none"), hosts="remote", options=options).succeeded()
