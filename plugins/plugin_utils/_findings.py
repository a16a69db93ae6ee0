# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a token deserves a look. Pure."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import re
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import (
    KINDS,
    access_kind,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import (
    Period,
    parse_period,
    parse_timestamp,
)

Params = t.Mapping[str, t.Any]  # a token as dynatrace_token_info returns it
Identity = tuple[str, str, tuple[str, ...]]  # name, kind and resources

_IMMEDIATE, _SOON, _SOMETIME, _TIDY, _FINE = range(5)
_URGENCY = {
    "ending": _IMMEDIATE,
    "wide": _SOON,
    "never_used": _SOMETIME,
    "unused": _SOMETIME,
    "no_end": _SOMETIME,
    "same_name": _SOMETIME,
    "ended": _TIDY,
    "disabled": _TIDY,
}

# What needs no quotes, neither in a shell nor for Ansible.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,199}")
_COMMAND = 'ansible localhost -m community.dynatrace.{module} -a "{arguments}"'
_ROTATE = "rotate=always on_missing_secret=rotate expires_in=90d overlap=7d store=tokens"


@dataclasses.dataclass(frozen=True)
class Settings:
    expires_within: Period
    unused_for: Period
    max_scopes: int
    over_privileged_scopes: frozenset[str]


@dataclasses.dataclass(frozen=True)
class Audited:
    """The facts that findings depend on."""

    id: str
    name: str
    kind: str
    resources: tuple[str, ...]  # of a platform token
    enabled: bool
    expires: dt.datetime | None
    created: dt.datetime | None
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
    """The tokens with their ``findings`` and ``commands``, the most urgent first.

    :param tokens: as ``dynatrace_token_info`` returns them. A missing key means unknown.
    :raises OptionError: if a date is no date, or a token no dictionary.
    """
    if not isinstance(tokens, t.Sequence):
        raise _not_tokens("the input", tokens)
    audited = [(parse_audited(token), token) for token in tokens]
    names = collections.Counter(
        facts.identity for facts, _token in audited if not facts.is_predecessor
    )
    found = [(facts, token, _findings(facts, now, settings, names)) for facts, token in audited]
    return [
        {**token, "findings": findings, "commands": _commands(facts, findings, settings)}
        for facts, token, findings in sorted(found, key=lambda one: _rank(one[0], one[2]))
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
        "never_used": token.last_used is None and not _is_younger(token, unused_since),
        "unused": token.last_used is not None and token.last_used <= unused_since,
        "no_end": token.expires is None,
    }


def _is_younger(token: Audited, moment: dt.datetime) -> bool:
    """Whether the token is known not to have existed at that moment."""
    return token.created is not None and token.created > moment


def _rank(token: Audited, findings: t.Sequence[str]) -> tuple[t.Any, ...]:
    """By urgency, then by expiration date, then by name. A predecessor is taken care of."""
    urgency = min((_URGENCY.get(finding, _TIDY) for finding in findings), default=_FINE)
    if token.is_predecessor:
        urgency = _TIDY
    expires = float("inf") if token.expires is None else token.expires.timestamp()
    return urgency, expires, _natural(token.name), token.id


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts ci-9 before ci-10, whatever their case."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part)
        for part in re.split("([0-9]+)", name.casefold())
    ]


def _commands(token: Audited, findings: t.Sequence[str], settings: Settings) -> dict[str, str]:
    """A command for each finding that one command settles, as far as it needs no quotes."""
    if not _PLAIN.fullmatch(token.id) or token.kind not in KINDS:
        return {}
    kind = KINDS[token.kind]
    of_kind = f" kind={kind.option}"
    this = f"token_id={token.id}{of_kind}"
    delete = f"{this} state=absent"
    unused = f"{this} enabled=false" if "enabled" in kind.changes else delete
    arguments = {
        "ended": delete,
        "disabled": delete,
        "never_used": unused,
        "unused": unused,
        "wide": _narrower(token, settings, this) if "scopes" in kind.changes else None,
    }
    if _PLAIN.fullmatch(token.name):
        arguments.update(_by_name(token, findings, f"name={token.name}{of_kind}"))
    return {
        finding: _COMMAND.format(
            module="dynatrace_token_info" if finding == "same_name" else "dynatrace_token",
            arguments=arguments[finding],
        )
        for finding in findings
        if arguments.get(finding)
    }


def _by_name(token: Audited, findings: t.Sequence[str], name: str) -> dict[str, str | None]:
    kind = KINDS[token.kind]
    has_owner = kind.personal or "user_uuid" in kind.has  # a new one would have another
    is_clear = not (token.is_predecessor or "same_name" in findings or has_owner)
    rotate = f"{name} {_ROTATE}" if is_clear else None
    return {"ending": rotate, "no_end": rotate, "same_name": name}


def _narrower(token: Audited, settings: Settings, this: str) -> str | None:
    """The arguments that take the over-privileged scopes away, if others are left."""
    removed = [scope for scope in token.scopes if scope in settings.over_privileged_scopes]
    if not removed or len(removed) == len(token.scopes):
        return None
    if not all(_PLAIN.fullmatch(scope) for scope in removed):
        return None
    return f"{this} scopes={','.join(removed)} scopes_mode=remove"


def parse_audited(token: Params) -> Audited:
    """:raises OptionError: if a date is no date, or the token is no dictionary."""
    if not isinstance(token, t.Mapping):
        raise _not_tokens("a token", token)
    return Audited(
        id=str(token.get("id") or ""),
        name=str(token.get("name") or ""),
        kind=str(token.get("kind") or access_kind(bool(token.get("personal_access_token"))).option),
        resources=tuple(sorted(token.get("resources") or ())),
        enabled=token.get("enabled") is not False,
        expires=_parse_date("expiration_date", token.get("expiration_date")),
        created=_parse_date("creation_date", token.get("creation_date")),
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
