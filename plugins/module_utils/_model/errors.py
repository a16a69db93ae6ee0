# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors that a user gets to read. None of them ever holds a secret."""

from __future__ import annotations

import traceback


class DynatraceError(Exception):
    """What went wrong and what to do next, in words for the user."""


class OptionError(DynatraceError):
    """An option cannot work as given. Raised before any request goes out."""


class Refused(DynatraceError):
    """The plan would break a promise of this collection, so nothing was written."""


class StoreChanged(DynatraceError):
    """Somebody else has written the entry since it was read. Nothing was overwritten."""


class DamagedEntry(DynatraceError):
    """An entry of the store is not what a store writes, or is another token's. Names its place."""


class RequestFailed(DynatraceError):
    """A request was not answered as hoped.

    :param status: the HTTP status of the answer, None where none arrived.
    :param maybe_done: whether Dynatrace may have carried the request out all the same.
    :param transient: whether the same request may succeed later.
    :param asked_wait: how many seconds the server asks to wait before that.
    """

    def __init__(
        self,
        message: str,
        status: int | None = None,
        maybe_done: bool = False,
        transient: bool = False,
        asked_wait: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.maybe_done = maybe_done
        self.transient = transient
        self.asked_wait = asked_wait


def unexpected(error: Exception) -> DynatraceError:
    """An error that nobody has thought of, and its place.

    Without a traceback, which would show values.
    """
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{where.filename.rpartition('/')[2]}:{where.lineno}"
    return DynatraceError(
        f"Unexpected {type(error).__name__} at {place}: {error}. Please report this."
    )
