# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The token API v1, on the same tokens as v2: as much of it as the collection asks for.

A listing is not filtered, a creation is answered as JSON, and an expiration counts milliseconds.
"""

from __future__ import annotations

import datetime as dt
import functools
import typing as t

from aiohttp import web

import callers
import moments
from bodies import read_json
from environment import Environment, Token, checked
from problems import Problem, bad_body, bad_query

API = "/api/v1/tokens"
SCOPE = "TenantTokenManagement"
LARGEST_LIMIT = 1_000_000

Handler = t.Callable[[web.Request], t.Awaitable[web.Response]]
Operation = t.Callable[[Environment, Token, web.Request], t.Awaitable[web.Response]]


def add_routes(router: web.UrlDispatcher, base: str, operation: t.Callable[..., Handler]) -> None:
    def add(
        method: str, path: str, scope: str | None, work: Operation, takes_query: bool = False
    ) -> None:
        router.add_route(
            method,
            base + API + path,
            operation(scope, _with_bodies(work), callers.access_token, takes_query),
        )

    add("GET", "", SCOPE, _list, takes_query=True)
    add("POST", "", SCOPE, _create)
    add("POST", "/", SCOPE, _create)
    add("POST", "/lookup", None, _lookup)
    add("GET", "/{id}", SCOPE, _get)
    add("PUT", "/{id}", SCOPE, _update)
    add("DELETE", "/{id}", SCOPE, _delete)


def _with_bodies(work: Operation) -> Operation:
    """Unlike v2, v1 says in a body that there is no such token."""

    @functools.wraps(work)
    async def handle(environment: Environment, caller: Token, request: web.Request) -> web.Response:
        try:
            return await work(environment, caller, request)
        except Problem as problem:
            if problem.bare:
                raise Problem(problem.status, "The requested token has not been found.") from None
            raise

    return handle


async def _list(environment: Environment, _caller: Token, request: web.Request) -> web.Response:
    query = callers.own_query(request)
    for parameter in query:
        if parameter != "limit":
            raise bad_query(parameter, f"Unknown query parameter '{parameter}'")
    limit = query.get("limit", "1000")
    if not limit.isdecimal() or int(limit) > LARGEST_LIMIT:
        raise bad_query("limit", f"must be a number up to {LARGEST_LIMIT}")
    stubs = [{"id": token.id, "name": token.name} for token in environment.tokens.values()]
    return web.json_response({"values": stubs[: int(limit)]})


async def _create(environment: Environment, caller: Token, request: web.Request) -> web.Response:
    body = checked(
        await read_json(request), {"name", "scopes", "expiresIn"}, required={"name", "scopes"}
    )
    _check_unique(body["scopes"])
    expires = _expiry(body.pop("expiresIn", None), environment.now())
    token = environment.get(environment.create(body, caller)["id"])
    token.expires = expires
    response = web.json_response({"token": token.secret}, status=201)
    if environment.behaviour.v1_location:
        response.headers["Location"] = token.id
    return response


def _expiry(duration: dict[str, t.Any] | None, now: dt.datetime) -> dt.datetime | None:
    if duration is None:
        return None
    value, unit = duration.get("value"), duration.get("unit", "MILLIS")
    for name in duration:
        if name not in ("value", "unit"):
            raise bad_body(f"expiresIn.{name}", f"Unknown JSON property '{name}'")
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise bad_body("expiresIn.value", "must be a positive number")
    if unit != "MILLIS":
        raise bad_body("expiresIn.unit", "The stand-in counts only MILLIS")
    try:
        return now + dt.timedelta(milliseconds=value)
    except OverflowError:
        raise bad_body("expiresIn.value", "is too large") from None


def _check_unique(scopes: list[str]) -> None:
    if len(set(scopes)) != len(scopes):
        raise bad_body("scopes", "must only contain unique elements")


async def _lookup(environment: Environment, _caller: Token, request: web.Request) -> web.Response:
    return _metadata(environment, environment.lookup(await read_json(request)))


async def _get(environment: Environment, _caller: Token, request: web.Request) -> web.Response:
    return _metadata(environment, environment.get(request.match_info["id"]))


async def _update(environment: Environment, caller: Token, request: web.Request) -> web.Response:
    token = environment.get(request.match_info["id"])
    body = checked(await read_json(request), {"name", "scopes", "revoked"}, required=set())
    _check_unique(body.get("scopes", []))
    if token is caller:
        raise Problem(
            400, "You can't update the token you're using for authentication of the request."
        )
    if "revoked" in body:
        body["enabled"] = not body.pop("revoked")
    environment.update(token.id, body, caller)
    return web.Response(status=204)


async def _delete(environment: Environment, caller: Token, request: web.Request) -> web.Response:
    environment.delete(request.match_info["id"], caller)
    return web.Response(status=204)


def _metadata(environment: Environment, token: Token) -> web.Response:
    as_in_example = environment.behaviour.v1_as_in_example
    moment = _text if as_in_example else moments.millis
    facts = {
        "id": token.id,
        "name": token.name,
        "userId": token.owner,
        "revoked": not token.enabled,
        "created": moment(token.created),
        "expires": token.expires and moment(token.expires),
        "lastUse": token.last_used and moment(token.last_used),
        "personalAccessToken": token.personal_access_token,
        "scopes": token.scopes,
    }
    left_out = (None, False) if as_in_example else (None,)
    return web.json_response(
        {name: value for name, value in facts.items() if value not in left_out}
    )


def _text(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
