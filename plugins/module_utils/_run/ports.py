# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that a run asks of the world: the token API, a store, and what it depends on besides its options."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import secrets
import time
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Entry,
    Identity,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import Period
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Token
from ansible_collections.community.dynatrace.plugins.module_utils._plan.plan import Plan

Wanted = t.Callable[[str, str], bool]


@dataclasses.dataclass(frozen=True)
class Issued:
    """What the API answers to a creation; the secret is in this answer and nowhere else, ever."""

    id: str
    secret: Secret
    expires: dt.datetime | None


class TokenReader(t.Protocol):
    """What finding and planning need. Every operation may raise ``RequestFailed``."""

    def now(self) -> dt.datetime:
        """The server's clock."""

    def caller_id(self) -> str | None:
        """The id of the calling token; None where Dynatrace does not tell, or it is a platform token or an OAuth client."""

    def called(self, name: str, personal_access_token: bool) -> t.Sequence[Token]:
        """The tokens of this name and kind, those among them that are being issued."""

    def get(self, token_id: str) -> Token | None:
        """The token of this id, None where there is none."""

    def lookup(self, secret: Secret) -> Token | None:
        """The token that this secret belongs to; None where Dynatrace knows none."""

    def lacks(self, plan: Plan) -> str | None:
        """What this version of the API cannot do of the plan, None where it can do all."""


class TokenApi(TokenReader, t.Protocol):
    """The operations. Every one may raise ``RequestFailed``."""

    def skew(self) -> dt.timedelta:
        """How far the server's clock is ahead of this machine's."""

    def for_thread(self) -> TokenApi:
        """The same for another thread."""

    def list(
        self,
        personal_access_token: bool | None = None,
        usage: bool = False,
        wanted: Wanted | None = None,
    ) -> t.Iterator[Token]:
        """All tokens; of one kind, if it is given.

        :param usage: whether it is to be told how they have been used.
        :param wanted: whether a token of this id and name is one of them. What is not wanted costs next to nothing.
        """

    def create(
        self,
        name: str,
        scopes: t.Sequence[str],
        expires: Period | dt.datetime | None,
        personal_access_token: bool,
    ) -> Issued:
        """Issue a token."""

    def update(self, token_id: str, name: str, enabled: bool, scopes: t.Sequence[str]) -> None:
        """Replace all that can be changed. Documented: the scopes are replaced as a whole."""

    def delete(self, token_id: str) -> None:
        """Delete a token; one that is gone already is no error."""

    def lookup_itself(self, secret: Secret) -> Token | None:
        """As ``lookup``, but called with this very token. Documented: any scope suffices."""


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


def _nothing() -> None:
    pass


def _no_progress(done: int, total: int) -> None:
    pass


def _nonce() -> str:
    return secrets.token_hex(8)


@dataclasses.dataclass(frozen=True)
class Runtime:
    check_mode: bool
    hands_out: bool  # whether somebody receives the secret with the result
    may_issue: bool  # whether the secret of a token that is issued now would be kept
    warn: t.Callable[[str], None]
    store: Store = dataclasses.field(default_factory=NoStore)
    before_secret: t.Callable[[], None] = (
        _nothing  # called right before the request that answers with a secret
    )
    progress: t.Callable[[int, int], None] = (
        _no_progress  # called with how many tokens are done, and of how many
    )
    redactor: Redactor = dataclasses.field(default_factory=Redactor)
    nonce: t.Callable[[], str] = _nonce
    sleep: t.Callable[[float], None] = time.sleep
