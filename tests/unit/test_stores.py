# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The behaviour of a store, whatever its type: every type passes each test here, an invented one
too."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
import pathlib
import typing as t

import pytest
from ansible.parsing.vault import VaultSecret
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Entry,
    Predecessor,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DamagedEntry,
    DynatraceError,
    StoreChanged,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import (
    ACCESS,
    KINDS,
    PERSONAL_ACCESS,
    Kind,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Operation, Store
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores import file, registry
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import (
    UNKNOWN,
    Kept,
    Key,
    Permission,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.kept import EntryStore
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import store_from
from hypothesis import given, settings
from hypothesis import strategies as st

from entries import (
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
    UNDOTTED_SECRET,
    context,
    identity,
    kept,
)
from support.key_vault import KeyVault, key_vault
from support.memory_store import MemoryBackend, memory_type
from support.secrets_manager import VARIABLES, SecretsManager, secrets_manager

TYPES = ("file", "encrypted file", "hashi_vault", "aws_secrets_manager", "memory")
NUMBERS = itertools.count()
VAULT_PASSWORD = ("default", VaultSecret(b"correct horse"))


class Place(t.Protocol):
    """Where the stores of a test keep their entries."""

    option: dict[str, t.Any]

    def plant(self, name: str, data: t.Any) -> None:
        """Put data there, as somebody else would."""

    def content(self) -> t.Any:
        """All that is there, to be compared."""


@dataclasses.dataclass
class Files:
    root: pathlib.Path
    encrypt: bool

    @property
    def option(self) -> dict[str, t.Any]:
        return {"type": "file", "path": str(self.root), "encrypt": self.encrypt}

    def plant(self, name: str, data: t.Any) -> None:
        folder = self.root / ENVIRONMENT
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / f"{name}.yml").write_text(file.yaml.safe_dump(data))

    def content(self) -> t.Any:
        return {
            str(path): (path.lstat().st_mtime_ns, path.is_file() and path.read_bytes())
            for path in self.root.rglob("*")
        }


@dataclasses.dataclass
class Secrets:
    vault: KeyVault
    folder: str = dataclasses.field(default_factory=lambda: f"test-{next(NUMBERS)}")

    @property
    def option(self) -> dict[str, t.Any]:
        return {**self.vault.store, "path": self.folder}

    def plant(self, name: str, data: t.Any) -> None:
        self.vault.plant(f"{self.folder}/{ENVIRONMENT}/{name}", data)

    def content(self) -> t.Any:
        return self.vault.known(self.folder), self.vault.stored(self.folder)


@dataclasses.dataclass
class AwsSecrets:
    aws: SecretsManager

    @property
    def option(self) -> dict[str, t.Any]:
        return self.aws.store

    def plant(self, name: str, data: t.Any) -> None:
        escaped = name.replace("~", "=7E").replace(" ", "=20").replace("#", "=23")
        self.aws.plant(f"dynatrace/{ENVIRONMENT}/{escaped}", data)

    def content(self) -> t.Any:
        return self.aws.all()


@dataclasses.dataclass
class Cells:
    backend: MemoryBackend
    option: dict[str, t.Any] = dataclasses.field(default_factory=lambda: {"type": "memory"})

    def plant(self, name: str, data: t.Any) -> None:
        key = Key(ENVIRONMENT, name)
        there = self.backend.read(key)
        self.backend.write(key, data, there.version if there else None)

    def content(self) -> t.Any:
        return dict(self.backend.kept)


@pytest.fixture(scope="module")
def vault() -> t.Iterator[KeyVault]:
    with key_vault() as running:
        yield running


@pytest.fixture(scope="module")
def aws() -> t.Iterator[SecretsManager]:
    with secrets_manager() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in VARIABLES.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture(params=TYPES)
def place(
    request: pytest.FixtureRequest,
    tmp_path: pathlib.Path,
    vault: KeyVault,
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    if request.param == "memory":
        backend = MemoryBackend()
        monkeypatch.setitem(registry.TYPES, "memory", memory_type(backend))
        return Cells(backend)
    if request.param == "hashi_vault":
        return Secrets(vault)
    if request.param == "aws_secrets_manager":
        aws: SecretsManager = request.getfixturevalue("aws")
        aws.clear()
        return AwsSecrets(aws)
    monkeypatch.setattr(file, "vault_secrets", lambda loader: [VAULT_PASSWORD])
    return Files(tmp_path / "tokens", encrypt=request.param != "file")


def opened(place: Place) -> Store:
    """The store of this place, as one more run opens it."""
    return store_from(place.option, context(warn=lambda warning: None))


@pytest.fixture
def store(place: Place) -> Store:
    return opened(place)


ENTRIES = {
    "all there is": FULL,
    "only a token": kept(),
    "only an intent": ONLY_AN_INTENT,
    "only a predecessor": Entry(REPORTS, predecessors=(Predecessor("dt0c01.OLD", NOW),)),
    "a personal access token": kept(PERSONAL_REPORTS),
    "another name": kept(identity("Zürich / Öl")),
    "the older format": kept(secret=Secret(UNDOTTED_SECRET)),
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_an_entry_comes_back_as_it_was(place: Place, store: Store, entry: Entry) -> None:
    saved = store.save(entry)
    again = opened(place)
    loaded = again.load(entry.identity)
    assert (loaded, loaded.version) == (saved, saved.version)
    assert dataclasses.replace(loaded, secret=again.unseal(loaded)) == entry
    assert again.entries(ENVIRONMENT) == [loaded]
    assert SECRET_PART not in repr([saved, loaded])


def test_without_an_entry_there_is_no_version_and_nothing_is_written(
    place: Place, store: Store
) -> None:
    before = place.content()
    assert store.load(REPORTS) == Entry(REPORTS)
    assert store.load(REPORTS).version is None
    assert store.entries(ENVIRONMENT) == []
    assert store.unseal(store.load(REPORTS)) is None
    store.remove(Entry(REPORTS))
    assert place.content() == before


def test_every_place_name_and_kind_has_an_entry_of_its_own(store: Store) -> None:
    own = [
        kept(REPORTS),
        kept(PERSONAL_REPORTS),
        kept(identity("Reports")),
        kept(identity("r.pat")),
    ]
    saved = [store.save(dataclasses.replace(entry, created=NOW)) for entry in own]
    theirs = store.save(kept(identity(place="xyz98765")))
    assert store.keeps
    assert {store.load(entry.identity) for entry in saved} == set(saved)
    assert set(store.entries(ENVIRONMENT)) == set(saved)
    assert store.entries("xyz98765") == [theirs]
    store.remove(saved[0])
    assert set(store.entries(ENVIRONMENT)) == set(saved[1:])


@pytest.mark.parametrize("operation", ["save", "remove"])
@pytest.mark.parametrize(
    ("meanwhile", "read"),
    [
        pytest.param(kept(scopes=("logs.read",)), True, id="written"),
        pytest.param(None, True, id="removed"),
        pytest.param(kept(), False, id="made"),
    ],
)
def test_what_somebody_else_wrote_meanwhile_is_left(
    place: Place, store: Store, meanwhile: Entry | None, read: bool, operation: str
) -> None:
    mine = store.save(kept()) if read else kept()
    if meanwhile is None:
        opened(place).remove(mine)
    else:
        opened(place).save(dataclasses.replace(meanwhile, version=mine.version))
    before = place.content()
    with pytest.raises(
        StoreChanged, match=r"^The .*reports.* was changed by somebody else"
    ) as told:
        getattr(store, operation)(mine)
    assert place.content() == before
    assert SECRET_PART not in str(told.value)


def test_a_saved_entry_can_be_saved_and_removed_again(store: Store) -> None:
    saved = store.save(store.save(kept()))
    other = store.save(kept(identity("others")))
    with store.lock([REPORTS, other.identity]):
        store.remove(saved)
        assert store.load(REPORTS).version is None
        assert store.save(kept()).version is not None
    assert store.load(other.identity) == other


def test_a_secret_stays_as_it_is_when_the_rest_is_written(place: Place, store: Store) -> None:
    store.save(kept())
    loaded = opened(place).load(REPORTS)
    changed = opened(place).save(dataclasses.replace(loaded, scopes=("logs.read",)))
    assert changed.secret == loaded.secret
    again = store.load(REPORTS)
    assert (again.scopes, store.unseal(again)) == (("logs.read",), Secret(DOTTED_SECRET))


@pytest.mark.parametrize("others", [2, 30], ids=["few", "many"])
def test_entries_of_many_tokens_are_loaded_each_with_its_damage(
    place: Place, store: Store, others: int
) -> None:
    saved = store.save(kept())
    place.plant("cut-off", {"environment": ENVIRONMENT})
    cut_off = identity("cut-off")
    wanted = [REPORTS, cut_off, *(identity(f"t{number}") for number in range(others))]
    damages, entries = [], []
    for loaded in store.load_existing(wanted):
        (damages if isinstance(loaded, DamagedEntry) else entries).append(loaded)
    assert entries == [saved]
    assert [str(damage).partition(",")[0].rpartition(" ")[2] for damage in damages] == ["damaged"]
    assert store.load_existing([]) == []


@pytest.mark.parametrize("others", [2, 30], ids=["few", "many"])
def test_a_listed_entry_is_what_reading_it_tells_and_does_not_replace_a_later_one(
    place: Place, store: Store, others: int
) -> None:
    store.save(kept())
    wanted = [REPORTS, *(identity(f"t{number}") for number in range(others))]
    found = [store.listed(wanted).load(one) for one in wanted]
    assert found == [store.load(one) for one in wanted]
    assert [entry.version is None for entry in found] == [False] + [True] * others
    theirs = opened(place).save(kept(wanted[1]))
    with pytest.raises(StoreChanged):
        store.save(dataclasses.replace(found[1], intents=(INTENT,)))
    assert store.load(wanted[1]) == theirs


@pytest.mark.parametrize("operation", t.get_args(Operation))
def test_to_ask_whether_something_may_be_done_writes_nothing(
    place: Place, store: Store, operation: Operation
) -> None:
    store.check_may(operation, kept())
    saved = store.save(kept())
    before = place.content()
    store.check_may(operation, saved)
    store.check_may(operation, kept(identity("others")))
    assert place.content() == before


def test_many_threads_read_and_write_at_once(store: Store) -> None:
    entries = [kept(identity(f"t{number}")) for number in range(24)]

    def use(entry: Entry) -> Secret | None:
        store.check_may("save", entry)
        with_intent = store.save(dataclasses.replace(entry, intents=(INTENT,)))
        store.save(dataclasses.replace(with_intent, intents=()))
        return store.unseal(store.load(entry.identity))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(use, entries)) == {Secret(DOTTED_SECRET)}
    assert len(store.entries(ENVIRONMENT)) == len(entries)


DATA: dict[str, t.Any] = {
    "environment": ENVIRONMENT,
    "name": "reports",
    "kind": "access",
    "id": PUBLIC_PART,
    "token": DOTTED_SECRET,
    "scopes": [],
    "expiration_date": None,
    "created": None,
    "handed_over": True,
    "intents": [],
    "predecessors": [],
}
DAMAGES = {
    "cut off": {key: DATA[key] for key in ("environment", "name", "kind", "id", "token")},
    "another environment": {**DATA, "environment": "xyz98765"},
    "another name": {**DATA, "name": "others"},
    "another kind": {**DATA, "kind": "personal_access"},
    "an unknown kind": {**DATA, "kind": "of another version"},
    "a secret as id": {**DATA, "id": DOTTED_SECRET},
    "another format": {"password": DOTTED_SECRET},
}


@pytest.mark.parametrize("data", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_named_without_echo_and_left(place: Place, store: Store, data: t.Any) -> None:
    place.plant("reports", data)
    before = place.content()
    for attempt in (
        lambda: store.load(REPORTS),
        lambda: store.entries(ENVIRONMENT),
        lambda: store.remove(kept()),
    ):
        with pytest.raises(DynatraceError, match=r"^The .*reports.* is damaged, or is not") as told:
            attempt()
        assert SECRET_PART not in str(told.value)
        assert told.value.__suppress_context__
    assert place.content() == before


def test_data_in_the_place_of_another_entry_is_damage(place: Place, store: Store) -> None:
    place.plant("others", DATA)
    with pytest.raises(DynatraceError, match=r"^The .*others.* is damaged, or is not the entry"):
        store.entries(ENVIRONMENT)


def test_other_names_in_the_place_are_not_entries(place: Place, store: Store) -> None:
    saved = store.save(kept())
    for name in ("Reports", "two words", "#reports#"):
        place.plant(name, DATA)
    assert store.entries(ENVIRONMENT) == [saved]


# As version 1.0.0 wrote them.
OF_1_0_0: dict[str, t.Any] = {
    "environment": ENVIRONMENT,
    "name": "reports",
    "personal_access_token": False,
    "id": PUBLIC_PART,
    "token": DOTTED_SECRET,
    "scopes": ["metrics.read"],
    "expiration_date": "2026-06-01T12:00:00.000Z",
    "created": "2026-06-01T12:00:00.000Z",
    "pending": None,
    "retiring": [],
}
PENDING = {"nonce": "0123456789abcdef", "since": "2026-06-01T12:00:00.000Z"}
RETIRING = [
    {"id": "dt0c01.OLD", "disable_date": "2026-06-01T12:00:00.000Z", "delete_date": None},
    {
        "id": "dt0c01.OLDER",
        "disable_date": "2026-06-01T12:00:00.000Z",
        "delete_date": "2026-06-01T12:00:00.000Z",
    },
]
TOLD = {"scopes": ("metrics.read",), "expires": NOW, "created": NOW}
ENTRIES_OF_1_0_0 = {
    "a token": ("reports", OF_1_0_0, kept(**TOLD)),
    "an intent": (
        "reports",
        {**OF_1_0_0, "id": None, "token": None, "pending": PENDING},
        Entry(REPORTS, intents=(INTENT,), **TOLD),
    ),
    "predecessors": (
        "reports",
        {**OF_1_0_0, "pending": PENDING, "retiring": RETIRING},
        kept(
            intents=(INTENT,),
            predecessors=(
                Predecessor("dt0c01.OLD", NOW),
                Predecessor("dt0c01.OLDER", NOW, NOW),
            ),
            **TOLD,
        ),
    ),
    "a personal access token": (
        "reports.pat",
        {**OF_1_0_0, "personal_access_token": True},
        kept(PERSONAL_REPORTS, **TOLD),
    ),
    "a name with a checksum": (
        "ci-jobs-main~ae8cc628eb15",
        {**OF_1_0_0, "name": "CI: Jobs/main"},
        kept(identity("CI: Jobs/main"), **TOLD),
    ),
}


@pytest.mark.parametrize(("name", "data", "entry"), ENTRIES_OF_1_0_0.values(), ids=ENTRIES_OF_1_0_0)
def test_entries_of_1_0_0_are_read_and_kept(
    place: Place, store: Store, name: str, data: t.Any, entry: Entry
) -> None:
    place.plant(name, data)
    loaded = store.load(entry.identity)
    assert loaded == entry
    assert store.entries(ENVIRONMENT) == [entry]
    written = store.save(loaded)
    assert dataclasses.replace(opened(place).load(entry.identity), secret=entry.secret) == entry
    store.remove(written)


def test_a_kind_is_looked_up_when_it_is_needed_and_checked(
    place: Place, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 1.0.0 kept an access token named ci.x under that very name."""
    invented = Kind("invented", "invented token", suffix=".x")
    monkeypatch.setitem(KINDS, "invented", invented)
    place.plant("ci.x", {**OF_1_0_0, "name": "ci.x"})
    saved = store.save(kept(identity("reports", invented)))
    assert store.load(identity("reports", invented)) == saved
    assert store.load(identity("ci.x", ACCESS)).id == PUBLIC_PART
    before = place.content()
    with pytest.raises(DynatraceError, match=r"ci.x.* is not the entry of this token"):
        store.load(identity("ci", invented))
    assert [entry.kind for entry in store.entries(ENVIRONMENT)] == [ACCESS, invented]
    assert place.content() == before


@settings(max_examples=30)
@given(
    name=st.text(),
    kind=st.sampled_from([ACCESS, PERSONAL_ACCESS]),
    scopes=st.lists(st.text(st.characters(exclude_categories=["Cs"]))).map(tuple),
)
def test_any_name_comes_back(
    vault: KeyVault,
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    kind: Kind,
    scopes: tuple[str, ...],
) -> None:
    folder = tmp_path_factory.getbasetemp() / "tokens of any name"
    entry = kept(identity(name, kind), scopes=scopes)
    for place in (Files(folder, encrypt=False), Secrets(vault)):
        store = opened(place)
        saved = store.save(entry)
        assert store.load(entry.identity) == entry
        assert store.entries(ENVIRONMENT) == [entry]
        store.remove(saved)


# What every type leaves to the store in front of it.


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend()


def test_a_write_whose_answer_is_lost_is_looked_for(backend: MemoryBackend) -> None:
    store = EntryStore(backend)
    backend.fault = "lost"
    saved = store.save(kept())
    again = store.save(dataclasses.replace(saved, scopes=("logs.read",)))
    assert store.load(REPORTS) == again
    assert [saved.version, again.version] == [1, 2]


def test_a_write_that_was_not_carried_out_fails(backend: MemoryBackend) -> None:
    store = EntryStore(backend)
    saved = store.save(kept())
    backend.fault = "refused"
    # To write the same again would leave the same data, and another version.
    for entry in (saved, dataclasses.replace(saved, scopes=("logs.read",)), kept(PERSONAL_REPORTS)):
        with pytest.raises(DynatraceError, match=r"^The memory is full\.$"):
            store.save(entry)
    assert store.load(REPORTS).version == saved.version


def test_a_store_that_cannot_tell_what_it_permits_is_tried(backend: MemoryBackend) -> None:
    store = EntryStore(backend)
    backend.permission = UNKNOWN
    for operation in t.get_args(Operation):
        store.check_may(operation, kept())
    backend.permission = Permission(False, "Nobody may do that.")
    for operation in t.get_args(Operation):
        with pytest.raises(DynatraceError, match=r"^Nobody may do that\.$"):
            store.check_may(operation, kept())


def test_of_a_deleted_entry_nothing_is_removed_because_it_may_be_recoverable(
    backend: MemoryBackend,
) -> None:
    store = EntryStore(backend)
    key = Key(ENVIRONMENT, "reports")
    backend.kept[key] = deleted = Kept(None, 3, deleted=True)
    loaded = store.load(REPORTS)
    assert (loaded, loaded.version) == (Entry(REPORTS), deleted.version)
    assert store.entries(ENVIRONMENT) == []
    store.remove(loaded)
    assert (backend.kept, backend.deletions) == ({key: deleted}, [])


@pytest.mark.parametrize(("entry", "keep_older"), [(kept(), False), (ONLY_AN_INTENT, True)])
def test_only_an_entry_with_a_token_takes_older_versions_along(
    backend: MemoryBackend, entry: Entry, keep_older: bool
) -> None:
    store = EntryStore(backend)
    store.remove(store.save(entry))
    assert backend.deletions == [(Key(ENVIRONMENT, "reports"), keep_older)]


def test_an_entry_without_content_is_not_listed(store: Store) -> None:
    emptied = store.save(dataclasses.replace(store.save(kept()), id=None, secret=None))
    assert store.load(REPORTS) == emptied
    assert store.entries(ENVIRONMENT) == []
