# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role dynatrace_tokens: facts for every host, once, and nothing half done."""

from __future__ import annotations

import json
import typing as t

from support.runs import Ansible, Task, check, token
from support.stand_in import Environment

READER = {
    "name": "reader",
    "scopes": ["apiTokens.read"],
    "expires_in": "90d",
    "on_missing_secret": "ignore",
    "fact": "reader_secret",
}
INGEST = {
    "name": "ingest",
    "scopes": ["metrics.ingest", "logs.ingest"],
    "on_missing_secret": "ignore",
}
INVENTORY = [
    "-i",
    "one,two,",
    "-e",
    "ansible_connection=local ansible_python_interpreter={{ansible_playbook_python}}",
]


STORED = {"dynatrace_tokens_store": "store"}


def revoke(**variables: t.Any) -> Task:
    role = {"name": "community.dynatrace.dynatrace_tokens", "tasks_from": "revoke"}
    return {"name": "revoke", "ansible.builtin.include_role": role, "vars": variables}


def role(*specifications: t.Any, **variables: t.Any) -> Task:
    return {
        "name": "role",
        "ansible.builtin.include_role": {"name": "community.dynatrace.dynatrace_tokens"},
        "vars": {"dynatrace_tokens": list(specifications), **variables},
    }


def test_the_tokens_are_facts_of_every_host_and_issued_once_and_a_second_run_changes_nothing(
    ansible: Ansible, environment: Environment
) -> None:
    checks = check(
        "reader_secret == dynatrace_tokens_issued.reader.token",
        "reader_secret.startswith(dynatrace_tokens_issued.reader.id ~ '.')",
        "dynatrace_tokens_issued.ingest.scopes == ['logs.ingest', 'metrics.ingest']",
        "dynatrace_tokens_issued.ingest.token is not none",
        "dynatrace_tokens_issued.reader.expiration_date is not none",
        "dynatrace_tokens_issued.ingest.expiration_date is none",
    )
    run = ansible.play(role(READER, INGEST), checks, hosts="all", options=INVENTORY).succeeded()
    assert sorted(found["name"] for found in environment.tokens()) == ["ingest", "reader"]
    assert len(run.results("check")) == 2
    assert "reader (dt0c01." in run.stdout
    assert "created, scopes apiTokens.read, expires 20" in run.stdout
    assert not [secret for secret in environment.secrets() if secret in run.output]
    run = ansible.play(
        role(READER, INGEST),
        check("not reader_secret", "dynatrace_tokens_issued.reader.token is none"),
    ).succeeded()
    assert "changed=0" in run.stdout
    assert "unchanged, scopes apiTokens.read" in run.stdout
    assert "secret not known" in run.stdout
    assert sorted(environment.writes()) == ["POST", "POST", "PUT", "PUT"]


def test_check_mode_shows_what_would_be_issued(ansible: Ansible, environment: Environment) -> None:
    run = ansible.play(
        role(READER),
        check("not reader_secret", "dynatrace_tokens_issued.reader.token is none"),
        options=["--check"],
    ).succeeded()
    assert "reader (no id yet): created" in run.stdout
    assert environment.tokens() == []


def test_what_was_issued_is_registered_even_if_another_fails_and_several_uses_add_up(
    ansible: Ansible, environment: Environment
) -> None:
    bad = {**INGEST, "scopes": ["no.such.scope"]}
    block = {
        "name": "try",
        "block": [role(READER, bad)],
        "rescue": [check("reader_secret is not none", "dynatrace_tokens_issued | length == 1")],
    }
    both = check(
        "dynatrace_tokens_issued | length == 2", "dynatrace_tokens_issued.reader.token is not none"
    )
    run = ansible.play(block, role(INGEST), both).succeeded()
    assert "'no.such.scope' is not a valid scope" in run.text
    assert "ingest: failed" in run.stdout


def test_a_secret_that_is_held_already_is_registered(
    ansible: Ansible, environment: Environment
) -> None:
    made = environment.issue("reader", ["apiTokens.read"])
    held = {**READER, "token": made["token"], "on_missing_secret": "fail"}
    run = ansible.play(
        role(held),
        check("reader_secret.startswith(dynatrace_tokens_issued.reader.id)"),
        options=["-vvvv"],
    ).succeeded()
    assert "secret known" in run.stdout


def test_a_disabled_token_stops_the_play(ansible: Ansible, environment: Environment) -> None:
    environment.plant("ingest", scopes=INGEST["scopes"], enabled=False)
    run = ansible.play(role({**INGEST, "enabled": False}), role(INGEST)).failed()
    assert len(run.results("Summary of the tokens")) == 2  # so the first went by
    assert "These tokens are disabled" in run.text


def test_state_absent_removes_a_token(ansible: Ansible, environment: Environment) -> None:
    environment.issue("ingest")
    absent = {"name": "ingest", "state": "absent"}
    ansible.play(
        role(absent), check("'ingest' not in dynatrace_tokens_issued | default({})"), role(absent)
    ).succeeded()
    assert environment.tokens() == []


BAD_SPECIFICATIONS: list[t.Any] = [
    (
        [{"name": "a", "scopes": ["logs.read"]}],
        "Say on_missing_secret for a, or give dynatrace_tokens_store.",
    ),
    ([{**INGEST, "fact": "not a name"}], "cannot be the name of a variable"),
    ([{**INGEST, "fact": "ansible_host"}], "begins with ansible_"),
    ([{**INGEST, "fact": "same"}, {**READER, "fact": "same"}], "stands more than once"),
    ([INGEST, INGEST], "the name 'ingest' stands more than once"),
    ([{"scopes": ["logs.read"]}], "dynatrace_tokens[0]: name is missing."),
    ([{**INGEST, "scope": ["logs.read"]}], "Supported parameters include"),
]


def test_bad_specifications_stop_before_anything_is_issued(
    ansible: Ansible, environment: Environment
) -> None:
    said = {"name": "said", "ansible.builtin.debug": {"msg": "{{ ansible_failed_result.msg }}"}}
    blocks = [
        {"name": "try", "block": [role(*specifications)], "rescue": [said]}
        for specifications, _message in BAD_SPECIFICATIONS
    ]
    run = ansible.play(*blocks).succeeded()
    messages = [result["msg"] for result in run.results("said")]
    assert len(messages) == len(BAD_SPECIFICATIONS)
    assert [
        wanted
        for (_bad, wanted), message in zip(BAD_SPECIFICATIONS, messages)
        if wanted not in message
    ] == []
    assert environment.requests() == []


def test_handing_over_is_refused_without_a_store(
    ansible: Ansible, environment: Environment
) -> None:
    run = ansible.play(role(READER, dynatrace_tokens_hand_over="hand_over.yml")).failed()
    assert "dynatrace_tokens_hand_over needs dynatrace_tokens_store" in run.text
    assert environment.requests() == []


def test_serial_is_refused(ansible: Ansible, environment: Environment) -> None:
    run = ansible.play(role(READER), hosts="all", serial=1, options=INVENTORY).failed()
    assert "Under serial each batch of hosts runs the role again" in run.text
    assert environment.requests() == []


def test_with_a_store_every_run_registers_the_same_secrets(
    ansible: Ansible, environment: Environment
) -> None:
    silent = [
        {name: value for name, value in one.items() if name != "on_missing_secret"}
        for one in (READER, INGEST)
    ]
    ansible.play(
        role(*silent), check("reader_secret is not none"), env={"DYNATRACE_TOKEN_STORE": "store"}
    ).succeeded()
    (reader,) = environment.tokens("reader")
    (secret,) = [secret for secret in environment.secrets() if secret.startswith(reader["id"])]
    (ansible.folder / "seen").write_text(secret)
    same = check(
        "reader_secret == lookup('ansible.builtin.file', 'seen')",
        "dynatrace_tokens_issued.ingest.token is not none",
    )
    run = ansible.play(role(*silent, **STORED), same).succeeded()
    assert "changed=0" in run.stdout
    assert run.stdout.count("secret known") == 2
    assert sorted(environment.writes()) == ["POST", "POST", "PUT", "PUT"]


def test_serial_works_with_a_store(ansible: Ansible, environment: Environment) -> None:
    checks = check("reader_secret.startswith(dynatrace_tokens_issued.reader.id ~ '.')")
    run = ansible.play(
        role(READER, **STORED), checks, hosts="all", serial=1, options=INVENTORY
    ).succeeded()
    assert len(run.results("check")) == 2
    assert len(environment.tokens()) == 1


def test_what_a_play_created_is_taken_back_also_when_its_middle_fails(
    ansible: Ansible, environment: Environment
) -> None:
    environment.issue("ingest", INGEST["scopes"])
    block = {
        "name": "try",
        "block": [
            role(READER, INGEST, **STORED),
            {"name": "middle", "ansible.builtin.fail": {"msg": "the middle fails"}},
        ],
        "rescue": [check("reader_secret is not none")],
        "always": [
            revoke(**STORED),
            check("not reader_secret", "not dynatrace_tokens_issued.reader.token"),
            revoke(**STORED),
        ],
    }
    run = ansible.play(block, hosts="all", options=INVENTORY).succeeded()
    assert [found["name"] for found in environment.tokens()] == ["ingest"]
    assert list((ansible.folder / "store").glob("*/*.yml")) == []
    assert environment.writes().count("DELETE") == 1
    assert not [secret for secret in environment.secrets() if secret in run.output]


def test_only_what_was_created_is_taken_back(ansible: Ansible, environment: Environment) -> None:
    environment.plant("reader", expires="now-1d")
    ansible.play(
        revoke(), role(READER, INGEST), revoke(), check("reader_secret is not none")
    ).succeeded()
    assert [found["name"] for found in environment.tokens()] == ["reader"]
    ansible.play(role(READER), revoke(), options=["--check"]).succeeded()


def test_what_could_not_be_taken_back_is_told_and_tried_again(
    ansible: Ansible, environment: Environment
) -> None:
    weak = environment.issue("weak", ["apiTokens.read"])["token"]
    block = {
        "name": "try",
        "block": [revoke(dynatrace_tokens_api_token=weak)],
        "rescue": [check("reader_secret is not none"), revoke()],
    }
    run = ansible.play(role(READER), block, check("not reader_secret")).succeeded()
    assert "apiTokens.write" in run.text
    assert [found["name"] for found in environment.tokens()] == ["weak"]


ROTATING = {"expires_in": "90d", "rotate": "expiring", "rotate_before": "14d"}


def hand_over(ansible: Ansible, *tasks: Task) -> dict[str, str]:
    """The variables of a role that hands over with these tasks."""
    (ansible.folder / "hand_over.yml").write_text(json.dumps(tasks))
    return {**STORED, "dynatrace_tokens_hand_over": "hand_over.yml"}


def test_what_is_new_is_handed_over_before_its_predecessor_goes(
    ansible: Ansible, environment: Environment
) -> None:
    handed = {
        "name": "handed",
        "ansible.builtin.set_fact": {
            "handed": "{{ handed | default([]) + [dynatrace_tokens_handed_over] }}"
        },
    }
    consumer = {"name": "consumer", "ansible.builtin.fail": {}, "when": "broken | default(false)"}
    variables = {
        **hand_over(ansible, handed, consumer),
        "dynatrace_tokens_defaults": {**ROTATING, "overlap": "2d"},
    }
    reader = {"name": "reader", "scopes": ["apiTokens.read"], "overlap": "0"}
    ingest = {"name": "ingest", "scopes": ["metrics.ingest"], "rotate": "never", "expires_in": ""}
    gone = {"name": "gone", "state": "absent"}
    both = check(
        "handed | map(attribute='name') == ['reader', 'ingest']",
        "handed[0].token == dynatrace_tokens_issued.reader.token",
    )
    quiet = {"name": "quiet", "ansible.builtin.set_fact": {"handed": []}}
    ansible.play(
        role(reader, ingest, gone, **variables),
        both,
        quiet,
        role(reader, ingest, gone, **variables),
        check("handed == []"),
    ).succeeded()
    (old,) = environment.tokens("reader")
    environment.set_clock("now+80d")
    run = ansible.play(role(reader, ingest, **variables), options=["-e", "broken=true"]).failed()
    assert len(environment.tokens("reader")) == 2
    assert f"{old['id']} usable until" in run.stdout
    only = check(
        "handed | map(attribute='name') == ['reader']",
        "handed[0].token == dynatrace_tokens_issued.reader.token",
    )
    run = ansible.play(
        role(reader, ingest, **variables),
        only,
        quiet,
        role(reader, ingest, **variables),
        check("handed == []"),
    ).succeeded()
    assert f"secret known, {old['id']} deleted" in run.stdout
    assert len(environment.tokens("reader")) == 1
    assert not [secret for secret in environment.secrets() if secret in run.output]


def test_during_the_overlap_each_run_hands_over_and_changes_nothing(
    ansible: Ansible, environment: Environment
) -> None:
    consumer = {
        "name": "consumer",
        "ansible.builtin.debug": {"msg": "{{ dynatrace_tokens_handed_over.name }}"},
    }
    variables = {
        **hand_over(ansible, consumer),
        "dynatrace_tokens_defaults": {"overlap": "2d", "delete_after": "1w"},
    }
    reader = {"name": "reader", "scopes": ["apiTokens.read"]}
    run = ansible.play(
        token(store="store", **reader),
        role({**reader, "rotate": "always"}, **variables),
        role(reader, **variables),
    ).succeeded()
    _new, old = environment.tokens("reader")
    assert len(run.results("consumer")) == 2
    assert (
        run.stdout.count("unchanged, scopes") == 3
    )  # after each handing over, and before the last
    environment.set_clock("now+3d")
    told = ansible.play(role(reader, **variables), options=["--check"]).succeeded()
    assert told.results("consumer") == []
    assert f"{old['id']} disabled, to be deleted from" in told.stdout
    assert environment.writes().count("PUT") == 2
    run = ansible.play(role(reader, **variables)).succeeded()
    assert f"{old['id']} disabled, {old['id']} disabled, to be deleted from" in run.stdout
    assert [
        found["enabled"] for found in environment.tokens("reader") if found["id"] == old["id"]
    ] == [False]


def test_several_hosts_under_the_strategy_free_are_refused(
    ansible: Ansible, environment: Environment
) -> None:
    run = ansible.play(role(READER), hosts="all", strategy="free", options=INVENTORY).failed()
    assert "The role does not work under the strategy free with 2 hosts" in run.text
    assert environment.requests() == []


def test_the_connection_comes_from_the_variables_of_the_role(
    ansible: Ansible, environment: Environment
) -> None:
    nowhere = {"DYNATRACE_ENV_URL": "http://127.0.0.1:9", "DYNATRACE_API_TOKEN": "wrong"}
    connection = {
        "dynatrace_tokens_environment_url": environment.url,
        "dynatrace_tokens_api_token": environment.api_token,
    }
    run = ansible.play(role(READER, **connection), env=nowhere, options=["-vvvv"]).succeeded()
    assert environment.api_token not in run.output
    assert len(environment.tokens()) == 1


def test_what_fails_before_the_first_token_is_told_alone(
    ansible: Ansible, environment: Environment
) -> None:
    run = ansible.play(role(), role(READER), env={"DYNATRACE_ENV_URL": None}).failed()
    assert "failed=1 " in run.stdout
    assert "environment_url is missing." in run.text
