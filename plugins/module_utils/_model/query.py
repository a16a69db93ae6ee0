# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which tokens are asked for. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import (
    ACCESS,
    Kind,
    access_kind,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    check_public,
    check_token_id,
    parse_held_token,
    parse_kind,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import (
    Period,
    parse_period,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Token


@dataclasses.dataclass(frozen=True)
class Query:
    """Criteria for tokens; all that are given have to be met."""

    name: str | None
    name_regex: re.Pattern[str] | None
    token_id: str | None
    owner: str | None
    scopes: frozenset[str]
    kind: Kind | None
    enabled: bool | None
    expires_within: Period | None
    unused_for: Period | None
    token: Secret | None
    resources: frozenset[str] = frozenset()  # exactly these; empty: any

    def is_about(self, name: str) -> bool:
        """Whether a token of this name can match at all."""
        return self.name in (None, name) and (
            self.name_regex is None or self.name_regex.search(name) is not None
        )

    def matches(self, token: Token, now: dt.datetime) -> bool:
        return (
            self._is_of_kind(token)
            and self.is_about(token.name)
            and self.owner in (None, token.owner)
            and (not self.scopes or not self.scopes.isdisjoint(token.scopes))
            and self.enabled in (None, token.enabled)
            and (self.expires_within is None or _expires_within(token, self.expires_within, now))
            and (self.unused_for is None or _unused_for(token, self.unused_for, now))
        )

    def _is_of_kind(self, token: Token) -> bool:
        is_for = not self.resources or self.resources == set(token.resources)
        return self.kind in (None, token.kind) and is_for


def _expires_within(token: Token, period: Period, now: dt.datetime) -> bool:
    return token.expires is not None and now < token.expires <= period.after(now)


def _unused_for(token: Token, period: Period, now: dt.datetime) -> bool:
    """Whether neither its last use nor, where it was never used, its creation is more recent."""
    last = token.last_used or token.created
    return last is None or last <= period.before(now)


def parse_query(params: t.Mapping[str, t.Any], redactor: Redactor) -> Query:
    """The criteria, from the options of ``dynatrace_token_info``.

    :raises OptionError: where an option cannot work; never with a secret in its message.
    """
    if params["token"] is not None and params["token_id"] is not None:
        raise OptionError(
            "token and token_id exclude each other: look a token up by its secret, or by its id."
        )
    token = parse_held_token(params["token"])
    redactor.hide(token)
    check_public(params, redactor)
    if params["token_id"] is not None:
        check_token_id(params["token_id"])
    query = Query(
        name=params["name"],
        name_regex=_parse_regex(params["name_regex"]),
        token_id=params["token_id"],
        owner=params["owner"],
        scopes=frozenset(params["scopes"] or ()),
        kind=asked_kind(params),
        resources=frozenset(params["resources"] or ()),
        enabled=params["enabled"],
        expires_within=_parse_period("expires_within", params),
        unused_for=_parse_period("unused_for", params),
        token=token,
    )
    _check_kind(query)
    return query


def asked_kind(params: t.Mapping[str, t.Any]) -> Kind | None:
    """The kind that is asked for. None: access tokens, personal or not.

    :raises OptionError: where ``kind`` and ``personal_access_token`` are at odds.
    """
    personal = params["personal_access_token"]
    if params["kind"] is not None:
        kind = parse_kind(params)
        if personal is False and kind.personal:
            raise OptionError(
                f"personal_access_token: false excludes kind: {kind.option}. Leave one of them out."
            )
        return kind
    return None if personal is None else access_kind(personal)


def _check_kind(query: Query) -> None:
    """:raises OptionError: where a criterion is one that tokens of the kind are not told with."""
    kind = query.kind or ACCESS
    if query.owner is not None and "owner" not in kind.tells:
        raise OptionError(
            f"owner: Dynatrace does not return the owner of a {kind.words}. Leave the option out."
        )
    if query.token is not None and not kind.is_looked_up:
        raise OptionError(
            f"token: Dynatrace cannot look up the secret of a {kind.words}. Give token_id instead."
        )
    if query.resources and "resources" not in kind.has:
        raise OptionError(
            f"resources: tokens of kind {kind.option} have no resources. Leave the option out."
        )


def _parse_regex(pattern: str | None) -> re.Pattern[str] | None:
    try:
        return None if pattern is None else re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise OptionError(
            f"name_regex: {pattern!r} is not a regular expression: {error}."
        ) from None


def _parse_period(option: str, params: t.Mapping[str, t.Any]) -> Period | None:
    return None if params[option] is None else parse_period(option, params[option])
