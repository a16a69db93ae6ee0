# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ActiveGate tokens, by three routes: the environment's API, the same API behind the gateway of
the platform, and the fleet management of the platform."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._api.answers import (
    an_object,
    is_id,
    moment_of,
    no_answer,
    path_of,
    shown_text,
    text_of,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.auth import Audience
from ansible_collections.community.dynatrace.plugins.module_utils._http.client import Http
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    Connection,
    apps_address,
    classic_address,
    environment_key,
    gateway_address,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import (
    Request,
    Server,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    Refused,
    RequestFailed,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import (
    ACTIVEGATE,
    Kind,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
    could_be_secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import (
    Period,
    format_timestamp,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    Token,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Issued, Wanted

_READ, _CREATE, _WRITE = (f"activeGateTokenManagement.{act}" for act in ("read", "create", "write"))
_PAGE_SIZE = 3000  # documented: the largest
_MOST_PAGES = 1000
_SERVER = Server(
    "Dynatrace",
    "environment_url and activegate_api",
    "Check environment_url and activegate_api.",
)


@dataclasses.dataclass(frozen=True)
class Route:
    """One way to the tokens of an environment."""

    address_of: t.Callable[[str], str]  # from that of the environment
    path: str
    page_size: str
    page_key: str
    has_types: bool  # whether it takes the type of the ActiveGate
    oauth_scopes: t.Mapping[str, str]


def _classic_api(url: str) -> str:
    return classic_address(url) + "/api"


# Seen in practice. There is no other one to create.
_CLASSIC_SCOPES = {
    _READ: "environment-api:activegate-tokens:read",
    _CREATE: "environment-api:activegate-tokens:write",
    _WRITE: "environment-api:activegate-tokens:write",
}
_FLEET_SCOPES = {
    _READ: "fleet-management:activegate.tokens:read",
    _CREATE: "fleet-management:activegate.tokens:create",
    _WRITE: "fleet-management:activegate.tokens:write",
}
_CLASSIC = Route(
    _classic_api, "/v2/activeGateTokens", "pageSize", "nextPageKey", True, _CLASSIC_SCOPES
)
_ROUTES = {
    "environment": _CLASSIC,
    "gateway": dataclasses.replace(_CLASSIC, address_of=gateway_address),
    "fleet_management": Route(
        apps_address,
        "/platform/fleet-management/v1/activegate/tokens",
        "page-size",
        "page-key",
        False,
        _FLEET_SCOPES,
    ),
}


def activegate_api(connection: Connection) -> Audience:
    """The API of the environment that has its ActiveGate tokens."""
    url = connection.environment_url
    route = _ROUTES[connection.activegate_api]
    resource = f"urn:dtenvironment:{environment_key(url)}"
    return Audience(route.address_of(url), route.oauth_scopes, resource, _SERVER)


class ActiveGateTokenApi:
    """See ``TokenApi``."""

    issues = (ACTIVEGATE,)
    changes_caller = False

    def __init__(self, http: Http) -> None:
        self._http = http
        self._route = _ROUTES[http.activegate_api]

    def now(self) -> dt.datetime:
        return self._http.now()

    def skew(self) -> dt.timedelta:
        return self._http.skew

    def for_thread(self) -> ActiveGateTokenApi:
        return ActiveGateTokenApi(self._http.for_thread())

    def caller_id(self) -> str | None:
        return None  # an ActiveGate token calls no API

    def lookup(self, secret: Secret) -> Token | None:
        return None  # Dynatrace does not tell whose a secret is

    def id_of(self, secret: Secret) -> str | None:
        return None

    # Reading

    def list(
        self, kind: Kind | None = None, usage: bool = False, wanted: Wanted | None = None
    ) -> t.Iterator[Token]:
        if kind not in (None, ACTIVEGATE):
            return
        for entry in self._entries():
            token = self._read(entry)
            if wanted is None or wanted(token.id or "", token.name):
                yield token

    def _entries(self) -> t.Iterator[t.Any]:
        """The entries of all pages of the listing."""
        query = {self._route.page_size: str(_PAGE_SIZE)}
        seen: set[str] = set()
        while len(seen) < _MOST_PAGES:
            answer = self._http.request(Request("GET", self._route.path, query, scope=_READ))
            page = an_object("a list of ActiveGate tokens", answer.data)
            entries = page.get("activeGateTokens", [] if "totalCount" in page else None)
            if not isinstance(entries, list):
                raise no_answer("a list of ActiveGate tokens")
            yield from entries
            key = page.get("nextPageKey")
            if not key:
                return
            if not isinstance(key, str) or key in seen:
                break
            seen.add(key)
            query = {self._route.page_key: key}  # documented: no other parameter beside it
        raise RequestFailed("Dynatrace's list of ActiveGate tokens does not end. Run again later.")

    def find_by_name(self, identity: Identity) -> t.Sequence[Token]:
        return [token for token in self.list() if token.becomes(identity)]

    def get(self, token_id: str) -> Token | None:
        path = path_of(self._route.path, token_id)
        answer = self._http.request(Request("GET", path, absent=(404,), scope=_READ))
        if answer.status == 404:
            # The whole route may be absent, which says nothing about the token: this would fail.
            return next((one for one in self.list() if one.id == token_id), None)
        token = self._read(answer.data)
        if token.id != token_id:
            raise RequestFailed(
                f"Dynatrace was asked for the token {token_id} and told of another, {token.id}. "
                "Nothing was done with it."
            )
        return token

    def _read(self, entry: t.Any) -> Token:
        data = an_object("an ActiveGate token", entry)
        _check_entry(data)
        redactor = Redactor(self._http.caller)
        name, told_type = shown_text(redactor, data.get("name")), data.get("activeGateType")
        seed = data.get("seedToken")
        return Token(
            id=data["id"],
            name=name,
            enabled=True,
            scopes=(),
            kind=ACTIVEGATE,
            expires=moment_of(data.get("expirationDate")),
            owner=shown_text(redactor, data.get("owner")) or None,
            created=moment_of(data.get("creationDate")),
            last_used=moment_of(data.get("lastUsedDate")),
            activegate_type=shown_text(redactor, told_type).lower() or None,
            seed=seed if isinstance(seed, bool) else None,
            complete=name == data.get("name"),
        )

    # Writing

    def create(self, token: Token, expires: Period | dt.datetime | None) -> Issued:
        until = expires.after(self.now()) if isinstance(expires, Period) else expires
        request = Request("POST", self._route.path, body=self._body(token, until), scope=_CREATE)
        data = an_object("a new ActiveGate token", self._http.request(request).data)
        secret = Secret(text_of(data.get("token")))
        self._http.redactor.hide(secret)
        if not could_be_secret(secret.reveal()) or not is_id(data.get("id")):
            raise RequestFailed(
                "Dynatrace's answer to the creation of a token has no id or no secret.",
                maybe_done=True,
            )
        return Issued(data["id"], secret, moment_of(data.get("expirationDate")) or until)

    def _body(self, token: Token, until: dt.datetime | None) -> dict[str, t.Any]:
        body: dict[str, t.Any] = {"name": token.name}
        asked_type = token.activegate_type or "environment"
        if self._route.has_types:
            body["activeGateType"] = asked_type.upper()
        elif asked_type != "environment":
            raise Refused(
                f"activegate_type: fleet management has no tokens for ActiveGates of the type "
                f"{asked_type}. Use activegate_api: environment or gateway."
            )
        if until is not None:
            body["expirationDate"] = format_timestamp(until)
        if token.seed is not None:
            body["seedToken"] = token.seed
        return body

    def update(self, before: Token, after: Token) -> None:
        raise Refused(f"Nothing of the ActiveGate token {before.id} can be changed.")

    def delete(self, token_id: str) -> None:
        path = path_of(self._route.path, token_id)
        self._http.request(Request("DELETE", path, absent=(404,), scope=_WRITE))

    def problem_of(self, secret: Secret, token: Token) -> str | None:
        seen = self.get(token.id or "")
        if seen is None:
            return "Dynatrace does not know it."
        return "It has expired." if seen.has_expired(self.now()) else None


def _check_entry(data: t.Mapping[str, t.Any]) -> None:
    if not is_id(data.get("id")):
        raise RequestFailed(
            "Dynatrace gave an id for a token that cannot be one. Nothing was done with that token."
        )
    date = data.get("expirationDate")
    if date is not None and moment_of(date) is None:
        raise RequestFailed(
            f"Dynatrace gave an expiration date for the token {data['id']} that is no point in "
            "time. Nothing was done with it."
        )
