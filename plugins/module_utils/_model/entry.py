# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a store keeps of a token."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import Kind
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    Token,
    provisional_name,
)


@dataclasses.dataclass(frozen=True)
class Sealed:
    """A secret as the store wrote it: encrypted, and opened by that store only."""

    text: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Intent:
    """That a token is about to be issued, and how to tell it from others if its answer is lost."""

    nonce: str  # in its provisional name
    since: dt.datetime  # the server's clock
    expires: dt.datetime | None = None  # its expiration date, if that is its mark
    scopes: tuple[str, ...] = ()
    known_ids: tuple[str, ...] = ()  # of the tokens of its name that were there before


@dataclasses.dataclass(frozen=True)
class Predecessor:
    """A token that another has replaced, and when it is retired. By the server's clock."""

    id: str
    disable_at: dt.datetime | None  # None: it was taken back, and stays
    delete_at: dt.datetime | None = None  # decided when it is disabled

    @property
    def due(self) -> dt.datetime | None:
        """When it is disabled, or deleted if it is disabled already."""
        return self.delete_at or self.disable_at

    def is_due(self, now: dt.datetime) -> bool:
        return self.due is not None and self.due <= now


@dataclasses.dataclass(frozen=True)
class Entry:
    """What a store holds for one identity.

    ``id is None``: no token is stored. ``version is None``: no entry exists.
    """

    identity: Identity
    id: str | None = None
    secret: Secret | Sealed | None = None
    scopes: tuple[str, ...] = ()  # with expires: for people to read, never compared
    expires: dt.datetime | None = None
    created: dt.datetime | None = None  # None: the token was adopted, not issued
    handed_over: bool = True  # False: issued, and its users may not have the secret yet
    intents: tuple[Intent, ...] = ()  # the newest last
    predecessors: tuple[Predecessor, ...] = ()
    version: t.Hashable = dataclasses.field(default=None, compare=False, repr=False)
    why_empty: str = dataclasses.field(default="", compare=False)  # as the store knows it

    @property
    def name(self) -> str:
        return self.identity.name

    @property
    def kind(self) -> Kind:
        return self.identity.kind

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it is worth an entry."""
        return self.id is None and not self.intents and not self.predecessors

    def knows(self, token: Token) -> bool:
        """Whether the token is a predecessor, one that was taken back included."""
        return self._predecessor(token) is not None

    def retires(self, token: Token) -> bool:
        """Whether the token is a predecessor that is to go."""
        predecessor = self._predecessor(token)
        return predecessor is not None and predecessor.due is not None

    def _predecessor(self, token: Token) -> Predecessor | None:
        # A store can be written by others: an id in it does not make a token ours.
        if not token.is_of(self.identity):
            return None
        return next((one for one in self.predecessors if one.id == token.id), None)

    def is_of(self, token: Token) -> bool:
        """Whether the token has this entry's kind, and its name or that of an intent."""
        names = {self.name, *(provisional_name(self.name, intent.nonce) for intent in self.intents)}
        return any(token.is_of(self.identity._replace(name=name)) for name in names)
