# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The access tokens of OAuth clients: kept in memory until shortly before they expire."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
import typing as t
import urllib.parse

from ansible_collections.community.dynatrace.plugins.module_utils._http.auth import (
    Audience,
    Flow,
    as_bearer,
    subject_of,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    OAuthClient,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.explain import (
    SINGLE_SIGN_ON,
    Caller,
    next_step_to_sign_on,
    not_json,
    refusal,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import (
    HttpRequest,
    HttpResponse,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import RequestFailed
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
    could_be_secret,
    printable,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import utc_now

_PART_OF_LIFE = 0.9
_USUAL_LIFE, _LONGEST_LIFE = 300, 86_400  # seconds

Key = tuple[OAuthClient, "tuple[str, ...]", t.Optional[str]]

_lock = threading.Lock()
_held: dict[Key, tuple[Secret, float]] = {}  # and when to ask again, by the monotonic clock


@dataclasses.dataclass(frozen=True)
class OAuth:
    """An OAuth client, which calls with an access token for one audience.

    :param redactor: keeps each access token out of messages.
    """

    client: OAuthClient
    audience: Audience
    redactor: Redactor
    caller: t.ClassVar[Caller] = Caller("oauth_client_id", "the OAuth client")
    is_bearer: t.ClassVar[bool] = True

    def flow(self, request: HttpRequest) -> Flow:
        """The request with an access token; answered with 401, once more with a new one."""
        token = yield from self._access_token(None)
        response = yield as_bearer(request, token)
        if response.status == 401:
            # It may have expired early. A request that is answered with 401 was not carried out.
            token = yield from self._access_token(token)
            yield as_bearer(request, token)

    def _access_token(self, stale: Secret | None) -> t.Generator[HttpRequest, HttpResponse, Secret]:
        """An access token other than the stale one.

        :raises RequestFailed: if the single sign-on gives none. The request that needs it was not
            sent.
        """
        key = self._key
        with _lock:
            held, until = _held.get(key, (None, 0.0))
            if held is None or held == stale or time.monotonic() >= until:
                asked = time.monotonic()
                try:
                    held, seconds = yield from self._sign_on()
                except RequestFailed as error:
                    error.maybe_done = False
                    raise
                _held[key] = (held, asked + seconds * _PART_OF_LIFE)
        self.redactor.hide(held)
        return held

    def subject(self) -> str | None:
        """Whom the access token that is held is for."""
        held, _until = _held.get(self._key, (None, 0.0))
        return subject_of(held) if held else None

    @property
    def _key(self) -> Key:
        return (self.client, self._scopes, self.audience.resource)

    @property
    def _scopes(self) -> tuple[str, ...]:
        return tuple(self.audience.oauth_scopes.values())

    def _sign_on(self) -> t.Generator[HttpRequest, HttpResponse, tuple[Secret, float]]:
        """Ask for the scopes that are needed; if the client lacks one, for those that it has."""
        response: HttpResponse
        for form in self._forms():
            request = self._request(form)
            response = yield request
            if response.status != 400:
                break
        if response.status != 200:
            raise refusal(request, response, self.redactor, utc_now())
        if self.audience.strict and "scope" not in form:
            raise self._lacks_scopes(request, response)
        return self._read(request, response)

    def _lacks_scopes(self, request: HttpRequest, response: HttpResponse) -> RequestFailed:
        """The error for a client that gets a grant only without scopes, which is too broad to use.

        Seen in practice: such a grant tells all that the client has.
        """
        token, _life = self._read(request, response)
        self.redactor.hide(token)
        told = json.loads(response.content).get("scope")
        has = told.split() if isinstance(told, str) else []
        lacking = [scope for scope in self._scopes if scope not in has] or self._scopes
        message = self.redactor.text(
            f"{request} failed: the OAuth client lacks {', '.join(lacking)}. It has "
            f"{', '.join(has) or 'scopes that the single sign-on does not name'}. "
        )
        return RequestFailed(
            printable(message) + "Give it what it lacks, or name other scopes with oauth_scopes.",
            status=400,
        )

    def _forms(self) -> t.Iterator[dict[str, str]]:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client.client_id,
            "client_secret": self.client.client_secret.reveal(),
        }
        if self.audience.resource:
            form["resource"] = self.audience.resource
        yield {**form, "scope": " ".join(self._scopes)}
        yield form

    def _request(self, form: t.Mapping[str, str]) -> HttpRequest:
        return HttpRequest(
            "POST",
            self.client.token_url,
            SINGLE_SIGN_ON,
            next_step_to_sign_on,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urllib.parse.urlencode(form).encode(),
        )

    def _read(self, request: HttpRequest, response: HttpResponse) -> tuple[Secret, float]:
        try:
            answer = json.loads(response.content)
        except (ValueError, RecursionError):
            raise not_json(request, response, self.redactor) from None
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not could_be_secret(token):
            raise RequestFailed(
                f"The answer of {self.client.token_url} has no access token. Check oauth_token_url."
            )
        return Secret(token), _life(answer.get("expires_in"))


def _life(seconds: t.Any) -> float:
    # The single sign-on does not have to tell it.
    if not isinstance(seconds, (int, float)):
        return _USUAL_LIFE
    return float(min(seconds, _LONGEST_LIFE))
