# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a request proves who it is from, as a flow of requests that the client only carries out."""

from __future__ import annotations

import base64
import dataclasses
import json
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import is_bearer
from ansible_collections.community.dynatrace.plugins.module_utils._http.explain import (
    DYNATRACE,
    Caller,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import (
    HttpRequest,
    HttpResponse,
    Server,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret

# Yields requests, and is sent the response to each, or thrown the RequestFailed in place of it.
# The last response is the answer.
Flow = t.Generator[HttpRequest, HttpResponse, None]


@dataclasses.dataclass(frozen=True)
class Audience:
    """The API that requests are for, and what an OAuth client has to ask for to call it."""

    address: str  # that the paths of requests are below
    # The scopes of the platform, by the scope that an access token needs for the same request.
    oauth_scopes: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    resource: str | None = None  # urn:dtaccount:UUID or urn:dtenvironment:ID
    server: Server = DYNATRACE
    strict: bool = False  # whether an OAuth client has to have all scopes that it is to ask for


class Auth(t.Protocol):
    """Who calls."""

    @property
    def caller(self) -> Caller:
        """How messages name who calls."""

    @property
    def is_bearer(self) -> bool:
        """Whether the scopes of the platform are needed, instead of those of access tokens."""

    def flow(self, request: HttpRequest) -> Flow:
        """The request, authenticated, and whatever has to be sent for that."""

    def subject(self) -> str | None:
        """Whom the caller is, as its access token says. None: it does not say."""


@dataclasses.dataclass(frozen=True)
class TokenAuth:
    """A token that the user gave."""

    token: Secret
    location: str = "header"
    caller: t.ClassVar[Caller] = Caller("api_token", "the calling token")

    @property
    def is_bearer(self) -> bool:
        return is_bearer(self.token)

    def flow(self, request: HttpRequest) -> Flow:
        """The request with the token in its query, or in its header.

        Documented: access tokens are of the scheme Api-Token. Seen in practice: those of the
        platform are Bearer.
        """
        if self.location == "query":
            query = {**request.query, "api-token": self.token.reveal()}
            yield dataclasses.replace(request, query=query)
        elif self.is_bearer:
            yield as_bearer(request, self.token)
        else:
            yield request.with_headers(Authorization=f"Api-Token {self.token.reveal()}")

    def subject(self) -> str | None:
        return subject_of(self.token)


def subject_of(token: Secret) -> str | None:
    """The subject of a JSON Web Token. None where it is another token, or names none."""
    claims = token.reveal().split(".")[1:2]
    try:
        data = json.loads(base64.urlsafe_b64decode("".join(claims) + "=="))
    except (ValueError, RecursionError):
        return None
    subject = data.get("sub") if isinstance(data, dict) else None
    return subject if isinstance(subject, str) and subject else None


def as_bearer(request: HttpRequest, token: Secret) -> HttpRequest:
    return request.with_headers(Authorization=f"Bearer {token.reveal()}")
