# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of the tokens that another has replaced: usable for a while, then disabled for a while, then gone. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Retiring
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import Period
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Token


@dataclasses.dataclass(frozen=True)
class Retirement:
    """What is to be done with them now, and what is left to be done later."""

    disables: tuple[Token, ...] = ()
    deletes: tuple[Token, ...] = ()
    left: tuple[Retiring, ...] = ()


def note_of(token: Token, overlap: Period, now: dt.datetime) -> Retiring:
    """What is to be remembered of a token that is replaced now. None is left for longer than it works."""
    end = overlap.after(now)
    return Retiring(token.id or "", end if token.expires is None else min(end, token.expires))


def plan_retirement(
    notes: t.Iterable[Retiring],
    tokens: t.Iterable[Token],
    gone: t.Container[str],
    delete_after: Period,
    now: dt.datetime,
) -> Retirement:
    """The next step for each that is due.

    :param tokens: those among them that were seen.
    :param gone: the ids of those that were looked for and are not there, or not ours.
    """
    seen = {token.id: token for token in tokens}
    disables: list[Token] = []
    deletes: list[Token] = []
    left: list[Retiring] = []
    for note in notes:
        token = seen.get(note.id)
        if note.id in gone:
            continue
        if token is None or note.due > now:
            left.append(note)
        elif note.delete_at or token.ended(now) or not delete_after:
            deletes.append(token)
        elif not token.complete:
            left.append(note)  # to disable it would take its scopes away
        else:
            left.append(dataclasses.replace(note, delete_at=delete_after.after(now)))
            disables += [token] if token.enabled else []
    return Retirement(tuple(disables), tuple(deletes), tuple(left))
