# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""configure.yml of docs/awx, with the modules of awx.awx, against a stand-in for the API of AWX."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import re

import pytest
import yaml

from support.awx import ENCRYPTED, VERSION, Awx, awx
from support.leaks import leaks
from support.runs import Ansible

ROOT = pathlib.Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "awx"
SECRETS = {
    "CONTROLLER_OAUTH_TOKEN": "T0K3NT0K3NT0K3N",
    "DYNATRACE_API_TOKEN": "dt0c01.ADMIN.S3CR3TS3CR3T",
}

pytestmark = pytest.mark.once


def test_it_passes_and_passes_again_unchanged(ansible: Ansible) -> None:
    """With one secret given, and one not."""
    with awx() as held:
        variables = {
            "CONTROLLER_HOST": held.url,
            "DYNATRACE_ENV_URL": "https://abc12345.live.dynatrace.com",
            "VAULT_ADDR": "https://vault.example.com:8200",
            "ANSIBLE_PIPELINING": "1",
            **SECRETS,
        }
        command = ("ansible-playbook", str(GUIDE / "configure.yml"), "-v")
        first = ansible.command(*command, env=variables).succeeded()
        assert len(held.writes) > 12
        held.writes.clear()
        second = ansible.command(*command, env=variables).succeeded()
    assert "changed=0" in second.stdout
    assert held.writes == []
    assert leaks(first, ansible.folder, list(SECRETS.values())) == []
    the_job_templates_use_what_there_is(held)
    secrets_are_marked_secret(held)


def the_job_templates_use_what_there_is(held: Awx) -> None:
    credentials, templates = held.all("credentials"), held.all("job_templates")
    types = [one["id"] for one in held.all("credential_types")]
    assert [one["credential_type"] for one in credentials] == types
    assert len(templates) == 4
    for template in templates:
        assert (GUIDE / "project" / template["playbook"]).is_file()
        assert template["credentials"] == [one["id"] for one in credentials]
        assert template["use_fact_cache"] is False  # or AWX would keep ansible_env of the jobs
        assert template["ask_job_type_on_launch"] is True
        assert template["survey_enabled"] is ("survey_spec" in template)
    scheduled = [schedule["unified_job_template"] for schedule in held.all("schedules")]
    assert scheduled == [template["id"] for template in templates[1:]]


def secrets_are_marked_secret(held: Awx) -> None:
    for given in held.all("credential_types"):
        fields = given["inputs"]["fields"]
        assert set(given["inputs"]["required"]) <= {field["id"] for field in fields}
        assert {field["id"] for field in fields if field.get("secret")} == {
            field["id"] for field in fields if re.search(r"token$|secret(_id)?$", field["id"])
        }
    shown = [list(one["inputs"].values()) for one in held.all("credentials")]
    assert [inputs.count(ENCRYPTED) for inputs in shown] == [1, 0]


def test_it_is_tried_with_the_modules_that_the_requirements_name() -> None:
    spec = importlib.util.find_spec("ansible_collections.awx.awx")
    assert spec is not None
    assert spec.submodule_search_locations
    manifest = pathlib.Path(spec.submodule_search_locations[0]) / "MANIFEST.json"
    [required] = yaml.safe_load((GUIDE / "requirements.yml").read_text())["collections"]
    installed = json.loads(manifest.read_text())["collection_info"]["version"]
    assert (required["name"], required["version"], installed) == ("awx.awx", VERSION, VERSION)


def test_jobs_run_the_release_that_the_collection_is() -> None:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    image = yaml.safe_load((GUIDE / "execution-environment.yml").read_text())
    project = yaml.safe_load((GUIDE / "project" / "collections" / "requirements.yml").read_text())
    pinned = [*image["dependencies"]["galaxy"]["collections"], *project["collections"]]
    assert [collection["version"] for collection in pinned] == [version, version]


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
    for package in ("requests", "hvac"):
        assert f"{package}  # from collection community.dynatrace" in needed
