# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access tokens as the Environment API v2 has them: ``/api/v2/apiTokens``."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
import urllib.parse

from ansible_collections.community.dynatrace.plugins.module_utils._errors import RequestFailed
from ansible_collections.community.dynatrace.plugins.module_utils._http import Http
from ansible_collections.community.dynatrace.plugins.module_utils._secret import Secret, looks_like_secret, public_id
from ansible_collections.community.dynatrace.plugins.module_utils._time import Period, format_timestamp, parse_timestamp
from ansible_collections.community.dynatrace.plugins.module_utils._token import Token, is_token_id, sorted_scopes

_PATH = "/api/v2/apiTokens"
_PAGE_SIZE = 10000  # documented: the largest
_READ, _WRITE = "apiTokens.read", "apiTokens.write"  # documented: the scopes that the operations need

# Documented: without being asked for, none of these is in a listing.
_COMPARED_FIELDS = "+scopes,+expirationDate,+personalAccessToken,+additionalMetadata"
_USAGE_FIELDS = ",+lastUsedDate,+lastUsedIpAddress,+modifiedDate"


@dataclasses.dataclass(frozen=True)
class Issued:
    """What the API answers to a creation; the secret is in this answer and nowhere else, ever."""

    id: str
    secret: Secret
    expires: dt.datetime | None


class TokenReader(t.Protocol):
    """What finding tokens needs. Every operation may raise ``RequestFailed``."""

    def now(self) -> dt.datetime:
        """The server's clock."""

    def caller_id(self) -> str | None:
        """The id of the calling token; None where Dynatrace does not tell (a platform token)."""

    def called(self, name: str, personal_access_token: bool) -> t.Sequence[Token]:
        """The tokens of this name and kind, those among them that are being issued."""

    def get(self, token_id: str) -> Token | None:
        """The token of this id, None where there is none."""

    def lookup(self, secret: Secret) -> Token | None:
        """The token that this secret belongs to; None where Dynatrace knows none."""


class TokenApiV2:
    """The operations. Every one may raise ``RequestFailed``."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def now(self) -> dt.datetime:
        return self._http.now()

    def skew(self) -> dt.timedelta:
        return self._http.skew

    def for_thread(self) -> TokenApiV2:
        """The same for another thread."""
        return TokenApiV2(self._http.for_thread())

    def caller_id(self) -> str | None:
        token_id = public_id(self._http.caller)
        if token_id is None:
            token = self.lookup(self._http.caller)
            token_id = token.id if token else None
        return token_id

    def list(
        self, personal_access_token: bool | None = None, usage: bool = False, wanted: t.Callable[[str, str], bool] | None = None
    ) -> t.Iterator[Token]:
        """All tokens, page by page; of one kind, if it is given.

        :param wanted: whether a token of this id and name is one of them. What is not wanted costs next to nothing.
        """
        query = {"pageSize": str(_PAGE_SIZE), "fields": _COMPARED_FIELDS + (_USAGE_FIELDS if usage else "")}
        if personal_access_token is not None:
            query["apiTokenSelector"] = f"personalAccessToken({str(personal_access_token).lower()})"
        seen = set()
        while True:
            page = self._object("the list of tokens", self._http.request("GET", _PATH, query, scope=_READ).data)
            for entry in page.get("apiTokens") or []:
                if wanted is None or not isinstance(entry, dict) or wanted(str(entry.get("id")), str(entry.get("name"))):
                    yield _token(entry)
            key = page.get("nextPageKey")
            if not key:
                return
            if key in seen:
                raise RequestFailed("Dynatrace answered the same page of its list of tokens twice. Run again later.")
            seen.add(key)
            query = {"nextPageKey": key}  # documented: no other parameter may stand beside it

    def called(self, name: str, personal_access_token: bool) -> t.Sequence[Token]:
        listed = self.list(personal_access_token, wanted=lambda _id, listed_name: listed_name.startswith(name))
        return [token for token in listed if token.is_called(name, personal_access_token)]

    def get(self, token_id: str) -> Token | None:
        answer = self._http.request("GET", _path(token_id), absent=(404,), scope=_READ)
        return _token(answer.data) if answer.status != 404 else None

    def create(self, name: str, scopes: t.Sequence[str], expires: Period | dt.datetime | None, personal_access_token: bool) -> Issued:
        body: dict[str, t.Any] = {"name": name, "scopes": list(scopes), "personalAccessToken": personal_access_token}
        if expires is not None:
            body["expirationDate"] = f"now+{expires}" if isinstance(expires, Period) else format_timestamp(expires)
        data = self._object("the new token", self._http.request("POST", _PATH, body=body, scope=_WRITE).data)
        if not (isinstance(data.get("id"), str) and isinstance(data.get("token"), str)):
            raise RequestFailed("Dynatrace's answer to the creation of a token has no id or no secret.", maybe_done=True)
        secret = Secret(data["token"])
        self._http.hide(secret)
        return Issued(data["id"], secret, _moment(data.get("expirationDate")))

    def update(self, token_id: str, name: str, enabled: bool, scopes: t.Sequence[str]) -> None:
        """Replace all that can be changed. Documented: the scopes are replaced as a whole."""
        self._http.request("PUT", _path(token_id), body={"name": name, "enabled": enabled, "scopes": list(scopes)}, scope=_WRITE)

    def delete(self, token_id: str) -> None:
        """Delete a token; one that is gone already is no error."""
        self._http.request("DELETE", _path(token_id), absent=(404,), scope=_WRITE)

    def lookup(self, secret: Secret) -> Token | None:
        self._http.hide(secret)
        answer = self._http.request("POST", _PATH + "/lookup", body={"token": secret.reveal()}, absent=(404,), reads=True)
        return _token(answer.data) if answer.status != 404 else None

    def lookup_itself(self, secret: Secret) -> Token | None:
        """As ``lookup``, but called with this very token. Documented: any scope suffices."""
        return TokenApiV2(self._http.as_caller(secret)).lookup(secret)

    @staticmethod
    def _object(what: str, data: t.Any) -> dict[str, t.Any]:
        if not isinstance(data, dict):
            raise RequestFailed(f"Dynatrace's answer is not {what}. Is environment_url that of an environment?", maybe_done=True)
        return data


def _path(token_id: str) -> str:
    # Documented: DELETE takes a whole secret in the address too, where it must never stand.
    if not is_token_id(token_id) or looks_like_secret(token_id):
        raise RequestFailed("Dynatrace gave an id for a token that cannot be one, so no request was made with it.")
    return f"{_PATH}/{urllib.parse.quote(token_id, safe='')}"


def _token(data: t.Any) -> Token:
    """A token from its JSON; what is missing or null takes the value that claims least."""
    data = TokenApiV2._object("a token", data)
    return Token(
        id=str(data.get("id") or ""),
        name=str(data.get("name") or ""),
        enabled=data.get("enabled") is True,
        scopes=sorted_scopes(str(scope) for scope in data.get("scopes") or []),
        personal_access_token=data.get("personalAccessToken") is True,
        expires=_moment(data.get("expirationDate")),
        owner=data.get("owner"),
        created=_moment(data.get("creationDate")),
        modified=_moment(data.get("modifiedDate")),
        last_used=_moment(data.get("lastUsedDate")),
        last_used_ip=data.get("lastUsedIpAddress"),
        made_by_product=bool(data.get("additionalMetadata")),
        complete=isinstance(data.get("enabled"), bool) and isinstance(data.get("scopes"), list),
    )


def _moment(value: t.Any) -> dt.datetime | None:
    return parse_timestamp(value) if isinstance(value, str) else None
