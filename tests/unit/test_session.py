# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom a connection trusts, and what the libraries below it may say."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import gzip
import pathlib
import ssl

import pytest
import requests
import trustme
from ansible_collections.community.dynatrace.plugins.module_utils._http import session
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    Connection,
    Transport,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.explain import reason_of
from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import Request
from ansible_collections.community.dynatrace.plugins.module_utils._http.session import (
    Session,
    session_for,
    tls_context,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret

from builders import DOTTED_SECRET, SECRET_PART, http_for, refusal
from support.scripted import answer, scripted


def trusted(ca_path: pathlib.Path) -> int:
    """How many authorities."""
    return tls_context(True, str(ca_path), None, None).cert_store_stats()["x509_ca"]


def test_a_folder_is_trusted_whatever_its_files_are_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "README").write_text("no certificate")
    (tmp_path / "folder").mkdir()
    for name in ("one.pem", "two.crt"):
        trustme.CA().cert_pem.write_to_path(str(tmp_path / name))
    assert trusted(tmp_path) == 2
    assert trusted(tmp_path / "one.pem") == 1


def test_what_holds_no_certificate_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "README").write_text("no certificate")
    assert str(refusal(lambda: trusted(tmp_path))).startswith("ca_path: the folder ")
    assert str(refusal(lambda: trusted(tmp_path / "README"))).startswith("ca_path: ")


def test_a_client_certificate_that_cannot_be_read_is_refused_without_asking_for_a_password(
    tmp_path: pathlib.Path,
) -> None:
    file = tmp_path / "client.pem"
    file.write_text(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
    )
    assert str(refusal(lambda: tls_context(True, None, str(file), None))).startswith(
        "client_cert: "
    )


def test_without_checks_nothing_is_required() -> None:
    checked, unchecked = tls_context(True, None, None, None), tls_context(False, None, None, None)
    assert (checked.verify_mode, checked.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (unchecked.verify_mode, unchecked.check_hostname) == (ssl.CERT_NONE, False)


@pytest.mark.parametrize("is_urllib3_1", [False, True])
@pytest.mark.parametrize(("name", "is_trusted"), [("127.0.0.1", True), ("127.0.0.2", False)])
def test_a_certificate_of_another_address_is_refused(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    is_urllib3_1: bool,
    name: str,
    is_trusted: bool,
) -> None:
    monkeypatch.setattr(session, "URLLIB3_1", is_urllib3_1)
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert(name).configure_cert(context)
    trusting = functools.partial(tls_context, True, str(tmp_path / "ca.pem"), None, None)
    with scripted(context) as server:
        server.says = answer("200 OK")
        asked = functools.partial(Session(trusting, None).request, "GET", timeout=5, headers={})
        with contextlib.suppress(requests.exceptions.SSLError):
            asked(url=server.url.replace("http:", "https:"))
    assert bool(server.heard) is is_trusted
    assert trusting(of_proxy=True).check_hostname


def test_a_session_is_shared_by_all_with_the_same_tls_and_proxy() -> None:
    proxy = Secret("http://me:hunter2@proxy:3128")
    transports = [Transport(), Transport(validate_certs=False), Transport(proxy=proxy)]
    first = [session_for(transport) for transport in transports]
    again = [session_for(dataclasses.replace(transport)) for transport in transports]
    assert [one is other for one, other in zip(first, again)] == [True] * 3
    assert len({id(session) for session in first}) == 3
    assert first[2].proxies == dict.fromkeys(("http", "https"), proxy.reveal())
    assert "hunter2" not in repr(transports)


def test_a_session_keeps_no_cookie_that_could_authenticate_another_caller() -> None:
    with scripted() as server:
        server.says = answer("200 OK", b"Set-Cookie: session=admin; Path=/\r\n")
        http = http_for(Connection(server.url, Secret(DOTTED_SECRET)))
        for _request in range(2):
            http.request(Request("GET", "/"))
        assert [headers["Cookie"] for _path, headers in server.heard] == [None, None]


def test_a_request_says_what_it_takes_and_its_query_arrives_as_it_was() -> None:
    query = {"from": "now-1h+2", "a&b": "\u00fc %2F/?#~", "empty": ""}
    with scripted() as server:
        body = gzip.compress(b'{"a": 1}')
        server.says = answer("200 OK", b"Content-Encoding: gzip\r\n", body)
        http = http_for(Connection(server.url, Secret(DOTTED_SECRET)))
        assert http.request(Request("GET", "/x", query)).data == {"a": 1}
        ((path, headers),) = server.heard
    assert path.endswith("/x?from=now-1h%2B2&a%26b=%C3%BC+%252F%2F%3F%23~&empty=")
    assert headers["Accept"] == "application/json; charset=utf-8"
    assert headers["Accept-Encoding"] == "gzip, deflate"
    assert headers["User-Agent"] == "community.dynatrace"


def test_threads_and_processes_do_not_share_a_session() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        other = pool.submit(session_for, Transport()).result()
    assert other is not session_for(Transport())


@pytest.mark.parametrize(
    "text",
    [
        "HTTPConnection(host='127.0.0.1', port=1): Failed to establish a new connection: refused",
        "<urllib3.connection.HTTPConnection object at 0x7f>: Failed to establish a new "
        "connection: refused",
    ],
)
def test_the_reason_of_a_failure_is_told_without_the_object_that_failed(text: str) -> None:
    error = requests.exceptions.ConnectionError(ConnectionError(text))
    assert reason_of(error) == "Failed to establish a new connection: refused"


def test_a_token_in_the_address_is_not_in_what_the_library_logs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    with scripted() as server:
        server.says = answer("200 OK", b"no header\r\n")
        in_query = Connection(server.url, Secret(DOTTED_SECRET), token_location="query")
        http_for(in_query).request(Request("GET", "/v2/apiTokens"))
        shown = caplog.text
        http_for(Connection(server.url, Secret(DOTTED_SECRET))).request(
            Request("GET", "/v2/apiTokens")
        )
    assert SECRET_PART not in shown
    assert "Failed to parse headers" in caplog.text
