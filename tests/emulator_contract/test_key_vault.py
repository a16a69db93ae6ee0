# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stand-in for a key vault answers as OpenBao does: the same requests go to both."""

from __future__ import annotations

import typing as t

import pytest
import requests

from support import openbao
from support.key_vault import ALL, KeyVault, key_vault, stand_in_vault

KINDS = {"stand-in": stand_in_vault}
if openbao.is_installed():
    KINDS["OpenBao"] = key_vault

# A request, its body, the status of its answer, and its errors or a part of its data.
Step = tuple[str, t.Any, int, t.Any]

CAPABILITIES, LOGIN = "POST sys/capabilities-self", "POST auth/approle/login"
REVOKE, MOUNTS = "POST auth/token/revoke-self", "GET sys/internal/ui/mounts"
INVALID_TOKEN = ["permission denied"]
DENIED = ["1 error occurred:\n\t* permission denied\n\n"]
UNSUPPORTED = ["1 error occurred:\n\t* unsupported operation\n\n"]
OTHER_VERSION = ["check-and-set parameter did not match the current version"]
NO_VERSION = ["check-and-set parameter required for this call"]
BATCH = ["batch tokens cannot be revoked"]
UNDELETED = {"version": 1, "deletion_time": "", "destroyed": False, "custom_metadata": None}


def data(number: int, cas: int | None = None) -> dict[str, t.Any]:
    return {"data": {"number": number}, "options": {} if cas is None else {"cas": cas}}


WRITTEN: list[Step] = [
    ("GET secret/data/a/b", None, 404, []),
    ("POST secret/data/a/b", data(1, cas=1), 400, OTHER_VERSION),
    ("POST secret/data/a/b", data(1, cas=0), 200, UNDELETED),
    ("POST secret/data/a/b", data(2, cas=0), 400, OTHER_VERSION),
    ("POST secret/data/a/b", data(2), 200, {"version": 2}),
    ("POST secret/data/a/b", data(3, cas=1), 400, OTHER_VERSION),
    ("GET secret/data/a/b", None, 200, {"data": {"number": 2}}),
    ("DELETE secret/metadata/a/b", None, 204, None),
    ("DELETE secret/metadata/a/b", None, 204, None),
    ("GET secret/data/a/b", None, 404, []),
    ("POST secret/data/a/b", data(1, cas=0), 200, {"version": 1}),
]
CHECKED: list[Step] = [
    ("POST secret/data/ci", data(1), 400, NO_VERSION),
    ("POST secret/data/ci", data(1, cas=0), 200, {"version": 1}),
    ("POST secret/data/ci", data(2, cas=1), 200, {"version": 2}),
]
FOLDERS: list[Step] = [
    ("LIST secret/metadata/apps", None, 200, {"keys": ["one", "one/", "two"]}),
    ("LIST secret/metadata/apps/one", None, 200, {"keys": ["deep/"]}),
    ("LIST secret/metadata/apps/two", None, 404, []),
    ("LIST secret/metadata/app", None, 404, []),
    ("LIST secret/data/apps", None, 405, UNSUPPORTED),
]
ALLOWED: list[Step] = [
    (CAPABILITIES, {"paths": ["secret/data/ci"]}, 200, {"capabilities": ["create", "read"]}),
    (CAPABILITIES, {"paths": ["secret/data/ci", "nope/ci"]}, 200, {"nope/ci": ["deny"]}),
    ("POST secret/data/ci", data(1), 200, {"version": 1}),
    ("POST secret/data/ci", data(2), 403, DENIED),
    ("DELETE secret/metadata/ci", None, 403, DENIED),
    ("LIST secret/metadata/apps", None, 403, DENIED),
    ("LIST secret/metadata/nowhere", None, 403, DENIED),
    ("GET nope/data/ci", None, 403, DENIED),
]
ENGINES: list[Step] = [
    (f"{MOUNTS}/secret", None, 200, {"type": "kv", "options": {"version": "2"}}),
    (f"{MOUNTS}/old", None, 200, {"type": "kv", "options": {"version": "1"}}),
    ("GET old/data/ci", None, 404, []),
    ("POST old/data/ci", data(1), 204, None),
]


@pytest.fixture(params=KINDS)
def start(request: pytest.FixtureRequest) -> t.Any:
    return KINDS[request.param]


@pytest.fixture
def vault(start: t.Any) -> t.Iterator[KeyVault]:
    with start() as running:
        yield running


def call(
    vault: KeyVault, request: str, body: t.Any = None, **headers: str | None
) -> requests.Response:
    method, path = request.split(" ")
    given = {"token": vault.token, "namespace": vault.namespace, **headers}
    sent = {f"X-Vault-{name}": value for name, value in given.items() if value is not None}
    return requests.request(method, f"{vault.url}/v1/{path}", headers=sent, json=body, timeout=10)


def told(answer: requests.Response, expected: t.Any) -> t.Any:
    """The errors of an answer, or the part of its data that is expected."""
    if isinstance(expected, list):
        return answer.json()["errors"]
    if expected is None:
        return answer.text or None
    return {name: answer.json()["data"].get(name) for name in expected}


def walk(vault: KeyVault, *steps: Step, **headers: str | None) -> None:
    for request, body, status, expected in steps:
        answer = call(vault, request, body, **headers)
        assert (answer.status_code, told(answer, expected)) == (status, expected), request


def test_a_secret_has_versions(vault: KeyVault) -> None:
    walk(vault, *WRITTEN)
    assert vault.methods() == [request.partition(" ")[0] for request, *_rest in WRITTEN]


@pytest.mark.parametrize(("end", "left"), [("delete", {"number": 1}), ("destroy", None)])
def test_a_version_that_is_gone_leaves_its_number(vault: KeyVault, end: str, left: t.Any) -> None:
    vault.plant("ci", {"number": 1})
    getattr(vault, end)("ci")
    walk(vault, ("GET secret/data/ci", None, 404, {"data": None}))
    vault.undelete("ci", 1)
    assert vault.stored() == {"ci": left}
    walk(vault, ("POST secret/data/ci", data(2, cas=1), 200, {"version": 2}))


def test_settings_of_the_engine_are_respected(vault: KeyVault) -> None:
    vault.configure(cas_required=True, max_versions=1, delete_version_after="60s")
    walk(vault, *CHECKED)
    metadata = call(vault, "GET secret/data/ci").json()["data"]["metadata"]
    assert metadata["deletion_time"] > metadata["created_time"]


def test_a_folder_lists_its_own_names(vault: KeyVault) -> None:
    for path in ("apps/two", "apps/one", "apps/one/deep/er", "apps/one/deep/est", "appsonly"):
        vault.plant(path, {})
    vault.delete("apps/two")
    walk(vault, *FOLDERS)
    assert vault.stored("apps/one") == {"apps/one/deep/er": {}, "apps/one/deep/est": {}}


def test_a_policy_is_shown_and_enforced(vault: KeyVault) -> None:
    path = "secret/data/ci"
    walk(vault, (CAPABILITIES, {"paths": [path]}, 200, {path: sorted(ALL)}))
    vault.policy = frozenset({"read", "create"})
    walk(vault, *ALLOWED)


def test_a_token_is_valid_in_its_namespace(start: t.Any) -> None:
    request = "GET secret/data/ci"
    with start(namespace="teams/a") as vault:
        walk(vault, (request, None, 403, INVALID_TOKEN), token="hvs.wrong")
        walk(vault, (request, None, 403, INVALID_TOKEN), token=None)
        walk(vault, (request, None, 403, DENIED), namespace=None)
        walk(vault, (request, None, 404, ["namespace not found"]), namespace="nowhere")
        walk(vault, (request, None, 404, []))


def test_a_token_of_a_login_lives_until_it_is_revoked(vault: KeyVault) -> None:
    right, read = {"role_id": vault.role_id, "secret_id": vault.secret_id}, "GET secret/data/ci"
    for name in right:
        walk(vault, (LOGIN, {**right, name: "wrong"}, 400, ["invalid role or secret ID"]))
    for settings, status, errors in (
        ({"token_type": "service"}, 204, None),
        ({"token_no_default_policy": True}, 403, DENIED),
        ({"token_no_default_policy": False, "token_type": "batch"}, 400, BATCH),
    ):
        vault.configure_role(**settings)
        login = call(vault, LOGIN, right, token=None).json()["auth"]
        token = login["client_token"]
        assert (login["token_type"], vault.client_tokens[-1]) == (
            settings.get("token_type", "service"),
            token,
        )
        walk(vault, (read, None, 404, []), (REVOKE, None, status, errors), token=token)
        after = (403, INVALID_TOKEN) if status == 204 else (404, [])
        walk(vault, (read, None, *after), token=token)


def test_the_version_of_an_engine_is_shown(vault: KeyVault) -> None:
    vault.add_kv1("old")
    walk(vault, *ENGINES)
    assert call(vault, f"{MOUNTS}/nope").status_code == 403
