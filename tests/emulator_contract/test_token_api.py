# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the stand-in promises to those who test against it: the documented behaviour of the token
API v2.
"""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import email.utils
import http.client
import json
import re
import time
import typing as t
import urllib.parse

import pytest
import requests

from support import stand_in

DEFAULT_FIELDS = {"id", "name", "enabled", "owner", "creationDate"}
UNKNOWN_ID = "/dt0c01.AAAAAAAAAAAAAAAAAAAAAAAA"
UNKNOWN_SECRET = f"dt0c01.{24 * 'A'}.{64 * 'A'}"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(scope="module")
def small_pages() -> t.Iterator[stand_in.Environment]:
    with stand_in.serve("--preload", "10", "--page-cap", "3") as environment:
        yield environment


def names(environment: stand_in.Environment, query: dict[str, str]) -> list[str]:
    response = environment.call("GET", params=query)
    assert response.status_code == 200, response.text
    return [token["name"] for token in response.json()["apiTokens"]]


def show(environment: stand_in.Environment, token_id: str) -> dict[str, t.Any]:
    shown: dict[str, t.Any] = environment.call("GET", f"/{token_id}").json()
    return shown


def violated(response: requests.Response, where: str) -> list[str]:
    """The parts of the request that the error complains about."""
    error = response.json()["error"]
    assert response.status_code == error["code"] == 400
    violations = error["constraintViolations"]
    assert all(
        violation["message"] and violation["parameterLocation"] == where for violation in violations
    )
    return [violation["path"] for violation in violations]


def refused(response: requests.Response, status: int, message: str) -> bool:
    return response.status_code == status and response.json() == {
        "error": {"code": status, "message": message}
    }


# All operations


def test_a_token_lives_from_its_creation_to_its_deletion(environment: stand_in.Environment) -> None:
    created = environment.call("POST", json={"name": "ci", "scopes": ["metrics.read"]})
    assert (created.status_code, set(created.json())) == (201, {"id", "token"})
    path = f"/{created.json()['id']}"
    shown = environment.call("GET", path)
    assert (shown.status_code, shown.json()["name"], shown.json()["scopes"]) == (
        200,
        "ci",
        ["metrics.read"],
    )
    assert "token" not in shown.json()
    assert (
        environment.call("POST", "/lookup", json={"token": created.json()["token"]}).json()
        == shown.json()
    )
    assert names(environment, {}) == ["ci", "admin"]
    updated = environment.call("PUT", path, json={"name": "cd"})
    assert (updated.status_code, updated.content) == (204, b"")
    deleted = environment.call("DELETE", path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert names(environment, {}) == ["admin"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", UNKNOWN_ID, None),
        ("PUT", UNKNOWN_ID, {"name": "x"}),
        ("DELETE", UNKNOWN_ID, None),
        ("DELETE", f"/{UNKNOWN_SECRET}", None),
        ("POST", "/lookup", {"token": UNKNOWN_SECRET}),
    ],
)
def test_unknown_token_is_404_without_a_body(
    environment: stand_in.Environment, method: str, path: str, body: t.Any
) -> None:
    response = environment.call(method, path, json=body)
    assert (response.status_code, response.content) == (404, b"")


# Who may call


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        (None, "Missing authorization parameter."),
        (f"Api-Token {UNKNOWN_SECRET}", "Token Authentication failed"),
        ("Api-Token", "Token Authentication failed"),
        ("Bearer {admin}", "Token Authentication failed"),
        ("{admin}", "Token Authentication failed"),
    ],
)
def test_bad_authorization_is_401(
    environment: stand_in.Environment, authorization: str | None, message: str
) -> None:
    headers = (
        {"Authorization": authorization.format(admin=environment.api_token)}
        if authorization
        else {}
    )
    assert refused(
        requests.get(environment.url + stand_in.API, headers=headers, timeout=10), 401, message
    )


@pytest.mark.parametrize("facts", [{"expires": "now-1m"}, {"enabled": False}])
def test_expired_and_disabled_tokens_are_refused(
    environment: stand_in.Environment, facts: dict[str, t.Any]
) -> None:
    secret = environment.plant("old", ["apiTokens.read"], **facts)["token"]
    assert refused(environment.call("GET", token=secret), 401, "Token Authentication failed")
    assert environment.call("POST", "/lookup", json={"token": secret}).json()["name"] == "old"


@pytest.mark.parametrize(
    ("method", "path", "missing"),
    [
        ("GET", "", "apiTokens.read (Read API tokens)"),
        ("GET", UNKNOWN_ID, "apiTokens.read (Read API tokens)"),
        ("POST", "", "apiTokens.write (Write API tokens)"),
        ("PUT", UNKNOWN_ID, "apiTokens.write (Write API tokens)"),
        ("DELETE", UNKNOWN_ID, "apiTokens.write (Write API tokens)"),
    ],
)
def test_missing_scope_is_403_and_named(
    environment: stand_in.Environment, method: str, path: str, missing: str
) -> None:
    other = "apiTokens.write" if "read" in missing else "apiTokens.read"
    secret = environment.issue("half", [other])["token"]
    assert refused(
        environment.call(method, path, token=secret),
        403,
        f"Token is missing required scope. Use one of: {missing}",
    )


def test_any_scope_suffices_for_a_token_to_look_itself_up(
    environment: stand_in.Environment,
) -> None:
    secret = environment.issue("self", ["logs.read"])["token"]
    assert environment.call("POST", "/lookup", token=secret, json={"token": secret}).json()[
        "scopes"
    ] == ["logs.read"]


def test_new_tokens_belong_to_the_owner_of_the_calling_token(
    environment: stand_in.Environment,
) -> None:
    caller = environment.plant("caller", ["apiTokens.write"], owner="anna@example.com")["token"]
    environment.call("POST", token=caller, json={"name": "hers", "scopes": ["logs.read"]})
    assert environment.tokens("hers")[0]["owner"] == "anna@example.com"


@pytest.mark.parametrize("by_secret", [False, True])
def test_calling_token_cannot_be_deleted(
    environment: stand_in.Environment, by_secret: bool
) -> None:
    secret = environment.api_token
    response = environment.call("DELETE", f"/{secret if by_secret else secret.rpartition('.')[0]}")
    assert refused(
        response, 400, "You can't delete the token you're using for authentication of the request."
    )
    assert environment.call("GET").status_code == 200


def test_calling_token_cannot_be_disabled_but_renamed(environment: stand_in.Environment) -> None:
    path = f"/{environment.api_token.rpartition('.')[0]}"
    response = environment.call("PUT", path, json={"name": "root", "enabled": False})
    assert refused(
        response, 400, "You can't disable the token you're using for authentication of the request."
    )
    assert names(environment, {}) == ["admin"]
    assert environment.call("PUT", path, json={"name": "root", "enabled": True}).status_code == 204


def test_personal_access_token_deletes_only_tokens_of_its_owner(
    environment: stand_in.Environment,
) -> None:
    personal = environment.issue("pat", ["apiTokens.write"], personalAccessToken=True)["token"]
    others, own = environment.plant("others"), environment.issue("own")
    assert environment.call("DELETE", f"/{others['id']}", token=personal).status_code == 403
    assert environment.call("DELETE", f"/{own['id']}", token=personal).status_code == 204


# Creating


def test_secrets_have_the_real_format_and_the_id_in_front(
    environment: stand_in.Environment,
) -> None:
    issued = environment.issue("ci")
    assert re.fullmatch(r"dt0c01\.[A-Z2-7]{24}\.[A-Z2-7]{64}", issued["token"])
    assert issued["token"].rpartition(".")[0] == issued["id"]


def test_names_are_not_unique(environment: stand_in.Environment) -> None:
    assert environment.issue("twin")["id"] != environment.issue("twin")["id"]
    assert names(environment, {}) == ["twin", "twin", "admin"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("now+30m", dt.timedelta(minutes=30)),
        ("now+5h", dt.timedelta(hours=5)),
        ("now+14d", dt.timedelta(days=14)),
        ("now+2w", dt.timedelta(weeks=2)),
    ],
)
def test_relative_expiry_counts_from_now(
    environment: stand_in.Environment, expression: str, expected: dt.timedelta
) -> None:
    before = dt.datetime.now(dt.timezone.utc) - dt.timedelta(milliseconds=1)
    answered = environment.issue("ci", expirationDate=expression)["expirationDate"]
    assert (
        before <= dt.datetime.fromisoformat(answered) - expected <= dt.datetime.now(dt.timezone.utc)
    )


@pytest.mark.parametrize(("expression", "months"), [("now+3M", 3), ("now+1y", 12)])
def test_months_and_years_follow_the_calendar(
    environment: stand_in.Environment, expression: str, months: int
) -> None:
    token = show(environment, environment.issue("ci", expirationDate=expression)["id"])
    created, expires = (
        dt.datetime.fromisoformat(token[name]) for name in ("creationDate", "expirationDate")
    )
    assert (expires.year * 12 + expires.month) - (created.year * 12 + created.month) == months
    assert expires.day == created.day or (
        expires.day < created.day and (expires + dt.timedelta(days=1)).day == 1
    )


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("4102444800123", "2100-01-01T00:00:00.123Z"),
        ("2100-01-01T01:00:00.123+01:00", "2100-01-01T00:00:00.123Z"),
        ("2100-01-01T00:00:00Z", "2100-01-01T00:00:00.000Z"),
        ("2100-01-01 00:00", "2100-01-01T00:00:00.000Z"),
    ],
)
def test_absolute_expiry_comes_back_in_one_form(
    environment: stand_in.Environment, expression: str, expected: str
) -> None:
    issued = environment.issue("ci", expirationDate=expression)
    assert issued["expirationDate"] == show(environment, issued["id"])["expirationDate"] == expected


@pytest.mark.parametrize(
    "expression",
    [
        "now-1d",
        "1600000000000",
        "2021-01-25T05:57:01.123+01:00",
        "tomorrow",
        "now+1x",
        "2100-01-01",
        "2100-02-30T00:00Z",
        "now+9999y",
        1,
    ],
)
def test_expiry_in_the_past_or_unreadable_is_a_violation(
    environment: stand_in.Environment, expression: t.Any
) -> None:
    response = environment.call(
        "POST", json={"name": "ci", "scopes": ["logs.read"], "expirationDate": expression}
    )
    assert violated(response, "PAYLOAD_BODY") == ["expirationDate"]
    assert environment.tokens() == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"scopes": ["metrics.read", "metrics.raed"]}, "scopes[1]"),
        ({"scopes": ["Metrics.Read"]}, "scopes[0]"),
        ({"scopes": [{"metrics": "read"}]}, "scopes[0]"),
        ({"scopes": []}, "scopes"),
        ({"scopes": "metrics.read"}, "scopes"),
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": 1}, "name"),
        ({"personalAccessToken": "yes"}, "personalAccessToken"),
        ({"enabled": True}, "enabled"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_bad_property_of_a_new_token_is_a_violation(
    environment: stand_in.Environment, change: dict[str, t.Any], path: str
) -> None:
    response = environment.call("POST", json={"name": "ci", "scopes": ["metrics.read"], **change})
    assert violated(response, "PAYLOAD_BODY") == [path]
    assert environment.tokens() == []


def test_missing_properties_are_violations(environment: stand_in.Environment) -> None:
    assert violated(
        environment.call("POST", json={"scopes": ["metrics.read"]}), "PAYLOAD_BODY"
    ) == ["name"]
    assert violated(environment.call("POST", json={"name": "ci"}), "PAYLOAD_BODY") == ["scopes"]
    assert violated(environment.call("POST", "/lookup", json={}), "PAYLOAD_BODY") == ["token"]


def test_null_is_as_good_as_missing(environment: stand_in.Environment) -> None:
    token = show(
        environment, environment.issue("ci", expirationDate=None, personalAccessToken=None)["id"]
    )
    assert "expirationDate" not in token
    assert token["personalAccessToken"] is False


@pytest.mark.parametrize(
    ("path", "method"), [("", "POST"), (UNKNOWN_ID, "PUT"), ("/lookup", "POST")]
)
@pytest.mark.parametrize(
    ("media_type", "status"),
    [("application/json; charset=utf-8", 400), ("text/plain", 415), ("", 415)],
)
def test_body_that_is_no_json_is_refused(
    environment: stand_in.Environment, method: str, path: str, media_type: str, status: int
) -> None:
    headers = {"Authorization": f"Api-Token {environment.api_token}", "Content-Type": media_type}
    response = requests.request(
        method, environment.url + stand_in.API + path, data="{", headers=headers, timeout=10
    )
    assert (response.status_code, response.json()["error"]["code"]) == (status, status)


def test_body_over_one_megabyte_is_413(environment: stand_in.Environment) -> None:
    assert (
        environment.call(
            "POST", json={"name": 1_000_000 * "x", "scopes": ["logs.read"]}
        ).status_code
        == 413
    )
    assert (
        environment.call("POST", json={"name": 999_000 * "x", "scopes": ["logs.read"]}).status_code
        == 201
    )


# Updating and deleting


def test_scopes_are_replaced_as_a_whole_and_the_rest_is_kept(
    environment: stand_in.Environment,
) -> None:
    token_id = environment.issue("ci", ["metrics.read", "logs.read"], expirationDate="now+1d")["id"]
    before = show(environment, token_id)
    environment.call("PUT", f"/{token_id}", json={"scopes": ["entities.read"]})
    after = show(environment, token_id)
    assert MOMENT.fullmatch(after.pop("modifiedDate"))
    assert after == before | {"scopes": ["entities.read"]}


def test_only_a_new_name_or_new_scopes_move_the_modified_date(
    environment: stand_in.Environment,
) -> None:
    token_id = environment.issue("ci")["id"]
    for enabled in (False, True):
        environment.call(
            "PUT",
            f"/{token_id}",
            json={"name": "ci", "enabled": enabled, "scopes": ["metrics.read"]},
        )
        assert show(environment, token_id)["enabled"] is enabled
        assert "modifiedDate" not in show(environment, token_id)
    environment.call("PUT", f"/{token_id}", json={"name": "cd"})
    assert MOMENT.fullmatch(show(environment, token_id)["modifiedDate"])


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"expirationDate": "now+1d"}, "expirationDate"),
        ({"personalAccessToken": True}, "personalAccessToken"),
        ({"owner": "x"}, "owner"),
        ({"enabled": "no"}, "enabled"),
        ({"scopes": ["nonsense"]}, "scopes[0]"),
        ({"name": ""}, "name"),
    ],
)
def test_bad_update_is_a_violation_and_changes_nothing(
    environment: stand_in.Environment, body: dict[str, t.Any], path: str
) -> None:
    token_id = environment.issue("ci")["id"]
    before = show(environment, token_id)
    assert violated(
        environment.call("PUT", f"/{token_id}", json={"name": "cd"} | body), "PAYLOAD_BODY"
    ) == [path]
    assert show(environment, token_id) == before


def test_a_secret_in_the_path_deletes_and_nothing_else(environment: stand_in.Environment) -> None:
    secret = environment.issue("ci")["token"]
    assert environment.call("GET", f"/{secret}").status_code == 404
    assert environment.call("PUT", f"/{secret}", json={"name": "cd"}).status_code == 404
    assert environment.call("DELETE", f"/{secret}").status_code == 204
    assert environment.tokens() == []


# Listing


def pages(environment: stand_in.Environment, query: dict[str, str]) -> list[dict[str, t.Any]]:
    answers = []
    while query:
        answers.append(environment.call("GET", params=query).json())
        key = answers[-1].get("nextPageKey")
        query = {"nextPageKey": key} if key else {}
    return answers


def test_pages_give_every_token_once_and_keep_to_the_query(
    small_pages: stand_in.Environment,
) -> None:
    answers = pages(
        small_pages, {"fields": "name", "sort": "name", "apiTokenSelector": 'scope("metrics.read")'}
    )
    listed = [token["name"] for answer in answers for token in answer["apiTokens"]]
    assert listed == [f"preloaded-{number}" for number in range(10)]
    assert [(len(answer["apiTokens"]), answer["totalCount"]) for answer in answers] == [
        (3, 10),
        (3, 10),
        (3, 10),
        (1, 10),
    ]
    assert all(set(token) == {"id", "name"} for answer in answers for token in answer["apiTokens"])


def test_last_page_has_a_null_key_and_an_only_page_none(small_pages: stand_in.Environment) -> None:
    assert pages(small_pages, {"sort": "name"})[-1]["nextPageKey"] is None
    assert (
        "nextPageKey" not in pages(small_pages, {"apiTokenSelector": 'scope("apiTokens.read")'})[0]
    )


def test_a_page_key_may_stand_beside_the_token(small_pages: stand_in.Environment) -> None:
    query = {"api-token": small_pages.api_token}
    for size in (3, 3, 3, 2):
        answer = requests.get(small_pages.url + stand_in.API, params=query, timeout=10).json()
        assert len(answer["apiTokens"]) == size
        query["nextPageKey"] = answer["nextPageKey"]
    assert query["nextPageKey"] is None


@pytest.mark.parametrize(
    "other", ["pageSize=100", "fields=%2Bscopes", "sort=name", "from=now-1d", "nextPageKey=x"]
)
def test_page_key_with_another_parameter_is_400(
    small_pages: stand_in.Environment, other: str
) -> None:
    key = urllib.parse.quote(small_pages.call("GET").json()["nextPageKey"])
    assert small_pages.call("GET", f"?nextPageKey={key}").status_code == 200
    assert violated(small_pages.call("GET", f"?nextPageKey={key}&{other}"), "QUERY") == [
        "nextPageKey"
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", DEFAULT_FIELDS),
        ("?fields=%2Bscopes", DEFAULT_FIELDS | {"scopes"}),
        ("?fields=%2Bscopes,%2BexpirationDate", DEFAULT_FIELDS | {"scopes", "expirationDate"}),
        ("?fields=-creationDate,-owner", {"id", "name", "enabled"}),
        ("?fields=%2Bscopes,-creationDate,-owner", {"id", "name", "enabled", "scopes"}),
        ("?fields=name,personalAccessToken", {"id", "name", "personalAccessToken"}),
        ("?fields=-id", DEFAULT_FIELDS),
    ],
)
def test_fields_are_what_was_asked_for(
    environment: stand_in.Environment, query: str, expected: set[str]
) -> None:
    environment.issue("ci", expirationDate="now+1d")
    assert set(environment.call("GET", query).json()["apiTokens"][0]) == expected


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("fields=+scopes", "fields"),  # the plus means a space here
        ("fields=%2Bscopes,name", "fields"),
        ("fields=%2Bsecret", "fields"),
        ("fields=", "fields"),
        ("pageSize=99", "pageSize"),
        ("pageSize=10001", "pageSize"),
        ("sort=owner", "sort"),
        ("from=yesterday", "from"),
        ("to=2021-13-01T00:00", "to"),
        ("nextPageKey=nonsense", "nextPageKey"),
        ("nextPageKey=MQ==", "nextPageKey"),
        ("name=ci", "name"),
        ('apiTokenSelector=name("ci")', "apiTokenSelector"),
        ("apiTokenSelector=owner(me)", "apiTokenSelector"),
        ('apiTokenSelector=owner("me","you")', "apiTokenSelector"),
        ('apiTokenSelector=owner("me")scope("x")', "apiTokenSelector"),
        ('apiTokenSelector=owner("nobody"),personalAccessToken(maybe)', "apiTokenSelector"),
    ],
)
def test_bad_query_of_a_list_is_a_violation(
    environment: stand_in.Environment, query: str, parameter: str
) -> None:
    assert violated(environment.call("GET", f"?{query}"), "QUERY") == [parameter]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ('owner("Anna (Ops)")', {"b", "c"}),
        ('owner("anna (ops)")', set()),
        ("personalAccessToken(true)", {"c"}),
        ("personalAccessToken(false)", {"admin", "a", "b"}),
        ('scope("logs.read")', {"b", "c"}),
        ('scope("logs.read","metrics.read")', {"a", "b", "c"}),
        ('scope("logs.read"),scope("metrics.read")', {"b"}),
        ('scope("logs.read"),owner("Anna (Ops)"),personalAccessToken(false)', {"b"}),
    ],
)
def test_selector_joins_values_by_or_and_criteria_by_and(
    environment: stand_in.Environment, selector: str, expected: set[str]
) -> None:
    environment.plant("a", ["metrics.read"])
    environment.plant("b", ["metrics.read", "logs.read"], owner="Anna (Ops)")
    environment.plant("c", ["logs.read"], owner="Anna (Ops)", personal_access_token=True)
    assert set(names(environment, {"apiTokenSelector": selector})) == expected


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", "abc"),
        ("-name", "cba"),
        ("creationDate", "bac"),
        ("-creationDate", "cab"),
        ("", "cab"),
        ("lastUsedDate", "bca"),  # never used first
        ("-lastUsedDate", "acb"),
        ("expirationDate", "cba"),
        ("-expirationDate", "abc"),  # unlimited first
        ("modifiedDate", "acb"),  # never modified first
    ],
)
def test_list_is_sorted_as_asked(
    environment: stand_in.Environment, sort: str, expected: str
) -> None:
    environment.plant("a", created="now-2d", last_used="now-1h")
    token_id = environment.plant("b", created="now-3d", expires="now+2d")["id"]
    environment.plant("c", created="now-1d", last_used="now-2h", expires="now+1d")
    environment.call("PUT", f"/{token_id}", json={"scopes": ["logs.read"]})
    listed = names(environment, {"sort": sort} if sort else {})
    # b alone was modified, so the others keep their order of making
    assert "".join(name for name in listed if name != "admin") == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {"admin", "never", "used-5d", "used-50m"}),
        ({"from": "now-1d"}, {"admin", "used-50m"}),
        ({"to": "now-1d"}, {"used-5d"}),
        ({"from": "now-6d", "to": "now-1d"}, {"used-5d"}),
        ({"from": "now-1M"}, {"admin", "used-5d", "used-50m"}),  # a month
        ({"from": "now-1m"}, {"admin"}),  # a minute
        ({"from": "1600000000000", "to": "2021-01-25 05:57"}, set()),
    ],
)
def test_from_and_to_go_by_the_last_use(
    environment: stand_in.Environment, query: dict[str, str], expected: set[str]
) -> None:
    environment.plant("never")
    environment.plant("used-5d", last_used="now-5d")
    environment.plant("used-50m", last_used="now-50m")
    assert set(names(environment, query)) == expected


def test_using_a_token_is_remembered(environment: stand_in.Environment) -> None:
    issued = environment.issue("ci", ["apiTokens.read"])
    assert "lastUsedDate" not in show(environment, issued["id"])
    environment.call("GET", token=issued["token"])
    shown = show(environment, issued["id"])
    assert (bool(MOMENT.fullmatch(shown["lastUsedDate"])), shown["lastUsedIpAddress"]) == (
        True,
        "127.0.0.1",
    )


# The log, the connections and the options


def test_log_tells_every_request(environment: stand_in.Environment) -> None:
    environment.call("GET", params={"sort": "name"})
    environment.call("DELETE", UNKNOWN_ID)
    path = urllib.parse.urlsplit(environment.url).path + stand_in.API
    assert environment.requests() == [
        {"method": "GET", "path": path, "query": {"sort": "name"}, "status": 200},
        {"method": "DELETE", "path": path + UNKNOWN_ID, "query": {}, "status": 404},
    ]
    environment.forget_requests()
    assert environment.requests() == []


def test_log_never_holds_a_secret(
    environment: stand_in.Environment, server: stand_in.Environment
) -> None:
    issued = environment.issue("ci")["token"]
    for secret in (issued, environment.api_token, server.api_token, UNKNOWN_SECRET):
        environment.call("DELETE", f"/{secret}")
        environment.call("GET", f"?api-token={secret}")
        environment.call("POST", "/lookup", json={"token": secret})
    log = environment.requests()
    assert len(log) == 13
    assert not re.search(r"[A-Z0-9]{64}", json.dumps(log))
    assert {issued, environment.api_token} == set(environment.secrets())


def test_connection_is_kept_alive(environment: stand_in.Environment) -> None:
    address = urllib.parse.urlsplit(environment.url)
    connection = http.client.HTTPConnection(address.netloc, timeout=10)
    sockets = []
    for path in ("", UNKNOWN_ID):
        connection.request(
            "GET",
            address.path + stand_in.API + path,
            headers={"Authorization": f"Api-Token {environment.api_token}"},
        )
        connection.getresponse().read()
        sockets.append(connection.sock)
    connection.close()
    assert sockets[0] is not None
    assert sockets[0] is sockets[1]


def test_many_clients_at_once_all_get_their_answer(environment: stand_in.Environment) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        issued = list(clients.map(environment.issue, [f"ci-{number}" for number in range(40)]))
    assert {token["id"] for token in environment.tokens()} == {answer["id"] for answer in issued}
    assert len(issued) == len(environment.tokens()) == 40


def test_preload_fills_the_first_environment_alone(small_pages: stand_in.Environment) -> None:
    assert small_pages.call("GET").json()["totalCount"] == 11
    assert stand_in.new_environment(small_pages).call("GET").json()["totalCount"] == 1


def test_latency_delays_an_answer() -> None:
    with stand_in.serve("--latency", "200") as slow:
        started = time.monotonic()
        assert slow.call("GET").status_code == 200
        assert time.monotonic() - started >= 0.2


def test_its_clock_can_be_set_and_goes_on_from_there(environment: stand_in.Environment) -> None:
    made = environment.issue("ci", expirationDate="now+1d")
    before = email.utils.parsedate_to_datetime(environment.call("GET").headers["Date"])
    environment.set_clock("now+2d")
    after = email.utils.parsedate_to_datetime(environment.call("GET").headers["Date"])
    assert dt.timedelta(days=2) <= after - before < dt.timedelta(days=2, minutes=1)
    assert environment.call("GET", token=made["token"]).status_code == 401
    assert (
        show(environment, environment.issue("later")["id"])["creationDate"]
        > show(environment, made["id"])["expirationDate"]
    )
