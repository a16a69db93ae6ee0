# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of tokens: which, in what order, with which fields, on which page.

As much of the API as its clients here ask for: one criterion of the selector, fields that are
added, the order of creation.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import typing as t

import moments
from environment import Environment, Token
from problems import bad_query

_DEFAULT_FIELDS = ("id", "name", "enabled", "owner", "creationDate")
_MORE_FIELDS = (
    "personalAccessToken",
    "expirationDate",
    "lastUsedDate",
    "lastUsedIpAddress",
    "modifiedDate",
    "scopes",
    "additionalMetadata",
)
_PARAMETERS = {"pageSize", "apiTokenSelector", "fields", "from", "to", "sort", "nextPageKey"}
_CRITERION = re.compile(
    r'personalAccessToken\((?P<personal>true|false)\)|scope\("(?P<scope>[^"]+)"\)'
)


def list_tokens(
    environment: Environment, query: t.Mapping[str, str], page_cap: int | None
) -> dict[str, t.Any]:
    for parameter in query:
        if parameter not in _PARAMETERS:
            raise bad_query(parameter, f"Unknown query parameter '{parameter}'")
    offset = 0
    if "nextPageKey" in query:
        if len(query) > 1:
            raise bad_query(
                "nextPageKey", "When nextPageKey is set, all other query parameters must be omitted"
            )
        offset, query = _read_key(query["nextPageKey"])
    tokens = _sorted(
        _selected(list(environment.tokens.values()), query, environment.now()),
        query.get("sort", "-creationDate"),
    )
    fields = _fields(query.get("fields"))
    size = _page_size(query.get("pageSize"))
    end = offset + min(size, page_cap or size)
    page = [
        {name: value for name, value in token.as_json().items() if name in fields}
        for token in tokens[offset:end]
    ]
    answer: dict[str, t.Any] = {"totalCount": len(tokens), "pageSize": size, "apiTokens": page}
    if end < len(tokens):
        answer["nextPageKey"] = _write_key(end, query)
    elif offset:
        answer["nextPageKey"] = (
            None  # on a first page that is the last, it is absent: clients have to take both
        )
    return answer


def _write_key(offset: int, query: t.Mapping[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps([offset, dict(query)]).encode()).decode()


def _read_key(key: str) -> tuple[int, dict[str, str]]:
    try:
        offset, query = json.loads(base64.urlsafe_b64decode(key))
    except (ValueError, TypeError):
        raise bad_query("nextPageKey", "The given page key is not valid") from None
    return offset, query


def _page_size(value: str | None) -> int:
    if value is None:
        return 200
    if not value.isdecimal() or not 100 <= int(value) <= 10000:
        raise bad_query("pageSize", "must be between 100 and 10000")
    return int(value)


def _fields(value: str | None) -> set[str]:
    if value is None:
        return set(_DEFAULT_FIELDS)
    added = set(value.split(","))
    if not added <= {f"+{field}" for field in _MORE_FIELDS}:
        raise bad_query("fields", f"'{value}' is not a valid list of fields")
    return {*_DEFAULT_FIELDS, *(field[1:] for field in added)}


def _selected(tokens: list[Token], query: t.Mapping[str, str], now: dt.datetime) -> list[Token]:
    if "apiTokenSelector" in query:
        criterion = _CRITERION.fullmatch(query["apiTokenSelector"])
        if criterion is None:
            raise bad_query("apiTokenSelector", "not a valid selector")
        tokens = [token for token in tokens if _meets(token, criterion)]
    for bound, keeps in (
        ("from", lambda used, moment: used >= moment),
        ("to", lambda used, moment: used <= moment),
    ):
        if bound in query:
            moment = moments.parse(query[bound], now)
            if moment is None:
                raise bad_query(bound, f"'{query[bound]}' is not a valid time")
            tokens = [
                token for token in tokens if token.last_used and keeps(token.last_used, moment)
            ]
    return tokens


def _meets(token: Token, criterion: re.Match[str]) -> bool:
    if criterion["scope"] is not None:
        return criterion["scope"] in token.scopes
    return token.personal_access_token == (criterion["personal"] == "true")


def _sorted(tokens: list[Token], value: str) -> list[Token]:
    if value not in ("creationDate", "+creationDate", "-creationDate"):
        raise bad_query("sort", f"'{value}' is not a valid sort order")
    return sorted(tokens, key=lambda token: token.created, reverse=value.startswith("-"))
