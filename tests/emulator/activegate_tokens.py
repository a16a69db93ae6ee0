# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ActiveGate tokens of an environment, by three routes to the same tokens: the environment
API v2, the same through the platform's gateway, and the fleet management API.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
import typing as t

from aiohttp import web

import callers
import moments
from bodies import read_json
from environment import Bearer, Environment, Token, checked, credentials
from platform_tokens import PlatformToken
from problems import Problem, bad_body, bad_query

SMALLEST_PAGE, LARGEST_PAGE = 100, 3000
LONGEST_LIFE = "now+2y"
TYPES = ("ENVIRONMENT", "CLUSTER")

Handler = t.Callable[[web.Request], t.Awaitable[web.Response]]
Operation = t.Callable[["Route", Environment, Token, web.Request], t.Awaitable[web.Response]]


@dataclasses.dataclass(frozen=True)
class Route:
    """One way to the tokens: how it names scopes and parameters, and whether it knows types."""

    name: str
    path: str
    identify: callers.Identify
    scopes: str  # without the action
    page_size: str
    page_key: str
    has_types: bool

    @property
    def parameters(self) -> set[str]:
        return {self.page_size, self.page_key}


_CLASSIC_SCOPES = "activeGateTokenManagement."
_ROUTES = (
    Route(
        name="v2",
        path="/api/v2/activeGateTokens",
        identify=callers.classic,
        scopes=_CLASSIC_SCOPES,
        page_size="pageSize",
        page_key="nextPageKey",
        has_types=True,
    ),
    Route(
        name="classic",
        path="/platform/classic/environment-api/v2/activeGateTokens",
        identify=callers.gateway,
        scopes=_CLASSIC_SCOPES,
        page_size="pageSize",
        page_key="nextPageKey",
        has_types=True,
    ),
    Route(
        name="fleet",
        path="/platform/fleet-management/v1/activegate/tokens",
        identify=callers.gateway,
        scopes="fleet-management:activegate.tokens:",
        page_size="page-size",
        page_key="page-key",
        has_types=False,
    ),
)


@dataclasses.dataclass
class ActiveGateToken:
    id: str
    secret: str
    name: str
    owner: str
    created: dt.datetime
    type: str = "ENVIRONMENT"
    seed: bool = False
    expires: dt.datetime | None = None
    last_used: dt.datetime | None = None

    def as_json(self) -> dict[str, t.Any]:
        """All that the API can tell of it; what there is not is left out."""
        facts = {
            "id": self.id,
            "name": self.name,
            "owner": self.owner,
            "activeGateType": self.type,
            "seedToken": self.seed,
            "creationDate": moments.text(self.created),
            "expirationDate": self.expires and moments.text(self.expires),
            "lastUsedDate": self.last_used and moments.text(self.last_used),
        }
        return {name: value for name, value in facts.items() if value is not None}


def add_routes(router: web.UrlDispatcher, base: str, operation: t.Callable[..., Handler]) -> None:
    for route in _ROUTES:
        _add_route(router, base, operation, route)
    router.add_get(base + "/_emulator/activeGateTokens", _show)
    router.add_post(base + "/_emulator/activeGateTokens", _plant)


def _add_route(
    router: web.UrlDispatcher, base: str, operation: t.Callable[..., Handler], route: Route
) -> None:
    def add(method: str, path: str, action: str, work: Operation) -> None:
        handler = operation(
            route.scopes + action, _bound(route, work), route.identify, takes_query=work is _list
        )
        router.add_route(method, base + route.path + path, _if_served(route, handler))

    add("GET", "", "read", _list)
    add("POST", "", "create", _create)
    add("GET", "/{id}", "read", _get)
    add("DELETE", "/{id}", "write", _delete)


def _if_served(route: Route, handler: Handler) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        if route.name not in request["environment"].behaviour.activegate_routes:
            raise Problem(404, "Not Found")
        return await handler(request)

    return handle


def _bound(
    route: Route, work: Operation
) -> t.Callable[[Environment, Token, web.Request], t.Awaitable[web.Response]]:
    async def handle(environment: Environment, caller: Token, request: web.Request) -> web.Response:
        _check_grant(environment, caller)
        return await work(route, environment, caller, request)

    return handle


def _check_grant(environment: Environment, caller: Token) -> None:
    """An access token of an OAuth client has to be for the environment, not for the account."""
    if isinstance(caller, PlatformToken) or not isinstance(caller, Bearer):
        return
    if environment.urn not in caller.resources:
        raise Problem(403, f"The access token is not for the resource {environment.urn}")


async def _list(
    route: Route, environment: Environment, _caller: Token, request: web.Request
) -> web.Response:
    query = callers.own_query(request)
    for parameter in query:
        if parameter not in route.parameters:
            raise bad_query(parameter, f"Unknown query parameter '{parameter}'")
    key, given_size = query.get(route.page_key), query.get(route.page_size)
    if key is not None and len(query) > 1:
        raise bad_query(
            route.page_key,
            f"When {route.page_key} is set, all other query parameters must be omitted",
        )
    offset, size = (0, _size(route, given_size)) if key is None else _read_key(route, key)
    tokens = list(environment.activegate_tokens.values())
    cap = environment.behaviour.activegate_page_cap or request.app["settings"].page_cap
    end = offset + min(size, cap or size)
    answer: dict[str, t.Any] = {
        "totalCount": len(tokens),
        "pageSize": size,
        "activeGateTokens": [_told(route, token) for token in tokens[offset:end]],
    }
    if end < len(tokens):
        answer["nextPageKey"] = _write_key(end, size)
    elif offset:
        answer["nextPageKey"] = None  # on a first page that is the last, it is absent
    return web.json_response(answer)


def _size(route: Route, value: str | None) -> int:
    if value is None:
        return SMALLEST_PAGE
    if not value.isdecimal() or not SMALLEST_PAGE <= int(value) <= LARGEST_PAGE:
        raise bad_query(route.page_size, f"must be between {SMALLEST_PAGE} and {LARGEST_PAGE}")
    return int(value)


def _write_key(offset: int, size: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([offset, size]).encode()).decode()


def _read_key(route: Route, key: str) -> tuple[int, int]:
    try:
        offset, size = json.loads(base64.urlsafe_b64decode(key))
    except (ValueError, TypeError):
        raise bad_query(route.page_key, "The given page key is not valid") from None
    return offset, size


def _told(route: Route, token: ActiveGateToken) -> dict[str, t.Any]:
    facts = token.as_json()
    if not route.has_types:
        del facts["activeGateType"]
    return facts


async def _create(
    route: Route, environment: Environment, caller: Token, request: web.Request
) -> web.Response:
    typed = {"activeGateType"} if route.has_types else set()
    allowed, required = {"name", "expirationDate", "seedToken"} | typed, {"name"} | typed
    body = checked(await read_json(request), allowed, required)
    kind = body.get("activeGateType", "ENVIRONMENT")
    if kind not in TYPES:
        raise bad_body("activeGateType", f"must be one of {', '.join(TYPES)}")
    token = _add(
        environment,
        name=body["name"],
        owner=caller.owner,
        type=kind,
        seed=body.get("seedToken", False),
        expires=_expiry(environment, body.get("expirationDate")),
    )
    answer = {"id": token.id, "token": token.secret}
    if token.expires:
        answer["expirationDate"] = moments.text(token.expires)
    return web.json_response(answer, status=201)


def _expiry(environment: Environment, value: str | None) -> dt.datetime | None:
    expires = environment.parse_expiration(value)
    latest = moments.parse(LONGEST_LIFE, environment.now())
    if expires is not None and latest is not None and expires > latest:
        raise bad_body("expirationDate", "must not be more than 2 years in the future")
    return expires


def _add(environment: Environment, **facts: t.Any) -> ActiveGateToken:
    token_id, secret = credentials("dt0g02", 8)
    token = ActiveGateToken(token_id, secret, **{"created": environment.now()} | facts)
    environment.activegate_tokens[token_id] = token
    environment.account.secrets[secret] = None
    return token


def _found(environment: Environment, request: web.Request) -> ActiveGateToken:
    token = environment.activegate_tokens.get(request.match_info["id"])
    if token is None:
        raise Problem(404, "The requested ActiveGate token does not exist")
    return token


async def _get(
    route: Route, environment: Environment, _caller: Token, request: web.Request
) -> web.Response:
    return web.json_response(_told(route, _found(environment, request)))


async def _delete(
    _route: Route, environment: Environment, _caller: Token, request: web.Request
) -> web.Response:
    del environment.activegate_tokens[_found(environment, request).id]
    return web.Response(status=204)


async def _show(request: web.Request) -> web.Response:
    environment: Environment = request["environment"]
    return web.json_response([token.as_json() for token in environment.activegate_tokens.values()])


async def _plant(request: web.Request) -> web.Response:
    environment: Environment = request["environment"]
    facts = {"owner": "someone@example.com"} | await read_json(request)
    for name in ("created", "expires", "last_used"):
        if name in facts:
            facts[name] = moments.parse(facts[name], environment.now())
    token = _add(environment, **facts)
    return web.json_response(token.as_json() | {"token": token.secret}, status=201)
