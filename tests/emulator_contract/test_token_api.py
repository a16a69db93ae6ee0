# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stand-in's token API v2: the documented behaviour that no other test would miss."""

from __future__ import annotations

import re
import typing as t

import pytest

from support import stand_in
from support.stand_in import Environment, error_of

Body = dict[str, t.Any]

CI: Body = {"name": "ci", "scopes": ["metrics.read"]}
ALWAYS = {"id", "name", "enabled", "owner", "creationDate"}
UNKNOWN_ID = "/dt0c01.AAAAAAAAAAAAAAAAAAAAAAAA"
UNKNOWN_SECRET = f"dt0c01.{24 * 'A'}.{64 * 'A'}"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
IN_USE = "You can't {} the token you're using for authentication of the request."

# What the error names, and the values that it is about.
BAD_PROPERTIES: dict[str, list[t.Any]] = {
    "name": [None, "  ", 1],
    "scopes": [None, [], "metrics.read"],
    "scopes[0]": [["Metrics.Read"], [{"metrics": "read"}]],
    "scopes[1]": [["metrics.read", "nonsense"]],
    "personalAccessToken": ["yes"],
    "enabled": [True],
    "expirationDate": [
        *("now-1d", "1600000000000", "2021-01-25T05:57:01.123+01:00"),
        *("tomorrow", "now+1x", "2100-01-01", "2100-02-30T00:00Z", "now+9999y", 1),
    ],
}
BAD_CHANGES: dict[str, t.Any] = {
    "expirationDate": "now+1d",
    "personalAccessToken": True,
    "owner": "x",
    "enabled": "no",
    "name": "",
}
BAD_QUERIES = {
    "fields": ["+scopes", "%2Bscopes,name", "%2Bsecret", ""],  # a plus means a space
    "pageSize": ["99", "10001"],
    "sort": ["owner"],
    "from": ["yesterday"],
    "to": ["2021-13-01T00:00"],
    "nextPageKey": ["nonsense", "MQ=="],
    "name": ["ci"],
    "apiTokenSelector": ['name("ci")', 'scope("a")scope("b")', "personalAccessToken(maybe)"],
}
REFUSED: list[tuple[str, str, t.Any, int, str]] = [
    *(
        ("POST", "", {**CI, named.partition("[")[0]: value}, 400, named)
        for named, values in BAD_PROPERTIES.items()
        for value in values
    ),
    *(
        ("PUT", "/{id}", {"name": "cd", named: value}, 400, named)
        for named, value in BAD_CHANGES.items()
    ),
    *(
        ("GET", f"?{named}={value}", None, 400, f"?{named}")
        for named, values in BAD_QUERIES.items()
        for value in values
    ),
    ("GET", UNKNOWN_ID, None, 404, ""),
    ("PUT", UNKNOWN_ID, {"name": "x"}, 404, ""),
    ("DELETE", UNKNOWN_ID, None, 404, ""),
    ("DELETE", f"/{UNKNOWN_SECRET}", None, 404, ""),
    ("POST", "/lookup", {"token": UNKNOWN_SECRET}, 404, ""),
    ("POST", "/lookup", {}, 400, "token"),
    ("POST", "", [], 400, "Could not map JSON: an object is expected"),
    ("POST", "", {**CI, "name": 1_000_000 * "x"}, 413, "Request Entity Too Large"),
    ("GET", "/{token}", None, 404, ""),
    ("PUT", "/{token}", {"name": "cd"}, 404, ""),
    ("DELETE", "/{own}", None, 400, IN_USE.format("delete")),
    ("DELETE", "/{own_secret}", None, 400, IN_USE.format("delete")),
    ("PUT", "/{own}", {"name": "root", "enabled": False}, 400, IN_USE.format("disable")),
    ("POST", "?pageSize=100", CI, 400, "This operation takes no query parameters"),
    ("PATCH", "", {}, 405, "Method Not Allowed"),
]
LISTED: list[tuple[str, str]] = [
    ("", "cab"),  # newest first
    ("sort=creationDate", "bac"),
    ("apiTokenSelector=personalAccessToken(true)", "c"),
    ("apiTokenSelector=personalAccessToken(false)", "ab"),
    ('apiTokenSelector=scope("logs.read")', "cb"),
    ("from=now-1h", "a"),
    ("from=now-1M", "ca"),  # a month
    ("from=now-1m", ""),  # a minute
    ("to=now-1h", "c"),
    ("from=1600000000000&to=2021-01-25 05:57", ""),
]


def show(environment: Environment, token_id: str) -> Body:
    shown: Body = environment.call("GET", f"/{token_id}").json()
    return shown


@pytest.mark.parametrize(("method", "path", "body", "status", "error"), REFUSED)
def test_a_request_is_refused_and_changes_nothing(
    environment: Environment, method: str, path: str, body: t.Any, status: int, error: str
) -> None:
    own, other = environment.api_token, environment.issue("ci")
    path = path.format(own=own.rpartition(".")[0], own_secret=own, **other)
    before = environment.tokens()
    assert error_of(environment.call(method, path, json=body)) == (status, error)
    assert environment.tokens() == before


@pytest.mark.parametrize(
    ("media_type", "status"), [("application/json; charset=utf-8", 400), ("text/plain", 415)]
)
def test_a_body_has_to_be_json(environment: Environment, media_type: str, status: int) -> None:
    headers = {"Content-Type": media_type}
    assert error_of(environment.call("POST", data="{", headers=headers))[0] == status


def test_only_a_new_name_or_new_scopes_move_the_modified_date(environment: Environment) -> None:
    token_id = environment.issue("ci", ["metrics.read", "logs.read"])["id"]
    before = show(environment, token_id)
    for change in ({"enabled": False}, {"name": "ci"}, {"enabled": True}):
        environment.call("PUT", f"/{token_id}", json=change)
        before.update(change)
        assert show(environment, token_id) == before
    environment.call("PUT", f"/{token_id}", json={"scopes": ["entities.read"]})
    after = show(environment, token_id)
    assert MOMENT.fullmatch(after.pop("modifiedDate"))
    assert after == {**before, "scopes": ["entities.read"]}


def test_a_secret_in_the_path_deletes(environment: Environment) -> None:
    assert environment.call("DELETE", f"/{environment.issue('ci')['token']}").status_code == 204
    assert environment.tokens() == []


def test_a_connection_is_kept(environment: Environment) -> None:
    assert "Connection" not in environment.call("GET").headers


def test_the_use_of_a_token_is_shown(environment: Environment) -> None:
    issued = environment.issue("ci", ["apiTokens.read"])
    assert "lastUsedDate" not in show(environment, issued["id"])
    shown = environment.call("GET", f"/{issued['id']}", token=issued["token"]).json()
    assert MOMENT.fullmatch(shown["lastUsedDate"])
    assert shown["lastUsedIpAddress"] == "127.0.0.1"


def test_a_listing_has_only_the_fields_that_were_asked_for(environment: Environment) -> None:
    environment.issue("ci", expirationDate="now+1d")
    for fields in ([], ["scopes"], ["scopes", "expirationDate"]):
        query = "?fields=" + ",".join(f"%2B{field}" for field in fields) if fields else ""
        listed = environment.call("GET", query).json()["apiTokens"][0]
        assert set(listed) == {*ALWAYS, *fields}


@pytest.mark.parametrize(("query", "names"), LISTED)
def test_a_listing_is_filtered_and_sorted(environment: Environment, query: str, names: str) -> None:
    environment.plant("a", created="now-2d", last_used="now-50m")
    environment.plant("b", ["metrics.read", "logs.read"], created="now-3d")
    facts: Body = {"created": "now-1d", "last_used": "now-5d", "personal_access_token": True}
    environment.plant("c", ["logs.read"], **facts)
    answer = environment.call("GET", f"?{query}").json()
    listed = [token["name"] for token in answer["apiTokens"] if token["name"] != "admin"]
    assert "".join(listed) == names


def test_pages_repeat_the_query_and_the_last_has_a_null_key() -> None:
    with stand_in.serve("--preload", "5", "--page-cap", "3") as environment:
        query = {"fields": "+scopes", "apiTokenSelector": 'scope("metrics.read")'}
        first = environment.call("GET", params=query).json()
        rest = {"nextPageKey": first["nextPageKey"], "api-token": environment.api_token}
        second = environment.ask(None, params=rest).json()
        refused = error_of(environment.ask(None, params={**rest, "pageSize": "100"}))
        only = environment.call("GET", params={"apiTokenSelector": 'scope("apiTokens.read")'})
    for page, size in ((first, 3), (second, 2)):
        assert (page["totalCount"], len(page["apiTokens"])) == (5, size)
        assert all(set(token) == ALWAYS | {"scopes"} for token in page["apiTokens"])
    assert refused == (400, "?nextPageKey")
    assert second["nextPageKey"] is None
    assert "nextPageKey" not in only.json()
