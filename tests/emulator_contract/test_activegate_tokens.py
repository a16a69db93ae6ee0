# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stand-in's ActiveGate tokens by three routes: what no other test would miss."""

from __future__ import annotations

import typing as t

import pytest
import requests

from support import stand_in
from support.stand_in import Environment, error_of

ROUTES = tuple(stand_in.ACTIVEGATE_APIS)
FAMILIES = {
    "v2": "activeGateTokenManagement.",
    "classic": "environment-api:activegate-tokens:",
    "fleet": "fleet-management:activegate.tokens:",
}
REFUSED = [
    ("v2", {"activeGateType": None}, "activeGateType"),
    ("classic", {"activeGateType": "environment"}, "activeGateType"),
    ("fleet", {"activeGateType": "ENVIRONMENT"}, "activeGateType"),
    ("v2", {"expirationDate": "now+25M"}, "expirationDate"),
    ("fleet", {"expirationDate": "now-1m"}, "expirationDate"),
    ("classic", {"name": ""}, "name"),
    ("fleet", {"scopes": []}, "scopes"),
]


def call(
    environment: Environment,
    route: str,
    method: str = "GET",
    path: str = "",
    may: t.Sequence[str] = ("read", "create", "write"),
    **options: t.Any,
) -> requests.Response:
    """The answer to a caller who may do so much."""
    scopes = [FAMILIES[route] + action for action in may]
    if route == "v2":
        authorization = f"Api-Token {environment.plant('caller', scopes)['token']}"
    else:
        authorization = f"Bearer {environment.platform_token(scopes)}"
    path = stand_in.ACTIVEGATE_APIS[route] + path
    return environment.ask(authorization, path, method, **options)


def body(route: str, **more: t.Any) -> dict[str, t.Any]:
    typed = {} if route == "fleet" else {"activeGateType": "CLUSTER"}
    return {"name": "gate", **typed, **more}


@pytest.mark.parametrize("route", ROUTES)
def test_the_routes_lead_to_the_same_tokens(environment: Environment, route: str) -> None:
    answer = call(environment, route, "POST", json=body(route, expirationDate="now+23M"))
    made = answer.json()
    assert (answer.status_code, set(made)) == (201, {"id", "token", "expirationDate"})
    assert made["token"].startswith(made["id"] + ".")
    (token,) = environment.activegate_tokens("gate")
    assert token["activeGateType"] == ("ENVIRONMENT" if route == "fleet" else "CLUSTER")
    path = f"/{made['id']}"
    shown = {other: call(environment, other, path=path).json() for other in ROUTES}
    untyped = {name: value for name, value in token.items() if name != "activeGateType"}
    assert shown == {"v2": token, "classic": token, "fleet": untyped}
    assert call(environment, route, "PUT", path, json={}).status_code == 405
    assert call(environment, route, "DELETE", path).status_code == 204
    error = "The requested ActiveGate token does not exist"
    assert error_of(call(environment, route, path=path)) == (404, error)


@pytest.mark.parametrize("route", ROUTES)
def test_a_listing_has_pages(environment: Environment, route: str) -> None:
    size, key = ("page-size", "page-key") if route == "fleet" else ("pageSize", "nextPageKey")
    for name in "abcde":
        environment.plant_activegate_token(name)
    assert "nextPageKey" not in call(environment, route).json()
    environment.behave(activegate_page_cap=3)
    first = call(environment, route, path=f"?{size}=200").json()
    next_key = first["nextPageKey"]
    second = call(environment, route, path=f"?{key}={next_key}").json()
    pages = [
        "".join(token["name"] for token in page["activeGateTokens"]) for page in (first, second)
    ]
    assert pages == ["abc", "de"]
    assert (second["totalCount"], second["pageSize"], second["nextPageKey"]) == (5, 200, None)
    for query, named in (
        (f"{size}=99", size),
        (f"{size}=3001", size),
        (f"{key}=wrong", key),
        (f"{key}={next_key}&{size}=200", key),
        ("page_size=100", "page_size"),
    ):
        assert error_of(call(environment, route, path=f"?{query}")) == (400, f"?{named}")


@pytest.mark.parametrize(("route", "changes", "named"), REFUSED)
def test_a_bad_property_of_a_new_token_is_named(
    environment: Environment, route: str, changes: dict[str, t.Any], named: str
) -> None:
    answer = call(environment, route, "POST", json=body(route, **changes))
    assert error_of(answer) == (400, named)
    assert environment.activegate_tokens() == []


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("method", "path", "may", "status"),
    [
        ("GET", "", "write", 403),
        ("POST", "", "read", 403),
        ("POST", "", "create", 201),
        ("POST", "", "write", 201),
        ("DELETE", "/x", "create", 403),
        ("DELETE", "/x", "write", 404),
    ],
)
def test_a_caller_needs_the_scope(
    environment: Environment, route: str, method: str, path: str, may: str, status: int
) -> None:
    answer = call(environment, route, method, path, [may], json=body(route))
    assert answer.status_code == status
    assert ("Use one of: " in answer.text) is (status == 403)


def test_an_access_token_has_to_be_for_the_environment(environment: Environment) -> None:
    account = stand_in.account_of(environment)
    client = account.client([f"{FAMILIES['fleet']}read"])
    for form, status in (({}, 403), ({"resource": account.resource}, 200)):
        bearer = account.sign_on(client, **form).json()["access_token"]
        answer = environment.ask(f"Bearer {bearer}", stand_in.ACTIVEGATE_APIS["fleet"])
        assert answer.status_code == status
