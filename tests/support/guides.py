# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of the guides, and the files that they need beside the playbook."""

from __future__ import annotations

import pathlib
import re

DOCS = pathlib.Path(__file__).parents[2] / "docs"
COLLECTIONS = str(pathlib.Path(__file__).parent / "collections")  # stand-ins for those of others


def plays_of(guide: str) -> list[str]:
    blocks = re.findall(r"```yaml\n(.*?)```", (DOCS / f"{guide}.md").read_text(), re.DOTALL)
    return [block for block in blocks if "hosts:" in block]


def write_files(folder: pathlib.Path) -> None:
    """Write the files that a guide shows as `name`, beside the playbook."""
    for guide in sorted(DOCS.glob("*.md")):
        for name, content in re.findall(
            r"`([\w.]+)`, beside the playbook:\n\n```\w+\n(.*?)```", guide.read_text(), re.DOTALL
        ):
            (folder / name).write_text(content)
