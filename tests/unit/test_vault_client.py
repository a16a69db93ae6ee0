# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store in HashiCorp Vault: what the suite of all stores does not ask for."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import pathlib
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Redactor
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Store
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import store_from

from entries import DOTTED_SECRET, ENVIRONMENT, INTENT, REPORTS, context, identity, kept
from support.key_vault import KeyVault, key_vault

PATH = f"dynatrace/{ENVIRONMENT}/reports"
LOGIN = ("POST", "/v1/auth/approle/login")


@pytest.fixture
def vault() -> t.Iterator[KeyVault]:
    with key_vault() as running:
        yield running


def opened(vault: KeyVault, redactor: Redactor | None = None, **options: t.Any) -> Store:
    return store_from({**vault.store, **options}, context(redactor=redactor))


def by_approle(vault: KeyVault, **options: t.Any) -> dict[str, t.Any]:
    return {
        "auth_method": "approle",
        "role_id": vault.role_id,
        "secret_id": vault.secret_id,
        **options,
    }


@pytest.mark.parametrize("end", [KeyVault.delete, KeyVault.destroy])
def test_a_deleted_secret_is_no_entry_and_is_not_removed(
    vault: KeyVault, end: t.Callable[[KeyVault, str], None]
) -> None:
    store = opened(vault)
    store.save(kept())
    end(vault, PATH)
    loaded = store.load(REPORTS)
    assert (loaded, loaded.version) == (Entry(REPORTS), 1)
    assert store.entries(ENVIRONMENT) == []
    store.remove(loaded)
    assert vault.versions[PATH][0].data["token"] == DOTTED_SECRET
    assert "DELETE" not in vault.methods()


def test_an_intent_above_a_recoverable_secret_goes_without_it(vault: KeyVault) -> None:
    store = opened(vault)
    store.save(kept())
    vault.delete(PATH)
    found = store.load(REPORTS)
    store.remove(store.save(dataclasses.replace(found, intents=(INTENT,))))
    assert [version.data.get("token") for version in vault.versions[PATH]] == [
        DOTTED_SECRET,
        None,
        None,
    ]
    after = store.load(REPORTS)
    assert (after, after.version) == (Entry(REPORTS), 3)
    assert store.entries(ENVIRONMENT) == []
    store.remove(store.save(kept(version=after.version)))
    assert vault.versions == {}


def test_all_threads_share_one_login(vault: KeyVault) -> None:
    redactor = Redactor()
    store = opened(vault, redactor, **by_approle(vault))
    assert LOGIN not in vault.requests
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        entries = [kept(identity(f"t{number}")) for number in range(16)]
        list(pool.map(store.save, entries))
    assert vault.requests.count(LOGIN) == 1
    (token,) = vault.client_tokens
    assert redactor.text(f"{token} {vault.secret_id}") == "*** ***"


def test_a_refused_login_is_not_tried_for_every_token(vault: KeyVault) -> None:
    store = opened(vault, **by_approle(vault, secret_id="mistaken"))
    for _time in range(3):
        with pytest.raises(DynatraceError, match="cannot be logged in to: invalid role or") as told:
            store.load(REPORTS)
        assert "See whether role_id and secret_id are valid" in str(told.value)
    assert vault.requests == [LOGIN]


def test_a_token_that_may_not_ask_for_its_permissions_is_tried() -> None:
    def forbidding(method: str, path: str) -> int | None:
        return 403 if "capabilities" in path else None

    with key_vault(forbidding) as vault:
        opened(vault).check_may("save", kept())
    with key_vault() as vault:
        vault.policy = frozenset({"read"})
        store = opened(vault)
        for operation, version, missing in (
            ("save", None, f"create and update secret/data/{PATH}"),
            ("save", 1, f"update secret/data/{PATH}"),
            ("remove", 1, f"delete secret/metadata/{PATH}"),
        ):
            with pytest.raises(DynatraceError, match=f"may not {missing}. Nothing was done."):
                store.check_may(t.cast(t.Any, operation), kept(version=version))


def test_what_the_policy_has_to_allow_is_named(vault: KeyVault) -> None:
    vault.policy = frozenset()
    store = opened(vault)
    attempts: dict[str, t.Callable[[], t.Any]] = {
        f"read secret/data/{PATH}": lambda: store.load(REPORTS),
        f"create and update secret/data/{PATH}": lambda: store.save(kept()),
        f"list secret/metadata/dynatrace/{ENVIRONMENT}": lambda: store.entries(ENVIRONMENT),
    }
    for needed, attempt in attempts.items():
        with pytest.raises(DynatraceError, match=rf"whether its policy allows to {needed}\.$"):
            attempt()


def test_a_write_whose_answer_is_lost_is_found_again() -> None:
    def lose(method: str, path: str) -> str | None:
        return "lose" if method == "POST" and "/data/" in path else None

    with key_vault(lose) as vault:
        store = opened(vault)
        saved = store.save(store.save(kept()))
        assert (store.load(REPORTS), saved.version) == (saved, 2)


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "has no file with certificates"), ("no certificate", "cannot be read as certificates")],
)
def test_certificates_that_cannot_be_read_are_named_by_the_option_of_the_store(
    vault: KeyVault, tmp_path: pathlib.Path, content: str | None, says: str
) -> None:
    path = tmp_path / "ca"
    if content is None:
        path.mkdir()
    else:
        path.write_text(content)
    with pytest.raises(DynatraceError, match=rf"^store: ca_cert: .*{path}.* {says}"):
        opened(vault, ca_cert=str(path)).load(REPORTS)


def test_more_threads_than_usual_log_nothing(
    vault: KeyVault, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened(vault)
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        list(pool.map(store.load, [identity(f"t{number}") for number in range(200)]))
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []
