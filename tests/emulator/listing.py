# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of tokens: which, in what order, with which fields, on which page."""

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
    r'(owner)\("([^"]+)"\)|(personalAccessToken)\((true|false)\)|(scope)\(("[^"]+"(?:,"[^"]+")*)\)'
)
_NEVER = dt.datetime.min.replace(tzinfo=dt.timezone.utc)
_UNLIMITED = dt.datetime.max.replace(tzinfo=dt.timezone.utc)
_SORT_KEYS: dict[str, t.Callable[[Token], t.Any]] = {
    "name": lambda token: token.name,
    "creationDate": lambda token: token.created,
    "lastUsedDate": lambda token: token.last_used or _NEVER,
    "modifiedDate": lambda token: token.modified or _NEVER,
    "expirationDate": lambda token: token.expires or _UNLIMITED,
}


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
    entries = value.split(",")
    names = {entry.lstrip("+-") for entry in entries}
    unknown = names.difference(_DEFAULT_FIELDS, _MORE_FIELDS)
    signed = [entry[:1] in "+-" for entry in entries]
    if unknown or any(signed) != all(signed):
        raise bad_query("fields", f"'{value}' is not a valid list of fields")
    if not signed[0]:
        return names | {"id"}
    added = {entry[1:] for entry in entries if entry[0] == "+"}
    removed = {entry[1:] for entry in entries if entry[0] == "-"}
    return (set(_DEFAULT_FIELDS) | added) - removed | {"id"}


def _selected(tokens: list[Token], query: t.Mapping[str, str], now: dt.datetime) -> list[Token]:
    selector = query.get("apiTokenSelector", "")
    if selector and not re.fullmatch(
        rf"(?:{_CRITERION.pattern})(?:,(?:{_CRITERION.pattern}))*", selector
    ):
        raise bad_query("apiTokenSelector", f"'{selector}' is not a valid selector")
    for match in _CRITERION.finditer(selector):
        criterion, argument = filter(None, match.groups())
        tokens = [token for token in tokens if _meets(token, criterion, argument)]
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


def _meets(token: Token, criterion: str, argument: str) -> bool:
    if criterion == "personalAccessToken":
        return token.personal_access_token == (argument == "true")
    if criterion == "owner":
        return token.owner == argument
    return not set(argument[1:-1].split('","')).isdisjoint(token.scopes)


def _sorted(tokens: list[Token], value: str) -> list[Token]:
    key = _SORT_KEYS.get(value.lstrip("+-"))
    if key is None:
        raise bad_query("sort", f"'{value}' is not a valid sort order")
    return sorted(tokens, key=key, reverse=value.startswith("-"))
