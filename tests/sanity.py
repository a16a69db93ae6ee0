# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs ansible-test sanity on a copy of the working tree. Called by make.

ansible-test wants the collection in a folder named after it, and git must not ignore that folder,
or it tests nothing.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

import ansible_test

ROOT = pathlib.Path(__file__).parents[1]
BIN = pathlib.Path(sys.executable).parent
HOME = (
    ROOT / ".venv" / "ansible-test"
)  # keeps its environments from run to run, and out of the user's home

# Does what the script does that ansible-test downloads: puts pip of a given version into an empty
# environment.
BOOTSTRAP = """# stand-in for get-pip
import os, subprocess, sys
packages = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
command = [{uv!r}, "pip", "install", "--quiet", "--python", sys.executable, *packages]
sys.exit(subprocess.call(command, env={{**os.environ, **{settings!r}}}))
"""


def main() -> int:
    provide_bootstrap()
    provide_pip_settings()
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "ansible_collections" / "community" / "dynatrace"
        copy_tree(copy)
        command = [str(BIN / "ansible-test"), "sanity", "--venv", "--color", "no", *sys.argv[1:]]
        done = subprocess.run(
            command, cwd=copy, env=environment(), check=False, capture_output=True, text=True
        )
    output = done.stdout + done.stderr
    ran = len(re.findall("^Running sanity test", output, re.MULTILINE))
    if done.returncode or not ran or "All targets skipped" in output:
        print(output)
    print(f"ansible-test sanity: {ran} tests run, exit code {done.returncode}")
    return done.returncode or not ran or "All targets skipped" in output


def copy_tree(target: pathlib.Path) -> None:
    """All files that git tracks or would track, and the fact that git knows them."""
    files = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, files.stdout.split("\0")):
        source, copy = ROOT / name, target / name
        if source.is_symlink() or source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(os.readlink(source)) if source.is_symlink() else copy.write_bytes(
                source.read_bytes()
            )
            if not source.is_symlink():
                copy.chmod(source.stat().st_mode)
    subprocess.run(["git", "init", "-q"], cwd=target, check=True)
    subprocess.run(["git", "add", "-A"], cwd=target, check=True)


def provide_bootstrap() -> None:
    """Put a stand-in where ansible-test keeps its bootstrap script, if the real one is neither
    there nor to be had.
    """
    source = (
        pathlib.Path(ansible_test.__file__).parent / "_internal" / "python_requirements.py"
    ).read_text()
    for version in set(re.findall(r"'(2\d\.\d(?:\.\d)?)'", source)):
        script = HOME / ".ansible" / "test" / "cache" / f"get_pip_{version.replace('.', '_')}.py"
        if script.exists() and not script.read_text().startswith("# stand-in"):
            continue
        url = f"https://ci-files.testing.ansible.com/ansible-test/get-pip-{version}.py"
        try:
            urllib.request.urlopen(url, timeout=10).close()
        except OSError:
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_text(
                BOOTSTRAP.format(
                    uv=str(BIN / "uv"),
                    settings=settings("UV_", "SSL_CERT_", "HTTPS_PROXY", "https_proxy"),
                )
            )


def provide_pip_settings() -> None:
    """Hand pip's settings over in a file: ansible-test hides the environment variables that hold
    them.
    """
    lines = [
        f"{name[4:].lower().replace('_', '-')} = {value}\n"
        for name, value in settings("PIP_").items()
    ]
    config = HOME / ".config" / "pip" / "pip.conf"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("[global]\n" + "".join(lines))


def settings(*prefixes: str) -> dict[str, str]:
    """What the environment says to installers, which ansible-test does not pass on."""
    return {name: value for name, value in os.environ.items() if name.startswith(prefixes)}


def environment() -> dict[str, str]:
    """With the folders of real Pythons first: those that a version manager puts there answer for
    versions that are not active.
    """
    versions = pathlib.Path(os.environ.get("PYENV_ROOT", "/nonexistent")) / "versions"
    real = [str(folder) for minor in range(9, 15) for folder in versions.glob(f"3.{minor}.*/bin")]
    return {
        **os.environ,
        "HOME": str(HOME),
        "PATH": os.pathsep.join([str(BIN), *real, os.environ["PATH"]]),
    }


if __name__ == "__main__":
    sys.exit(main())
