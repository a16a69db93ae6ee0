# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What gives a Bearer: the single sign-on, which issues access tokens to OAuth clients, and
platform tokens.
"""

from __future__ import annotations

import base64
import datetime as dt
import secrets
import typing as t
import uuid

from aiohttp import web

import moments
from environment import Bearer, Client, Environment, credentials

_OWNER = "someone@example.com"
_HEADER = base64.urlsafe_b64encode(b'{"alg":"ES256","typ":"JWT"}').decode().rstrip("=")


def add_routes(router: web.UrlDispatcher, base: str) -> None:
    router.add_post(base + "/sso/oauth2/token", _issue)
    router.add_post(base + "/_emulator/oauthClients", _plant_client)
    router.add_post(base + "/_emulator/platformTokens", _plant_platform_token)
    router.add_delete(base + "/_emulator/accessTokens", _revoke)


async def _issue(request: web.Request) -> web.Response:
    environment: Environment = request["environment"]
    encoded = request.content_type == "application/x-www-form-urlencoded"
    form = {name: str(value) for name, value in (await request.post()).items()} if encoded else {}
    client = environment.clients.get(form.get("client_id", ""))
    if client is None or not _acceptable(form, client):
        return _refusal({})
    scopes = form.get("scope", "").split() or client.scopes
    missing = [scope for scope in scopes if scope not in client.scopes]
    if missing:
        reason = (
            "UNSUCCESSFUL_OAUTH_ACCESS_TOKEN_VALIDATION_FAILED | "
            f"OAuth client is missing following scopes [{', '.join(missing)}]"
        )
        return _refusal(
            {"error": "invalid_request", "error_description": f"Invalid OAuth2 request. {reason}"}
        )
    return web.json_response(_access_token(environment, client, scopes))


def _acceptable(form: t.Mapping[str, str], client: Client) -> bool:
    expected = {
        "grant_type": "client_credentials",
        "client_secret": client.secret,
        "resource": f"urn:dtaccount:{client.account_uuid}",
    }
    return all(
        form.get(name) == value
        for name, value in expected.items()
        if name != "resource" or name in form
    )


def _access_token(environment: Environment, client: Client, scopes: list[str]) -> dict[str, t.Any]:
    secret = f"{_HEADER}.{secrets.token_urlsafe(120)}.{secrets.token_urlsafe(64)}"
    expires = environment.now() + dt.timedelta(seconds=client.expires_in)
    _add_bearer(environment, client.id, secret, scopes=scopes, owner=client.owner, expires=expires)
    return {
        "scope": " ".join(scopes),
        "token_type": "Bearer",
        "expires_in": client.expires_in,
        "access_token": secret,
        "resource": f"urn:dtaccount:{client.account_uuid}",
    }


def _refusal(more: dict[str, str]) -> web.Response:
    issue = secrets.token_hex(8).upper()
    return web.json_response(
        {"errorCode": 400, "message": "Bad Request", "issueId": issue} | more, status=400
    )


async def _plant_client(request: web.Request) -> web.Response:
    environment: Environment = request["environment"]
    facts = {
        "owner": _OWNER,
        "account_uuid": str(uuid.uuid4()),
        "expires_in": 300,
    } | await request.json()
    client_id, secret = credentials("dt0s02", 8)
    client = Client(client_id, secret, **facts)
    environment.clients[client_id] = client
    environment.secrets[secret] = None
    return web.json_response(
        {"client_id": client_id, "client_secret": secret, "account_uuid": client.account_uuid},
        status=201,
    )


async def _plant_platform_token(request: web.Request) -> web.Response:
    environment: Environment = request["environment"]
    facts = {"owner": _OWNER} | await request.json()
    if "expires" in facts:
        facts["expires"] = moments.parse(facts["expires"], environment.now())
    token_id, secret = credentials("dt0s16", 8)
    _add_bearer(environment, token_id, secret, **facts)
    return web.json_response({"id": token_id, "token": secret}, status=201)


async def _revoke(request: web.Request) -> web.Response:
    """No access token that an OAuth client got so far is taken any more."""
    environment: Environment = request["environment"]
    environment.bearers = {
        secret: caller
        for secret, caller in environment.bearers.items()
        if caller.id not in environment.clients
    }
    return web.Response(status=204)


def _add_bearer(environment: Environment, token_id: str, secret: str, **facts: t.Any) -> None:
    environment.bearers[secret] = Bearer(
        token_id, secret, token_id, personal_access_token=False, created=environment.now(), **facts
    )
    environment.secrets[secret] = None
