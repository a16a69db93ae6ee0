# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Predecessors: replaced tokens, usable for a while, then disabled, then deleted. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Predecessor
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import Period
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Token


@dataclasses.dataclass(frozen=True)
class Retirement:
    """The tokens to disable and to delete now, and the predecessors that remain."""

    disables: tuple[Token, ...] = ()
    deletes: tuple[Token, ...] = ()
    remaining: tuple[Predecessor, ...] = ()


def predecessor_of(token: Token, overlap: Period, now: dt.datetime) -> Predecessor:
    """The predecessor that a token becomes by being replaced now.

    It is disabled after the overlap, and never later than its own expiration.
    """
    end = overlap.after(now)
    return Predecessor(token.id or "", end if token.expires is None else min(end, token.expires))


def plan_retirement(
    predecessors: t.Iterable[Predecessor],
    tokens: t.Iterable[Token],
    gone: t.Container[str],
    delete_after: Period,
    now: dt.datetime,
) -> Retirement:
    """The next step for each predecessor that is due.

    :param tokens: the tokens of those that were looked for and found.
    :param gone: the ids of those that were looked for and are not there, or are not ours any more.
    """
    found = {token.id: token for token in tokens}
    disables: list[Token] = []
    deletes: list[Token] = []
    remaining: list[Predecessor] = []
    for predecessor in predecessors:
        token = found.get(predecessor.id)
        if predecessor.id in gone:
            continue
        if token is None or not predecessor.is_due(now):
            remaining.append(predecessor)
        elif _is_deleted_now(predecessor, token, delete_after, now):
            deletes.append(token)
        elif not token.complete:
            remaining.append(predecessor)  # to disable it would take its scopes away
        else:
            remaining.append(dataclasses.replace(predecessor, delete_at=delete_after.after(now)))
            disables += [token] if token.enabled else []
    return Retirement(tuple(disables), tuple(deletes), tuple(remaining))


def _is_deleted_now(
    predecessor: Predecessor, token: Token, delete_after: Period, now: dt.datetime
) -> bool:
    if predecessor.delete_at or token.has_expired(now) or not delete_after:
        return True
    return "enabled" not in token.kind.changes
