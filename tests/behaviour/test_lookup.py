# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup api_token: reads from the store, asks Dynatrace if it is told to, and changes
nothing."""

from __future__ import annotations

from support.runs import Ansible, Task, check, token
from support.stand_in import Environment

READ = ["metrics.read"]
ISSUE = [token(name, scopes=READ, store="store") for name in ("one", "two")]


def look(terms: str, **options: str) -> str:
    """A call of the lookup, as an expression."""
    given = "".join(f", {name}={value}" for name, value in {"store": "'store'", **options}.items())
    return f"query('community.dynatrace.api_token', {terms}{given})"


def looked_up(expression: str) -> Task:
    return {
        "name": "lookup",
        "ansible.builtin.set_fact": {"found": f"{{{{ {expression} }}}}"},
        "ignore_errors": True,
    }


def test_secrets_come_in_the_order_of_the_names(ansible: Ansible, environment: Environment) -> None:
    one, two = (f"tokens.results[{number}]" for number in (0, 1))
    register = {
        **token("{{ item }}", register="tokens", scopes=READ, store="store"),
        "loop": ["one", "two"],
    }
    checks = check(
        f"{look(repr('two') + ', ' + repr('one'))} == [{two}.token, {one}.token]",
        f"{look(repr('one'), **{'return': repr('id')})} == [{one}.token_id]",
        f"{look(repr('one'), **{'return': repr('metadata')})}[0].scopes == ['metrics.read']",
        f"{look(repr('one'), **{'return': repr('metadata')})}[0].enabled is none",
        f"{look(repr('one'), **{'return': repr('metadata'), 'verify': 'true'})}[0].enabled",
        "lookup('community.dynatrace.api_token', 'one', store='store') is string",
    )
    in_a_loop = {
        "name": "loop",
        "ansible.builtin.assert": {"that": f"item in ({one}.token, {two}.token)", "quiet": True},
        "with_community.dynatrace.api_token": ["one", "two"],
        "loop_control": {"label": "", "extended": True},
        "failed_when": "ansible_loop.length != 2",
    }
    ansible.play(register).succeeded()
    environment.forget_requests()
    ansible.play(
        register, checks, in_a_loop, options=["--check"], env={"DYNATRACE_TOKEN_STORE": "store"}
    ).succeeded()
    assert [request["method"] for request in environment.requests()] == [
        "GET",
        "GET",
        "POST",
    ]  # two tasks, and what verify asks


def test_a_missing_token_is_an_error_a_warning_or_left_out_and_a_useless_one_always_an_error(
    ansible: Ansible, environment: Environment
) -> None:
    deleted_by_hand, disabled_by_hand = token("two", state="absent"), token("one", enabled=False)
    ids = {"return": "'id'"}
    everything = "'one', 'none', 'two'"
    skipped = check(
        f"{look(everything, on_missing=repr('skip'), **ids)} | length == 2",
        f"{look(everything, on_missing=repr('skip'), verify='true', **ids)} | length == 1",
    )
    warned = check(
        f"{look(everything, on_missing=repr('warn'), verify='true', **ids)} | length == 1"
    )
    failing = {
        look(
            "'none'"
        ): "/none.yml). Issue it with dynatrace_token and this store, or say on_missing: skip. In "
        "check mode, a token that",
        look(
            "'two'", verify="true"
        ): "whose secret the store holds, is not known to Dynatrace any more. Issue it with",
        look(
            "'one'", verify="true", scopes="['metrics.read', 'logs.read']"
        ): "lacks the scope logs.read",
        look("'one'", scopes="['metrics.read']"): "they can only be checked with verify: true",
        look("'one'", verify="true", on_missing="'skip'"): "is disabled. Enable it",
    }
    *enabled, disabled = map(looked_up, failing)
    run = ansible.play(
        *ISSUE, deleted_by_hand, skipped, warned, *enabled, disabled_by_hand, disabled
    ).succeeded()
    for result, message in zip(run.results("lookup"), failing.values(), strict=True):
        assert message in result["msg"]
    assert not [secret for secret in environment.secrets() if secret in run.output]


def test_the_connection_and_the_store_come_from_the_environment_or_the_configuration(
    ansible: Ansible, environment: Environment
) -> None:
    bare = check(
        "lookup('community.dynatrace.api_token', 'one', return='id', verify=true) is string"
    )
    first = {
        "DYNATRACE_ENV_URL": environment.url,
        "DT_ENV_URL": "http://127.0.0.1:9",
        "DYNATRACE_TOKEN_STORE": "store",
    }
    ansible.play(*ISSUE, bare, env=first).succeeded()
    (ansible.folder / "ansible.cfg").write_text(
        f"[dynatrace]\nenvironment_url = {environment.url}\ntoken_store = store\n"
    )
    configured = {"DYNATRACE_ENV_URL": None, "ANSIBLE_CONFIG": str(ansible.folder / "ansible.cfg")}
    ansible.play(bare, env=configured).succeeded()


def test_bad_input_is_told_what_to_do(ansible: Ansible, environment: Environment) -> None:
    url = {"environment_url": repr(environment.url)}
    bad = {
        look("'one'"): "environment_url is missing",
        look("'one'", verify="true", **url): "api_token is missing",
        look(
            "'one'", store="''", **url
        ): "store is missing. Give the option, or set the environment variable DYNATRACE_TOKEN",
        look(
            "'one'", on_mising="'skip'", **url
        ): "There is no option on_mising. Supported parameters include: ",
        look("'one'", timeout="[3]", **url): "timeout",
        look("' one'", **url): "begins or ends with white space",
        look(
            "'dt0c01.ST2EY72KQINMH574WMNVI7YN." + "ABCD" * 16 + "'", **url
        ): "the secret of a token. It is not shown here",
    }
    run = ansible.play(
        *map(looked_up, bad), env={"DYNATRACE_ENV_URL": None, "DYNATRACE_API_TOKEN": None}
    ).succeeded()
    for result, message in zip(run.results("lookup"), bad.values(), strict=True):
        assert message in result["msg"]
