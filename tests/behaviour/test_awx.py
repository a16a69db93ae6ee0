# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ready files for AWX: what configure.yml asks of AWX, and the jobs of it, run as AWX runs
them.
"""

from __future__ import annotations

import copy
import json
import pathlib
import re
import shutil
import subprocess
import typing as t

import pytest
import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment

from support.awx import OPTIONS, Awx, Given, Refused, launch
from support.key_vault import KeyVault, key_vault
from support.leaks import leaks, places_of
from support.runs import Ansible, Run
from support.stand_in import Environment

ROOT = pathlib.Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "awx"
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


@pytest.fixture
def vault() -> t.Iterator[KeyVault]:
    with key_vault() as running:
        yield running


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory, server: Environment) -> list[tuple[str, Given]]:
    """What configure.yml gives to the modules of awx.awx, in order."""
    ansible = Ansible(tmp_path_factory.mktemp("configure"), server)
    plugins = ansible.folder / "collections" / "ansible_collections" / "awx" / "awx" / "plugins"
    for folder, content in (("action", RECORDER), ("modules", "")):
        (plugins / folder).mkdir(parents=True)
        for name in OPTIONS:
            (plugins / folder / f"{name}.py").write_text(content)
    record = ansible.folder / "asked.jsonl"
    env = {
        "ANSIBLE_COLLECTIONS_PATH": str(ansible.folder / "collections"),
        "AWX_RECORD": str(record),
    }
    ansible.command("ansible-playbook", str(GUIDE / "configure.yml"), env=env).succeeded()
    asked = map(json.loads, record.read_text().splitlines())
    return [(action.rpartition(".")[2], given) for action, given in asked]


@pytest.fixture(scope="module")
def asked(calls: list[tuple[str, Given]]) -> dict[str, list[Given]]:
    """The same by module, none of them refused by AWX."""
    return accepted(calls)


def accepted(calls: list[tuple[str, Given]]) -> dict[str, list[Given]]:
    """:raises Refused: if AWX refuses one of them."""
    awx = Awx()
    for module, given in calls:
        awx.take(module, given)
    return awx.calls


def injected(credential_type: Given, inputs: dict[str, str]) -> dict[str, str]:
    """The variables that AWX puts into the environment of a job: each template rendered with the
    inputs that are not empty.
    """
    given = {name: value for name, value in inputs.items() if value}
    return {
        name: ImmutableSandboxedEnvironment().from_string(template).render(given)
        for name, template in credential_type["injectors"]["env"].items()
    }


def by_name(given: list[Given], name: str) -> Given:
    return next(one for one in given if one["name"] == name)


def environment_inputs(environment: Environment) -> dict[str, str]:
    return {"environment_url": environment.url, "api_token": environment.api_token}


class Jobs:
    """Starts jobs from job templates, each in a folder that is new, as AWX does with a container
    for each.
    """

    def __init__(self, ansible: Ansible, variables: dict[str, str]) -> None:
        self.ansible, self.variables, self.folders = ansible, variables, list[pathlib.Path]()

    def start(self, template: Given, variables: Given) -> Run:
        folder = self.ansible.folder / f"job{len(self.folders)}"
        self.folders.append(folder)
        shutil.copytree(GUIDE / "project", folder / "project")
        (folder / "env").mkdir()
        (folder / "env" / "envvars").write_text(json.dumps(self.variables))
        (folder / "env" / "extravars").write_text(json.dumps({**variables, "awx_job_id": 1}))
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
        return self.ansible.command(*command, env=without)

    def play(self, template: Given, variables: Given) -> Run:
        """The same without the runner, which takes a third of the time."""
        return self.ansible.command(
            "ansible-playbook",
            str(GUIDE / "project" / template["playbook"]),
            "-e",
            json.dumps({**variables, "awx_job_id": 1}),
            env=self.variables,
        )

    def events(self) -> list[Given]:
        """What the last job left for AWX."""
        folder = self.folders[-1] / "artifacts" / "job" / "job_events"
        return [json.loads(file.read_text()) for file in folder.glob("*.json")]

    def artifacts(self) -> Given:
        """What AWX keeps in the artifacts of the last job, and hands on in a workflow."""
        stats = next(one for one in self.events() if one["event"] == "playbook_on_stats")
        artifacts: Given = stats["event_data"]["artifact_data"]
        return artifacts


def test_fields_of_credentials_that_hold_a_secret_are_marked_secret(
    asked: dict[str, list[Given]],
) -> None:
    assert len(asked["credential_type"]) == 2
    for given in asked["credential_type"]:
        fields = given["inputs"]["fields"]
        assert set(given["inputs"]["required"]) <= {field["id"] for field in fields}
        assert {field["id"] for field in fields if field.get("secret")} == {
            field["id"] for field in fields if re.search(r"token$|secret(_id)?$", field["id"])
        }


def require_an_answer(given: Given) -> None:
    given["survey_spec"]["spec"][0]["required"] = True


def inject_what_is_no_field(given: Given) -> None:
    given["injectors"]["env"]["X"] = "{{ no_field }}"


def inject_what_ansible_reads(given: Given) -> None:
    given["injectors"]["env"]["ANSIBLE_X"] = "x"


def misspell_a_key_of_a_field(given: Given) -> None:
    given["inputs"]["fields"][0]["helptext"] = "x"


def give_what_is_no_input(given: Given) -> None:
    given["inputs"]["x"] = "x"


def give_what_is_no_option(given: Given) -> None:
    given["fact_cache"] = False


def answer_what_is_not_asked(given: Given) -> None:
    given["extra_data"] = {"x": 1}


def leave_out_the_interval(given: Given) -> None:
    given["rrule"] = given["rrule"].replace(";INTERVAL=1", "")


@pytest.mark.parametrize(
    ("module", "change", "said"),
    [
        ("job_template", require_an_answer, "variables_needed_to_start.* value missing"),
        ("job_template", give_what_is_no_option, "Unsupported parameters"),
        ("credential_type", inject_what_is_no_field, "uses an undefined field"),
        ("credential_type", inject_what_ansible_reads, "may affect Ansible configuration"),
        ("credential_type", misspell_a_key_of_a_field, "Schema validation error"),
        ("credential", give_what_is_no_input, "Additional properties"),
        ("schedule", answer_what_is_not_asked, "not allowed on launch"),
        ("schedule", leave_out_the_interval, "INTERVAL required"),
    ],
)
@pytest.mark.once
def test_the_stand_in_for_awx_refuses_what_awx_refuses(
    calls: list[tuple[str, Given]], module: str, change: t.Callable[[Given], None], said: str
) -> None:
    changed = copy.deepcopy(calls)
    change([given for name, given in changed if name == module][-1])
    with pytest.raises(Refused, match=said):
        accepted(changed)


@pytest.mark.once
def test_a_job_without_an_answer_that_is_required_or_with_one_too_many_is_refused(
    asked: dict[str, list[Given]],
) -> None:
    template = by_name(asked["job_template"], "Dynatrace - issue a token")
    with pytest.raises(Refused, match="'token_name' value missing"):
        launch(template, {"token_scopes": "metrics.read"})
    given = {"token_name": "a", "token_scopes": "metrics.read", "token_expires_in": "90d"}
    with pytest.raises(Refused, match="not allowed on launch"):
        launch(template, {**given, "x": "y"})


@pytest.mark.once
def test_jobs_run_the_release_that_the_collection_is() -> None:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    image = yaml.safe_load((GUIDE / "execution-environment.yml").read_text())
    project = yaml.safe_load((GUIDE / "project" / "collections" / "requirements.yml").read_text())
    pinned = [*image["dependencies"]["galaxy"]["collections"], *project["collections"]]
    assert [collection["version"] for collection in pinned] == [version, version]


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
        assert given["use_fact_cache"] is False  # or AWX would keep ansible_env of the jobs
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
    answers = {"token_name": "from-awx", "token_scopes": "metrics.read\nlogs.read"}
    job = launch(template, {**answers, "token_expires_in": "90d"})
    jobs = Jobs(ansible, variables)

    first = jobs.play(template, job).succeeded()
    assert "created, scopes logs.read, metrics.read, expires 20" in first.stdout
    secrets = [*environment.secrets(), vault.secret_id, *vault.client_tokens]
    assert leaks(first, ansible.folder, secrets) == []
    [path] = [path for path in vault.stored() if path.endswith("/from-awx")]
    # As the guide says for AWX's own credential "HashiCorp Vault Secret Lookup".
    assert path.startswith("dynatrace/")
    entry = vault.stored()[path]
    assert entry is not None
    assert entry["token"] in environment.secrets()

    vault.requests.clear()
    environment.forget_requests()
    second = jobs.play(template, {**job, "token_expires_in": ""}).succeeded()
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

    jobs.play(keep, launch(keep, {})).succeeded()
    environment.set_clock("now+80d")
    # The audit goes by the clock of this machine.
    soon = {"dynatrace_audit_ending_days": 100}
    page = ansible.folder / "page.html"
    ending = jobs.play(audit, launch(audit, {**soon, "dynatrace_audit_html": str(page)})).failed()
    assert "2 tokens expire within 100 days, and nothing replaces them" in ending.text
    assert "reports" in page.read_text()

    rotated = jobs.start(keep, launch(keep, {})).succeeded()
    assert len(re.findall(r": rotated, scopes", rotated.stdout)) == 2
    assert len(jobs.events()) > 5
    secrets = [*environment.secrets(), vault.token]
    # What the runner was given, and what it says that it was given. AWX keeps neither.
    given = ["artifacts/job/command", "env/envvars"]
    assert places_of(rotated, jobs.folders[-1], secrets) == {
        environment.api_token: given,
        vault.token: given,
    }
    # The old one is usable as long as the overlap lasts.
    assert len(environment.tokens("reports")) == 2
    unanswered = {question["variable"]: "" for question in audit["survey_spec"]["spec"]}
    jobs.start(audit, {**unanswered, **soon, "dynatrace_audit_fail": "true"}).succeeded()
    artifacts = jobs.artifacts()
    assert list(artifacts) == ["dynatrace_audit"]
    assert artifacts["dynatrace_audit"]["findings"]["retiring"] == 2
    assert list((jobs.folders[-1] / "project").glob("dynatrace-tokens*")) == []
    assert [one for one in secrets if one in json.dumps(artifacts)] == []


@pytest.mark.once
def test_the_guide_as_it_stands_takes_a_new_user_to_a_rotated_token(
    ansible: Ansible, environment: Environment
) -> None:
    guide = (ROOT / "docs" / "awx.md").read_text()
    section = guide.partition("## Try it without AWX\n")[2].partition("\n## ")[0]
    _start, *steps, _clean_up = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    script = "".join(steps)
    for said, here in (
        (". .venv/newest/bin/activate\n", ""),
        ("http://127.0.0.1:8080", environment.url),
        ("DYNATRACE_API_TOKEN=...", f"DYNATRACE_API_TOKEN={environment.api_token}"),
    ):
        assert script.count(said) == 1
        script = script.replace(said, here)
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=ROOT,
        env={**ansible.variables(), "TMPDIR": str(ansible.folder / "tmp")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r'"reports \(\S+: (\w+), scopes', done.stdout) == [
        "created",
        "unchanged",
        "rotated",
        "unchanged",
    ]
    assert done.stdout.count('"disable_date": "') == 1
    assert len(environment.tokens("reports")) == 2
    events = "".join(
        file.read_text() for file in ansible.folder.glob("tmp/tmp.*/artifacts/*/job_events/*.json")
    )
    assert "rotated, scopes" in events
    run = Run(done.returncode, done.stdout, done.stderr, [])
    assert leaks(run, ansible.folder / "tmp", environment.secrets()) == []


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
