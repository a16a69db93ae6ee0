# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the stand-in promises of ActiveGate tokens, by its three routes to them."""

from __future__ import annotations

import typing as t

import pytest
import requests

from support import stand_in

ROUTES = tuple(stand_in.ACTIVEGATE_APIS)
FLEET, CLASSIC = "fleet-management:activegate.tokens", "environment-api:activegate-tokens"
MANAGEMENT = "activeGateTokenManagement"


def call(
    environment: stand_in.Environment,
    route: str,
    method: str = "GET",
    path: str = "",
    may: t.Sequence[str] = ("read", "create", "write"),
    **kwargs: t.Any,
) -> requests.Response:
    """As a caller of the usual sort for this route, who may do so much."""
    if route == "v2":
        caller = environment.plant("caller", [f"{MANAGEMENT}.{action}" for action in may])["token"]
        authorization = f"Api-Token {caller}"
    else:
        family = FLEET if route == "fleet" else CLASSIC
        caller = environment.platform_token([f"{family}:{action}" for action in may])
        authorization = f"Bearer {caller}"
    url = environment.url + stand_in.ACTIVEGATE_APIS[route] + path
    headers = {"Authorization": authorization}
    return requests.request(method, url, headers=headers, timeout=10, **kwargs)


def body(route: str, **more: t.Any) -> dict[str, t.Any]:
    typed = {} if route == "fleet" else {"activeGateType": "CLUSTER"}
    return {"name": "gate"} | typed | more


def refusal(response: requests.Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert response.status_code == error["code"]
    return error["code"], str(error)


@pytest.mark.parametrize("route", ROUTES)
def test_the_routes_lead_to_the_same_tokens(environment: stand_in.Environment, route: str) -> None:
    answer = call(environment, route, "POST", json=body(route, expirationDate="now+60d"))
    made = answer.json()
    assert (answer.status_code, set(made)) == (201, {"id", "token", "expirationDate"})
    assert [len(part) for part in made["token"].split(".")] == [6, 8, 64]
    assert made["token"].startswith(made["id"] + ".")
    token = environment.activegate_tokens("gate")[0]
    assert token["activeGateType"] == ("ENVIRONMENT" if route == "fleet" else "CLUSTER")
    for other in ROUTES:
        shown = call(environment, other, path=f"/{made['id']}", may=["read"]).json()
        untyped = {name: value for name, value in token.items() if name != "activeGateType"}
        assert shown == (untyped if other == "fleet" else token)
    assert call(environment, route, "DELETE", f"/{made['id']}", may=["write"]).status_code == 204
    assert refusal(call(environment, route, path=f"/{made['id']}"))[0] == 404
    assert call(environment, route, "PUT", f"/{made['id']}", json={}).status_code == 405


@pytest.mark.parametrize("route", ROUTES)
def test_a_listing_has_pages(environment: stand_in.Environment, route: str) -> None:
    size, key = ("page-size", "page-key") if route == "fleet" else ("pageSize", "nextPageKey")
    for number in range(5):
        environment.plant_activegate_token(str(number))
    assert "nextPageKey" not in call(environment, route).json()
    environment.behave(activegate_page_cap=3)
    first = call(environment, route, params={size: 200}).json()
    second = call(environment, route, params={key: first["nextPageKey"]}).json()
    pages = [[token["name"] for token in page["activeGateTokens"]] for page in (first, second)]
    assert pages == [["0", "1", "2"], ["3", "4"]]
    assert (second["totalCount"], second["pageSize"], second["nextPageKey"]) == (5, 200, None)
    wrong: list[dict[str, t.Any]] = [
        {size: 99},
        {size: 3001},
        {key: "wrong"},
        {key: first["nextPageKey"], size: 200},
        {"page_size": 100},
    ]
    for query in wrong:
        assert refusal(call(environment, route, params=query))[0] == 400


@pytest.mark.parametrize(
    ("route", "changes", "named"),
    [
        ("v2", {"activeGateType": None}, "activeGateType"),
        ("classic", {"activeGateType": "environment"}, "activeGateType"),
        ("fleet", {"activeGateType": "ENVIRONMENT"}, "activeGateType"),
        ("v2", {"expirationDate": "now+25M"}, "2 years"),
        ("fleet", {"expirationDate": "now-1m"}, "past"),
        ("classic", {"name": ""}, "name"),
        ("fleet", {"scopes": []}, "scopes"),
    ],
)
def test_a_creation_is_refused(
    environment: stand_in.Environment, route: str, changes: dict[str, t.Any], named: str
) -> None:
    status, said = refusal(call(environment, route, "POST", json=body(route, **changes)))
    assert (status, named in said) == (400, True), said
    assert environment.activegate_tokens() == []


@pytest.mark.parametrize("route", ROUTES)
def test_a_caller_needs_the_scope(environment: stand_in.Environment, route: str) -> None:
    status, said = refusal(call(environment, route, "POST", may=["read"], json=body(route)))
    assert (status, "Use one of:" in said) == (403, True)
    assert refusal(call(environment, route, "DELETE", "/x", may=["create"]))[0] == 403
    assert refusal(call(environment, route, may=["write"]))[0] == 403
    assert call(environment, route, "POST", may=["write"], json=body(route)).status_code == 201


def test_an_access_token_has_to_be_for_the_environment(environment: stand_in.Environment) -> None:
    account = stand_in.account_of(environment)
    client = account.client([f"{FLEET}:read"])
    url = environment.url + stand_in.ACTIVEGATE_APIS["fleet"]

    def status(**form: str) -> int:
        secret = account.sign_on(client, **form).json()["access_token"]
        headers = {"Authorization": f"Bearer {secret}"}
        return requests.get(url, headers=headers, timeout=10).status_code

    assert (status(), status(resource=account.resource)) == (403, 200)
    environment.behave(account_grants_for_activegates=True)
    assert status() == 200


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_may_be_missing(environment: stand_in.Environment, route: str) -> None:
    environment.behave(activegate_routes=[other for other in ROUTES if other != route])
    statuses = {other: call(environment, other).status_code for other in ROUTES}
    assert statuses == dict.fromkeys(ROUTES, 200) | {route: 404}


def test_bearer_and_access_tokens_do_not_stand_in_for_each_other(
    environment: stand_in.Environment,
) -> None:
    for route in ("classic", "fleet"):
        url = environment.url + stand_in.ACTIVEGATE_APIS[route]
        headers = {"Authorization": f"Api-Token {environment.api_token}"}
        assert requests.get(url, headers=headers, timeout=10).status_code == 401
    platform = environment.platform_token([f"{CLASSIC}:read"])
    headers = {"Authorization": f"Bearer {platform}"}
    url = environment.url + stand_in.ACTIVEGATE_APIS["fleet"]
    assert requests.get(url, headers=headers, timeout=10).status_code == 403
