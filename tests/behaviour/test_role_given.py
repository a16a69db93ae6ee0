# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role is given, in every form that people and surveys use, beside other variables."""

from __future__ import annotations

import json
import keyword
import pathlib
import re
import typing as t

import pytest
import yaml

from support.roles import PYTHON, ROLE, STORED, hand_over, hosts, one, play, revoke, role, trying
from support.runs import Ansible, Task, check
from support.stand_in import Environment

FILES = pathlib.Path(__file__).parents[2] / "roles" / "dynatrace_tokens"
SPECS = yaml.safe_load((FILES / "meta" / "argument_specs.yml").read_text())["argument_specs"]
# Variables that Ansible itself sets for each task.
ANSIBLES = {"cacheable", "hostvars", "inventory_hostname", "omit", "environment", "vars"}
READER = one("reader", "apiTokens.read", fact="reader_secret")
WORKS = check(
    "reader_secret == dynatrace_tokens_issued.reader.token",
    "reader_secret.startswith(dynatrace_tokens_issued.reader.id ~ '.')",
    "dynatrace_tokens_issued.reader.scopes == ['apiTokens.read']",
)
LOCAL = PYTHON.replace("{{ansible_playbook_python}}", "python3")
ELSEWHERE = {"environment_url": "http://127.0.0.1:9", "api_token": "planted"}
# The caller's defaults for modules of the collection, and for the one of others that has secrets.
DEFAULTS = {
    "group/community.dynatrace.dynatrace": ELSEWHERE,
    "community.dynatrace.dynatrace_token": ELSEWHERE,
    "community.dynatrace.dynatrace_token_set": ELSEWHERE,
    "community.dynatrace.dynatrace_tokens_step": {"entry": "revoke", "step": "tell"},
    "ansible.builtin.set_fact": {"cacheable": True},
}


def unprefixed(files: str = "[tv]a*/*.yml") -> list[str]:
    """Every word in the tasks and variables of the role that lacks its prefix."""
    text = "\n".join(path.read_text() for path in FILES.glob(files))
    words = set(re.findall(r"[A-Za-z_]\w*", re.sub(r"(?m)^ *#.*", "", text)))
    kept = ANSIBLES | set(keyword.kwlist) | {"true", "false", "none"}
    return sorted(word for word in words - kept if "dynatrace_tokens" not in word)


def test_no_name_of_the_caller_matters(ansible: Ansible, environment: Environment) -> None:
    words = unprefixed()
    assert {"facts", "path", "tokens", "leaders", "store", "environment_url"} <= set(words)
    names = dict.fromkeys(words, "planted")
    planted = " ".join(f"{word}=planted" for word in words)
    inventory = ansible.folder / "inventory.ini"
    inventory.write_text(f"h1 {LOCAL}\nh2 {LOCAL} {planted}\n")
    extra = ansible.folder / "extra.yml"
    extra.write_text(json.dumps(names))
    handed = {"name": "hand it over", "ansible.builtin.debug": {}}
    uses = [
        role(READER, **hand_over(ansible, handed)),
        WORKS,
        revoke(**STORED),
        check("not reader_secret", "not dynatrace_tokens_issued.reader.token"),
    ]
    included = [{**use, "vars": {**names, **use.get("vars", {})}} for use in uses]
    block = {"name": "block", "vars": names, "block": included}
    facts = {"name": "facts", "ansible.builtin.set_fact": names}
    registered = [
        {"name": word, "ansible.builtin.debug": {}, "register": word}
        for word in unprefixed("tasks/*.yml")
    ]
    before = [
        play(block, vars=names, module_defaults=DEFAULTS, hosts="h1"),
        play(facts, *registered, *uses, hosts="h2"),
    ]
    run = ansible.playbook(before, ["-i", str(inventory)]).succeeded()
    assert len(run.results("hand it over")) == 2
    run = ansible.playbook(
        [play(*uses, hosts="h1")], ["-i", str(inventory), "-e", f"@{extra}"]
    ).succeeded()
    assert len(run.results("hand it over")) == 1
    assert environment.writes().count("POST") == environment.writes().count("DELETE") == 3


@pytest.mark.parametrize("blank", ["", None, "   ", "{{ nothing | default(omit) }}"])
def test_what_is_blank_counts_as_not_given(
    ansible: Ansible, environment: Environment, blank: t.Any
) -> None:
    variables = [name for name in SPECS["main"]["options"] if name not in ("dynatrace_tokens",)]
    blanks = dict.fromkeys(variables, blank)
    options = ["enabled", "expires_in", "expiration_date", "rotate", "overlap", "retire", "token"]
    specification = {**dict.fromkeys(options, blank), **READER, "token_id": blank}
    stored = {"DYNATRACE_TOKEN_STORE": "store"}
    unnamed = {**one("unnamed"), "fact": blank}
    presets = {"dynatrace_tokens_presets": blank}
    run = ansible.play(
        role(specification, unnamed, **blanks),
        WORKS,
        revoke(**dict.fromkeys(SPECS["revoke"]["options"], blank)),
        check("not reader_secret"),
        trying(role(dynatrace_tokens=blank, **presets)),
        env=stored,
    ).succeeded()
    assert "dynatrace_tokens" in run.result("said")["msg"]
    assert "missing" in run.result("said")["msg"]
    assert environment.writes().count("DELETE") == 2


def test_false_and_zero_count_as_given(ansible: Ansible, environment: Environment) -> None:
    disabled = {**one("disabled"), "enabled": False, "overlap": 0}
    run = ansible.play(
        role(disabled, dynatrace_tokens_max_wait=0, dynatrace_tokens_allow_http=False, **STORED),
        trying(role(READER, dynatrace_tokens_timeout=0, **STORED)),
        trying(role(READER, dynatrace_tokens_validate_certs="maybe", **STORED)),
    ).succeeded()
    assert [made["enabled"] for made in environment.tokens()] == [False]
    timeout, certificates = (result["msg"] for result in run.results("said"))
    assert "timeout" in timeout
    assert "validate_certs" in certificates


def test_the_list_and_scopes_may_be_text(ansible: Ansible, environment: Environment) -> None:
    specification = """
- name: by-yaml
  scopes: "metrics.read, logs.read"
  expires_in: 90d
  fact: by_yaml
- name: by-lines
  expiration_date: 2099-01-31T12:00:00Z
  scopes: |
    metrics.read
    logs.read
"""
    by_json = json.dumps([{"name": "by-json", "scopes": '["logs.read"]'}])
    bad = [
        ("just words", "dynatrace_tokens: it is a text. Nothing was done. Give a list of"),
        ('{"name": "x"}', "dynatrace_tokens: it is a dictionary. Nothing was done. Give a list of"),
        ("- [unclosed", "dynatrace_tokens: the text is neither JSON nor YAML."),
        (
            ["x"],
            "dynatrace_tokens[0]: it is a text. Nothing was done. Give a dictionary of options",
        ),
        ([one("x", "two words")], "dynatrace_tokens[0]: scopes: 'two words' is not the name of"),
    ]
    run = ansible.play(
        role(
            dynatrace_tokens=specification,
            dynatrace_tokens_defaults='{"on_missing_secret": "ignore"}',
        ),
        role(dynatrace_tokens=by_json, **STORED),
        check("by_yaml == dynatrace_tokens_issued['by-yaml'].token"),
        *[trying(role(dynatrace_tokens=text, **STORED)) for text, _message in bad],
    ).succeeded()
    assert {made["name"]: made["scopes"] for made in environment.tokens()} == {
        "by-yaml": ["logs.read", "metrics.read"],
        "by-lines": ["logs.read", "metrics.read"],
        "by-json": ["logs.read"],
    }
    messages = [result["msg"] for result in run.results("said")]
    assert [text for (_bad, text), message in zip(bad, messages) if text not in message] == []


def test_the_store_may_come_from_the_environment_of_the_play_a_block_or_the_include(
    ansible: Ansible, environment: Environment
) -> None:
    stored = {"DYNATRACE_TOKEN_STORE": "store"}
    block = {"name": "block", "environment": stored, "block": [role(READER), WORKS]}
    applied = role(READER)
    applied["ansible.builtin.include_role"]["apply"] = {"environment": stored}
    ansible.playbook(
        [
            play(role(READER), WORKS, environment=stored, hosts="localhost"),
            play(block, applied, WORKS, hosts="localhost"),
        ]
    ).succeeded()
    assert environment.writes().count("POST") == 1


def test_a_localhost_that_is_reached_by_ssh_is_told_what_to_set(
    ansible: Ansible, environment: Environment
) -> None:
    inventory = ansible.folder / "inventory.ini"
    inventory.write_text(
        f"localhost ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=9\nh1 {PYTHON}\n"
    )
    run = ansible.playbook(
        [play(role(READER, **STORED), hosts="h1")], ["-i", str(inventory)]
    ).failed()
    assert "Set ansible_connection: local for localhost in the inventory" in run.text
    assert environment.requests() == []


def test_the_role_cannot_be_started_in_its_middle(
    ansible: Ansible, environment: Environment
) -> None:
    imported: Task = {
        "name": "imported",
        "ansible.builtin.import_role": {"name": ROLE},
        "vars": {"dynatrace_tokens": [READER], **STORED},
    }
    run = ansible.play(imported, options=["--start-at-task", "Manage the tokens"])
    assert 'No matching task "Manage the tokens" found' in run.text
    assert "can only follow static includes" in run.text
    assert environment.requests() == []
    task = "Issue the tokens of every host that takes part"
    ansible.play(imported, WORKS, options=["--start-at-task", task]).succeeded()


def test_default_lists_of_hosts_may_use_presets_and_extra_variables(
    ansible: Ansible, environment: Environment
) -> None:
    text = json.dumps(
        [
            {
                "name": "x-{{ inventory_hostname }}",
                "scopes": "{{ dynatrace_tokens_presets.logs_ingest }}",
            }
        ]
    )
    (ansible.folder / "extra.yml").write_text(
        json.dumps({"dynatrace_tokens": json.loads(text), **STORED})
    )
    ansible.playbook(
        [{"hosts": "all", "gather_facts": False, "roles": [ROLE]}],
        [*hosts("h1", "h2"), "-e", f"@{ansible.folder / 'extra.yml'}"],
    ).succeeded()
    assert {made["name"]: made["scopes"] for made in environment.tokens()} == {
        "x-h1": ["logs.ingest"],
        "x-h2": ["logs.ingest"],
    }
