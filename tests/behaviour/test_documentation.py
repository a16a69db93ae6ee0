# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every place that lists options lists the same ones, and what the README says is there."""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

import pytest
import yaml
from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    CALLER_OPTIONS,
    CONNECTION_ENVIRONMENT,
    CONNECTION_OPTIONS,
    LOOKUP_OPTIONS,
    STORE_ENVIRONMENT,
)

from support.runs import Ansible
from support.stand_in import Environment

ROOT = pathlib.Path(__file__).parents[2]
ROLE = ROOT / "roles" / "dynatrace_tokens"


def role_options(entry_point: str = "main") -> dict[str, dict[str, t.Any]]:
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())
    options: dict[str, dict[str, t.Any]] = specs["argument_specs"][entry_point]["options"]
    return options


def bare(option: dict[str, t.Any]) -> dict[str, t.Any]:
    """What an option is, without its description and without what its name already says."""
    return {
        key: value
        for key, value in option.items()
        if key in ("type", "elements", "choices", "default") or (key == "no_log" and value)
    }


@pytest.mark.once
def test_the_readme_has_whole_addresses_and_those_into_the_repository_exist() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert [target for target in targets if not target.startswith("https://")] == []
    here = "https://github.com/ansible-collections/community.dynatrace/blob/main/"
    files = [target.removeprefix(here) for target in targets if target.startswith(here)]
    assert len(files) > 20
    assert [file for file in files if not (ROOT / file.partition("#")[0]).exists()] == []


@pytest.mark.once
def test_the_collection_installs_from_a_checkout_without_what_only_its_developers_need(
    ansible: Ansible,
) -> None:
    ansible.command(
        "ansible-galaxy", "collection", "install", str(ROOT), "-p", "installed", "--force"
    ).succeeded()
    installed = ansible.folder / "installed" / "ansible_collections" / "community" / "dynatrace"
    names = {path.name for path in installed.iterdir()}
    assert {
        "plugins",
        "roles",
        "playbooks",
        "meta",
        "README.md",
        "COPYING",
        "LICENSES",
        "MANIFEST.json",
    } <= names
    assert not names & {".venv", ".git", ".ci", ".pytest_cache"}


def test_the_playbook_that_issues_tokens_needs_variables_alone(
    ansible: Ansible, environment: Environment
) -> None:
    variables = ansible.folder / "variables.yml"
    variables.write_text(
        yaml.safe_dump(
            {
                "dynatrace_tokens": [
                    {"name": "ci", "scopes": ["logs.read"], "on_missing_secret": "ignore"}
                ]
            }
        )
    )
    run = ansible.command(
        "ansible-playbook", "community.dynatrace.issue_tokens", "-e", f"@{variables}"
    ).succeeded()
    assert "created, scopes logs.read" in run.stdout
    assert [token["name"] for token in environment.tokens()] == ["ci"]


# What the role hands on besides the connection.
STORE = {"store": {"type": "raw"}}


ROLE_OWN = (
    "dynatrace_tokens",
    "dynatrace_tokens_defaults",
    "dynatrace_tokens_hand_over",
    "dynatrace_tokens_presets",
)


@pytest.mark.once
def test_the_role_takes_every_connection_option_and_hands_it_on() -> None:
    options = {name: option for name, option in role_options().items() if name not in ROLE_OWN}
    handed_on = {**CONNECTION_OPTIONS, **STORE}
    assert set(options) == {f"dynatrace_tokens_{name}" for name in handed_on}
    assert role_options("revoke") == options
    secret = {name for name, option in options.items() if option.get("no_log")}
    assert secret == {
        f"dynatrace_tokens_{name}"
        for name, option in CONNECTION_OPTIONS.items()
        if option.get("no_log")
    }
    variables = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
    assert variables["__dynatrace_tokens_options"] == {
        name: f"{{{{ dynatrace_tokens_{name} | default(none) }}}}" for name in handed_on
    }


@pytest.mark.once
def test_no_option_of_the_role_is_checked_by_ansible_which_refuses_what_is_blank() -> None:
    for entry_point in ("main", "revoke"):
        for option in role_options(entry_point).values():
            assert option["type"] == "raw"
            assert not {"choices", "elements", "options"} & set(option)


def without_no_log(options: t.Mapping[str, dict[str, t.Any]]) -> dict[str, dict[str, t.Any]]:
    return {
        name: {key: value for key, value in bare(option).items() if key != "no_log"}
        for name, option in options.items()
    }


def test_the_lookup_documents_the_options_of_the_table_and_where_they_come_from(
    ansible: Ansible,
) -> None:
    said = (
        ansible.command("ansible-doc", "-t", "lookup", "-j", "community.dynatrace.api_token")
        .succeeded()
        .stdout
    )
    documented = json.loads(said)["community.dynatrace.api_token"]["doc"]["options"]
    del documented["_terms"]
    assert {name: bare(option) for name, option in documented.items()} == without_no_log(
        LOOKUP_OPTIONS
    )
    for name, variables in {**CONNECTION_ENVIRONMENT, **STORE_ENVIRONMENT}.items():
        # Of several variables that are set, Ansible takes the last.
        assert tuple(variable["name"] for variable in documented[name]["env"]) == variables[::-1]
    assert all(
        "ini" in documented[name] for name in CONNECTION_OPTIONS if name not in CALLER_OPTIONS
    )
