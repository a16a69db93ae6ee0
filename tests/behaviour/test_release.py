# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is published: the same from every build, with nothing in it that only a checkout needs, and
working where nothing else is.
"""

from __future__ import annotations

import hashlib
import pathlib
import re
import tarfile

import pytest
import yaml

from support.runs import Ansible
from support.stand_in import Environment

ROOT = pathlib.Path(__file__).parents[2]
SHIPPED = {
    # Tells the importer of Galaxy about modules of docs/awx that are not installed there.
    ".ansible-lint",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "COPYING",
    "FILES.json",
    "LICENSES",
    "MANIFEST.json",
    "README.md",
    "SECURITY.md",
    "changelogs",
    "docs",
    "meta",
    "playbooks",
    "plugins",
    "roles",
    "tests",
}
LARGEST = 250_000  # bytes; a folder that should not be there makes itself felt


def build(ansible: Ansible, folder: str) -> pathlib.Path:
    ansible.command(
        "ansible-galaxy", "collection", "build", str(ROOT), "--output-path", folder
    ).succeeded()
    (tarball,) = (ansible.folder / folder).iterdir()
    return tarball


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory, server: Environment) -> pathlib.Path:
    return build(Ansible(tmp_path_factory.mktemp("build"), server), "first")


def contents(tarball: pathlib.Path) -> dict[str, tuple[int, str | None]]:
    """The mode and the checksum of each member; the times are those of the build."""
    with tarfile.open(tarball) as opened:
        members = {
            member.name: (member.mode, opened.extractfile(member) if member.isfile() else None)
            for member in opened
        }
        return {
            name: (mode, hashlib.sha256(file.read()).hexdigest() if file else None)
            for name, (mode, file) in members.items()
        }


@pytest.mark.once
def test_two_builds_are_the_same_and_small(ansible: Ansible, tarball: pathlib.Path) -> None:
    assert contents(tarball) == contents(build(ansible, "second"))
    assert {name.partition("/")[0] for name in contents(tarball)} == SHIPPED
    assert [name for name in contents(tarball) if name.startswith("tests/")] == ["tests/config.yml"]
    assert tarball.stat().st_size < LARGEST


def test_the_first_example_of_the_readme_runs_from_the_tarball_alone(
    ansible: Ansible, environment: Environment, tarball: pathlib.Path
) -> None:
    ansible.command(
        "ansible-galaxy", "collection", "install", str(tarball), "-p", "installed", "--force"
    ).succeeded()
    example = re.findall(
        r"<!-- example -->\n```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )[0]
    # The checkout, which is linked into the Python of the tests, is not looked at.
    nowhere_else = {"ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false"}
    ansible.playbook(example, env=nowhere_else).failed()
    run = ansible.playbook(
        example, env={**nowhere_else, "ANSIBLE_COLLECTIONS_PATH": str(ansible.folder / "installed")}
    ).succeeded()
    assert [token["name"] for token in environment.tokens()] == ["reports"]
    assert not [secret for secret in environment.secrets() if secret in run.output]


@pytest.mark.once
def test_the_workflow_runs_what_everybody_runs_on_every_core() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    cores = {entry["core"] for entry in workflow["jobs"]["test"]["strategy"]["matrix"]["include"]}
    gated = re.findall(
        r'^    "(2\.\d+)":', (ROOT / "tests" / "matrix.py").read_text(), re.MULTILINE
    )
    assert cores == set(gated)
    commands = [
        step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step
    ]
    assert [command for command in commands if not command.startswith("make test")] == []
