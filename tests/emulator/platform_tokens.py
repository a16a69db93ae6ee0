# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The platform tokens of an account, at /iam/v1/accounts/{uuid} of the Account Management API.

A test can have the listing change between two pages: PUT /_emulator/account/listing takes a list
of changes, which replaces the earlier ones. Each is an object:

  before  make the change before this page is answered, counted from 1 since the changes were set
  do      vanish, first or last: the token with this id goes, or moves to an end of the listing;
          appear: a token is added, with these facts
  id, facts
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import functools
import re
import typing as t
import uuid

from aiohttp import web

import moments
from account import Account
from bodies import read_json
from environment import Bearer, Environment, credentials
from problems import Problem, bad_body

API = "/iam/v1/accounts/{account}"
MANAGE, WRITE = "platform-token:tokens:manage", "platform-token:tokens:write"
LARGEST_PAGE = 1000
LONGEST_NAME = 255

_OWNER = "someone@example.com"
_OPTIONAL = ("tags", "expirationDate", "userUuid")
_PARAMETERS = {"page": ("page", "size", 1), "pageNumber": ("pageNumber", "pageSize", 0)}
_FIELDS = ("name", "scope", "resource", *_OPTIONAL)
_SCOPE = re.compile(r"[a-z][a-z0-9.-]*(:[a-z0-9.-]+)+")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)

Operation = t.Callable[[Account, Bearer, web.Request], t.Awaitable[web.Response]]


@dataclasses.dataclass
class PlatformToken(Bearer):
    tags: list[str] = dataclasses.field(default_factory=list)
    description: str = ""

    def as_json(self) -> dict[str, t.Any]:
        """All that is known of it, for tests."""
        return dataclasses.asdict(self) | {
            name: moment and moments.text(moment)
            for name, moment in (
                ("created", self.created),
                ("expires", self.expires),
                ("last_used", self.last_used),
                ("modified", self.modified),
            )
        }


def add_routes(router: web.UrlDispatcher) -> None:
    """What is served once for all environments of the stand-in."""
    tokens, token = f"{API}/platform-tokens", f"{API}/platform-tokens/{{id}}"
    router.add_get(tokens, _operation(_list))
    router.add_post(tokens, _operation(_create))
    router.add_put(token + "/expiration-date", _operation(_set_expiration))
    router.add_put(token + "/status", _operation(_set_status))
    router.add_delete(token, _operation(_delete))


def add_controls(router: web.UrlDispatcher, base: str) -> None:
    """What tests need beside, at each of the account's environments."""
    router.add_get(base + "/_emulator/account", _show_account)
    router.add_get(base + "/_emulator/platformTokens", _show_tokens)
    router.add_post(base + "/_emulator/platformTokens", _plant)
    router.add_put(base + "/_emulator/account/behaviour", _set_behaviour)
    router.add_put(base + "/_emulator/account/listing", _set_listing_changes)


# Who calls


def _operation(operation: Operation) -> t.Callable[[web.Request], t.Awaitable[web.Response]]:
    @functools.wraps(operation)
    async def handle(request: web.Request) -> web.Response:
        await asyncio.sleep(request.app["settings"].latency)
        account: Account | None = request["account"]
        if account is None:
            raise Problem(403, "Forbidden resource")
        return await operation(account, _caller(account, request), request)

    return handle


def _caller(account: Account, request: web.Request) -> Bearer:
    """The OAuth client that calls; what else is a Bearer elsewhere is none here."""
    scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
    caller = account.bearers.get(secret)
    known = scheme == "Bearer" and caller is not None and not isinstance(caller, PlatformToken)
    if not known or caller is None or caller.has_expired(account.now()):
        raise Problem(401, "Unauthorized")
    if account.urn not in caller.resources or {MANAGE, WRITE}.isdisjoint(caller.scopes):
        raise Problem(403, "Forbidden resource")
    return caller


def _may_touch(caller: Bearer, token: PlatformToken) -> bool:
    return token.subject == caller.subject or MANAGE in caller.scopes


def _own_token(account: Account, caller: Bearer, request: web.Request) -> PlatformToken:
    """The token that is asked for, if the caller may change it."""
    token = account.platform_tokens.get(request.match_info["id"])
    if token is None:
        raise Problem(404, "Platform token not found")
    if not _may_touch(caller, token):
        raise Problem(403, "Forbidden resource")
    return token


# The listing


async def _list(account: Account, caller: Bearer, request: web.Request) -> web.Response:
    _change_listing(account)
    tokens = [
        token
        for token in account.platform_tokens.values()
        if _may_touch(caller, token) and _meets(account, token, request.query)
    ]
    number, size = _page(account, request)
    first = 0 if account.behaviour.paging == "pageNumber" else 1
    start = (number - first) * size
    grown = number - first if account.behaviour.total_changes else 0
    return web.json_response(
        {
            "pageSize": size,
            "pageNumber": number,
            "total": len(tokens) + grown,
            "results": [_entry(account, token) for token in tokens[start : start + size]],
        }
    )


def _meets(account: Account, token: PlatformToken, query: t.Mapping[str, str]) -> bool:
    term = query.get("searchTerm", "").lower()
    texts = (token.id, token.name, token.owner, *token.scopes)
    found = any(term in text.lower() for text in texts)
    return found and query.get("status", "") in ("", _status(account, token))


def _status(account: Account, token: PlatformToken) -> str:
    if not token.enabled:
        return "INACTIVE"
    expired = token.has_expired(account.now())
    return account.behaviour.status_of_expired if expired else "ACTIVE"


def _page(account: Account, request: web.Request) -> tuple[int, int]:
    """The number of the page and its size."""
    cap = account.behaviour.page_cap or request.app["settings"].page_cap or LARGEST_PAGE
    if account.behaviour.paging == "ignored":
        return 1, cap
    number, size, first = _PARAMETERS[account.behaviour.paging]
    return (
        _whole(number, request.query.get(number, str(first)), first),
        min(cap, _whole(size, request.query.get(size, str(cap)), 1)),
    )


def _whole(parameter: str, value: str, least: int) -> int:
    if not (value.isascii() and value.isdecimal()) or int(value) < least:
        raise Problem(400, f"{parameter} must not be less than {least}")
    return int(value)


def _entry(account: Account, token: PlatformToken) -> dict[str, t.Any]:
    behaviour = account.behaviour
    entry = {
        "tokenId": token.id,
        "accountUuid": account.uuid,
        "name": token.name,
        "scope": token.scopes,
        "resource": token.resources,
        "status": _status(account, token),
        "metadata": _metadata(account, token),
        "description": token.description,
        "tags": token.tags,
        "userUuid": token.subject,
    }
    if token.expires is not None:
        precision = "milliseconds" if behaviour.milliseconds else "seconds"
        entry["expirationDate"] = token.expires.isoformat(timespec=precision).replace("+00:00", "Z")
    if token.last_used is None and behaviour.metadata_of_unused == "missing":
        del entry["metadata"]
    return {name: value for name, value in entry.items() if name not in behaviour.entries_without}


def _metadata(account: Account, token: PlatformToken) -> dict[str, t.Any]:
    if token.last_used is None and account.behaviour.metadata_of_unused == "empty":
        return {}
    used = token.last_used and moments.text(token.last_used)
    return {"lastUsedAt": used, "lastClientIp": used and "127.0.0.1"}


def _change_listing(account: Account) -> None:
    account.listings += 1
    for change in account.listing_changes:
        if change["before"] == account.listings:
            _CHANGES[change["do"]](account, change)


def _vanish(account: Account, change: t.Mapping[str, t.Any]) -> None:
    _remove(account, account.platform_tokens[change["id"]])


def _appear(account: Account, change: t.Mapping[str, t.Any]) -> None:
    plant(account, change["facts"])


def _move_last(account: Account, change: t.Mapping[str, t.Any]) -> None:
    account.platform_tokens[change["id"]] = account.platform_tokens.pop(change["id"])


def _move_first(account: Account, change: t.Mapping[str, t.Any]) -> None:
    moved = account.platform_tokens.pop(change["id"])
    account.platform_tokens = {moved.id: moved} | account.platform_tokens


_CHANGES: dict[str, t.Callable[[Account, t.Mapping[str, t.Any]], None]] = {
    "vanish": _vanish,
    "appear": _appear,
    "first": _move_first,
    "last": _move_last,
}


# Creation


async def _create(account: Account, caller: Bearer, request: web.Request) -> web.Response:
    body = await _body(request, set(_FIELDS), _required(account))
    _check_name(body["name"])
    _check_resources(account, body["resource"])
    for scope in body["scope"]:
        if not _SCOPE.fullmatch(scope):
            raise Problem(400, f"Unknown scope: {scope}")
    expires = _moment(account, body["expirationDate"]) if "expirationDate" in body else None
    if body.get("userUuid", caller.subject) != caller.subject:
        raise Problem(403, "Forbidden resource")
    token = add(
        account,
        name=body["name"],
        scopes=body["scope"],
        resources=body["resource"],
        tags=body.get("tags", []),
        expires=expires,
        owner=caller.owner,
        subject=caller.subject,
    )
    return web.json_response({"name": token.name, "tokenId": token.id, "token": token.secret})


def _required(account: Account) -> set[str]:
    if account.behaviour.all_fields_required:
        return set(_FIELDS)
    owner = ["userUuid"] if account.behaviour.user_uuid_required else []
    return {"name", "scope", "resource", *owner}


async def _body(request: web.Request, known: set[str], required: set[str]) -> dict[str, t.Any]:
    body = await read_json(request)
    if not isinstance(body, dict):
        raise Problem(400, "Problem with json mapping.")
    for name, value in body.items():
        if name not in known:
            raise Problem(400, f"property {name} should not exist")
        if not _is_of_type(name, value):
            raise Problem(400, "Problem with json mapping.")
    for name in sorted(required):
        if name not in body:
            raise Problem(400, f"{name} should not be empty")
    return body


def _is_of_type(name: str, value: t.Any) -> bool:
    if name not in ("scope", "resource", "tags"):
        return isinstance(value, str)
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > LONGEST_NAME:
        raise Problem(400, f"name must have 1 to {LONGEST_NAME} characters")


def _check_resources(account: Account, resources: list[str]) -> None:
    if not resources:
        raise Problem(400, "resource should not be empty")
    for resource in resources:
        is_urn = re.fullmatch(r"urn:dt(environment|account):[\w.:-]+", resource)
        if not is_urn or (account.behaviour.checks_resources and resource not in account.resources):
            raise Problem(400, f"Invalid resource: {resource}")


def _moment(account: Account, value: str) -> dt.datetime:
    moment = moments.parse(value, account.now()) if _DATE.fullmatch(value) else None
    if moment is None:
        raise Problem(400, "Problem with json mapping.")
    if moment <= account.now():
        raise Problem(400, "expirationDate must be in the future")
    return moment


def add(account: Account, **facts: t.Any) -> PlatformToken:
    prefix, secret = credentials("dt0s16", 8)
    others = {"prefix": prefix, "uuid": str(uuid.uuid4())}
    token_id = others.get(account.behaviour.token_ids) or credentials("dt0s16", 8)[0]
    token = PlatformToken(
        token_id, secret, personal_access_token=False, **{"created": account.now()} | facts
    )
    account.platform_tokens[token_id] = token
    account.bearers[secret] = token
    account.secrets[secret] = None
    return token


def plant(account: Account, facts: t.Mapping[str, t.Any]) -> PlatformToken:
    """A token as the API would not make it: one that expired, or somebody else's."""
    times = {
        name: moments.parse(facts[name], account.now())
        for name in ("created", "expires", "last_used")
        if name in facts
    }
    defaults = {"name": "planted", "owner": _OWNER, "subject": str(uuid.uuid4())}
    return add(account, **defaults | dict(facts) | times)


# Changes


async def _set_expiration(account: Account, caller: Bearer, request: web.Request) -> web.Response:
    token = _own_token(account, caller, request)
    body = await _body(request, {"expirationDate"}, {"expirationDate"})
    token.expires = _moment(account, body["expirationDate"])
    return _empty(account)


async def _set_status(account: Account, caller: Bearer, request: web.Request) -> web.Response:
    token = _own_token(account, caller, request)
    status = (await _body(request, {"status"}, {"status"}))["status"]
    if status not in ("ACTIVE", "INACTIVE"):
        raise Problem(400, "Problem with json mapping.")
    token.enabled = status == "ACTIVE"
    return _empty(account)


async def _delete(account: Account, caller: Bearer, request: web.Request) -> web.Response:
    _remove(account, _own_token(account, caller, request))
    return _empty(account)


def _remove(account: Account, token: PlatformToken) -> None:
    del account.platform_tokens[token.id]
    account.bearers.pop(token.secret, None)


def _empty(account: Account) -> web.Response:
    return web.Response(status=account.behaviour.empty_status)


# For tests


async def _show_account(request: web.Request) -> web.Response:
    environment: Environment = request["environment"]
    return web.json_response(
        {
            "account_url": f"{request.scheme}://{request.host}",
            "account_uuid": environment.account.uuid,
            "environment_id": environment.id,
        }
    )


async def _show_tokens(request: web.Request) -> web.Response:
    """All facts but the secrets."""
    environment: Environment = request["environment"]
    tokens = environment.account.platform_tokens.values()
    return web.json_response([token.as_json() | {"secret": None} for token in tokens])


async def _plant(request: web.Request) -> web.Response:
    """One token, or all of a list."""
    body = await read_json(request)
    if not isinstance(body, list):
        return web.json_response(_planted(request["environment"], body), status=201)
    planted = [_planted(request["environment"], facts) for facts in body]
    return web.json_response(planted, status=201)


def _planted(environment: Environment, facts: t.Mapping[str, t.Any]) -> dict[str, str]:
    token = plant(environment.account, {"resources": [environment.urn]} | dict(facts))
    return {"id": token.id, "token": token.secret}


async def _set_behaviour(request: web.Request) -> web.Response:
    account = request["environment"].account
    account.behaviour = dataclasses.replace(account.behaviour, **await read_json(request))
    return web.Response(status=204)


async def _set_listing_changes(request: web.Request) -> web.Response:
    account: Account = request["environment"].account
    changes = await read_json(request)
    for place, change in enumerate(changes):
        if change.get("do") not in _CHANGES or not isinstance(change.get("before"), int):
            raise bad_body(f"[{place}]", f"must say before, and do: {', '.join(_CHANGES)}")
    account.listing_changes, account.listings = changes, 0
    return web.Response(status=204)
