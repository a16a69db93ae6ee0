# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import concurrent.futures
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
    Predecessor,
    Sealed,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    OptionError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import (
    PERSONAL_ACCESS,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Operation
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.ansible_vault import (
    AnsibleVault,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.file import file_store
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.kept import EntryStore

from entries import (
    DAY,
    DOTTED_SECRET,
    ENVIRONMENT,
    FULL,
    INTENT,
    NOW,
    ONLY_AN_INTENT,
    PERSONAL_REPORTS,
    PUBLIC_PART,
    REPORTS,
    SECRET_PART,
    identity,
    kept,
)

UNWRITABLE = "/proc/sys/tokens"  # nobody can make a folder there, not even root
VAULT_PASSWORD = ("default", VaultSecret(b"correct horse"))
STAGING = ("staging", VaultSecret(b"battery"))
PRODUCTION = ("production", VaultSecret(b"staple"))


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
        allow_other_writers: bool = False,
    ) -> EntryStore:
        """The store there, with these vault secrets or a usual one."""
        vault = AnsibleVault(list(vault_secrets or [VAULT_PASSWORD]), encrypt_vault_id)
        return file_store(str(self.root), vault, encrypt, self.warnings.append, allow_other_writers)

    def store_without_vault_secret(self, encrypt: bool = True) -> EntryStore:
        return file_store(str(self.root), AnsibleVault([], None), encrypt, self.warnings.append)

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

    @property
    def check(self) -> pathlib.Path:
        return self.folder / ".vault-check"

    def files(self) -> list[str]:
        """All there is but the check value of the vault password, and its lock."""
        paths = sorted(self.root.rglob("*"))
        files = [path for path in paths if not path.name.startswith(self.check.name)]
        return [str(path.relative_to(self.root)) for path in files]


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


def test_to_look_for_an_entry_makes_no_folder(place: Place) -> None:
    assert place.store().load(REPORTS).version is None
    assert place.store().entries(ENVIRONMENT) == []
    place.store().remove(kept())
    assert not place.root.parent.exists()
    place.root.mkdir(parents=True)
    assert place.store().entries(ENVIRONMENT) == []
    assert place.files() == []


def test_every_environment_name_and_kind_has_its_own_file(place: Place) -> None:
    for of in (REPORTS, PERSONAL_REPORTS, identity("Reports"), identity(place="xyz")):
        place.store().save(kept(of))
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
        with place.store().lock([REPORTS]):
            place.store().save(kept())
    finally:
        os.umask(before)
    modes = {
        path.name: path.stat().st_mode & 0o7777 for path in [place.root, *place.root.rglob("*")]
    }
    assert {modes.pop(name) for name in ("tokens", ENVIRONMENT)} == {0o700}
    assert set(modes) == {
        "reports.yml",
        ".lock",
        ".gitignore",
        ".vault-check",
        ".vault-check.lock",
    }
    assert set(modes.values()) == {0o600}


def test_the_file_has_the_documented_keys_and_an_inline_secret(place: Place) -> None:
    place.store().save(FULL)
    loader = DataLoader()
    loader.set_vault_secrets([VAULT_PASSWORD])
    data = loader.load(place.file.read_text())
    sealed = next(line for line in place.file.read_text().splitlines() if line.startswith("token:"))
    assert sealed == "token: !vault |"
    assert place.file.read_text().startswith(
        "# A Dynatrace token. Written by the collection community.dynatrace"
    )
    expected = {
        "environment": ENVIRONMENT,
        "name": "reports",
        "kind": "access",
        "id": PUBLIC_PART,
        "scopes": ["logs.read", "metrics.read"],
        "expiration_date": "2026-06-02T12:00:00.000Z",
        "created": "2026-06-01T12:00:00.000Z",
        "handed_over": False,
        "intents": [
            {
                "nonce": INTENT.nonce,
                "since": "2026-06-01T12:00:00.000Z",
                "expiration_date": None,
                "scopes": [],
                "known_ids": [],
            },
            {
                "nonce": "f" * 16,
                "since": "2026-06-01T12:00:00.000Z",
                "expiration_date": "2026-06-02T12:00:00.000Z",
                "scopes": ["logs.read"],
                "known_ids": ["dt0c01.THERE"],
            },
        ],
        "predecessors": [
            {"id": "dt0c01.TAKENBACK", "disable_date": None, "delete_date": None},
            {"id": "dt0c01.OLD", "disable_date": "2026-06-01T12:00:00.000Z", "delete_date": None},
            {
                "id": "dt0c01.OLDER",
                "disable_date": "2026-06-01T12:00:00.000Z",
                "delete_date": "2026-06-02T12:00:00.000Z",
            },
        ],
    }
    assert [key for key in data if key != "token"] == list(expected)
    del data["token"]
    assert data == expected


# Written by version 1.0.0.
HEADER = (
    "# A Dynatrace access token. Written by the collection community.dynatrace, "
    "which replaces the file as a whole.\n"
)
REPORTS_OF_1_0_0 = (
    HEADER
    + """\
environment: abc12345
name: reports
personal_access_token: false
id: dt0c01.PUBLICPART
token: !vault |
  $ANSIBLE_VAULT;1.1;AES256
  32306532636133366134353731646463613935383439353136653832646361366662656466346364
  3564623438386132396335653063363738663033663531330a643131316639633062356430623464
  38633563643132306630396334643662323633396633343830633762636136356335313737653538
  6630393935396436360a626232326664313236653866633036316539653261326265656332363237
  34333637346539383730306431303439626264366139336165303664373736336339
scopes:
- logs.read
- metrics.read
expiration_date: '2026-06-02T12:00:00.000Z'
created: '2026-06-01T12:00:00.000Z'
pending:
  nonce: 0123456789abcdef
  since: '2026-06-01T12:00:00.000Z'
retiring:
- id: dt0c01.OLD
  disable_date: '2026-06-01T12:00:00.000Z'
  delete_date: null
- id: dt0c01.OLDER
  disable_date: '2026-06-01T12:00:00.000Z'
  delete_date: '2026-06-02T12:00:00.000Z'
"""
)
JOBS_OF_1_0_0 = (
    HEADER
    + """\
environment: abc12345
name: 'CI: Jobs/main'
personal_access_token: true
id: dt0c01.PUBLICPART
token: dt0c01.PUBLICPART.S3CR3TS3CR3T
scopes: []
expiration_date: null
created: null
pending: null
retiring: []
"""
)
FILES_OF_1_0_0 = {
    "reports.yml": (
        REPORTS_OF_1_0_0,
        kept(
            scopes=("logs.read", "metrics.read"),
            expires=NOW + DAY,
            created=NOW,
            intents=(INTENT,),
            predecessors=(
                Predecessor("dt0c01.OLD", NOW),
                Predecessor("dt0c01.OLDER", NOW, NOW + DAY),
            ),
        ),
    ),
    "ci-jobs-main~ae8cc628eb15.pat.yml": (
        JOBS_OF_1_0_0,
        kept(identity("CI: Jobs/main", PERSONAL_ACCESS)),
    ),
}


def test_files_of_1_0_0_are_read_and_kept(place: Place) -> None:
    place.folder.mkdir(parents=True)
    store = place.store()
    for file, (content, entry) in FILES_OF_1_0_0.items():
        (place.folder / file).write_text(content)
        loaded = store.load(entry.identity)
        assert dataclasses.replace(loaded, secret=store.unseal(loaded)) == entry
        assert store.save(loaded) in store.entries(ENVIRONMENT)
        assert "kind: " in (place.folder / file).read_text()
        again = store.load(entry.identity)
        assert dataclasses.replace(again, secret=store.unseal(again)) == entry
    assert set(place.files()) == {
        ENVIRONMENT,
        *(f"{ENVIRONMENT}/{file}" for file in FILES_OF_1_0_0),
    }


def test_the_secret_is_encrypted_as_ansible_vault_does(place: Place) -> None:
    saved = place.store().save(kept())
    assert isinstance(saved.secret, Sealed)
    assert VaultLib([VAULT_PASSWORD]).decrypt(saved.secret.text).decode() == DOTTED_SECRET


def test_what_ansible_vault_encrypted_by_hand_is_opened(place: Place) -> None:
    place.store().save(kept())
    by_hand = VaultLib([STAGING]).encrypt("another-secret", STAGING[1], STAGING[0]).decode()
    head, _token, tail = place.file.read_text().partition("token: !vault")
    indented = "".join(f"          {line}\n" for line in by_hand.splitlines())
    place.file.write_text(f"{head}token: !vault |\n{indented}scopes:{tail.partition('scopes:')[2]}")
    store = place.store(STAGING)
    secret = store.unseal(store.load(REPORTS))
    assert secret is not None
    assert secret.reveal() == "another-secret"


def test_a_sealed_value_with_a_line_break_is_no_secret(place: Place) -> None:
    saved = place.store().save(kept())
    sealed = Sealed(
        VaultLib([VAULT_PASSWORD]).encrypt(DOTTED_SECRET + "\n", VAULT_PASSWORD[1]).decode()
    )
    with pytest.raises(DynatraceError, match="is not the secret of a token") as caught:
        place.store().unseal(dataclasses.replace(saved, secret=sealed))
    assert DOTTED_SECRET not in str(caught.value)


def test_a_secret_that_is_not_opened_stays_as_it_is_when_the_rest_is_written(place: Place) -> None:
    place.store().save(kept())
    store = place.store_without_vault_secret()
    loaded = store.load(REPORTS)
    assert store.save(dataclasses.replace(loaded, scopes=("logs.read",))).secret == loaded.secret
    assert place.store().unseal(store.load(REPORTS)) == Secret(DOTTED_SECRET)


def test_a_secret_in_clear_is_encrypted_when_its_entry_is_written_again(place: Place) -> None:
    place.store(encrypt=False).save(kept())
    assert SECRET_PART in place.file.read_text()
    loaded = place.store().load(REPORTS)
    assert place.store().unseal(loaded) == Secret(DOTTED_SECRET)
    place.store().save(loaded)
    assert SECRET_PART not in place.file.read_text()


def test_what_a_killed_run_left_goes_with_its_entry(place: Place) -> None:
    saved = place.store().save(kept())
    (place.folder / ".reports.yml.new").write_bytes(place.file.read_bytes())
    place.store().remove(saved)
    assert place.files() == [ENVIRONMENT]


def test_entries_are_listed_sealed_and_without_a_vault_secret(place: Place) -> None:
    saved = [place.store().save(entry) for entry in (FULL, kept(identity(".hidden")))]
    with place.store().lock([REPORTS]):
        listed = place.store_without_vault_secret().entries(ENVIRONMENT)
    assert {(entry, entry.version) for entry in listed} == {
        (entry, entry.version) for entry in saved
    }
    assert {type(entry.secret) for entry in listed} == {Sealed}


def test_what_cannot_be_an_entry_is_not_listed(place: Place) -> None:
    saved = place.store().save(kept())
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
    assert place.store().entries(ENVIRONMENT) == [saved]
    assert place.tree() == before


def test_what_is_removed_while_it_is_listed_is_not_listed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = place.store().save(kept())
    monkeypatch.setattr(os, "listdir", lambda _folder: ["gone.yml", "reports.yml"])
    assert place.store().entries(ENVIRONMENT) == [saved]


@pytest.mark.parametrize(
    "file", ["others.yml", "reports.pat.yml", ".reports.yml", "reports~0123456789ab.yml"]
)
def test_an_entry_in_the_place_of_another_is_damage(place: Place, file: str) -> None:
    place.store(encrypt=False).save(kept())
    (place.folder / file).write_bytes(place.file.read_bytes())
    with pytest.raises(
        DynatraceError, match=f"The file .*/{file} is damaged, or is not the entry of this token"
    ) as caught:
        place.store().entries(ENVIRONMENT)
    assert SECRET_PART not in str(caught.value)


def test_a_time_without_quotes_is_taken(place: Place) -> None:
    place.store().save(kept(created=NOW))
    place.file.write_text(
        place.file.read_text().replace("'2026-06-01T12:00:00.000Z'", "2026-06-01T12:00:00Z")
    )
    assert place.store().load(REPORTS).created == NOW


def test_a_file_is_replaced_and_never_written_in_place(place: Place) -> None:
    saved = place.store().save(kept())
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
    place.store().save(kept())
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
    entry = store.save(kept()) if there else kept()
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
    saved = store.save(kept())
    spoil(getattr(place, part))
    before = place.tree()
    for attempt in (
        lambda: store.load(REPORTS),
        lambda: store.entries(ENVIRONMENT),
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
    place.store().save(kept())
    give_away(getattr(place, part), monkeypatch)
    for attempt in (
        lambda: place.store().load(REPORTS),
        lambda: place.store().entries(ENVIRONMENT),
    ):
        with pytest.raises(DynatraceError, match="another user owns it"):
            attempt()


def _mount_with_fs_group(root: pathlib.Path) -> None:
    """As Kubernetes does at each mount of a volume."""
    for path in (root, *root.rglob("*")):
        path.chmod(0o2770 if path.is_dir() else path.stat().st_mode | 0o660)


def _mount_for_all(root: pathlib.Path) -> None:
    for path in (root, *root.rglob("*")):
        path.chmod(0o777)


@pytest.mark.parametrize("mount", [_mount_with_fs_group, _mount_for_all, None])
def test_what_others_can_write_is_used_where_that_is_written_out(
    place: Place, mount: t.Callable[[pathlib.Path], None] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = place.store().save(kept())
    if mount is None:
        for path in (place.root, place.folder, place.file):
            give_away(path, monkeypatch)
    else:
        mount(place.root)
    with pytest.raises(DynatraceError, match="say allow_other_writers: true in store") as caught:
        place.store().load(REPORTS)
    assert "type: hashi_vault" in str(caught.value)
    store = place.store(allow_other_writers=True)
    for entry in (saved, ONLY_AN_INTENT):
        with store.lock([REPORTS]):
            store.check_may("save", entry)
            assert store.entries(ENVIRONMENT) == [store.load(REPORTS)]
            store.save(dataclasses.replace(entry, version=store.load(REPORTS).version))
    store.remove(store.load(REPORTS))
    assert not place.file.exists()
    assert place.warnings == []


def test_a_link_is_not_followed_where_others_can_write(place: Place) -> None:
    place.store().save(kept())
    _replace_by_link(place.file)
    with pytest.raises(DynatraceError, match="symbolic link"):
        place.store(allow_other_writers=True).load(REPORTS)


def test_the_path_itself_may_be_a_link(place: Place) -> None:
    place.store().save(kept())
    _replace_by_link(place.root)
    assert place.store().load(REPORTS).id == PUBLIC_PART


LEVELS = "".join(f"- &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12))
MERGES = "".join(
    f"- &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}\n" for level in range(1, 12)
)
PLAIN = f"""\
environment: {ENVIRONMENT}
name: reports
kind: access
id: {PUBLIC_PART}
token: {DOTTED_SECRET}
scopes: []
expiration_date: null
created: null
handed_over: true
intents: []
predecessors: []
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
        pytest.param(f"{PLAIN}more: {'[' * 20}{']' * 20}", id="nested deeper than any entry"),
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
    for attempt in (
        lambda: place.store().load(REPORTS),
        lambda: place.store().entries(ENVIRONMENT),
    ):
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
        place.store().load(REPORTS)


WORDS_OF_YAML = (
    "yes no null ~ true 123 0x1f 0o17 1_000 1e3 .inf 12:30:45 2026-01-01 "
    "2026-01-01T00:00:00Z #a &a *a << = @a `a` %TAG --- ..."
)
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
    entry = kept(identity(name), scopes=(name,))
    place.store(encrypt=False).save(entry)
    assert place.store().load(entry.identity) == entry
    (file,) = place.folder.iterdir()
    data = DataLoader().load(file.read_text())
    assert (data["name"], data["scopes"]) == (name, [name])


class Tagged(str):
    """A text as Ansible hands it on, which knows where it is from."""


def test_a_text_of_a_kind_of_its_own_is_written_as_text(place: Place) -> None:
    place.store(encrypt=False).save(kept(identity(Tagged("reports")), scopes=(Tagged("yes"),)))
    assert yaml.safe_load(place.file.read_text())["scopes"] == ["yes"]


def test_without_encryption_the_secret_is_plain_and_that_is_warned_of_once(place: Place) -> None:
    store = place.store_without_vault_secret(encrypt=False)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(store.check_may, ["save"] * 50, [kept()] * 50))
    store.save(kept())
    assert yaml.safe_load(place.file.read_text())["token"] == DOTTED_SECRET
    assert place.warnings == [
        f"Secrets are kept in the clear in {place.root}, because store says encrypt: false."
    ]


def test_with_encryption_nothing_is_warned_of(place: Place) -> None:
    place.store().check_may("save", kept())
    place.store().save(kept())
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
    store = file_store(str(place.root), vault, True, place.warnings.append)
    for attempt in (lambda entry: store.check_may("save", entry), store.save):
        with pytest.raises(OptionError, match=r"^store: ") as caught:
            attempt(kept())
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
    store.check_may("save", kept())
    saved = store.save(kept())
    assert isinstance(saved.secret, Sealed)
    assert saved.secret.text.splitlines()[0] == f"$ANSIBLE_VAULT;1.2;AES256;{opened_by[0]}"
    assert place.store(opened_by).unseal(saved) == Secret(DOTTED_SECRET)


def _with_sealed(text: str) -> t.Callable[[Place], None]:
    def write(place: Place) -> None:
        place.file.write_text(PLAIN.replace(f"token: {DOTTED_SECRET}", f'token: !vault "{text}"'))

    return write


def _tamper(place: Place) -> None:
    lines = place.file.read_text().splitlines()
    last = max(number for number, line in enumerate(lines) if line.startswith("  "))
    lines[last] = "  " + lines[last].strip()[::-1]
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
    place.store().save(kept())
    if spoil:
        spoil(place)
    before = place.tree()
    store = file_store(
        str(place.root), AnsibleVault(vault_secrets, None), True, place.warnings.append
    )
    loaded = store.load(REPORTS)
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
    assert place.store_without_vault_secret().unseal(ONLY_AN_INTENT) is None


@pytest.mark.parametrize("there", ["nothing", "path", "entry"])
@pytest.mark.parametrize("encrypt", [True, False])
def test_to_check_whether_it_can_be_written_writes_nothing(
    place: Place, there: str, encrypt: bool
) -> None:
    if there == "path":
        place.root.mkdir(parents=True, mode=0o700)
    elif there == "entry":
        place.store(encrypt=encrypt).save(kept())
    before = place.tree()
    place.store(encrypt=encrypt).check_may("save", kept())
    place.store(encrypt=encrypt).check_may("remove", kept())
    assert place.tree() == before


def test_to_remove_an_entry_takes_no_vault_secret(place: Place) -> None:
    saved = place.store().save(kept())
    for store in (
        place.store_without_vault_secret(),
        place.store_without_vault_secret(encrypt=False),
    ):
        store.check_may("remove", saved)
    place.store_without_vault_secret().remove(saved)
    assert place.files() == [ENVIRONMENT]
    assert place.warnings == []


def test_to_read_writes_nothing(place: Place) -> None:
    place.store().save(kept())
    before = place.tree()
    loaded = place.store().load(REPORTS)
    place.store().load(identity("others", PERSONAL_ACCESS))
    place.store().unseal(loaded)
    assert place.tree() == before


@pytest.mark.parametrize(
    "spoil", [_replace_by_link, _replace_by_dangling_link, _replace_by_file, _let_group_write]
)
def test_a_folder_that_would_be_refused_is_found_before_anything_is_written(
    place: Place, spoil: t.Callable[[pathlib.Path], None]
) -> None:
    place.store().save(kept())
    spoil(place.folder)
    before = place.tree()
    for operation in t.get_args(Operation):
        with pytest.raises(DynatraceError, match="cannot be written"):
            place.store().check_may(operation, kept())
    assert place.tree() == before


@pytest.mark.parametrize(
    "path", [UNWRITABLE, UNWRITABLE + "/deeper", f"{__file__}/tokens", "/dev/null"]
)
def test_a_path_that_cannot_be_written_is_named(path: str) -> None:
    warnings: list[str] = []
    store = file_store(path, AnsibleVault([VAULT_PASSWORD], None), True, warnings.append)
    for operation in t.get_args(Operation):
        with pytest.raises(
            DynatraceError,
            match=f"^The store {path} cannot be written: .* See to that folder, and run again",
        ):
            store.check_may(operation, kept())
    with pytest.raises(
        DynatraceError, match=f"^The store {path} cannot be (read|written): "
    ) as caught:
        store.save(kept())
    assert SECRET_PART not in str(caught.value)
    with (
        pytest.raises(DynatraceError, match=f"^The store {path} cannot be locked: "),
        store.lock([REPORTS]),
    ):
        pass


def test_a_dangling_link_as_path_is_named(place: Place) -> None:
    place.root.parent.mkdir()
    place.root.symlink_to("nowhere")
    store = place.store()
    for attempt in (lambda: store.check_may("save", kept()), lambda: store.save(kept())):
        with pytest.raises(DynatraceError, match="cannot be written"):
            attempt()
    assert [path.name for path in place.root.parent.iterdir()] == ["tokens"]


TRYING = """
import sys
from ansible_collections.community.dynatrace.plugins.plugin_utils._lock import identity_locks
with identity_locks(sys.argv[1], [(sys.argv[2], "reports")], longest_wait=0):
    pass
"""


def test_a_lock_is_held_for_one_name_and_kind_and_given_back(place: Place) -> None:
    def elsewhere(name: str = "reports", environment: str = ENVIRONMENT) -> int:
        lock = place.root / environment / ".lock"
        command = [sys.executable, "-c", TRYING, str(lock), name]
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode

    with place.store().lock([REPORTS, identity("others"), identity(place="xyz")]):
        assert elsewhere() == 1
        assert elsewhere("reports.pat") == 0
        assert elsewhere(environment="xyz") == 1
    assert elsewhere() == 0


def test_a_lock_does_not_hinder_whoever_holds_it(place: Place) -> None:
    store = place.store()
    with at_most(5), store.lock([REPORTS]):
        store.remove(store.save(kept()))
    with at_most(5), store.lock([REPORTS]):
        assert store.load(REPORTS).version is None
