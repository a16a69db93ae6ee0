# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A token API and a store in memory: as strict as the real ones, and cut off or refused wherever
a test says."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry, Sealed
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DamagedEntry,
    RequestFailed,
    StoreChanged,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import (
    ACCESS,
    PERSONAL_ACCESS,
    Kind,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import Period
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    Token,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import (
    Issued,
    Operation,
    Wanted,
)

START = dt.datetime(2030, 1, 1, tzinfo=dt.timezone.utc)

# The attributes that an update can carry, by the names of options.
_FIELDS = {
    "name": "name",
    "scopes": "scopes",
    "enabled": "enabled",
    "expires": "expiration_date",
}


class Killed(BaseException):
    """The end of a process."""


class Interrupted(BaseException):
    """Ansible's task timeout, or a signal: clean-up is done, as far as the process comes."""


@dataclasses.dataclass(frozen=True)
class Faults:
    """The numbers of the writes of a process that fail, and how."""

    loses: frozenset[int] = frozenset()  # carried out, and no answer arrives
    refuses: frozenset[int] = frozenset()  # not carried out
    interrupts: frozenset[int] = frozenset()  # carried out, and then the process is interrupted
    new_do_not_work: bool = False  # tokens that are issued are not accepted while the process lives


NO_FAULTS = Faults()


def _nothing() -> None:
    pass


class World:
    """An environment, its clock, a store, and a log of all that was written to either."""

    def __init__(self) -> None:
        self.now = START
        self.tokens: dict[str, Token] = {}
        self.secrets: dict[str, str] = {}  # by id
        self.entries: dict[Identity, tuple[int, Entry]] = {}
        self.versions = 0
        self.requests: collections.Counter[str] = collections.Counter()
        self.writes: list[str] = []
        self.dies_before: int | None = None  # that write of its process, and everything after it
        self.fails = NO_FAULTS
        self.watch: t.Callable[[], None] = _nothing  # called after every write

    def reads(self, what: str) -> None:
        self.requests[what] += 1
        self._live()

    @contextlib.contextmanager
    def write(self, what: str, is_looked_after: bool = False) -> t.Iterator[None]:
        """Carries out what happens inside, unless it fails or the process dies before.

        :param is_looked_after: whether the writer itself sees what became of it if the answer is
        lost.
        """
        self._live()
        number = len(self.writes)
        self.writes.append(what)
        if number in self.fails.refuses:
            raise RequestFailed(f"{what}: internal error", status=500)
        yield
        self.watch()
        if number in self.fails.interrupts:
            raise Interrupted
        if number in self.fails.loses and not is_looked_after:
            raise RequestFailed(f"{what}: no answer", maybe_done=True)

    def _live(self) -> None:
        if self.dies_before is not None and len(self.writes) >= self.dies_before:
            raise Killed

    def new_process(self, dies_before: int | None = None, fails: Faults | None = None) -> None:
        """What happens from now on is done by another process."""
        self.writes = []
        self.requests.clear()
        self.dies_before = dies_before
        self.fails = fails or NO_FAULTS

    def add(self, name: str, kind: Kind = ACCESS, **fields: t.Any) -> Token:
        """A token that somebody else made."""
        number = len(self.secrets) + 1
        values = {"enabled": True, "scopes": ("metrics.read",), "created": self.now, **fields}
        token = Token(id=f"id{number:04}", name=name, kind=kind, **values)
        self.tokens[str(token.id)] = token
        self.secrets[str(token.id)] = f"secret{number:04}"
        return token

    def change(self, token_id: str, **fields: t.Any) -> None:
        self.tokens[token_id] = dataclasses.replace(self.tokens[token_id], **fields)

    def works(self, secret: str | None) -> bool:
        token = next(
            (self.tokens.get(one) for one in self.secrets if self.secrets[one] == secret), None
        )
        return token is not None and token.enabled and not token.has_expired(self.now)

    def entry(self, identity: Identity) -> Entry:
        return self.entries[identity][1] if identity in self.entries else Entry(identity)


class MemoryApi:
    """See ``TokenApi``. Takes no change of what a kind cannot change."""

    def __init__(self, world: World, kinds: t.Sequence[Kind] = (ACCESS, PERSONAL_ACCESS)) -> None:
        self._world = world
        self.issues: t.Collection[Kind] = kinds
        self.changes_caller = True
        self.caller: str | None = None  # its id

    def now(self) -> dt.datetime:
        return self._world.now

    def skew(self) -> dt.timedelta:
        return dt.timedelta(0)

    def for_thread(self) -> MemoryApi:
        return self

    def caller_id(self) -> str | None:
        return self.caller

    def list(
        self, kind: Kind | None = None, usage: bool = False, wanted: Wanted | None = None
    ) -> t.Iterator[Token]:
        self._world.reads("list")
        for token in list(self._world.tokens.values()):
            is_wanted = wanted is None or wanted(token.id or "", token.name)
            if kind in (None, token.kind) and is_wanted:
                yield _told(token)

    def find_by_name(self, identity: Identity) -> t.Sequence[Token]:
        listed = self.list(identity.kind)
        return [one for one in listed if one.becomes(identity)]

    def get(self, token_id: str) -> Token | None:
        self._world.reads("get")
        token = self._world.tokens.get(token_id)
        return _told(token) if token else None

    def create(self, token: Token, expires: Period | dt.datetime | None) -> Issued:
        with self._world.write(f"create {token.name}"):
            date = expires.after(self._world.now) if isinstance(expires, Period) else expires
            made = self._world.add(
                token.name, token.kind, scopes=token.scopes, expires=date, enabled=True
            )
        return Issued(str(made.id), Secret(self._world.secrets[str(made.id)]), made.expires)

    def update(self, before: Token, after: Token) -> None:
        changed = {one for one in _FIELDS if getattr(before, one) != getattr(after, one)}
        assert {_FIELDS[one] for one in changed} <= before.kind.changes, (before.kind, changed)
        with self._world.write(f"update {before.id}"):
            if before.id not in self._world.tokens:
                raise RequestFailed(f"There is no token {before.id}.", status=404)
            self._world.change(before.id, **{one: getattr(after, one) for one in changed})

    def delete(self, token_id: str) -> None:
        with self._world.write(f"delete {token_id}"):
            self._world.tokens.pop(token_id, None)

    def lookup(self, secret: Secret) -> Token | None:
        self._world.reads("lookup")
        secrets = self._world.secrets
        ids = [token_id for token_id in secrets if secrets[token_id] == secret.reveal()]
        token = self._world.tokens.get(ids[0]) if ids else None
        return _told(token) if token else None

    def id_of(self, secret: Secret) -> str | None:
        token = self.lookup(secret)
        return token.id if token else None

    def problem_of(self, secret: Secret, token: Token) -> str | None:
        seen = self.lookup(secret)
        if seen is None or seen.id != token.id or not self._world.works(secret.reveal()):
            return "It does not work."
        if self._world.fails.new_do_not_work:
            return "It is not accepted."
        return None


def _told(token: Token) -> Token:
    """What the API of its kind tells of a token."""
    created = token.created if "creation_date" in token.kind.tells else None
    return dataclasses.replace(token, created=created)


class MemoryStore:
    """See ``Store``. Seals secrets, and refuses what was not read."""

    keeps = True

    def __init__(self, world: World, exclusive: bool = True) -> None:
        self._world = world
        self.exclusive = exclusive

    def lock(self, identities: t.Sequence[Identity]) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def describe(self, identity: Identity) -> str:
        return f"memory of {identity.name}"

    def load(self, identity: Identity) -> Entry:
        self._world.reads("load")
        if identity not in self._world.entries:
            return Entry(identity)
        version, entry = self._world.entries[identity]
        return dataclasses.replace(entry, version=version)

    def load_existing(self, identities: t.Collection[Identity]) -> list[Entry | DamagedEntry]:
        return [self.load(one) for one in identities if one in self._world.entries]

    def listed(self, identities: t.Collection[Identity]) -> MemoryStore:
        return self

    def entries(self, place: str) -> list[Entry]:
        return [self.load(one) for one in self._world.entries if one.place == place]

    def save(self, entry: Entry) -> Entry:
        with self._world.write(f"save {entry.name}", is_looked_after=True):
            self._check_version(entry)
            self._world.versions += 1
            if isinstance(entry.secret, Secret):
                entry = dataclasses.replace(entry, secret=Sealed(entry.secret.reveal()))
            self._world.entries[entry.identity] = (self._world.versions, entry)
        return dataclasses.replace(entry, version=self._world.versions)

    def remove(self, entry: Entry) -> None:
        with self._world.write(f"remove {entry.name}", is_looked_after=True):
            self._check_version(entry)
            self._world.entries.pop(entry.identity, None)

    def unseal(self, entry: Entry) -> Secret | None:
        return Secret(entry.secret.text) if isinstance(entry.secret, Sealed) else entry.secret

    def check_may(self, operation: Operation, entry: Entry) -> bool:
        self._world.reads("check_may")
        return True

    def _check_version(self, entry: Entry) -> None:
        version, _entry = self._world.entries.get(entry.identity, (None, None))
        if version != entry.version:
            raise StoreChanged(f"The entry {entry.name!r} was changed by somebody else.")
