# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup api_token: reads from the store, asks Dynatrace if it is told to, and changes nothing."""

from __future__ import annotations

import pytest

from support.runs import Ansible, Task, check, token
from support.stand_in import Environment

READ = ["metrics.read"]
ISSUE = [token(name, scopes=READ, store="store") for name in ("one", "two")]


def look(terms: str, **options: str) -> str:
    """A call of the lookup, as an expression."""
    given = "".join(f", {name}={value}" for name, value in {"store": "'store'", **options}.items())
    return f"query('community.dynatrace.api_token', {terms}{given})"


def looked_up(expression: str) -> Task:
    return {"name": "lookup", "ansible.builtin.set_fact": {"found": "{{ %s }}" % expression}, "ignore_errors": True}  # noqa: UP031


def test_secrets_come_in_the_order_of_the_names(ansible: Ansible, environment: Environment) -> None:
    one, two = (f"tokens.results[{number}]" for number in (0, 1))
    register = {**token("{{ item }}", register="tokens", scopes=READ, store="store"), "loop": ["one", "two"]}
    checks = check(
        f"{look(repr('two') + ', ' + repr('one'))} == [{two}.token, {one}.token]",
        f"{look(repr('one'), **{'return': repr('id')})} == [{one}.token_id]",
        f"{look(repr('one'), **{'return': repr('metadata')})}[0].scopes == ['metrics.read']",
        f"{look(repr('one'), **{'return': repr('metadata')})}[0].enabled is none",
        f"{look(repr('one'), **{'return': repr('metadata'), 'verify': 'true'})}[0].enabled",
        "lookup('community.dynatrace.api_token', 'one', store='store') is string",
    )
    ansible.play(register).succeeded()
    ansible.play(register, checks, options=["--check"]).succeeded()
    environment.forget_requests()
    ansible.play({"name": "quiet", "ansible.builtin.set_fact": {"seen": f"{{{{ {look(repr('one'))} }}}}"}, "no_log": True}).succeeded()
    assert environment.requests() == []


def test_what_is_missing_is_an_error_a_warning_or_left_out(ansible: Ansible, environment: Environment) -> None:
    ansible.play(*ISSUE).succeeded()
    environment.call("DELETE", f"/{environment.tokens('two')[0]['id']}")
    ids = {"return": "'id'"}
    everything = "'one', 'none', 'two'"
    skipped = check(
        f"{look(everything, on_missing=repr('skip'), **ids)} | length == 2",
        f"{look(everything, on_missing=repr('skip'), verify='true', **ids)} | length == 1",
    )
    warned = check(f"{look(everything, on_missing=repr('warn'), verify='true', **ids)} | length == 1")
    failing = [looked_up(look("'none'")), looked_up(look("'two'", verify="true"))]
    run = ansible.play(skipped, warned, *failing).succeeded()
    assert "The store holds no token named 'none' of this environment and kind." in run.text
    assert "whose secret the store holds, is not known to Dynatrace any more. Issue it with dynatrace_token" in run.text


def test_a_token_that_cannot_be_used_is_an_error(ansible: Ansible, environment: Environment) -> None:
    ansible.play(*ISSUE).succeeded()
    made = environment.tokens("one")[0]["id"]
    environment.call("PUT", f"/{made}", json={"name": "one", "enabled": False, "scopes": READ})
    lookups = [
        look("'one'", verify="true", on_missing="'skip'"),
        look("'two'", verify="true", scopes="['metrics.read', 'logs.read']"),
        look("'two'", scopes="['metrics.read']"),
    ]
    run = ansible.play(*map(looked_up, lookups)).succeeded()
    for message in ("is disabled. Enable it", "lacks the scope logs.read", "they can only be checked with verify: true"):
        assert message in run.text
    assert not [secret for secret in environment.secrets() if secret in run.output]


def test_the_connection_and_the_store_come_from_the_environment_or_the_configuration(ansible: Ansible, environment: Environment) -> None:
    ansible.play(*ISSUE).succeeded()
    bare = check("lookup('community.dynatrace.api_token', 'one', return='id', verify=true) is string")
    ansible.play(bare, env={"DYNATRACE_TOKEN_STORE": "store"}).succeeded()
    (ansible.folder / "ansible.cfg").write_text(f"[dynatrace]\nenvironment_url = {environment.url}\ntoken_store = store\n")
    ansible.play(bare, env={"DYNATRACE_ENV_URL": None}).succeeded()
    first = {"DYNATRACE_ENV_URL": environment.url, "DT_ENV_URL": "http://127.0.0.1:9", "DYNATRACE_TOKEN_STORE": "store"}
    ansible.play(bare, env=first).succeeded()


@pytest.mark.parametrize(
    ("expression", "env", "message"),
    [
        (look("'one'", store="''"), {}, "store is missing. Give the option, or set the environment variable DYNATRACE_TOKEN_STORE."),
        (look("'one'"), {"DYNATRACE_ENV_URL": None}, "environment_url is missing"),
        (look("'one'", verify="true"), {"DYNATRACE_API_TOKEN": None}, "api_token is missing"),
        (look("' one'"), {}, "begins or ends with white space"),
        (look("'dt0c01.ST2EY72KQINMH574WMNVI7YN." + "ABCD" * 16 + "'"), {}, "the secret of a token. It is not shown here"),
    ],
)
def test_bad_input_is_told_what_to_do(ansible: Ansible, expression: str, env: dict[str, str | None], message: str) -> None:
    run = ansible.play(looked_up(expression), env=env).succeeded()
    assert message in run.text
