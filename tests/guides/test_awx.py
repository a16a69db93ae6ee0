# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs of AWX: the playbooks of docs/awx, run as AWX runs them, with what AWX gives to them."""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import json
import pathlib
import re
import shutil
import subprocess
import threading
import typing as t

import pytest
import requests
import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment

from support import stand_in
from support.awx import Given, launch
from support.key_vault import KeyVault, key_vault
from support.leaks import leaks, places_of
from support.roles import PYTHON, play, role
from support.runs import Ansible, Run
from support.stand_in import Environment

ROOT = pathlib.Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "awx"
PAGE = (ROOT / "docs" / "awx.md").read_text()


@pytest.fixture
def vault() -> t.Iterator[KeyVault]:
    with key_vault() as running:
        yield running


def template(name: str) -> Given:
    """A job template, as AWX has it after configure.yml."""
    given = yaml.safe_load((GUIDE / "job_templates.yml").read_text())["job_templates"]
    found = next(one for one in given if one["name"] == f"Dynatrace - {name}")
    return {
        "playbook": found["playbook"],
        "extra_vars": json.dumps(found.get("extra_vars", {})),
        "survey_enabled": "survey" in found,
        "survey_spec": found.get("survey", {}),
    }


def injected(credential_type: str, inputs: dict[str, str], safe: bool = False) -> dict[str, str]:
    """The variables that AWX puts into the environment of a job, or what it keeps of them with the
    job.
    """
    # awx/main/models/credential/__init__.py of AWX 24.6.1, CredentialType.inject_credential
    given = yaml.safe_load((GUIDE / "credential_types" / f"{credential_type}.yml").read_text())
    namespace = {name: value for name, value in inputs.items() if value}
    if safe:
        secret = [field["id"] for field in given["inputs"]["fields"] if field.get("secret")]
        namespace |= dict.fromkeys(secret, "**********")
    return {
        name: ImmutableSandboxedEnvironment().from_string(template).render(namespace)
        for name, template in given["injectors"]["env"].items()
    }


def credentials(environment: Environment, vault: KeyVault, **login: str) -> dict[str, str]:
    inputs = {"environment_url": environment.url, "api_token": environment.api_token}
    store = {"vault_url": vault.url, "vault_namespace": vault.namespace or "", **login}
    return {
        **injected("dynatrace_environment", inputs),
        **injected("dynatrace_token_store", store),
    }


def by_token(environment: Environment, vault: KeyVault) -> dict[str, str]:
    return credentials(environment, vault, vault_token=vault.token)


class Jobs:
    """Starts jobs, each in a folder that is new, as AWX does with a container for each.

    The runner stores facts, as it does in AWX with "Enable Fact Storage".
    """

    def __init__(self, ansible: Ansible, variables: dict[str, str], **playbooks: str) -> None:
        self.ansible, self.variables, self.playbooks = ansible, variables, playbooks
        self.folders: list[pathlib.Path] = []

    def start(self, playbook: str, variables: Given, *options: str, inventory: str = "") -> Run:
        folder = self.ansible.folder / f"job{len(self.folders)}"
        self.folders.append(folder)
        shutil.copytree(GUIDE / "project", folder / "project")
        for name, content in self.playbooks.items():
            (folder / "project" / f"{name}.yml").write_text(content)
        (folder / "env").mkdir()
        (folder / "env" / "envvars").write_text(json.dumps(self.variables))
        (folder / "env" / "extravars").write_text(json.dumps({**variables, "awx_job_id": 1}))
        (folder / "inventory").mkdir()
        (folder / "inventory" / "hosts").write_text(inventory)
        command = ["ansible-runner", "run", str(folder), "-p", playbook, "--ident", "job", "-v"]
        return self.ansible.command(*command, *options, env=WITHOUT)

    def play(self, template: Given, variables: Given) -> Run:
        """The same without the runner, which takes a third of the time."""
        return self.ansible.command(
            "ansible-playbook",
            str(GUIDE / "project" / template["playbook"]),
            "-e",
            json.dumps({**variables, "awx_job_id": 1}),
            env=self.variables,
        )

    def left(self, name: str) -> str:
        """All files that the last job left in that folder of its artifacts, in one."""
        folder = self.folders[-1] / "artifacts" / "job" / name
        return "\n".join(file.read_text() for file in sorted(folder.glob("*")))

    def artifacts(self) -> Given:
        """What AWX keeps in the artifacts of the last job, and hands on in a workflow."""
        events = map(json.loads, self.left("job_events").splitlines())
        stats = next(one for one in events if one["event"] == "playbook_on_stats")
        artifacts: Given = stats["event_data"].get("artifact_data", {})
        return artifacts


WITHOUT = dict.fromkeys(("DYNATRACE_ENV_URL", "DYNATRACE_API_TOKEN", "ANSIBLE_VAULT_PASSWORD_FILE"))


def read_by_awx(vault: KeyVault, path: str) -> str:
    """What AWX's own credential "HashiCorp Vault Secret Lookup" reads, with the fields of the
    guide.
    """
    fields = dict(re.findall(r"\| ([\w ,]+) \| `([^`]+)`", PAGE))
    assert fields["API Version, in the lookup credential"] == "v2"
    # awx/main/credential_plugins/hashivault.py of AWX 24.6.1, kv_backend
    address = f"{vault.url}/v1/{fields['Name of Secret Backend']}/data/{path}"
    headers = {"X-Vault-Token": vault.token, "X-Vault-Namespace": vault.namespace or ""}
    answer = requests.get(address, headers=headers, timeout=10)
    secret: str = answer.json()["data"]["data"][fields["Key Name"]]
    return secret


def place(environment: Environment, name: str) -> str:
    """The path that the guide names: dynatrace/ENVIRONMENT/NAME."""
    return f"dynatrace/{environment.url.rpartition('/')[2]}/{name}"


def test_a_token_that_is_asked_for_in_a_survey_is_issued_once(
    ansible: Ansible, environment: Environment, vault: KeyVault
) -> None:
    login = {"vault_role_id": vault.role_id, "vault_secret_id": vault.secret_id}
    issue = template("issue a token")
    answers = {"token_name": "from-awx", "token_scopes": "metrics.read\nlogs.read"}
    job = launch(issue, {**answers, "token_expires_in": "90d"})
    jobs = Jobs(ansible, credentials(environment, vault, **login))

    first = jobs.play(issue, job).succeeded()
    assert "created, scopes logs.read, metrics.read, expires 20" in first.stdout
    secrets = [*environment.secrets(), vault.secret_id, *vault.client_tokens]
    assert leaks(first, ansible.folder, secrets) == []
    [path] = [path for path in vault.stored() if path.endswith("/from-awx")]
    assert path == place(environment, "from-awx")
    assert read_by_awx(vault, path) in environment.secrets()

    vault.requests.clear()
    environment.forget_requests()
    second = jobs.play(issue, {**job, "token_expires_in": ""}).succeeded()
    assert "unchanged, scopes logs.read, metrics.read" in second.stdout
    assert "changed=0" in second.stdout
    assert environment.writes() == []
    assert [method for method in vault.methods() if method != "GET"] == []
    assert leaks(second, ansible.folder, [*secrets, *vault.client_tokens]) == []
    assert [token["name"] for token in environment.tokens()] == ["from-awx"]


def test_an_answer_left_empty_is_not_given_and_one_that_is_needed_is_named(
    ansible: Ansible, environment: Environment, vault: KeyVault
) -> None:
    jobs = Jobs(ansible, by_token(environment, vault))
    issue, audit = template("issue a token"), template("audit")
    answers = {"token_name": "a", "token_scopes": "metrics.read", "token_expires_in": "90d"}
    for needed, said in (("token_name", "name"), ("token_scopes", "scopes")):
        refused = jobs.play(issue, {**answers, needed: ""}).failed()
        assert re.search(rf"dynatrace_tokens\[0\].*{said}", refused.text)
    assert environment.writes() == []
    questions = audit["survey_spec"]["spec"]
    empty = {question["variable"]: "" for question in questions}
    assert "written: no file" in jobs.play(audit, empty).succeeded().stdout


def test_the_job_on_a_schedule_keeps_the_tokens_of_its_list(
    ansible: Ansible, environment: Environment, vault: KeyVault
) -> None:
    jobs = Jobs(ansible, by_token(environment, vault))
    keep, audit = template("keep the tokens"), template("audit")

    jobs.play(keep, launch(keep, {})).succeeded()
    environment.set_clock("now+80d")
    # The audit goes by the clock of this machine.
    soon = {"dynatrace_audit_ending_days": 100}
    page = ansible.folder / "page.html"
    ending = jobs.play(audit, launch(audit, {**soon, "dynatrace_audit_html": str(page)})).failed()
    assert "2 tokens expire within 100 days, and nothing replaces them" in ending.text
    assert "reports" in page.read_text()

    rotated = jobs.start(keep["playbook"], launch(keep, {})).succeeded()
    assert len(re.findall(r": rotated, scopes", rotated.stdout)) == 2
    assert len(jobs.left("job_events")) > 1000
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
    jobs.start(
        audit["playbook"], {**unanswered, **soon, "dynatrace_audit_fail": "true"}
    ).succeeded()
    artifacts = jobs.artifacts()
    assert list(artifacts) == ["dynatrace_audit"]
    assert artifacts["dynatrace_audit"]["findings"]["retiring"] == 2
    assert list((jobs.folders[-1] / "project").glob("dynatrace-tokens*")) == []
    assert [one for one in secrets if one in json.dumps(artifacts)] == []


def usable(environment: Environment, vault: KeyVault) -> list[str]:
    """The tokens of Dynatrace, each with its secret in Vault."""
    stored = {entry["id"]: entry["token"] for entry in vault.stored().values() if entry}
    tokens = environment.tokens()
    assert [stored[token["id"]] in environment.secrets() for token in tokens] == [True] * len(
        stored
    )
    return sorted(token["name"] for token in tokens)


@pytest.mark.once
def test_a_job_that_was_cut_off_is_launched_again(
    ansible: Ansible, environment: Environment
) -> None:
    """Where its node goes down, with a token issued and its secret not saved yet."""
    writes = itertools.count(1)

    def go_down(method: str, path: str) -> None:
        if method in ("POST", "PUT") and path.endswith("/agents") and next(writes) == 2:
            ansible.kill()

    keep = template("keep the tokens")
    with key_vault(go_down) as vault:
        jobs = Jobs(ansible, by_token(environment, vault))
        assert jobs.start(keep["playbook"], launch(keep, {})).returncode < 0
        assert [token for token in environment.tokens() if "~pending" in token["name"]]
        jobs.start(keep["playbook"], launch(keep, {})).succeeded()
        assert usable(environment, vault) == ["agents", "reports"]


@pytest.mark.once
def test_two_jobs_at_once_on_two_nodes_issue_one_token(tmp_path: pathlib.Path) -> None:
    # A node that is late comes alone, before the store takes too long for the other.
    both, reads = threading.Barrier(2, timeout=20), itertools.count(1)

    def meet(method: str, path: str) -> None:
        if method == "GET" and next(reads) <= 2:
            with contextlib.suppress(threading.BrokenBarrierError):
                both.wait()

    issue = template("issue a token")
    answers = {"token_name": "a", "token_scopes": "metrics.read", "token_expires_in": "90d"}

    def job(node: str) -> Run:
        folder = tmp_path / node
        folder.mkdir()
        jobs = Jobs(Ansible(folder, slow), by_token(slow, vault))
        return jobs.start(issue["playbook"], launch(issue, answers))

    with (
        stand_in.serve("--latency", "300") as slow,
        key_vault(meet) as vault,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        said = [run.succeeded().stdout for run in pool.map(job, ["one", "two"])]
        assert usable(slow, vault) == ["a"]
        assert slow.writes() == ["POST", "PUT"]
    assert sum("changed=1" in stdout for stdout in said) == 1


@pytest.mark.once
def test_a_workflow_issues_uses_and_revokes_a_token(
    ansible: Ansible, environment: Environment, vault: KeyVault
) -> None:
    section = PAGE.partition("## Handing a secret to the next job\n")[2]
    blocks = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    # As the guide says: in a job, both take DYNATRACE_TOKEN_STORE.
    use, revoke = (re.sub(r"        store: tokens\n|, store='tokens'", "", one) for one in blocks)
    jobs = Jobs(ansible, by_token(environment, vault), use=use, revoke=revoke)
    answers = {
        "token_name": "reports",
        "token_scopes": "apiTokens.read",
        "token_expires_in": "90d",
    }
    jobs.start("issue_token.yml", launch(template("issue a token"), answers)).succeeded()
    assert usable(environment, vault) == ["reports"]
    environment.forget_requests()
    used = jobs.start("use.yml", jobs.artifacts()).succeeded()
    assert "changed=0" in used.stdout
    [reports] = environment.tokens("reports")
    assert reports["lastUsedDate"]
    assert environment.writes() == []
    revoked = jobs.start("revoke.yml", jobs.artifacts()).succeeded()
    assert "changed=1" in revoked.stdout
    assert (environment.tokens(), vault.stored()) == ([], {})
    given = {"artifacts/job/command", "env/envvars"}
    for folder in jobs.folders:
        assert set(leaks(used, folder, [*environment.secrets(), vault.token])) <= given
        assert places_of(used, folder, environment.secrets()).keys() <= {environment.api_token}


@pytest.mark.once
def test_a_job_is_launched_again_on_its_failed_hosts(
    ansible: Ansible, environment: Environment, vault: KeyVault
) -> None:
    ready = ansible.folder / "ready"
    own = {"name": "{{ inventory_hostname }}", "scopes": ["metrics.read"], "fact": "secret"}
    installed = {
        "name": "installed",
        "ansible.builtin.assert": {
            "that": [
                "secret.startswith('dt0c01.')",
                f"inventory_hostname == 'web1' or '{ready}' is file",
            ]
        },
    }
    deploy = json.dumps([play(role(own), installed)])
    jobs = Jobs(ansible, by_token(environment, vault), deploy=deploy)
    inventory = "".join(f"{host} {PYTHON}\n" for host in ("web1", "web2"))
    jobs.start("deploy.yml", {}, inventory=inventory).failed()
    assert usable(environment, vault) == ["web1", "web2"]
    ready.touch()
    environment.forget_requests()
    again = jobs.start("deploy.yml", {}, "--limit", "web2", inventory=inventory).succeeded()
    assert "web1" not in again.stdout
    assert environment.writes() == []


@pytest.mark.once
def test_localhost_in_the_inventory_needs_the_variables_of_the_guide(
    ansible: Ansible, environment: Environment, vault: KeyVault
) -> None:
    [variables] = re.findall(r"```yaml\n(ansible_connection: local.*?)```", PAGE, re.DOTALL)
    given = [f'{name}="{value}"' for name, value in yaml.safe_load(variables).items()]
    windows = play(role(), hosts="localhost", vars={"ansible_connection": "winrm"})
    jobs = Jobs(ansible, by_token(environment, vault), windows=json.dumps([windows]))
    keep = template("keep the tokens")
    for playbook, connection in ((keep["playbook"], "ssh"), ("windows.yml", "winrm")):
        refused = jobs.start(playbook, launch(keep, {}), inventory="localhost\n").failed()
        assert f"the inventory has localhost with the connection {connection}" in refused.text
    assert environment.requests() == []
    inventory = " ".join(["localhost", *given])
    jobs.start(keep["playbook"], launch(keep, {}), inventory=inventory).succeeded()
    assert usable(environment, vault) == ["agents", "reports"]


@pytest.mark.once
def test_stored_facts_hold_the_admin_token_only_of_a_play_that_gathers_facts(
    ansible: Ansible, environment: Environment, vault: KeyVault
) -> None:
    gathering = json.dumps([play(role(), hosts="localhost", gather_facts=True)])
    jobs = Jobs(ansible, by_token(environment, vault), gathering=gathering)
    keep = template("keep the tokens")
    for playbook, is_kept in ((keep["playbook"], False), ("gathering.yml", True)):
        jobs.start(playbook, launch(keep, {}), inventory=f"localhost {PYTHON}").succeeded()
        assert (environment.api_token in jobs.left("fact_cache")) is is_kept
    issued = [secret for secret in environment.secrets() if secret != environment.api_token]
    assert [secret for secret in issued if secret in jobs.left("fact_cache")] == []


def test_what_awx_keeps_of_the_environment_of_a_job_has_no_secret(
    environment: Environment, vault: KeyVault
) -> None:
    inputs = {"environment_url": environment.url, "api_token": environment.api_token}
    store = {"vault_url": vault.url, "vault_token": vault.token, "vault_secret_id": "S3CR3T"}
    kept = {
        **injected("dynatrace_environment", inputs, safe=True),
        **injected("dynatrace_token_store", store, safe=True),
    }
    assert kept["DYNATRACE_ENV_URL"] == environment.url
    assert json.loads(kept["DYNATRACE_TOKEN_STORE"])["token"] == "**********"
    secrets = (environment.api_token, vault.token, "S3CR3T")
    assert [secret for secret in secrets if secret in str(kept)] == []


@pytest.mark.once
def test_the_guide_as_it_stands_takes_a_new_user_to_a_rotated_token(
    ansible: Ansible, environment: Environment
) -> None:
    section = PAGE.partition("## Try it without AWX\n")[2].partition("\n## ")[0]
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


def test_an_environment_is_reached_with_an_oauth_client_too(environment: Environment) -> None:
    inputs = {
        "environment_url": environment.url,
        "oauth_client_id": "dt0s02.ABC",
        "oauth_client_secret": "s",
        "account_uuid": "u",
    }
    assert injected("dynatrace_environment", inputs) == {
        "DYNATRACE_ENV_URL": environment.url,
        "DYNATRACE_API_TOKEN": "",  # as if it were not set
        "DT_CLIENT_ID": "dt0s02.ABC",
        "DT_CLIENT_SECRET": "s",
        "DT_ACCOUNT_ID": "u",
    }
