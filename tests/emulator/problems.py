# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors of the APIs, as they word them."""

from __future__ import annotations

import typing as t


class Problem(Exception):
    """An answer that is an error.

    :param path: with it, the error names this part of the request as the violated constraint.
    :param bare: without a body, as the API answers an unknown id.
    """

    def __init__(
        self,
        status: int,
        message: str = "",
        path: str | None = None,
        where: str = "PAYLOAD_BODY",
        bare: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.bare = bare
        self.envelope: dict[str, t.Any] = {"error": {"code": status, "message": message}}
        if path is not None:
            violation = {
                "path": path,
                "message": message,
                "parameterLocation": where,
                "location": None,
            }
            self.envelope["error"] |= {
                "message": "Constraints violated.",
                "constraintViolations": [violation],
            }

    def envelope_at(self, path: str) -> dict[str, t.Any]:
        """What answers at this path: the Account Management API has a form of its own."""
        if path.startswith("/iam/"):
            return {"error": True, "message": str(self)}
        return self.envelope


def unknown_token() -> Problem:
    return Problem(404, bare=True)


def bad_query(parameter: str, message: str) -> Problem:
    return Problem(400, message, parameter, "QUERY")


def bad_body(path: str, message: str) -> Problem:
    return Problem(400, message, path)
