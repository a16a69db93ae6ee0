# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a store keeps of a token."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Token,
    provisional_name,
)

Identity = tuple[str, bool]  # a name, and whether it is that of a personal access token


@dataclasses.dataclass(frozen=True)
class Sealed:
    """A secret as the store wrote it: encrypted, and opened by that store alone."""

    text: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Intent:
    """That a token is being issued, which bears this nonce in its provisional name."""

    nonce: str
    since: dt.datetime  # the server's clock


@dataclasses.dataclass(frozen=True)
class Retiring:
    """A token that another has replaced, and until when it is left. By the server's clock."""

    id: str
    disable_at: dt.datetime
    delete_at: dt.datetime | None = None  # decided when it is disabled

    @property
    def due(self) -> dt.datetime:
        """When something is to be done with it."""
        return self.delete_at or self.disable_at


@dataclasses.dataclass(frozen=True)
class Entry:
    """What a store holds for one name and kind. Without an id it holds no token; without a version it is not there at all."""

    name: str
    personal_access_token: bool
    id: str | None = None
    secret: Secret | Sealed | None = None
    scopes: tuple[str, ...] = ()  # with expires: for people to read, never compared
    expires: dt.datetime | None = None
    created: dt.datetime | None = (
        None  # when the collection issued the token; None where it was adopted
    )
    intent: Intent | None = None
    retiring: tuple[Retiring, ...] = ()
    handed_over: bool = True  # False: issued with retire: false, and no call retired since
    version: t.Hashable = dataclasses.field(
        default=None, compare=False, repr=False
    )  # what the store had when this was read

    def retires(self, token: Token) -> bool:
        """Whether the token is one of those that are retiring. That an id is among them does not make its token ours."""
        return (
            any(note.id == token.id for note in self.retiring)
            and (token.name, token.personal_access_token) == (self.name, self.personal_access_token)
            and not token.made_by_product
        )

    def names(self, token: Token) -> bool:
        """Whether the token is of this entry's kind and bears its name, or the one that it was being issued under."""
        own_names = {self.name} | (
            {provisional_name(self.name, self.intent.nonce)} if self.intent else set()
        )
        return (
            token.name in own_names
            and token.personal_access_token == self.personal_access_token
            and not token.made_by_product
        )
