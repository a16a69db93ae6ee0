# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stand-in for a key vault answers as OpenBao does, as the usual client library sees both."""

from __future__ import annotations

import contextlib
import operator
import time
import typing as t

import hvac
import hvac.exceptions
import pytest

from support import openbao
from support.key_vault import ALL, KeyVault, key_vault, stand_in_vault

KINDS = {"stand-in": stand_in_vault}
if openbao.is_installed():
    KINDS["OpenBao"] = key_vault

Another = t.Callable[..., t.Any]
PERMISSION_DENIED = ["1 error occurred:\n\t* permission denied\n\n"]


@pytest.fixture(params=KINDS)
def another(request: pytest.FixtureRequest) -> t.Iterator[Another]:
    """Starts one more, as the arguments say."""
    with contextlib.ExitStack() as stack:
        start = KINDS[request.param]
        yield lambda *arguments, **options: stack.enter_context(start(*arguments, **options))


@pytest.fixture
def vault(another: Another) -> KeyVault:
    return another()


def client_of(vault: KeyVault, **options: t.Any) -> hvac.Client:
    return hvac.Client(vault.url, **{"token": vault.token, "namespace": vault.namespace, **options})


@pytest.fixture
def client(vault: KeyVault) -> hvac.Client:
    return client_of(vault)


def read(client: hvac.Client, path: str, **options: t.Any) -> t.Any:
    answer = client.secrets.kv.v2.read_secret_version(
        path, raise_on_deleted_version=False, **options
    )
    return answer["data"]


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
    found = read(client, "some/where")
    assert found["data"] == {"number": 2}
    assert found["metadata"].pop("created_time").endswith("Z")
    assert found["metadata"] == {
        "version": 2,
        "deletion_time": "",
        "destroyed": False,
        "custom_metadata": None,
    }


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


@pytest.mark.parametrize("end", ["delete", "destroy"])
def test_of_a_version_that_is_gone_the_number_is_left(
    client: hvac.Client, vault: KeyVault, end: str
) -> None:
    vault.plant("ci", {"whose": "theirs"})
    operator.methodcaller(end, "ci")(vault)
    assert vault.stored() == {"ci": None}
    with pytest.raises(hvac.exceptions.InvalidPath) as gone:
        client.secrets.kv.v2.read_secret_version("ci", raise_on_deleted_version=True)
    assert gone.value.errors is None
    assert gone.value.json["data"]["data"] is None
    assert gone.value.json["data"]["metadata"]["version"] == 1
    vault.undelete("ci", 1)
    assert vault.stored() == {"ci": {"whose": "theirs"} if end == "delete" else None}
    assert write(client, "ci", {}, cas=1) == 2


def test_settings_of_the_engine_are_respected(client: hvac.Client, vault: KeyVault) -> None:
    vault.configure(cas_required=True, max_versions=1, delete_version_after="1s")
    with pytest.raises(hvac.exceptions.InvalidRequest, match="check-and-set parameter required"):
        write(client, "ci", {})
    assert [write(client, "ci", {}, cas=version) for version in (0, 1)] == [1, 2]
    metadata = read(client, "ci")["metadata"]
    assert metadata["deletion_time"] > metadata["created_time"]
    deadline = time.monotonic() + 10
    while vault.stored()["ci"] is not None:
        assert time.monotonic() < deadline
    with pytest.raises(hvac.exceptions.InvalidPath) as gone:
        client.secrets.kv.v2.read_secret_version("ci", raise_on_deleted_version=True)
    assert gone.value.json["data"]["metadata"]["deletion_time"] == metadata["deletion_time"]
    assert write(client, "ci", {}, cas=2) == 3


def test_of_what_was_removed_with_all_versions_nothing_is_left(
    client: hvac.Client, vault: KeyVault
) -> None:
    vault.plant("ci", {})
    for _time in range(2):
        client.secrets.kv.v2.delete_metadata_and_all_versions("ci")
        assert (vault.stored(), vault.known()) == ({}, {})
    assert write(client, "ci", {}, cas=0) == 1


def test_a_folder_tells_what_is_in_it_and_a_secret_nothing(
    client: hvac.Client, vault: KeyVault
) -> None:
    planted = ("apps/two", "apps/one", "apps/one/deep/er", "apps/one/deep/est", "appsonly")
    for path in (*planted, "apps/gone"):
        vault.plant(path, {})
    vault.delete("apps/gone")
    assert vault.stored("apps/one") == {"apps/one/deep/er": {}, "apps/one/deep/est": {}}
    for path in ("apps", "apps/"):
        listed = client.secrets.kv.v2.list_secrets(path)["data"]["keys"]
        assert sorted(listed) == ["gone", "one", "one/", "two"]
    assert client.secrets.kv.v2.list_secrets("apps/one")["data"]["keys"] == ["deep/"]
    for nothing in ("apps/two", "app", "nowhere"):
        with pytest.raises(hvac.exceptions.InvalidPath) as caught:
            client.secrets.kv.v2.list_secrets(nothing)
        assert caught.value.json == {"errors": []}
    with pytest.raises(hvac.exceptions.UnexpectedError, match="unsupported operation"):
        client.adapter.list(f"/v1/{vault.mount}/data/apps")
    vault.policy = ALL - {"list"}
    for path in ("apps", "nowhere"):
        with pytest.raises(hvac.exceptions.Forbidden) as denied:
            client.secrets.kv.v2.list_secrets(path)
        assert denied.value.errors == PERMISSION_DENIED


def test_the_policy_is_told_and_kept(client: hvac.Client, vault: KeyVault) -> None:
    path = f"{vault.mount}/data/ci"
    assert client.sys.get_capabilities([path])["data"]["capabilities"] == sorted(ALL)
    vault.policy = frozenset({"read", "create"})
    assert client.sys.get_capabilities([path, "nope/ci"])["data"] == {
        path: ["create", "read"],
        "nope/ci": ["deny"],
    }
    assert client.sys.get_capabilities([path])["data"] == {
        path: ["create", "read"],
        "capabilities": ["create", "read"],
    }
    write(client, "ci", {})
    for forbidden in (
        lambda: write(client, "ci", {}),
        lambda: client.secrets.kv.v2.delete_metadata_and_all_versions("ci"),
        lambda: read(client, "ci", mount_point="nope"),
    ):
        with pytest.raises(hvac.exceptions.Forbidden) as denied:
            forbidden()
        assert denied.value.errors == PERMISSION_DENIED


def test_only_a_valid_token_in_its_namespace_gets_in(another: Another) -> None:
    vault = another(namespace="teams/a")
    right = client_of(vault)
    assert write(right, "ci", {}) == 1
    for wrong, errors in (
        (client_of(vault, token="hvs.wrong"), ["permission denied"]),
        (client_of(vault, token=None), ["permission denied"]),
        (client_of(vault, namespace=None), PERMISSION_DENIED),
    ):
        with pytest.raises(hvac.exceptions.Forbidden) as denied:
            read(wrong, "ci")
        assert denied.value.errors == errors
    with pytest.raises(hvac.exceptions.InvalidPath, match="namespace not found"):
        read(client_of(vault, namespace="nowhere"), "ci")


def test_a_login_is_answered_with_a_token_that_lives_until_it_is_revoked(
    vault: KeyVault,
) -> None:
    client = client_of(vault, token=None)
    client.auth.approle.login(vault.role_id, vault.secret_id)
    assert vault.client_tokens == [client.token]
    assert vault.lives(client.token)
    assert write(client, "ci", {}) == 1
    for role_id, secret_id in ((vault.role_id, "wrong"), ("wrong", vault.secret_id)):
        with pytest.raises(hvac.exceptions.InvalidRequest) as refused:
            client_of(vault).auth.approle.login(role_id, secret_id)
        assert refused.value.errors == ["invalid role or secret ID"]
    client.auth.token.revoke_self()
    assert not vault.lives(client.token)
    for attempt in (lambda: read(client, "ci"), client.auth.token.revoke_self):
        with pytest.raises(hvac.exceptions.Forbidden) as denied:
            attempt()
        assert denied.value.errors == ["permission denied"]


def test_a_batch_token_says_so_and_cannot_be_revoked(vault: KeyVault) -> None:
    kinds = []
    for _kind in ("service", "batch"):
        client = client_of(vault, token=None)
        answer = client.auth.approle.login(vault.role_id, vault.secret_id)
        kinds.append(answer["auth"]["token_type"])
        vault.configure_role(token_type="batch")
    assert kinds == ["service", "batch"]
    with pytest.raises(hvac.exceptions.InvalidRequest, match="batch tokens cannot be revoked"):
        client.auth.token.revoke_self()


def test_without_the_default_policy_a_token_cannot_revoke_itself(vault: KeyVault) -> None:
    vault.configure_role(token_no_default_policy=True)
    client = client_of(vault, token=None)
    client.auth.approle.login(vault.role_id, vault.secret_id)
    with pytest.raises(hvac.exceptions.Forbidden) as denied:
        client.auth.token.revoke_self()
    assert denied.value.errors == PERMISSION_DENIED
    assert write(client, "ci", {}) == 1


def test_the_version_of_an_engine_is_told(vault: KeyVault) -> None:
    vault.add_kv1("old")
    client = client_of(vault)
    for mount, version in ((vault.mount, "2"), ("old", "1")):
        engine = client.adapter.get(f"/v1/sys/internal/ui/mounts/{mount}")["data"]
        assert (engine["type"], engine["options"]["version"]) == ("kv", version)
    with pytest.raises(hvac.exceptions.Forbidden, match="preflight capability check"):
        client.adapter.get("/v1/sys/internal/ui/mounts/nope")
    with pytest.raises(hvac.exceptions.InvalidPath) as nothing:
        read(client, "ci", mount_point="old")
    assert nothing.value.errors == []
    answer = client.secrets.kv.v2.create_or_update_secret("ci", {}, cas=0, mount_point="old")
    assert answer.status_code == 204


def test_requests_are_noted_as_method_and_path(client: hvac.Client, vault: KeyVault) -> None:
    write(client, "a b/ci", {})
    read(client, "a b/ci")
    client.sys.get_capabilities(["secret/data/ci"])
    assert [(method, path.replace("%20", " ")) for method, path in vault.requests] == [
        ("POST", "/v1/secret/data/a b/ci"),
        ("GET", "/v1/secret/data/a b/ci"),
        ("POST", "/v1/sys/capabilities-self"),
    ]
    assert vault.methods() == ["POST", "GET"]
    vault.requests.clear()
    assert vault.requests == []


def test_a_door_fails_as_the_rule_says_and_passes_on_what_it_does_not(another: Another) -> None:
    faults = iter([None, 503, "lose", None])
    vault = another(lambda method, path: next(faults))
    client = client_of(vault)
    assert write(client, "ci", {"number": 1}) == 1
    with pytest.raises(hvac.exceptions.VaultDown):
        write(client, "ci", {"number": 2})
    with pytest.raises(Exception, match=r"closed|aborted"):
        write(client, "ci", {"number": 3})
    assert read(client, "ci")["data"] == {"number": 3}
    assert vault.methods() == ["POST"] * 3 + ["GET"]
