# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who calls: by an access token in the header or the query, by a platform token, or by an OAuth
access token.
"""

from __future__ import annotations

import typing as t

import multidict
from aiohttp import web

from environment import Bearer, Environment, Token
from problems import Problem

Identify = t.Callable[[Environment, web.Request], Token]

_IN_QUERY = "api-token"
_SCOPE_NAMES = {
    "apiTokens.read": "Read API tokens",
    "apiTokens.write": "Write API tokens",
    "TenantTokenManagement": "Token management",
    "InstallerDownload": "PaaS integration - Installer download",
    "activeGateTokenManagement.read": "Read ActiveGate tokens",
    "activeGateTokenManagement.create": "Create ActiveGate tokens",
    "activeGateTokenManagement.write": "Write ActiveGate tokens",
}
_FLEET = "fleet-management:activegate.tokens"
_ACTIVEGATES = "environment-api:activegate-tokens"
_SUFFICIENT = {  # where another scope than the operation's own suffices
    "activeGateTokenManagement.create": (
        "activeGateTokenManagement.create",
        "activeGateTokenManagement.write",
    ),
}
_BEARER_SCOPES = {
    "apiTokens.read": ("environment-api:api-tokens:read", "api-tokens:tokens:read"),
    "apiTokens.write": ("environment-api:api-tokens:write", "api-tokens:tokens:write"),
    "activeGateTokenManagement.read": (f"{_ACTIVEGATES}:read", f"{_FLEET}:read"),
    "activeGateTokenManagement.create": (
        f"{_ACTIVEGATES}:create",
        f"{_ACTIVEGATES}:write",
        f"{_FLEET}:create",
        f"{_FLEET}:write",
    ),
    "activeGateTokenManagement.write": (f"{_ACTIVEGATES}:write", f"{_FLEET}:write"),
    f"{_FLEET}:read": (f"{_FLEET}:read",),
    f"{_FLEET}:create": (f"{_FLEET}:create", f"{_FLEET}:write"),
    f"{_FLEET}:write": (f"{_FLEET}:write",),
}


def own_query(request: web.Request) -> multidict.MultiDict[str]:
    """The parameters that are for the operation itself."""
    return multidict.MultiDict(
        (name, value) for name, value in request.query.items() if name != _IN_QUERY
    )


def access_token(environment: Environment, request: web.Request) -> Token:
    """By an access token and by nothing else."""
    authorization = request.headers.get("Authorization")
    if authorization is None and _IN_QUERY in request.query:
        authorization = f"Api-Token {request.query[_IN_QUERY]}"
    return environment.authenticate(authorization, request.remote or "")


def classic(environment: Environment, request: web.Request) -> Token:
    """At /api/v2, which takes Bearer beside access tokens, or does not."""
    scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme == "Bearer" and environment.behaviour.bearer_at_classic_address:
        return _bearer(
            environment,
            secret,
            unknown="Token Authentication failed",
            ended="Token Authentication failed",
        )
    return access_token(environment, request)


def gateway(environment: Environment, request: web.Request) -> Token:
    """At /platform, which takes nothing but Bearer."""
    secret = bearer_secret(request)
    return _bearer(environment, secret, unknown="Could not parse JWT", ended="Jwt is expired")


def require(scope: str | None, caller: Token) -> None:
    """Without a scope, any access token suffices, but a Bearer has to be one that may read."""
    if isinstance(caller, Bearer):
        require_one(_BEARER_SCOPES[scope or "apiTokens.read"], caller)
    elif scope is not None and set(_SUFFICIENT.get(scope, (scope,))).isdisjoint(caller.scopes):
        named = (f"{one} ({_SCOPE_NAMES[one]})" for one in _SUFFICIENT.get(scope, (scope,)))
        raise Problem(403, f"Token is missing required scope. Use one of: {', '.join(named)}")


def require_one(sufficient: tuple[str, ...], caller: Token) -> None:
    if set(sufficient).isdisjoint(caller.scopes):
        raise Problem(403, f"Token is missing required scope. Use one of: {', '.join(sufficient)}")


def bearer_secret(request: web.Request) -> str:
    """What is given as Bearer, at an address that takes nothing else."""
    scheme, _space, secret = request.headers.get("Authorization", "undefined").partition(" ")
    if scheme != "Bearer":
        expected = "Dynatrace platform APIs require the authorization scheme 'Bearer'"
        raise Problem(401, f"Unsupported authorization scheme '{scheme}'. {expected}")
    return secret


def find_bearer(environment: Environment, secret: str, unknown: str) -> Bearer:
    """A Bearer of the account that is also for this environment, whether or not it expired."""
    account = environment.account
    caller = account.bearers.get(secret)
    if caller is None:
        raise Problem(401, unknown)
    if {environment.urn, account.urn}.isdisjoint(caller.resources):
        raise Problem(403, "The token is not valid for this environment")
    return caller


def _bearer(environment: Environment, secret: str, unknown: str, ended: str) -> Bearer:
    caller = find_bearer(environment, secret, unknown)
    now = environment.now()
    if caller.has_expired(now) or not caller.enabled:
        raise Problem(401, ended)
    caller.last_used = now
    return caller
