# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is kept of a token, and what a store has to be able to do. The stores themselves stand in plugin_utils."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._token import Token, provisional_name

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
    created: dt.datetime | None = None  # when the collection issued the token; None where it was adopted
    intent: Intent | None = None
    retiring: tuple[Retiring, ...] = ()
    version: t.Hashable = dataclasses.field(default=None, compare=False, repr=False)  # what the store had when this was read

    def retires(self, token: Token) -> bool:
        """Whether the token is one of those that are retiring. That an id is among them does not make its token ours."""
        return (
            any(note.id == token.id for note in self.retiring)
            and (token.name, token.personal_access_token) == (self.name, self.personal_access_token)
            and not token.made_by_product
        )

    def names(self, token: Token) -> bool:
        """Whether the token is of this entry's kind and bears its name, or the one that it was being issued under."""
        own_names = {self.name} | ({provisional_name(self.name, self.intent.nonce)} if self.intent else set())
        return token.name in own_names and token.personal_access_token == self.personal_access_token and not token.made_by_product


class Store(t.Protocol):
    """Every method may raise ``DynatraceError``, with nothing overwritten."""

    @property
    def keeps(self) -> bool:
        """Whether it keeps anything."""

    @property
    def exclusive(self) -> bool:
        """Whether nobody else can be at work on an entry while its lock is held."""

    @property
    def secrets(self) -> t.Sequence[Secret]:
        """What the store itself is opened with, to be kept out of messages."""

    def lock(self, identities: t.Sequence[Identity]) -> contextlib.AbstractContextManager[None]:
        """What to hold from reading these entries to the last time they are written."""

    def load(self, name: str, personal_access_token: bool) -> Entry:
        """The entry, its secret sealed; one without a version where there is none."""

    def entries(self) -> list[Entry]:
        """All that it holds for this environment, secrets sealed."""

    def save(self, entry: Entry) -> Entry:
        """Write the entry so that it is there whatever happens next; returns it with its new version.

        :raises StoreChanged: where the store has another version by now; it is left as it is.
        """

    def remove(self, entry: Entry) -> None:
        """Remove all that there is of this entry.

        :raises StoreChanged: as ``save`` does.
        """

    def unseal(self, entry: Entry) -> Secret | None:
        """The entry's secret, None where it has none."""

    def check_writable(self, entry: Entry) -> None:
        """Fail where the entry with a secret could not be written now. Writes nothing."""

    def check_removable(self, entry: Entry) -> None:
        """Fail where the entry could not be removed now. Removes nothing."""


class NoStore:
    """Keeps nothing."""

    keeps = False
    exclusive = True
    secrets = ()

    def lock(self, identities: t.Sequence[Identity]) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def load(self, name: str, personal_access_token: bool) -> Entry:
        return Entry(name, personal_access_token)

    def entries(self) -> list[Entry]:
        return []

    def save(self, entry: Entry) -> Entry:
        return entry

    def remove(self, entry: Entry) -> None:
        pass

    def unseal(self, entry: Entry) -> Secret | None:
        return None

    def check_writable(self, entry: Entry) -> None:
        pass

    def check_removable(self, entry: Entry) -> None:
        pass
