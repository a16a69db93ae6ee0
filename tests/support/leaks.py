# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Searches for secrets in all that a run wrote."""

from __future__ import annotations

import base64
import pathlib

from support.runs import Run


def forms(secret: str) -> list[bytes]:
    """The secret part, which is the longest, in clear and in base64, at every offset that it can
    have there.
    """
    part = max(secret.split("."), key=len).encode()
    return [part, *(base64.b64encode(b"x" * offset + part)[4:-4] for offset in range(3))]


def places_of(run: Run, folder: pathlib.Path, secrets: list[str]) -> dict[str, list[str]]:
    """Where each of these secrets shows: in the output of a run, or in a file that it left."""
    contents = {"stdout": run.stdout.encode(), "stderr": run.stderr.encode()}
    for file in folder.rglob("*"):
        if file.is_file() and file.name != "playbook.yml":
            contents[str(file.relative_to(folder))] = file.read_bytes()
    places = {
        secret: sorted(
            place
            for place, content in contents.items()
            if any(form in content for form in forms(secret))
        )
        for secret in secrets
    }
    return {secret: found for secret, found in places.items() if found}


def leaks(run: Run, folder: pathlib.Path, secrets: list[str]) -> list[str]:
    """Where any of these secrets shows."""
    return sorted({place for found in places_of(run, folder, secrets).values() for place in found})
