# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes a virtual environment with all that tests or the demo need, and with this checkout linked
in as the collection.

Called by make, with any Python that is 3.11 or newer and nothing else.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import sys
import typing as t
import venv

ROOT = pathlib.Path(__file__).parents[1]
REQUIREMENTS = ROOT / "tests" / "requirements.txt"
OF_THE_DEMO = ("ansible-core", "requests", "aiohttp")
MB_OF_THE_DEMO = 90  # as du -sm .venv/demo says


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="where to make it")
    parser.add_argument(
        "--core",
        help="the ansible-core to install, such as 2.16 or 2.22.0rc1 and newer, "
        "instead of the newest that this Python takes",
    )
    parser.add_argument("--demo", action="store_true", help="install only what the demo needs")
    arguments = parser.parse_args()
    if sys.version_info < (3, 11):
        print(
            f"Python 3.11 or newer is needed, and this is {sys.version.split()[0]}. "
            "Name another: make PYTHON=python3.12 ..."
        )
        return 1
    folder = arguments.folder.resolve()
    venv.create(folder, clear=True, with_pip=True)
    python = folder / "bin" / "python"
    site_packages = subprocess.check_output(
        [python, "-c", "import site; print(site.getsitepackages()[0])"], text=True
    ).strip()
    if arguments.demo:
        install_for_demo(python)
    else:
        install(python, requirements(folder, arguments.core))
    link_collection(pathlib.Path(site_packages))
    link_collection(folder / "mypy")
    (folder / "ready").touch()
    return 0


def requirements(folder: pathlib.Path, core: str | None) -> pathlib.Path:
    """What to install: all as it is locked, or all but another ansible-core, with the resolvelib
    that it takes and the ansible-lint that takes it.
    """
    if core is None:
        return REQUIREMENTS
    locked = REQUIREMENTS.read_text().splitlines()
    other = ("ansible-core==", "resolvelib==", "ansible-lint==", "ansible-compat==")
    kept = [line for line in locked if not line.startswith(other)]
    file = folder / "requirements.txt"
    oldest = core if core.count(".") > 1 else f"{core}.0"
    file.write_text("\n".join([*kept, "ansible-lint", f"ansible-core~={oldest}"]) + "\n")
    return file


def install_for_demo(python: pathlib.Path) -> None:
    packages = ", ".join(OF_THE_DEMO)
    print(f"Installing {packages} in .venv/demo, once, {MB_OF_THE_DEMO} MB ...", flush=True)
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    run([*pip, "--constraint", REQUIREMENTS, *OF_THE_DEMO])


def install(python: pathlib.Path, requirements: pathlib.Path) -> None:
    run([python, "-m", "pip", "install", "--disable-pip-version-check", "uv"])
    uv = [python.with_name("uv"), "pip", "install", "--compile-bytecode", "--python", python]
    # Links instead of copies need one file system; copies always work.
    run([*uv, "--requirements", requirements], UV_LINK_MODE="copy", VIRTUAL_ENV=python.parents[1])


def run(command: t.Sequence[str | pathlib.Path], **variables: str | pathlib.Path) -> None:
    """Run an installer. If it fails, exit with one sentence that holds its first error."""
    done = subprocess.run(
        command, env={**os.environ, **variables}, check=False, capture_output=True, text=True
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        sys.exit(
            "The packages could not be installed; this needs a network that reaches "
            f"https://pypi.org, or an index named by PIP_INDEX_URL: {' '.join(errors[:1])}"
        )


def link_collection(folder: pathlib.Path) -> None:
    link = folder / "ansible_collections" / "community" / "dynatrace"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(ROOT)


if __name__ == "__main__":
    sys.exit(main())
