# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of the stand-in: when they strike, and what a client then sees."""

from __future__ import annotations

import itertools
import time
import typing as t

import pytest
import requests

from support import stand_in
from support.stand_in import Environment, error_of

CI = {"name": "ci", "scopes": ["metrics.read"]}
Fault = dict[str, t.Any]

# A fault, what a client sees of a creation, and whether a token was created.
HTML = {"Content-Type": "text/html", "Date": "Thu, 01 Jan 1970 00:00:00 GMT"}
SEEN: list[tuple[Fault, str, bool]] = [
    ({"kind": "reset"}, "ConnectionError", False),
    ({"kind": "reset", "carried_out": True}, "ConnectionError", True),
    ({"kind": "silence"}, "ReadTimeout", False),
    ({"kind": "silence", "carried_out": True}, "ReadTimeout", True),
    ({"kind": "answer", "status": 503}, "503 application/json whole", False),
    ({"kind": "answer", "carried_out": True}, "503 application/json whole", True),
    ({"kind": "answer", "status": 429, "headers": HTML, "body": "ü"}, "429 text/html ü", False),
    ({"kind": "redirect"}, "302 http://elsewhere.invalid/", False),
    ({"kind": "redirect", "carried_out": True}, "302 http://elsewhere.invalid/", True),
    ({"kind": "huge"}, "200 application/json of 100000051", False),
    ({"kind": "huge", "chunked": True}, "200 application/json of chunks", False),
    ({"kind": "huge", "carried_out": True}, "200 application/json of 100000051", True),
    ({"kind": "cut"}, "ChunkedEncodingError", True),
    ({"kind": "cut_json"}, "201 application/json cut", True),
    ({"kind": "content_type"}, "201 text/html whole", True),
    ({"kind": "empty"}, "201", True),
    ({"kind": "drip", "pieces": 3, "pause": 0.01}, "201 application/json whole", True),
    ({"kind": "drip", "pieces": 2, "pause": 0.5}, "ConnectionError", True),  # it takes too long
]

# Faults, and the statuses of four requests: GET, POST, GET, GET of an unknown token.
STRIKING: list[tuple[list[Fault], list[int]]] = [
    ([{}], [503, 201, 200, 404]),
    ([{"times": 2}], [503, 503, 200, 404]),
    ([{"times": 0}], [503, 503, 503, 503]),
    ([{"nth": 2, "times": 2}], [200, 503, 503, 404]),
    ([{"nth": 3, "times": 0}], [200, 201, 503, 503]),
    ([{"method": "POST"}], [200, 503, 200, 404]),
    ([{"path": "/apiTokens/dt0"}], [200, 201, 200, 503]),
    ([{"method": "GET", "path": "Tokens$", "times": 0}], [503, 201, 503, 404]),
    ([{"method": "GET", "nth": 2}], [200, 201, 200, 404]),
    ([{"nth": 2}, {"status": 500, "times": 2}, {"status": 502, "times": 0}], [500, 503, 500, 502]),
]
BAD: list[tuple[t.Any, str]] = [
    ({"kind": "reset"}, ""),
    (["reset"], "[0].kind"),
    ([{"kind": "nonsense"}], "[0].kind"),
    ([{"kind": "reset"}, {"kind": "reset", "nht": 1}], "[1].nht"),
    ([{"kind": "refuse"}], ""),  # without a door
]


def look(environment: Environment, timeout: float = 10) -> str:
    """What a client sees that creates a token."""
    how: dict[str, t.Any] = {"timeout": timeout, "allow_redirects": False, "stream": True}
    try:
        answer = environment.call("POST", json=CI, **how)
        content = b"".join(itertools.islice(answer.iter_content(1000), 2)).decode()
    except requests.RequestException as error:
        return type(error).__name__
    headers = answer.headers
    where = headers.get("Location") or headers.get("Content-Type", "").partition(";")[0]
    if len(content) > 1000:
        content = f"of {headers.get('Content-Length', 'chunks')}"
    elif content.startswith("{"):
        content = "whole" if content.endswith("}") else "cut"
    return f"{answer.status_code} {where} {content}".rstrip()


@pytest.mark.parametrize(("fault", "seen", "created"), SEEN)
def test_a_client_sees_the_fault(
    environment: Environment, fault: Fault, seen: str, created: bool
) -> None:
    environment.set_faults(fault)
    waits = fault["kind"] == "silence" or fault.get("pause") == 0.5
    assert look(environment, 0.2 if waits else 10) == seen
    assert environment.faults_left() == []
    assert environment.requests()[-1]["carried_out"] is created
    assert len(environment.tokens("ci")) == created


@pytest.mark.parametrize(("faults", "statuses"), STRIKING)
def test_the_first_fault_that_fits_strikes(
    environment: Environment, faults: list[Fault], statuses: list[int]
) -> None:
    environment.call("GET")
    environment.set_faults({"kind": "reset"})
    environment.set_faults(*({"kind": "answer", **fault} for fault in faults))
    requests = (("GET", ""), ("POST", ""), ("GET", ""), ("GET", "/dt0"))
    answers = [environment.call(method, path, json=CI) for method, path in requests]
    assert [answer.status_code for answer in answers] == statuses
    last = faults[-1]
    left = [{"kind": "answer", **last}] if last.get("times") == 0 else []
    assert "nth" in last or environment.faults_left() == left


def test_silence_keeps_neither_other_requests_nor_the_end_of_the_server_waiting() -> None:
    with stand_in.serve() as server:
        server.set_faults({"kind": "silence"})
        assert look(server, 0.2) == "ReadTimeout"
        assert server.call("GET").status_code == 200
        started = time.monotonic()
    assert time.monotonic() - started < 2


def test_a_door_is_shut_for_a_while(environment: Environment) -> None:
    door = environment.open_door()
    environment.set_faults({"kind": "refuse", "nth": 2, "seconds": 0.2})
    assert door.call("GET").status_code == 200
    with pytest.raises(requests.ConnectionError, match="refused"):
        door.call("GET")
    assert environment.call("GET").status_code == 200
    deadline = time.monotonic() + 10
    while look(door) == "ConnectionError":
        assert time.monotonic() < deadline
    assert [entry["status"] for entry in environment.requests()] == [200, 200, 201]


@pytest.mark.parametrize(("faults", "named"), BAD)
def test_bad_faults_are_named_and_the_earlier_ones_stay(
    environment: Environment, faults: t.Any, named: str
) -> None:
    environment.set_faults({"kind": "answer"})
    url = environment.url + "/_emulator/faults"
    assert error_of(requests.put(url, json=faults, timeout=10)) == (400, named)
    assert environment.call("GET").status_code == 503
