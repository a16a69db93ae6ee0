# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Platform tokens, as Account Management has them: ``/iam/v1/accounts/UUID/platform-tokens``."""

from __future__ import annotations

import datetime as dt
import re
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._api.answers import (
    an_object,
    checked_id,
    moment_of,
    new_secret,
    no_answer,
    path_of,
    shown_text,
    text_of,
)
from ansible_collections.community.dynatrace.plugins.module_utils._api.http_api import (
    ApiWithoutLookup,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.auth import Audience
from ansible_collections.community.dynatrace.plugins.module_utils._http.client import Http
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    Connection,
    apps_address,
    environment_key,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.explain import (
    ACCOUNT_MANAGEMENT,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import Request
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    Refused,
    RequestFailed,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import PLATFORM, Kind
from ansible_collections.community.dynatrace.plugins.module_utils._model.places import place_of
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
    sorted_scopes,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Issued, Wanted

_PATH = "/platform-tokens"
_MANAGE = "platform-token:tokens:manage"
_PAGE_SIZE = 1000  # seen in practice: that of a listing without parameters
_MOST_PAGES = 1000
_READINGS = 3
_RESOLVE = "/platform/management/v1/effective-permissions:resolve"
_MOST_PERMISSIONS = 100  # documented: of one request
_ACCOUNT, _ENVIRONMENT = "urn:dtaccount:", "urn:dtenvironment:"
_ABOUT_LIMIT = re.compile("limit|maximum|too many|exceed", re.IGNORECASE)
_LIMIT_NAME = re.compile("[A-Za-z0-9_-]{1,100}")

Entry = dict[str, t.Any]


def account_api(connection: Connection) -> Audience:
    """Account Management, which has the platform tokens of all environments of an account."""
    uuid = connection.oauth.account_uuid if connection.oauth else None
    scopes = connection.oauth_scopes or (_MANAGE,)
    return Audience(
        f"{connection.account_url}/iam/v1/accounts/{uuid}",
        {scope: scope for scope in scopes},
        f"{_ACCOUNT}{uuid}",
        ACCOUNT_MANAGEMENT,
        strict=True,
    )


def environment_of_platform(connection: Connection) -> Audience:
    """The platform of an environment, where a new token tells what it may do."""
    key = environment_key(connection.environment_url)
    return Audience(apps_address(connection.environment_url), resource=_ENVIRONMENT + key)


class PlatformTokenApi(ApiWithoutLookup):
    """See ``TokenApi``.

    :param verifier: asks the environment. None: none is known.
    """

    issues = (PLATFORM,)
    changes_caller = True

    def __init__(self, http: Http, verifier: Http | None) -> None:
        super().__init__(http)
        self._verifier = verifier

    def for_thread(self) -> PlatformTokenApi:
        verifier = self._verifier.for_thread() if self._verifier else None
        return PlatformTokenApi(self._http.for_thread(), verifier)

    # Reading

    def list(
        self, kind: Kind | None = None, usage: bool = False, wanted: Wanted | None = None
    ) -> t.Iterator[Token]:
        if kind not in (None, PLATFORM):
            return
        for token in self._tokens({}):
            if wanted is None or wanted(token.id or "", token.name):
                yield token

    def find_by_name(self, identity: Identity) -> t.Sequence[Token]:
        return [token for token in self._tokens({}) if token.becomes(identity)]

    def get(self, token_id: str) -> Token | None:
        # A token can move from page to page while they are read, so it is sought twice.
        for query in ({}, {"searchTerm": token_id}):
            for token in self._tokens(query):
                if token.id == token_id:
                    return token
        return None

    def _tokens(self, query: t.Mapping[str, str]) -> t.Sequence[Token]:
        entries = self._entries(query)
        disabled: t.Collection[str] = ()
        if any("status" not in entry for entry in entries.values()):
            disabled = self._entries({**query, "status": "INACTIVE"})
        return [
            self._read(entry, _is_enabled(entry, token_id in disabled))
            for token_id, entry in entries.items()
        ]

    def _entries(self, query: t.Mapping[str, str]) -> dict[str, Entry]:
        """The entries of a complete listing, by id."""
        for _reading in range(_READINGS):
            entries = self._read_listing(query)
            if entries is not None:
                return entries
        raise RequestFailed(
            f"The account's list of platform tokens was not complete, read {_READINGS} times: it "
            "changes, or its pages do not add up to its total. Run again later."
        )

    def _read_listing(self, query: t.Mapping[str, str]) -> dict[str, Entry] | None:
        """The entries by id. None: the listing was not complete."""
        seen: dict[str, Entry] = {}
        totals: set[int] = set()
        for number in range(1, _MOST_PAGES + 1):
            total, page = self._page({**query, "page": str(number), "size": str(_PAGE_SIZE)})
            totals.add(total)
            is_new = not page.keys() <= seen.keys()
            seen.update(page)
            if len(totals) == 1 and len(seen) == total:
                return seen
            if not is_new:
                return None
        return None

    def _page(self, query: t.Mapping[str, str]) -> tuple[int, dict[str, Entry]]:
        answer = self._http.request(Request("GET", _PATH, query, scope=_MANAGE))
        page = _object("a list of platform tokens", answer.data)
        total, results = page.get("total"), page.get("results")
        if not isinstance(total, int) or not isinstance(results, list):
            raise no_answer("a list of platform tokens", ACCOUNT_MANAGEMENT)
        entries = [_object("a platform token", entry) for entry in results]
        return total, {
            checked_id(entry.get("tokenId"), entry.get("expirationDate")): entry
            for entry in entries
        }

    def _read(self, entry: Entry, enabled: bool) -> Token:
        redactor = Redactor(self._http.caller)
        told = [entry.get("name"), *_texts(entry, "scope"), *_texts(entry, "resource")]
        shown = [shown_text(redactor, text) for text in told]
        until = 1 + len(_texts(entry, "scope"))
        resources = tuple(sorted(filter(None, shown[until:])))
        metadata = entry.get("metadata")
        used = metadata if isinstance(metadata, dict) else {}
        client = used.get("lastClientIp") or used.get("lastClientId")
        return Token(
            id=entry["tokenId"],
            name=shown[0],
            enabled=enabled,
            scopes=sorted_scopes(filter(None, shown[1:until])),
            kind=PLATFORM,
            expires=moment_of(entry.get("expirationDate")),
            last_used=moment_of(used.get("lastUsedAt")),
            last_used_ip=shown_text(redactor, client) or None,
            place=place_of(resources, self._account_uuid),
            resources=resources,
            complete=shown == told and isinstance(entry.get("scope"), list),
        )

    @property
    def _account_uuid(self) -> str:
        return (self._http.resource or "")[len(_ACCOUNT) :]

    # Writing

    def create(self, token: Token, expires: Period | dt.datetime | None) -> Issued:
        until = expires.after(self.now()) if isinstance(expires, Period) else expires
        body: dict[str, t.Any] = {
            "name": token.name,
            "scope": list(token.scopes),
            "resource": list(token.resources),
            "tags": list(token.tags),
            "userUuid": token.user_uuid,
            "expirationDate": format_timestamp(until) if until else None,
        }
        answer = self._post({name: value for name, value in body.items() if value})
        data = _object("a new platform token", answer)
        secret = new_secret(self._http, data, data.get("tokenId"))
        return Issued(data["tokenId"], secret, until)

    def _post(self, body: dict[str, t.Any]) -> t.Any:
        """Create a token. A field that the server insists on is filled, for an answer of 400 says
        that nothing was created."""
        request = Request("POST", _PATH, body=body, scope=_MANAGE)
        try:
            return self._http.request(request).data
        except RequestFailed as error:
            filled = self._filled(error, body)
            if filled is None:
                raise self._explained(error, body) from None
        return self._post(filled)

    def _filled(self, error: RequestFailed, body: dict[str, t.Any]) -> dict[str, t.Any] | None:
        """The body with what the server insists on. None where nothing can be filled."""
        if error.status != 400:
            return None
        if "tags" not in body and "tags" in str(error):
            return {**body, "tags": []}
        subject = self._http.subject()
        if "userUuid" not in body and "userUuid" in str(error) and subject:
            return {**body, "userUuid": subject}
        return None

    def _explained(self, error: RequestFailed, body: t.Mapping[str, t.Any]) -> RequestFailed:
        if error.status == 400 and _ABOUT_LIMIT.search(str(error)):
            return _with_words(error, self._about_limits())
        if error.status == 403 and "userUuid" in body:
            return _with_words(
                error,
                "A token for another user than the caller is refused: leave user_uuid out, or "
                "name the OAuth client's own user.",
            )
        return error

    def _about_limits(self) -> str:
        try:
            tokens = self._tokens({})
        except RequestFailed:
            return "Delete platform tokens that have expired: they count."
        expired = sum(token.has_expired(self.now()) for token in tokens)
        return (
            f"The account has {len(tokens)} platform tokens, {expired} of them expired; these "
            f"count until they are deleted.{self._limits()}"
        )

    def _limits(self) -> str:
        try:
            data = self._http.request(Request("GET", "/limits")).data
        except RequestFailed:
            return ""
        results = data.get("results") if isinstance(data, dict) else None
        told = filter(None, map(_limit, results if isinstance(results, list) else []))
        words = ", ".join(told)
        return f" Its limits: {words}." if words else ""

    def update(self, before: Token, after: Token) -> None:
        path = path_of(_PATH, before.id or "")
        if after.expires is None and before.expires is not None:
            raise Refused(
                f"{before.id} has an expiration date, which Dynatrace cannot take away again."
            )
        if after.expires is not None and after.expires != before.expires:
            date = {"expirationDate": format_timestamp(after.expires)}
            self._http.request(Request("PUT", path + "/expiration-date", body=date, scope=_MANAGE))
        if after.enabled != before.enabled:
            status = {"status": "ACTIVE" if after.enabled else "INACTIVE"}
            self._http.request(Request("PUT", path + "/status", body=status, scope=_MANAGE))

    def delete(self, token_id: str) -> None:
        path = path_of(_PATH, token_id)
        self._http.request(Request("DELETE", path, absent=(404,), scope=_MANAGE))

    # Verification

    def problem_of(self, secret: Secret, token: Token) -> str | None:
        """See ``TokenApi``. Where no environment tells, the listing has to do."""
        granted = self._granted(secret, token)
        if granted is None:
            return self._problem_in_listing(token)
        lacking = sorted(scope for scope in token.scopes if granted.get(scope) in (False, "false"))
        if lacking:
            return (
                f"{', '.join(lacking)} is granted to it but not effective: the policies of its "
                "owner do not allow it."
            )
        return None

    def _granted(self, secret: Secret, token: Token) -> dict[str, t.Any] | None:
        """What the token's environment says of its scopes. None: it says nothing."""
        if self._verifier is None or not self._is_verified_by(self._verifier, token):
            return None
        by_itself = self._verifier.as_caller(secret)
        granted: dict[str, t.Any] = {}
        for first in range(0, len(token.scopes), _MOST_PERMISSIONS):
            some = token.scopes[first : first + _MOST_PERMISSIONS]
            body = {"permissions": [{"permission": scope} for scope in some]}
            # 403: to ask needs a scope, which the token need not have.
            request = Request("POST", _RESOLVE, body=body, reads=True, absent=(403, 404))
            answer = by_itself.request(request)
            if answer.status in request.absent:
                return None
            granted.update(_permissions(answer.data))
        return granted

    def _is_verified_by(self, verifier: Http, token: Token) -> bool:
        return verifier.resource in token.resources or f"{_ACCOUNT}{self._account_uuid}" in (
            token.resources
        )

    def _problem_in_listing(self, token: Token) -> str | None:
        seen = self.get(token.id or "")
        if seen is None:
            return "The account's list of platform tokens does not have it."
        if not seen.enabled:
            return "It is disabled."
        return "It has expired." if seen.has_expired(self.now()) else None


def _object(what: str, data: t.Any) -> Entry:
    return an_object(what, data, ACCOUNT_MANAGEMENT)


def _is_enabled(entry: Entry, is_listed_as_disabled: bool) -> bool:
    if "status" in entry:
        return bool(entry["status"] != "INACTIVE")  # seen in practice: ACTIVE for expired ones
    return not is_listed_as_disabled


def _texts(entry: Entry, field: str) -> t.Sequence[t.Any]:
    values = entry.get(field)
    return values if isinstance(values, list) else []


def _permissions(data: t.Any) -> dict[str, t.Any]:
    """What is granted, by scope: true, false or condition, as text or boolean."""
    answers = data.get("permissions") if isinstance(data, dict) else data
    if not isinstance(answers, list):
        raise no_answer("a list of effective permissions")
    told = [an_object("an effective permission", answer) for answer in answers]
    return {text_of(one.get("permission")): one.get("granted") for one in told}


def _limit(entry: t.Any) -> str:
    facts = entry if isinstance(entry, dict) else {}
    name, value = text_of(facts.get("limitType")), facts.get("limitValue")
    # The names are not published; most limits of an account are about other things.
    if "token" not in name.lower() or not _LIMIT_NAME.fullmatch(name):
        return ""
    return f"{name} {value}" if isinstance(value, int) else ""


def _with_words(error: RequestFailed, words: str) -> RequestFailed:
    return RequestFailed(
        f"{error} {words}", error.status, error.maybe_done, error.transient, error.asked_wait
    )
