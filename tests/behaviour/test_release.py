# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is published: the same from every build, with nothing in it that only a checkout needs, and
working where nothing else is.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

import pytest
import yaml

import release
import sanity
from support.runs import BIN, Ansible
from support.stand_in import Environment

ROOT = pathlib.Path(__file__).parents[2]
SHIPPED = {
    "CHANGELOG.md",
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
LARGEST = 300_000  # bytes; a folder that should not be there makes itself felt


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
    assert tarball.stat().st_size < LARGEST


@pytest.mark.once
def test_the_artefact_holds_what_a_user_needs_and_no_link_to_anything_else(
    tarball: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    names = set(contents(tarball))
    assert {name.partition("/")[0] for name in names} == SHIPPED
    assert [name for name in names if name.startswith("tests/")] == ["tests/config.yml"]
    assert [name for name in names if name.startswith("changelogs/")] == [
        "changelogs/changelog.yaml"
    ]
    with tarfile.open(tarball) as opened:
        opened.extractall(tmp_path, filter="data")
    links = {
        (page, target)
        for page in tmp_path.rglob("*.md")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    }
    assert len(links) > 20
    assert [str(link) for link in links if not (link[0].parent / link[1]).exists()] == []


def test_the_first_example_of_the_readme_runs_from_the_tarball_alone(
    ansible: Ansible, environment: Environment, tarball: pathlib.Path
) -> None:
    ansible.command(
        "ansible-galaxy", "collection", "install", str(tarball), "-p", "installed", "--force"
    ).succeeded()
    example = re.findall(
        r"<!-- example -->\n```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )[0]
    # A collection works without any other folder of it.
    installed = ansible.folder / "installed" / "ansible_collections" / "community" / "dynatrace"
    for path in installed.iterdir():
        if path.is_dir() and path.name not in ("meta", "plugins", "roles", "playbooks"):
            shutil.rmtree(path)
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


@pytest.mark.once
def test_the_version_on_main_is_the_one_that_the_fragments_ask_for() -> None:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    assert galaxy["version"] == release.next_version()


@pytest.mark.once
@pytest.mark.parametrize(
    ("sections", "version"),
    [
        ([], "1.9.3"),
        (["trivial", "bugfixes"], "1.9.4"),
        (["bugfixes", "deprecated_features"], "1.10.0"),
        (["minor_changes", "removed_features"], "2.0.0"),
    ],
)
def test_the_fragments_decide_the_next_version(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, sections: list[str], version: str
) -> None:
    (tmp_path / "fragments").mkdir()
    (tmp_path / "changelog.yaml").write_text("releases: {1.2.0: {}, 1.9.3: {}}")
    for section in sections:
        (tmp_path / "fragments" / f"{section}.yml").write_text(f"{section}: [A change.]")
    monkeypatch.setattr(release, "CHANGELOGS", tmp_path)
    assert release.next_version() == version


def make_release(checkout: pathlib.Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(checkout / "tests" / "release.py")],
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.long
@pytest.mark.once
def test_one_command_makes_a_release_and_says_how_to_publish_it(tmp_path: pathlib.Path) -> None:
    sanity.copy_tree(tmp_path)
    fragment = tmp_path / "changelogs" / "fragments" / "of_the_test.yml"
    fragment.write_text("breaking_changes: [A change for this test.]")
    refused = make_release(tmp_path)
    assert refused.returncode == 1
    assert "a checkout without changes" in refused.stdout
    for arguments in (
        ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    made = make_release(tmp_path)
    assert made.returncode == 0, made.stdout + made.stderr
    version = re.findall(r"git tag (\S+)", made.stdout)[0]
    assert version.endswith(".0.0")
    assert f"\nversion: {version}\n" in (tmp_path / "galaxy.yml").read_text()
    assert "A change for this test" in (tmp_path / "CHANGELOG.md").read_text()
    assert not fragment.exists()
    subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=tmp_path / "dist", check=True)
    with tarfile.open(tmp_path / "dist" / f"community-dynatrace-{version}.tar.gz") as opened:
        assert f'"version": "{version}"'.encode() in opened.extractfile("MANIFEST.json").read()


@pytest.mark.once
def test_a_tag_publishes_only_after_all_tests() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    assert workflow["jobs"]["publish"]["needs"] == "test"
    assert workflow["jobs"]["test"] == {"uses": "./.github/workflows/test.yml"}


@pytest.mark.once
def test_the_evidence_for_the_community_package_exists() -> None:
    text = (ROOT / "docs" / "inclusion.md").read_text()
    named = {name for name in re.findall(r"`([\w./-]+)`", text) if "/" in name or "." in name[1:]}
    named -= {"ansible.builtin", "community.dynatrace"}
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []
