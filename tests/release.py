# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes a release: its version, its changelog, the artefact and the checksum. Called by make
release, and with --dist by make dist, which builds only.
"""

from __future__ import annotations

import hashlib
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

from sanity import copy_tree

ROOT = pathlib.Path(__file__).parents[1]
BIN = pathlib.Path(sys.executable).parent
GALAXY = ROOT / "galaxy.yml"
CHANGELOGS = ROOT / "changelogs"
DIST = ROOT / "dist"

# The sections of the changelog that ask for more than a patch release.
MAJOR = {"breaking_changes", "removed_features"}
MINOR = {"major_changes", "minor_changes", "deprecated_features"}

NEXT = """
Release {version} lies in dist. Read CHANGELOG.md. Then publish it:

  git add --all
  git commit --message "Release {version}"
  git push origin HEAD:main
  git tag {version}
  git push origin {version}

The tag starts .github/workflows/release.yml, which tests, builds and publishes the same files."""


def main() -> int:
    if "--dist" in sys.argv[1:]:
        build()
        return 0
    if git("status", "--porcelain"):
        print("A release is made from a checkout without changes. Commit or remove: git status")
        return 1
    version = next_version()
    if version == last_release():
        print(f"Nothing has changed since {version}: changelogs/fragments holds no fragment.")
        return 1
    GALAXY.write_text(re.sub("(?m)^version: .*", f"version: {version}", GALAXY.read_text()))
    subprocess.run([BIN / "antsibull-changelog", "release"], cwd=ROOT, check=True)
    build()
    print(NEXT.format(version=version))
    return 0


def next_version() -> str:
    """The version that the fragments ask for, by semantic versioning, or the last release if there
    are none.
    """
    major, minor, patch = map(int, last_release().split("."))
    sections = sections_of_fragments()
    if sections & MAJOR:
        return f"{major + 1}.0.0"
    if sections & MINOR:
        return f"{major}.{minor + 1}.0"
    return f"{major}.{minor}.{patch + 1}" if sections else f"{major}.{minor}.{patch}"


def last_release() -> str:
    releases = yaml.safe_load((CHANGELOGS / "changelog.yaml").read_text())["releases"]
    return str(max(releases, key=lambda version: [*map(int, version.split("."))]))


def sections_of_fragments() -> set[str]:
    fragments = (CHANGELOGS / "fragments").glob("*.yml")
    return {section for file in fragments for section in yaml.safe_load(file.read_text())}


def build() -> None:
    """Build the artefact, from the files that git knows, and write its checksum beside it."""
    shutil.rmtree(DIST, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        copy_tree(pathlib.Path(folder))
        command = [BIN / "ansible-galaxy", "collection", "build", folder, "--output-path", DIST]
        subprocess.run(command, check=True)
    (artefact,) = DIST.iterdir()
    line = f"{hashlib.sha256(artefact.read_bytes()).hexdigest()}  {artefact.name}\n"
    (DIST / "SHA256SUMS").write_text(line)
    print(line, end="")


def git(*arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=ROOT, text=True)


if __name__ == "__main__":
    sys.exit(main())
