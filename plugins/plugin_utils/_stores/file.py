# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of type file: one YAML file for each token, public facts plain, the secret encrypted.

``PATH/ENVIRONMENT/NAME.yml``, or ``NAME.pat.yml`` for a personal access token.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import stat
import typing as t

import yaml
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Entry,
    Identity,
    Sealed,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    StoreChanged,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.plugin_utils._lock import identity_locks
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.ansible_vault import (
    AnsibleVault,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.codec import (
    dump_entry,
    entry_name,
    is_entry_name,
    parse_entry,
    parse_listed_entry,
)

_EXTENSION = ".yml"
_LARGEST = 100_000  # bytes
_DEEPEST = 10
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ONE_DOCUMENT = [
    yaml.StreamStartEvent,
    yaml.DocumentStartEvent,
    yaml.DocumentEndEvent,
    yaml.StreamEndEvent,
]
_PLAIN = {"": None, "~": None, "null": None, "true": True, "false": False}
_HEADER = b"# A Dynatrace access token. Written by the collection community.dynatrace, which replaces the file as a whole.\n"


class FileStore:
    keeps = True
    exclusive = True

    def __init__(
        self,
        path: str,
        environment: str,
        vault: AnsibleVault,
        encrypt: bool,
        warn: t.Callable[[str], None],
    ) -> None:
        self._path = path
        self._environment = environment
        self._vault = vault
        self._encrypt = encrypt
        self._warn = warn

    def lock(self, identities: t.Sequence[Identity]) -> contextlib.AbstractContextManager[None]:
        with self._explained("locked"), contextlib.ExitStack() as stack:
            self._open(stack, create=True)
        folder = os.path.join(self._path, self._environment)
        if not os.access(folder, os.W_OK):
            return contextlib.nullcontext()  # what nobody can write needs no lock
        return identity_locks(
            os.path.join(folder, ".lock"),
            [(entry_name(*identity), identity[0]) for identity in identities],
        )

    def load(self, name: str, personal_access_token: bool) -> Entry:
        file = _file(name, personal_access_token)
        with self._explained("read"), contextlib.ExitStack() as stack:
            try:
                content = _read(self._open(stack), file)
            except FileNotFoundError:
                return Entry(name, personal_access_token)
        return parse_entry(
            _data(content),
            self._environment,
            name,
            personal_access_token,
            content,
            f"The file {self._place(file)}",
        )

    def entries(self) -> list[Entry]:
        with self._explained("read"), contextlib.ExitStack() as stack:
            try:
                folder = self._open(stack)
            except FileNotFoundError:
                return []
            contents = {
                file: _read_if_there(folder, file)
                for file in sorted(os.listdir(folder))
                if _is_entry(file)
            }
        return [
            parse_listed_entry(
                _data(content),
                self._environment,
                _stem(file),
                content,
                f"The file {self._place(file)}",
            )
            for file, content in contents.items()
            if content is not None  # it was removed meanwhile
        ]

    def save(self, entry: Entry) -> Entry:
        sealed = self._seal(entry.secret)
        token = sealed.reveal() if isinstance(sealed, Secret) else sealed
        data = dump_entry(entry, self._environment, token)
        content = _HEADER + yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=1000).encode()
        file = _file(entry.name, entry.personal_access_token)
        with self._explained("written"), contextlib.ExitStack() as stack:
            folder = self._open(stack, create=True)
            self._check_version(folder, file, entry)
            _replace(folder, file, content)
        return dataclasses.replace(entry, secret=sealed, version=content)

    def remove(self, entry: Entry) -> None:
        file = _file(entry.name, entry.personal_access_token)
        with (
            self._explained("removed"),
            contextlib.suppress(FileNotFoundError),
            contextlib.ExitStack() as stack,
        ):
            folder = self._open(stack)
            self._check_version(folder, file, entry)
            _unlink(folder, _temporary(file))
            _unlink(folder, file)
            os.fsync(folder)

    def unseal(self, entry: Entry) -> Secret | None:
        if isinstance(entry.secret, Sealed):
            return self._vault.unseal(
                entry.secret, self._place(_file(entry.name, entry.personal_access_token))
            )
        return entry.secret

    def check_writable(self, entry: Entry) -> None:
        if self._encrypt:
            self._vault.sealing_secret()
        else:
            self._warn(
                f"The secret of {entry.name!r} is kept in the clear in {self._path}, because store says encrypt: false."
            )
        self._check_folder()

    def check_removable(self, entry: Entry) -> None:
        self._check_folder()

    def _check_folder(self) -> None:
        with (
            self._explained("written"),
            contextlib.suppress(FileNotFoundError),
            contextlib.ExitStack() as stack,
        ):
            self._open(stack)
        place = os.path.join(self._path, self._environment)
        while not os.path.lexists(place):
            place = os.path.dirname(place)
        with self._explained("written"):
            if not os.access(place, os.W_OK | os.X_OK):
                raise PermissionError(0, "it may not be written", place)

    def _seal(self, secret: Secret | Sealed | None) -> Secret | Sealed | None:
        return self._vault.seal(secret) if self._encrypt and isinstance(secret, Secret) else secret

    def _check_version(self, folder: int, file: str, entry: Entry) -> None:
        if _read_if_there(folder, file) != entry.version:
            raise StoreChanged(
                f"The file {self._place(file)} was changed by somebody else meanwhile, and was left as it is."
            )

    def _open(self, stack: contextlib.ExitStack, create: bool = False) -> int:
        """The folder of the environment, open until the stack ends. Everything below is reached through it."""
        if create:
            os.makedirs(self._path, mode=0o700, exist_ok=True)
        root = _open_folder(self._path, os.O_DIRECTORY, None, stack)
        if create:
            with contextlib.suppress(FileExistsError):
                os.mkdir(self._environment, 0o700, dir_fd=root)
        return _open_folder(self._environment, os.O_DIRECTORY | os.O_NOFOLLOW, root, stack)

    @contextlib.contextmanager
    def _explained(self, what: str) -> t.Iterator[None]:
        try:
            yield
        except OSError as error:
            place = error.filename if isinstance(error.filename, str) else ""
            raise DynatraceError(
                f"The store {self._path} cannot be {what}: {error.strerror or error}{f' ({place})' if place else ''}. "
                "See to that folder, and run again."
            ) from None

    def _place(self, file: str) -> str:
        return os.path.join(self._path, self._environment, file)


def _file(name: str, personal_access_token: bool) -> str:
    return entry_name(name, personal_access_token) + _EXTENSION


def _stem(file: str) -> str:
    return file[: -len(_EXTENSION)]


def _is_entry(file: str) -> bool:
    return file.endswith(_EXTENSION) and is_entry_name(_stem(file))


def _temporary(file: str) -> str:
    return f".{file}.new"


def _unlink(folder: int, file: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(file, dir_fd=folder)


def _open_folder(path: str, flags: int, parent: int | None, stack: contextlib.ExitStack) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags, dir_fd=parent)
    stack.callback(os.close, descriptor)
    _check_owner(descriptor, path)
    return descriptor


def _check_owner(descriptor: int, path: str) -> None:
    status = os.fstat(descriptor)
    if status.st_uid not in (os.geteuid(), 0):
        raise PermissionError(0, "another user owns it, who could put anything there", path)
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(
            0, "others than its owner may write it; take that right away (chmod go-w)", path
        )


def _read(folder: int, file: str) -> bytes:
    descriptor = os.open(
        file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder
    )
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise PermissionError(0, "it is not a file", file)
        _check_owner(descriptor, file)
        with open(descriptor, "rb", closefd=False) as opened:
            content = opened.read(_LARGEST + 1)
    finally:
        os.close(descriptor)
    if len(content) > _LARGEST:
        raise PermissionError(0, "it is too large to be the entry of a token", file)
    return content


def _read_if_there(folder: int, file: str) -> bytes | None:
    try:
        return _read(folder, file)
    except FileNotFoundError:
        return None


def _data(content: bytes) -> t.Any:
    """What the file says; None where it is not what this store writes. Built from events, which cost little and cannot explode."""
    try:
        events = yaml.parse(content, Loader=_Loader)
        kinds = [next(events), next(events)]
        data = _node(events, next(events), 0)
        kinds += events
    except Exception:
        return None  # whatever the parser says, it may quote the file
    return data if list(map(type, kinds)) == _ONE_DOCUMENT else None


def _node(events: t.Iterator[yaml.Event], event: yaml.Event, depth: int) -> t.Any:
    if depth > _DEEPEST:
        raise yaml.YAMLError
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event)
    inner = iter(lambda: next(events), None)
    if isinstance(event, yaml.SequenceStartEvent):
        return [
            _node(events, one, depth + 1)
            for one in itertools.takewhile(
                lambda one: not isinstance(one, yaml.SequenceEndEvent), inner
            )
        ]
    if isinstance(event, yaml.MappingStartEvent):
        keys = itertools.takewhile(lambda one: not isinstance(one, yaml.MappingEndEvent), inner)
        return {
            _node(events, key, depth + 1): _node(events, next(events), depth + 1) for key in keys
        }
    raise yaml.YAMLError  # an alias


def _scalar(event: yaml.ScalarEvent) -> t.Any:
    if event.tag == "!vault":
        return Sealed(event.value)
    if event.tag is not None:
        raise yaml.YAMLError
    return event.value if event.style else _PLAIN.get(event.value, event.value)


def _replace(folder: int, file: str, content: bytes) -> None:
    """Write the file as a whole or not at all, and have it on the disk."""
    temporary = _temporary(file)
    _unlink(folder, temporary)
    descriptor = os.open(
        temporary,
        os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
        0o600,
        dir_fd=folder,
    )
    try:
        with open(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(descriptor)
        os.replace(temporary, file, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    os.fsync(folder)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes plain data, and what is sealed as ansible-vault does."""

    def ignore_aliases(self, data: t.Any) -> bool:
        return True


_Dumper.add_representer(
    Sealed, lambda dumper, sealed: dumper.represent_scalar("!vault", sealed.text, style="|")
)
# Ansible's strings know where they are from.
_Dumper.add_multi_representer(str, lambda dumper, text: dumper.represent_str("".join(text)))
