# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs make test on every gated ansible-core for which a Python is at hand, whole on the first and
a selection on the others, and says what could not be run.

Called by make test-all. What make test has passed already with these very files is not run again:
it leaves a note of them, by calling this with the folder of its environment.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]

# Each gated ansible-core and the Pythons that it takes as a controller, the preferred one first.
GATED = {
    "2.16": ("3.11", "3.12"),
    "2.17": ("3.11", "3.12"),
    "2.18": ("3.11", "3.12", "3.13"),
    "2.19": ("3.12", "3.11", "3.13"),
    "2.20": ("3.12", "3.13", "3.14"),
    "2.21": ("3.13", "3.12", "3.14"),
}


NEWEST = ROOT / ".venv" / "newest"


def main() -> int:
    if sys.argv[1:]:
        note(pathlib.Path(sys.argv[1])).write_text(state_of_files())
        return 0
    passed, failed, not_run = [], [], []
    done_already = core_passed_already()
    for core, versions in GATED.items():
        if core == done_already:
            print(
                f"\n===== ansible-core {core}: passed in make test, with these very files =====",
                flush=True,
            )
            passed.append(core)
            continue
        python = next(filter(None, map(find_python, versions)), None)
        if python is None:
            not_run.append(f"ansible-core {core}: needs Python {' or '.join(versions)}")
            continue
        print(f"\n===== ansible-core {core}, {python} =====", flush=True)
        again = ["AGAIN=some"] if done_already or passed else []
        done = subprocess.run(
            ["make", "test", f"CORE={core}", f"PYTHON={python}", *again], cwd=ROOT, check=False
        )
        (failed if done.returncode else passed).append(core)
    print(f"\npassed on ansible-core: {', '.join(passed) or 'none'}")
    for core in failed:
        print(f"failed on ansible-core: {core}")
    for reason in not_run:
        print(f"not run: {reason}")
    return 1 if failed or not passed else 0


def core_passed_already() -> str | None:
    """The ansible-core that make test without CORE has passed on, if no file has changed since."""
    file = note(NEWEST)
    if not file.exists() or file.read_text() != state_of_files():
        return None
    say = "import ansible.release; print('.'.join(ansible.release.__version__.split('.')[:2]))"
    return subprocess.check_output([NEWEST / "bin" / "python", "-c", say], text=True).strip()


def note(environment: pathlib.Path) -> pathlib.Path:
    return environment / "passed"


def state_of_files() -> str:
    """A checksum over all files that git tracks or would track."""
    names = subprocess.check_output(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, text=True
    ).split("\0")
    checksum = hashlib.sha256()
    for file in (ROOT / name for name in sorted(filter(None, names))):
        checksum.update(
            f"{file}\0".encode() + (file.read_bytes() if file.is_file() else b"") + b"\0"
        )
    return checksum.hexdigest()


def find_python(version: str) -> str | None:
    """A Python of this version that works: what a version manager puts on the path may only say
    that it is not active.
    """
    installed = pathlib.Path(os.environ.get("PYENV_ROOT", "/nonexistent")).glob(
        f"versions/{version}.*/bin/python{version}"
    )
    candidates = [shutil.which(f"python{version}"), *map(str, installed), shutil.which("python3")]
    return next(
        (candidate for candidate in candidates if candidate and version_of(candidate) == version),
        None,
    )


def version_of(python: str) -> str | None:
    say = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", say], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main())
