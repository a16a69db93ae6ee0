# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of every type: entries, versions, sealing and messages once, in front of a backend."""

from __future__ import annotations

import concurrent.futures
import contextlib
import copy
import dataclasses
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry, Sealed
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DamagedEntry,
    DynatraceError,
    OptionError,
    StoreChanged,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Identity
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Operation
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import (
    Backend,
    Data,
    Kept,
    Key,
    MaybeWritten,
    Version,
    VersionMismatch,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.codec import (
    Damaged,
    dump_entry,
    entry_name,
    is_entry_name,
    parse_entry,
    parse_listed_entry,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.one_password import (
    OnePassword,
)

# As many entries are read without asking first which ones there are.
_FEW = 20


class Sealing(t.Protocol):
    """Encrypts secrets before a backend gets them, where the backend does not do so itself."""

    def check(self, place: str) -> None:
        """Fail where a secret of this place could not be sealed now. Writes nothing."""

    def prepare(self, place: str) -> None:
        """Make ready to seal in this place, if that was checked. Called before a token is issued.

        Fails where what was checked has changed.
        """

    def seal(self, secret: Secret, place: str) -> Secret | Sealed:
        """The secret as it is to be written."""

    def unseal(self, sealed: Sealed, described: str) -> Secret:
        """:param described: what holds it, for messages."""


class EntryStore:
    """Implements the port ``Store``."""

    keeps = True

    def __init__(
        self,
        backend: Backend,
        sealing: Sealing | None = None,
        elsewhere: t.Callable[[Key], str] = lambda key: "",
    ) -> None:
        """:param elsewhere: what to say of an entry that is missing, such as who else has it."""
        self._backend = backend
        self._sealing = sealing
        self._elsewhere = elsewhere
        self._absent: t.Collection[Key] = ()

    @property
    def exclusive(self) -> bool:
        return self._backend.exclusive

    def lock(self, identities: t.Sequence[Identity]) -> contextlib.AbstractContextManager[None]:
        return self._backend.lock({_key(identity): identity.name for identity in identities})

    def describe(self, identity: Identity) -> str:
        key = _key(identity)
        return self._backend.describe(key) + self._elsewhere(key)

    def load(self, identity: Identity) -> Entry:
        key = _key(identity)
        kept = None if key in self._absent else self._backend.read(key)
        return self._parse(identity, key, kept)

    def load_existing(self, identities: t.Collection[Identity]) -> list[Entry | DamagedEntry]:
        keys = {_key(identity): identity for identity in identities}
        found = self._read_each(keys.keys() - self._not_listed(keys))
        return [self._attempt(keys[key], key, kept) for key, kept in found if _has_data(kept)]

    def listed(self, identities: t.Collection[Identity]) -> EntryStore:
        store = copy.copy(self)
        # Without a listing, which the server may refuse, each entry is read.
        with contextlib.suppress(DynatraceError):
            store._absent = self._not_listed([_key(identity) for identity in identities])
        return store

    def _not_listed(self, keys: t.Collection[Key]) -> set[Key]:
        """Those of many keys that surely have no entry."""
        if len(keys) <= _FEW or not self._backend.lists_at_once:
            return set()
        places = {key.place for key in keys}
        listed = {Key(place, name) for place in places for name in self._backend.names(place)}
        return set(keys) - listed

    def _attempt(self, identity: Identity, key: Key, kept: Kept) -> Entry | DamagedEntry:
        try:
            return self._parse(identity, key, kept)
        except DamagedEntry as damage:
            return damage

    def _read_each(self, keys: t.Iterable[Key]) -> list[tuple[Key, Kept | None]]:
        ordered = sorted(keys)
        with concurrent.futures.ThreadPoolExecutor(self._backend.readers) as pool:
            return list(zip(ordered, pool.map(self._backend.read, ordered)))

    def entries(self, place: str) -> list[Entry]:
        names = filter(is_entry_name, self._backend.names(place))
        found = self._read_each(Key(place, name) for name in names)
        entries = [self._parse_listed(key, kept) for key, kept in found if _has_data(kept)]
        return [entry for entry in entries if not entry.is_empty]

    def save(self, entry: Entry) -> Entry:
        saved = dataclasses.replace(entry, secret=self._seal(entry))
        version = self._write(_key(entry.identity), dump_entry(saved), entry.version)
        return dataclasses.replace(saved, version=version)

    def remove(self, entry: Entry) -> None:
        key = _key(entry.identity)
        kept = self._backend.read(key)
        there = self._parse(entry.identity, key, kept)
        if there.version != entry.version:
            raise self._changed(key)
        # Without data there is nothing to remove, and an older version may be recoverable.
        if _has_data(kept):
            self._delete(key, kept.version, keep_older=there.id is None)

    def unseal(self, entry: Entry) -> Secret | None:
        if isinstance(entry.secret, Secret):
            return entry.secret
        if entry.secret is None or self._sealing is None:
            return None
        return self._sealing.unseal(entry.secret, self._backend.describe(_key(entry.identity)))

    def reseal(self, places: t.Sequence[str], check_mode: bool) -> list[str]:
        """See ``OnePassword.reseal``."""
        if not isinstance(self._sealing, OnePassword):
            raise OptionError(
                "store: only a file store that encrypts its secrets has a vault password to change."
            )
        return self._sealing.reseal(places, check_mode)

    def check_may(self, operation: Operation, entry: Entry) -> bool:
        permission = self._backend.may(operation, _key(entry.identity), entry.version)
        if permission.granted is False:
            raise DynatraceError(permission.reason)
        if operation == "save" and self._sealing is not None:
            self._sealing.check(entry.identity.place)
        return permission.granted is not None

    def _seal(self, entry: Entry) -> Secret | Sealed | None:
        if self._sealing is None:
            return entry.secret
        if isinstance(entry.secret, Secret):
            return self._sealing.seal(entry.secret, entry.identity.place)
        if entry.intents:
            self._sealing.prepare(entry.identity.place)
        return entry.secret

    def _write(self, key: Key, data: Data, version: Version | None) -> Version:
        try:
            return self._backend.write(key, data, version)
        except VersionMismatch:
            raise self._changed(key) from None
        except MaybeWritten as failure:
            written = self._version_of(key, data)
            if written in (None, version):
                raise DynatraceError(str(failure)) from None
            return written

    def _version_of(self, key: Key, data: Data) -> Version | None:
        """The version that has exactly this data, None where it cannot be seen."""
        try:
            kept = self._backend.read(key)
        except DynatraceError:
            return None
        return kept.version if kept is not None and kept.data == data else None

    def _delete(self, key: Key, version: Version, keep_older: bool) -> None:
        try:
            self._backend.delete(key, version, keep_older)
        except VersionMismatch:
            raise self._changed(key) from None

    def _changed(self, key: Key) -> StoreChanged:
        return StoreChanged(
            f"The {self._backend.describe(key)} was changed by somebody else meanwhile, and was "
            "left as it is."
        )

    def _parse(self, identity: Identity, key: Key, kept: Kept | None) -> Entry:
        if kept is None:
            return Entry(identity)
        if kept.deleted:
            return Entry(identity, version=kept.version, why_empty=kept.why)
        with self._explained(key):
            return parse_entry(kept.data, identity, kept.version)

    def _parse_listed(self, key: Key, kept: Kept) -> Entry:
        with self._explained(key):
            return parse_listed_entry(kept.data, key.place, key.name, kept.version)

    @contextlib.contextmanager
    def _explained(self, key: Key) -> t.Iterator[None]:
        try:
            yield
        except Damaged as damage:
            raise DamagedEntry(
                f"The {self._backend.describe(key)} is damaged, or is not the entry of this token: "
                f"{damage}. Nothing was changed. Restore it from a backup; if there is none, "
                "remove it, and the next run has no secret for the token."
            ) from None


def _has_data(kept: Kept | None) -> t.TypeGuard[Kept]:
    return kept is not None and not kept.deleted


def _key(identity: Identity) -> Key:
    return Key(identity.place, entry_name(identity.name, identity.kind))
