# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The single sign-on, which issues access tokens to the OAuth clients of an account."""

from __future__ import annotations

import base64
import datetime as dt
import json
import secrets
import typing as t
import uuid

from aiohttp import web

from account import Account, Client
from environment import Bearer, Environment, credentials
from platform_tokens import PlatformToken

_OWNER = "someone@example.com"
_SECONDS = 300
_HEADER = base64.urlsafe_b64encode(b'{"alg":"ES256","typ":"JWT"}').decode().rstrip("=")


def add_routes(router: web.UrlDispatcher, base: str) -> None:
    router.add_post(base + "/sso/oauth2/token", _issue)
    router.add_post(base + "/_emulator/oauthClients", _plant_client)
    router.add_delete(base + "/_emulator/accessTokens", _revoke)


async def _issue(request: web.Request) -> web.Response:
    account = _account(request)
    encoded = request.content_type == "application/x-www-form-urlencoded"
    form = {name: str(value) for name, value in (await request.post()).items()} if encoded else {}
    client = account.clients.get(form.get("client_id", ""))
    resource = form.get("resource", account.urn)
    if client is None or not _acceptable(form, client) or resource not in account.resources:
        return _refusal({})
    scopes = form.get("scope", "").split() or client.scopes
    if not set(scopes) <= set(client.scopes):
        return _refusal({"error": "invalid_request", "error_description": ""})
    return web.json_response(_access_token(account, client, scopes, resource))


def _account(request: web.Request) -> Account:
    environment: Environment = request["environment"]
    return environment.account


def _acceptable(form: t.Mapping[str, str], client: Client) -> bool:
    expected = {"grant_type": "client_credentials", "client_secret": client.secret}
    return all(form.get(name) == value for name, value in expected.items())


def _access_token(
    account: Account, client: Client, scopes: list[str], resource: str
) -> dict[str, t.Any]:
    expires = account.now() + dt.timedelta(seconds=_SECONDS)
    secret = f"{_HEADER}.{_claims(client, expires)}.{secrets.token_urlsafe(64)}"
    account.secrets[secret] = None
    account.bearers[secret] = Bearer(
        client.id,
        secret,
        client.id,
        scopes,
        client.owner,
        personal_access_token=False,
        created=account.now(),
        expires=expires,
        subject=client.subject,
        resources=[resource],
    )
    return {
        "scope": " ".join(scopes),
        "token_type": "Bearer",
        "expires_in": _SECONDS,
        "access_token": secret,
        "resource": resource,
    }


def _claims(client: Client, expires: dt.datetime) -> str:
    claims = {
        "jti": secrets.token_urlsafe(32),
        "exp": int(expires.timestamp()),
        "sub": client.subject,
    }
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


def _refusal(more: dict[str, str]) -> web.Response:
    issue = secrets.token_hex(8).upper()
    return web.json_response(
        {"errorCode": 400, "message": "Bad Request", "issueId": issue} | more, status=400
    )


async def _plant_client(request: web.Request) -> web.Response:
    account = _account(request)
    facts = {"owner": _OWNER, "subject": str(uuid.uuid4())} | await request.json()
    client = Client(*credentials("dt0s02", 8), **facts)
    account.clients[client.id] = client
    account.secrets[client.secret] = None
    return web.json_response(
        {
            "client_id": client.id,
            "client_secret": client.secret,
            "account_uuid": account.uuid,
            "subject": client.subject,
        },
        status=201,
    )


async def _revoke(request: web.Request) -> web.Response:
    """No access token that an OAuth client got so far is taken any more."""
    account = _account(request)
    account.bearers = {
        secret: caller
        for secret, caller in account.bearers.items()
        if isinstance(caller, PlatformToken)
    }
    return web.Response(status=204)
