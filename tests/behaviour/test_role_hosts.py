# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role with several hosts: each asks for its own list, and gets its own tokens."""

from __future__ import annotations

import json
import typing as t

from support.roles import PYTHON, ROLE, STORED, hand_over, hosts, one, play, role, trying
from support.runs import Ansible, Run, Task, check
from support.stand_in import Environment, new_environment

OWN = one("agent-{{ inventory_hostname }}", fact="agent_secret")
SAME = one("same", fact="same_secret")
HAS_OWN = check(
    "agent_secret == dynatrace_tokens_issued['agent-' ~ inventory_hostname].token",
    "dynatrace_tokens_issued | length == 1",
)
NOT_FIRST = "inventory_hostname != 'h1'"
FORGET = {
    "name": "forget",
    "ansible.builtin.set_fact": {"agent_secret": None, "dynatrace_tokens_issued": {}},
}


def names(environment: Environment) -> list[str]:
    return sorted(token["name"] for token in environment.tokens())


def listings(environment: Environment) -> int:
    return sum(
        request["method"] == "GET" and request["path"].endswith("/apiTokens")
        for request in environment.requests()
    )


def on(run: Run, task: str, event: str = "ok") -> list[str]:
    """The hosts on which the task of this name ended so, sorted."""
    return sorted(
        one["host"]
        for one in run.events
        if one["task"].rpartition(" : ")[2] == task and one["event"] == event
    )


def when(condition: str, *tasks: Task) -> Task:
    return {"name": "block", "when": condition, "block": list(tasks)}


def test_each_host_gets_its_own_tokens_by_one_task_with_one_listing(
    ansible: Ansible, environment: Environment
) -> None:
    run = ansible.playbook(
        [play(role(OWN, SAME, **STORED), check("agent_secret != same_secret"))],
        hosts("h1", "h2", "h3"),
    ).succeeded()
    assert listings(environment) == 1
    assert names(environment) == ["agent-h1", "agent-h2", "agent-h3", "same"]
    assert on(run, "Manage the tokens") == ["h1"]
    others = [
        check(
            f"hostvars.{host}.agent_secret.startswith(dynatrace_tokens_issued['agent-{host}'].id)",
            f"hostvars.{host}.same_secret == same_secret",
            f"'tokens' not in (hostvars.{host}.__dynatrace_tokens_results | default({{}}, true))",
            f"not hostvars.{host}.__dynatrace_tokens_own",
        )
        | {"when": f"inventory_hostname == '{host}'"}
        for host in ("h1", "h2", "h3")
    ]
    again = ansible.playbook(
        [play(role(OWN, SAME, **STORED), *others)], hosts("h1", "h2", "h3")
    ).succeeded()
    assert "changed=1" not in again.stdout
    assert not [secret for secret in environment.secrets() if secret in run.output + again.output]


def test_only_hosts_that_take_part_ask_in_every_way_to_use_the_role(
    ansible: Ansible, environment: Environment
) -> None:
    variables = {"dynatrace_tokens": [OWN], **STORED}
    has = when(NOT_FIRST, HAS_OWN)
    has_not = check("not agent_secret | default('')") | {"when": "inventory_hostname == 'h1'"}
    imported = {"name": "imported", "ansible.builtin.import_role": {"name": ROLE}}
    in_roles = {"role": ROLE, "vars": variables, "when": NOT_FIRST}
    depending = ansible.folder / "roles" / "depending" / "meta" / "main.yml"
    depending.parent.mkdir(parents=True)
    depending.write_text(json.dumps({"dependencies": [{"role": ROLE, "vars": variables}]}))
    end = {"name": "end", "ansible.builtin.meta": "end_host", "when": "inventory_hostname == 'h1'"}
    checks = [has, has_not]
    run = ansible.playbook(
        [
            play(*checks, roles=[in_roles], order="reverse_sorted"),
            play(FORGET, imported | {"vars": variables, "when": NOT_FIRST}, *checks),
            play(FORGET, when(NOT_FIRST, role(**variables)), *checks),
            play(FORGET, role(keywords={"when": NOT_FIRST}, **variables), *checks, become=False),
            play(FORGET, end, role(**variables), HAS_OWN),
            play(*checks, pre_tasks=[FORGET], roles=[{"role": "depending", "when": NOT_FIRST}]),
        ],
        hosts("h1", "h2", "h3"),
    ).succeeded()
    assert names(environment) == ["agent-h2", "agent-h3"]
    assert len(on(run, "Manage the tokens")) == 6
    tagged = imported | {"vars": variables, "tags": ["wanted"]}
    applied = role(one("applied"), keywords={"tags": ["wanted"]}, **STORED)
    applied["ansible.builtin.include_role"]["apply"] = {"tags": ["wanted"]}
    untagged = imported | {"vars": {"dynatrace_tokens": [one("untagged")], **STORED}}
    has = {**HAS_OWN, "tags": ["always"]}
    limited = ansible.playbook(
        [play(tagged, has, applied, untagged, hosts="all,localhost")],
        [*hosts("h1", "h2", "h3"), "--limit", "h2,localhost", "--tags", "wanted"],
    ).succeeded()
    assert names(environment) == [
        "agent-h2",
        "agent-h3",
        "agent-localhost",
        "applied",
    ]
    assert on(limited, "Manage the tokens") == ["h2", "h2"]


def test_hosts_that_ask_for_the_same_token_differently_stop_before_anything_is_issued(
    ansible: Ansible, environment: Environment
) -> None:
    scopes = "{{ ['logs.read'] if inventory_hostname == 'h2' else ['metrics.read'] }}"
    other = one("other-{{ inventory_hostname }}")
    differing = {**one("same"), "scopes": scopes}
    run = ansible.playbook(
        [play(trying(role(other, differing, **STORED)))], hosts("h1", "h2", "h3")
    ).succeeded()
    assert on(run, "said") == ["h1", "h2", "h3"]
    assert {result["msg"] for result in run.results("said")} == {
        "The hosts h1 and h2 ask for the token 'same' differently: scopes is ['metrics.read'] for "
        "h1 and ['logs.read'] for h2. Nothing was issued. Ask for the same, or for tokens of "
        "different names."
    }
    assert environment.requests() == []
    # Neither the order of scopes nor the name of the fact makes a difference.
    order = "{{ ['b.read', 'a.read'] if inventory_hostname == 'h2' else ['a.read', 'b.read'] }}"
    alike = {"name": "alike", "scopes": order.replace("b.", "logs.").replace("a.", "metrics.")}
    ansible.playbook(
        [play(role({**alike, "fact": "of_{{ inventory_hostname }}"}, **STORED))], hosts("h1", "h2")
    ).succeeded()


def test_hosts_of_several_environments_are_groups_of_their_own(
    ansible: Ansible, environment: Environment, server: Environment
) -> None:
    prod = new_environment(server)
    inventory = ansible.folder / "inventory.ini"
    lines = [
        f"{host} dynatrace_tokens_environment_url={of.url} "
        f"dynatrace_tokens_api_token={of.api_token}"
        f" dynatrace_tokens_store=store-{host[:3]} {PYTHON}"
        for host, of in {"dev1": environment, "prod1": prod, "dev2": environment}.items()
    ]
    inventory.write_text("\n".join(lines).replace("{{ansible_playbook_python}}", "'python3'"))
    nowhere = {"DYNATRACE_ENV_URL": "http://127.0.0.1:9", "DYNATRACE_API_TOKEN": None}
    reads = one("reader", "apiTokens.read", fact="reader_secret")
    key = "{{ 'prod' if inventory_hostname == 'prod1' else 'dev' }}"
    run = ansible.playbook(
        [play(role(reads, one(key)), check("reader_secret is truthy"))],
        ["-i", str(inventory), "-v"],
        env=nowhere,
    ).succeeded()
    assert (names(environment), names(prod)) == (["dev", "reader"], ["prod", "reader"])
    assert on(run, "Manage the tokens") == ["dev1", "prod1"]
    assert sorted(path.name for path in ansible.folder.glob("store-*")) == [
        "store-dev",
        "store-pro",
    ]
    assert f"in {environment.url.rpartition('/')[2]}: created" in run.stdout
    assert environment.api_token not in run.output
    assert prod.api_token not in run.output


def test_a_token_that_fails_fails_the_hosts_that_asked_for_it(
    ansible: Ansible, environment: Environment
) -> None:
    refused = one("refused", "no.such.scope", fact="refused_secret")
    tokens = [OWN, SAME]
    own_list = "{{ common + ([refused] if inventory_hostname == 'h2' else []) }}"
    variables = {"common": tokens, "refused": refused, "dynatrace_tokens": own_list, **STORED}
    got = check("agent_secret is truthy", "same_secret == dynatrace_tokens_issued.same.token")
    run = ansible.playbook(
        [play(trying(role(**variables), rescue=[got]), got)], hosts("h1", "h2", "h3")
    ).succeeded()
    assert on(run, "said") == ["h2"]
    (message,) = [result["msg"] for result in run.results("said")]
    assert "The token 'refused' failed: " in message
    assert "'no.such.scope' is not a valid scope" in message
    assert "refused: failed" in run.stdout
    stopped = ansible.playbook([play(role(**variables), got)], hosts("h1", "h2", "h3")).failed()
    assert on(stopped, "check") == ["h1", "h3"]


def test_the_list_of_one_host_or_a_failure_of_the_whole_task_fails_who_asked(
    ansible: Ansible, environment: Environment
) -> None:
    bad: list[t.Any] = [
        ("{{ nowhere if inventory_hostname == 'h2' else [token] }}", "nowhere"),
        (
            "{{ 5 if inventory_hostname == 'h2' else [token] }}",
            "dynatrace_tokens: it is a number. Nothing was done. Give a list of dictionaries.",
        ),
        (
            "{{ [token | combine(bad if inventory_hostname == 'h2' else {})] }}",
            "dynatrace_tokens[0]: expires_in: 'soon' is not a period",
        ),
    ]
    blocks = [
        trying(role(dynatrace_tokens=text, token=OWN, bad={"expires_in": "soon"}, **STORED))
        for text, _message in bad
    ]
    run = ansible.playbook(
        [play(*blocks, HAS_OWN | {"when": "inventory_hostname != 'h2'"})], hosts("h1", "h2", "h3")
    ).succeeded()
    assert on(run, "said") == ["h2"] * len(bad)
    messages = [result["msg"] for result in run.results("said")]
    assert [one for (_text, one), message in zip(bad, messages) if one not in message] == []
    whole = ansible.playbook(
        [
            play(
                trying(when(NOT_FIRST, role(OWN, **STORED))),
                {"name": "after", "ansible.builtin.debug": {}},
            )
        ],
        hosts("h1", "h2", "h3"),
        env={"DYNATRACE_ENV_URL": None},
    ).succeeded()
    assert on(whole, "said") == ["h2", "h3"]
    assert on(whole, "after") == ["h1", "h2", "h3"]
    assert "environment_url is missing" in whole.results("said")[0]["msg"]


def test_failures_before_and_around_the_role_do_not_keep_hosts_from_their_tokens(
    ansible: Ansible, environment: Environment
) -> None:
    def fail(condition: str, **keywords: t.Any) -> Task:
        return {"name": "fail", "ansible.builtin.fail": {}, "when": condition, **keywords}

    use = role(OWN, **STORED)
    in_rescue = {"name": "try", "block": [fail("true")], "rescue": [use, HAS_OWN]}
    in_always = {
        "name": "try",
        "block": [fail(NOT_FIRST, run_once=False)],
        "rescue": [],
        "always": [use, HAS_OWN],
    }
    # Ansible itself rescues only the host that such a task ran on; up to 2.17, all hosts.
    once = {"name": "try", "block": [fail("true", run_once=True)], "rescue": [use, HAS_OWN]}
    cleared = {"name": "clear", "ansible.builtin.meta": "clear_host_errors"}
    ignoring = role(one("bad", "no.such"), **STORED)
    ignoring["ansible.builtin.include_role"]["apply"] = {"ignore_errors": True}
    run = ansible.playbook(
        [
            play(in_rescue, FORGET, ignoring, use, HAS_OWN),
            play(FORGET, fail("inventory_hostname == 'h1'"), use, HAS_OWN),
            play(FORGET, cleared, use, HAS_OWN, max_fail_percentage=50),
            play(FORGET, once, hosts="h2,h3"),
            play(FORGET, in_always, hosts="h2"),
        ],
        hosts("h1", "h2", "h3"),
    )
    run.failed()
    assert on(run, "check", "failed") == []
    checked = ["h1"] * 2 + ["h2"] * 6 + ["h3"] * 4
    assert on(run, "check") in (checked, [*checked, "h3"])
    assert names(environment) == ["agent-h1", "agent-h2", "agent-h3"]
    stopped = ansible.playbook(
        [play(role(dynatrace_tokens="{{ nowhere }}"), any_errors_fatal=True), play(HAS_OWN)],
        hosts("h1", "h2"),
    ).failed()
    assert on(stopped, "check") == []


def test_several_uses_do_not_disturb_each_other(ansible: Ansible, environment: Environment) -> None:
    items = [
        {"name": "a", "skip": False},
        {"name": "b", "skip": False},
        {"name": "c", "skip": True},
    ]
    looped = role(
        one("{{ item.name }}-{{ inventory_hostname }}", fact="{{ item.name }}_secret"),
        keywords={"loop": items, "when": "not item.skip"},
        **STORED,
    )
    as_item = role(
        keywords={"loop": [one("item", fact="item_secret")]},
        dynatrace_tokens=["{{ item }}"],
        **STORED,
    )
    scopes = "{{ ['logs.read'] if inventory_hostname == 'h2' else ['metrics.read'] }}"
    conflict = trying(role({"name": "later", "scopes": scopes}, **STORED))
    twice = {"role": ROLE, "vars": {"dynatrace_tokens": [one("twice")], **STORED}}
    imported = [
        {
            "name": "imported",
            "ansible.builtin.import_role": {"name": ROLE},
            "vars": {"dynatrace_tokens": [one(f"imported-{number}")], **STORED},
        }
        for number in (1, 2)
    ]
    everything = check(
        "a_secret == dynatrace_tokens_issued['a-' ~ inventory_hostname].token",
        "b_secret.startswith(dynatrace_tokens_issued['b-' ~ inventory_hostname].id)",
        "c_secret is undefined",
        "item_secret == dynatrace_tokens_issued.item.token",
        "dynatrace_tokens_issued | length == 9",
    )
    ansible.playbook(
        [
            play(looped, as_item, conflict, role(one("later"), **STORED), *imported),
            play(
                role(one("once-more"), **STORED),
                everything,
                roles=[
                    twice,
                    {**twice, "vars": {**twice["vars"], "dynatrace_tokens": [one("two")]}},
                ],
            ),
        ],
        hosts("h1", "h2"),
    ).succeeded()
    assert names(environment) == sorted(
        [
            "a-h1",
            "a-h2",
            "b-h1",
            "b-h2",
            "imported-1",
            "imported-2",
            "item",
            "later",
            "once-more",
            "twice",
            "two",
        ]
    )


def test_under_serial_and_with_become_each_batch_has_its_tokens(
    ansible: Ansible, environment: Environment
) -> None:
    use = role(OWN, SAME, **STORED)
    run = ansible.playbook(
        [play(use, check("same_secret is truthy"), serial=serial) for serial in (1, 2)]
        + [play(use, check("agent_secret is truthy"), become=True, become_user="nobody")],
        hosts("h1", "h2", "h3"),
    ).succeeded()
    assert on(run, "Manage the tokens") == ["h1", "h1", "h1", "h2", "h3", "h3"]
    refused = ansible.playbook(
        [play(role(one("x", on_missing_secret="ignore")), strategy="host_pinned")],
        hosts("h1", "h2"),
    ).failed()
    assert "does not work under the strategy host_pinned with 2 hosts" in refused.text


def test_a_condition_on_a_fact_that_the_role_sets_skips_nothing_that_must_run(
    ansible: Ansible, environment: Environment
) -> None:
    use = when("agent_secret is not defined", role(OWN, **STORED))
    bad = when(
        "late_secret is not defined",
        role(OWN | {"fact": "late_secret"}, one("bad", "no.such"), **STORED),
    )
    used = {
        "name": "used",
        "ansible.builtin.debug": {"msg": "{{ dynatrace_tokens_handed_over.id }}"},
    }
    new = role(
        one("new", fact="new_secret"),
        keywords={"when": "new_secret is not defined"},
        **hand_over(ansible, used),
    )
    forgotten = check("not __dynatrace_tokens_results")
    run = ansible.playbook(
        [
            play(use, use, HAS_OWN, forgotten | {"when": "inventory_hostname == 'h1'"}),
            play(trying(bad), check("late_secret == agent_secret")),
            play(role(dynatrace_tokens=[], **STORED), check("agent_secret is truthy"), new, new),
        ],
        hosts("h1", "h2"),
    ).succeeded()
    assert on(run, "used") == ["h1", "h2"]
    assert on(run, "said") == ["h1", "h2"]
    assert len(on(run, "Manage the tokens")) == 4  # the last for what was handed over


def test_an_unreachable_host_costs_the_others_nothing(
    ansible: Ansible, environment: Environment
) -> None:
    inventory = ansible.folder / "inventory.ini"
    here = PYTHON.replace("{{ansible_playbook_python}}", "python3")
    unreachable = "ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=9"
    inventory.write_text(f"h1 {unreachable}\nh2 {here}\nh3 {here}\n")
    ping = {"name": "ping", "ansible.builtin.ping": {}}
    run = ansible.playbook(
        [play(ping, role(OWN, **STORED), HAS_OWN)], ["-i", str(inventory)]
    ).failed()
    assert on(run, "check") == ["h2", "h3"]
    assert "unreachable=1" in run.stdout
    # The role itself needs no connection to the host.
    ansible.playbook([play(role(OWN, **STORED), HAS_OWN)], ["-i", str(inventory)]).succeeded()
    assert names(environment) == ["agent-h1", "agent-h2", "agent-h3"]


def test_a_host_that_is_lost_between_asking_and_getting_costs_who_needs_it_a_clear_error(
    ansible: Ansible, environment: Environment
) -> None:
    asks, gathers = "See what this host asks for", "Put together what all hosts ask for"
    lost_h3 = {"strategy": "losing", "vars": {"lost": "h3", "lost_after": asks}}
    lost_h1 = {"strategy": "losing", "vars": {"lost": "h1", "lost_after": gathers}}
    run = ansible.playbook(
        [
            play(role(OWN, **STORED), HAS_OWN, **lost_h3),
            play(trying(role(SAME, **STORED)), **lost_h1),
        ],
        hosts("h1", "h2", "h3"),
    ).failed()
    assert on(run, "check") == ["h1", "h2"]
    assert names(environment) == ["agent-h1", "agent-h2", "agent-h3"]
    (told,) = run.results("said")
    assert told["msg"] == "The task that manages the tokens did not finish on h1."


def test_delegated_or_run_once_the_role_gives_facts_to_who_takes_part(
    ansible: Ansible, environment: Environment
) -> None:
    def applying(**keywords: t.Any) -> Task:
        use = role(OWN, **STORED)
        use["ansible.builtin.include_role"]["apply"] = keywords
        return use

    elsewhere = {"delegate_to": "h3"}
    block = {"name": "block", **elsewhere, "block": [role(OWN, **STORED)]}
    once = {"name": "once", "ansible.builtin.import_role": {"name": ROLE}, "run_once": True}
    has_same = check("same_secret | default('', true) is truthy")
    run = ansible.playbook(
        [
            play(applying(**elsewhere), HAS_OWN, FORGET, block, HAS_OWN, hosts="h1,h2"),
            play(trying(applying(**elsewhere, delegate_facts=True)), hosts="h1,h2"),
            play(
                role(SAME, keywords={"run_once": True}, **STORED),
                has_same | {"when": "inventory_hostname == 'h1'"},
                check("same_secret is undefined") | {"when": "inventory_hostname == 'h2'"},
                once | {"vars": {"dynatrace_tokens": [SAME], **STORED}},
                has_same,
                hosts="h1,h2",
            ),
        ],
        hosts("h1", "h2", "h3"),
    ).succeeded()
    assert on(run, "said") == ["h1", "h2"]
    assert "delegate_facts" in run.results("said")[0]["msg"]
    assert names(environment) == ["agent-h1", "agent-h2", "same"]


def test_secrets_are_in_the_facts_of_their_host_and_in_the_arguments_of_one_task_alone(
    ansible: Ansible, environment: Environment
) -> None:
    recorded = {
        "RECORDER_OF_ALL_TASKS": "yes",
        "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(ansible.folder / "cache"),
    }
    told = {
        "name": "told",
        "ansible.builtin.copy": {
            "content": "{{ hostvars[inventory_hostname].items() | list | string }}",
            "dest": "{{ playbook_dir }}/vars-{{ inventory_hostname }}",
            "mode": "0600",
        },
        "no_log": True,
    }
    used = {
        "name": "used",
        "ansible.builtin.debug": {"msg": "{{ dynatrace_tokens_handed_over.token | length }}"},
    }
    cacheable = {"ansible.builtin.set_fact": {"cacheable": True}}
    run = ansible.playbook(
        [play(role(OWN, **hand_over(ansible, used)), told, module_defaults=cacheable)],
        hosts("h1", "h2"),
        env=recorded,
    ).succeeded()
    secrets = [*environment.secrets(), environment.api_token]
    with_secrets = {
        event["task"].rpartition(" : ")[2]
        for event in run.events
        if [secret for secret in secrets if secret in json.dumps(event)]
    }
    assert with_secrets - {"told"} == {"Register the tokens of this host"}
    found = {
        host: [
            secret for secret in secrets if secret in (ansible.folder / f"vars-{host}").read_text()
        ]
        for host in ("h1", "h2")
    }
    assert [len(own) for own in found.values()] == [1, 1]
    assert found["h1"] != found["h2"]
    cached = "".join(path.read_text() for path in ansible.folder.glob("cache/*"))
    assert not [secret for secret in secrets if secret in cached + run.output]
