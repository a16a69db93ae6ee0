# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP side of the stand-in: routes, authentication, errors, and the endpoints for tests.

The API is served at the root, and for every environment that a test makes at /e/{id}, as Dynatrace
Managed does; the Account Management API at the root only, for all accounts. Requests can be made to
fail (see faults.py): those of an account and its environments are counted and logged together.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import email.utils
import itertools
import re
import typing as t

from aiohttp import web

import activegate_tokens
import callers
import effective_permissions
import gateways
import oauth
import platform_tokens
import v1
from account import Account
from bodies import read_json as _body
from door import Door
from environment import Environment, Token
from faults import Fault
from listing import list_tokens
from problems import Problem
from redaction import redact
from spoiling import send, spoil

API = "/api/v2/apiTokens"
GATEWAY_API = "/platform/classic/environment-api/v2/apiTokens"
LARGEST_BODY = 1_000_000

_ENVIRONMENT = re.compile("/e/([^/]+)/")
_ACCOUNT = re.compile("/iam/v1/accounts/([^/]+)/")
Handler = t.Callable[[web.Request], t.Awaitable[web.Response]]
Operation = t.Callable[[Environment, Token, web.Request], t.Awaitable[web.Response]]


@dataclasses.dataclass(frozen=True)
class Settings:
    latency: float = 0  # seconds
    page_cap: int | None = None


def make_app(environment: Environment, settings: Settings) -> web.Application:
    """The stand-in; who serves it sets app["listen"], which opens further ports."""
    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[_answer])
    app["environments"] = {"": environment, environment.id: environment}
    app["accounts"] = {environment.account.uuid: environment.account}
    app["names"] = itertools.count(1)
    app["settings"] = settings
    for base in ("", "/e/{environment}"):
        _add_v2(app.router, base + API, callers.classic)
        _add_v2(app.router, base + GATEWAY_API, callers.gateway)
        v1.add_routes(app.router, base, _operation)
        activegate_tokens.add_routes(app.router, base, _operation)
        effective_permissions.add_routes(app.router, base)
        gateways.add_routes(app.router, base, _operation)
        oauth.add_routes(app.router, base)
        platform_tokens.add_controls(app.router, base)
        app.router.add_get(base + "/_emulator/requests", _show_requests)
        app.router.add_delete(base + "/_emulator/requests", _forget_requests)
        app.router.add_get(base + "/_emulator/secrets", _show_secrets)
        app.router.add_post(base + "/_emulator/tokens", _plant)
        app.router.add_put(base + "/_emulator/clock", _set_clock)
        app.router.add_get(base + "/_emulator/faults", _show_faults)
        app.router.add_put(base + "/_emulator/faults", _set_faults)
        app.router.add_post(base + "/_emulator/door", _open_door)
        app.router.add_put(base + "/_emulator/behaviour", _set_behaviour)
    platform_tokens.add_routes(app.router)
    app.router.add_post("/_emulator/environments", _make_environment)
    return app


def _add_v2(router: web.UrlDispatcher, path: str, identify: callers.Identify) -> None:
    router.add_get(path, _operation("apiTokens.read", _list, identify, takes_query=True))
    router.add_post(path, _operation("apiTokens.write", _create, identify))
    router.add_post(path + "/lookup", _operation(None, _lookup, identify))
    router.add_get(path + "/{id}", _operation("apiTokens.read", _get, identify))
    router.add_put(path + "/{id}", _operation("apiTokens.write", _update, identify))
    router.add_delete(path + "/{id}", _operation("apiTokens.write", _delete, identify))


@web.middleware
async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    account = _account_of(request)
    is_control = "/_emulator/" in request.path
    fault = (
        None if account is None or is_control else account.faults.next(request.method, request.path)
    )
    true = (
        await _true_answer(request, handler)
        if fault is None or fault.carried_out
        else await _no_answer(request)
    )
    if account is None:
        return true
    answer = spoil(fault, true, request.path) if fault else true
    if not is_control:
        account.requests.append(_log_entry(request, answer, fault, account.secrets))
        await _refuse_what_is_next(account)
    if answer is not None:
        answer.headers.setdefault("Date", email.utils.format_datetime(account.now(), usegmt=True))
        if account.door is not None:
            answer.force_close()  # a kept connection would need no door
    return await send(fault, request, answer) if fault else true


def _environment_of(request: web.Request) -> Environment | None:
    found = _ENVIRONMENT.match(request.path)
    environment: Environment | None = request.app["environments"].get(found[1] if found else "")
    return environment


def _account_of(request: web.Request) -> Account | None:
    found = _ACCOUNT.match(request.path)
    if found:
        account: Account | None = request.app["accounts"].get(found[1])
        return account
    environment = _environment_of(request)
    return environment.account if environment else None


async def _true_answer(request: web.Request, handler: Handler) -> web.Response:
    try:
        request["account"] = _account_of(request)
        request["environment"] = _environment_of(request)
        if request["environment"] is None:
            raise Problem(404, "There is no such environment")
        return await handler(request)
    except Problem as problem:
        return _refusal(request, problem)
    except web.HTTPException as error:
        return _refusal(request, Problem(error.status, error.reason))


def _refusal(request: web.Request, problem: Problem) -> web.Response:
    if problem.bare:
        return web.Response(status=problem.status)
    return _json(problem.envelope_at(request.path), problem.status)


async def _no_answer(request: web.Request) -> web.Response:
    """For a request that is not carried out, but read: what then happens to the connection is no
    surprise while it is sent.
    """
    with contextlib.suppress(web.HTTPException):
        await request.read()
    return web.Response()


def _log_entry(
    request: web.Request,
    answer: web.Response | None,
    fault: Fault | None,
    secrets: t.Container[str],
) -> dict[str, t.Any]:
    status = None if answer is None else answer.status
    entry = {
        "method": request.method,
        "path": request.path,
        "query": dict(request.query),
        "status": status,
    }
    if fault is not None:
        entry["carried_out"] = fault.carried_out
    return redact(entry, secrets)


async def _refuse_what_is_next(account: Account) -> None:
    refusal = account.faults.refusal()
    if refusal is not None and account.door is not None:
        await account.door.shut(refusal.seconds)


def _operation(
    scope: str | None, operation: Operation, identify: callers.Identify, takes_query: bool = False
) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        await asyncio.sleep(request.app["settings"].latency)
        environment: Environment = request["environment"]
        caller = identify(environment, request)
        callers.require(scope, caller)
        if not takes_query and callers.own_query(request):
            raise Problem(400, "This operation takes no query parameters")
        return await operation(environment, caller, request)

    return handle


async def _list(environment: Environment, _caller: Token, request: web.Request) -> web.Response:
    return _json(
        list_tokens(environment, callers.own_query(request), request.app["settings"].page_cap)
    )


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
    return _json(request["account"].requests)


async def _forget_requests(request: web.Request) -> web.Response:
    request["account"].requests.clear()
    return web.Response(status=204)


async def _show_secrets(request: web.Request) -> web.Response:
    return _json(list(request["account"].secrets))


async def _plant(request: web.Request) -> web.Response:
    token = request["environment"].plant(await _body(request))
    return _json(token.as_json() | {"token": token.secret}, 201)


async def _set_clock(request: web.Request) -> web.Response:
    request["account"].set_clock(await _body(request))
    return web.Response(status=204)


async def _show_faults(request: web.Request) -> web.Response:
    return _json(request["account"].faults.left())


async def _set_faults(request: web.Request) -> web.Response:
    account: Account = request["account"]
    account.faults.set(await _body(request), account.door is not None)
    if account.door is not None:
        await account.door.open()
    await _refuse_what_is_next(account)
    return web.Response(status=204)


async def _open_door(request: web.Request) -> web.Response:
    account: Account = request["account"]
    if account.door is None:
        account.door = Door(request.app["listen"])
        await account.door.open()
    base = request.path.removesuffix("/_emulator/door")
    return _json(
        {"environment_url": f"{request.scheme}://127.0.0.1:{account.door.port}{base}"}, 201
    )


async def _set_behaviour(request: web.Request) -> web.Response:
    environment: Environment = request["environment"]
    environment.behaviour = dataclasses.replace(environment.behaviour, **await _body(request))
    return web.Response(status=204)


async def _make_environment(request: web.Request) -> web.Response:
    """In the account with this UUID, or in a new one."""
    uuid = request.query.get("account")
    account = Account() if uuid is None else request.app["accounts"][uuid]
    request.app["accounts"][account.uuid] = account
    environment = Environment(account, f"env{next(request.app['names'])}")
    request.app["environments"][environment.id] = environment
    return _json(
        {
            "environment_url": f"{request.scheme}://{request.host}/e/{environment.id}",
            "api_token": environment.make_admin(),
        },
        201,
    )


def _json(data: t.Any, status: int = 200) -> web.Response:
    return web.json_response(data, status=status, content_type="application/json")
