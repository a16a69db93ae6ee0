# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words about requests that failed: what happened, and what to do next."""

from __future__ import annotations

import datetime as dt
import json
import re
import typing as t
import urllib.parse

from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import (
    HttpRequest,
    HttpResponse,
    Server,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.requests_guard import (
    requests,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.retry import (
    BUSY,
    asked_wait,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import RequestFailed
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    printable,
)

# Documented. What may be missing beside a scope.
_LIMITS = {
    "POST": (
        " To issue tokens that are not personal ones, its owner needs the permission "
        "environment:roles:manage-settings too."
    ),
    "DELETE": " A personal access token deletes only tokens of its owner.",
}
DYNATRACE = Server(
    "Dynatrace",
    "environment_url",
    "Is environment_url that of a Dynatrace environment?",
    _LIMITS,
)
ACCOUNT_MANAGEMENT = Server(
    "Account Management", "account_url", "Check account_url and account_uuid."
)
SINGLE_SIGN_ON = Server("the single sign-on", "oauth_token_url", "Check oauth_token_url.")

_REQUEST_TIMEOUT = 408
_LARGEST_ERROR = 1_000_000  # bytes that are looked through for a message

_STEPS = {
    401: (
        "Check {option}: it may be wrong, cut off, disabled, expired or of another environment, "
        "or lack {scope}."
    ),
    403: "Give {caller} {scope}, or use another as {option}.{limit}",
    404: "Check {address}, and whether the token is still there.",
    429: "Dynatrace is busy. Run again later, with fewer requests at once.",
}
# Seen in practice, of environments that create no access tokens any more.
_ONLY_PLATFORM = "Creation of new tokens is now only available in Account Management"
_USE_PLATFORM = (
    "This environment creates no access tokens any more. Use kind: platform; the guide on "
    'migrating shows how, under "From access tokens to platform tokens".'
)
_CLIENT = "Check oauth_client_id, oauth_client_secret and account_uuid."
_SIGN_ON_STEPS = {
    400: _CLIENT,
    401: _CLIENT,
    403: _CLIENT,
    429: "The single sign-on is busy. Run again later.",
}


# Of OpenSSL, by its version.
_TLS_STEPS = {
    ("mismatch", "certificate is not valid for"): (
        "The certificate is for another name. Write the host in {option} as the certificate "
        "names it. ca_path does not help here."
    ),
    ("has expired", "not yet valid"): (
        "The server needs a new certificate, or the clock of this machine is wrong."
    ),
    ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "only use HTTP"): (
        "There is no TLS on this port. Check the port in {option}, and write http:// in proxy "
        "if the proxy itself is not reached over TLS."
    ),
    ("CERTIFICATE_REQUIRED", "certificate required"): (
        "The server wants a certificate of the client. Give client_cert and client_key."
    ),
}

# Of an HTTP proxy, and of a SOCKS proxy.
_LOGIN_REFUSED = ("407", "authentication failed")


class Caller(t.NamedTuple):
    """How messages name who calls Dynatrace."""

    option: str
    words: str


def next_step(caller: Caller, method: str, scope: str | None, server: Server, status: int) -> str:
    """What to do about a refusal.

    :param scope: the scope that the caller needs. None: any.
    """
    limit, needed = "", "a scope for this"
    if scope:
        limit, needed = server.limits.get(method, ""), f"the scope {scope}"
    return _STEPS.get(status, "").format(
        option=caller.option,
        caller=caller.words,
        scope=needed,
        limit=limit,
        address=server.option,
    )


def next_step_to_sign_on(status: int) -> str:
    """What to do about a refusal of the single sign-on."""
    return _SIGN_ON_STEPS.get(status, SINGLE_SIGN_ON.doubt)


def refusal(
    request: HttpRequest, response: HttpResponse, redactor: Redactor, now: dt.datetime
) -> RequestFailed:
    """The error for a response whose status is not that of a success."""
    status = response.status
    reason = _reason_of_refusal(request, response)
    message = f"{request} failed: {request.server.name} answered {status}: {redactor.text(reason)}"
    step = _USE_PLATFORM if _ONLY_PLATFORM in reason else request.next_step(status)
    if 300 <= status < 400:
        step = f"Check {request.server.option}."
    return RequestFailed(
        f"{printable(message).rstrip('.')}. {step}".rstrip(),
        status=status,
        maybe_done=not 400 <= status < 500 or status == _REQUEST_TIMEOUT,
        transient=status in BUSY,
        asked_wait=asked_wait(response.headers, now),
    )


def _reason_of_refusal(request: HttpRequest, response: HttpResponse) -> str:
    if 300 <= response.status < 400:
        target = _redirected(request.url, response.headers.get("Location", ""))
        return (
            f"a redirect to {target}, which is not followed, so that no token goes to another host"
        )
    if len(response.content) < _LARGEST_ERROR:
        explained = error_message(response.content.decode("utf-8", "replace"))
        if explained:
            return explained
    return _trimmed(response.reason) or "no explanation"


def failure(
    request: HttpRequest, error: Exception, timeout: float, redactor: Redactor
) -> RequestFailed:
    """The error for a request that got no response, or none that could be read."""
    reason = printable(redactor.text(reason_of(error)))
    untrusted = "certificate verify failed" in reason
    # What fails with a proxy that is reached over TLS is not an SSLError.
    if untrusted or "[SSL: " in reason or isinstance(error, requests.exceptions.SSLError):
        return RequestFailed(
            f"{request} failed: TLS: {reason}. {_step_to_trust(request, reason, untrusted)}",
            maybe_done=not untrusted,
        )
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return RequestFailed(
            f"{request} failed: no connection within {timeout:g} s. Check "
            f"{request.server.option} and proxy.",
            transient=True,
        )
    if isinstance(error, requests.exceptions.Timeout):
        return RequestFailed(
            f"{request} failed: no answer within {timeout:g} s (timeout).",
            maybe_done=True,
            transient=True,
        )
    return RequestFailed(
        f"{request} failed: {reason}. {_step_to_reach(request, reason)}",
        maybe_done=not _never_connected(error),
        transient=isinstance(
            error,
            (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError),
        ),
    )


def _step_to_trust(request: HttpRequest, reason: str, untrusted: bool) -> str:
    option = request.server.option
    for signs, step in _TLS_STEPS.items():
        if any(sign in reason for sign in signs):
            return step.format(option=option)
    if untrusted:
        return "If the server's certificate is of an authority of your own, name it with ca_path."
    return f"Check the port in {option} and in proxy, and whether a firewall cuts TLS off."


def _step_to_reach(request: HttpRequest, reason: str) -> str:
    if any(sign in reason for sign in _LOGIN_REFUSED):
        return (
            "Check the user and password in the address of proxy, with characters such as "
            "@, #, % and / percent-encoded."
        )
    return f"Check {request.server.option} and proxy, and whether this machine reaches them."


def unbounded(request: HttpRequest, excess: str) -> RequestFailed:
    """The error for an answer that is too large or takes too long."""
    return RequestFailed(
        f"{request} failed: the answer is {excess}, so it is not read to its end. "
        f"{request.server.doubt}",
        maybe_done=True,
    )


def not_json(request: HttpRequest, response: HttpResponse, redactor: Redactor) -> RequestFailed:
    """The error for an answer in a form that was not asked for."""
    kind = printable(redactor.text(response.content_type))
    return RequestFailed(
        f"{request}: the answer {response.status} is not JSON but {kind}. {request.server.doubt}",
        status=response.status,
        maybe_done=True,
    )


def error_message(text: str) -> str | None:
    """The message and the violations of the error envelopes in a text. None: there are none.

    Documented: ``{"error": {"code", "message", "constraintViolations": [{"path", "message"}]}}``;
    seen in practice: a list of such envelopes, and null for any of the parts;
    of the single sign-on, as OAuth has it: ``{"error", "error_description"}``;
    of Account Management: ``{"error": true, "message"}``.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    messages: list[str] = []
    for envelope in data if isinstance(data, list) else [data]:
        if isinstance(envelope, dict):
            messages += _messages_of(envelope)
    return "; ".join(filter(None, messages)) or None


def _messages_of(envelope: dict[str, t.Any]) -> list[str]:
    error = envelope.get("error")
    if isinstance(error, str):
        return [_trimmed(envelope.get("error_description"))]
    if isinstance(error, bool):
        return [_trimmed(envelope.get("message"))]
    if not isinstance(error, dict):
        return []
    violations = error.get("constraintViolations")
    if not isinstance(violations, list):
        violations = []
    return [_trimmed(error.get("message")), *map(_violation, violations)]


def _violation(violation: t.Any) -> str:
    if not isinstance(violation, dict):
        return ""
    parts = (_trimmed(violation.get("path")), _trimmed(violation.get("message")))
    return ": ".join(filter(None, parts))


def _trimmed(value: t.Any) -> str:
    return "" if value is None else printable(str(value).strip()).strip(" .")


def reason_of(error: Exception) -> str:
    """The innermost reason of a library's error; without the address, which may hold a secret."""
    inner = error.args[0] if error.args else error
    reason = getattr(inner, "reason", None)
    if reason is None:
        reason = inner if isinstance(inner, Exception) else error
    if isinstance(reason, Exception) and reason.args:
        reason = reason.args[-1]
    return _without_object(str(reason)).rstrip(".") or type(error).__name__


def _without_object(text: str) -> str:
    """The text without the connection that urllib3, version 1 or 2, names first."""
    return re.sub(r"^.*(>|Connection(Pool)?\([^()]*\)): ", "", text, flags=re.DOTALL) or text


def _redirected(url: str, location: str) -> str:
    """Where a redirect leads, which may be given relative to the address it comes from."""
    if not location:
        return "no address"
    try:
        target = urllib.parse.urlsplit(urllib.parse.urljoin(url, location))
    except ValueError:
        return "a damaged address"
    # Without a login and without the query, which may hold a secret.
    return f"{target.scheme}://{target.netloc.rpartition('@')[2]}{target.path}"


def _never_connected(error: Exception) -> bool:
    inner = error.args[0] if error.args else None
    return type(getattr(inner, "reason", None)).__name__ in (
        "NewConnectionError",
        "NameResolutionError",
    )
