# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible.parsing.vault import VaultSecret
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    HIDDEN,
    Redactor,
    Secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._options import TOKEN_OPTIONS
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Store
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores import file, registry
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import (
    StoreContext,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import (
    known_secrets,
    store_from,
    without_secrets,
)
from hypothesis import given
from hypothesis import strategies as st

from entries import (
    DOTTED_SECRET,
    ENVIRONMENT,
    INTENT,
    ONLY_AN_INTENT,
    REPORTS,
    SECRET_PART,
    UNDOTTED_SECRET,
    context,
    identity,
    kept,
)
from support.memory_store import MemoryBackend, memory_type

VAULT = "https://vault.example.com:8200"
VAULT_TOKEN = "s.0fth3v4ult"
SECRET_ID = "s3cr3t-1d"
HASHI = {"type": "hashi_vault", "url": VAULT, "auth_method": "token", "token": VAULT_TOKEN}
APPROLE = {
    "type": "hashi_vault",
    "url": VAULT,
    "auth_method": "approle",
    "role_id": "ansible",
    "secret_id": SECRET_ID,
}


def _open(option: t.Any, folder: pathlib.Path | str = "/project", **environment: str) -> Store:
    return store_from(option, context(folder, **environment))


def _written_by(option: t.Any, folder: pathlib.Path) -> list[str]:
    """The files below the folder that the store makes when it is written to."""
    _open(option, folder).save(ONLY_AN_INTENT)
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


def _refusal(option: t.Any) -> str:
    """The message of the refusal, empty where there is none."""
    try:
        _open(option)
    except OptionError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("option", [None, "", {}, "{}", {"type": None, "path": ""}])
def test_no_option_is_a_store_that_keeps_nothing(option: t.Any, tmp_path: pathlib.Path) -> None:
    store = _open(option, tmp_path)
    assert not store.keeps
    saved = store.save(kept())
    store.check_may("save", saved)
    store.check_may("remove", saved)
    store.remove(saved)
    with store.lock([REPORTS]):
        assert store.load(REPORTS) == Entry(REPORTS)
    assert store.unseal(store.load(REPORTS)) is None
    assert store.entries(ENVIRONMENT) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "option",
    [
        pytest.param("tokens", id="a path"),
        pytest.param("./tokens/", id="a path with a dot"),
        pytest.param("other/../tokens", id="a path with two dots"),
        pytest.param({"type": "file", "path": "tokens"}, id="a dictionary"),
        pytest.param('{"type": "file", "path": "tokens"}', id="JSON"),
        pytest.param(
            '\n {"type": "file", "path": "tokens", "encrypt": "no"}\n', id="JSON with space around"
        ),
    ],
)
def test_a_relative_path_is_relative_to_the_folder(option: t.Any, tmp_path: pathlib.Path) -> None:
    assert _written_by(option, tmp_path) == ["tokens/abc12345/reports.yml"]


def test_an_absolute_path_is_taken_as_it_is(tmp_path: pathlib.Path) -> None:
    (tmp_path / "project").mkdir()
    assert _written_by(str(tmp_path / "tokens"), tmp_path / "project") == []
    assert (tmp_path / "tokens/abc12345/reports.yml").exists()


def test_a_tilde_is_the_home_of_the_user(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert _written_by("~/tokens", tmp_path) == ["home/tokens/abc12345/reports.yml"]


def test_one_store_has_a_folder_for_every_environment(tmp_path: pathlib.Path) -> None:
    store = _open("tokens", tmp_path)
    for place in (ENVIRONMENT, "0000-1111"):
        store.save(Entry(identity(place=place), intents=(INTENT,)))
    assert {path.name for path in (tmp_path / "tokens").iterdir()} == {ENVIRONMENT, "0000-1111"}


@pytest.mark.parametrize(
    "option",
    [
        "tokens",
        {"type": "file", "path": "tokens"},
        {"type": "file", "path": "tokens", "encrypt": "yes"},
    ],
)
def test_a_secret_is_encrypted_unless_that_is_switched_off(
    option: t.Any, tmp_path: pathlib.Path
) -> None:
    store = _open(option, tmp_path)
    with pytest.raises(OptionError, match=r"there is no vault secret to encrypt it with"):
        store.save(kept())
    plain = _open({"type": "file", "path": "tokens", "encrypt": False}, tmp_path)
    assert SECRET_PART in plain.save(kept()).version.decode()


@pytest.mark.parametrize("vault_id", ["staging", "production"])
def test_the_vault_secret_is_one_of_those_of_the_play(
    vault_id: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = [("staging", VaultSecret(b"battery")), ("production", VaultSecret(b"staple"))]
    monkeypatch.setattr(file, "vault_secrets", lambda loader: secrets)
    store = _open({"type": "file", "path": "tokens", "encrypt_vault_id": vault_id}, tmp_path)
    assert f"$ANSIBLE_VAULT;1.2;AES256;{vault_id}".encode() in store.save(kept()).version


def test_nothing_is_written_when_a_store_is_opened(tmp_path: pathlib.Path) -> None:
    assert _open("tokens", tmp_path).keeps
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "says"),
    [
        pytest.param(7, "neither the path of a folder nor a dictionary", id="a number"),
        pytest.param(True, "neither the path of a folder nor a dictionary", id="a truth"),
        pytest.param(["tokens"], "neither the path of a folder nor a dictionary", id="a list"),
        pytest.param(
            '{"type": "file", "path": "tokens"', "begins like JSON and is none", id="damaged JSON"
        ),
        pytest.param('{"a":' * 100000, "begins like JSON and is none", id="JSON without end"),
        pytest.param(
            "{'type': 'file', 'path': 'tokens'}",
            "begins like JSON and is none",
            id="no JSON but Python",
        ),
        pytest.param(
            {"path": "tokens", "token": SECRET_ID},
            r"its type is None. .* type: file or .*type: aws_secrets_manager\.$",
            id="no type",
        ),
        pytest.param("a/" * 3_000, "path has more than 1000 characters", id="a path without end"),
        pytest.param(
            {"type": {"token": SECRET_ID}}, "its type is a dict", id="a type that holds a secret"
        ),
        pytest.param(
            DOTTED_SECRET,
            "path: the value is, or holds, the secret of a token",
            id="a secret for a path",
        ),
        pytest.param(
            {**HASHI, "path": f"a/{DOTTED_SECRET}"},
            "path: the value is, or holds, the secret",
            id="hashi_vault: a secret in path",
        ),
        pytest.param(
            {**HASHI, "url": f"{VAULT}/a/.."},
            "url: its path is not that of a server",
            id="hashi_vault: a path with dots",
        ),
        pytest.param(
            {"type": "database", "path": "tokens"}, "its type is 'database'", id="an unknown type"
        ),
        pytest.param(
            {"type": ["file"], "path": "tokens"}, "its type is", id="a type that is a list"
        ),
        pytest.param({"type": "file"}, "missing required arguments: path", id="no path"),
        pytest.param({"type": "file", "path": None}, "arguments: path", id="a path that is null"),
        pytest.param({"type": "file", "path": ""}, "arguments: path", id="a path that is empty"),
        pytest.param("a\n", "path has a character that cannot be shown", id="a path of two lines"),
        pytest.param(
            {"type": "file", "path": "tokens", "encrypted": False},
            "encrypted",
            id="an unknown option",
        ),
        pytest.param(
            {"type": "file", "path": "tokens", "url": VAULT},
            "url",
            id="an option of the other type",
        ),
        pytest.param(
            {"type": "file", "path": "tokens", "encrypt": "perhaps"},
            "encrypt",
            id="an option of another type",
        ),
        pytest.param(
            {"type": "file", "path": "tokens", 7: "seven"},
            "nor a dictionary of options",
            id="a key that is no text",
        ),
        pytest.param({**HASHI, "mount": "secret"}, "mount", id="hashi_vault: an unknown option"),
        pytest.param(
            {**HASHI, "url": None}, "url is missing.*VAULT_ADDR", id="hashi_vault: no address"
        ),
        pytest.param(
            {**HASHI, "url": "vault.example.com"},
            "url: the address needs a scheme",
            id="hashi_vault: no scheme",
        ),
        pytest.param(
            {**HASHI, "url": "http://vault.example.com"},
            "url: http:// would send the token in the clear.* say allow_http: true",
            id="hashi_vault: http",
        ),
        pytest.param(
            {**HASHI, "url": f"https://user:{SECRET_ID}@vault"},
            "url: it must not hold",
            id="hashi_vault: a user",
        ),
        pytest.param(
            {**HASHI, "url": f"{VAULT}?token={VAULT_TOKEN}"},
            "url: it must not hold",
            id="hashi_vault: a query",
        ),
        pytest.param(
            {**HASHI, "token": None},
            "token is missing, which auth_method token needs",
            id="hashi_vault: no token",
        ),
        pytest.param(
            {**HASHI, "token": ""},
            "token is missing, which auth_method token needs",
            id="hashi_vault: empty token",
        ),
        pytest.param(
            {**HASHI, "auth_method": "github"},
            "auth_method must be one of: token, none, approle, userpass, ldap, jwt, kubernetes, "
            "azure, aws_iam, "
            "cert",
            id="hashi_vault: method",
        ),
        pytest.param(
            {**HASHI, "auth_method": "ldap", "username": "ci"},
            "password is missing, which auth_method ldap needs",
            id="hashi_vault: no password",
        ),
        pytest.param(
            {**HASHI, "url": f"{VAULT}/v1/"},
            "url ends in /v1, which belongs to the API. Leave it out",
            id="hashi_vault: the path of the API",
        ),
        pytest.param(
            {**HASHI, "retries": 21},
            "retries is 21. Give a number from 0",
            id="hashi_vault: retries",
        ),
        pytest.param(
            {**HASHI, "proxies": ["http://proxy"]},
            "proxies is neither a text nor a dictionary",
            id="hashi_vault: proxies",
        ),
        pytest.param(
            {**HASHI, "ca_crt": "/ca.pem"},
            "no option 'ca_crt'. Did you mean 'ca_cert'",
            id="hashi_vault: a misspelt option",
        ),
        pytest.param(
            {"path": "tokens", "type": "file", "encrypted": False},
            "no option 'encrypted'. Did you mean 'encrypt'",
            id="a misspelt option",
        ),
        pytest.param(
            {**APPROLE, "role_id": None},
            "role_id is missing, which auth_method approle needs",
            id="hashi_vault: no role",
        ),
        pytest.param(
            {**APPROLE, "secret_id": None},
            "secret_id is missing, which auth_method approle needs",
            id="hashi_vault: no secret",
        ),
        pytest.param(
            {**HASHI, "path": "../elsewhere"},
            "path is '../elsewhere', which is no path",
            id="hashi_vault: path",
        ),
        pytest.param(
            {**HASHI, "engine_mount_point": "/"},
            "engine_mount_point is '/', which is no path",
            id="hashi_vault: mount",
        ),
        pytest.param(
            {**HASHI, "ca_cert": "/nowhere.pem"},
            "ca_cert: there is no '/nowhere.pem' on the machine that sends the requests",
            id="hashi_vault: certificate",
        ),
        pytest.param({**HASHI, "timeout": "soon"}, "timeout", id="hashi_vault: timeout"),
    ],
)
def test_what_cannot_work_is_named_without_a_secret(
    option: t.Any, says: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(OptionError, match=f"^store: .*{says}") as caught:
        _open(option)
    message = str(caught.value)
    assert VAULT_TOKEN not in message
    assert SECRET_ID not in message


@pytest.mark.parametrize(
    ("option", "environment", "secrets"),
    [
        pytest.param(HASHI, {}, [VAULT_TOKEN], id="a token"),
        pytest.param(APPROLE, {}, [SECRET_ID], id="a role"),
        pytest.param(
            {**HASHI, "url": "http://127.0.0.1:8200"}, {}, [VAULT_TOKEN], id="http on this machine"
        ),
        pytest.param(
            {**HASHI, "url": "http://vault.vault.svc:8200", "allow_http": True},
            {},
            [VAULT_TOKEN],
            id="http in a closed network",
        ),
        pytest.param(
            {"type": "hashi_vault"},
            {"BAO_ADDR": VAULT, "BAO_TOKEN": VAULT_TOKEN},
            [VAULT_TOKEN],
            id="the variables of OpenBao",
        ),
        pytest.param(
            {**HASHI, "url": "http://[::1]:8200/"},
            {},
            [VAULT_TOKEN],
            id="http on this machine, IPv6",
        ),
        pytest.param(json.dumps(HASHI), {}, [VAULT_TOKEN], id="JSON"),
        pytest.param(
            {"type": "hashi_vault", "url": VAULT, "token": VAULT_TOKEN},
            {},
            [VAULT_TOKEN],
            id="no method",
        ),
        pytest.param({**HASHI, "auth_method": None}, {}, [VAULT_TOKEN], id="a method that is null"),
        pytest.param(
            {**HASHI, "path": None, "timeout": None},
            {},
            [VAULT_TOKEN],
            id="other options that are null",
        ),
        pytest.param(
            {"type": "hashi_vault"},
            {"VAULT_ADDR": VAULT, "VAULT_TOKEN": VAULT_TOKEN},
            [VAULT_TOKEN],
            id="the usual variables",
        ),
        pytest.param(
            {"type": "hashi_vault"},
            {
                "ANSIBLE_HASHI_VAULT_ADDR": VAULT,
                "ANSIBLE_HASHI_VAULT_TOKEN": VAULT_TOKEN,
                "VAULT_ADDR": "no",
                "VAULT_TOKEN": "no",
            },
            [VAULT_TOKEN],
            id="the variables of community.hashi_vault first",
        ),
        pytest.param(
            HASHI,
            {"VAULT_ADDR": "no", "VAULT_TOKEN": "no"},
            [VAULT_TOKEN],
            id="the option before the variables",
        ),
        pytest.param(
            {"type": "hashi_vault", "url": VAULT},
            {
                "ANSIBLE_HASHI_VAULT_AUTH_METHOD": "approle",
                "ANSIBLE_HASHI_VAULT_ROLE_ID": "ansible",
                "ANSIBLE_HASHI_VAULT_SECRET_ID": SECRET_ID,
            },
            [SECRET_ID],
            id="a role from the variables",
        ),
    ],
)
def test_what_a_store_is_opened_with_is_hidden_from_messages(
    option: t.Any, environment: dict[str, str], secrets: list[str]
) -> None:
    redactor = Redactor()
    store_from(option, context(redactor=redactor, **environment))
    text = f"before {VAULT_TOKEN} {SECRET_ID} after"
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    assert redactor.text(f"before {VAULT_TOKEN} {SECRET_ID} after") == text


def test_a_blank_option_of_a_store_is_not_given() -> None:
    redactor = Redactor()
    blank = {"type": "hashi_vault", "url": "", "token": " ", "namespace": "", "timeout": ""}
    _open(blank, redactor=redactor, VAULT_ADDR=VAULT, VAULT_TOKEN="hvs.from-variable")
    assert redactor.text("hvs.from-variable") == "***"


def test_the_options_are_left_as_they_were_given() -> None:
    option = dict(HASHI)
    _open(option, VAULT_NAMESPACE="team")
    assert option == HASHI


@pytest.mark.parametrize("given_as", [dict, json.dumps])
@pytest.mark.parametrize("option", [HASHI, APPROLE])
def test_the_secrets_in_the_option_are_known_and_can_be_hidden(
    option: dict[str, str], given_as: t.Callable[[t.Any], t.Any]
) -> None:
    secret = option.get("secret_id") or option["token"]
    assert known_secrets({"store": given_as(option)}, TOKEN_OPTIONS) == [Secret(secret)]
    assert without_secrets(given_as(option)) == {
        name: HIDDEN if value == secret else value for name, value in option.items()
    }


@pytest.mark.parametrize("option", [None, "", "tokens", {"type": "file", "path": "tokens"}])
def test_an_option_without_secrets_stays_as_it_is(option: t.Any) -> None:
    assert known_secrets({"store": option}, TOKEN_OPTIONS) == []
    assert without_secrets(option) == option


def test_the_secrets_beside_the_store_are_known_too() -> None:
    params = {
        "api_token": DOTTED_SECRET,
        "token": UNDOTTED_SECRET,
        "name": "reports",
        "store": HASHI,
    }
    assert set(known_secrets(params, TOKEN_OPTIONS)) == {
        Secret(DOTTED_SECRET),
        Secret(UNDOTTED_SECRET),
        Secret(VAULT_TOKEN),
    }


def test_json_that_is_damaged_hides_its_secrets_too() -> None:
    damaged = json.dumps({**HASHI, "secret_id": SECRET_ID})[:-1] + ",}"
    assert VAULT_TOKEN not in str(without_secrets(damaged))
    assert SECRET_ID not in str(without_secrets(damaged))


def test_a_type_is_a_line_in_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[t.Mapping[str, t.Any], StoreContext]] = []
    memory = memory_type(MemoryBackend())

    def open_memory(options: t.Mapping[str, t.Any], context: StoreContext) -> t.Any:
        given.append((options, context))
        return memory.open(options, context)

    monkeypatch.setitem(registry.TYPES, "memory", memory._replace(open=open_memory))
    option = {"type": "memory", "password": SECRET_ID}
    around = context(MEMORY_CELLS="7")
    assert store_from(option, around).keeps
    assert given == [({"cells": 7, "password": SECRET_ID}, around)]
    assert known_secrets({"store": option}, TOKEN_OPTIONS) == [Secret(SECRET_ID)]
    assert without_secrets(option) == {"type": "memory", "password": HIDDEN}
    assert "type: aws_secrets_manager or type: memory." in _refusal({"type": "database"})
    assert "cells" in _refusal({"type": "memory", "cells": "many"})


ODD = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.just(SECRET_PART)
    | st.lists(st.just(SECRET_PART), max_size=2)
)
NAMES = st.sampled_from(
    [
        "type",
        "path",
        "encrypt",
        "url",
        "auth_method",
        "role_id",
        "engine_mount_point",
        "namespace",
        "timeout",
        "other",
    ]
)


@given(
    st.sampled_from([HASHI, APPROLE, {"type": "file", "path": "tokens"}]),
    st.dictionaries(NAMES, ODD, max_size=3),
    st.booleans(),
)
def test_any_option_is_a_store_or_refused_without_its_secrets(
    option: dict[str, t.Any], changes: dict[str, t.Any], as_text: bool
) -> None:
    whole = {**option, "token": VAULT_TOKEN, "secret_id": SECRET_ID, **changes}
    said = _refusal(json.dumps(whole) if as_text else whole)
    assert VAULT_TOKEN not in said
    assert SECRET_ID not in said
    assert VAULT_TOKEN not in str(without_secrets(whole))
    assert SECRET_ID not in str(without_secrets(whole))
