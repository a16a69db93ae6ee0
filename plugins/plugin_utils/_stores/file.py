# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file store: one YAML file for each token, metadata in the clear, the secret encrypted.

``PATH/ENVIRONMENT/NAME.yml``, or ``NAME.pat.yml`` for a personal access token.
"""

from __future__ import annotations

import contextlib
import errno
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
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.codec import is_entry_name
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.kept import EntryStore
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.one_password import (
    OnePassword,
)

OPTIONS: dict[str, dict[str, t.Any]] = {
    "path": {"type": "str", "required": True},
    "encrypt": {"type": "bool", "default": True},
    "encrypt_vault_id": {"type": "str"},
    "allow_other_writers": {"type": "bool", "default": False},
}

_LONGEST_PATH = 1000  # the folders of a path are made by a function that calls itself for each
_EXTENSION = ".yml"
_LARGEST = 100_000  # bytes
_DEEPEST = 10
_Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What a file system answers that lacks an operation. Some have fsync for files and not for folders.
_LACKING = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_WITH_LOCKS = (
    "This user has to be able to write that file, on a file system with locks: NFS that is mounted "
    "without nolock, CIFS without nobrl. If there is none, keep the store on a local disk, or with "
    "type: hashi_vault."
)
_IGNORED = (
    b"# Locks, and files of a killed run. Written by the collection community.dynatrace.\n"
    b".lock\n.*.lock\n.*.new\n"
)
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
    given = os.path.expanduser(options["path"])
    path = os.path.normpath(os.path.join(context.folder, given))
    return file_store(
        path,
        AnsibleVault(vault_secrets(context.loader), options["encrypt_vault_id"]),
        options["encrypt"],
        context.warn,
        options["allow_other_writers"],
        lambda key: _elsewhere(path, given, key, context.loader),
    )


def file_store(
    path: str,
    vault: AnsibleVault,
    encrypt: bool,
    warn: t.Callable[[str], None],
    allow_other_writers: bool = False,
    elsewhere: t.Callable[[Key], str] = lambda key: "",
) -> EntryStore:
    """The store in the folder of this path. Nothing is read or written yet."""
    backend = FileBackend(path, allow_other_writers)
    in_the_clear = InTheClear(vault, path, warn)
    sealing = OnePassword(vault, backend, warn) if encrypt else in_the_clear
    return EntryStore(backend, sealing, elsewhere)


def _elsewhere(path: str, given: str, key: Key, loader: t.Any) -> str:
    """What to say if a store of the same relative path, beside another playbook, has the entry.

    A playbook that is imported from another folder has a folder of its own.
    """
    folders = {os.path.dirname(file) for file in getattr(loader, "_FILE_CACHE", ())}
    stores = {os.path.normpath(os.path.join(folder, given)) for folder in folders} - {path}
    files = [os.path.join(store, key.place, _file(key)) for store in sorted(stores)]
    found = [file for file in files if os.path.isfile(file)]
    if not found:
        return ""
    return (
        f"; a store of the same name beside another playbook of this run has it: {found[0]}. "
        "A relative path is relative to the folder of the playbook that the play is in: give an "
        "absolute path"
    )


class FileBackend:
    """Implements the port ``Backend``. The version of a file is its content.

    :param allow_other_writers: whether files and folders may be such that others can write them.
    """

    exclusive = True
    readers = 1  # reading small files is work for the processor
    lists_at_once = True

    def __init__(self, path: str, allow_other_writers: bool = False) -> None:
        self._path = path
        self._check = _accept if allow_other_writers else _check_writers

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
        path = self.folder(place)
        with self._explained("locked"), self._opened(place, create=True) as folder:
            if not os.access(path, os.W_OK):
                return contextlib.nullcontext()  # what nobody can write needs no lock
            _have_ignored(folder)
        return identity_locks(os.path.join(path, ".lock"), named, remedy=_WITH_LOCKS)

    def folder(self, place: str) -> str:
        return os.path.join(self._path, place)

    def places(self) -> t.Sequence[str]:
        with self._explained("read"):
            folders = [
                one.name for one in os.scandir(self._path) if one.is_dir(follow_symlinks=False)
            ]
        return [folder for folder in sorted(folders) if self._is_place(folder)]

    def _is_place(self, folder: str) -> bool:
        names = filter(is_entry_name, self.names(folder))
        found = (self.read(Key(folder, name)) for name in names)
        data = (kept.data for kept in found if kept and isinstance(kept.data, dict))
        return any(one.get("environment") == folder for one in data)

    def read_file(self, place: str, file: str) -> bytes | None:
        with self._explained("read"):
            try:
                with self._opened(place) as folder:
                    return _read(folder, file, self._check)
            except FileNotFoundError:
                return None

    def lock_file(self, place: str, file: str) -> contextlib.AbstractContextManager[None]:
        # Not in the file of the other locks: closing that one twice would end those of this task.
        with self._explained("written"), self._opened(place, create=True):
            pass
        path = os.path.join(self.folder(place), file + ".lock")
        return identity_locks(path, [(place, file)], remedy=_WITH_LOCKS)

    def write_file(self, place: str, file: str, content: bytes) -> None:
        with self._explained("written"), self._opened(place, create=True) as folder:
            _replace(folder, file, content)

    def names(self, place: str) -> t.Iterable[str]:
        with self._explained("read"):
            try:
                with self._opened(place) as folder:
                    files = os.listdir(folder)
            except FileNotFoundError:
                return []
        return [file[: -len(_EXTENSION)] for file in files if file.endswith(_EXTENSION)]

    def read(self, key: Key) -> Kept | None:
        content = self.read_file(key.place, _file(key))
        return None if content is None else Kept(_parse(content), content)

    def write(self, key: Key, data: Data, version: Version | None) -> Version:
        text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=1000)
        content = _HEADER + text.encode()
        with self._explained("written"), self._opened(key.place, create=True) as folder:
            self._check_version(folder, _file(key), version)
            _replace(folder, _file(key), content)
        return content

    def delete(self, key: Key, version: Version, keep_older: bool) -> None:
        file = _file(key)
        with self._explained("removed"), self._opened(key.place) as folder:
            self._check_version(folder, file, version)
            _unlink(folder, _temporary(file))
            _unlink(folder, file)
            _sync(folder)

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
            folder = self.folder(place)
            while not os.path.lexists(folder):
                folder = os.path.dirname(folder)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(0, "it may not be written", folder)

    @contextlib.contextmanager
    def _opened(self, place: str, create: bool = False) -> t.Iterator[int]:
        """The folder of this place. Everything in it is reached through this descriptor."""
        if create:
            os.makedirs(self._path, mode=0o700, exist_ok=True)
        with self._opened_folder(self._path, os.O_DIRECTORY, None) as root:
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(place, 0o700, dir_fd=root)
            with self._opened_folder(place, os.O_DIRECTORY | os.O_NOFOLLOW, root) as folder:
                yield folder

    @contextlib.contextmanager
    def _opened_folder(self, path: str, flags: int, parent: int | None) -> t.Iterator[int]:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags, dir_fd=parent)
        try:
            self._check(descriptor, path)
            yield descriptor
        finally:
            _close(descriptor)

    def _check_version(self, folder: int, file: str, version: Version | None) -> None:
        try:
            content: bytes | None = _read(folder, file, self._check)
        except FileNotFoundError:
            content = None
        if content != version:
            raise VersionMismatch

    @contextlib.contextmanager
    def _explained(self, done: str) -> t.Iterator[None]:
        try:
            yield
        except OSError as error:
            where = f" ({error.filename})" if isinstance(error.filename, str) else ""
            raise DynatraceError(
                f"The store {self._path} cannot be {done}: {error.strerror or error}{where}. "
                f"{_next_step(error)}"
            ) from None


class _OtherWriters(PermissionError):
    """Others than the user who runs this can write a file or folder."""


def _next_step(error: OSError) -> str:
    if error.errno in _LACKING:
        return (
            "Its file system cannot do that. Keep the store on another one, or with type: "
            "hashi_vault."
        )
    if isinstance(error, _OtherWriters):
        return (
            "See to that folder, and run again. If its owner and mode cannot be changed, as on a "
            "volume with fsGroup, say allow_other_writers: true in store: whoever can write it can "
            "then replace or remove secrets. Otherwise keep the store with type: hashi_vault."
        )
    return "See to that folder, and run again."


def _have_ignored(folder: int) -> None:
    """Have git leave out what is not worth a commit. What is there already stays as it is."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(".gitignore", flags, 0o600, dir_fd=folder)
    except FileExistsError:
        return
    with open(descriptor, "wb") as opened:
        opened.write(_IGNORED)


def _file(key: Key) -> str:
    return key.name + _EXTENSION


def _temporary(file: str) -> str:
    return f".{file}.new"


def _unlink(folder: int, file: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(file, dir_fd=folder)


def _check_writers(descriptor: int, path: str) -> None:
    """:raises _OtherWriters: if others could have put anything there."""
    status = os.fstat(descriptor)
    if status.st_uid not in (os.geteuid(), 0):
        raise _OtherWriters(0, "another user owns it, who could put anything there", path)
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _OtherWriters(
            0, "others than its owner may write it; take that right away (chmod go-w)", path
        )


def _accept(descriptor: int, path: str) -> None:
    """Others may write it."""


def _read(folder: int, file: str, check: t.Callable[[int, str], None]) -> bytes:
    descriptor = os.open(
        file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder
    )
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise PermissionError(0, "it is not a file", file)
        check(descriptor, file)
        with open(descriptor, "rb", closefd=False) as opened:
            content = opened.read(_LARGEST + 1)
    finally:
        _close(descriptor)
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
            _sync(descriptor)
        _rename(folder, temporary, file, content)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    _sync(folder)


def _rename(folder: int, temporary: str, file: str, content: bytes) -> None:
    """Over a network, the answer to a rename can be lost, and its repetition find nothing."""
    try:
        os.replace(temporary, file, src_dir_fd=folder, dst_dir_fd=folder)
    except FileNotFoundError:
        if _read(folder, file, _accept) != content:
            raise


def _close(descriptor: int) -> None:
    """Close what was read. What was written is closed by its file, which says if that failed."""
    with contextlib.suppress(OSError):
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    """Have it on the disk, as far as its file system can be asked for that."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _LACKING:
            raise


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
