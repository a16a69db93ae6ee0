# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the APIs of all kinds have in common: the clock, and listings that go on behind a key."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._api.answers import (
    an_object,
    no_answer,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.client import Http
from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import Request
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import RequestFailed
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Token

_MOST_PAGES = 1000


class HttpApi:
    """An API that is reached by HTTP. See ``TokenApi``."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def now(self) -> dt.datetime:
        return self._http.now()

    def skew(self) -> dt.timedelta:
        return self._http.skew


class ApiWithoutLookup(HttpApi):
    """An API that does not tell whose a secret is, and whose tokens do not call it."""

    def caller_id(self) -> str | None:
        return None

    def lookup(self, secret: Secret) -> Token | None:
        return None

    def id_of(self, secret: Secret) -> str | None:
        return None


@dataclasses.dataclass(frozen=True)
class Listing:
    """A listing in pages, each of which has the key of the next one."""

    what: str  # for messages
    path: str
    field: str  # that has the entries
    page_key: str  # the parameter that takes the key
    scope: str  # that an access token needs

    def entries(self, http: Http, query: t.Mapping[str, str]) -> t.Iterator[t.Any]:
        """The entries of all pages."""
        seen: set[str] = set()
        while len(seen) < _MOST_PAGES:
            answer = http.request(Request("GET", self.path, query, scope=self.scope))
            page = an_object(self.what, answer.data)
            entries = page.get(self.field, [] if "totalCount" in page else None)
            if not isinstance(entries, list):
                raise no_answer(self.what)
            yield from entries
            key = page.get("nextPageKey")
            if not key:
                return
            self._check_key(key, seen)
            seen.add(key)
            query = {self.page_key: key}  # documented: no other parameter may stand beside it
        raise RequestFailed(
            f"Dynatrace's answer, {self.what}, has not ended after {_MOST_PAGES} pages. Run again "
            "later."
        )

    def _check_key(self, key: t.Any, seen: t.Container[str]) -> None:
        if not isinstance(key, str) or not key.isprintable():
            raise RequestFailed(
                f"Dynatrace's answer, {self.what}, goes on behind a key that cannot be one. Run "
                "again later."
            )
        if key in seen:
            raise RequestFailed(
                f"Dynatrace answered the same page of {self.what} twice. Run again later."
            )
