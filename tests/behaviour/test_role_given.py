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
from ansible.vars.reserved import get_reserved_names

from support.roles import PYTHON, ROLE, STORED, hosts, one, play, revoke, role, trying
from support.runs import Ansible, Task, check
from support.stand_in import Environment

FILES = pathlib.Path(__file__).parents[2] / "roles" / "dynatrace_tokens"
SPECS = yaml.safe_load((FILES / "meta" / "argument_specs.yml").read_text())["argument_specs"]
# Variables that Ansible itself sets for each task, and words of Jinja.
ANSIBLES = {"hostvars", "inventory_hostname", "omit", "groups", "none", "true", "false", "item"}
READER = one("reader", "apiTokens.read", fact="reader_secret")
WORKS = check(
    "reader_secret == dynatrace_tokens_issued.reader.token",
    "reader_secret.startswith(dynatrace_tokens_issued.reader.id ~ '.')",
    "dynatrace_tokens_issued.reader.scopes == ['apiTokens.read']",
)


def planted() -> dict[str, str]:
    """Every name in the files of the role that lacks its prefix, and names of 1.0.0."""
    text = "\n".join(path.read_text() for path in FILES.glob("[tv]a*/*.yml"))
    names = set(re.findall(r"[A-Za-z_]\w*", re.sub(r"#.*", "", text)))
    names |= {"result", "results", "found", "known", "created", "facts", "tokens", "store", "hosts"}
    own = {name for name in names if "dynatrace_tokens" in name}
    kept = own | ANSIBLES | set(keyword.kwlist) | set(get_reserved_names())
    return dict.fromkeys(sorted(names - kept), "planted")


def test_no_name_of_the_caller_matters(ansible: Ansible, environment: Environment) -> None:
    names = planted()
    assert {"facts", "path", "wanted", "tokens", "leaders"} & set(names)
    inventory = ansible.folder / "inventory.ini"
    host_variables = " ".join(f"{name}=planted" for name in names)
    inventory.write_text(
        f"h1 {PYTHON} {host_variables}".replace("{{ansible_playbook_python}}", "x")
    )
    extra = ansible.folder / "extra.yml"
    extra.write_text(json.dumps(names))
    registered = [
        {"name": name, "ansible.builtin.debug": {}, "register": name}
        for name in ("result", "found", "known", "created", "tokens", "item")
    ]
    elsewhere = {"environment_url": "http://127.0.0.1:9", "api_token": "planted"}
    defaults = {
        "group/community.dynatrace.dynatrace": elsewhere,
        "community.dynatrace.dynatrace_token": elsewhere,
        "community.dynatrace.dynatrace_token_set": elsewhere,
        "community.dynatrace.dynatrace_tokens_step": {"entry": "revoke"},
    }
    everything = [
        *registered,
        role(READER, **STORED),
        WORKS,
        {"name": "set", "ansible.builtin.set_fact": names},
        {"name": "block", "vars": names, "block": [role(READER, **STORED, **names), WORKS]},
        revoke(**STORED, **names),
        check("not reader_secret", "not dynatrace_tokens_issued.reader.token"),
        role(READER, **STORED),
        WORKS,
    ]
    ansible.playbook(
        [play(*everything, vars=names, module_defaults=defaults)],
        ["-i", str(inventory), "-e", f"@{extra}"],
    ).succeeded()
    assert environment.writes().count("POST") == 2
    assert environment.writes().count("DELETE") == 1


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
