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
    checked_id,
    moment_of,
    new_secret,
    path_of,
    shown_text,
)
from ansible_collections.community.dynatrace.plugins.module_utils._api.http_api import (
    ApiWithoutLookup,
    Listing,
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
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import (
    ACTIVEGATE,
    Kind,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
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


class ActiveGateTokenApi(ApiWithoutLookup):
    """See ``TokenApi``."""

    issues = (ACTIVEGATE,)
    changes_caller = False

    def __init__(self, http: Http) -> None:
        super().__init__(http)
        self._route = route = _ROUTES[http.activegate_api]
        self._listing = Listing(
            "the list of ActiveGate tokens", route.path, "activeGateTokens", route.page_key, _READ
        )

    def for_thread(self) -> ActiveGateTokenApi:
        return ActiveGateTokenApi(self._http.for_thread())

    # Reading

    def list(
        self, kind: Kind | None = None, usage: bool = False, wanted: Wanted | None = None
    ) -> t.Iterator[Token]:
        if kind not in (None, ACTIVEGATE):
            return
        query = {self._route.page_size: str(_PAGE_SIZE)}
        for entry in self._listing.entries(self._http, query):
            token = self._read(entry)
            if wanted is None or wanted(token.id or "", token.name):
                yield token

    def find_by_name(self, identity: Identity) -> t.Sequence[Token]:
        return [token for token in self.list() if token.becomes(identity)]

    def get(self, token_id: str) -> Token | None:
        path = path_of(self._route.path, token_id)
        answer = self._http.request(Request("GET", path, absent=(404,), scope=_READ))
        if answer.status == 404:
            # The whole route may be absent, which says nothing about the token: this would fail.
            return next((one for one in self.list() if one.id == token_id), None)
        return self._read(answer.data, token_id)

    def _read(self, entry: t.Any, asked: str | None = None) -> Token:
        data = an_object("an ActiveGate token", entry, _SERVER)
        redactor = Redactor(self._http.caller)
        name, told_type = shown_text(redactor, data.get("name")), data.get("activeGateType")
        seed = data.get("seedToken")
        return Token(
            id=checked_id(data.get("id"), data.get("expirationDate"), asked),
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
        secret = new_secret(self._http, data, data.get("id"))
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
