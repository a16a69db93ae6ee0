# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What EntryStore asks of a type of store: to keep named data, each with a version."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Redactor
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Operation

Data = dict[str, t.Any]
Version = t.Hashable


@dataclasses.dataclass(frozen=True)
class StoreContext:
    """What opening a store depends on besides its options."""

    folder: str  # what a relative path is relative to
    loader: t.Any  # Ansible's, which knows the vault secrets
    environments: t.Sequence[t.Mapping[str, str]]  # for options that are not given, in this order
    warn: t.Callable[[str], None]
    redactor: Redactor  # gets the secrets that the store itself is opened with


class Key(t.NamedTuple):
    """Where a backend keeps an entry. Both parts are safe in a path."""

    place: str  # a folder, such as abc12345
    name: str  # in that folder, such as ci or ci.pat


class Kept(t.NamedTuple):
    """What a backend has under a key."""

    data: t.Any  # as it was found: anybody may have written it
    version: Version
    deleted: bool = False  # without data, and older versions may be recoverable
    why: str = ""  # there is no data, and how to bring it back


@dataclasses.dataclass(frozen=True)
class Permission:
    """Whether an operation would succeed."""

    granted: bool | None  # None: the backend cannot tell
    reason: str = ""  # why it is not granted, and what to do


GRANTED = Permission(True)
UNKNOWN = Permission(None)


class VersionMismatch(Exception):
    """The backend has another version than the expected one. Nothing was changed."""


class MaybeWritten(DynatraceError):
    """A write failed, and may have been carried out all the same."""


class Backend(t.Protocol):
    """A type of store. Methods are called from several threads and may raise ``DynatraceError``."""

    exclusive: bool  # whether ``lock`` keeps out everybody else who uses this store
    readers: int  # how many threads are worth it to read many entries
    lists_at_once: bool  # whether ``names`` has what was written a moment ago

    def describe(self, key: Key) -> str:
        """How messages name it, such as ``file /tokens/abc12345/ci.yml``."""

    def lock(self, keys: t.Mapping[Key, str]) -> contextlib.AbstractContextManager[None]:
        """What to hold while these entries are read and written.

        :param keys: each with its token's name, for messages.
        """

    def names(self, place: str) -> t.Iterable[str]:
        """The names of the keys in this place, and maybe other names."""

    def read(self, key: Key) -> Kept | None:
        """The data with its version; None where there is none."""

    def write(self, key: Key, data: Data, version: Version | None) -> Version:
        """Replace this version, or create where it is None, so that it outlasts a crash.

        :param data: plain values for YAML or JSON, and ``Sealed`` where the store has a sealing.
        :raises VersionMismatch: where there is another version.
        :raises MaybeWritten: where it is not known whether the data was written.
        """

    def delete(self, key: Key, version: Version, keep_older: bool) -> None:
        """Delete the data.

        :param keep_older: whether older versions must stay recoverable, if the backend has any.
        :raises VersionMismatch: where there is another version, if the backend can tell.
        """

    def may(self, operation: Operation, key: Key, version: Version | None) -> Permission:
        """Whether the operation would succeed now. Writes nothing."""
