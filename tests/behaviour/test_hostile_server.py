# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that answers what Dynatrace would not: nothing of others is touched, no secret is lost
or shown, no terminal is driven.
"""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._options import TOKEN_OPTIONS
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import RunContext
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import Report, manage_token
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.ansible_vault import (
    AnsibleVault,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.file import file_store

from support.relay import Changed, Rule, Said, relay
from support.runs import Ansible, Run, info, token
from support.stand_in import Environment

READ = ["metrics.read"]
DEFAULTS = {name: option.get("default") for name, option in TOKEN_OPTIONS.items()}
ESCAPES = "\x1b[2J\x1b]8;;http://evil\x07\r\u202e\x9b\0\ud800"

Change = t.Callable[[dict[str, t.Any]], t.Any]


def changing(method: str, ending: str, change: Change) -> Rule:
    """A rule under which the JSON that answers these requests is what the function makes of it."""

    def changed(said: Said) -> Said:
        return said._replace(body=json.dumps(change(json.loads(said.body))).encode())

    return lambda asked, path: (
        Changed(changed) if asked == method and path.partition("?")[0].endswith(ending) else None
    )


def each_token(**facts: t.Any) -> Change:
    return lambda said: {**said, "apiTokens": [{**token, **facts} for token in said["apiTokens"]]}


def perform(environment: Environment, folder: pathlib.Path, **options: t.Any) -> Report:
    """A task with a store, in this process."""
    connection = {"environment_url": environment.url, "api_token": environment.api_token}
    store = file_store(str(folder), AnsibleVault([], None), False, lambda warning: None)
    context = RunContext(False, True, True, lambda warning: None, store, sleep=lambda seconds: None)
    return manage_token(
        {**DEFAULTS, **connection, "name": "ci", "scopes": READ, **options}, context
    )


def secrets_on_disk(folder: pathlib.Path) -> list[str]:
    return [file.read_text() for file in folder.glob("*/*.yml")]


def raw_controls(run: Run) -> set[str]:
    """What a terminal could obey in what was written: anything by the collection, which writes to
    stderr, and ASCII in results.
    """
    shown = run.stderr + "".join(filter(str.isascii, run.stdout))
    return {character for character in shown if not character.isprintable() and character != "\n"}


@pytest.mark.once
@pytest.mark.parametrize(
    "told",
    [
        {"id": "other"},
        {"id": "caller"},
        {"id": "a/../b"},
        {"id": f"{ESCAPES}"},
        {"id": "secret"},
        {"id": None},
        {"token": None},
        {"token": "\n"},
    ],
    ids=[
        "another",
        "the caller",
        "a path",
        "escapes",
        "a secret",
        "no id",
        "no secret",
        "a line break",
    ],
)
def test_a_creation_that_is_answered_with_nonsense_is_taken_back_and_nothing_else(
    environment: Environment, tmp_path: pathlib.Path, told: dict[str, t.Any]
) -> None:
    other = environment.issue("other")
    known = {
        "other": other["id"],
        "caller": environment.api_token.rpartition(".")[0],
        "secret": other["token"],
    }
    told = {key: known.get(value, value) for key, value in told.items()}
    before = environment.tokens()
    lies = changing("POST", "/apiTokens", lambda said: {**said, **told})
    with (
        relay(environment, lies) as lying,
        pytest.raises(DynatraceError, match="was deleted again") as raised,
    ):
        perform(lying.environment, tmp_path)
    assert str(raised.value).isprintable()
    assert environment.tokens() == before
    assert secrets_on_disk(tmp_path) == []
    assert perform(environment, tmp_path).result["action"] == "created"


@pytest.mark.once
def test_no_token_is_taken_for_the_one_that_was_asked_for(
    environment: Environment, tmp_path: pathlib.Path
) -> None:
    perform(environment, tmp_path)
    own, other = environment.tokens("ci")[0]["id"], environment.issue("other")["id"]
    before = environment.tokens()
    with relay(environment, changing("GET", own, lambda said: {**said, "id": other})) as lying:
        for options in ({"scopes": ["logs.read"]}, {"rotate": "always"}, {"state": "absent"}):
            with pytest.raises(
                DynatraceError, match=f"for the token {own} and answered with another, {other}"
            ):
                perform(lying.environment, tmp_path, **options)
    assert environment.tokens() == before


@pytest.mark.once
def test_the_old_token_stays_where_the_secret_of_the_new_one_is_that_of_another(
    environment: Environment, tmp_path: pathlib.Path
) -> None:
    perform(environment, tmp_path)
    own, other = environment.tokens("ci")[0]["id"], environment.issue("other", READ)["id"]
    lies = changing("POST", "/lookup", lambda said: {**said, "id": other})
    with (
        relay(environment, lies) as lying,
        pytest.raises(DynatraceError, match="does not work, so the old one was left as it is"),
    ):
        perform(lying.environment, tmp_path, rotate="always")
    assert [token["id"] for token in environment.tokens("ci")] == [own]
    assert perform(environment, tmp_path).result["changed"] is False


@pytest.mark.once
def test_an_end_long_ago_does_not_spoil_the_entry(
    environment: Environment, tmp_path: pathlib.Path
) -> None:
    with relay(
        environment,
        changing(
            "POST",
            "/apiTokens",
            lambda said: {**said, "expirationDate": "0001-01-01T00:00:00.000Z"},
        ),
    ) as lying:
        made = perform(lying.environment, tmp_path).result
    assert made["metadata"]["expiration_date"] == "0001-01-01T00:00:00.000Z"
    assert perform(environment, tmp_path).result["token"] == made["token"]


def test_escape_sequences_reach_no_terminal(ansible: Ansible, environment: Environment) -> None:
    environment.issue("ci")
    facts = {"scopes": [ESCAPES, "metrics.read"], "owner": ESCAPES}
    tasks = [
        token("ci", keywords={"no_log": True}, enabled=True),
        info("listed"),
        {"name": "shown", "ansible.builtin.debug": {"var": "listed"}},
        token("ci", keywords={"no_log": True, "ignore_errors": True}, scopes=["logs.read"]),
        token("ci", keywords={"ignore_errors": True}, scopes=["logs.read"]),
    ]
    with relay(environment, changing("GET", "/apiTokens", each_token(**facts))) as hostile:
        run = ansible.play(
            *tasks, options=["--diff", "-v"], env=hostile.environment.variables
        ).succeeded()
    assert raw_controls(run) == set()
    assert r"dynatrace_token: unchanged: 'ci'" in run.stderr
    assert r"scopes \x1b[2J\x1b]8;;http://evil\x07\r\u202e\x9b\x00?, metrics.read" in run.stderr
    assert "Dynatrace did not tell its scopes" in run.result("ci")["msg"]
    assert [one["scopes"] for one in environment.tokens("ci")] == [READ]


def test_names_and_errors_with_escape_sequences_and_secrets_are_shown_without(
    ansible: Ansible, environment: Environment
) -> None:
    secret = environment.issue("other")["token"]
    hostile = {
        "name": f"{ESCAPES} {secret}",
        "owner": secret,
        "id": "dt0c01.AAAA",
        "expirationDate": None,
    }
    error = {
        "error": {
            "message": f"{ESCAPES} {secret}",
            "constraintViolations": [{"path": ESCAPES, "message": secret}],
        }
    }
    rules = [
        changing(
            "GET",
            "/apiTokens",
            lambda said: {**said, "apiTokens": [{**said["apiTokens"][0], **hostile}]},
        ),
        lambda method, path: (
            Changed(lambda said: Said(400, json.dumps(error).encode()))
            if method == "POST"
            else None
        ),
    ]
    tasks = [
        info("listed"),
        token("ci", register="made", keywords={"ignore_errors": True}, scopes=READ),
    ]

    def rule(method: str, path: str) -> t.Any:
        return next(filter(None, (one(method, path) for one in rules)), None)

    with relay(environment, rule) as relayed:
        run = ansible.play(*tasks, options=["-vvv"], env=relayed.environment.variables).succeeded()
    assert raw_controls(run) == set()
    assert secret.rpartition(".")[2] not in run.output + json.dumps(run.events)
    assert run.result("listed")["tokens"][0]["owner"] == f"{secret.rpartition('.')[0]}.***"
    assert "Dynatrace answered 400" in run.result("ci")["msg"]


@pytest.mark.once
def test_what_is_not_dynatrace_is_said_not_to_be(
    ansible: Ansible, environment: Environment
) -> None:
    tasks = [
        token("ci", register="made", scopes=READ, on_missing_secret="ignore"),
        {"name": "listed", "community.dynatrace.dynatrace_token_info": {}},
    ]
    shipped = {
        "ansible_connection": "elsewhere",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }
    tasks += [{**task, "vars": shipped} for task in tasks]
    with relay(
        environment,
        changing("GET", "/apiTokens", lambda said: {"apiTokens": 5, "nextPageKey": [None]}),
    ) as other:
        run = ansible.play(*tasks, env=other.environment.variables, ignore_errors=True).succeeded()
    for name in ("ci", "listed"):
        assert [
            "Dynatrace's answer is not the list of tokens" in result["msg"]
            for result in run.results(name)
        ] == [True, True]
    assert environment.writes() == []
