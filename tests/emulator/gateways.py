# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ActiveGates of an environment: the information that they connect with, and a control by which
tests have one connect.
"""

from __future__ import annotations

import typing as t

from aiohttp import web

import callers
from bodies import read_json
from environment import Environment, Token
from problems import Problem

_CONNECTION_INFO = "/api/v1/deployment/installer/gateway/connectioninfo"

Operation = t.Callable[..., t.Callable[[web.Request], t.Awaitable[web.Response]]]


def add_routes(router: web.UrlDispatcher, base: str, operation: Operation) -> None:
    served = operation("InstallerDownload", _show_connection, callers.classic)
    router.add_get(base + _CONNECTION_INFO, served)
    router.add_post(base + "/_emulator/gateways", _connect)


async def _show_connection(
    environment: Environment, _caller: Token, _request: web.Request
) -> web.Response:
    return web.json_response(
        {
            "tenantUUID": environment.id,
            "tenantToken": environment.tenant_token,
            "communicationEndpoints": "",
        }
    )


async def _connect(request: web.Request) -> web.Response:
    """An ActiveGate connects with the ActiveGate token in the body."""
    environment: Environment = request["environment"]
    secret = (await read_json(request)).get("token")
    now = environment.now()
    for token in environment.activegate_tokens.values():
        if token.secret == secret and (token.expires is None or now < token.expires):
            token.last_used = now
            return web.Response(status=204)
    raise Problem(401, "The ActiveGate token is not valid")
