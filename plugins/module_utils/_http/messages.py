# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests and responses, as values. None of them prints what may hold a secret."""

from __future__ import annotations

import dataclasses
import typing as t
import urllib.parse

_HARMLESS = ("GET", "PUT", "DELETE")


@dataclasses.dataclass(frozen=True)
class Request:
    """A request to an API, without anything about who calls."""

    method: str
    path: str  # below the address of the API; every variable part of it quoted
    query: t.Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    body: t.Mapping[str, t.Any] | None = dataclasses.field(default=None, repr=False)  # for JSON
    scope: str | None = None  # that an access token needs for this; None: any
    absent: tuple[int, ...] = ()  # statuses that say that the thing is not there, and are no error
    reads: bool = False  # whether a POST changes nothing
    text: bool = False  # whether the answer may be plain text or CSV

    @property
    def is_harmless(self) -> bool:
        """Whether it may be carried out more than once."""
        return self.reads or self.method in _HARMLESS


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    data: t.Any = dataclasses.field(repr=False)  # JSON, or text; None: the answer had no body


@dataclasses.dataclass(frozen=True)
class Server:
    """A server, as messages speak of it."""

    name: str
    option: str  # that has its address
    doubt: str  # what to check if the answer is not one of this server
    # What may be missing beside a scope, by the method of the request.
    limits: t.Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)


@dataclasses.dataclass(frozen=True)
class HttpRequest:
    """A request as it is sent."""

    method: str
    url: str  # without its query
    server: Server
    next_step: t.Callable[[int], str] = dataclasses.field(repr=False)  # by the status of a refusal
    is_harmless: bool = True  # whether it may be carried out more than once
    query: t.Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    body: bytes | None = dataclasses.field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.url}"

    @property
    def full_url(self) -> str:
        return f"{self.url}?{urllib.parse.urlencode(self.query)}" if self.query else self.url

    @property
    def host(self) -> str:
        return urllib.parse.urlsplit(self.url).netloc

    def with_headers(self, **headers: str) -> HttpRequest:
        return dataclasses.replace(self, headers={**self.headers, **headers})


@dataclasses.dataclass(frozen=True)
class HttpResponse:
    """A response, read to its end."""

    status: int
    reason: str
    headers: t.Mapping[str, str] = dataclasses.field(repr=False)
    content: bytes = dataclasses.field(repr=False)

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "no content type").split(";")[0]
