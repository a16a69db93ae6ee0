# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP side of the stand-in: routes, authentication, errors, and the endpoints for tests.

The API is served at the root, and for every environment that a test makes at /e/{id}, as Dynatrace Managed does.
"""

from __future__ import annotations

import asyncio
import dataclasses
import email.utils
import itertools
import json
import re
import typing as t

from aiohttp import web

from environment import Environment, Token
from listing import list_tokens
from problems import Problem

API = "/api/v2/apiTokens"
LARGEST_BODY = 1_000_000

_SECRET = re.compile(r"dt0[a-z]\d\d\.[A-Z0-9]+\.[A-Z0-9]{64}")
_SCOPE_NAMES = {"apiTokens.read": "Read API tokens", "apiTokens.write": "Write API tokens"}

Operation = t.Callable[[Environment, Token, web.Request], t.Awaitable[web.Response]]


@dataclasses.dataclass(frozen=True)
class Settings:
    latency: float = 0  # seconds
    page_cap: int | None = None


def make_app(environment: Environment, settings: Settings) -> web.Application:
    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[_answer])
    app["environments"] = {"": environment}
    app["names"] = itertools.count(1)
    app["settings"] = settings
    for base in ("", "/e/{environment}"):
        app.router.add_get(base + API, _operation("apiTokens.read", _list))
        app.router.add_post(base + API, _operation("apiTokens.write", _create))
        app.router.add_post(base + API + "/lookup", _operation(None, _lookup))
        app.router.add_get(base + API + "/{id}", _operation("apiTokens.read", _get))
        app.router.add_put(base + API + "/{id}", _operation("apiTokens.write", _update))
        app.router.add_delete(base + API + "/{id}", _operation("apiTokens.write", _delete))
        app.router.add_get(base + "/_emulator/requests", _show_requests)
        app.router.add_delete(base + "/_emulator/requests", _forget_requests)
        app.router.add_get(base + "/_emulator/secrets", _show_secrets)
        app.router.add_post(base + "/_emulator/tokens", _plant)
        app.router.add_put(base + "/_emulator/clock", _set_clock)
    app.router.add_post("/_emulator/environments", _make_environment)
    return app


@web.middleware
async def _answer(request: web.Request, handler: t.Callable[[web.Request], t.Awaitable[web.Response]]) -> web.Response:
    environment = request.app["environments"].get(request.match_info.get("environment", ""))
    try:
        if environment is None:
            raise Problem(404, "There is no such environment")
        request["environment"] = environment
        response = await handler(request)
    except Problem as problem:
        response = web.Response(status=problem.status) if problem.bare else _json(problem.envelope, problem.status)
    except web.HTTPException as error:
        response = _json(Problem(error.status, error.reason).envelope, error.status)
    if environment is not None:
        if "/_emulator/" not in request.path:
            environment.requests.append(_log_entry(request, response.status))
        response.headers["Date"] = email.utils.format_datetime(environment.now(), usegmt=True)
    return response


def _log_entry(request: web.Request, status: int) -> dict[str, t.Any]:
    entry = {"method": request.method, "path": request.path, "query": dict(request.query), "status": status}
    return json.loads(_SECRET.sub("***", json.dumps(entry)))


def _operation(scope: str | None, operation: Operation) -> t.Callable[[web.Request], t.Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        await asyncio.sleep(request.app["settings"].latency)
        environment: Environment = request["environment"]
        caller = environment.authenticate(request.headers.get("Authorization"), request.remote or "")
        if scope is not None and scope not in caller.scopes:
            raise Problem(403, f"Token is missing required scope. Use one of: {scope} ({_SCOPE_NAMES[scope]})")
        if operation is not _list and request.query:
            raise Problem(400, "This operation takes no query parameters")
        return await operation(environment, caller, request)

    return handle


async def _list(environment: Environment, _caller: Token, request: web.Request) -> web.Response:
    return _json(list_tokens(environment, request.query, request.app["settings"].page_cap))


async def _create(environment: Environment, caller: Token, request: web.Request) -> web.Response:
    return _json(environment.create(await _body(request), caller), 201)


async def _lookup(environment: Environment, _caller: Token, request: web.Request) -> web.Response:
    return _json(environment.lookup(await _body(request)).as_json())


async def _get(environment: Environment, _caller: Token, request: web.Request) -> web.Response:
    return _json(environment.get(request.match_info["id"]).as_json())


async def _update(environment: Environment, caller: Token, request: web.Request) -> web.Response:
    environment.update(request.match_info["id"], await _body(request), caller)
    return web.Response(status=204)


async def _delete(environment: Environment, caller: Token, request: web.Request) -> web.Response:
    environment.delete(request.match_info["id"], caller)
    return web.Response(status=204)


async def _show_requests(request: web.Request) -> web.Response:
    return _json(request["environment"].requests)


async def _forget_requests(request: web.Request) -> web.Response:
    request["environment"].requests.clear()
    return web.Response(status=204)


async def _show_secrets(request: web.Request) -> web.Response:
    return _json(request["environment"].secrets)


async def _plant(request: web.Request) -> web.Response:
    token = request["environment"].plant(await _body(request))
    return _json(token.as_json() | {"token": token.secret}, 201)


async def _set_clock(request: web.Request) -> web.Response:
    request["environment"].set_clock(await _body(request))
    return web.Response(status=204)


async def _make_environment(request: web.Request) -> web.Response:
    name = f"env{next(request.app['names'])}"
    environment = Environment()
    request.app["environments"][name] = environment
    return _json({"environment_url": f"{request.scheme}://{request.host}/e/{name}", "api_token": environment.make_admin()}, 201)


async def _body(request: web.Request) -> t.Any:
    if request.content_type != "application/json":
        raise Problem(415, f"The media type {request.content_type} is not supported")
    try:
        return await request.json()
    except ValueError:
        raise Problem(400, "Could not parse JSON") from None


def _json(data: t.Any, status: int = 200) -> web.Response:
    return web.json_response(data, status=status, content_type="application/json")
