# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A type of store that lives in memory, and that only tests know: all that a backend has to be."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import threading
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Operation
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import (
    GRANTED,
    Data,
    Kept,
    Key,
    MaybeWritten,
    Permission,
    Version,
    VersionMismatch,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.kept import EntryStore
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import StoreType


@dataclasses.dataclass
class MemoryBackend:
    """Counts versions. Tests set what it permits, and how its writes fail."""

    kept: dict[Key, Kept] = dataclasses.field(default_factory=dict)
    permission: Permission = GRANTED
    fault: t.Literal["none", "lost", "refused"] = "none"  # an answer, or the write itself
    deletions: list[tuple[Key, bool]] = dataclasses.field(default_factory=list)  # keep_older
    exclusive: bool = False
    readers: int = 2
    lists_at_once: bool = True
    _lock: threading.RLock = dataclasses.field(default_factory=threading.RLock)

    def describe(self, key: Key) -> str:
        return f"cell {key.place}/{key.name}"

    def lock(self, keys: t.Mapping[Key, str]) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def names(self, place: str) -> t.Iterable[str]:
        return [key.name for key in self.kept if key.place == place]

    def read(self, key: Key) -> Kept | None:
        return copy.deepcopy(self.kept.get(key))

    def write(self, key: Key, data: Data, version: Version | None) -> Version:
        with self._lock:
            there = self._version(key)
            if there != version:
                raise VersionMismatch
            if self.fault == "refused":
                raise MaybeWritten("The memory is full.")
            self.kept[key] = Kept(copy.deepcopy(data), (there or 0) + 1)
            if self.fault == "lost":
                raise MaybeWritten("The memory does not answer.")
            return self._version(key)

    def delete(self, key: Key, version: Version, keep_older: bool) -> None:
        with self._lock:
            if self._version(key) != version:
                raise VersionMismatch
            self.deletions.append((key, keep_older))
            del self.kept[key]

    def may(self, operation: Operation, key: Key, version: Version | None) -> Permission:
        return self.permission

    def _version(self, key: Key) -> t.Any:
        return self.kept[key].version if key in self.kept else None


def memory_type(backend: MemoryBackend) -> StoreType:
    """The type of store whose entries are all in this backend."""
    return StoreType(
        {"cells": {"type": "int"}, "password": {"type": "str", "no_log": True}},
        {"cells": ("MEMORY_CELLS",)},
        lambda options, context: EntryStore(backend),
    )
