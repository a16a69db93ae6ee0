# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every documented example runs."""

from __future__ import annotations

import importlib
import json
import pathlib
import re
import shlex
import subprocess
import sys
import typing as t

import pytest
import yaml

from support import stand_in
from support.guides import COLLECTIONS, plays_of, write_files
from support.key_vault import stand_in_vault
from support.runs import Ansible
from support.stand_in import Environment

ROOT = pathlib.Path(__file__).parents[2]
ROLE = ROOT / "roles" / "dynatrace_tokens"
GUIDE_EXAMPLES = {
    guide.stem: plays_of(guide.stem)
    for guide in sorted((ROOT / "docs").glob("*.md"))
    if guide.stem != "store-aws-secrets-manager"  # run where there is such a store
}
# As the user who runs the tests, with the Python that runs them.
CALLED_BY_TESTS = [
    "--extra-vars=ansible_become=false",
    f"--extra-vars=ansible_python_interpreter={sys.executable}",
]
PREFIX = "dynatrace_tokens_"
ADMIN_SCOPES = [
    "apiTokens.read",
    "apiTokens.write",
    *(f"activeGateTokenManagement.{act}" for act in ("read", "create", "write")),
    "InstallerDownload",
]
EXAMPLE_ID = "dt0c01.ST2EY72KQINMH574WMNVI7YN"
# The servers that examples name, and the variables with those of a test.
ADDRESSES = {
    "https://abc12345.live.dynatrace.com": "DYNATRACE_ENV_URL",
    "https://vault.example.com:8200": "VAULT_ADDR",
}
# So that the next example has to issue its tokens by itself, whatever their names are.
CLEAN_UP = """
- name: Delete the tokens of the last example
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Purge
      community.dynatrace.dynatrace_token_set:
        tokens: []
        store: tokens
        purge: true
        max_deletes: 99
        account_url: "{{ dynatrace_account_url }}"
"""


def account_of(environment: Environment) -> tuple[list[str], dict[str, str]]:
    """The options of a run and its environment, for examples that manage tokens of all kinds."""
    made = stand_in.account_of(environment)
    own_address = dict.fromkeys(("dynatrace_account_url", f"{PREFIX}account_url"), made.url)
    admin = environment.plant("admin", ADMIN_SCOPES)["token"]
    env = {**made.environment_variables(), "DYNATRACE_API_TOKEN": admin}
    return ["-e", json.dumps(own_address)], env


def examples(plugin: str) -> str:
    text: str = importlib.import_module(
        f"ansible_collections.community.dynatrace.plugins.{plugin}"
    ).EXAMPLES
    return text


def examples_of_the_role() -> list[str]:
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    return [specs[entry_point]["examples"] for entry_point in ("main", "revoke")]


def example_of(page: pathlib.Path) -> str:
    """The first play of a page."""
    found = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    return str(next(block for block in found if "hosts:" in block))


EXAMPLES_OF_PLUGINS = [
    examples(plugin)
    for plugin in (
        "modules.dynatrace_token",
        "lookup.api_token",
        "modules.dynatrace_token_set",
        "modules.dynatrace_token_info",
        "filter.token_findings",
        "filter.platform_scopes",
    )
]


def here(example: str) -> str:
    """The example with the servers of the test."""
    for address, variable in ADDRESSES.items():
        example = example.replace(
            address, f"\"{{{{ lookup('ansible.builtin.env', '{variable}') }}}}\""
        )
    return example


@pytest.fixture
def connections(environment: Environment) -> t.Iterator[tuple[list[str], dict[str, str]]]:
    """The options of a run and its environment, for examples of all ways to connect."""
    options, env = account_of(environment)
    client = environment.oauth_client()
    admin = environment.plant("admin", [*ADMIN_SCOPES, "TenantTokenManagement"])["token"]
    variables = {
        "vault_dynatrace_api_token": admin,
        "vault_dynatrace_client_id": client["client_id"],
        "vault_dynatrace_client_secret": client["client_secret"],
        "dynatrace_account_uuid": client["account_uuid"],
    }
    with stand_in_vault() as vault:
        own = {"DYNATRACE_API_TOKEN": admin, "VAULT_ADDR": vault.url, "VAULT_TOKEN": vault.token}
        yield [*options, "--extra-vars", json.dumps(variables)], {**env, **own}


def test_the_examples_of_the_plugins_run_twice(
    ansible: Ansible,
    environment: Environment,
    connections: tuple[list[str], dict[str, str]],
) -> None:
    made = environment.issue("example")
    everything = "".join(example * 2 + CLEAN_UP for example in EXAMPLES_OF_PLUGINS)
    run = ansible.playbook(
        here(everything).replace(EXAMPLE_ID, made["id"]), *connections
    ).succeeded()
    plays = [example.count("  hosts: ") for example in EXAMPLES_OF_PLUGINS]
    said = run.stdout.split("\nPLAY [")[1:]
    assert len(said) == 2 * sum(plays) + len(plays)
    # The first play of the module is the one that people copy.
    first, second = said[0], said[plays[0]]
    assert "changed: [" in first
    assert "changed: [" not in second
    assert "skipping: [" not in second
    assert not [secret for secret in environment.secrets() if secret in run.output]


OF_PLUGINS = [
    example_of(ROOT / "README.md"),
    example_of(ROLE / "README.md"),
    *EXAMPLES_OF_PLUGINS,
    *examples_of_the_role(),
]
OF_GUIDES = [example for found in GUIDE_EXAMPLES.values() for example in found]


@pytest.mark.parametrize("examples", [OF_PLUGINS, OF_GUIDES], ids=["plugins", "guides"])
def test_every_example_runs_in_check_mode_on_a_fresh_environment(
    ansible: Ansible,
    environment: Environment,
    connections: tuple[list[str], dict[str, str]],
    examples: list[str],
) -> None:
    write_files(ansible.folder)
    everything = "".join(examples)
    options, env = connections
    run = ansible.playbook(
        here(everything),
        ["--check", "--diff", "-i", "one,two,", "-c", "local", *CALLED_BY_TESTS, *options],
        {**env, "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS, "HANDED_OVER": str(ansible.folder)},
    ).succeeded()
    assert run.stdout.count("\nPLAY [") == everything.count("  hosts: ")
    assert environment.writes() == []
    assert not (ansible.folder / "tokens").exists()


@pytest.mark.once
def test_examples_of_different_plugins_do_not_issue_the_same_token() -> None:
    names = [names_in(example) for example in [*EXAMPLES_OF_PLUGINS, *examples_of_the_role()]]
    every_name = [name for found in names for name in found]
    assert len(every_name) > 15
    assert sorted(every_name) == sorted(set(every_name))


def names_in(example: str) -> set[str]:
    """The names of the tokens that an example issues: those that are given scopes."""
    found = re.findall(r"name: (\S+|\"[^\"]+\")\n(?:\s+(?!- )\w+:.*\n)*?\s+scopes:", example)
    return {name.strip('"') for name in found}


@pytest.mark.once
def test_the_example_of_the_readme_runs_twice(ansible: Ansible, environment: Environment) -> None:
    example = example_of(ROOT / "README.md")
    run = ansible.playbook(example * 2).succeeded()
    assert "changed=2 " in run.stdout  # in the first of both
    assert len(run.results("Use the secret, in this run and in every later run")) == 2
    assert not [secret for secret in environment.secrets() if secret in run.output]


@pytest.mark.once
def test_the_commands_of_the_readme_lead_to_a_token_in_use(
    ansible: Ansible, environment: Environment
) -> None:
    text = (ROOT / "README.md").read_text()
    (commands,) = re.findall(r"<!-- first run -->\n```console\n(.*?)```", text, re.DOTALL)
    # The environment and the admin token are those of the test.
    commands = re.sub("(?m)^export DYNATRACE_.*\n", "", commands)
    (ansible.folder / "first-token.yml").write_text(example_of(ROOT / "README.md"))
    variables = {k: v for k, v in ansible.variables().items() if "PASSWORD" not in k}
    (ansible.folder / "vault-password").unlink()
    done = subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=ansible.folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"changed=(\d)", done.stdout) == ["2", "0"]
    used = (ansible.folder / "reports.env").read_text()
    assert used.strip().removeprefix("DT_API_TOKEN=") in environment.secrets()
    assert (ansible.folder / "vault-password").stat().st_mode & 0o077 == 0
    said = done.stdout + done.stderr
    assert not [secret for secret in environment.secrets() if secret in said]


def test_the_example_of_the_role_runs_twice(ansible: Ansible, environment: Environment) -> None:
    run = ansible.playbook(
        example_of(ROLE / "README.md") * 2, ["-i", "one,two,", "-c", "local"]
    ).succeeded()
    assert len(run.results("Each host has the secrets")) == 4
    assert sorted(token["name"] for token in environment.tokens()) == [
        "agent-one",
        "agent-two",
        "metrics",
    ]


def test_the_examples_of_the_role_in_ansible_doc_run_twice(
    ansible: Ansible, environment: Environment
) -> None:
    for example in examples_of_the_role():
        options = ["-i", "one,two,", "-c", "local"]
        ansible.playbook(example + example, options).succeeded()


@pytest.mark.once
def test_the_demo_uses_the_same_token_in_both_runs_and_prints_no_secret() -> None:
    run = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "demo.py"), "-v"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    first, second = run.stdout.split("##### Second run")
    (store,) = re.findall(r"from the store: (.*)", run.stdout)
    entries = [entry.read_text() for entry in pathlib.Path(store).glob("*/*.yml")]
    assert len(entries) == 2
    assert all("$ANSIBLE_VAULT;" in entry for entry in entries)
    assert "changed=1" in first
    assert "changed=0" in second
    used = re.findall(r"Used: (dt0c01\.\w+)", run.stdout)
    assert len(used) == 2
    assert len(set(used)) == 1
    assert ".***" not in run.stdout
    assert all(
        len(word.strip("(),\"'").rpartition(".")[2]) < 64
        for word in (run.stdout + run.stderr).split()
        if "dt0c01." in word
    )


@pytest.mark.once
@pytest.mark.parametrize(
    "guide",
    # That one has a test of its own, test_use_the_token.py.
    [guide for guide, found in GUIDE_EXAMPLES.items() if found and guide != "use-the-token"],
)
def test_the_examples_of_the_guides_run_twice(
    ansible: Ansible, environment: Environment, guide: str
) -> None:
    write_files(ansible.folder)
    options, env = account_of(environment)
    run = ansible.playbook(
        "".join(example + example + CLEAN_UP for example in GUIDE_EXAMPLES[guide]), options, env
    ).succeeded()
    assert not [secret for secret in environment.secrets() if secret in run.output]
    seconds = run.stdout.partition("\nPLAY RECAP")[0].split("\nPLAY [")[2::3]
    for example, second in zip(GUIDE_EXAMPLES[guide], seconds, strict=True):
        assert "changed: [" not in second or "revoke" in example or "rotate: always" in example


def commands(guide: str) -> str:
    return "".join(re.findall(r"```console\n(.*?)```", (ROOT / guide).read_text(), re.DOTALL))


def test_the_one_liners_run_from_top_to_bottom(ansible: Ansible, environment: Environment) -> None:
    """All but what sets up the shell; the secret that was found is in its variable and in its
    file."""
    reports, found = (
        environment.issue("reports", ["metrics.read"], expirationDate="now+20d"),
        environment.issue("found"),
    )
    (ansible.folder / "found.txt").write_text(found["token"])
    of_readme, of_page = (
        re.findall(r"^ansible (.*)$", commands(guide), re.MULTILINE)
        for guide in ("README.md", "docs/ad-hoc.md")
    )
    assert len(of_readme) >= 2
    assert len(of_page) >= 13
    shown = []
    for command in [
        *of_readme,
        "localhost -m community.dynatrace.dynatrace_token -a 'name=ci state=absent'",
        *of_page,
    ]:
        arguments = [
            argument.replace(EXAMPLE_ID, reports["id"]) for argument in shlex.split(command)
        ]
        run = ansible.command("ansible", *arguments, env={"FOUND": found["token"]}).succeeded()
        if [secret for secret in environment.secrets() if secret in run.output]:
            shown.append(command)
    assert len(shown) == 3
    assert all("reveal=true" in command or "builtin.debug" in command for command in shown)
    assert (
        json.loads((ansible.folder / "report" / "localhost").read_text())["tokens"][0]["id"]
        == reports["id"]
    )
    assert sorted(token["name"] for token in environment.tokens()) == ["found", "trial"]
