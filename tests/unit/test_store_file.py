# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import dataclasses
import os
import pathlib
import resource
import signal
import subprocess
import sys
import typing as t

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Entry,
    Retiring,
    Sealed,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    OptionError,
    StoreChanged,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.ansible_vault import (
    AnsibleVault,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.file import FileStore
from hypothesis import given
from hypothesis import strategies as st

from builders import (
    DAY,
    DOTTED_SECRET,
    INTENT,
    NOW,
    PUBLIC_PART,
    SECRET_PART,
    UNDOTTED_SECRET,
    an_entry,
)

ENVIRONMENT = "abc12345"
UNWRITABLE = "/proc/sys/tokens"  # nobody can make a folder there, not even root
VAULT_PASSWORD = ("default", VaultSecret(b"correct horse"))
STAGING = ("staging", VaultSecret(b"battery"))
PRODUCTION = ("production", VaultSecret(b"staple"))
FULL = an_entry(
    scopes=("logs.read", "metrics.read"),
    expires=NOW + DAY,
    created=NOW,
    intent=INTENT,
    retiring=(Retiring("dt0c01.OLD", NOW), Retiring("dt0c01.OLDER", NOW, NOW + DAY)),
)
UNSEALED = an_entry(id=None, secret=None, intent=INTENT)


class Place(t.NamedTuple):
    """A folder for a store that need not be there."""

    root: pathlib.Path
    warnings: list[str]

    @property
    def folder(self) -> pathlib.Path:
        return self.root / ENVIRONMENT

    @property
    def file(self) -> pathlib.Path:
        return self.folder / "reports.yml"

    def store(
        self,
        *vault_secrets: tuple[str, VaultSecret],
        encrypt_vault_id: str | None = None,
        encrypt: bool = True,
    ) -> FileStore:
        """The store there, with these vault secrets or a usual one."""
        vault = AnsibleVault(list(vault_secrets or [VAULT_PASSWORD]), encrypt_vault_id)
        return FileStore(str(self.root), ENVIRONMENT, vault, encrypt, self.warnings.append)

    def store_without_vault_secret(self, encrypt: bool = True) -> FileStore:
        return FileStore(
            str(self.root), ENVIRONMENT, AnsibleVault([], None), encrypt, self.warnings.append
        )

    def tree(self) -> dict[str, t.Any]:
        """All that lies beside and in the folder, and whether it was touched."""
        facts = {path: path.lstat() for path in self.root.parent.rglob("*")}
        return {
            str(path): (
                fact.st_ino,
                fact.st_mode,
                fact.st_uid,
                fact.st_mtime_ns,
                path.read_bytes() if path.is_file() else None,
            )
            for path, fact in facts.items()
        }

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*"))


@pytest.fixture
def place(tmp_path: pathlib.Path) -> Place:
    return Place(tmp_path / "project" / "tokens", [])


@contextlib.contextmanager
def at_most(seconds: float) -> t.Iterator[None]:
    def stop(*_args: object) -> t.NoReturn:
        pytest.fail(f"It took longer than {seconds} s.")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def give_away(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the path belong to another user than the one who runs this."""
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)


def set_identity(identity: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the setting vault_encrypt_identity, or none."""
    if identity is None:
        monkeypatch.delenv("ANSIBLE_VAULT_ENCRYPT_IDENTITY", raising=False)
    else:
        monkeypatch.setenv("ANSIBLE_VAULT_ENCRYPT_IDENTITY", identity)


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(FULL, id="all there is"),
        pytest.param(an_entry(), id="only a token"),
        pytest.param(UNSEALED, id="only an intent"),
        pytest.param(
            an_entry(name="Zürich / Öl", personal_access_token=True), id="another name and kind"
        ),
        pytest.param(an_entry(secret=Secret(UNDOTTED_SECRET)), id="the older format"),
    ],
)
@pytest.mark.parametrize("encrypt", [True, False])
def test_an_entry_comes_back_as_it_was(place: Place, entry: Entry, encrypt: bool) -> None:
    saved = place.store(encrypt=encrypt).save(entry)
    store = place.store(encrypt=encrypt)
    loaded = store.load(entry.name, entry.personal_access_token)
    assert (loaded, loaded.version) == (saved, saved.version)
    assert dataclasses.replace(loaded, secret=store.unseal(loaded)) == entry


def test_what_is_not_there_is_an_entry_without_a_version(place: Place) -> None:
    assert place.store().load("reports", False) == Entry("reports", False)
    assert place.store().load("reports", False).version is None
    assert not place.root.parent.exists()


def test_every_environment_name_and_kind_has_its_own_file(place: Place) -> None:
    place.store().save(an_entry())
    place.store().save(an_entry(personal_access_token=True))
    place.store().save(an_entry(name="Reports"))
    FileStore(str(place.root), "xyz", AnsibleVault([VAULT_PASSWORD], None), True, print).save(
        an_entry()
    )
    files = [file for file in place.files() if file.endswith(".yml")]
    assert len(files) == 4
    assert {"abc12345/reports.yml", "abc12345/reports.pat.yml", "xyz/reports.yml"} < set(files)


def test_no_part_of_the_secret_is_in_clear_on_the_disk(place: Place) -> None:
    saved = place.store().save(FULL)
    place.store().save(dataclasses.replace(saved, scopes=()))
    shown = [
        SECRET_PART,
        SECRET_PART.encode().hex(),
        base64.b64encode(DOTTED_SECRET.encode()).decode()[20:-4],
    ]
    for path in place.root.rglob("*"):
        content = path.read_text() if path.is_file() else ""
        assert [part for part in shown if part in content or part in path.name] == []
    assert SECRET_PART not in repr(saved)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_owner_may_read_what_is_written(place: Place, umask: int) -> None:
    place.root.parent.mkdir()
    before = os.umask(umask)
    try:
        with place.store().lock([("reports", False)]):
            place.store().save(an_entry())
    finally:
        os.umask(before)
    modes = {
        path.name: path.stat().st_mode & 0o7777 for path in [place.root, *place.root.rglob("*")]
    }
    assert {modes.pop(name) for name in ("tokens", ENVIRONMENT)} == {0o700}
    assert len(modes) == 2
    assert set(modes.values()) == {0o600}


def test_the_file_has_the_documented_keys_and_an_inline_secret(place: Place) -> None:
    place.store().save(FULL)
    loader = DataLoader()
    loader.set_vault_secrets([VAULT_PASSWORD])
    data = loader.load(place.file.read_text())
    sealed = next(line for line in place.file.read_text().splitlines() if line.startswith("token:"))
    assert sealed == "token: !vault |"
    assert place.file.read_text().startswith(
        "# A Dynatrace access token. Written by the collection community.dynatrace"
    )
    assert list(data) == [
        *(
            "environment",
            "name",
            "personal_access_token",
            "id",
            "token",
            "scopes",
            "expiration_date",
            "created",
            "pending",
            "retiring",
        )
    ]
    del data["token"]
    assert data == {
        "environment": ENVIRONMENT,
        "name": "reports",
        "personal_access_token": False,
        "id": PUBLIC_PART,
        "scopes": ["logs.read", "metrics.read"],
        "expiration_date": "2026-06-02T12:00:00.000Z",
        "created": "2026-06-01T12:00:00.000Z",
        "pending": {"nonce": INTENT.nonce, "since": "2026-06-01T12:00:00.000Z"},
        "retiring": [
            {"id": "dt0c01.OLD", "disable_date": "2026-06-01T12:00:00.000Z", "delete_date": None},
            {
                "id": "dt0c01.OLDER",
                "disable_date": "2026-06-01T12:00:00.000Z",
                "delete_date": "2026-06-02T12:00:00.000Z",
            },
        ],
    }


def test_the_secret_is_encrypted_as_ansible_vault_does(place: Place) -> None:
    saved = place.store().save(an_entry())
    assert isinstance(saved.secret, Sealed)
    assert VaultLib([VAULT_PASSWORD]).decrypt(saved.secret.text).decode() == DOTTED_SECRET


def test_what_ansible_vault_encrypted_by_hand_is_opened(place: Place) -> None:
    place.store().save(an_entry())
    by_hand = VaultLib([STAGING]).encrypt("another-secret", STAGING[1], STAGING[0]).decode()
    head, _token, tail = place.file.read_text().partition("token: !vault")
    indented = "".join(f"          {line}\n" for line in by_hand.splitlines())
    place.file.write_text(f"{head}token: !vault |\n{indented}scopes:{tail.partition('scopes:')[2]}")
    store = place.store(STAGING)
    secret = store.unseal(store.load("reports", False))
    assert secret is not None
    assert secret.reveal() == "another-secret"


def test_a_sealed_value_with_a_line_break_is_no_secret(place: Place) -> None:
    saved = place.store().save(an_entry())
    sealed = Sealed(
        VaultLib([VAULT_PASSWORD]).encrypt(DOTTED_SECRET + "\n", VAULT_PASSWORD[1]).decode()
    )
    with pytest.raises(DynatraceError, match="is not the secret of a token") as caught:
        place.store().unseal(dataclasses.replace(saved, secret=sealed))
    assert DOTTED_SECRET not in str(caught.value)


def test_a_secret_that_is_not_opened_stays_as_it_is_when_the_rest_is_written(place: Place) -> None:
    place.store().save(an_entry())
    store = place.store_without_vault_secret()
    loaded = store.load("reports", False)
    assert store.save(dataclasses.replace(loaded, scopes=("logs.read",))).secret == loaded.secret
    assert place.store().unseal(store.load("reports", False)) == Secret(DOTTED_SECRET)


def test_a_secret_in_clear_is_encrypted_when_its_entry_is_written_again(place: Place) -> None:
    place.store(encrypt=False).save(an_entry())
    assert SECRET_PART in place.file.read_text()
    loaded = place.store().load("reports", False)
    assert place.store().unseal(loaded) == Secret(DOTTED_SECRET)
    place.store().save(loaded)
    assert SECRET_PART not in place.file.read_text()


@pytest.mark.parametrize("operation", ["save", "remove"])
@pytest.mark.parametrize(
    ("meanwhile", "read"),
    [
        pytest.param(an_entry(scopes=("logs.read",)), True, id="written"),
        pytest.param(None, True, id="removed"),
        pytest.param(an_entry(), False, id="made"),
    ],
)
def test_what_somebody_else_wrote_meanwhile_is_left(
    place: Place, meanwhile: Entry | None, read: bool, operation: str
) -> None:
    store = place.store(encrypt=False)
    mine = store.save(an_entry()) if read else an_entry()
    if meanwhile is None:
        store.remove(mine)
    else:
        place.store(encrypt=False).save(dataclasses.replace(meanwhile, version=mine.version))
    before = place.tree()
    with pytest.raises(StoreChanged, match=r"reports.yml was changed by somebody else meanwhile"):
        getattr(store, operation)(mine)
    assert place.tree() == before


def test_a_saved_entry_can_be_saved_and_removed_again(place: Place) -> None:
    store = place.store()
    saved = store.save(store.save(an_entry()))
    store.save(an_entry(name="others"))
    store.remove(saved)
    assert store.load("reports", False).version is None
    assert place.files() == [ENVIRONMENT, f"{ENVIRONMENT}/others.yml"]


def test_what_a_killed_run_left_goes_with_its_entry(place: Place) -> None:
    saved = place.store().save(an_entry())
    (place.folder / ".reports.yml.new").write_bytes(place.file.read_bytes())
    place.store().remove(saved)
    assert place.files() == [ENVIRONMENT]


def test_all_entries_of_the_environment_are_listed_as_they_are_read(place: Place) -> None:
    FileStore(str(place.root), "xyz98765", AnsibleVault([VAULT_PASSWORD], None), True, print).save(
        an_entry(name="theirs")
    )
    intent, kind = (
        dataclasses.replace(UNSEALED, name="intent"),
        an_entry(personal_access_token=True),
    )
    store = place.store()
    saved = [
        store.save(entry)
        for entry in (FULL, intent, kind, an_entry(name="Reports / 2"), an_entry(name=".hidden"))
    ]
    with store.lock([("reports", False)]):
        listed = place.store_without_vault_secret().entries()
    assert len(listed) == len(saved)
    assert {(entry, entry.version) for entry in listed} == {
        (entry, entry.version) for entry in saved
    }
    assert {type(entry.secret) for entry in listed} == {Sealed, type(None)}


def test_without_a_folder_there_are_no_entries_and_none_is_made(place: Place) -> None:
    assert place.store().entries() == []
    assert not place.root.parent.exists()
    place.root.mkdir(parents=True)
    assert place.store().entries() == []
    assert place.files() == []


def test_what_cannot_be_an_entry_is_not_listed(place: Place) -> None:
    saved = place.store().save(an_entry())
    for name in (
        ".reports.yml.new",
        ".reports.yml.swp",
        "reports.yml~",
        "Reports.yml",
        "two words.yml",
        "notes.txt",
        "reports.yaml",
        ".yml",
    ):
        (place.folder / name).write_bytes(place.file.read_bytes())
    (place.folder / ".#reports.yml").symlink_to("somebody@somewhere.4711")
    (place.folder / ".lock").touch()
    (place.folder / "folder").mkdir()
    before = place.tree()
    assert place.store().entries() == [saved]
    assert place.tree() == before


def test_what_is_removed_while_it_is_listed_is_not_listed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = place.store().save(an_entry())
    monkeypatch.setattr(os, "listdir", lambda _folder: ["gone.yml", "reports.yml"])
    assert place.store().entries() == [saved]


@pytest.mark.parametrize(
    "file", ["others.yml", "reports.pat.yml", ".reports.yml", "reports~0123456789ab.yml"]
)
def test_an_entry_in_the_place_of_another_is_damage(place: Place, file: str) -> None:
    place.store(encrypt=False).save(an_entry())
    (place.folder / file).write_bytes(place.file.read_bytes())
    with pytest.raises(
        DynatraceError, match=f"The file .*/{file} is damaged, or is not the entry of this token"
    ) as caught:
        place.store().entries()
    assert SECRET_PART not in str(caught.value)


def test_a_time_without_quotes_is_taken(place: Place) -> None:
    place.store().save(an_entry(created=NOW))
    place.file.write_text(
        place.file.read_text().replace("'2026-06-01T12:00:00.000Z'", "2026-06-01T12:00:00Z")
    )
    assert place.store().load("reports", False).created == NOW


def test_to_remove_what_is_not_there_does_nothing(place: Place) -> None:
    place.store().remove(an_entry())
    assert not place.root.parent.exists()


def test_a_file_is_replaced_and_never_written_in_place(place: Place) -> None:
    saved = place.store().save(an_entry())
    with place.file.open("rb") as opened:
        place.store().save(dataclasses.replace(saved, scopes=("logs.read",)))
        assert opened.read() == saved.version
    assert place.files() == [ENVIRONMENT, f"{ENVIRONMENT}/reports.yml"]


@pytest.mark.parametrize("leftover", ["file", "link"])
def test_what_a_killed_run_left_does_not_hinder(place: Place, leftover: str) -> None:
    place.folder.mkdir(parents=True)
    target = place.root / "target"
    target.write_text("untouched")
    temporary = place.folder / ".reports.yml.new"
    if leftover == "file":
        temporary.write_text("half an ent")
    else:
        temporary.symlink_to(target)
    place.store().save(an_entry())
    assert place.files() == [ENVIRONMENT, f"{ENVIRONMENT}/reports.yml", "target"]
    assert target.read_text() == "untouched"
    assert not place.file.is_symlink()


@contextlib.contextmanager
def _full_disk() -> t.Iterator[None]:
    """No file can be longer than 100 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("there", [True, False])
def test_a_full_disk_leaves_all_as_it_was(place: Place, there: bool) -> None:
    store = place.store()
    place.folder.mkdir(parents=True)
    entry = store.save(an_entry()) if there else an_entry()
    before = place.files(), place.file.read_bytes() if there else None
    with (
        pytest.raises(
            DynatraceError, match=r"cannot be written: File too large. See to that folder"
        ) as caught,
        _full_disk(),
    ):
        store.save(dataclasses.replace(entry, scopes=("logs.read",)))
    assert (place.files(), place.file.read_bytes() if there else None) == before
    assert str(place.root) in str(caught.value)
    store.save(entry)


def _replace_by_link(path: pathlib.Path) -> None:
    target = path.with_name("target")
    path.rename(target)
    path.symlink_to(target)


def _replace_by_dangling_link(path: pathlib.Path) -> None:
    path.rename(path.with_name("target"))
    path.symlink_to("nowhere")


def _replace_by_fifo(path: pathlib.Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _replace_by_folder(path: pathlib.Path) -> None:
    path.unlink()
    path.mkdir(0o700)


def _replace_by_file(path: pathlib.Path) -> None:
    path.rename(path.with_name("target"))
    path.write_text("")


def _enlarge(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes() + b"#" * 1_000_000)


def _let_group_write(path: pathlib.Path) -> None:
    path.chmod(path.stat().st_mode | 0o020)


def _let_others_write(path: pathlib.Path) -> None:
    path.chmod(path.stat().st_mode | 0o002)


@pytest.mark.parametrize(
    ("part", "spoil", "says"),
    [
        pytest.param("file", _replace_by_link, "symbolic link", id="a link as file"),
        pytest.param(
            "file", _replace_by_dangling_link, "symbolic link", id="a dangling link as file"
        ),
        pytest.param("file", _replace_by_fifo, "it is not a file", id="a FIFO as file"),
        pytest.param("file", _replace_by_folder, "it is not a file", id="a folder as file"),
        pytest.param("file", _enlarge, "too large", id="a file that is too large"),
        pytest.param("file", _let_group_write, "chmod go-w", id="a file that the group may write"),
        pytest.param("file", _let_others_write, "chmod go-w", id="a file that others may write"),
        pytest.param("folder", _replace_by_link, "ot a directory", id="a link as folder"),
        pytest.param(
            "folder", _replace_by_dangling_link, "ot a directory", id="a dangling link as folder"
        ),
        pytest.param("folder", _replace_by_file, "ot a directory", id="a file as folder"),
        pytest.param(
            "folder", _let_group_write, "chmod go-w", id="a folder that the group may write"
        ),
        pytest.param(
            "folder", _let_others_write, "chmod go-w", id="a folder that others may write"
        ),
        pytest.param("root", _let_group_write, "chmod go-w", id="a path that the group may write"),
        pytest.param("root", _let_others_write, "chmod go-w", id="a path that others may write"),
    ],
)
def test_a_place_that_others_could_prepare_is_refused(
    place: Place, part: str, spoil: t.Callable[[pathlib.Path], None], says: str
) -> None:
    store = place.store(encrypt=False)
    saved = store.save(an_entry())
    spoil(getattr(place, part))
    before = place.tree()
    for attempt in (
        lambda: store.load("reports", False),
        store.entries,
        lambda: store.save(saved),
        lambda: store.remove(saved),
    ):
        with pytest.raises(DynatraceError, match=says) as caught, at_most(5):
            attempt()
        assert str(place.root) in str(caught.value)
        assert "See to that folder" in str(caught.value)
        assert SECRET_PART not in str(caught.value)
    assert place.tree() == before


@pytest.mark.parametrize("part", ["file", "folder", "root"])
def test_what_belongs_to_another_user_is_refused(
    place: Place, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.store().save(an_entry())
    give_away(getattr(place, part), monkeypatch)
    for attempt in (lambda: place.store().load("reports", False), place.store().entries):
        with pytest.raises(DynatraceError, match="another user owns it"):
            attempt()


def test_the_path_itself_may_be_a_link(place: Place) -> None:
    place.store().save(an_entry())
    _replace_by_link(place.root)
    assert place.store().load("reports", False).id == PUBLIC_PART


LEVELS = "".join(f"- &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12))
MERGES = "".join(
    f"- &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}\n" for level in range(1, 12)
)
PLAIN = f"""\
environment: {ENVIRONMENT}
name: reports
personal_access_token: false
id: {PUBLIC_PART}
token: {DOTTED_SECRET}
scopes: []
expiration_date: null
created: null
pending: null
retiring: []
"""


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param(PLAIN[:150], id="cut off"),
        pytest.param(PLAIN.replace(": ", ":\t- "), id="no YAML"),
        pytest.param(PLAIN + "'", id="an open quote"),
        pytest.param(PLAIN + "---\n" + PLAIN, id="two documents"),
        pytest.param(PLAIN + "\0", id="a NUL"),
        pytest.param(PLAIN + "\udcff", id="no UTF-8"),
        pytest.param(f"- {DOTTED_SECRET}", id="a list"),
        pytest.param(PLAIN.replace("[]", "!!python/object/apply:os.mkdir [owned]"), id="a call"),
        pytest.param(PLAIN.replace("[]", "!!python/tuple [a]"), id="a tuple"),
        pytest.param(PLAIN.replace("\ntoken: ", "\ntoken: !vault\n- "), id="a list that is sealed"),
        pytest.param(PLAIN.replace("[]", "!unknown [a]"), id="a tag that nobody knows"),
        pytest.param(
            PLAIN.replace("\ntoken: ", "\ntoken: !!bool "), id="a secret that is no truth"
        ),
        pytest.param(PLAIN.replace("id: ", "id: !!int ''  # "), id="a number that is none"),
        pytest.param(PLAIN.replace("null", "!!timestamp soon"), id="a time that is none"),
        pytest.param(PLAIN.replace("null", "9" * 5000), id="a number that is too long"),
        pytest.param(PLAIN.replace("null", f"{{[{DOTTED_SECRET}]: 1}}"), id="a list as key"),
        pytest.param(PLAIN.replace("[]", "[\n" * 5000), id="deeply nested lists"),
        pytest.param(PLAIN.replace("[]", "{a:\n" * 5000), id="deeply nested dictionaries"),
        pytest.param(PLAIN.replace("[]", "*nothing"), id="an alias of nothing"),
        pytest.param(
            f"{PLAIN}more: [&a0 [{DOTTED_SECRET}]]\nbomb:\n{LEVELS}scopes: *a11\n",
            id="an alias bomb",
        ),
        pytest.param(PLAIN.replace("[]", "&a [*a]"), id="a list within itself"),
    ],
)
def test_damage_is_said_without_echo_and_left(
    place: Place, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.folder.mkdir(parents=True)
    monkeypatch.chdir(place.folder)
    place.file.write_bytes(content.encode(errors="surrogateescape"))
    before = place.tree()
    for attempt in (lambda: place.store().load("reports", False), place.store().entries):
        with (
            pytest.raises(
                DynatraceError,
                match=r"The file .*reports.yml is damaged, or is not the entry of this token",
            ) as caught,
            at_most(5),
        ):
            attempt()
        assert SECRET_PART.lower() not in str(caught.value).lower()
        assert caught.value.__suppress_context__
    assert place.tree() == before


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(f"more: [&a0 {{a: 1}}]\nbomb:\n{MERGES}", id="merged again and again"),
        pytest.param(
            f"more: [&a0 [a]]\nbomb:\n{LEVELS}sealed: !vault [*a11]\n", id="sealed again and again"
        ),
    ],
)
def test_a_bomb_takes_no_time(place: Place, bomb: str) -> None:
    place.folder.mkdir(parents=True)
    place.file.write_text(PLAIN + bomb)
    with contextlib.suppress(DynatraceError), at_most(1):
        place.store().load("reports", False)


WORDS_OF_YAML = "yes no null ~ true 123 0x1f 0o17 1_000 1e3 .inf 12:30:45 2026-01-01 2026-01-01T00:00:00Z #a &a *a << = @a `a` %TAG --- ..."
PHRASES_OF_YAML = [
    "- a",
    "a: b",
    "a #b",
    "!vault x",
    "!!str x",
    "? a",
    "| a",
    "> a",
    "'a",
    '"a"',
    "{a: b}",
    "[a]",
    "a\\nb",
    "a\tb",
]
OTHER_SCRIPTS = [
    "{{ a }}",
    "$(a)",
    "Zürich",
    "日本",
    "\U0001f511",
    "a\u2028b",
    "\ufeffa",
    "a" * 200,
]


@pytest.mark.parametrize("name", [*WORDS_OF_YAML.split(), *PHRASES_OF_YAML, *OTHER_SCRIPTS])
def test_a_name_that_means_something_in_yaml_stays_that_name(place: Place, name: str) -> None:
    entry = an_entry(name=name, scopes=(name,))
    place.store(encrypt=False).save(entry)
    assert place.store().load(name, False) == entry
    (file,) = place.folder.iterdir()
    data = DataLoader().load(file.read_text())
    assert (data["name"], data["scopes"]) == (name, [name])


@given(st.text(), st.booleans(), st.lists(st.text()).map(tuple))
def test_any_name_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    personal_access_token: bool,
    scopes: tuple[str],
) -> None:
    place = Place(tmp_path_factory.getbasetemp() / "tokens of any name", [])
    store = place.store(encrypt=False)
    entry = an_entry(name=name, personal_access_token=personal_access_token, scopes=scopes)
    saved = store.save(entry)
    assert store.load(name, personal_access_token) == entry
    assert store.entries() == [entry]
    store.remove(saved)


class Tagged(str):
    """A text as Ansible hands it on, which knows where it is from."""


def test_a_text_of_a_kind_of_its_own_is_written_as_text(place: Place) -> None:
    place.store(encrypt=False).save(an_entry(name=Tagged("reports"), scopes=(Tagged("yes"),)))
    assert yaml.safe_load(place.file.read_text())["scopes"] == ["yes"]


def test_without_encryption_the_secret_is_plain_and_that_is_warned_of(place: Place) -> None:
    store = place.store_without_vault_secret(encrypt=False)
    store.check_writable(an_entry())
    store.save(an_entry())
    assert yaml.safe_load(place.file.read_text())["token"] == DOTTED_SECRET
    (warning,) = place.warnings
    assert all(
        word in warning for word in ("'reports'", "in the clear", str(place.root), "encrypt: false")
    )


def test_with_encryption_nothing_is_warned_of(place: Place) -> None:
    place.store().check_writable(an_entry())
    place.store().save(an_entry())
    assert place.warnings == []


@pytest.mark.parametrize(
    ("vault_secrets", "encrypt_vault_id", "identity", "says"),
    [
        pytest.param(
            [],
            None,
            None,
            ["no vault secret", "--vault-password-file", "encrypt: false"],
            id="none",
        ),
        pytest.param([], "staging", None, ["no vault secret", "--vault-id"], id="none of that id"),
        pytest.param(
            [STAGING, PRODUCTION],
            None,
            None,
            ["staging, production", "encrypt_vault_id", "vault_encrypt_identity"],
            id="several",
        ),
        pytest.param(
            [STAGING, PRODUCTION],
            "other",
            None,
            ["'other'", "staging, production"],
            id="an id that nobody has",
        ),
        pytest.param(
            [STAGING], "other", None, ["'other'", "staging"], id="another than the only one"
        ),
        pytest.param(
            [STAGING, PRODUCTION],
            None,
            "other",
            ["'other'", "staging, production"],
            id="a setting that nobody has",
        ),
    ],
)
def test_without_a_clear_vault_secret_nothing_is_written(
    place: Place,
    vault_secrets: list[tuple[str, VaultSecret]],
    encrypt_vault_id: str | None,
    identity: str | None,
    says: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_identity(identity, monkeypatch)
    vault = AnsibleVault(vault_secrets, encrypt_vault_id)
    store = FileStore(str(place.root), ENVIRONMENT, vault, True, place.warnings.append)
    for attempt in (store.check_writable, store.save):
        with pytest.raises(OptionError, match=r"^store: ") as caught:
            attempt(an_entry())
        assert [word for word in says if word not in str(caught.value)] == []
        assert SECRET_PART not in str(caught.value)
    assert not place.root.parent.exists()


@pytest.mark.parametrize(
    ("vault_secrets", "encrypt_vault_id", "identity", "opened_by"),
    [
        pytest.param([STAGING], None, None, STAGING, id="the only one"),
        pytest.param([STAGING], None, "", STAGING, id="the only one beside an empty setting"),
        pytest.param(
            [STAGING, PRODUCTION], "production", None, PRODUCTION, id="the one that store names"
        ),
        pytest.param(
            [STAGING, PRODUCTION],
            None,
            "production",
            PRODUCTION,
            id="the one that the setting names",
        ),
        pytest.param(
            [STAGING, PRODUCTION],
            "staging",
            "production",
            STAGING,
            id="store wins over the setting",
        ),
        pytest.param(
            [STAGING, ("staging", PRODUCTION[1])],
            "staging",
            None,
            STAGING,
            id="the first of two with one id",
        ),
    ],
)
def test_the_secret_is_encrypted_with_the_vault_secret_that_is_meant(
    place: Place,
    vault_secrets: list[tuple[str, VaultSecret]],
    encrypt_vault_id: str | None,
    identity: str | None,
    opened_by: tuple[str, VaultSecret],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_identity(identity, monkeypatch)
    store = place.store(*vault_secrets, encrypt_vault_id=encrypt_vault_id)
    store.check_writable(an_entry())
    saved = store.save(an_entry())
    assert isinstance(saved.secret, Sealed)
    assert saved.secret.text.splitlines()[0] == f"$ANSIBLE_VAULT;1.2;AES256;{opened_by[0]}"
    assert place.store(opened_by).unseal(saved) == Secret(DOTTED_SECRET)


def _with_sealed(text: str) -> t.Callable[[Place], None]:
    def write(place: Place) -> None:
        place.file.write_text(PLAIN.replace(f"token: {DOTTED_SECRET}", f'token: !vault "{text}"'))

    return write


def _tamper(place: Place) -> None:
    lines = place.file.read_text().splitlines()
    assert lines[-6].startswith("  ")
    lines[-6] = "  " + lines[-6].strip()[::-1]
    place.file.write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("spoil", "vault_secrets", "says"),
    [
        pytest.param(
            None,
            [STAGING, PRODUCTION],
            "with the vault secrets at hand (staging, production). Nothing was changed",
            id="others",
        ),
        pytest.param(
            None, [], "there is no vault secret. Give one with --vault-password-file", id="none"
        ),
        pytest.param(_tamper, [VAULT_PASSWORD], "cannot be decrypted", id="tampered with"),
        pytest.param(
            _with_sealed(DOTTED_SECRET),
            [VAULT_PASSWORD],
            "cannot be decrypted",
            id="not encrypted at all",
        ),
        pytest.param(_with_sealed(""), [VAULT_PASSWORD], "cannot be decrypted", id="empty"),
        pytest.param(
            _with_sealed("$ANSIBLE_VAULT;1.1;AES256\\n6162"),
            [VAULT_PASSWORD],
            "cannot be decrypted",
            id="cut off",
        ),
        pytest.param(
            _with_sealed("$ANSIBLE_VAULT;1.1;AES256\\nxyz"),
            [VAULT_PASSWORD],
            "cannot be decrypted",
            id="no digits",
        ),
        pytest.param(
            _with_sealed("$ANSIBLE_VAULT"),
            [VAULT_PASSWORD],
            "cannot be decrypted",
            id="only a beginning",
        ),
        pytest.param(
            _with_sealed("$ANSIBLE_VAULT;9;ROT13\\n6162"),
            [VAULT_PASSWORD],
            "cannot be decrypted",
            id="in another way",
        ),
    ],
)
def test_what_cannot_be_opened_is_said_and_left(
    place: Place,
    spoil: t.Callable[[Place], None] | None,
    vault_secrets: list[tuple[str, VaultSecret]],
    says: str,
) -> None:
    place.store().save(an_entry())
    if spoil:
        spoil(place)
    before = place.tree()
    store = FileStore(
        str(place.root), ENVIRONMENT, AnsibleVault(vault_secrets, None), True, place.warnings.append
    )
    loaded = store.load("reports", False)
    assert loaded.id == PUBLIC_PART
    with pytest.raises(DynatraceError) as caught:
        store.unseal(loaded)
    message = str(caught.value)
    assert says in message
    assert str(place.file) in message
    assert SECRET_PART not in message
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert place.tree() == before


def test_an_entry_without_a_secret_has_none_to_open(place: Place) -> None:
    assert place.store_without_vault_secret().unseal(UNSEALED) is None


@pytest.mark.parametrize("there", ["nothing", "path", "entry"])
@pytest.mark.parametrize("encrypt", [True, False])
def test_to_check_whether_it_can_be_written_writes_nothing(
    place: Place, there: str, encrypt: bool
) -> None:
    if there == "path":
        place.root.mkdir(parents=True, mode=0o700)
    elif there == "entry":
        place.store(encrypt=encrypt).save(an_entry())
    before = place.tree()
    place.store(encrypt=encrypt).check_writable(an_entry())
    place.store(encrypt=encrypt).check_removable(an_entry())
    assert place.tree() == before


def test_to_remove_an_entry_takes_no_vault_secret(place: Place) -> None:
    saved = place.store().save(an_entry())
    for store in (
        place.store_without_vault_secret(),
        place.store_without_vault_secret(encrypt=False),
    ):
        store.check_removable(saved)
    place.store_without_vault_secret().remove(saved)
    assert place.files() == [ENVIRONMENT]
    assert place.warnings == []


def test_to_read_writes_nothing(place: Place) -> None:
    place.store().save(an_entry())
    before = place.tree()
    loaded = place.store().load("reports", False)
    place.store().load("others", True)
    place.store().unseal(loaded)
    assert place.tree() == before


@pytest.mark.parametrize(
    "spoil", [_replace_by_link, _replace_by_dangling_link, _replace_by_file, _let_group_write]
)
def test_a_folder_that_would_be_refused_is_found_before_anything_is_written(
    place: Place, spoil: t.Callable[[pathlib.Path], None]
) -> None:
    place.store().save(an_entry())
    spoil(place.folder)
    before = place.tree()
    for check in (place.store().check_writable, place.store().check_removable):
        with pytest.raises(DynatraceError, match="cannot be written"):
            check(an_entry())
    assert place.tree() == before


@pytest.mark.parametrize(
    "path", [UNWRITABLE, UNWRITABLE + "/deeper", f"{__file__}/tokens", "/dev/null"]
)
def test_a_path_that_cannot_be_written_is_named(path: str) -> None:
    warnings: list[str] = []
    store = FileStore(
        path, ENVIRONMENT, AnsibleVault([VAULT_PASSWORD], None), True, warnings.append
    )
    for check in (store.check_writable, store.check_removable):
        with pytest.raises(
            DynatraceError,
            match=f"^The store {path} cannot be written: .* See to that folder, and run again",
        ):
            check(an_entry())
    with pytest.raises(DynatraceError, match=f"^The store {path} cannot be written: ") as caught:
        store.save(an_entry())
    assert SECRET_PART not in str(caught.value)
    with (
        pytest.raises(DynatraceError, match=f"^The store {path} cannot be locked: "),
        store.lock([("reports", False)]),
    ):
        pass


def test_a_dangling_link_as_path_is_named(place: Place) -> None:
    place.root.parent.mkdir()
    place.root.symlink_to("nowhere")
    for attempt in (place.store().check_writable, place.store().save):
        with pytest.raises(DynatraceError, match="cannot be written"):
            attempt(an_entry())
    assert [path.name for path in place.root.parent.iterdir()] == ["tokens"]


TRYING = """
import sys
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.codec import entry_name
from ansible_collections.community.dynatrace.plugins.plugin_utils._lock import identity_locks
with identity_locks(sys.argv[1], [(entry_name("reports", sys.argv[2] == "pat"), "reports")], 0):
    pass
"""


def test_a_lock_is_held_for_one_name_and_kind_and_given_back(place: Place) -> None:
    def elsewhere(kind: str = "api") -> int:
        command = [sys.executable, "-c", TRYING, str(place.folder / ".lock"), kind]
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode

    with place.store().lock([("reports", False), ("others", True)]):
        assert elsewhere() == 1
        assert elsewhere("pat") == 0
    assert elsewhere() == 0


def test_a_lock_does_not_hinder_whoever_holds_it(place: Place) -> None:
    store = place.store()
    with at_most(5), store.lock([("reports", False)]):
        store.remove(store.save(an_entry()))
    with at_most(5), store.lock([("reports", False)]):
        assert store.load("reports", False).version is None
