# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The secrets of a folder have one vault password, and it can be changed."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import shutil
import subprocess
import sys
import typing as t

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Predecessor,
    Sealed,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    OptionError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.ansible_vault import (
    AnsibleVault,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.file import file_store
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.kept import EntryStore

from entries import (
    DOTTED_SECRET,
    ENVIRONMENT,
    FULL,
    INTENT,
    NOW,
    ONLY_AN_INTENT,
    REPORTS,
    SECRET_PART,
    identity,
    kept,
)
from support.shim import PowerLoss, Shim

pytestmark = pytest.mark.once

OLD = ("default", VaultSecret(b"correct horse"))
TYPO = ("default", VaultSecret(b"correct house"))
NEW = ("new", VaultSecret(b"battery"))
OTHER = ("other", VaultSecret(b"staple"))

VaultSecrets = t.Sequence[tuple[str, VaultSecret]]


@dataclasses.dataclass
class Folder:
    """A store, opened with this and that password."""

    root: pathlib.Path
    warnings: list[str] = dataclasses.field(default_factory=list)

    @property
    def check(self) -> pathlib.Path:
        return self.root / ENVIRONMENT / ".vault-check"

    def store(self, *secrets: tuple[str, VaultSecret], to: str | None = None) -> EntryStore:
        return file_store(
            str(self.root), AnsibleVault(list(secrets), to), True, self.warnings.append
        )

    def content(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}

    def openers(self, *candidates: tuple[str, VaultSecret]) -> dict[str, list[str]]:
        """For each entry with a secret, the ids of those that open it."""
        entries = self.store(OLD).entries(ENVIRONMENT)
        texts = {
            entry.name: entry.secret.text for entry in entries if isinstance(entry.secret, Sealed)
        }
        return {
            name: [candidate[0] for candidate in candidates if opens(candidate, text)]
            for name, text in texts.items()
        }


def opens(secret: tuple[str, VaultSecret], text: str) -> bool:
    try:
        VaultLib([secret]).decrypt(text)
    except Exception:
        return False
    return True


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> Folder:
    return Folder(tmp_path / "tokens")


def issue(store: EntryStore, name: str = "reports") -> None:
    """As a run does: checked, an intent, and the secret."""
    of = identity(name)
    entry = store.load(of)
    store.check_may("save", entry)
    entry = store.save(dataclasses.replace(entry, intents=(INTENT,)))
    store.save(dataclasses.replace(kept(of), version=entry.version))


def with_1_0_0_of(folder: Folder, *secrets: tuple[str, VaultSecret]) -> None:
    """A folder of version 1.0.0, with an entry that each of these vault secrets has sealed."""
    folder.check.parent.mkdir(parents=True)
    for number, secret in enumerate(secrets):
        own = Folder(folder.root.with_name(f"own-{number}"))
        own.store(secret).save(kept(identity(f"token-{number}")))
        name = f"token-{number}.yml"
        (own.check.parent / name).rename(folder.check.parent / name)


def test_another_password_is_refused_before_anything_is_written(folder: Folder) -> None:
    issue(folder.store(OLD))
    before = folder.content()
    store = folder.store(TYPO)
    for attempt in (
        lambda: store.check_may("save", kept(identity("others"))),
        lambda: store.save(kept(identity("others"))),
    ):
        with pytest.raises(
            OptionError,
            match=f"^store: the secrets in {folder.check.parent} are encrypted with another vault "
            "password than that of 'default'. Nothing was done. .* "
            "run: ansible-playbook community.dynatrace.reseal_store",
        ):
            attempt()
    assert folder.content() == before
    issue(folder.store(OLD), "others")


def test_the_check_value_is_written_before_a_token_is_issued_and_opened_by_ansible_vault(
    folder: Folder,
) -> None:
    store = folder.store(OLD)
    store.check_may("save", ONLY_AN_INTENT)
    assert folder.content() == {}
    store.save(ONLY_AN_INTENT)
    assert VaultLib([OLD]).decrypt(folder.check.read_bytes()) == b"community.dynatrace"
    before = folder.check.read_bytes()
    issue(folder.store(OLD))
    assert folder.check.read_bytes() == before


def test_a_password_that_no_secret_has_does_not_count(folder: Folder) -> None:
    store = folder.store(TYPO)
    store.check_may("save", ONLY_AN_INTENT)
    saved = store.save(ONLY_AN_INTENT)  # and then Dynatrace refuses the scopes
    store.remove(saved)
    issue(folder.store(OLD))
    assert folder.openers(OLD, TYPO) == {"reports": ["default"]}
    with pytest.raises(OptionError, match="with another vault password"):
        issue(folder.store(TYPO), "others")


def test_environments_may_have_passwords_of_their_own(folder: Folder) -> None:
    issue(folder.store(OLD))
    both = folder.store(OLD, NEW, to="new")
    both.save(kept(identity(place="xyz")))
    with pytest.raises(OptionError, match="than that of 'new'"):
        both.save(kept(identity("others")))


def test_a_folder_of_1_0_0_gets_the_password_of_its_secrets(folder: Folder) -> None:
    with_1_0_0_of(folder, OLD, OLD)
    with pytest.raises(OptionError, match="with another vault password"):
        issue(folder.store(TYPO))
    assert not folder.check.exists()
    issue(folder.store(OLD))
    assert opens(OLD, folder.check.read_text())
    assert folder.warnings == []


def test_a_folder_of_1_0_0_with_several_passwords_goes_on_with_a_warning(folder: Folder) -> None:
    with_1_0_0_of(folder, OLD, NEW)
    for secret in (OLD, NEW):
        issue(folder.store(secret), f"of-{secret[0]}")
    assert [warning.partition(" To have")[0] for warning in folder.warnings] == [
        f"The secrets in {folder.check.parent} are encrypted with several vault passwords."
    ] * 2
    assert not folder.check.exists()
    store = folder.store(OLD, NEW, to="new")
    assert len(store.reseal([], check_mode=False)) == 2
    with pytest.raises(OptionError, match="with another vault password"):
        issue(folder.store(OLD))


def test_what_needs_no_password_needs_none(folder: Folder) -> None:
    issue(folder.store(OLD))
    store = folder.store(TYPO)
    loaded = store.load(REPORTS)
    changed = store.save(dataclasses.replace(loaded, predecessors=(Predecessor("dt0c01.A", NOW),)))
    assert changed.secret == loaded.secret
    store.remove(changed)


def test_a_run_whose_password_is_changed_meanwhile_does_not_issue(folder: Folder) -> None:
    issue(folder.store(OLD))
    store = folder.store(OLD)
    store.check_may("save", kept(identity("others")))
    folder.store(NEW, OLD, to="new").reseal([], check_mode=False)
    for entry in (dataclasses.replace(ONLY_AN_INTENT, identity=identity("others")), kept()):
        with pytest.raises(DynatraceError, match="was changed while this task was at work"):
            store.save(entry)


# What another program writes, or version 1.0.0, stays as it is but for its secret.
OF_1_0_0 = """\
environment: abc12345
name: older
personal_access_token: false
id: dt0c01.PUBLICPART
token: dt0c01.PUBLICPART.S3CR3TS3CR3T
scopes: []
expiration_date: null
created: null
pending: null
retiring:
- id: dt0c01.OLD
  disable_date: '2026-06-01T12:00:00.000Z'
  delete_date: null
"""


def fill(folder: Folder) -> None:
    folder.store(OLD).save(FULL)
    file = folder.root / ENVIRONMENT / "older.yml"
    file.write_text(OF_1_0_0)
    file.chmod(0o600)


def test_every_secret_is_encrypted_anew_and_nothing_else_is_changed(folder: Folder) -> None:
    fill(folder)
    folder.store(OLD).save(kept(identity(place="xyz")))
    (folder.root / "notes").mkdir()
    (folder.root / "notes" / "all.yml").write_text("a: list of mine")
    store = folder.store(OLD, NEW, to="new")
    before = folder.content()
    planned = store.reseal([], check_mode=True)
    assert folder.content() == before
    assert store.reseal([], check_mode=False) == planned
    assert len(planned) == 3
    opened = folder.store(NEW)
    loaded = opened.load(REPORTS)
    assert dataclasses.replace(loaded, secret=opened.unseal(loaded)) == FULL
    older = opened.load(identity("older"))
    assert opened.unseal(older) == Secret(DOTTED_SECRET)
    assert older.predecessors == (Predecessor("dt0c01.OLD", NOW),)
    assert SECRET_PART not in str(folder.content())
    assert store.reseal([], check_mode=False) == []
    issue(opened, "more")


def test_one_environment_can_be_changed_without_the_password_of_the_other(folder: Folder) -> None:
    issue(folder.store(OLD))
    folder.store(OTHER).save(kept(identity(place="xyz")))
    store = folder.store(OLD, NEW, to="new")
    before = folder.content()
    with pytest.raises(DynatraceError, match="cannot be decrypted"):
        store.reseal([], check_mode=False)
    assert folder.content() == before
    assert len(store.reseal([ENVIRONMENT], check_mode=False)) == 1
    assert folder.openers(OLD, NEW) == {"reports": ["new"]}


def test_damage_stops_it_before_anything_is_changed(folder: Folder) -> None:
    fill(folder)
    (folder.root / ENVIRONMENT / "zzz.yml").write_text("half an ent")
    before = folder.content()
    with pytest.raises(DynatraceError, match=r"zzz\.yml is damaged"):
        folder.store(OLD, NEW, to="new").reseal([], check_mode=False)
    assert folder.content() == before


def test_a_store_without_a_vault_password_has_none_to_change(folder: Folder) -> None:
    store = file_store(str(folder.root), AnsibleVault([OLD], None), False, folder.warnings.append)
    with pytest.raises(OptionError, match="only a file store that encrypts"):
        store.reseal([], check_mode=False)


def test_wherever_it_is_cut_off_every_secret_opens_and_the_same_command_ends_it(
    folder: Folder, tmp_path: pathlib.Path
) -> None:
    def change(where: Folder) -> None:
        where.store(OLD, NEW, to="new").reseal([], check_mode=False)

    fill(folder)
    whole = Folder(tmp_path / "whole")
    shutil.copytree(folder.root, whole.root)
    with Shim().at_work() as counted:
        change(whole)
    steps = [number for number, call in enumerate(counted.calls) if call in ("replace", "fsync")]
    assert counted.calls.count("replace") == 3  # the check value and two entries
    for number, done in [(number, done) for number in steps for done in (False, True)]:
        cut_off = Folder(tmp_path / f"{number}-{done}")
        shutil.copytree(folder.root, cut_off.root)
        shim = Shim(number, done=done, loses_power=True)
        with shim.at_work(), contextlib.suppress(PowerLoss):
            change(cut_off)
        assert len(shim.calls) > number
        opened = cut_off.openers(OLD, NEW)
        assert opened.pop("reports") in (["default"], ["new"])
        assert opened in ({}, {"older": ["new"]})
        change(cut_off)
        assert cut_off.openers(OLD, NEW) == {"reports": ["new"], "older": ["new"]}
        assert opens(NEW, cut_off.check.read_text())


HOLDING = """
import sys
from ansible_collections.community.dynatrace.plugins.plugin_utils._lock import identity_locks
with identity_locks(sys.argv[1], [("reports", "reports")]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_an_entry_that_a_run_is_at_work_on_is_waited_for(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue(folder.store(OLD))
    lock = str(folder.root / ENVIRONMENT / ".lock")
    command = [sys.executable, "-c", HOLDING, lock]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"

        def release(_seconds: float) -> None:
            """Instead of waiting: the run ends, and has written the entry with the old password."""
            store = folder.store(OLD)
            loaded = store.load(REPORTS)
            store.save(dataclasses.replace(loaded, scopes=("logs.read",)))
            holder.communicate()

        monkeypatch.setattr("time.sleep", release)
        folder.store(OLD, NEW, to="new").reseal([], check_mode=False)
    store = folder.store(NEW)
    assert store.load(REPORTS).scopes == ("logs.read",)
    assert store.unseal(store.load(REPORTS)) == Secret(DOTTED_SECRET)


def begin(store: EntryStore, name: str) -> None:
    """Up to the moment before a task writes anything."""
    store.check_may("save", store.load(identity(name)))


def test_tasks_that_begin_in_an_empty_folder_at_once_have_one_password(folder: Folder) -> None:
    one, two, other = (folder.store(secret) for secret in (OLD, OLD, TYPO))
    for number, store in enumerate((one, two, other)):
        begin(store, f"token{number}")
    issue(one, "token0")
    issue(two, "token1")
    with pytest.raises(DynatraceError, match="was changed while this task was at work"):
        issue(other, "token2")
    issue(one, "token3")
    assert set(folder.openers(OLD, TYPO)) == {"token0", "token1", "token3"}
    assert all(found == ["default"] for found in folder.openers(OLD).values())
