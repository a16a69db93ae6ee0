# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do, from what there is and what is wanted. Pure: no request, no clock, no Ansible."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._errors import OptionError, Refused
from ansible_collections.community.dynatrace.plugins.module_utils._scopes import MANAGING_SCOPES, unknown_scope_hint
from ansible_collections.community.dynatrace.plugins.module_utils._specification import Specification
from ansible_collections.community.dynatrace.plugins.module_utils._time import Period, format_timestamp
from ansible_collections.community.dynatrace.plugins.module_utils._token import (
    Token,
    is_provisional,
    is_provisional_of,
    kind_name,
    sorted_scopes,
)

# Dynatrace keeps milliseconds; a hand-written date is rarely finer than a second.
_SAME_MOMENT = dt.timedelta(seconds=1)


@dataclasses.dataclass(frozen=True)
class Found:
    """The tokens of one identity, newest first, and what is known of the secret that the caller holds."""

    live: tuple[Token, ...]
    expired: tuple[Token, ...]
    pending: tuple[Token, ...] = ()
    held_id: str | None = None  # the id of the token that the caller's secret belongs to


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done to reach what is wanted.

    A token is issued for ``created`` and ``rotated``, changed by one update for ``updated``; after that
    the tokens in ``deletes`` are deleted, in order.
    """

    action: str  # none, created, updated, rotated, deleted
    before: Token | None
    after: Token | None
    expires: Period | dt.datetime | None = None  # of the token to issue
    deletes: tuple[Token, ...] = ()
    warnings: tuple[str, ...] = ()
    secret_held: bool = False

    @property
    def changed(self) -> bool:
        return self.action != "none"

    @property
    def issues(self) -> bool:
        return self.action in ("created", "rotated")

    @property
    def retired(self) -> tuple[Token, ...]:
        """The tokens that go beside the one the action is about."""
        return self.deletes[1:] if self.action == "deleted" else self.deletes

    def harms(self, token_id: str | None) -> str | None:
        """What this plan would do to that token that its bearer cannot want, or None."""
        if token_id is None:
            return None
        if any(token.id == token_id for token in self.deletes):
            return "delete"
        if self.action != "updated" or self.before is None or self.after is None or self.before.id != token_id:
            return None
        if self.before.enabled and not self.after.enabled:
            return "disable"
        lost = MANAGING_SCOPES.intersection(self.before.scopes) - set(self.after.scopes)
        return f"take {', '.join(sorted(lost))} from" if lost else None


def sort_out(tokens: t.Iterable[Token], now: dt.datetime, held_id: str | None) -> Found:
    """Tell apart the tokens that bear on one specification."""
    live, expired, pending = [], [], []
    for token in tokens:
        if is_provisional(token.name):
            pending.append(token)
        elif token.ended(now):
            expired.append(token)
        else:
            live.append(token)
    return Found(_newest_first(live), _newest_first(expired), _newest_first(pending), held_id)


def bears_on(token: Token, specification: Specification) -> bool:
    """Whether the token is of this name and kind, its provisional name counted, and not made by the product for itself."""
    name = specification.name or ""
    return (
        (token.name == name or is_provisional_of(token.name, name))
        and token.personal_access_token == specification.personal_access_token
        and not token.made_by_product
    )


def make_plan(found: Found, specification: Specification, now: dt.datetime) -> Plan:
    """What to do to get from what was found to what is wanted.

    :param now: the server's clock.
    :raises OptionError: where the options cannot work with what was found.
    :raises Refused: where the options say that this is to fail.
    """
    current = _choose(found, specification)
    if specification.state == "absent":
        return _plan_absent(current, found)
    if current is None:
        return _plan_issue(found, specification, now)
    return _plan_update(current, found, specification)


def _choose(found: Found, specification: Specification) -> Token | None:
    for token in found.live:
        if token.id == found.held_id:
            return token
    if len(found.live) > 1:
        # To delete the newest or oldest would delete another one with every run.
        if specification.on_duplicates == "fail" or specification.state == "absent":
            raise Refused(_duplicates_message(found, specification))
        return found.live[0 if specification.on_duplicates == "newest" else -1]
    return found.live[0] if found.live else None


def _plan_absent(current: Token | None, found: Found) -> Plan:
    doomed = ((current,) if current else ()) + found.expired
    if not doomed:
        return Plan("none", None, None, warnings=_pending_warnings(found))
    return Plan("deleted", doomed[0], None, deletes=doomed, warnings=_pending_warnings(found))


def _plan_issue(found: Found, specification: Specification, now: dt.datetime) -> Plan:
    scopes = specification.scopes
    if specification.token_id is not None or specification.name is None:
        raise OptionError(
            f"token_id: {specification.token_id} expired on {format_timestamp(_end(found.expired[0]))}, and the end of a token "
            "cannot be changed. Ask for the token by its name to have a new one issued."
        )
    if scopes is None or specification.scopes_mode == "remove":
        raise OptionError(
            f"scopes: there is no usable token named {specification.name!r}, and one cannot be issued without scopes. "
            "Name its scopes, with scopes_mode exact or add."
        )
    after = Token(
        id=None,
        name=specification.name,
        enabled=specification.enabled is not False,
        scopes=scopes,
        personal_access_token=specification.personal_access_token,
        expires=specification.expires_in.after(now) if specification.expires_in else specification.expiration_date,
    )
    return Plan(
        action="rotated" if found.expired else "created",
        before=found.expired[0] if found.expired else None,
        after=after,
        expires=specification.expires_in or specification.expiration_date,
        deletes=found.expired,
        warnings=_scope_warnings(scopes) + _pending_warnings(found),
    )


def _plan_update(current: Token, found: Found, specification: Specification) -> Plan:
    held = found.held_id is not None and found.held_id == current.id
    if not held and specification.on_missing_secret == "fail":
        raise Refused(_missing_secret_message(current, found, specification))
    _check_expiration(current, specification)
    after = dataclasses.replace(
        current,
        name=specification.name or current.name,
        enabled=current.enabled if specification.enabled is None else specification.enabled,
        scopes=_wanted_scopes(current, specification),
    )
    if after != current and not current.complete:
        raise Refused(
            f"{_label(current)} would be changed, but Dynatrace did not tell its scopes or whether it is enabled, and an update replaces "
            "both. Nothing was changed. Run again, or change it by hand."
        )
    added = set(after.scopes).difference(current.scopes)
    return Plan(
        action="none" if after == current else "updated",
        before=current,
        after=after,
        warnings=_scope_warnings(sorted(added)) + _state_warnings(current, specification) + _pending_warnings(found),
        secret_held=held,
    )


def _wanted_scopes(current: Token, specification: Specification) -> tuple[str, ...]:
    if specification.scopes is None:
        return current.scopes
    if specification.scopes_mode == "add":
        return sorted_scopes(current.scopes + specification.scopes)
    if specification.scopes_mode == "remove":
        left = sorted_scopes(set(current.scopes).difference(specification.scopes))
        if not left and current.scopes:
            raise OptionError(
                f"scopes: removing {', '.join(specification.scopes)} would leave {_label(current)} without any scope. "
                "Leave one, disable the token with enabled: false, or delete it with state: absent."
            )
        return left
    return specification.scopes


def _check_expiration(current: Token, specification: Specification) -> None:
    asked = specification.expiration_date
    if asked is None or specification.on_immutable_change == "ignore":
        return
    if current.expires is None or abs(current.expires - asked) >= _SAME_MOMENT:
        real = f"ends at {format_timestamp(current.expires)}" if current.expires else "never ends"
        raise Refused(
            f"expiration_date: {_label(current)} {real}, not at {format_timestamp(asked)}, and Dynatrace cannot change the end of "
            "a token. Ask for the real date, leave the option out, or say on_immutable_change: ignore."
        )


def _scope_warnings(scopes: t.Iterable[str]) -> tuple[str, ...]:
    return tuple(hint for hint in map(unknown_scope_hint, scopes) if hint)


def _state_warnings(current: Token, specification: Specification) -> tuple[str, ...]:
    warnings = []
    if not current.enabled and specification.enabled is None:
        warnings.append(f"{_label(current)} is disabled and is left so, because enabled was not given. Say enabled: true to enable it.")
    if specification.expires_in and current.expires is None:
        warnings.append(
            f"{_label(current)} never ends, although expires_in asks for {specification.expires_in}. "
            "The end of a token cannot be changed, so it is left as it is."
        )
    return tuple(warnings)


def _pending_warnings(found: Found) -> tuple[str, ...]:
    return tuple(
        f"{_label(token)} is from a run that was cut off, or that is still going on. "
        "If none is going on, delete it by its id: nobody knows its secret."
        for token in found.pending
    )


def _duplicates_message(found: Found, specification: Specification) -> str:
    listed = "; ".join(_describe(token) for token in found.live)
    return (
        f"There are {len(found.live)} tokens of the kind {kind_name(specification.personal_access_token)} named "
        f"{specification.name!r}, and nothing tells which is meant: {listed}. "
        "Give the token_id of one, or, to keep one of them as specified, say on_duplicates: newest or oldest."
    )


def _missing_secret_message(current: Token, found: Found, specification: Specification) -> str:
    if specification.token is None:
        why = "its secret was shown when it was made and never again, and was not given as token"
    elif found.held_id is None:
        why = "the secret given as token belongs to no token that Dynatrace knows"
    else:
        why = f"the secret given as token belongs to another token, {found.held_id}"
    return (
        f"{_label(current)} exists, but {why}; on_missing_secret is fail. "
        "Give its secret as token, or say on_missing_secret: ignore to go on without it."
    )


def _newest_first(tokens: t.Iterable[Token]) -> tuple[Token, ...]:
    return tuple(sorted(tokens, key=lambda token: (token.created or _EPOCH, token.id or ""), reverse=True))


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)


def _end(token: Token) -> dt.datetime:
    return token.expires or _EPOCH


def _label(token: Token) -> str:
    return f"The token {token.name!r} ({token.id})"


def _describe(token: Token) -> str:
    made = f"created {format_timestamp(token.created)}" if token.created else "creation date unknown"
    return f"{token.id} ({made}, {'enabled' if token.enabled else 'disabled'}, owner {token.owner!r})"
