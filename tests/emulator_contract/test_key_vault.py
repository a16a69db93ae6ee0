# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stand-in for Vault answers as documented, as the usual client library sees it."""

from __future__ import annotations

import typing as t

import hvac
import hvac.exceptions
import pytest

from support.key_vault import ALL, KeyVault, key_vault


@pytest.fixture
def vault() -> t.Iterator[KeyVault]:
    with key_vault() as running:
        yield running


@pytest.fixture
def client(vault: KeyVault) -> hvac.Client:
    return hvac.Client(vault.url, vault.token)


def read(client: hvac.Client, path: str) -> t.Any:
    return client.secrets.kv.v2.read_secret_version(path, raise_on_deleted_version=False)["data"]


def write(client: hvac.Client, path: str, data: dict[str, t.Any], cas: int | None = None) -> int:
    version: int = client.secrets.kv.v2.create_or_update_secret(path, data, cas=cas)["data"][
        "version"
    ]
    return version


def test_what_was_written_is_read_with_its_version(client: hvac.Client) -> None:
    with pytest.raises(hvac.exceptions.InvalidPath) as nothing:
        read(client, "some/where")
    assert nothing.value.errors == []
    assert [write(client, "some/where", {"number": number}) for number in (1, 2)] == [1, 2]
    assert read(client, "some/where")["data"] == {"number": 2}
    assert read(client, "some/where")["metadata"]["version"] == 2


@pytest.mark.parametrize(("written", "cas"), [(0, 1), (1, 0), (2, 1)])
def test_a_version_that_does_not_match_is_refused(
    client: hvac.Client, vault: KeyVault, written: int, cas: int
) -> None:
    for _number in range(written):
        vault.plant("ci", {"whose": "theirs"})
    with pytest.raises(
        hvac.exceptions.InvalidRequest,
        match="check-and-set parameter did not match the current version",
    ):
        write(client, "ci", {"whose": "mine"}, cas=cas)
    assert write(client, "ci", {"whose": "mine"}, cas=written) == written + 1


@pytest.mark.parametrize("end", [KeyVault.delete, KeyVault.destroy])
def test_of_a_version_that_is_gone_the_number_is_left(
    client: hvac.Client, vault: KeyVault, end: t.Callable[[KeyVault, str], None]
) -> None:
    vault.plant("ci", {})
    end(vault, "ci")
    with pytest.raises(hvac.exceptions.InvalidPath) as gone:
        client.secrets.kv.v2.read_secret_version("ci", raise_on_deleted_version=True)
    assert gone.value.errors is None
    assert gone.value.json["data"]["data"] is None
    assert gone.value.json["data"]["metadata"]["version"] == 1
    assert write(client, "ci", {}, cas=1) == 2


def test_of_what_was_removed_with_all_versions_nothing_is_left(
    client: hvac.Client, vault: KeyVault
) -> None:
    vault.plant("ci", {})
    client.secrets.kv.v2.delete_metadata_and_all_versions("ci")
    assert vault.versions == {}
    assert write(client, "ci", {}, cas=0) == 1


def test_a_folder_tells_what_is_in_it_and_a_secret_nothing(
    client: hvac.Client, vault: KeyVault
) -> None:
    for path in (
        "apps/two",
        "apps/one",
        "apps/one/deep/er",
        "apps/one/deep/est",
        "apps/gone",
        "appsonly",
    ):
        vault.plant(path, {})
    vault.delete("apps/gone")
    for path in ("apps", "apps/"):
        assert client.secrets.kv.v2.list_secrets(path)["data"]["keys"] == [
            "gone",
            "one",
            "one/",
            "two",
        ]
    assert client.secrets.kv.v2.list_secrets("apps/one")["data"]["keys"] == ["deep/"]
    for nothing in ("apps/two", "app", "nowhere"):
        with pytest.raises(hvac.exceptions.InvalidPath) as caught:
            client.secrets.kv.v2.list_secrets(nothing)
        assert caught.value.json == {"errors": []}
    with pytest.raises(hvac.exceptions.InvalidPath, match="no handler for route"):
        client.secrets.kv.v2.list_secrets("apps", mount_point="nope")
    with pytest.raises(hvac.exceptions.UnexpectedError, match="unsupported operation"):
        client.adapter.list(f"/v1/{vault.mount}/data/apps")
    vault.policy = ALL - {"list"}
    for path in ("apps", "nowhere"):
        with pytest.raises(hvac.exceptions.Forbidden, match="permission denied"):
            client.secrets.kv.v2.list_secrets(path)


def test_the_policy_is_told_and_kept(client: hvac.Client, vault: KeyVault) -> None:
    path = f"{vault.mount}/data/ci"
    assert client.sys.get_capabilities([path])["data"]["capabilities"] == sorted(ALL)
    vault.policy = frozenset({"read", "create"})
    assert client.sys.get_capabilities([path])["data"] == {
        path: ["create", "read"],
        "capabilities": ["create", "read"],
    }
    write(client, "ci", {})
    for forbidden in (
        lambda: write(client, "ci", {}),
        lambda: client.secrets.kv.v2.delete_metadata_and_all_versions("ci"),
    ):
        with pytest.raises(hvac.exceptions.Forbidden, match="permission denied"):
            forbidden()


def test_only_the_right_token_in_the_right_namespace_gets_in() -> None:
    with key_vault(namespace="teams/a") as vault:
        right = hvac.Client(vault.url, vault.token, namespace="teams/a")
        assert write(right, "ci", {}) == 1
        for wrong in (
            hvac.Client(vault.url, "hvs.wrong", namespace="teams/a"),
            hvac.Client(vault.url, vault.token),
        ):
            with pytest.raises(hvac.exceptions.Forbidden):
                read(wrong, "ci")
        right.auth.approle.login(vault.role_id, vault.secret_id)
        assert right.token in vault.client_tokens
        assert read(right, "ci")["metadata"]["version"] == 1
        with pytest.raises(hvac.exceptions.InvalidRequest, match="invalid role or secret ID"):
            right.auth.approle.login(vault.role_id, "wrong")


def test_a_mount_that_is_not_there_and_a_sealed_vault_are_errors(
    client: hvac.Client, vault: KeyVault
) -> None:
    with pytest.raises(hvac.exceptions.InvalidPath, match="no handler for route"):
        client.secrets.kv.v2.read_secret_version(
            "ci", mount_point="nope", raise_on_deleted_version=False
        )
    vault.sealed = True
    with pytest.raises(hvac.exceptions.VaultDown, match="Vault is sealed"):
        read(client, "ci")
