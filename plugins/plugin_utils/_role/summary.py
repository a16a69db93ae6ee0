# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines of the summary that the role prints. None holds a secret."""

from __future__ import annotations

import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import printable


def summary_line(name: str, result: t.Mapping[str, t.Any], where: str) -> str:
    """What became of one token.

    :param where: a note on the environment, for hosts with several.
    """
    if result.get("failed"):
        return printable(f"{name}{where}: failed")
    metadata = result["metadata"]
    if metadata is None:
        return printable(f"{name}{where}: absent")
    if result["action"] == "deleted":
        return printable(f"{name} ({result['token_id']}){where}: deleted")
    parts = [
        f"{name} ({result['token_id'] or 'no id yet'}){where}: {_done(result)}",
        f"scopes {', '.join(metadata['scopes'])}",
        _expiration(metadata["expiration_date"]),
        "secret known" if result["secret_available"] else "secret not known",
        *(f"{old['id']} {old['action']}" for old in result["retired"]),
        *map(_predecessor, result["retiring"]),
    ]
    return printable(", ".join(parts))


def _done(result: t.Mapping[str, t.Any]) -> str:
    return "unchanged" if result["action"] == "none" else str(result["action"])


def _expiration(date: str | None) -> str:
    return f"expires {date}" if date else "never expires"


def _predecessor(old: t.Mapping[str, t.Any]) -> str:
    if old["delete_date"]:
        return f"{old['id']} disabled, to be deleted from {old['delete_date']}"
    return f"{old['id']} usable until {old['disable_date']}"
