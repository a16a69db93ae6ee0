# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a token deserves a look. Pure."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import access_kind
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import (
    Period,
    parse_period,
    parse_timestamp,
)

Params = t.Mapping[str, t.Any]  # a token as dynatrace_token_info returns it
Identity = tuple[str, str, tuple[str, ...]]  # name, kind and resources


@dataclasses.dataclass(frozen=True)
class Settings:
    expires_within: Period
    unused_for: Period
    max_scopes: int
    over_privileged_scopes: frozenset[str]


@dataclasses.dataclass(frozen=True)
class Audited:
    """The facts that findings depend on."""

    name: str
    kind: str
    resources: tuple[str, ...]  # of a platform token
    enabled: bool
    expires: dt.datetime | None
    last_used: dt.datetime | None
    scopes: tuple[str, ...]
    is_predecessor: bool

    @property
    def identity(self) -> Identity:
        return self.name, self.kind, self.resources

    def is_usable(self, now: dt.datetime) -> bool:
        return self.enabled and not self.expires_by(now)

    def expires_by(self, moment: dt.datetime) -> bool:
        return self.expires is not None and self.expires <= moment

    def is_over_privileged(self, settings: Settings) -> bool:
        too_many = len(self.scopes) > settings.max_scopes
        return too_many or not settings.over_privileged_scopes.isdisjoint(self.scopes)


def token_findings(
    tokens: t.Sequence[Params], now: dt.datetime, settings: Settings
) -> list[dict[str, t.Any]]:
    """The tokens with their ``findings``: those that expire first, then those that never expire.

    :param tokens: as ``dynatrace_token_info`` returns them. A missing key means unknown.
    :raises OptionError: if a date is no date, or a token no dictionary.
    """
    if not isinstance(tokens, t.Sequence):
        raise _not_tokens("the input", tokens)
    audited = [(parse_audited(token), token) for token in tokens]
    names = collections.Counter(
        facts.identity for facts, _token in audited if not facts.is_predecessor
    )
    return [
        {**token, "findings": _findings(facts, now, settings, names)}
        for facts, token in sorted(audited, key=lambda pair: _rank(pair[0]))
    ]


def _findings(
    token: Audited,
    now: dt.datetime,
    settings: Settings,
    names: t.Mapping[Identity, int],
) -> list[str]:
    seen = {"ended": token.expires_by(now)}
    if token.is_usable(now):
        seen.update(_findings_of_usable(token, now, settings))
    seen["same_name"] = not token.is_predecessor and names[token.identity] > 1
    seen["disabled"] = not token.enabled
    seen["retiring"] = token.is_predecessor
    return [finding for finding, is_true in seen.items() if is_true]


def _findings_of_usable(token: Audited, now: dt.datetime, settings: Settings) -> dict[str, bool]:
    unused_since = settings.unused_for.before(now)
    return {
        "ending": token.expires_by(settings.expires_within.after(now)),
        "wide": token.is_over_privileged(settings),
        "never_used": token.last_used is None,
        "unused": token.last_used is not None and token.last_used <= unused_since,
        "no_end": token.expires is None,
    }


def _rank(token: Audited) -> tuple[bool, float, str]:
    """By expiration date; tokens that never expire come last, by name."""
    if token.expires is None:
        return True, 0, token.name.lower()
    return False, token.expires.timestamp(), ""


def parse_audited(token: Params) -> Audited:
    """:raises OptionError: if a date is no date, or the token is no dictionary."""
    if not isinstance(token, t.Mapping):
        raise _not_tokens("a token", token)
    return Audited(
        name=str(token.get("name") or ""),
        kind=str(token.get("kind") or access_kind(bool(token.get("personal_access_token"))).option),
        resources=tuple(sorted(token.get("resources") or ())),
        enabled=token.get("enabled") is not False,
        expires=_parse_date("expiration_date", token.get("expiration_date")),
        last_used=_parse_date("last_used_date", token.get("last_used_date")),
        scopes=tuple(token.get("scopes") or ()),
        is_predecessor=bool(token.get("retiring")),
    )


def parse_settings(params: Params) -> Settings:
    """:raises OptionError: naming the setting that cannot work."""
    return Settings(
        expires_within=parse_period("expires_within", str(params["expires_within"]), or_none=True),
        unused_for=parse_period("unused_for", str(params["unused_for"]), or_none=True),
        max_scopes=_parse_max_scopes(params["max_scopes"]),
        over_privileged_scopes=_parse_scopes(params["over_privileged_scopes"]),
    )


def parse_now(value: str | None, clock: t.Callable[[], dt.datetime]) -> dt.datetime:
    """:raises OptionError: if it is given and no date."""
    return _parse_date("now", value) or clock()


def _parse_max_scopes(value: t.Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise OptionError(
            f"max_scopes is {value!r}. Give a number of scopes, such as 10."
        ) from None


def _parse_scopes(value: t.Any) -> frozenset[str]:
    if isinstance(value, str):
        raise OptionError(f"over_privileged_scopes is {value!r}. Give a list of scopes.")
    return frozenset(value or ())


def _not_tokens(what: str, value: t.Any) -> OptionError:
    return OptionError(
        f"token_findings: {what} is a {type(value).__name__}. "
        "Give the list tokens that dynatrace_token_info returns."
    )


def _parse_date(key: str, value: t.Any) -> dt.datetime | None:
    if not value:
        return None
    moment = parse_timestamp(str(value))
    if moment is None:
        raise OptionError(
            f"{key}: {value!r} is no date. Give ISO 8601 text with a time zone, "
            "such as 2030-01-31T12:00:00Z."
        )
    return moment
