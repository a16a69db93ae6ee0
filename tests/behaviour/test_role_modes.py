# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role in check mode, its hand-over and its revoke, which believe the module's own result."""

from __future__ import annotations

import pathlib

from support.relay import relay
from support.roles import ROLE, STORED, hand_over, hosts, one, play, revoke, role, trying
from support.runs import Ansible, Task, check
from support.stand_in import Environment, new_environment

READER = one("reader", "apiTokens.read", fact="reader_secret")
KNOWN = check("reader_secret.startswith(dynatrace_tokens_issued.reader.id ~ '.')")
USED = {"name": "used", "ansible.builtin.debug": {"msg": "{{ dynatrace_tokens_handed_over }}"}}
USED_QUIETLY = {
    "name": "used",
    "ansible.builtin.assert": {
        "that": "dynatrace_tokens_handed_over.token.startswith(dynatrace_tokens_handed_over.id)",
        "quiet": True,
    },
}


def applied(keyword: str, value: bool, task: Task) -> Task:
    task["ansible.builtin.include_role"]["apply"] = {keyword: value}
    return task


def test_what_is_rotated_in_spite_of_check_is_handed_over_in_the_same_run(
    ansible: Ansible, environment: Environment
) -> None:
    variables = hand_over(ansible, USED_QUIETLY)
    rotating = {**READER, "rotate": "always"}
    in_roles = {
        "role": ROLE,
        "vars": {"dynatrace_tokens": [rotating], **variables},
        "check_mode": False,
    }
    ansible.play(role(READER, **STORED)).succeeded()
    (first,) = environment.tokens()
    run = ansible.playbook(
        [
            play(applied("check_mode", False, role(rotating, **variables)), hosts="localhost"),
            play(roles=[in_roles], hosts="localhost"),
        ],
        ["--check"],
    ).succeeded()
    assert len(run.results("used")) == 2
    (last,) = environment.tokens()
    assert last["id"] != first["id"]


def test_a_dry_run_hands_nothing_over_and_takes_no_fact_away(
    ansible: Ansible, environment: Environment
) -> None:
    silent = {**READER, "on_missing_secret": "ignore"}
    gone = {"name": "reader", "state": "absent"}
    dry = [
        applied(
            "check_mode", True, role({**READER, "rotate": "always"}, **hand_over(ansible, USED))
        ),
        applied("check_mode", True, role(silent)),
        applied("check_mode", True, role(gone)),
        applied("check_mode", True, revoke(**STORED)),
    ]
    run = ansible.play(
        role(READER, **STORED), KNOWN, *dry, KNOWN, revoke(**STORED), check("not reader_secret")
    ).succeeded()
    assert run.results("used") == []
    assert environment.tokens() == []
    assert environment.writes().count("POST") == 1
    fresh = applied("check_mode", True, role(READER, **hand_over(ansible, USED)))
    ansible.play(
        fresh, check("not reader_secret", "not dynatrace_tokens_issued.reader.id")
    ).succeeded()
    assert environment.tokens() == []


def test_a_hand_over_that_cannot_work_is_refused_and_one_that_fails_is_done_again(
    ansible: Ansible, environment: Environment
) -> None:
    missing = {**STORED, "dynatrace_tokens_hand_over": "not-there.yml"}
    run = ansible.play(role(READER, **missing)).failed()
    assert "dynatrace_tokens_hand_over: there is no file" in run.text
    assert environment.requests() == []
    broken = {"name": "broken", "ansible.builtin.fail": {}, "when": "broken | default(false)"}
    variables = hand_over(ansible, broken, USED_QUIETLY)
    ansible.play(role(READER, **variables), options=["-e", "broken=true"]).failed()
    run = ansible.play(role(READER, **variables), KNOWN, role(READER, **variables)).succeeded()
    assert len(run.results("used")) == 1
    assert environment.writes().count("POST") == 1


def test_each_host_hands_over_and_where_one_fails_its_predecessor_stays(
    ansible: Ansible, environment: Environment
) -> None:
    broken = {
        "name": "broken",
        "ansible.builtin.fail": {},
        "when": "broken | default(false) and inventory_hostname == 'h1'",
    }
    variables = hand_over(ansible, broken, USED_QUIETLY)
    tokens = [one("own-{{ inventory_hostname }}", fact="own_secret"), one("same")]
    variables["dynatrace_tokens_defaults"] = {"rotate": "always"}
    play_once = [play(role(*tokens, **variables))]
    ansible.playbook(play_once, hosts("h1", "h2")).succeeded()
    run = ansible.playbook(play_once, [*hosts("h1", "h2"), "-e", "broken=true"]).failed()
    assert {host: len(environment.tokens(host)) for host in ("own-h1", "own-h2", "same")} == {
        "own-h1": 2,
        "own-h2": 1,
        "same": 2,
    }
    assert "same: its predecessors stay, because handing it over failed on h1" in run.stdout
    variables["dynatrace_tokens_defaults"] = {}
    mended = [play(role(*tokens, **variables), check("own_secret is truthy"))]
    run = ansible.playbook(mended, hosts("h1", "h2")).succeeded()
    assert len(run.results("used")) == 3  # own-h1 and same on h1, same on h2
    assert len(environment.tokens()) == 3
    assert not [secret for secret in environment.secrets() if secret in run.output]


def test_revoke_deletes_where_it_is_called_and_names_what_was_created_elsewhere(
    ansible: Ansible, environment: Environment, server: Environment
) -> None:
    other = new_environment(server)
    one_place, two_place = (
        {
            "dynatrace_tokens_environment_url": place.url,
            "dynatrace_tokens_api_token": place.api_token,
        }
        for place in (environment, other)
    )
    nowhere = {"DYNATRACE_ENV_URL": None, "DYNATRACE_API_TOKEN": None}
    ci = one("ci", on_missing_secret="ignore")
    kept = environment.issue("kept")
    all_variables = "{{ hostvars[inventory_hostname].items() | list | string }}"
    told = {
        "name": "told",
        "ansible.builtin.copy": {"content": all_variables, "dest": "told", "mode": "0600"},
        "no_log": True,
    }
    run = ansible.play(
        role({**ci, "fact": "one_ci"}, one("kept", on_missing_secret="ignore"), **one_place),
        role({**ci, "fact": "two_ci"}, **two_place),
        check(
            "dynatrace_tokens_issued.ci.token == two_ci",
            f"dynatrace_tokens_issued.ci.environment == '{other.url.rpartition('/')[2]}'",
            "dynatrace_tokens_issued.ci.kind == 'access'",
            "one_ci != two_ci",
        ),
        told,
        revoke(**one_place),
        check("not one_ci", "two_ci is truthy"),
        revoke(**two_place),
        check("not two_ci", "not dynatrace_tokens_issued.ci.token"),
        env=nowhere,
    ).succeeded()
    assert [made["id"] for made in environment.tokens()] == [kept["id"]]
    assert other.tokens() == []
    assert "Created elsewhere, and left there: ci (dt0c01." in run.stdout
    secrets = [environment.api_token, other.api_token]
    content = pathlib.Path(ansible.folder / "told").read_text()
    assert [secret for secret in environment.secrets() if secret in content]
    assert not [secret for secret in secrets if secret in content]


def test_each_host_takes_back_what_it_asked_for(ansible: Ansible, environment: Environment) -> None:
    own = one("own-{{ inventory_hostname }}", fact="own_secret")
    only_h2 = revoke(**STORED) | {"when": "inventory_hostname == 'h2'"}
    ansible.playbook(
        [
            play(
                role(own, one("same"), **STORED),
                only_h2,
                check("(own_secret is truthy) == (inventory_hostname == 'h1')"),
                revoke(**STORED),
                check("not own_secret", "not dynatrace_tokens_issued.same.token"),
            )
        ],
        hosts("h1", "h2"),
    ).succeeded()
    assert environment.tokens() == []
    assert environment.writes().count("DELETE") == 3


def test_a_token_that_is_absent_leaves_the_facts(
    ansible: Ansible, environment: Environment
) -> None:
    absent = {"name": "reader", "state": "absent"}
    ansible.play(
        role(READER, one("other"), **STORED),
        role(absent, **STORED),
        check("'reader' not in dynatrace_tokens_issued", "'other' in dynatrace_tokens_issued"),
        role(READER, **STORED),
        KNOWN,
        revoke(**STORED),
    ).succeeded()
    assert environment.tokens() == []


def test_facts_that_cannot_be_used_are_refused_before_anything_is_issued(
    ansible: Ansible, environment: Environment
) -> None:
    bad = ["class", "None", "abc\n", "two words", "hostvars", "environment", "ansible_host", "omit"]
    blocks = [trying(role({**READER, "fact": fact}, **STORED)) for fact in bad]
    run = ansible.play(*blocks).succeeded()
    messages = [result["msg"] for result in run.results("said")]
    assert len(messages) == len(bad)
    assert all(message.startswith("dynatrace_tokens[0]: fact: ") for message in messages)
    assert environment.requests() == []


def test_a_task_timeout_fails_who_asked(ansible: Ansible, environment: Environment) -> None:
    def time_out(method: str, path: str) -> str:
        ansible.time_out()
        return "hang"

    use = role(READER, keywords={"when": "inventory_hostname != 'h2'"}, **STORED)
    after = {"name": "after", "ansible.builtin.debug": {}}
    with relay(environment, time_out) as slow:
        variables = {**slow.environment.variables, "ANSIBLE_TASK_TIMEOUT": "600"}
        plays = [play(trying(use), after)]
        run = ansible.playbook(plays, hosts("h1", "h2"), env=variables).succeeded()
    (message,) = [result["msg"] for result in run.results("said")]
    assert "Timed out after 600" in message or "time frame" in message
    assert len(run.results("after")) == 2
