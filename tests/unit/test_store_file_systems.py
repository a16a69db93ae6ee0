# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file store on file systems that lack something, such as NFS without locks, CIFS and FUSE:
each call to the system fails in turn, in each way that such a file system answers.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import pathlib
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._lock import identity_locks
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.ansible_vault import (
    AnsibleVault,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.file import file_store
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.kept import EntryStore

from entries import ENVIRONMENT, ONLY_AN_INTENT, REPORTS, SECRET_PART, identity, kept
from support.shim import Shim

pytestmark = pytest.mark.once

LACKING = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
ANSWERS = (errno.EINVAL, errno.EACCES, errno.EIO)
ISSUED = kept(scopes=("metrics.read",))
CHANGED = dataclasses.replace(ISSUED, scopes=("logs.read",))


def store_at(folder: pathlib.Path) -> EntryStore:
    return file_store(str(folder), AnsibleVault([], None), False, lambda warning: None)


def issue(store: EntryStore) -> None:
    """What a run does that issues a token, changes it, and lists."""
    with store.lock([REPORTS]):
        store.check_may("save", store.load(REPORTS))
        entry = store.save(dataclasses.replace(ONLY_AN_INTENT, version=store.load(REPORTS).version))
        entry = store.save(dataclasses.replace(ISSUED, version=entry.version))
        store.save(dataclasses.replace(CHANGED, version=entry.version))
        store.load_existing([REPORTS])
        store.entries(ENVIRONMENT)


def remove(store: EntryStore) -> None:
    with store.lock([REPORTS]):
        store.remove(store.load(REPORTS))


@pytest.fixture(autouse=True)
def _in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for a disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def contents(folder: pathlib.Path) -> set[tuple[str, bytes]]:
    return {(path.name, path.read_bytes()) for path in folder.rglob("*.yml")}


def settle(folder: pathlib.Path) -> None:
    """The next run, on a file system that works."""
    remove(store_at(folder))
    store_at(folder).save(ISSUED)
    names = sorted(path.name for path in folder.rglob("*.*"))
    assert names == [".gitignore", ".lock", "reports.yml"]


def attempt(work: t.Callable[[EntryStore], None], folder: pathlib.Path, shim: Shim) -> str | None:
    """What is said if the call fails that the shim is set to; None if that does not matter."""
    with shim.at_work():
        try:
            work(store_at(folder))
        except DynatraceError as error:
            return str(error)
    return None


@pytest.mark.parametrize("answer", ANSWERS, ids=errno.errorcode.get)
@pytest.mark.parametrize("work", [issue, remove])
def test_whatever_call_fails_is_said_and_loses_nothing(
    tmp_path: pathlib.Path, work: t.Callable[[EntryStore], None], answer: int
) -> None:
    there = tmp_path / "there"
    issue(store_at(there))
    allowed = contents(there)
    with Shim().at_work() as counted:
        work(store_at(there))
    assert {"open", "lockf", "fsync"} < set(counted.calls)
    settle(there)
    for number, call in enumerate(counted.calls):
        folder = tmp_path / str(number)
        issue(store_at(folder))
        before = contents(folder)
        said = attempt(work, folder, Shim(number, answer))
        assert said is None or str(folder) in said, call
        assert SECRET_PART not in (said or "")
        for name, content in contents(folder) - before - allowed:
            # Nothing is half written: it is one of the entries that the work saves.
            assert content.endswith(b"predecessors: []\n"), (name, call)
        settle(folder)


@pytest.mark.parametrize("answer", LACKING, ids=errno.errorcode.get)
def test_a_file_system_without_fsync_keeps_entries(tmp_path: pathlib.Path, answer: int) -> None:
    with Shim(only="fsync", answer=answer).at_work():
        issue(store_at(tmp_path))
    assert store_at(tmp_path).load(REPORTS).scopes == CHANGED.scopes


def test_a_rename_whose_answer_was_lost_is_seen_to_be_done(tmp_path: pathlib.Path) -> None:
    with Shim(only="replace", answer=errno.ENOENT, done=True).at_work():
        issue(store_at(tmp_path))
    assert store_at(tmp_path).load(REPORTS).scopes == CHANGED.scopes
    with (
        Shim(only="replace", answer=errno.ENOENT).at_work(),
        pytest.raises(DynatraceError, match="cannot be written"),
    ):
        store_at(tmp_path).save(kept(identity("others")))


@pytest.mark.parametrize("answer", [*LACKING, errno.ENOLCK, errno.EPERM], ids=errno.errorcode.get)
def test_a_file_system_without_locks_is_refused_with_the_file_and_what_to_do(
    tmp_path: pathlib.Path, answer: int
) -> None:
    expected = (
        f"The locks in {tmp_path / ENVIRONMENT / '.lock'} cannot be taken: {os.strerror(answer)}. "
        "Nothing was done. This user has to be able to write that file, on a file system with "
        "locks: NFS that is mounted without nolock, CIFS without nobrl."
    )
    with (
        Shim(only="lockf", answer=answer).at_work(),
        pytest.raises(DynatraceError) as caught,
        store_at(tmp_path).lock([REPORTS]),
    ):
        pass
    assert str(caught.value).startswith(expected)
    with (
        Shim(only="lockf", answer=answer).at_work(),
        pytest.raises(DynatraceError, match=r"Nothing was done\. Set ANSIBLE_HOME to a folder"),
        identity_locks(str(tmp_path / "lock"), [("abc12345", "API token", "ci")]),
    ):
        pass


@pytest.mark.parametrize("lacking", ["replace", "open", "mkdir"])
def test_what_else_a_file_system_lacks_is_refused_with_what_to_do(
    tmp_path: pathlib.Path, lacking: str
) -> None:
    with (
        Shim(only=lacking, answer=errno.ENOSYS).at_work(),
        pytest.raises(
            DynatraceError,
            match=f"^The store {tmp_path} cannot be written: Function not implemented.* "
            "Its file system cannot do that",
        ),
    ):
        store_at(tmp_path).save(kept())
    assert not list(tmp_path.rglob("*.yml"))


def test_without_locks_everything_can_still_be_read(tmp_path: pathlib.Path) -> None:
    issue(store_at(tmp_path))
    with Shim(only="lockf", answer=errno.ENOLCK).at_work():
        assert store_at(tmp_path).load(REPORTS).scopes == CHANGED.scopes
        assert len(store_at(tmp_path).entries(ENVIRONMENT)) == 1
