# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tokens that bear on one specification, told apart by what they are to it. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Entry,
    Intent,
    Predecessor,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Token,
    is_provisional,
    provisional_name,
)

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)


@dataclasses.dataclass(frozen=True)
class Found:
    """The tokens of one identity, newest first, and what is known of their secrets."""

    entry: Entry  # an empty one without a store
    live: tuple[Token, ...] = ()
    expired: tuple[Token, ...] = ()
    predecessors: tuple[Token, ...] = ()  # of the entry: all of them, or those that are due
    leftovers: tuple[Token, ...] = ()  # of an earlier run that was cut off: their secrets are lost
    doubtful: tuple[Token, ...] = ()  # may be leftovers; nothing tells
    foreign_provisional: tuple[Token, ...] = ()  # another run is issuing them, or was cut off
    gone: tuple[str, ...] = ()  # ids of predecessors that are not there, or are not ours any more
    held_id: str | None = None  # the id of the token that the caller's secret belongs to
    kept_id: str | None = None  # the id of the token that the store's secret belongs to
    stored: bool = False  # whether there is a store
    place: str = ""  # where the store looked in vain for the secret of a live token
    target: Entry | None = None  # the entry of the name that the token is to get, if it is another

    def knows_secret_of(self, token: Token) -> bool:
        return token.id is not None and token.id in (self.held_id, self.kept_id)


def sort_out(
    tokens: t.Iterable[Token],
    now: dt.datetime,
    entry: Entry,
    looked_for: t.Iterable[Predecessor] = (),
    kept_id: str | None = None,
) -> Found:
    """Tell apart the tokens of one identity.

    :param looked_for: the predecessors whose tokens are here, if they are anywhere.
    """
    roles: dict[str, list[Token]] = {}
    for token in tokens:
        roles.setdefault(role_of(token, now, entry), []).append(token)
    seen = {token.id for token in roles.get("predecessors", ())}
    gone = tuple(one.id for one in looked_for if one.due is not None and one.id not in seen)
    sorted_roles: dict[str, t.Any] = {
        role: _newest_first(of_role) for role, of_role in roles.items()
    }
    return Found(entry, gone=gone, kept_id=kept_id, **sorted_roles)


def role_of(token: Token, now: dt.datetime, entry: Entry) -> str:
    """The field of ``Found`` that a token belongs to."""
    is_kept = token.id == entry.id and entry.is_of(token)
    expired = token.has_expired(now)
    if is_kept and expired and is_provisional(token.name):
        return "leftovers"  # the next intent would make it unknown
    if not is_kept:
        role = _role_beside_kept(token, entry)
        if role is not None:
            return role
    return "expired" if expired else "live"


def _role_beside_kept(token: Token, entry: Entry) -> str | None:
    if entry.retires(token):
        return "predecessors"
    if entry.knows(token):
        return None  # it was taken back, and an intent may still bear its mark
    if any(is_leftover(token, intent, entry.name) for intent in entry.intents):
        return "leftovers"
    if is_provisional(token.name):
        return "foreign_provisional"
    if any(may_be_leftover(token, intent, entry) for intent in entry.intents):
        return "doubtful"
    return None


def is_leftover(token: Token, intent: Intent, name: str) -> bool:
    """Whether the token bears the mark of this intent, and so was issued by its run."""
    if token.kind.marked_by == "name":
        return token.name == provisional_name(name, intent.nonce)
    return (
        intent.expires is not None
        and is_same_second(token.expires, intent.expires)
        and token.scopes == intent.scopes
        and token.id not in intent.known_ids
    )


def may_be_leftover(token: Token, intent: Intent, entry: Entry) -> bool:
    """Whether the token may be of this intent, which has no mark but the ids known before."""
    if token.kind.marked_by == "name" or intent.expires is not None:
        return False
    # A stored token that was not there before is the token of the intent.
    is_settled = entry.id is not None and entry.id not in intent.known_ids
    is_known = token.id in (entry.id, *intent.known_ids) or entry.knows(token)
    return not is_settled and not is_known


def is_same_second(one: dt.datetime | None, other: dt.datetime) -> bool:
    """Whether two dates are the same where a server drops what is less than a second."""
    return one is not None and one.replace(microsecond=0) == other.replace(microsecond=0)


def open_intents(found: Found, now: dt.datetime) -> tuple[Intent, ...]:
    """The intents whose tokens may still turn up, after the leftovers that were found are deleted.

    A provisional name tells by itself. A mark by expiration date is remembered until that date, and
    one by the ids that were there before as long as there is a token that it makes doubtful.
    """
    return tuple(intent for intent in found.entry.intents if _is_open(intent, found, now))


def _is_open(intent: Intent, found: Found, now: dt.datetime) -> bool:
    if intent.expires is None:
        return any(may_be_leftover(token, intent, found.entry) for token in found.doubtful)
    return intent.expires > now and not _is_settled(intent, found)


def _is_settled(intent: Intent, found: Found) -> bool:
    kept = [token for token in found.live if token.id == found.entry.id]
    seen = (*found.leftovers, *kept)
    return any(is_leftover(token, intent, found.entry.name) for token in seen)


def _newest_first(tokens: t.Iterable[Token]) -> tuple[Token, ...]:
    return tuple(
        sorted(tokens, key=lambda token: (token.created or _EPOCH, token.id or ""), reverse=True)
    )
