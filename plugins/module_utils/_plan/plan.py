# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do, from what there is and what is wanted. Pure: no request, no clock, no Ansible."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Entry,
    Retiring,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    OptionError,
    Refused,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.scopes import (
    MANAGING_SCOPES,
    unknown_scope_hint,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    Specification,
    check_not_past,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import (
    Period,
    format_timestamp,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Token,
    is_provisional,
    kind_name,
    provisional_name,
    sorted_scopes,
)
from ansible_collections.community.dynatrace.plugins.module_utils._plan.predecessors import (
    Retirement,
    note_of,
    plan_retirement,
)

# A hand-written date is rarely finer. The API v1 takes durations, so that an end is off by what the request and the clocks take.
_SAME_MOMENT = dt.timedelta(minutes=1)


@dataclasses.dataclass(frozen=True)
class Found:
    """The tokens of one identity, newest first, and what is known of secrets."""

    live: tuple[Token, ...]
    expired: tuple[Token, ...]
    pending: tuple[Token, ...] = ()  # provisional ones of somebody else
    orphans: tuple[Token, ...] = ()  # provisional ones of an earlier run, whose secret is lost
    retiring: tuple[
        Token, ...
    ] = ()  # predecessors that the store knows; all of them, or those that are due
    gone: tuple[
        str, ...
    ] = ()  # ids that the store says are retiring, and that are not there, or are no longer ours
    held_id: str | None = None  # the id of the token that the caller's secret belongs to
    entry: Entry | None = None  # what the store holds; None without a store
    kept_id: str | None = None  # the id of the token that the store's secret belongs to

    def knows_secret_of(self, token: Token) -> bool:
        return token.id is not None and token.id in (self.held_id, self.kept_id)

    def retires(self, token: Token) -> bool:
        return self.entry is not None and self.entry.retires(token)


class Retired(t.NamedTuple):
    token: Token
    action: str  # disabled, deleted


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done to reach what is wanted.

    First the tokens in ``orphans`` are deleted. A token is issued for ``created`` and ``rotated``, changed by one
    update for ``updated``; after that the tokens in ``disables`` are disabled, and those in ``deletes`` deleted, in order.
    """

    action: str  # none, created, updated, rotated, deleted: of the current token
    before: Token | None
    after: Token | None
    expires: Period | dt.datetime | None = None  # of the token to issue
    orphans: tuple[Token, ...] = ()
    replaced: tuple[Token, ...] = ()  # by the one that is issued
    unnamed: tuple[
        Token, ...
    ] = ()  # those among them that are to get their name first, by which they are known as ours
    disables: tuple[Token, ...] = ()
    deletes: tuple[Token, ...] = ()
    noted: tuple[Retiring, ...] = ()  # what the store must know before one of them is touched
    retiring: tuple[Retiring, ...] = ()  # what it knows when all is done
    warnings: tuple[str, ...] = ()
    secret_held: bool = False
    verifies: bool = False  # whether what is issued must be seen to work before the old one goes
    adopts: bool = False  # whether the caller's secret is to be put into the store
    forgets: bool = False  # whether the store is to forget the token that it holds
    store_updated: bool = False
    handed_over: bool | None = None  # what the entry ends with; None without a store

    @property
    def changed(self) -> bool:
        return self.action != "none" or bool(self.retired) or self.store_updated

    @property
    def issues(self) -> bool:
        return self.action in ("created", "rotated")

    @property
    def seals(self) -> bool:
        """Whether a secret is to be written into the store."""
        return self.adopts or self.issues

    @property
    def retired(self) -> tuple[Retired, ...]:
        """What is done to tokens beside the one that the action is about."""
        deletes = self.orphans + (self.deletes[1:] if self.action == "deleted" else self.deletes)
        return tuple(Retired(token, "disabled") for token in self.disables) + tuple(
            Retired(token, "deleted") for token in deletes
        )

    def harms(self, token_id: str | None) -> str | None:
        """What this plan would do to that token that its bearer cannot want, or None."""
        if token_id is None:
            return None
        if any(token.id == token_id for token in self.orphans + self.deletes):
            return "delete"
        if any(token.id == token_id for token in self.disables):
            return "disable"
        if any(token.id == token_id for token in self.replaced):
            return "replace"
        if (
            self.action != "updated"
            or self.before is None
            or self.after is None
            or self.before.id != token_id
        ):
            return None
        if self.before.enabled and not self.after.enabled:
            return "disable"
        lost = MANAGING_SCOPES.intersection(self.before.scopes) - set(self.after.scopes)
        return f"take {', '.join(sorted(lost))} from" if lost else None


NOTHING = Plan("none", None, None)


def sort_out(
    tokens: t.Iterable[Token],
    now: dt.datetime,
    held_id: str | None = None,
    entry: Entry | None = None,
    kept_id: str | None = None,
    looked_for: t.Iterable[Retiring] = (),
) -> Found:
    """Tell apart the tokens that bear on one specification.

    :param looked_for: the notes whose tokens are here, if they are anywhere.
    """
    sorted_tokens: dict[str, list[Token]] = {
        "live": [],
        "expired": [],
        "pending": [],
        "orphans": [],
        "retiring": [],
    }
    for token in tokens:
        sorted_tokens[_role(token, now, entry)].append(token)
    seen = {token.id for token in sorted_tokens["retiring"]}
    return Found(
        **{role: _newest_first(of_role) for role, of_role in sorted_tokens.items()},
        gone=tuple(note.id for note in looked_for if note.id not in seen),
        held_id=held_id,
        entry=entry,
        kept_id=kept_id,
    )


def _role(token: Token, now: dt.datetime, entry: Entry | None) -> str:
    if entry is not None and token.id != entry.id:
        if entry.retires(token):
            return "retiring"
        if entry.intent and token.name == provisional_name(entry.name, entry.intent.nonce):
            return "orphans"
    if is_provisional(token.name) and not (
        entry is not None and token.id == entry.id and entry.names(token)
    ):
        return "pending"
    if is_provisional(token.name) and token.ended(now):
        return "orphans"  # the next intent would make it unknown
    return "expired" if token.ended(now) else "live"


def make_plan(found: Found, specification: Specification, now: dt.datetime) -> Plan:
    """What to do to get from what was found to what is wanted.

    :param now: the server's clock.
    :raises OptionError: where the options cannot work with what was found.
    :raises Refused: where the options say that this is to fail.
    """
    current = _choose(found, specification)
    if specification.state == "absent":
        plan = _plan_absent(current, found)
    elif current is None:
        plan = _plan_issue(found, specification, now)
    else:
        plan = _plan_current(current, found, specification, now)
    plan = _retiring(plan, found, specification, now)
    plan = dataclasses.replace(plan, handed_over=_handed_over(plan, found, specification))
    return dataclasses.replace(
        plan, orphans=found.orphans, store_updated=_updates_store(plan, found)
    )


def _handed_over(plan: Plan, found: Found, specification: Specification) -> bool | None:
    """Whether the secret in the store counts as handed over when all is done."""
    if found.entry is None:
        return None
    if plan.issues:
        return specification.retire
    is_stored = plan.after is not None and plan.after.id == found.entry.id
    retires = is_stored and specification.retire
    return plan.adopts or retires or found.entry.handed_over


def _retiring(plan: Plan, found: Found, specification: Specification, now: dt.datetime) -> Plan:
    """The plan with what becomes of predecessors: those of earlier runs, and those that it replaces itself."""
    noted = (found.entry.retiring if found.entry else ()) + tuple(
        note_of(token, specification.overlap, now) for token in plan.replaced
    )
    if specification.token_id is not None:
        told = {token.id for token in found.live + found.expired}
        retirement = Retirement(
            deletes=plan.deletes, left=tuple(note for note in noted if note.id not in told)
        )
    elif specification.state == "absent":
        retirement = Retirement(deletes=plan.deletes + found.retiring)
    elif not specification.retire or _unusable(plan, specification):
        retirement = Retirement(left=noted)
    else:
        retirement = plan_retirement(
            noted, found.retiring + plan.replaced, found.gone, specification.delete_after, now
        )
    return dataclasses.replace(
        plan,
        noted=noted,
        disables=retirement.disables,
        deletes=retirement.deletes,
        retiring=retirement.left,
    )


def _unusable(plan: Plan, specification: Specification) -> bool:
    """Whether the token was disabled by somebody else, so that its predecessor may be all that works."""
    return plan.after is not None and not plan.after.enabled and specification.enabled is None


def _updates_store(plan: Plan, found: Found) -> bool:
    """Whether the store will hold something else. That a run left an intent there does not count."""
    entry = found.entry
    if entry is None:
        return False
    if plan.seals or plan.retiring != entry.retiring:
        return True
    return entry.id is not None and (
        plan.forgets
        or plan.handed_over != entry.handed_over
        or (plan.action == "updated" and plan.after is not None and plan.after.id == entry.id)
    )


def _choose(found: Found, specification: Specification) -> Token | None:
    if len(found.live) > 1 and specification.state == "absent":
        raise Refused(_duplicates_message(found, specification))
    entry_id = found.entry.id if found.entry else None
    kept = next((token for token in found.live if token.id == entry_id), None)
    held = next((token for token in found.live if token.id == found.held_id), None)
    if kept and held and kept is not held:
        raise Refused(
            f"token: the value given is the secret of {held.id}, but the store holds that of {kept.id}, and both are named "
            f"{kept.name!r}. Nothing was changed. Leave token out to go on with the one in the store, or delete that one by its token_id."
        )
    if kept or held:
        return kept or held
    if len(found.live) > 1:
        if specification.on_duplicates == "fail":
            raise Refused(_duplicates_message(found, specification))
        return found.live[0 if specification.on_duplicates == "newest" else -1]
    return found.live[0] if found.live else None


def _plan_absent(current: Token | None, found: Found) -> Plan:
    doomed = ((current,) if current else ()) + found.expired
    return Plan(
        action="deleted" if doomed else "none",
        before=doomed[0] if doomed else None,
        after=None,
        deletes=doomed,
        warnings=_pending_warnings(found),
        forgets=not any(map(found.retires, doomed)),
    )


def _plan_issue(found: Found, specification: Specification, now: dt.datetime) -> Plan:
    scopes = specification.scopes
    if specification.token_id is not None:
        raise OptionError(
            f"token_id: {specification.token_id} expired on {format_timestamp(_end(found.expired[0]))}, and the end of a token "
            "cannot be changed. Ask for the token by its name to have a new one issued."
        )
    if scopes is None or specification.scopes_mode == "remove":
        raise OptionError(
            f"scopes: there is no usable token named {specification.name!r}, and one cannot be issued without scopes. "
            "Name its scopes, with scopes_mode exact or add."
        )
    return Plan(
        action="rotated" if found.expired else "created",
        before=found.expired[0] if found.expired else None,
        after=_new_token(specification, scopes, _asked_end(specification, now)),
        expires=specification.expires_in or specification.expiration_date,
        replaced=found.expired,
        verifies=any(not token.ended(now) for token in found.retiring),
        warnings=_scope_warnings(scopes) + _pending_warnings(found) + _gone_warnings(found),
    )


def _plan_current(
    current: Token, found: Found, specification: Specification, now: dt.datetime
) -> Plan:
    missing = not found.knows_secret_of(current) and not found.retires(current)
    if missing and specification.on_missing_secret == "fail":
        raise Refused(_missing_secret_message(current, found, specification))
    replaces = (missing and specification.on_missing_secret == "rotate") or _rotation_due(
        current, specification, now
    )
    if replaces and (current.enabled or specification.enabled is not None):
        return _plan_replacement(current, found, specification, now)
    return _plan_update(current, found, specification)


def _rotation_due(current: Token, specification: Specification, now: dt.datetime) -> bool:
    if specification.on_immutable_change == "rotate" and _ends_otherwise(current, specification):
        return True
    if specification.rotate == "expiring":
        return current.expires is not None and current.expires <= specification.rotate_before.after(
            now
        )
    return specification.rotate == "always"


def _plan_replacement(
    current: Token, found: Found, specification: Specification, now: dt.datetime
) -> Plan:
    """Another token with what this one has, where nothing else is asked for, its end too."""
    scopes = _wanted_scopes(current, specification)
    told = current.complete or (
        specification.scopes is not None and specification.scopes_mode == "exact"
    )
    if not told or not scopes:
        raise Refused(
            f"{_label(current)} would be replaced, but Dynatrace did not tell its scopes. Name them all with scopes."
        )
    replaced = dataclasses.replace(current, name=specification.name or "")
    return Plan(
        action="rotated",
        before=current,
        unnamed=(replaced,) if replaced != current and current.complete else (),
        after=_new_token(specification, scopes, _asked_end(specification, now) or current.expires),
        expires=specification.expires_in or specification.expiration_date or current.expires,
        replaced=(replaced, *found.expired),
        verifies=True,
        warnings=_scope_warnings(set(scopes).difference(current.scopes)) + _pending_warnings(found),
    )


def _new_token(
    specification: Specification, scopes: tuple[str, ...], expires: dt.datetime | None
) -> Token:
    return Token(
        id=None,
        name=specification.name or "",
        enabled=specification.enabled is not False,
        scopes=scopes,
        personal_access_token=specification.personal_access_token,
        expires=expires,
    )


def _asked_end(specification: Specification, now: dt.datetime) -> dt.datetime | None:
    if specification.expiration_date is not None:
        check_not_past(specification.expiration_date, now)  # by the server's clock, too
    return (
        specification.expires_in.after(now)
        if specification.expires_in
        else specification.expiration_date
    )


def _plan_update(current: Token, found: Found, specification: Specification) -> Plan:
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
        warnings=_scope_warnings(sorted(added))
        + _state_warnings(current, specification)
        + _pending_warnings(found),
        secret_held=found.knows_secret_of(current),
        adopts=found.entry is not None
        and found.held_id == current.id
        and found.kept_id != current.id
        and not found.retires(current),
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
    if (
        asked is not None
        and specification.on_immutable_change == "fail"
        and _ends_otherwise(current, specification)
    ):
        real = f"ends at {format_timestamp(current.expires)}" if current.expires else "never ends"
        raise Refused(
            f"expiration_date: {_label(current)} {real}, not at {format_timestamp(asked)}, and Dynatrace cannot change the end of "
            "a token. Ask for the real date, leave the option out, or say on_immutable_change: rotate to have another token issued in "
            "its place, or ignore."
        )


def _ends_otherwise(current: Token, specification: Specification) -> bool:
    """Whether the token ends at another moment than asked for. A period is asked for at creation alone."""
    asked = specification.expiration_date
    return asked is not None and (
        current.expires is None or abs(current.expires - asked) >= _SAME_MOMENT
    )


def _scope_warnings(scopes: t.Iterable[str]) -> tuple[str, ...]:
    return tuple(hint for hint in map(unknown_scope_hint, scopes) if hint)


def _state_warnings(current: Token, specification: Specification) -> tuple[str, ...]:
    warnings = []
    if not current.enabled and specification.enabled is None:
        warnings.append(
            f"{_label(current)} is disabled and is left so, because enabled was not given. Say enabled: true to enable it."
        )
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
    if specification.state == "absent":
        why, next_step = "each run would delete another one", "Delete one by its token_id."
    else:
        why = "nothing tells which is meant"
        next_step = "Give the token_id of one, or, to keep one of them as specified, say on_duplicates: newest or oldest."
    kind = kind_name(specification.personal_access_token)
    return f"There are {len(found.live)} tokens of the kind {kind} named {specification.name!r}, and {why}: {listed}. {next_step}"


def _gone_warnings(found: Found) -> tuple[str, ...]:
    entry = found.entry
    if (
        entry is None
        or entry.id is None
        or any(token.id == entry.id for token in found.expired + found.orphans)
    ):
        return ()
    return (
        f"The token {entry.name!r} ({entry.id}), which the store holds, is gone: it was deleted by somebody else. A new one is issued.",
    )


def _missing_secret_message(current: Token, found: Found, specification: Specification) -> str:
    return (
        f"{_label(current)} exists, but {_why_missing(current, found, specification)}; on_missing_secret is fail. "
        "Give its secret as token, say on_missing_secret: rotate to have another token issued in its place (whoever uses this one "
        "is locked out then), or on_missing_secret: ignore to go on without it."
    )


def _why_missing(current: Token, found: Found, specification: Specification) -> str:
    reasons = []
    entry = found.entry
    if entry is not None and entry.id is None:
        reasons.append("the store has no secret for it")
    elif entry is not None and entry.id == current.id:
        reasons.append(
            f"the secret in the store is not its own but that of {found.kept_id or 'no token that Dynatrace knows'}"
        )
    elif entry is not None:
        fate = "has expired" if any(token.id == entry.id for token in found.expired) else "is gone"
        reasons.append(f"the store holds the secret of another, {entry.id}, which {fate}")
    if specification.token is not None and found.held_id is None:
        reasons.append("the secret given as token belongs to no token that Dynatrace knows")
    elif specification.token is not None:
        reasons.append(f"the secret given as token belongs to another token, {found.held_id}")
    return (
        " and ".join(reasons)
        or "its secret was shown when it was made and never again, and was not given as token"
    )


def _newest_first(tokens: t.Iterable[Token]) -> tuple[Token, ...]:
    return tuple(
        sorted(tokens, key=lambda token: (token.created or _EPOCH, token.id or ""), reverse=True)
    )


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)


def _end(token: Token) -> dt.datetime:
    return token.expires or _EPOCH


def _label(token: Token) -> str:
    return f"The token {token.name!r} ({token.id})"


def _describe(token: Token) -> str:
    made = (
        f"created {format_timestamp(token.created)}" if token.created else "creation date unknown"
    )
    return (
        f"{token.id} ({made}, {'enabled' if token.enabled else 'disabled'}, owner {token.owner!r})"
    )
