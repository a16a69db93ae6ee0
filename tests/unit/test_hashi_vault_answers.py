# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers to the store that HashiCorp Vault would not give: each operation refuses what it does
not know."""

from __future__ import annotations

import itertools
import json
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Store
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.codec import dump_entry
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import store_from

from entries import DOTTED_SECRET, ENVIRONMENT, REPORTS, SECRET_PART, context, kept
from support.scripted import Scripted, answer, scripted

pytestmark = pytest.mark.usefixtures("own_logins")

ENTRY = kept(version=1)
DATA = dump_entry(ENTRY)
ESCAPES = "\x1b[2J\r\n\x07\u202e\ud800"

Operation = t.Callable[[Store], t.Any]
LOAD: Operation = lambda store: store.load(REPORTS)  # noqa: E731
ENTRIES: Operation = lambda store: store.entries(ENVIRONMENT)  # noqa: E731
SAVE: Operation = lambda store: store.save(ENTRY)  # noqa: E731
REMOVE: Operation = lambda store: store.remove(ENTRY)  # noqa: E731
CHECK: Operation = lambda store: store.check_may("save", ENTRY)  # noqa: E731
OPERATIONS = [LOAD, ENTRIES, SAVE, REMOVE, CHECK]


def opened(server: Scripted, **options: str) -> Store:
    """The store at this server, with a token unless the options say otherwise."""
    option = {"type": "hashi_vault", "url": server.url, "token": "hvs.own", **options}
    return store_from(option, context())


@pytest.fixture(scope="module")
def server() -> t.Iterator[Scripted]:
    with scripted() as running:
        yield running


def refusal(server: Scripted, says: bytes, operation: Operation, **options: str) -> str:
    """What the operation says of the answer; in one line and without a secret."""
    server.says = says
    store = opened(server, **options)
    with pytest.raises(DynatraceError) as raised:
        operation(store)
    # The library's exceptions carry the request, with the token.
    assert raised.value.__suppress_context__ or isinstance(
        raised.value.__context__, (DynatraceError, type(None))
    )
    message = str(raised.value)
    assert message.isprintable()
    assert "hvs." not in message
    assert SECRET_PART not in message
    return message


def of_json(data: t.Any, status: str = "200 OK") -> bytes:
    return answer(status, b"Content-Type: application/json\r\n", json.dumps(data).encode())


NONSENSE = {
    "nothing": answer("200 OK", b"", b""),
    "HTML": answer("200 OK", b"Content-Type: text/html\r\n", b"<html>"),
    "deeply nested": answer("200 OK", b"", b"[" * 100_000),
    "no UTF-8": answer("200 OK", b"", b"\xff\xfe{"),
    "a number without end": answer("200 OK", b"", b'{"data": ' + b"9" * 5000 + b"}"),
    "an unknown charset": answer("400 No", b"Content-Type: a/b; charset=idna\r\n", b"x"),
    "a redirect to no address": answer("302 Found", b"Location: http://[\r\n"),
    **{f"{data} as data": of_json({"data": data}) for data in (None, True, 5, "x", [5])},
    **{f"{data} as answer": of_json(data) for data in (None, 5, "x", [{}])},
    **{f"{data} as error": of_json(data, "400 Bad") for data in (None, 5, "x", [{}])},
    **{
        f"{errors!r} as errors": of_json({"errors": errors}, "500 Bad")
        for errors in (5, [5], [{}], {"a": 1}, ESCAPES, [f"{ESCAPES} hvs.own"])
    },
}


@pytest.mark.parametrize("says", NONSENSE.values(), ids=NONSENSE)
def test_an_answer_that_is_not_that_of_vault_is_refused_by_every_operation(
    server: Scripted, says: bytes
) -> None:
    for operation in OPERATIONS:
        assert f"The store {server.url} cannot be" in refusal(server, says, operation)


@pytest.mark.parametrize(
    ("operation", "data", "message"),
    [
        *(
            (LOAD, {"data": DATA, "metadata": metadata}, "no metadata")
            for metadata in (None, "x", 5, [1])
        ),
        *(
            (LOAD, {"data": DATA, "metadata": {"version": version}}, "no version")
            for version in (None, "1", [1], True, 1.0)
        ),
        *(
            (LOAD, {"data": data, "metadata": {"version": 1}}, "is damaged")
            for data in ("x", [], {"password": DOTTED_SECRET})
        ),
        *((ENTRIES, {"keys": keys}, "no keys") for keys in (None, 5, "reports", {"reports": 1})),
        *(
            (SAVE, {"version": version}, "The answer of the store has no")
            for version in (None, "2", [2], True)
        ),
        *(
            (CHECK, {"capabilities": granted}, "may not update")
            for granted in (None, "update", [{}], [["update"]], {"update": 1})
        ),
    ],
)
def test_a_part_of_another_type_is_refused(
    server: Scripted, operation: Operation, data: dict[str, t.Any], message: str
) -> None:
    assert message in refusal(server, of_json({"data": data}), operation)


def test_what_is_listed_and_no_entry_is_not_asked_for(server: Scripted) -> None:
    server.says = of_json(
        {"data": {"keys": ["../secret", "a/b", "..", "folder/", 5, None, {}, "A", "a\n", ""]}}
    )
    store = opened(server)
    assert store.entries(ENVIRONMENT) == []


@pytest.mark.parametrize(
    "says",
    [answer("200 OK", b"", b"<html>"), of_json({"warnings": []})],
    ids=["a page", "another answer"],
)
def test_what_is_not_said_to_be_removed_is_not_removed(
    server: Scripted, says: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(server)
    answers = itertools.chain(
        [of_json({"data": {"data": DATA, "metadata": {"version": 1}}})], itertools.repeat(says)
    )
    monkeypatch.setattr(
        Scripted, "says", property(lambda server: next(answers), lambda server, value: None)
    )
    with pytest.raises(DynatraceError, match="cannot be removed"):
        store.remove(ENTRY)


@pytest.mark.parametrize(
    "says",
    [
        *(
            of_json({"auth": auth})
            for auth in (
                None,
                5,
                {},
                {"client_token": None},
                {"client_token": 5},
                {"client_token": ["a"]},
            )
        ),
        *(
            of_json({"auth": {"client_token": token}})
            for token in ("", "hvs.two\nlines", "hvs.\u2026")
        ),
        of_json({"errors": []}, "404 Not Found"),
        of_json({"data": {"data": DATA, "metadata": {"version": 1}}}, "404 Not Found"),
        of_json({"errors": []}, "403 No"),
    ],
)
def test_a_login_without_a_token_is_a_failure_and_not_an_empty_store(
    server: Scripted, says: bytes
) -> None:
    by_approle = {"auth_method": "approle", "role_id": "role", "secret_id": "hvs.secret-id"}
    for operation in (LOAD, CHECK):
        assert "The store" in refusal(server, says, operation, **by_approle)


def test_a_server_that_speaks_tls_is_told_from_one_that_is_not_vault(server: Scripted) -> None:
    says = answer("400 Bad Request", b"", b"Client sent an HTTP request to an HTTPS server.\n")
    message = refusal(server, says, LOAD)
    assert message.endswith("the server speaks TLS, and url says http://. Write https:// in url.")


def test_an_engine_of_version_1_is_named(server: Scripted) -> None:
    message = refusal(server, answer("204 No Content", b"", b""), SAVE)
    assert "the engine at engine_mount_point is KV version 1. Upgrade it with" in message


def test_a_standby_without_an_active_server_is_named(server: Scripted) -> None:
    errors = ["local node not active but active cluster node not found"]
    message = refusal(server, of_json({"errors": errors}, "500 Internal Server Error"), LOAD)
    assert "Run again when the cluster has an active server, or give its address" in message


def test_a_standby_that_redirects_is_not_followed_and_the_active_server_asked_for(
    server: Scripted,
) -> None:
    elsewhere = f"Location: {server.url}/elsewhere\r\n".encode()
    message = refusal(server, answer("307 Temporary Redirect", elsewhere), LOAD)
    assert "the answer is a redirect, which would carry the token to another host" in message
    assert message.endswith("If it is a standby, give the address of the active server as url.")
    assert not [path for path, _headers in server.heard if "elsewhere" in path]
