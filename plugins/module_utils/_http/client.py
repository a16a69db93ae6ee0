# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to one environment: one session, always a timeout, one owner of TLS, and errors that hold no secret."""

from __future__ import annotations

import dataclasses
import datetime as dt
import email.utils
import json
import time
import typing as t
import urllib.parse

from ansible_collections.community.dynatrace.plugins.module_utils._http.auth import (
    NO_SIGNATURE,
    Signature,
    name_of_scope,
    sign,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    Connection,
    OAuthClient,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.oauth import (
    access_token,
    forms,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.requests_guard import (
    requests,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.retry import (
    BUSY,
    Patience,
    asked_wait,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.session import (
    reason_of,
    session_for,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import RequestFailed
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret, scrub

# A server may close a connection that rests. A POST on such a one could be lost without anybody knowing
# whether it was carried out, so it goes out on a connection that is fresh or was used this recently.
_FRESH_SECONDS = 2.0

_REQUEST_TIMEOUT = 408

_LARGEST_ANSWER = (
    64_000_000  # bytes; a page of 10000 tokens with every scope there is takes half of it
)
_LONGEST_ANSWER = 10  # times the timeout
_PART = 16_384  # bytes

# A clock that is further from this machine's than that is none.
_NO_CLOCK = dt.timedelta(days=50 * 366)

_NEXT_STEP = {
    401: "Check {option}: it may be wrong, cut off, disabled, expired or of another environment, or lack {scope}.",
    403: "Give {caller} {scope}, or use another as {option}.{limit}",
    404: "Check environment_url, and whether the token is still there.",
    429: "Dynatrace is busy. Run again later, with fewer requests at once.",
}
_CLIENT = "Check oauth_client_id, oauth_client_secret and account_uuid."
_NEXT_STEP_TO_SIGN_ON = {
    400: _CLIENT,
    401: _CLIENT,
    403: _CLIENT,
    429: "The single sign-on is busy. Run again later.",
}
# Documented. What else than a scope may be missing.
_LIMITS = {
    "POST": " To issue tokens that are not personal ones, its owner needs the permission environment:roles:manage-settings too.",
    "DELETE": " A personal access token deletes only tokens of its owner.",
}


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    data: (
        t.Any
    )  # parsed JSON, or text where that was asked for too; None where the answer had no body


@dataclasses.dataclass(frozen=True)
class _Request:
    method: str
    url: str  # without its query
    query: t.Mapping[str, str]
    absent: tuple[int, ...]
    scope: str | None
    body: bytes | None
    content_type: str | None
    text: bool = False
    option: str = "environment_url"  # that says where it goes

    def __str__(self) -> str:
        return f"{self.method} {self.url}"

    @property
    def server(self) -> str:
        return "Dynatrace" if self.option == "environment_url" else "the single sign-on"

    @property
    def doubt(self) -> str:
        return (
            "Is environment_url that of a Dynatrace environment?"
            if self.option == "environment_url"
            else f"Check {self.option}."
        )


def _as_json(body: t.Mapping[str, t.Any] | None) -> tuple[bytes | None, str | None]:
    return (
        (None, None)
        if body is None
        else (json.dumps(body).encode(), "application/json; charset=utf-8")
    )


class Http:
    """Requests to the environment of one connection."""

    def __init__(self, connection: Connection, patience: Patience) -> None:
        self.caller = connection.api_token
        self._connection = connection
        self._patience = patience
        self._session = session_for(connection)
        self._known_secrets = connection.secrets
        self._last_used = float("-inf")
        self._skew = dt.timedelta(0)

    def now(self) -> dt.datetime:
        """The server's clock, as its last answer told it; this machine's where it did not."""
        return dt.datetime.now(dt.timezone.utc) + self._skew

    @property
    def skew(self) -> dt.timedelta:
        """How far the server's clock is ahead of this machine's."""
        return self._skew

    def for_thread(self) -> Http:
        """Requests to the same environment from another thread, with the same clock and the same secrets to hide."""
        other = Http(self._connection, self._patience.for_thread())
        other._skew, other._known_secrets = self._skew, self._known_secrets
        return other

    def as_caller(self, secret: Secret) -> Http:
        """Requests to the same environment, made with another token."""
        return Http(
            dataclasses.replace(self._connection, api_token=secret, oauth=None, gateway=False),
            self._patience,
        )

    def hide(self, secret: Secret) -> None:
        """Keep this secret out of every error from now on."""
        self._known_secrets.append(secret)

    def request(
        self,
        method: str,
        path: str,
        query: t.Mapping[str, str] | None = None,
        body: t.Mapping[str, t.Any] | None = None,
        absent: tuple[int, ...] = (),
        reads: bool = False,
        scope: str | None = None,
        text: bool = False,
    ) -> Answer:
        """Send one request, and again where that may help and can do no harm: a POST only if it was surely not carried out.

        :param path: below the environment's address; every variable part of it quoted.
        :param absent: statuses that say that the thing is not there, and are no error.
        :param reads: whether a POST changes nothing.
        :param scope: the scope that the calling token needs for this. None: any.
        :param text: whether the answer may be plain text or CSV.
        :raises RequestFailed: where the answer is another, or none comes. Holds no secret and no cause that does.
        """
        request = _Request(
            method,
            self._connection.api_address + path,
            query or {},
            absent,
            scope,
            *_as_json(body),
            text,
        )
        return self._patience.persist(
            lambda: self._send(request), harmless=reads or method != "POST"
        )

    def _send(self, request: _Request) -> Answer:
        caller = self._caller()
        response, content = self._call(request, caller)
        if response.status_code == 401 and self._connection.oauth:
            # It may have ended early. What is answered with 401 was not carried out.
            response, content = self._call(request, self._caller(stale=caller))
        self._learn_clock(response.headers.get("Date"))
        if response.status_code in request.absent:
            return Answer(response.status_code, None)
        if not 200 <= response.status_code < 300:
            raise self._refusal(request, response, content)
        return Answer(response.status_code, self._parse(request, response, content))

    def _call(self, request: _Request, caller: Secret) -> tuple[requests.Response, bytes]:
        # Behind _caller: to wait for the single sign-on is to let the connection to the environment rest.
        if request.method == "POST" and time.monotonic() - self._last_used > _FRESH_SECONDS:
            self._session.close()
        answer = self._exchange(request, sign(self._connection, caller))
        self._last_used = time.monotonic()
        return answer

    def _exchange(self, request: _Request, signature: Signature) -> tuple[requests.Response, bytes]:
        query = {**request.query, **signature.query}
        try:
            response = self._session.request(
                request.method,
                request.url + ("?" + urllib.parse.urlencode(query) if query else ""),
                data=request.body,
                headers={
                    **signature.headers,
                    **({"Content-Type": request.content_type} if request.content_type else {}),
                },
                timeout=self._connection.timeout,
                allow_redirects=False,
                stream=True,
            )
            content = self._read(request, response)
        except (requests.exceptions.RequestException, ValueError) as error:
            # ValueError: of an address in the answer that is none.
            # Not chained: the library's exception carries the request with its headers.
            raise self._failure(request, error) from None
        return response, content

    def _caller(self, stale: Secret | None = None) -> Secret:
        """What authenticates a request; of an OAuth client, an access token other than the stale one."""
        oauth = self._connection.oauth
        if oauth is None:
            return t.cast("Secret", self._connection.api_token)
        secret = access_token(oauth, stale, self._ask_for_access_token)
        self.hide(secret)
        return secret

    def _ask_for_access_token(self, oauth: OAuthClient) -> t.Any:
        """The answer of the single sign-on."""
        for form in forms(oauth):
            body = urllib.parse.urlencode(form).encode()
            request = _Request(
                "POST",
                oauth.token_url,
                {},
                (),
                None,
                body,
                "application/x-www-form-urlencoded",
                option="oauth_token_url",
            )
            try:
                response, content = self._exchange(request, NO_SIGNATURE)
                if response.status_code == 200:
                    return self._parse(request, response, content)
                error = self._refusal(request, response, content)
            except RequestFailed as failure:
                error = failure
            error.maybe_done = False  # what the access token was for has not been sent
            if error.status != 400:
                raise error
        raise error

    def _read(self, request: _Request, response: requests.Response) -> bytes:
        """The body of an answer, within bounds."""
        seconds = self._connection.timeout * _LONGEST_ANSWER
        until = time.monotonic() + seconds
        parts, size = [], 0
        with response:
            for part in response.iter_content(_PART):
                parts.append(part)
                size += len(part)
                if size > _LARGEST_ANSWER or time.monotonic() > until:
                    excess = (
                        f"larger than {_LARGEST_ANSWER // 1_000_000} MB"
                        if size > _LARGEST_ANSWER
                        else f"not complete after {seconds:g} s"
                    )
                    raise RequestFailed(
                        f"{request} failed: the answer is {excess}, so it is not read to its end. "
                        + request.doubt,
                        maybe_done=True,
                    )
        return b"".join(parts)

    def _failure(self, request: _Request, error: Exception) -> RequestFailed:
        seconds = f"{self._connection.timeout:g} s"
        reason = _printable(self._scrub(reason_of(error)))
        untrusted = "certificate verify failed" in reason
        if untrusted or isinstance(error, requests.exceptions.SSLError):
            # untrusted: that of a proxy that is reached over TLS comes as another error.
            return RequestFailed(
                f"{request} failed: TLS: {reason}. If the server's certificate is of an authority of your own, name it with ca_path.",
                maybe_done=not untrusted,
            )
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return RequestFailed(
                f"{request} failed: no connection within {seconds}. Check {request.option} and proxy.",
                passing=True,
            )
        if isinstance(error, requests.exceptions.Timeout):
            return RequestFailed(
                f"{request} failed: no answer within {seconds} (timeout).",
                maybe_done=True,
                passing=True,
            )
        return RequestFailed(
            f"{request} failed: {reason}. Check {request.option} and proxy, and whether this machine reaches them.",
            maybe_done=not _never_connected(error),
            passing=isinstance(
                error,
                (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError),
            ),
        )

    def _learn_clock(self, date: str | None) -> None:
        try:
            server = email.utils.parsedate_to_datetime(date or "")
        except (TypeError, ValueError, IndexError, OverflowError):
            return
        skew = server - dt.datetime.now(dt.timezone.utc) if server.tzinfo is not None else _NO_CLOCK
        if abs(skew) < _NO_CLOCK:
            # The header has whole seconds: within them the clocks agree.
            self._skew = skew if abs(skew) > dt.timedelta(seconds=2) else dt.timedelta(0)

    def _refusal(
        self, request: _Request, response: requests.Response, content: bytes
    ) -> RequestFailed:
        status = response.status_code
        if 300 <= status < 400:
            target = _host(response.headers.get("Location", ""))
            answer = f"a redirect to {target}, which is not followed, so that no token goes to another host"
            step = f"Check {request.option}."
        else:
            answer = (
                explain(content.decode("utf-8", "replace") if len(content) < 1_000_000 else "")
                or _printable(response.reason)
                or "no explanation"
            )
            step = self._next_step(request, status)
        message = self._scrub(
            f"{request} failed: {request.server} answered {status}: {answer}"
        ).rstrip(".")
        return RequestFailed(
            f"{message}. {step}".rstrip(),
            status=status,
            maybe_done=not 400 <= status < 500 or status == _REQUEST_TIMEOUT,
            passing=status in BUSY,
            asked_wait=asked_wait(response.headers, self.now()),
        )

    def _next_step(self, request: _Request, status: int) -> str:
        if request.option != "environment_url":
            return _NEXT_STEP_TO_SIGN_ON.get(status, request.doubt)
        oauth, scope = self._connection.oauth, name_of_scope(self._connection, request.scope)
        return _NEXT_STEP.get(status, "").format(
            option="oauth_client_id" if oauth else "api_token",
            caller="the OAuth client" if oauth else "the calling token",
            scope=f"the scope {scope}" if scope else "a scope for this",
            limit=_LIMITS.get(request.method, "") if scope else "",
        )

    def _parse(self, request: _Request, response: requests.Response, content: bytes) -> t.Any:
        if not content:
            return None
        kind = _printable(response.headers.get("Content-Type", "no content type").split(";")[0])
        if request.text and kind.lower() in ("text/plain", "text/csv"):
            return content.decode("utf-8", "replace")
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            pass
        raise RequestFailed(
            f"{request}: the answer {response.status_code} is not JSON but {self._scrub(kind)}. "
            + request.doubt,
            status=response.status_code,
            maybe_done=True,
        )

    def _scrub(self, text: str) -> str:
        return scrub(text, self._known_secrets)


def explain(text: str) -> str | None:
    """What the error envelope says: its message and its violations. None where the text is no envelope.

    Documented: ``{"error": {"code", "message", "constraintViolations": [{"path", "message"}]}}``;
    seen in practice: a list of such envelopes, and null for any of the parts;
    of the single sign-on, as OAuth has it: ``{"error", "error_description"}``.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    said: list[str] = []
    for envelope in data if isinstance(data, list) else [data]:
        error = envelope.get("error") if isinstance(envelope, dict) else None
        if isinstance(error, str):
            said.append(_printable(envelope.get("error_description")))
        if isinstance(error, dict):
            violations = error.get("constraintViolations") or []
            said += [
                _printable(error.get("message")),
                *map(_violation, violations if isinstance(violations, list) else []),
            ]
    return "; ".join(filter(None, said)) or None


def _violation(violation: t.Any) -> str:
    if not isinstance(violation, dict):
        return ""
    return ": ".join(
        filter(None, (_printable(violation.get("path")), _printable(violation.get("message"))))
    )


def _printable(value: t.Any) -> str:
    text = "" if value is None else str(value)
    return "".join(character if character.isprintable() else " " for character in text).strip(" .")


def _host(address: str) -> str:
    try:
        target = urllib.parse.urlsplit(address)
        return _printable(f"{target.scheme}://{target.hostname}")
    except ValueError:
        return "a damaged address"


def _never_connected(error: Exception) -> bool:
    inner = error.args[0] if error.args else None
    return type(getattr(inner, "reason", None)).__name__ in (
        "NewConnectionError",
        "NameResolutionError",
    )
