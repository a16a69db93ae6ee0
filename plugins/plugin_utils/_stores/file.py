# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file store: one YAML file for each token, metadata in the clear, the secret encrypted.

``PATH/ENVIRONMENT/NAME.yml``, or ``NAME.pat.yml`` for a personal access token.
"""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

import yaml
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Sealed
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    OptionError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Operation
from ansible_collections.community.dynatrace.plugins.plugin_utils._lock import identity_locks
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.ansible_vault import (
    AnsibleVault,
    InTheClear,
    vault_secrets,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import (
    GRANTED,
    Data,
    Kept,
    Key,
    Permission,
    StoreContext,
    Version,
    VersionMismatch,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.kept import EntryStore

OPTIONS: dict[str, dict[str, t.Any]] = {
    "path": {"type": "str", "required": True},
    "encrypt": {"type": "bool", "default": True},
    "encrypt_vault_id": {"type": "str"},
}

_LONGEST_PATH = 1000  # the folders of a path are made by a function that calls itself for each
_EXTENSION = ".yml"
_LARGEST = 100_000  # bytes
_DEEPEST = 10
_Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_HEADER = (
    b"# A Dynatrace token. Written by the collection community.dynatrace, which replaces the file "
    b"as a whole.\n"
)


def open_file_store(options: t.Mapping[str, t.Any], context: StoreContext) -> EntryStore:
    """:raises OptionError: where an option cannot work."""
    if not options["path"].isprintable():
        raise OptionError(
            "store: path has a character that cannot be shown. Give the path of a folder."
        )
    if len(options["path"]) > _LONGEST_PATH:
        raise OptionError(
            f"store: path has more than {_LONGEST_PATH} characters. Give the path of a folder."
        )
    path = os.path.join(context.folder, os.path.expanduser(options["path"]))
    return file_store(
        os.path.normpath(path),
        AnsibleVault(vault_secrets(context.loader), options["encrypt_vault_id"]),
        options["encrypt"],
        context.warn,
    )


def file_store(
    path: str, vault: AnsibleVault, encrypt: bool, warn: t.Callable[[str], None]
) -> EntryStore:
    """The store in the folder of this path. Nothing is read or written yet."""
    sealing = vault if encrypt else InTheClear(vault, path, warn)
    return EntryStore(FileBackend(path), sealing)


class FileBackend:
    """Implements the port ``Backend``. The version of a file is its content."""

    exclusive = True
    readers = 1  # reading small files is work for the processor
    lists_at_once = True

    def __init__(self, path: str) -> None:
        self._path = path

    def describe(self, key: Key) -> str:
        return f"file {os.path.join(self._path, key.place, _file(key))}"

    @contextlib.contextmanager
    def lock(self, keys: t.Mapping[Key, str]) -> t.Iterator[None]:
        with contextlib.ExitStack() as locks:
            # Everybody takes them in the same order, so that no two wait for each other.
            for place in sorted({key.place for key in keys}):
                named = [(key.name, name) for key, name in keys.items() if key.place == place]
                locks.enter_context(self._lock_place(place, named))
            yield

    def _lock_place(
        self, place: str, named: t.Sequence[tuple[str, str]]
    ) -> contextlib.AbstractContextManager[None]:
        with self._explained("locked"), self._opened(place, create=True):
            folder = os.path.join(self._path, place)
            if not os.access(folder, os.W_OK):
                return contextlib.nullcontext()  # what nobody can write needs no lock
        return identity_locks(os.path.join(folder, ".lock"), named)

    def names(self, place: str) -> t.Iterable[str]:
        with self._explained("read"):
            try:
                with self._opened(place) as folder:
                    files = os.listdir(folder)
            except FileNotFoundError:
                return []
        return [file[: -len(_EXTENSION)] for file in files if file.endswith(_EXTENSION)]

    def read(self, key: Key) -> Kept | None:
        with self._explained("read"):
            try:
                with self._opened(key.place) as folder:
                    content = _read(folder, _file(key))
            except FileNotFoundError:
                return None
        return Kept(_parse(content), content)

    def write(self, key: Key, data: Data, version: Version | None) -> Version:
        text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=1000)
        content = _HEADER + text.encode()
        with self._explained("written"), self._opened(key.place, create=True) as folder:
            _check_version(folder, _file(key), version)
            _replace(folder, _file(key), content)
        return content

    def delete(self, key: Key, version: Version, keep_older: bool) -> None:
        file = _file(key)
        with self._explained("removed"), self._opened(key.place) as folder:
            _check_version(folder, file, version)
            _unlink(folder, _temporary(file))
            _unlink(folder, file)
            os.fsync(folder)

    def may(self, operation: Operation, key: Key, version: Version | None) -> Permission:
        try:
            self._check_folder(key.place)
        except DynatraceError as refusal:
            return Permission(False, str(refusal))
        return GRANTED

    def _check_folder(self, place: str) -> None:
        with self._explained("written"):
            with contextlib.suppress(FileNotFoundError), self._opened(place):
                pass
            folder = os.path.join(self._path, place)
            while not os.path.lexists(folder):
                folder = os.path.dirname(folder)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(0, "it may not be written", folder)

    @contextlib.contextmanager
    def _opened(self, place: str, create: bool = False) -> t.Iterator[int]:
        """The folder of this place. Everything in it is reached through this descriptor."""
        if create:
            os.makedirs(self._path, mode=0o700, exist_ok=True)
        with _opened_folder(self._path, os.O_DIRECTORY, None) as root:
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(place, 0o700, dir_fd=root)
            with _opened_folder(place, os.O_DIRECTORY | os.O_NOFOLLOW, root) as folder:
                yield folder

    @contextlib.contextmanager
    def _explained(self, done: str) -> t.Iterator[None]:
        try:
            yield
        except OSError as error:
            where = f" ({error.filename})" if isinstance(error.filename, str) else ""
            raise DynatraceError(
                f"The store {self._path} cannot be {done}: {error.strerror or error}{where}. "
                "See to that folder, and run again."
            ) from None


def _file(key: Key) -> str:
    return key.name + _EXTENSION


def _temporary(file: str) -> str:
    return f".{file}.new"


def _unlink(folder: int, file: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(file, dir_fd=folder)


@contextlib.contextmanager
def _opened_folder(path: str, flags: int, parent: int | None) -> t.Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags, dir_fd=parent)
    try:
        _check_owner(descriptor, path)
        yield descriptor
    finally:
        os.close(descriptor)


def _check_owner(descriptor: int, path: str) -> None:
    status = os.fstat(descriptor)
    if status.st_uid not in (os.geteuid(), 0):
        raise PermissionError(0, "another user owns it, who could put anything there", path)
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(
            0, "others than its owner may write it; take that right away (chmod go-w)", path
        )


def _check_version(folder: int, file: str, version: Version | None) -> None:
    try:
        content: bytes | None = _read(folder, file)
    except FileNotFoundError:
        content = None
    if content != version:
        raise VersionMismatch


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


def _parse(content: bytes) -> t.Any:
    """The data in the file; None where this store would not write it so.

    Built from the events of the parser, because a loader takes three times as long, follows
    aliases and knows tags.
    """
    events = yaml.parse(content, Loader=_Parser)
    try:
        _expect(yaml.StreamStartEvent, events)
        _expect(yaml.DocumentStartEvent, events)
        data = _value(next(events), events, 0)
        _expect(yaml.DocumentEndEvent, events)
        _expect(yaml.StreamEndEvent, events)
    except Exception:
        return None  # the parser's message may quote the file
    return data


def _expect(kind: type[yaml.Event], events: t.Iterator[yaml.Event]) -> None:
    if not isinstance(next(events), kind):
        raise yaml.YAMLError


def _value(event: yaml.Event, events: t.Iterator[yaml.Event], depth: int) -> t.Any:
    if depth > _DEEPEST:
        raise yaml.YAMLError
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event)
    values = _values(events, depth + 1)
    if isinstance(event, yaml.SequenceStartEvent):
        return list(values)
    if isinstance(event, yaml.MappingStartEvent):
        return dict(zip(values, values))  # by turns a key and its value
    raise yaml.YAMLError  # an alias


def _values(events: t.Iterator[yaml.Event], depth: int) -> t.Iterator[t.Any]:
    """The values up to the end of the list or dictionary that has begun."""
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            return
        yield _value(event, events, depth)


def _scalar(event: yaml.ScalarEvent) -> t.Any:
    if event.tag == "!vault":
        return Sealed(event.value)
    if event.tag is not None:
        raise yaml.YAMLError
    if event.style:
        return event.value
    return _WORDS.get(event.value, event.value)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes plain data, and what is sealed as ansible-vault does."""

    def ignore_aliases(self, data: t.Any) -> bool:
        return True


_Dumper.add_representer(
    Sealed, lambda dumper, sealed: dumper.represent_scalar("!vault", sealed.text, style="|")
)
# Ansible's strings know where they are from.
_Dumper.add_multi_representer(str, lambda dumper, text: dumper.represent_str("".join(text)))
