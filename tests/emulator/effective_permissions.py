# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Bearer may really do: POST /platform/management/v1/effective-permissions:resolve."""

from __future__ import annotations

import asyncio
import typing as t

from aiohttp import web

import callers
from bodies import read_json
from environment import Bearer, Environment
from platform_tokens import PlatformToken
from problems import Problem, bad_body

API = "/platform/management/v1/effective-permissions:resolve"
SCOPES = (
    "platform-management:effective-permissions:resolve",
    "app-engine:apps:run",
    "app-engine:functions:run",
)
MOST_PERMISSIONS = 100

_ALWAYS_CONDITIONAL = {
    "settings:schemas:read",
    "settings:objects:read",
    "settings:objects:write",
}


def add_routes(router: web.UrlDispatcher, base: str) -> None:
    router.add_post(base + API, _resolve)


async def _resolve(request: web.Request) -> web.Response:
    await asyncio.sleep(request.app["settings"].latency)
    environment: Environment = request["environment"]
    if not environment.behaviour.resolver:
        raise Problem(404, "Not Found")
    caller = _caller(environment, request)
    if environment.behaviour.resolver_needs_scope:
        callers.require_one(SCOPES, caller)
    asked = _permissions(await read_json(request))
    return web.json_response(_answer(environment, caller, asked))


def _caller(environment: Environment, request: web.Request) -> Bearer:
    """The Bearer; one that expired is known, but refused."""
    secret = callers.bearer_secret(request)
    caller = callers.find_bearer(environment, secret, unknown="Could not parse JWT")
    now = environment.now()
    if not caller.enabled:
        raise Problem(401, "The token is not active")
    if caller.has_expired(now):
        expired = 403 if isinstance(caller, PlatformToken) else 401
        raise Problem(expired, "The token is expired")
    caller.last_used = now
    return caller


def _permissions(body: t.Any) -> list[str]:
    permissions = body.get("permissions") if isinstance(body, dict) else None
    if not isinstance(permissions, list) or not permissions:
        raise bad_body("permissions", "must be a list that is not empty")
    if len(permissions) > MOST_PERMISSIONS:
        raise bad_body("permissions", f"must have at most {MOST_PERMISSIONS} entries")
    for place, asked in enumerate(permissions):
        if not isinstance(asked, dict) or not isinstance(asked.get("permission"), str):
            raise bad_body(f"permissions[{place}].permission", "must be text")
    return [asked["permission"] for asked in permissions]


def _answer(environment: Environment, caller: Bearer, asked: list[str]) -> t.Any:
    granted = [
        {"permission": permission, "granted": _granted(environment, caller, permission)}
        for permission in asked
    ]
    if not environment.behaviour.resolver_answers_object:
        return granted
    return {"permissions": [one | {"granted": one["granted"] == "true"} for one in granted]}


def _granted(environment: Environment, caller: Bearer, permission: str) -> str:
    behaviour = environment.behaviour
    if permission in _ALWAYS_CONDITIONAL | set(behaviour.conditional_scopes):
        return "condition"
    effective = permission in caller.scopes and permission not in behaviour.ineffective_scopes
    return "true" if effective else "false"
