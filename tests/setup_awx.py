# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Installs the collection awx.awx, which docs/awx uses, beside the Python that this is run with.
Called by make.
"""

from __future__ import annotations

import pathlib
import site
import sys
import tempfile
import zipfile

from setup_venv import run

# On PyPI, it is this package that has awx.awx 24.6.1, with 200 times as much that is not needed.
WITH_AWX = "ansible==11.13.0"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
        run([*pip, "--no-deps", "--dest", folder, WITH_AWX])
        [wheel] = pathlib.Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            wanted = [name for name in names if name.startswith("ansible_collections/awx/")]
            archive.extractall(site.getsitepackages()[0], wanted)
    (pathlib.Path(sys.prefix) / "awx").touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
