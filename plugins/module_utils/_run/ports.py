# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that a run asks of the world: the token API, a store, and what else it depends on."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import secrets
import time
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import DamagedEntry
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import Kind
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import Period
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    Token,
)

Wanted = t.Callable[[str, str], bool]
Operation = t.Literal["save", "remove"]


@dataclasses.dataclass(frozen=True)
class Issued:
    """The answer to a creation. The secret is in this answer and nowhere else, ever."""

    id: str
    secret: Secret
    expires: dt.datetime | None


class TokenReader(t.Protocol):
    """What finding needs. Every operation may raise ``RequestFailed``."""

    @property
    def issues(self) -> t.Collection[Kind]:
        """The kinds that it can create."""

    @property
    def changes_caller(self) -> bool:
        """Whether it can change the calling token."""

    def now(self) -> dt.datetime:
        """The server's clock."""

    def caller_id(self) -> str | None:
        """The id of the calling token.

        None where Dynatrace does not tell, or for a platform token or an OAuth client.
        """

    def find_by_name(self, identity: Identity) -> t.Sequence[Token]:
        """The tokens of this name and kind, those under a provisional name included."""

    def get(self, token_id: str) -> Token | None:
        """The token of this id, None where there is none."""

    def lookup(self, secret: Secret) -> Token | None:
        """The token that this secret belongs to; None where Dynatrace knows none."""

    def id_of(self, secret: Secret) -> str | None:
        """The id of the token that this secret belongs to, by a request where it needs one."""


class TokenApi(TokenReader, t.Protocol):
    """The operations. Every one may raise ``RequestFailed``."""

    def skew(self) -> dt.timedelta:
        """How far the server's clock is ahead of this machine's."""

    def for_thread(self) -> TokenApi:
        """The same for another thread."""

    def list(
        self, kind: Kind | None = None, usage: bool = False, wanted: Wanted | None = None
    ) -> t.Iterator[Token]:
        """All tokens; of one kind, if it is given.

        :param usage: whether to tell how they have been used.
        :param wanted: whether to read a token of this id and name. Others cost next to nothing.
        """

    def create(self, token: Token, expires: Period | dt.datetime | None) -> Issued:
        """Issue a token with this name, these scopes and so on."""

    def update(self, before: Token, after: Token) -> None:
        """Change a token into another state, within what its kind ``changes``."""

    def delete(self, token_id: str) -> None:
        """Delete a token; one that is gone already is no error."""

    def problem_of(self, secret: Secret, token: Token) -> str | None:
        """The reason why the token cannot be used with this secret as specified; None if it can."""


class Store(t.Protocol):
    """Every method may raise ``DynatraceError``, with nothing overwritten."""

    @property
    def keeps(self) -> bool:
        """Whether it keeps anything."""

    @property
    def exclusive(self) -> bool:
        """Whether nobody else can be at work on an entry while its lock is held."""

    def lock(self, identities: t.Sequence[Identity]) -> contextlib.AbstractContextManager[None]:
        """What to hold from reading these entries to the last time they are written."""

    def describe(self, identity: Identity) -> str:
        """Where the entry is, or would be, for messages."""

    def load(self, identity: Identity) -> Entry:
        """The entry, its secret sealed; one without a version where there is none."""

    def load_existing(self, identities: t.Collection[Identity]) -> list[Entry | DamagedEntry]:
        """The entries of those identities that have one, secrets sealed.

        A damaged entry does not hinder the others: in its place is the error that names it.
        """

    def listed(self, identities: t.Collection[Identity]) -> Store:
        """The same store, which knows from one listing which of these have no entry.

        It knows of none if a listing costs more than it saves, or is refused.
        """

    def entries(self, place: str) -> list[Entry]:
        """All entries of this place, secrets sealed."""

    def save(self, entry: Entry) -> Entry:
        """Write the entry so that it is there whatever happens next.

        :returns: the entry with its new version.
        :raises StoreChanged: where the store has another version by now; it is left as it is.
        """

    def remove(self, entry: Entry) -> None:
        """Remove all that there is of this entry.

        :raises StoreChanged: as ``save`` does.
        """

    def unseal(self, entry: Entry) -> Secret | None:
        """The entry's secret, None where it has none."""

    def check_may(self, operation: Operation, entry: Entry) -> bool:
        """Fail where the operation would surely be refused now. Writes nothing.

        :returns: whether the store can tell.
        """


class NoStore:
    """Keeps nothing."""

    keeps = False
    exclusive = True

    def lock(self, identities: t.Sequence[Identity]) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def describe(self, identity: Identity) -> str:
        return "nowhere"

    def load(self, identity: Identity) -> Entry:
        return Entry(identity)

    def load_existing(self, identities: t.Collection[Identity]) -> list[Entry | DamagedEntry]:
        return []

    def listed(self, identities: t.Collection[Identity]) -> NoStore:
        return self

    def entries(self, place: str) -> list[Entry]:
        return []

    def save(self, entry: Entry) -> Entry:
        return entry

    def remove(self, entry: Entry) -> None:
        pass

    def unseal(self, entry: Entry) -> Secret | None:
        return None

    def check_may(self, operation: Operation, entry: Entry) -> bool:
        return True


def _nothing() -> None:
    pass


def _no_progress(done: int, total: int) -> None:
    pass


def _nonce() -> str:
    return secrets.token_hex(8)


@dataclasses.dataclass(frozen=True)
class RunContext:
    """What a run depends on besides its options."""

    check_mode: bool
    return_secret: bool  # whether somebody receives the secret with the result
    secret_has_receiver: bool  # whether the secret of a token that is issued now would be kept
    warn: t.Callable[[str], None]
    store: Store = dataclasses.field(default_factory=NoStore)
    on_secret_expected: t.Callable[[], None] = _nothing  # right before the answer with a secret
    progress: t.Callable[[int, int], None] = _no_progress  # how many tokens are done, of how many
    say: t.Callable[[str], None] | None = None  # a line for who watches; None: nobody does
    redactor: Redactor = dataclasses.field(default_factory=Redactor)
    nonce: t.Callable[[], str] = _nonce
    sleep: t.Callable[[float], None] = time.sleep
