# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts of refusals and warnings about a plan. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.scopes import (
    unknown_scope_hint,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    Specification,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import (
    format_timestamp,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Token
from ansible_collections.community.dynatrace.plugins.module_utils._plan.found import Found


def label(token: Token) -> str:
    return f"The token {token.name!r} ({token.id})"


def duplicates(found: Found, specification: Specification) -> str:
    listed = "; ".join(_describe(token) for token in found.live)
    if specification.state == "absent":
        why = "each run would delete another one"
        next_step = "Delete one by its token_id."
    else:
        why = "nothing tells which is meant"
        next_step = (
            "Give the token_id of one, or, to keep one of them as specified, "
            "say on_duplicates: newest or oldest."
        )
    return (
        f"There are {len(found.live)} tokens of the kind {specification.kind.words} named "
        f"{specification.name!r}, and {why}: {listed}. {next_step}"
    )


def _describe(token: Token) -> str:
    made = "creation date unknown"
    if token.created:
        made = f"created {format_timestamp(token.created)}"
    state = "enabled" if token.enabled else "disabled"
    return f"{token.id} ({made}, {state}, owner {token.owner!r})"


def two_secrets(held: Token, kept: Token) -> str:
    return (
        f"token: the value given is the secret of {held.id}, but the store holds that of "
        f"{kept.id}, and both are named {kept.name!r}. Nothing was changed. Leave token out to go "
        "on with the token in the store, or delete that token by its token_id."
    )


def missing_secret(current: Token, found: Found, specification: Specification) -> str:
    return (
        f"{label(current)} exists, but {_why_missing(current, found, specification)}; "
        "on_missing_secret is fail. Give its secret as token. Or say on_missing_secret: rotate to "
        "have another token issued in its place, which locks out everybody who uses this token. "
        "Or say on_missing_secret: ignore to go on without the secret."
    )


def _why_missing(current: Token, found: Found, specification: Specification) -> str:
    reasons = [reason for reason in (_why_not_kept(current, found),) if reason]
    if specification.token is not None and found.held_id is None:
        reasons.append("the secret given as token belongs to no token that Dynatrace knows")
    elif specification.token is not None:
        reasons.append(f"the secret given as token belongs to another token, {found.held_id}")
    return " and ".join(reasons) or (
        "its secret was shown when it was made and never again, and was not given as token"
    )


def _why_not_kept(current: Token, found: Found) -> str | None:
    entry = found.entry
    if not found.stored:
        return None
    if entry.id is None:
        return f"the store has no secret for it ({entry.why_empty or found.place})"
    if entry.id == current.id:
        owner = found.kept_id or "no token that Dynatrace knows"
        return f"the secret in the store is not its own but that of {owner}"
    fate = "is gone"
    if any(token.id == entry.id for token in found.expired):
        fate = "has expired"
    return f"the store holds the secret of another, {entry.id}, which {fate}"


def immutable(current: Token, differences: t.Sequence[str], specification: Specification) -> str:
    """That something of a token would have to change that its kind cannot change."""
    if list(differences) == ["expiration_date"] and specification.expiration_date:
        return _other_expiration(current, specification)
    return (
        f"{', '.join(differences)}: Dynatrace cannot change this of a {current.kind.words}, and "
        f"{label(current)} differs. Nothing was changed. Say on_immutable_change: rotate, with "
        "overlap: 2d for example, to have another token issued in its place, or ignore."
    )


def _other_expiration(current: Token, specification: Specification) -> str:
    real = "never expires"
    if current.expires:
        real = f"expires on {format_timestamp(current.expires)}"
    asked = specification.expiration_date
    date = format_timestamp(asked) if asked else ""
    return (
        f"expiration_date: {label(current)} {real}, not on {date}, and Dynatrace cannot change the "
        "expiration date of a token. Ask for the real date, leave the option out, or say "
        "on_immutable_change: rotate to have another token issued in its place, or ignore."
    )


def doubtful(found: Found) -> str:
    listed = ", ".join(str(token.id) for token in found.doubtful)
    return (
        f"A run that issued {found.entry.name!r} was cut off, and may have left {listed}. Nothing "
        "tells whether it is that token or somebody else's, so no other is issued. Delete it by "
        "its token_id if nobody uses it, and run again."
    )


def expired_by_id(token: Token) -> str:
    date = format_timestamp(token.expires) if token.expires else "a date that is past"
    return (
        f"token_id: {token.id} expired on {date}, and the expiration date of a token cannot be "
        "changed. Ask for the token by its name to have a new one issued."
    )


def no_scopes_to_issue(specification: Specification) -> str:
    return (
        f"scopes: there is no usable token named {specification.name!r}, and one cannot be issued "
        "without scopes. Name its scopes, with scopes_mode exact or add."
    )


def scopes_not_told(current: Token) -> str:
    return (
        f"{label(current)} would be replaced, but Dynatrace did not tell its scopes. "
        "Name them all with scopes."
    )


def not_complete(current: Token) -> str:
    return (
        f"{label(current)} would be changed, but Dynatrace did not tell its scopes or whether it "
        "is "
        "enabled, and an update replaces both. Nothing was changed. Run again, or change it by "
        "hand."
    )


def no_scope_left(current: Token, specification: Specification) -> str:
    return (
        f"scopes: removing {', '.join(specification.scopes or ())} would leave {label(current)} "
        "without any scope. Leave one, disable the token with enabled: false, or delete it with "
        "state: absent."
    )


def scope_warnings(scopes: t.Iterable[str]) -> tuple[str, ...]:
    return tuple(hint for hint in map(unknown_scope_hint, scopes) if hint)


def state_warnings(current: Token, specification: Specification) -> tuple[str, ...]:
    warnings = []
    if not current.enabled and specification.enabled is None:
        warnings.append(
            f"{label(current)} is disabled and is left so, because enabled was not given. "
            "Say enabled: true to enable it."
        )
    if specification.expires_in and current.expires is None:
        warnings.append(
            f"{label(current)} never expires, although expires_in asks for "
            f"{specification.expires_in}. It is left as it is: expires_in is for new tokens."
        )
    return tuple(warnings)


def foreign_warnings(found: Found) -> tuple[str, ...]:
    return tuple(
        f"{label(token)} is from a run that was cut off, or that is still going on. "
        "If none is going on, delete it by its id: nobody knows its secret."
        for token in found.foreign_provisional
    )


def doubtful_warnings(found: Found) -> tuple[str, ...]:
    return (doubtful(found),) if found.doubtful else ()


def gone_warnings(found: Found) -> tuple[str, ...]:
    entry = found.entry
    there = found.expired + found.leftovers
    if entry.id is None or any(token.id == entry.id for token in there):
        return ()
    return (
        f"The token {entry.name!r} ({entry.id}), which the store holds, is gone: it was deleted by "
        "somebody else. A new one is issued.",
    )
