# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access tokens as the Environment API v2 has them: ``/v2/apiTokens``."""

from __future__ import annotations

import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._api.access_tokens import (
    AccessTokenApi,
)
from ansible_collections.community.dynatrace.plugins.module_utils._api.answers import (
    an_object,
    id_of,
    is_caller,
    moment_of,
    new_secret,
    path_of,
    read_token,
    text_of,
)
from ansible_collections.community.dynatrace.plugins.module_utils._api.http_api import Listing
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import is_bearer
from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import Request
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import RequestFailed
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import (
    ACCESS,
    PERSONAL_ACCESS,
    Kind,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Secret,
    public_id,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import (
    Period,
    format_timestamp,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Token
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Issued, Wanted

_PATH = "/v2/apiTokens"
_PAGE_SIZE = 10000  # documented: the largest
_READ, _WRITE = (
    "apiTokens.read",
    "apiTokens.write",
)  # documented: the scopes that the operations need
_LISTING = Listing("the list of tokens", _PATH, "apiTokens", "nextPageKey", _READ)

# Documented: without being asked for, none of these is in a listing.
_COMPARED_FIELDS = "+scopes,+expirationDate,+personalAccessToken,+additionalMetadata"
_USAGE_FIELDS = ",+lastUsedDate,+lastUsedIpAddress,+modifiedDate"


class TokenApiV2(AccessTokenApi):
    """See ``TokenApi``."""

    _path = _PATH
    _write_scope = _WRITE

    issues = (ACCESS, PERSONAL_ACCESS)
    changes_caller = True

    def for_thread(self) -> TokenApiV2:
        return TokenApiV2(self._http.for_thread())

    def caller_id(self) -> str | None:
        if self._http.caller is None or is_bearer(self._http.caller):
            return None
        return self.id_of(self._http.caller)

    def id_of(self, secret: Secret) -> str | None:
        return id_of(secret, self.lookup)

    def list(
        self,
        kind: Kind | None = None,
        usage: bool = False,
        wanted: Wanted | None = None,
    ) -> t.Iterator[Token]:
        for entry in self._entries(kind, usage):
            if wanted is None or not isinstance(entry, dict) or _is_wanted(entry, wanted):
                yield read_token(self._http, entry)

    def _entries(self, kind: Kind | None, usage: bool) -> t.Iterator[t.Any]:
        """The entries of all pages of the listing."""
        query = {
            "pageSize": str(_PAGE_SIZE),
            "fields": _COMPARED_FIELDS + (_USAGE_FIELDS if usage else ""),
        }
        if kind is not None:
            query["apiTokenSelector"] = f"personalAccessToken({str(kind.personal).lower()})"
        yield from _LISTING.entries(self._http, query)

    def get(self, token_id: str) -> Token | None:
        answer = self._http.request(
            Request("GET", path_of(_PATH, token_id), absent=(404,), scope=_READ)
        )
        return read_token(self._http, answer.data, token_id) if answer.status != 404 else None

    def create(self, token: Token, expires: Period | dt.datetime | None) -> Issued:
        body: dict[str, t.Any] = {
            "name": token.name,
            "scopes": list(token.scopes),
            "personalAccessToken": token.kind.personal,
        }
        if expires is not None:
            body["expirationDate"] = (
                f"now+{expires}" if isinstance(expires, Period) else format_timestamp(expires)
            )
        request = Request("POST", _PATH, body=body, scope=_WRITE)
        data = an_object("the new token", self._http.request(request).data)
        secret = new_secret(self._http, data, data.get("id"))
        if public_id(secret) not in (None, data["id"]) or is_caller(self._http, data["id"]):
            raise RequestFailed(
                "Dynatrace's answer to the creation of a token has the id of another token.",
                maybe_done=True,
            )
        return Issued(data["id"], secret, moment_of(data.get("expirationDate")))

    def update(self, before: Token, after: Token) -> None:
        # All three, because one that is left out might be taken away.
        body = {"name": after.name, "enabled": after.enabled, "scopes": list(after.scopes)}
        path = path_of(_PATH, before.id or "")
        self._http.request(Request("PUT", path, body=body, scope=_WRITE))

    def _read(self, data: t.Any, secret: Secret) -> Token:
        return read_token(self._http, data, public_id(secret))


def _is_wanted(entry: t.Mapping[str, t.Any], wanted: Wanted) -> bool:
    return wanted(text_of(entry.get("id")), text_of(entry.get("name")))
