# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One vault password for all secrets of a folder, and how it is changed.

A file in the folder, the check value, is encrypted with that password. Who would encrypt a secret
with another one is refused before a token is issued.
"""

from __future__ import annotations

import contextlib
import threading
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Sealed
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DamagedEntry,
    DynatraceError,
    OptionError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Secret,
    could_be_secret,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.ansible_vault import (
    AnsibleVault,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import (
    Backend,
    Kept,
    Key,
    VersionMismatch,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.codec import is_entry_name

CHECK_FILE = ".vault-check"

_CHECKED = Secret("community.dynatrace")
_CHANGE_IT = "ansible-playbook community.dynatrace.reseal_store"


class Folders(Backend, t.Protocol):
    """A backend whose places are folders that can hold other files, too."""

    def folder(self, place: str) -> str:
        """The path of the folder, for messages."""

    def places(self) -> t.Sequence[str]:
        """The names of the folders that hold entries."""

    def read_file(self, place: str, file: str) -> bytes | None:
        """What this file holds; None where there is none."""

    def write_file(self, place: str, file: str, content: bytes) -> None:
        """Replace this file."""

    def lock_file(self, place: str, file: str) -> contextlib.AbstractContextManager[None]:
        """What to hold while this file is compared and replaced, in a folder that is there."""


class _Due(t.NamedTuple):
    """A secret that is to be encrypted anew."""

    kept: Kept
    secret: Secret


class OnePassword:
    """Implements ``Sealing`` with one vault secret for each folder."""

    def __init__(
        self, vault: AnsibleVault, folders: Folders, warn: t.Callable[[str], None]
    ) -> None:
        self._vault = vault
        self._folders = folders
        self._warn = warn
        self._lock = threading.Lock()
        # The check value of each folder that was looked at; None where several passwords go on.
        self._seen: dict[str, bytes | None] = {}
        # The folders that get theirs with the first secret, and what is in its place until then.
        self._missing: dict[str, bytes | None] = {}

    def check(self, place: str) -> None:
        """:raises OptionError: if the secrets of this folder have another password."""
        with self._lock:
            if place not in self._seen:
                self._vault.check()
                self._look_at(place)

    def prepare(self, place: str) -> None:
        """Write what is missing for a secret in this folder.

        :raises DynatraceError: if the password of the folder was changed meanwhile.
        """
        with self._lock:
            if place in self._missing:
                self._write_missing(place)
            self._compare(place)

    def _write_missing(self, place: str) -> None:
        """Write the check value, unless another task has done so meanwhile."""
        with self._folders.lock_file(place, CHECK_FILE):
            if self._folders.read_file(place, CHECK_FILE) == self._missing[place]:
                self._folders.write_file(place, CHECK_FILE, self._seen[place] or b"")
        del self._missing[place]

    def _compare(self, place: str) -> None:
        seen, there = self._seen.get(place), self._folders.read_file(place, CHECK_FILE)
        if seen is None or there == seen:
            return
        if there is None or not self._opens(there):
            raise DynatraceError(
                f"The vault password of {self._folders.folder(place)} was changed while this "
                "task was at work. Nothing was written. Run again with the new one."
            )
        self._seen[place] = there

    def seal(self, secret: Secret, place: str) -> Secret | Sealed:
        self.check(place)
        self.prepare(place)
        return self._vault.seal(secret)

    def unseal(self, sealed: Sealed, described: str) -> Secret:
        return self._vault.unseal(sealed, described)

    def _look_at(self, place: str) -> None:
        check = self._folders.read_file(place, CHECK_FILE)
        if check is None or not self._opens(check):
            opened = {self._opens(sealed.text.encode()) for sealed in self._sealed(place)}
            if opened == {True, False} and check is None:
                self._seen[place] = None
                self._warn_of_several(place)
                return
            if False in opened:
                raise self._another(place)
            self._missing[place] = check  # nothing in this folder has another password
            check = self._new_check()
        self._seen[place] = check

    def _opens(self, text: bytes) -> bool:
        return self._vault.opens_with_sealing_secret(text)

    def _new_check(self) -> bytes:
        return self._vault.seal(_CHECKED).text.encode()

    def _sealed(self, place: str) -> t.Iterator[Sealed]:
        """The encrypted secrets of this folder, as far as they can be read."""
        for key in self._keys(place):
            kept = self._folders.read(key)
            token = kept.data.get("token") if kept and isinstance(kept.data, dict) else None
            if isinstance(token, Sealed):
                yield token

    def _keys(self, place: str) -> list[Key]:
        names = filter(is_entry_name, self._folders.names(place))
        return sorted(Key(place, name) for name in names)

    def _another(self, place: str) -> OptionError:
        return OptionError(
            f"store: the secrets in {self._folders.folder(place)} are encrypted with another vault "
            f"password than that of {self._vault.sealing_id!r}. Nothing was done. Give the one "
            "that they are encrypted with. To change the password of the whole folder, give both "
            f"and run: {_CHANGE_IT}."
        )

    def _warn_of_several(self, place: str) -> None:
        self._warn(
            f"The secrets in {self._folders.folder(place)} are encrypted with several vault "
            f"passwords. To have one for all, give them all and run: {_CHANGE_IT}."
        )

    def reseal(self, places: t.Sequence[str], check_mode: bool) -> list[str]:
        """Encrypt every secret in these folders with the vault secret to encrypt with.

        If it is cut off at any point, each secret is encrypted with the old password or the new
        one, and the next call does the rest. Whoever issues with the old one meanwhile is refused,
        or has finished before its entry is locked here.

        :param places: none for all folders that hold entries.
        :returns: the entries that were, or in check mode would be, encrypted anew.
        :raises DynatraceError: with nothing done, if a secret cannot be decrypted.
        """
        self._vault.check()
        places = places or self._folders.places()
        due = [key for place in places for key in self._keys(place) if self._due(key)]
        if not check_mode:
            due = [key for place in places for key in self._reseal_folder(place)]
        return [self._folders.describe(key) for key in due]

    def _reseal_folder(self, place: str) -> t.Iterable[Key]:
        with self._folders.lock_file(place, CHECK_FILE):
            self._folders.write_file(place, CHECK_FILE, self._new_check())
        done: dict[Key, None] = {}
        while True:  # until nobody who began with the old password has written since
            changed = [key for key in self._keys(place) if self._reseal(key)]
            if not changed:
                return done
            done.update(dict.fromkeys(changed))

    def _reseal(self, key: Key) -> bool:
        """Encrypt the secret of one entry anew. All else in it stays as it is."""
        due = self._due(key)
        if due is None:
            return False
        with self._folders.lock({key: str(due.kept.data.get("name"))}):
            due = self._due(key)
            if due is None:
                return False
            data = {**due.kept.data, "token": self._vault.seal(due.secret)}
            with contextlib.suppress(VersionMismatch):  # the next round sees what there is by now
                self._folders.write(key, data, due.kept.version)
        return True

    def _due(self, key: Key) -> _Due | None:
        """What is kept under this key; None where its secret is encrypted as it should be."""
        kept = self._folders.read(key)
        if kept is None:
            return None
        if not isinstance(kept.data, dict) or "token" not in kept.data:
            raise self._damaged(key)
        token = kept.data["token"]
        if token is None or (isinstance(token, Sealed) and self._opens(token.text.encode())):
            return None
        return _Due(kept, self._secret(key, token))

    def _secret(self, key: Key, token: t.Any) -> Secret:
        if isinstance(token, Sealed):
            return self._vault.unseal(token, self._folders.describe(key))
        if isinstance(token, str) and could_be_secret(token):
            return Secret(token)
        raise self._damaged(key)

    def _damaged(self, key: Key) -> DamagedEntry:
        return DamagedEntry(
            f"The {self._folders.describe(key)} is damaged, or is no entry of a store. Restore it "
            "from a backup, or remove it. No other secret was encrypted anew."
        )
