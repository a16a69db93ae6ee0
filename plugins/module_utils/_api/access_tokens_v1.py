# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access tokens as the older Environment API v1 has them: ``/v1/tokens``."""

from __future__ import annotations

import datetime as dt
import functools
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._api.access_tokens import (
    AccessTokenApi,
)
from ansible_collections.community.dynatrace.plugins.module_utils._api.answers import (
    an_object,
    is_caller,
    no_answer,
    path_of,
    read_token,
    text_of,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import Request
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import RequestFailed
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import ACCESS, Kind
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Secret,
    could_be_secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import (
    Period,
    format_timestamp,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Token
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Issued, Wanted

_PATH = "/v1/tokens"
_LIMIT = 1_000_000  # documented: the largest, and nothing tells that a list was cut off there
_SCOPE = "TenantTokenManagement"  # documented: for everything but looking tokens up


class TokenApiV1(AccessTokenApi):
    """See ``TokenApi``.

    A list has ids and names only, so that each wanted token costs a request of its own.
    """

    _path = _PATH
    _write_scope = _SCOPE

    issues = (ACCESS,)
    changes_caller = False

    def for_thread(self) -> TokenApiV1:
        return TokenApiV1(self._http.for_thread())

    def caller_id(self) -> str | None:
        return self._caller_id

    @functools.cached_property
    def _caller_id(self) -> str | None:
        return self.id_of(self._http.caller) if self._http.caller else None

    def id_of(self, secret: Secret) -> str | None:
        # Looked up, because the examples of this version have ids that do not stand in the secret.
        token = self.lookup(secret)
        return token.id if token else None

    def list(
        self,
        kind: Kind | None = None,
        usage: bool = False,
        wanted: Wanted | None = None,
    ) -> t.Iterator[Token]:
        data = an_object(
            "the list of tokens",
            self._http.request(Request("GET", _PATH, {"limit": str(_LIMIT)}, scope=_SCOPE)).data,
        )
        values = data.get("values")
        if not isinstance(values, list):
            raise no_answer("the list of tokens")
        stubs = [an_object("a token", stub) for stub in values]
        if len(stubs) >= _LIMIT:
            raise RequestFailed(
                f"The list of tokens has {_LIMIT} or more, of which the API v1 tells no others. "
                "Use api_version: v2."
            )
        for stub in stubs:
            if wanted is None or wanted(text_of(stub.get("id")), text_of(stub.get("name"))):
                token = self.get(text_of(stub.get("id")))
                if token is not None and kind in (None, token.kind):
                    yield token

    def get(self, token_id: str) -> Token | None:
        answer = self._http.request(
            Request("GET", path_of(_PATH, token_id), absent=(404,), scope=_SCOPE)
        )
        return (
            read_token(self._http, _as_v2(answer.data), token_id) if answer.status != 404 else None
        )

    def create(self, token: Token, expires: Period | dt.datetime | None) -> Issued:
        body: dict[str, t.Any] = {"name": token.name, "scopes": list(token.scopes)}
        if expires is not None:
            end = expires.after(self.now()) if isinstance(expires, Period) else expires
            body["expiresIn"] = {
                "value": max(1, round((end - self.now()).total_seconds() * 1000)),
                "unit": "MILLIS",
            }
        request = Request("POST", _PATH, body=body, scope=_SCOPE, text=True)
        secret = _secret(self._http.request(request).data)
        self._http.redactor.hide(secret)
        issued = self._issued(secret)
        return Issued(str(issued.id), secret, issued.expires)

    def _issued(self, secret: Secret) -> Token:
        """What was issued just now: the answer has no id."""
        try:
            token = self.lookup(secret)
        except RequestFailed as error:
            error.maybe_done = True
            raise
        if token is None:
            raise RequestFailed(
                "Dynatrace does not know the token that it has just issued.", maybe_done=True
            )
        if secret == self._http.caller or is_caller(self._http, str(token.id)):
            raise RequestFailed(
                "Dynatrace's answer to the creation of a token is about the calling one.",
                maybe_done=True,
            )
        return token

    def update(self, before: Token, after: Token) -> None:
        body = {"name": after.name, "revoked": not after.enabled, "scopes": list(after.scopes)}
        path = path_of(_PATH, before.id or "")
        self._http.request(Request("PUT", path, body=body, scope=_SCOPE))

    def _read(self, data: t.Any, secret: Secret) -> Token:
        return read_token(self._http, _as_v2(data))


def _secret(data: t.Any) -> Secret:
    """The secret in the answer to a creation.

    Documented: as JSON, as plain text, or as CSV with or without a heading.
    """
    if isinstance(data, dict):
        text = text_of(data.get("token"))
    else:
        text = (text_of(data).split() or [""])[-1].strip('"')
    if not could_be_secret(text):
        raise RequestFailed(
            "Dynatrace's answer to the creation of a token has no secret.", maybe_done=True
        )
    return Secret(text)


def _as_v2(data: t.Any) -> dict[str, t.Any]:
    """What version 2 would tell. Documented: of all this, only scopes is always there."""
    data = an_object("a token", data)
    revoked = data.get("revoked", False)
    return {
        "id": data.get("id"),
        "name": data.get("name"),
        "enabled": not revoked if isinstance(revoked, bool) else None,
        "scopes": data.get("scopes"),
        "personalAccessToken": data.get("personalAccessToken"),
        "owner": data.get("userId"),
        "creationDate": _date(data.get("created")),
        "expirationDate": _date(data.get("expires")),
        "lastUsedDate": _date(data.get("lastUse")),
    }


def _date(value: t.Any) -> t.Any:
    """Milliseconds since 1970, as the schema says, as text, as the examples have it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    try:
        return format_timestamp(dt.datetime.fromtimestamp(value / 1000, dt.timezone.utc))
    except (ValueError, OverflowError, OSError):
        return "no point in time"
