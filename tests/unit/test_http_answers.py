# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers to single requests that no server should give: each is understood or refused, in one
line that can be shown."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._http import client
from ansible_collections.community.dynatrace.plugins.module_utils._http.client import Http
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import Connection
from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import Request
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import RequestFailed
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import Period

from builders import DOTTED_SECRET, SECRET_PART, http_for
from support.scripted import Scripted, answer, scripted


@pytest.fixture(scope="module")
def server() -> t.Iterator[Scripted]:
    with scripted() as running:
        yield running


def http(server: Scripted, says: bytes) -> Http:
    server.says = says
    return http_for(Connection(server.url, Secret(DOTTED_SECRET)))


ENVELOPE = b'{"error": {"message": "Bad"}}'


@pytest.mark.parametrize(
    ("says", "message"),
    [
        pytest.param(
            answer("302 Found", b"Location: http://[\r\n"),
            "a redirect to a damaged address, which",
            id="a redirect to no address",
        ),
        pytest.param(
            answer("302 Found", b"Location: \xff\xfe\r\n"), "failed: ", id="a redirect to no text"
        ),
        pytest.param(
            answer("302 Found", f"Location: https://{DOTTED_SECRET}/\r\n".encode()),
            "redirect to",
            id="a redirect with the token",
        ),
        pytest.param(
            answer("302 Found", b"Location: //user:pw@login.example.com:81/sso?token=5#6\r\n"),
            "a redirect to http://login.example.com:81/sso, which",
            id="a redirect with a login and a query",
        ),
        pytest.param(
            answer("301 Moved", b"Location: ../ui/login\r\n"),
            "/api/ui/login, which",
            id="a relative redirect",
        ),
        pytest.param(answer("302 Found"), "a redirect to no address", id="a redirect nowhere"),
        pytest.param(
            answer("400 Bad", b"Content-Type: a/b; charset=idna\r\n", ENVELOPE),
            "answered 400: Bad",
            id="charset idna",
        ),
        pytest.param(
            answer("400 Bad", b"Content-Type: a/b; charset=undefined\r\n", ENVELOPE),
            "answered 400: Bad",
            id="charset undefined",
        ),
        pytest.param(
            answer("400 No", b"", b"\xff\xfe{"), "answered 400: No", id="an error that is no UTF-8"
        ),
        pytest.param(
            answer("400 Bad \x1b[2J"),
            r"answered 400: Bad \x1b[2J",
            id="an escape sequence as reason",
        ),
        pytest.param(b"HTTP/1.1 \x1b[2J\r\n\r\n", "failed: ", id="an escape sequence as status"),
        pytest.param(b"\x1b]8;;http://evil\x07\r\n\r\n", "failed: ", id="no HTTP"),
        pytest.param(
            answer("200 OK", b"Content-Type: \x1b[2J\r\n", b"<html>"),
            "is not JSON but",
            id="an escape sequence as content type",
        ),
        pytest.param(
            answer("200 OK", b"", b'{"a": ' + b"9" * 5000 + b"}"),
            "is not JSON",
            id="a number without end",
        ),
        pytest.param(answer("200 OK", b"", b"[" * 100_000), "is not JSON", id="deeply nested"),
        pytest.param(answer("200 OK", b"", b"\xff{}"), "is not JSON", id="no UTF-8"),
        pytest.param(
            answer(
                "403 No",
                b"",
                b'{"error": {"message": "' + DOTTED_SECRET.encode() + b'\\u001b\\r\\n"}}',
            ),
            "403: ",
            id="the token in an error",
        ),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused_in_one_line(
    server: Scripted, says: bytes, message: str
) -> None:
    with pytest.raises(RequestFailed) as raised:
        http(server, says).request(Request("GET", "/api/v2/apiTokens"))
    assert message in str(raised.value)
    assert str(raised.value).isprintable()
    assert SECRET_PART.lower() not in str(raised.value).lower()
    assert raised.value.__context__ is None or raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('{"a": 1}'.encode("utf-16"), {"a": 1}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_json_with_a_byte_order_mark_or_keys_that_stand_twice_is_taken(
    server: Scripted, body: bytes, data: t.Any
) -> None:
    assert http(server, answer("200 OK", b"", body)).request(Request("GET", "/")).data == data


@pytest.mark.parametrize(
    "date",
    [
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Mon, 01 Jan 0101 00:00:00 +2359",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:00 +9999",
        "soon",
    ],
)
def test_a_clock_that_is_none_does_not_count(server: Scripted, date: str) -> None:
    api = http(server, answer("200 OK", f"Date: {date}\r\n".encode()))
    api.request(Request("GET", "/"))
    assert api.skew == dt.timedelta(0)
    assert Period(100, "y").before(api.now()) < Period(100, "y").after(api.now())


@pytest.mark.parametrize("kind", [b"text/plain; charset=utf-8", b"text/csv", b"Text/Plain"])
def test_text_is_an_answer_only_where_it_is_asked_for(server: Scripted, kind: bytes) -> None:
    api = http(server, answer("201 Created", b"Content-Type: " + kind + b"\r\n", b"1234\n"))
    assert api.request(Request("POST", "/", text=True)).data == "1234\n"
    assert api.request(Request("POST", "/")).data == 1234


def test_what_is_neither_json_nor_text_is_no_answer(server: Scripted) -> None:
    with pytest.raises(RequestFailed, match="is not JSON but text/html"):
        http(server, answer("201 Created", b"Content-Type: text/html\r\n", b"<html>")).request(
            Request("POST", "/", text=True)
        )


@pytest.mark.parametrize(
    ("status", "transient", "maybe_done"),
    [
        (429, True, False),
        (502, True, True),
        (503, True, True),
        (504, True, True),
        (500, False, True),
        (408, False, True),
        (302, False, True),
        (400, False, False),
        (401, False, False),
        (403, False, False),
    ],
)
def test_a_status_tells_whether_it_passes_and_whether_something_was_done(
    server: Scripted, status: int, transient: bool, maybe_done: bool
) -> None:
    with pytest.raises(RequestFailed) as raised:
        http(server, answer(f"{status} Because")).request(Request("POST", "/"))
    assert (raised.value.transient, raised.value.maybe_done) == (transient, maybe_done)


@pytest.mark.parametrize(
    ("bound", "message"),
    [("_LARGEST_ANSWER", "larger than"), ("_LONGEST_ANSWER", "not complete after")],
)
def test_an_answer_without_end_is_given_up(
    server: Scripted, monkeypatch: pytest.MonkeyPatch, bound: str, message: str
) -> None:
    monkeypatch.setattr(client, bound, 0)
    with pytest.raises(RequestFailed, match=message):
        http(server, answer("200 OK", b"", b"{}")).request(Request("GET", "/"))
