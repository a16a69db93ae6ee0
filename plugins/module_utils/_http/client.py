# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to one API: bounded in time and size, repeated only where that is safe."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import email.utils
import functools
import json
import time
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._http import explain
from ansible_collections.community.dynatrace.plugins.module_utils._http.auth import (
    Audience,
    Auth,
    TokenAuth,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import Connection
from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import (
    Answer,
    HttpRequest,
    HttpResponse,
    Request,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.oauth import OAuth
from ansible_collections.community.dynatrace.plugins.module_utils._http.requests_guard import (
    requests,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.retry import RetryBudget
from ansible_collections.community.dynatrace.plugins.module_utils._http.session import session_for
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import RequestFailed
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
)

# A server may close an idle connection. A POST on such a connection could be lost without anybody
# knowing whether it was carried out, so its connection is new or was used this recently.
_FRESH_SECONDS = 2.0

# Bytes. A page of 10000 tokens, each with every scope there is, takes half of it.
_LARGEST_ANSWER = 64_000_000
_LONGEST_ANSWER = 10  # times the timeout
_PART = 16_384  # bytes

_TEXT = ("text/plain", "text/csv")

# A server's clock that is further from this machine's is wrong.
_LARGEST_SKEW = dt.timedelta(days=50 * 366)
_HEADER_ACCURACY = dt.timedelta(seconds=2)

AudienceOf = t.Callable[[Connection], Audience]


class Http:
    """Requests to one API by one connection.

    :param audience_of: which API, for this connection and for one with another caller.
    """

    def __init__(
        self,
        connection: Connection,
        audience_of: AudienceOf,
        budget: RetryBudget,
        redactor: Redactor | None = None,
    ) -> None:
        self.caller = connection.api_token
        self.redactor = redactor or Redactor()
        self.redactor.hide(*connection.secrets)
        self._connection = connection
        self._audience_of = audience_of
        self._audience = audience_of(connection)
        self._auth = _auth_of(connection, self._audience, self.redactor)
        self._budget = budget
        self._session = session_for(connection.transport)
        self._last_used: dict[str, float] = {}
        self._skew = dt.timedelta(0)
        self._under_way = ""  # the request that was sent last

    def now(self) -> dt.datetime:
        """The server's clock, as its last answer told it; otherwise this machine's."""
        return dt.datetime.now(dt.timezone.utc) + self._skew

    @property
    def skew(self) -> dt.timedelta:
        """How far the server's clock is ahead of this machine's."""
        return self._skew

    @property
    def resource(self) -> str | None:
        """What the requests are about: ``urn:dtaccount:UUID`` or ``urn:dtenvironment:ID``."""
        return self._audience.resource

    @property
    def activegate_api(self) -> str:
        """Which way leads to ActiveGate tokens."""
        return self._connection.activegate_api

    def subject(self) -> str | None:
        """Whom the caller is. None where it is not known, or before the first request."""
        return self._auth.subject()

    def for_thread(self) -> Http:
        """Requests to the same API from another thread, with the same clock and redactor."""
        other = Http(self._connection, self._audience_of, self._budget.for_thread(), self.redactor)
        other._skew = self._skew
        return other

    def as_caller(self, secret: Secret) -> Http:
        """Requests to the same API, made with another token."""
        connection = dataclasses.replace(
            self._connection, api_token=secret, oauth=None, gateway=False
        )
        return Http(connection, self._audience_of, self._budget, self.redactor)

    def request(self, request: Request) -> Answer:
        """Send a request, and again if that may help and can do no harm.

        A POST is repeated only if it was surely not carried out.

        :raises RequestFailed: if the answer is another, or none comes. Holds no secret and no cause
            that does.
        """
        prepared = self._prepare(request)
        self._under_way = str(prepared)
        response = self._budget.run(
            lambda: self._send(prepared, request.absent),
            prepared.is_harmless,
            lambda: self._under_way,
        )
        if response.status in request.absent:
            return Answer(response.status, None)
        return Answer(response.status, self._parse(request, prepared, response))

    def _prepare(self, request: Request) -> HttpRequest:
        server = self._audience.server
        headers, body = {}, None
        if request.body is not None:
            headers = {"Content-Type": "application/json; charset=utf-8"}
            body = json.dumps(request.body).encode()
        return HttpRequest(
            request.method,
            self._audience.address + request.path,
            server,
            functools.partial(
                explain.next_step,
                self._auth.caller,
                request.method,
                self._scope_of_caller(request.scope),
                server,
            ),
            request.is_harmless,
            request.query,
            headers,
            body,
        )

    def _scope_of_caller(self, scope: str | None) -> str | None:
        if scope is None or not self._auth.is_bearer:
            return scope
        return self._audience.oauth_scopes.get(scope, scope)

    def _send(self, request: HttpRequest, absent: t.Collection[int]) -> HttpResponse:
        response = self._follow(request)
        self._learn_clock(response.headers.get("Date"))
        if not 200 <= response.status < 300 and response.status not in absent:
            raise explain.refusal(request, response, self.redactor, self.now())
        return response

    def _follow(self, request: HttpRequest) -> HttpResponse:
        """Carry out the flow that authenticates the request. Returns its last response."""
        with contextlib.closing(self._auth.flow(request)) as flow:
            step = next(flow)
            while True:
                try:
                    response = self._exchange(step)
                except RequestFailed as error:
                    step = flow.throw(error)  # raises, unless the flow knows another way
                    continue
                try:
                    step = flow.send(response)
                except StopIteration:
                    return response

    def _exchange(self, request: HttpRequest) -> HttpResponse:
        self._under_way = str(request)
        if not request.is_harmless and not self._is_fresh(request.host):
            self._session.close()
        try:
            response = self._session.request(
                request.method,
                request.full_url,
                headers=request.headers,
                timeout=self._connection.timeout,
                data=request.body,
            )
            content = self._read(request, response)
        except (requests.exceptions.RequestException, ValueError) as error:
            # ValueError: urllib3 1 over TLS to a proxy that is named by its IP address.
            # Not chained: the library's exception carries the request with its headers.
            raise explain.failure(request, error, self._connection.timeout, self.redactor) from None
        self._last_used[request.host] = time.monotonic()
        return HttpResponse(response.status_code, response.reason, response.headers, content)

    def _is_fresh(self, host: str) -> bool:
        return time.monotonic() - self._last_used.get(host, float("-inf")) <= _FRESH_SECONDS

    def _read(self, request: HttpRequest, response: requests.Response) -> bytes:
        """The body of an answer, within bounds."""
        seconds = self._connection.timeout * _LONGEST_ANSWER
        until = time.monotonic() + seconds
        parts, size = [], 0
        with response:
            for part in response.iter_content(_PART):
                parts.append(part)
                size += len(part)
                if size > _LARGEST_ANSWER:
                    raise explain.unbounded(
                        request, f"larger than {_LARGEST_ANSWER // 1_000_000} MB"
                    )
                if time.monotonic() > until:
                    raise explain.unbounded(request, f"not complete after {seconds:g} s")
        return b"".join(parts)

    def _learn_clock(self, date: str | None) -> None:
        try:
            server = email.utils.parsedate_to_datetime(date or "")
        except (TypeError, ValueError, IndexError, OverflowError):
            return
        if server.tzinfo is None:
            return
        skew = server - dt.datetime.now(dt.timezone.utc)
        if abs(skew) < _LARGEST_SKEW:
            self._skew = skew if abs(skew) > _HEADER_ACCURACY else dt.timedelta(0)

    def _parse(self, request: Request, prepared: HttpRequest, response: HttpResponse) -> t.Any:
        if not response.content:
            return None
        if request.text and response.content_type.lower() in _TEXT:
            return response.content.decode("utf-8", "replace")
        try:
            return json.loads(response.content)
        except (ValueError, RecursionError):
            raise explain.not_json(prepared, response, self.redactor) from None


def _auth_of(connection: Connection, audience: Audience, redactor: Redactor) -> Auth:
    if connection.oauth is not None:
        return OAuth(connection.oauth, audience, redactor)
    return TokenAuth(t.cast("Secret", connection.api_token), connection.token_location)
