# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stand-in fails as it is told to (tests/emulator/faults.py)."""

from __future__ import annotations

import http.client
import json
import time
import typing as t
import urllib.parse

import pytest
import requests

from support import stand_in

CI = {"name": "ci", "scopes": ["metrics.read"]}
SPOIL_THE_TRUE_ANSWER = ["cut", "cut_json", "content_type", "empty", "drip"]
FAST: dict[str, dict[str, t.Any]] = {
    "drip": {"pause": 0.001},
    "huge": {"megabytes": 1},
    "answer": {"status": 503},
}


def fault(kind: str, **facts: t.Any) -> dict[str, t.Any]:
    return {"kind": kind, **FAST.get(kind, {}), **facts}


def create(environment: stand_in.Environment) -> requests.Response | None:
    """The answer to a request for a token, None if there was none."""
    try:
        return environment.call("POST", json=CI, allow_redirects=False, stream=True)
    except requests.RequestException:
        return None


def exchange(environment: stand_in.Environment, wait: float = 10) -> http.client.HTTPConnection:
    """A connection on which a token is asked for."""
    address = urllib.parse.urlsplit(environment.url)
    connection = http.client.HTTPConnection(address.netloc, timeout=wait)
    headers = {
        "Authorization": f"Api-Token {environment.api_token}",
        "Content-Type": "application/json",
    }
    connection.request("POST", address.path + stand_in.API, json.dumps(CI), headers)
    return connection


def statuses(environment: stand_in.Environment) -> list[int | None]:
    return [entry["status"] for entry in environment.requests()]


def count(environment: stand_in.Environment) -> int:
    """How many tokens there are, asked once nothing fails."""
    environment.set_faults()
    return len(environment.tokens("ci"))


# The kinds


@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize(
    ("kind", "status"), [("reset", None), ("answer", 503), ("redirect", 302), ("huge", 200)]
)
def test_a_request_is_carried_out_only_if_asked_for(
    environment: stand_in.Environment, kind: str, status: int | None, carried_out: bool
) -> None:
    environment.set_faults(fault(kind, carried_out=carried_out))
    answer = create(environment)
    assert (answer.status_code if answer is not None else None) == status
    entry = environment.requests()[-1]
    assert (entry["method"], entry["status"], entry["carried_out"]) == ("POST", status, carried_out)
    assert count(environment) == carried_out


@pytest.mark.parametrize("kind", SPOIL_THE_TRUE_ANSWER)
def test_what_spoils_the_true_answer_carries_the_request_out(
    environment: stand_in.Environment, kind: str
) -> None:
    environment.set_faults(fault(kind))
    answer = create(environment)
    assert answer is not None
    assert answer.status_code == 201
    entry = environment.requests()[-1]
    assert (entry["status"], entry["carried_out"]) == (201, True)
    assert count(environment) == 1


@pytest.mark.parametrize("kind", SPOIL_THE_TRUE_ANSWER)
def test_an_answer_without_a_body_and_an_error_are_spoilt_too(
    environment: stand_in.Environment, kind: str
) -> None:
    token_id = environment.issue("ci")["id"]
    environment.set_faults(fault(kind, times=3))
    assert environment.call("DELETE", f"/{token_id}").status_code == 204
    assert environment.call("DELETE", f"/{token_id}").status_code == 404
    assert environment.call("GET", "?sort=x", stream=True).status_code == 400
    assert [entry["carried_out"] for entry in environment.requests()[1:]] == [True, True, True]


@pytest.mark.parametrize("carried_out", [False, True])
def test_reset_aborts_the_connection(environment: stand_in.Environment, carried_out: bool) -> None:
    environment.set_faults(fault("reset", carried_out=carried_out))
    with pytest.raises(requests.ConnectionError, match="ConnectionResetError"):
        environment.call("POST", json=CI)


@pytest.mark.parametrize("carried_out", [False, True])
def test_silence_lasts_and_others_are_answered_meanwhile(
    environment: stand_in.Environment, carried_out: bool
) -> None:
    environment.set_faults(fault("silence", carried_out=carried_out))
    connection = exchange(environment, wait=0.1)
    with pytest.raises(TimeoutError):
        connection.getresponse()
    assert environment.call("GET").status_code == 200
    connection.close()
    assert statuses(environment) == [None, 200]
    assert count(environment) == carried_out


def test_silence_does_not_keep_the_server_from_ending() -> None:
    with stand_in.serve() as server:
        server.set_faults(fault("silence"))
        connection = exchange(server)
        while not server.requests():
            time.sleep(0.01)
        started = time.monotonic()
    assert time.monotonic() - started < 2
    connection.close()


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (429, {"Retry-After": "7", "Content-Type": "application/json"}, "{}"),
        (
            429,
            {"X-RateLimit-Reset": "32503680000000000", "content-type": "text/plain; charset=utf-8"},
            "zu viel: ü",
        ),
        (
            502,
            {"Content-Type": "text/html", "Date": "Thu, 01 Jan 1970 00:00:00 GMT"},
            "<h1>Bad Gateway</h1>",
        ),
        (200, {"Content-Type": "application/json"}, ""),
    ],
)
def test_answer_is_given_as_it_is_told(
    environment: stand_in.Environment, status: int, headers: dict[str, str], body: str
) -> None:
    environment.set_faults(fault("answer", status=status, headers=headers, body=body))
    answer = environment.call("GET")
    assert (answer.status_code, answer.content.decode()) == (status, body)
    assert {name: answer.headers.get(name) for name in headers} == headers


def test_answer_without_a_body_is_an_error_of_the_api(environment: stand_in.Environment) -> None:
    environment.set_faults(fault("answer", status=500))
    answer = environment.call("GET")
    assert (answer.status_code, answer.headers["Content-Type"], answer.json()["error"]["code"]) == (
        500,
        "application/json",
        500,
    )
    assert answer.json()["error"]["message"]


def test_answer_can_be_no_utf_8(environment: stand_in.Environment) -> None:
    environment.set_faults(fault("answer", status=200, body="ü\udcff"))
    assert environment.call("GET").content == b"\xc3\xbc\xff"


def test_cut_promises_all_sends_half_and_ends(environment: stand_in.Environment) -> None:
    whole = environment.call("GET")
    environment.set_faults(fault("cut"))
    answer = environment.call("GET", stream=True)
    assert dict(answer.headers) == dict(whole.headers) | {"Date": answer.headers["Date"]}
    came: list[bytes] = []
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        came.extend(answer.iter_content(1))
    assert b"".join(came) == whole.content[: len(whole.content) // 2]


def test_cut_json_is_whole_but_for_its_json(environment: stand_in.Environment) -> None:
    whole = environment.call("GET")
    environment.set_faults(fault("cut_json"))
    answer = environment.call("GET")
    half = whole.content[: len(whole.content) // 2]
    assert answer.content == half
    assert dict(answer.headers) == dict(whole.headers) | {
        "Content-Length": str(len(half)),
        "Date": answer.headers["Date"],
    }


def test_content_type_alone_is_wrong(environment: stand_in.Environment) -> None:
    whole = environment.call("GET").content
    environment.set_faults(fault("content_type"))
    answer = environment.call("GET")
    assert (answer.headers["Content-Type"], answer.content) == ("text/html", whole)


def test_empty_is_nothing_but_the_status(environment: stand_in.Environment) -> None:
    environment.set_faults(fault("empty"))
    answer = environment.call("POST", json=CI)
    assert (answer.status_code, answer.content) == (201, b"")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, (302, "http://elsewhere.invalid/")),
        ({"location": "http://localhost:1/x", "status": 308}, (308, "http://localhost:1/x")),
    ],
)
def test_redirect_points_elsewhere(
    environment: stand_in.Environment, facts: dict[str, t.Any], expected: tuple[int, str]
) -> None:
    environment.set_faults(fault("redirect", **facts))
    answer = environment.call("GET", allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == expected


def test_drip_comes_in_pieces_and_is_whole(environment: stand_in.Environment) -> None:
    whole = environment.call("GET").content
    environment.set_faults(
        fault("drip", pieces=2, pause=0.3), fault("drip", pieces=1_000_000, pause=0)
    )
    started = time.monotonic()
    answer = environment.call("GET", stream=True)
    first = answer.raw.read1()
    assert first == whole[: (len(whole) + 1) // 2]
    assert first + answer.content == whole
    assert time.monotonic() - started >= 0.3
    assert environment.call("GET").content == whole


@pytest.mark.parametrize(("chunked", "length"), [(False, "2000051"), (True, None)])
def test_huge_is_valid_json(
    environment: stand_in.Environment, chunked: bool, length: str | None
) -> None:
    environment.set_faults(fault("huge", megabytes=2, chunked=chunked))
    answer = environment.call("GET")
    assert (answer.headers.get("Content-Length"), len(answer.content)) == (length, 2_000_051)
    assert answer.headers.get("Transfer-Encoding") == ("chunked" if chunked else None)
    assert answer.json()["apiTokens"] == []


def test_huge_has_100_megabytes_and_may_be_left_halfway(capfd: pytest.CaptureFixture[str]) -> None:
    with stand_in.serve() as server:
        server.set_faults({"kind": "huge"})
        answer = server.call("GET", stream=True)
        assert (answer.headers["Content-Length"], len(answer.raw.read(1000))) == ("100000051", 1000)
        answer.close()
        assert server.call("GET").status_code == 200
    assert capfd.readouterr().err == ""


# Refusing


def test_refuse_shuts_the_door_for_a_while(environment: stand_in.Environment) -> None:
    door = environment.open_door()
    assert door.call("GET").status_code == 200
    environment.set_faults(fault("refuse", seconds=0.1))
    with pytest.raises(requests.ConnectionError, match="refused"):
        door.call("GET")
    assert environment.call("GET").status_code == 200
    time.sleep(0.15)
    assert door.call("GET").status_code == 200
    assert statuses(environment) == [200, 200, 200]
    assert environment.faults_left() == []


def test_refuse_comes_before_the_nth_request_even_on_a_kept_connection(
    environment: stand_in.Environment,
) -> None:
    door = environment.open_door()
    environment.set_faults(fault("drip", nth=2), fault("refuse", nth=3, seconds=0))
    with requests.Session() as session:
        session.headers["Authorization"] = f"Api-Token {environment.api_token}"
        assert [
            session.get(door.url + stand_in.API, timeout=10).status_code for _request in range(2)
        ] == [200, 200]
        with pytest.raises(requests.ConnectionError, match="refused"):
            session.get(door.url + stand_in.API, timeout=10)
        environment.set_faults()
        assert session.get(door.url + stand_in.API, timeout=10).status_code == 200


def test_the_last_refusal_says_how_long(environment: stand_in.Environment) -> None:
    door = environment.open_door()
    environment.set_faults(fault("refuse"), fault("refuse", nth=2, seconds=0))
    environment.call("GET")
    time.sleep(0.1)
    with pytest.raises(requests.ConnectionError, match="refused"):
        door.call("GET")


def test_refuse_concerns_one_door(
    environment: stand_in.Environment, server: stand_in.Environment
) -> None:
    other = stand_in.new_environment(server)
    doors = [environment.open_door(), other.open_door()]
    assert environment.open_door() == doors[0]
    environment.set_faults(fault("refuse", seconds=0))
    assert doors[1].call("GET").status_code == 200
    other.set_faults()
    with pytest.raises(requests.ConnectionError, match="refused"):
        doors[0].call("GET")


# When, how often and to whom


def test_nth_counts_requests_of_the_api_since_the_faults_were_set(
    environment: stand_in.Environment,
) -> None:
    environment.call("GET")
    environment.set_faults(fault("answer", nth=2))
    environment.set_faults(fault("answer", nth=2), fault("answer", nth=4, status=500))
    environment.secrets()
    assert [environment.call("GET").status_code for _request in range(5)] == [
        200,
        503,
        200,
        500,
        200,
    ]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, [503, 200, 200, 200]),
        ({"times": 2}, [503, 503, 200, 200]),
        ({"times": 0}, [503, 503, 503, 503]),
        ({"nth": 2, "times": 2}, [200, 503, 503, 200]),
        ({"nth": 3, "times": 0}, [200, 200, 503, 503]),
    ],
)
def test_times_says_how_often(
    environment: stand_in.Environment, facts: dict[str, t.Any], expected: list[int]
) -> None:
    environment.set_faults(fault("answer", **facts))
    assert [environment.call("GET").status_code for _request in range(4)] == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"method": "POST"}, [200, 503, 200, 404]),
        ({"path": "/apiTokens/dt0"}, [200, 201, 200, 503]),
        ({"path": "Tokens$"}, [503, 201, 200, 404]),
        ({"method": "GET", "path": "Tokens$", "times": 0}, [503, 201, 503, 404]),
        ({"method": "GET", "nth": 2}, [200, 201, 200, 404]),
        ({"method": "POST", "nth": 2, "path": None}, [200, 503, 200, 404]),
    ],
)
def test_method_and_path_choose_the_request(
    environment: stand_in.Environment, facts: dict[str, t.Any], expected: list[int]
) -> None:
    environment.set_faults(fault("answer", **facts))
    answers = [
        environment.call("GET"),
        environment.call("POST", json=CI),
        environment.call("GET"),
        environment.call("GET", "/dt0"),
    ]
    assert [answer.status_code for answer in answers] == expected


def test_the_first_that_fits_strikes_and_what_is_left_is_told(
    environment: stand_in.Environment,
) -> None:
    faults = [
        fault("answer", nth=2),
        fault("answer", status=500, times=3),
        fault("answer", status=502, times=0),
    ]
    environment.set_faults(*faults)
    assert environment.faults_left() == [
        given | {"times": given.get("times", 1)} for given in faults
    ]
    assert [environment.call("GET").status_code for _request in range(2)] == [500, 503]
    assert environment.faults_left() == [faults[1] | {"times": 2}, faults[2]]
    assert [environment.call("GET").status_code for _request in range(3)] == [500, 500, 502]
    assert environment.faults_left() == [faults[2]]


def test_new_faults_replace_the_earlier_ones_and_none_clears_them(
    environment: stand_in.Environment,
) -> None:
    environment.set_faults(fault("reset", times=0))
    environment.set_faults(fault("answer", times=0))
    assert environment.call("GET").status_code == 503
    environment.set_faults()
    assert environment.call("GET").status_code == 200
    assert environment.faults_left() == []


def test_faults_of_one_environment_are_no_other_s() -> None:
    with stand_in.serve() as first:
        others = [first, stand_in.new_environment(first), stand_in.new_environment(first)]
        for place, struck in enumerate(others):
            struck.set_faults(fault("answer", times=0))
            assert [other.call("GET").status_code == 503 for other in others] == [
                number == place for number in range(3)
            ]
            assert [other.call("PATCH", "/x/y").status_code == 503 for other in others] == [
                number == place for number in range(3)
            ]
            struck.set_faults()


def test_requests_that_no_fault_strikes_are_logged_as_ever(
    environment: stand_in.Environment,
) -> None:
    environment.set_faults(fault("answer", nth=2))
    environment.call("GET")
    assert set(environment.requests()[0]) == {"method", "path", "query", "status"}


@pytest.mark.parametrize(
    ("faults", "complaint"),
    [
        ({"kind": "reset"}, "a list of faults"),
        (["reset"], "[0]"),
        ([{}], "[0].kind"),
        ([{"kind": ["reset"]}], "[0].kind"),
        ([{"kind": "nonsense"}], "must be one of reset, silence"),
        ([{"kind": "reset"}, {"kind": "reset", "nht": 1}], "[1].nht"),
        ([{"kind": "reset", "status": 500}], "[0].status"),
        ([{"kind": "reset", "nth": 0}], "[0].nth"),
        ([{"kind": "reset", "nth": True}], "[0].nth"),
        ([{"kind": "reset", "times": -1}], "[0].times"),
        ([{"kind": "reset", "times": 1.5}], "[0].times"),
        ([{"kind": "reset", "method": "post"}], "[0].method"),
        ([{"kind": "reset", "path": "("}], "[0].path"),
        ([{"kind": "reset", "carried_out": 1}], "[0].carried_out"),
        ([{"kind": "cut", "carried_out": False}], "[0].carried_out"),
        ([{"kind": "answer"}], "[0].status"),
        ([{"kind": "answer", "status": 101}], "[0].status"),
        ([{"kind": "answer", "status": 429, "headers": {"Retry-After": 7}}], "[0].headers"),
        ([{"kind": "answer", "status": 429, "headers": {"A": "b\r\nC: d"}}], "[0].headers"),
        ([{"kind": "answer", "status": 429, "body": {}}], "[0].body"),
        ([{"kind": "answer", "status": 429, "body": "\ud800"}], "[0].body"),
        ([{"kind": "redirect", "location": "\n"}], "[0].location"),
        ([{"kind": "drip", "pieces": 0}], "[0].pieces"),
        ([{"kind": "drip", "pause": float("inf")}], "[0].pause"),
        ([{"kind": "huge", "megabytes": 0}], "[0].megabytes"),
        ([{"kind": "refuse"}], "POST /_emulator/door first"),
        ([{"kind": "refuse", "times": 2}], "[0].times"),
    ],
)
def test_bad_faults_are_400_and_the_earlier_ones_stay(
    environment: stand_in.Environment, faults: t.Any, complaint: str
) -> None:
    environment.set_faults(fault("answer"))
    response = requests.put(
        environment.url + "/_emulator/faults",
        data=json.dumps(faults),
        headers={"Content-Type": "application/json"},
        timeout=10,
    )
    assert response.status_code == 400
    assert complaint in response.text
    assert environment.call("GET").status_code == 503
