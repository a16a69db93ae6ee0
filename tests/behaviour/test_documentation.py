# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every documented example runs, and every place that lists options lists the same ones."""

from __future__ import annotations

import importlib
import pathlib
import subprocess
import sys
import typing as t

import pytest
import yaml
from ansible_collections.community.dynatrace.plugins.doc_fragments.connection import ModuleDocFragment
from ansible_collections.community.dynatrace.plugins.module_utils._options import CONNECTION_OPTIONS, TOKEN_SPECIFICATION_OPTIONS

from support.runs import Ansible
from support.stand_in import Environment

ROOT = pathlib.Path(__file__).parents[2]
ROLE = ROOT / "roles" / "dynatrace_tokens"
EXAMPLE_ID = "dt0c01.ST2EY72KQINMH574WMNVI7YN"


def examples(module: str) -> str:
    text: str = importlib.import_module(f"ansible_collections.community.dynatrace.plugins.modules.{module}").EXAMPLES
    return text


def role_options() -> dict[str, dict[str, t.Any]]:
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())
    options: dict[str, dict[str, t.Any]] = specs["argument_specs"]["main"]["options"]
    return options


def bare(option: dict[str, t.Any]) -> dict[str, t.Any]:
    """What an option is, without its description and without what its name already says."""
    return {key: value for key, value in option.items() if key in ("type", "elements", "choices", "default") or (key == "no_log" and value)}


@pytest.mark.parametrize("module", ["dynatrace_token", "dynatrace_token_info"])
def test_the_examples_of_a_module_run(ansible: Ansible, environment: Environment, module: str) -> None:
    made = environment.issue("example")
    run = ansible.playbook(examples(module).replace(EXAMPLE_ID, made["id"])).succeeded()
    assert "failed=0" in run.stdout


def test_the_example_of_the_readme_runs_twice(ansible: Ansible, environment: Environment) -> None:
    readme = (ROOT / "README.md").read_text()
    example = readme.partition("<!-- example -->\n```yaml\n")[2].partition("```")[0]
    assert "hosts:" in example
    for changed in ("changed=1", "changed=0"):
        assert changed in ansible.playbook(example).succeeded().stdout
    assert not [secret for secret in environment.secrets() if secret in ansible.playbook(example).output]


def test_the_example_of_the_role_runs(ansible: Ansible, environment: Environment) -> None:
    example = (ROLE / "README.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    run = ansible.playbook(example, ["-i", "one,two,", "-c", "local"]).succeeded()
    assert len(run.results("Each host has the secrets")) == 2
    assert sorted(token["name"] for token in environment.tokens()) == ["metrics", "oneagent-install"]


def test_the_collection_installs_from_a_checkout_without_what_only_its_developers_need(ansible: Ansible) -> None:
    ansible.command("ansible-galaxy", "collection", "install", str(ROOT), "-p", "installed", "--force").succeeded()
    installed = ansible.folder / "installed" / "ansible_collections" / "community" / "dynatrace"
    names = {path.name for path in installed.iterdir()}
    assert {"plugins", "roles", "playbooks", "meta", "README.md", "COPYING", "LICENSES", "MANIFEST.json"} <= names
    assert not names & {".venv", ".git", ".ci", ".pytest_cache"}


def test_the_playbook_that_issues_tokens_needs_variables_alone(ansible: Ansible, environment: Environment) -> None:
    variables = ansible.folder / "variables.yml"
    variables.write_text(yaml.safe_dump({"dynatrace_tokens": [{"name": "ci", "scopes": ["logs.read"], "on_missing_secret": "ignore"}]}))
    run = ansible.command("ansible-playbook", "community.dynatrace.issue_tokens", "-e", f"@{variables}").succeeded()
    assert "created, scopes logs.read" in run.stdout
    assert [token["name"] for token in environment.tokens()] == ["ci"]


def test_the_demo_runs_and_prints_no_secret() -> None:
    run = subprocess.run([sys.executable, str(ROOT / "tests" / "demo.py"), "-v"], capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "The secrets were never printed." in run.stdout
    assert ".***" not in run.stdout
    assert all(len(word.strip("(),\"'").rpartition(".")[2]) < 64 for word in (run.stdout + run.stderr).split() if "dt0c01." in word)


def test_the_role_takes_the_options_of_the_module() -> None:
    specification = dict(role_options()["dynatrace_tokens"]["options"])
    assert specification.pop("fact")["type"] == "str"
    assert specification["name"].pop("required") is True
    assert {name: bare(option) for name, option in specification.items()} == {
        name: bare(option) for name, option in TOKEN_SPECIFICATION_OPTIONS.items()
    }


def test_the_role_takes_every_connection_option_and_hands_it_on() -> None:
    tasks = (ROLE / "tasks" / "main.yml").read_text()
    own = {name: bare(option) for name, option in role_options().items() if name != "dynatrace_tokens"}
    # The role hands on what it was given and leaves every default to the module.
    shared = {name: {key: value for key, value in bare(option).items() if key != "default"} for name, option in CONNECTION_OPTIONS.items()}
    assert own == {f"dynatrace_tokens_{name}": option for name, option in shared.items()}
    for name in CONNECTION_OPTIONS:
        assert f'{name}: "{{{{ dynatrace_tokens_{name} | default(omit) }}}}"' in tasks
    for name in set(TOKEN_SPECIFICATION_OPTIONS) - {"name"}:
        assert f'{name}: "{{{{ dynatrace_tokens[item].{name} | default(omit) }}}}"' in tasks


def test_the_connection_fragment_documents_the_options_of_the_table() -> None:
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    undocumented = {
        name: {key: value for key, value in bare(option).items() if key != "no_log"} for name, option in CONNECTION_OPTIONS.items()
    }
    assert {name: bare(option) for name, option in documented.items()} == undocumented
