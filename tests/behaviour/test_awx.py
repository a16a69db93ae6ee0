# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ready files for AWX: what configure.yml asks of AWX, and the jobs of it, run as AWX runs
them.
"""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import typing as t

import pytest
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from support.key_vault import KeyVault, key_vault
from support.leaks import leaks
from support.runs import Ansible, Run
from support.stand_in import Environment

ROOT = pathlib.Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "awx"
MODULES = (
    "credential_type",
    "credential",
    "execution_environment",
    "project",
    "inventory",
    "job_template",
    "schedule",
)

# Stands in for each of the modules of awx.awx: notes what it was given, and changes nothing.
RECORDER = """
from __future__ import annotations
import json, os
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        with open(os.environ["AWX_RECORD"], "a") as file:
            print(json.dumps([self._task.action, self._task.args], default=str), file=file)
        return {"changed": False}
"""

Given = dict[str, t.Any]


@pytest.fixture
def vault() -> t.Iterator[KeyVault]:
    with key_vault() as running:
        yield running


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, server: Environment) -> dict[str, list[Given]]:
    """What configure.yml gives to each module, in order."""
    ansible = Ansible(tmp_path_factory.mktemp("configure"), server)
    plugins = ansible.folder / "collections" / "ansible_collections" / "awx" / "awx" / "plugins"
    for folder, content in (("action", RECORDER), ("modules", "")):
        (plugins / folder).mkdir(parents=True)
        for name in MODULES:
            (plugins / folder / f"{name}.py").write_text(content)
    record = ansible.folder / "asked.jsonl"
    env = {
        "ANSIBLE_COLLECTIONS_PATH": str(ansible.folder / "collections"),
        "AWX_RECORD": str(record),
    }
    ansible.command("ansible-playbook", str(GUIDE / "configure.yml"), env=env).succeeded()
    calls: dict[str, list[Given]] = {name: [] for name in MODULES}
    for action, given in map(json.loads, record.read_text().splitlines()):
        calls[action.rpartition(".")[2]].append(given)
    return calls


def injected(
    credential_type: Given, inputs: dict[str, str], strict: bool = False
) -> dict[str, str]:
    """The variables that AWX puts into the environment of a job: each template rendered with the
    inputs that are not empty.
    """
    given = {name: value for name, value in inputs.items() if value}
    jinja = ImmutableSandboxedEnvironment(**({"undefined": StrictUndefined} if strict else {}))
    return {
        name: jinja.from_string(template).render(given)
        for name, template in credential_type["injectors"]["env"].items()
    }


def by_name(given: list[Given], name: str) -> Given:
    return next(one for one in given if one["name"] == name)


def environment_inputs(environment: Environment) -> dict[str, str]:
    return {"environment_url": environment.url, "api_token": environment.api_token}


def answers(template: Given, **given: str) -> Given:
    """What a job gets from its survey: the answers given, else the defaults of its questions."""
    questions = template["survey_spec"]["spec"]
    return {
        question["variable"]: given.get(question["variable"], question.get("default"))
        for question in questions
    }


class Jobs:
    """Starts jobs from job templates, each in a folder that is new, as AWX does with a container
    for each.
    """

    def __init__(self, ansible: Ansible, variables: dict[str, str]) -> None:
        self.ansible, self.variables, self.folders = ansible, variables, list[pathlib.Path]()

    def start(self, template: Given, survey: Given | None = None) -> Run:
        folder = self.ansible.folder / f"job{len(self.folders)}"
        self.folders.append(folder)
        shutil.copytree(GUIDE / "project", folder / "project")
        (folder / "env").mkdir()
        (folder / "env" / "envvars").write_text(json.dumps(self.variables))
        (folder / "env" / "extravars").write_text(
            json.dumps({**template.get("extra_vars", {}), **(survey or {})})
        )
        (folder / "inventory").mkdir()
        (folder / "inventory" / "hosts").write_text("")
        without = dict.fromkeys(
            ("DYNATRACE_ENV_URL", "DYNATRACE_API_TOKEN", "ANSIBLE_VAULT_PASSWORD_FILE")
        )
        command = [
            "ansible-runner",
            "run",
            str(folder),
            "-p",
            template["playbook"],
            "--ident",
            "job",
            "-v",
        ]
        run = self.ansible.command(*command, env=without)
        # What AWX itself hands to the runner, and keeps encrypted or in the memory of the job's
        # container.
        (folder / "env" / "envvars").unlink()
        (folder / "artifacts" / "job" / "command").unlink()
        return run

    def play(self, template: Given, survey: Given | None = None) -> Run:
        """The same without the runner, which takes a third of the time."""
        variables = json.dumps({**template.get("extra_vars", {}), **(survey or {})})
        return self.ansible.command(
            "ansible-playbook",
            str(GUIDE / "project" / template["playbook"]),
            "-e",
            variables,
            env=self.variables,
        )

    def leaks(self, run: Run, secrets: list[str]) -> list[str]:
        folder = self.folders[-1]
        assert len(list((folder / "artifacts" / "job" / "job_events").iterdir())) > 5
        return leaks(run, folder, secrets)


def test_the_credential_types_are_what_awx_takes(asked: dict[str, list[Given]]) -> None:
    assert len(asked["credential_type"]) == 2
    for given in asked["credential_type"]:
        assert given["kind"] == "cloud"
        fields = {field["id"]: field for field in given["inputs"]["fields"]}
        assert set(given["inputs"]["required"]) <= set(fields)
        assert {name for name, field in fields.items() if field.get("secret")} == {
            name for name in fields if re.search(r"token$|secret(_id)?$", name)
        }
        # AWX tries each template with all fields, allows none that is missing, and takes no
        # variable of Ansible's own.
        rendered = injected(given, dict.fromkeys(fields, "EXAMPLE"), strict=True)
        assert all("EXAMPLE" in value and value.isascii() for value in rendered.values())
        assert not [name for name in rendered if name.startswith("ANSIBLE_")]


def test_the_job_templates_use_what_there_is(asked: dict[str, list[Given]]) -> None:
    types = {given["name"] for given in asked["credential_type"]}
    assert {given["credential_type"] for given in asked["credential"]} == types
    credentials = {given["name"] for given in asked["credential"]}
    templates = {given["name"] for given in asked["job_template"]}
    assert len(templates) == 3
    for given in asked["job_template"]:
        assert (GUIDE / "project" / given["playbook"]).is_file()
        assert set(given["credentials"]) == credentials
        assert given["survey_enabled"] is ("survey_spec" in given)
    assert {given["unified_job_template"] for given in asked["schedule"]} < templates


def test_a_token_that_is_asked_for_in_a_survey_is_issued_once(
    ansible: Ansible, environment: Environment, vault: KeyVault, asked: dict[str, list[Given]]
) -> None:
    variables = {
        **injected(
            by_name(asked["credential_type"], "Dynatrace environment"),
            environment_inputs(environment),
        ),
        **injected(
            by_name(asked["credential_type"], "Dynatrace token store"),
            {
                "vault_url": vault.url,
                "vault_role_id": vault.role_id,
                "vault_secret_id": vault.secret_id,
            },
        ),
    }
    template = by_name(asked["job_template"], "Dynatrace - issue a token")
    survey = answers(template, token_name="from-awx", token_scopes="metrics.read\nlogs.read")
    jobs = Jobs(ansible, variables)

    first = jobs.start(template, survey).succeeded()
    assert "created, scopes logs.read, metrics.read, expires 20" in first.stdout
    secrets = [*environment.secrets(), vault.secret_id, *vault.client_tokens]
    assert jobs.leaks(first, secrets) == []

    vault.requests.clear()
    environment.forget_requests()
    second = jobs.play(template, survey).succeeded()
    assert "unchanged, scopes logs.read, metrics.read" in second.stdout
    assert "changed=0" in second.stdout
    assert (environment.writes(), [method for method in vault.methods() if method != "GET"]) == (
        [],
        [],
    )
    assert leaks(second, ansible.folder, [*secrets, *vault.client_tokens]) == []
    assert [token["name"] for token in environment.tokens()] == ["from-awx"]


def test_the_job_on_a_schedule_keeps_the_tokens_of_its_list(
    ansible: Ansible, environment: Environment, vault: KeyVault, asked: dict[str, list[Given]]
) -> None:
    variables = {
        **injected(
            by_name(asked["credential_type"], "Dynatrace environment"),
            environment_inputs(environment),
        ),
        **injected(
            by_name(asked["credential_type"], "Dynatrace token store"),
            {"vault_url": vault.url, "vault_token": vault.token},
        ),
    }
    jobs = Jobs(ansible, variables)
    keep, audit = (
        by_name(asked["job_template"], f"Dynatrace - {name}")
        for name in ("keep the tokens", "audit")
    )

    jobs.play(keep).succeeded()
    environment.set_clock("now+80d")
    assert "nothing replaces them" in jobs.play(audit, answers(audit)).failed().stdout
    rotated = jobs.start(keep).succeeded()
    assert len(re.findall(r": rotated, scopes", rotated.stdout)) == 2
    assert jobs.leaks(rotated, [*environment.secrets(), vault.token]) == []
    assert (
        len(environment.tokens("reports")) == 2
    )  # the old one is usable as long as the overlap lasts
    jobs.play(audit, answers(audit)).succeeded()


def test_an_environment_is_reached_with_an_oauth_client_too(
    asked: dict[str, list[Given]], environment: Environment
) -> None:
    inputs = {
        "environment_url": environment.url,
        "oauth_client_id": "dt0s02.ABC",
        "oauth_client_secret": "s",
        "account_uuid": "u",
    }
    rendered = injected(by_name(asked["credential_type"], "Dynatrace environment"), inputs)
    assert rendered == {
        "DYNATRACE_ENV_URL": environment.url,
        "DYNATRACE_API_TOKEN": "",  # as if it were not set
        "DT_CLIENT_ID": "dt0s02.ABC",
        "DT_CLIENT_SECRET": "s",
        "DT_ACCOUNT_ID": "u",
    }


def test_the_execution_environment_is_defined_and_gets_what_the_collection_needs(
    ansible: Ansible,
) -> None:
    definition = str(GUIDE / "execution-environment.yml")
    ansible.command("ansible-builder", "create", "-f", definition, "-c", "context").succeeded()
    steps = next((ansible.folder / "context").glob("*file")).read_text()
    assert "ansible-galaxy collection install" in steps
    link = ansible.folder / "installed" / "ansible_collections" / "community" / "dynatrace"
    link.parent.mkdir(parents=True)
    link.symlink_to(ROOT)
    needed = ansible.command("ansible-builder", "introspect", "installed").succeeded().stdout
    assert [
        package
        for package in ("requests", "hvac")
        if f"{package}  # from collection community.dynatrace" in needed
    ] == [
        "requests",
        "hvac",
    ]
