# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules from the command line, and what bad input is told."""

from __future__ import annotations

import subprocess

import pytest

from support.runs import BIN, Ansible, Task, info, token
from support.stand_in import Environment

SECRET = "dt0c01.ST2EY72KQINMH574WMNVI7YN." + "ABCD" * 16


def test_adhoc_refuses_to_issue_what_nobody_would_keep(
    ansible: Ansible, environment: Environment
) -> None:
    run = ansible.adhoc("dynatrace_token", "name=ci scopes=metrics.read").failed()
    assert all(word in run.text for word in ("store", "register", "reveal"))
    assert environment.tokens() == []


def test_adhoc_prints_the_secret_with_reveal(ansible: Ansible, environment: Environment) -> None:
    run = ansible.adhoc("dynatrace_token", "name=ci scopes=metrics.read reveal=true").succeeded()
    assert environment.secrets()[-1] in run.stdout


def test_the_console_prints_the_secret_with_reveal(
    ansible: Ansible, environment: Environment
) -> None:
    command = "community.dynatrace.dynatrace_token name=ci scopes=metrics.read reveal=true\nexit\n"
    said = subprocess.run(
        [str(BIN / "ansible-console"), "localhost"],
        input=command,
        capture_output=True,
        text=True,
        cwd=ansible.folder,
        env=ansible.variables(),
        check=True,
        timeout=120,
    ).stdout
    assert environment.secrets()[-1] in said


def test_a_playbook_prints_nothing_so_reveal_alone_is_refused_there(
    ansible: Ansible, environment: Environment
) -> None:
    reveal = {"scopes": ["metrics.read"], "reveal": True}
    tokens = {"tokens": [{"name": "ci", "scopes": ["metrics.read"]}], "reveal": True}
    tasks = [
        token("alone", **reveal),
        token("stored", store="store", **reveal),
        {"name": "set", "community.dynatrace.dynatrace_token_set": tokens},
        token("registered", register="registered", **reveal),
    ]
    run = ansible.play(*tasks, options=["-v"], ignore_errors=True).succeeded()
    for name in ("alone", "stored", "set"):
        assert "reveal: nothing prints the result of a task" in run.result(name)["msg"]
    assert [made["name"] for made in environment.tokens()] == ["registered"]
    assert environment.secrets()[-1] in run.stdout


def test_adhoc_lists_tokens_readably(ansible: Ansible, environment: Environment) -> None:
    made = environment.issue("ci")
    run = ansible.adhoc("dynatrace_token_info", "name=ci").succeeded()
    assert made["id"] in run.stdout
    assert made["token"] not in run.output


BAD_INPUT = {
    "no name and no id": ({}, "name or token_id is needed"),
    "no scheme": (
        {"name": "x", "environment_url": "abc12345.live.dynatrace.com"},
        "the address needs a scheme, https://",
    ),
    "in the clear": (
        {"name": "x", "environment_url": "http://abc12345.live.dynatrace.com"},
        "would send the token in the clear",
    ),
    "credentials": (
        {"name": "x", "environment_url": "https://user:hunter2@example.com"},
        "must not hold a user or a password",
    ),
    "damaged token": ({"name": "x", "api_token": "dt0c01.ABC DEF"}, "Was it cut or pasted badly?"),
    "unknown state": (
        {"name": "x", "state": "gone"},
        "value of state must be one of: present, absent, got: gone",
    ),
    "unknown option": (
        {"name": "x", "scope": "metrics.read"},
        "There is no option scope. Supported parameters include",
    ),
    "empty scopes": ({"name": "x", "scopes": []}, "a token without a scope can do nothing"),
    "scopes with a blank": (
        {"name": "x", "scopes": ["metrics.read logs.read"]},
        "one name such as metrics.read an entry",
    ),
    "no scopes": ({"name": "x"}, "one cannot be issued without scopes"),
    "bad period": ({"name": "x", "expires_in": "90x"}, "Give a number and one unit, such as 90d"),
    "both ends": (
        {"name": "x", "expires_in": "1d", "expiration_date": "2040-01-01T00:00:00Z"},
        "expires_in and expiration_date exclude each other",
    ),
    "rotation without a period": (
        {"name": "x", "rotate": "expiring"},
        "rotate: expiring needs expires_in",
    ),
    "rotation in each run": (
        {"name": "x", "rotate": "expiring", "expires_in": "1w", "rotate_before": "7d"},
        "rotate_before: 7d is not less than expires_in, 1w",
    ),
    "rotation by id": (
        {"token_id": "dt0c01.ABC", "rotate": "always"},
        "rotate: always cannot go with token_id",
    ),
    "no zone": (
        {"name": "x", "expiration_date": "2040-01-01T00:00:00"},
        "a point in time with a zone",
    ),
    "past": ({"name": "x", "expiration_date": "2020-01-01T00:00:00Z"}, "lies in the past"),
    "secret as id": (
        {"token_id": SECRET},
        "token_id: the value is, or holds, the secret of a token. It is not shown here.",
    ),
    "secret as name": (
        {"name": SECRET},
        "name: the value is, or holds, the secret of a token. It is not shown here.",
    ),
    "no id": ({"token_id": "../../etc"}, "is not the id of a token"),
    "half a token": ({"name": "x", "token": "dt0c01.ABC"}, "not the whole secret of a token"),
    "no file": (
        {"name": "x", "ca_path": "/nonexistent/ca.pem"},
        "ca_path: there is no '/nonexistent/ca.pem'",
    ),
    "no time": ({"name": "x", "timeout": 0}, "Give seconds, more than 0"),
}


@pytest.mark.once
def test_bad_input_is_told_what_to_do(ansible: Ansible, environment: Environment) -> None:
    def task(name: str, options: Task) -> Task:
        return {
            "name": name,
            "community.dynatrace.dynatrace_token": options,
            "register": "r",
            "ignore_errors": True,
        }

    run = ansible.play(
        *(task(name, options) for name, (options, _message) in BAD_INPUT.items())
    ).succeeded()
    for name, (_options, message) in BAD_INPUT.items():
        assert message in run.result(name)["msg"], name
        assert "Traceback" not in run.result(name)["msg"]
        assert SECRET.rpartition(".")[2] not in run.result(name)["msg"]
    assert "hunter2" not in run.result("credentials")["msg"]
    assert environment.writes() == []


@pytest.mark.once
def test_an_environment_that_does_not_answer_is_named(ansible: Ansible) -> None:
    urls = ["http://127.0.0.1:1", "http://127.0.0.1:1/e/abc"]
    run = ansible.play(
        *(info("unreached", environment_url=url, max_wait=0) for url in urls), ignore_errors=True
    ).succeeded()
    for url, result in zip(urls, run.results("unreached"), strict=True):
        assert f"GET {url}/api/v2/apiTokens failed" in result["msg"]
        assert "Check environment_url" in result["msg"]


@pytest.mark.once
def test_a_wrong_api_token_is_explained_and_not_shown(ansible: Ansible) -> None:
    run = ansible.adhoc(
        "dynatrace_token_info", "name=x", env={"DYNATRACE_API_TOKEN": SECRET}
    ).failed()
    assert "Dynatrace answered 401: Token Authentication failed. Check api_token" in run.text
    assert SECRET.rpartition(".")[2] not in run.output


@pytest.mark.once
def test_a_connection_that_is_missing_is_told_with_its_variables(
    ansible: Ansible, environment: Environment
) -> None:
    def task(name: str, **options: str) -> Task:
        module = {"community.dynatrace.dynatrace_token_info": options}
        return {"name": name, **module, "ignore_errors": True}

    run = ansible.play(
        task("no url", environment_url=" "),
        task("no token", environment_url=environment.url, api_token=""),
        env={"DYNATRACE_ENV_URL": None, "DYNATRACE_API_TOKEN": None},
    ).succeeded()
    assert "environment variable DYNATRACE_ENV_URL or DT_ENV_URL" in run.result("no url")["msg"]
    assert (
        "environment variable DYNATRACE_API_TOKEN or DT_API_TOKEN"
        in (run.result("no token")["msg"])
    )
    assert environment.requests() == []
