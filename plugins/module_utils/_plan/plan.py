# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what was found and what is wanted to a plan: its steps, and how the store ends.

Pure: no request, no clock, no Ansible.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Entry,
    Predecessor,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    OptionError,
    Refused,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.scopes import (
    MANAGING_SCOPES,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    Specification,
    check_not_past,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import Period
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Token,
    sorted_scopes,
)
from ansible_collections.community.dynatrace.plugins.module_utils._plan import messages
from ansible_collections.community.dynatrace.plugins.module_utils._plan.found import (
    Found,
    is_leftover,
    open_intents,
)
from ansible_collections.community.dynatrace.plugins.module_utils._plan.predecessors import (
    Retirement,
    plan_retirement,
    predecessor_of,
)

Expiration = t.Union[Period, dt.datetime, None]

# A hand-written date is rarely finer. The API v1 takes durations, so that an expiration date is off
# by what the request and the clocks take. The mark of a new token moves its date by less than that.
_SAME_MOMENT = dt.timedelta(minutes=1)

# The attributes that can differ, by the names of options, and their fields.
_FIELDS = {
    "name": "name",
    "scopes": "scopes",
    "enabled": "enabled",
    "expiration_date": "expires",
    "activegate_type": "activegate_type",
    "seed": "seed",
}


@dataclasses.dataclass(frozen=True)
class Issue:
    """Issue a token: intent, creation, secret into the store, final name, verification."""

    token: Token
    expires: Expiration
    entry: Entry  # what the store gets with the secret
    replaced: tuple[Token, ...] = ()
    verifies: bool = False  # whether it must be seen to work before the old one goes


@dataclasses.dataclass(frozen=True)
class Update:
    before: Token
    after: Token


@dataclasses.dataclass(frozen=True)
class Verify:
    """See that the token in the store works, which a run that was cut off may not have done."""

    token: Token


@dataclasses.dataclass(frozen=True)
class Delete:
    """Delete the token that the plan is about."""

    token: Token


@dataclasses.dataclass(frozen=True)
class Retire:
    """Disable or delete another token than the one that the plan is about."""

    token: Token
    action: str  # disabled, deleted
    soft: bool = False  # whether the run goes on if it fails


@dataclasses.dataclass(frozen=True)
class Save:
    """Write an entry. After an issue it gets what the issue told."""

    entry: Entry
    soft: bool = False


@dataclasses.dataclass(frozen=True)
class Remove:
    entry: Entry
    soft: bool = False


Step = t.Union[Issue, Update, Verify, Delete, Retire, Save, Remove]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done, in order, and how Dynatrace and the store end."""

    action: str  # none, created, updated, rotated, deleted: of the current token
    before: Token | None
    after: Token | None
    entry: Entry | None = None  # what the store ends with; an issue adds id and secret
    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()
    secret_known: bool = False  # whether the caller or the store holds the secret of ``after``
    store_updated: bool = False

    @property
    def changed(self) -> bool:
        return self.action != "none" or bool(self.retired) or self.store_updated

    @property
    def issue(self) -> Issue | None:
        return next((step for step in self.steps if isinstance(step, Issue)), None)

    @property
    def retired(self) -> tuple[Retire, ...]:
        """What is done to tokens beside the one that the plan is about."""
        return tuple(step for step in self.steps if isinstance(step, Retire))

    @property
    def deleted(self) -> tuple[Token, ...]:
        one = tuple(step.token for step in self.steps if isinstance(step, Delete))
        return one + tuple(step.token for step in self.retired if step.action == "deleted")

    def harm_to(self, token_id: str | None) -> str | None:
        """The harm that this plan would do to the calling token, or None."""
        if token_id is None:
            return None
        replaced = self.issue.replaced if self.issue else ()
        if _with_id(self.deleted, token_id):
            return "delete"
        if _with_id((step.token for step in self.retired), token_id):
            return "disable"
        if _with_id(replaced, token_id):
            return "replace"
        updates = [step for step in self.steps if isinstance(step, Update)]
        return _first_harm(updates, token_id)


def _with_id(tokens: t.Iterable[Token], token_id: str | None) -> Token | None:
    return next((token for token in tokens if token.id == token_id), None)


def _first_harm(updates: t.Iterable[Update], token_id: str) -> str | None:
    return next((_harm_of(update) for update in updates if update.before.id == token_id), None)


def _harm_of(update: Update) -> str | None:
    if update.before.enabled and not update.after.enabled:
        return "disable"
    lost = MANAGING_SCOPES.intersection(update.before.scopes) - set(update.after.scopes)
    return f"take {', '.join(sorted(lost))} from" if lost else None


NOTHING = Plan("none", None, None)


@dataclasses.dataclass(frozen=True)
class _Draft:
    """The plan for the current token, before that for its predecessors is added."""

    action: str
    before: Token | None
    after: Token | None
    entry: Entry  # after these steps
    steps: tuple[Step, ...] = ()
    doomed: tuple[Token, ...] = ()  # tokens to delete at the end, the one of the action first
    warnings: tuple[str, ...] = ()

    @property
    def issue(self) -> Issue | None:
        return next((step for step in self.steps if isinstance(step, Issue)), None)


def make_plan(found: Found, specification: Specification, now: dt.datetime) -> Plan:
    """What to do to get from what was found to what is wanted.

    :param now: the server's clock.
    :raises OptionError: where the options cannot work with what was found.
    :raises Refused: where the options say that this is to fail.
    """
    current = _choose(found, specification)
    if specification.state == "absent":
        draft = _plan_absent(current, found, specification)
    elif current is None:
        draft = _plan_first(found, specification, now)
    else:
        draft = _plan_current(current, found, specification, now)
    if draft.issue and found.doubtful:
        raise Refused(messages.doubtful(found))
    return _complete(draft, found, specification, now)


def _choose(found: Found, specification: Specification) -> Token | None:
    live, entry = found.live, found.entry
    if specification.state == "absent":
        _check_one_to_delete(found, specification)
    kept = _with_id(live, entry.id)
    held = _with_id(live, found.held_id)
    if kept and held and kept is not held:
        raise Refused(messages.two_secrets(held, kept))
    return kept or held or _one_of(live, found, specification)


def _one_of(live: t.Sequence[Token], found: Found, specification: Specification) -> Token | None:
    """The token that is meant where neither the store nor the caller holds a secret."""
    if len(live) < 2:
        return next(iter(live), None)
    if specification.on_duplicates == "fail" and specification.state == "present":
        raise Refused(messages.duplicates(found, specification))
    return live[-1 if specification.on_duplicates == "oldest" else 0]


def _check_one_to_delete(found: Found, specification: Specification) -> None:
    """Fail where each run would delete another token, because the store knows only some of them."""
    entry = found.entry
    is_known = [token.id == entry.id or entry.knows(token) for token in found.live]
    if len(found.live) > 1 and not all(is_known):
        raise Refused(messages.duplicates(found, specification))


def _plan_absent(current: Token | None, found: Found, specification: Specification) -> _Draft:
    entry = found.entry
    others = tuple(token for token in found.live if token is not current)
    doomed = ((current,) if current else ()) + others + found.expired
    if specification.token_id is None:
        left = Entry(entry.identity, intents=entry.intents)
    else:
        left = _without(entry, specification.token_id)
    return _Draft(
        action="deleted" if doomed else "none",
        before=next(iter(doomed), None),
        after=None,
        entry=left,
        doomed=doomed,
        warnings=messages.foreign_warnings(found) + messages.doubtful_warnings(found),
    )


def _without(entry: Entry, token_id: str | None) -> Entry:
    """The entry once this token is gone."""
    predecessors = tuple(one for one in entry.predecessors if one.id != token_id)
    if entry.id != token_id:
        return dataclasses.replace(entry, predecessors=predecessors)
    return Entry(entry.identity, intents=entry.intents, predecessors=predecessors)


def _plan_first(found: Found, specification: Specification, now: dt.datetime) -> _Draft:
    """There is no token that could be used."""
    if specification.token_id is not None:
        raise OptionError(messages.expired_by_id(found.expired[0]))
    scopes = _scopes_to_issue(specification)
    token = _new_token(specification, scopes, _asked_date(specification, now))
    doomed, replaced = _expired_first(found)
    entry = _announced(token, found, replaced, specification, now)
    issue = Issue(
        token,
        specification.expires_in or specification.expiration_date,
        entry,
        replaced=replaced,
        verifies=any(not one.has_expired(now) for one in found.predecessors),
    )
    return _Draft(
        action="rotated" if found.expired else "created",
        before=next(iter(found.expired), None),
        after=token,
        entry=entry,
        steps=(*doomed, issue),
        warnings=messages.scope_warnings(scopes)
        + messages.foreign_warnings(found)
        + messages.gone_warnings(found),
    )


def _expired_first(found: Found) -> tuple[tuple[Retire, ...], tuple[Token, ...]]:
    """What of the expired tokens goes before another is issued, and what after it.

    Where expired tokens count against a limit, one more could be one too many.
    """
    before = tuple(token for token in found.expired if token.kind.expired_count)
    after = tuple(token for token in found.expired if not token.kind.expired_count)
    return tuple(Retire(token, "deleted", soft=True) for token in before), after


def _scopes_to_issue(specification: Specification) -> tuple[str, ...]:
    scopes = specification.scopes
    if "scopes" not in specification.kind.has:
        return ()
    if scopes is None or specification.scopes_mode == "remove":
        raise OptionError(messages.no_scopes_to_issue(specification))
    return scopes


def _plan_current(
    current: Token, found: Found, specification: Specification, now: dt.datetime
) -> _Draft:
    missing = _lacks_secret(current, found, specification)
    if missing and specification.on_missing_secret == "fail":
        raise Refused(messages.missing_secret(current, found, specification))
    wanted = _wanted(current, specification)
    fixed = _fixed_differences(current, wanted)
    is_due = missing and specification.on_missing_secret == "rotate"
    is_due = is_due or _rotation_is_due(current, bool(fixed), specification, now)
    if is_due and not _is_left_disabled(current, specification):
        return _plan_replacement(current, found, specification, now)
    if fixed and specification.on_immutable_change == "fail":
        raise Refused(messages.immutable(current, fixed, specification))
    return _plan_update(current, _reachable(current, wanted), found, specification)


def _fixed_differences(current: Token, wanted: Token) -> list[str]:
    """The options that ask for what the token's kind cannot change."""
    return [name for name in _differences(current, wanted) if name not in current.kind.changes]


def _is_left_disabled(current: Token, specification: Specification) -> bool:
    return not current.enabled and specification.enabled is None


def _lacks_secret(current: Token, found: Found, specification: Specification) -> bool:
    if found.knows_secret_of(current):
        return False
    return not _is_known_by_id(current, found, specification)


def _reachable(current: Token, wanted: Token) -> Token:
    """The token with what its kind can change of the wanted one."""
    fields = [field for name, field in _FIELDS.items() if name in current.kind.changes]
    return dataclasses.replace(current, **{field: getattr(wanted, field) for field in fields})


def _is_known_by_id(current: Token, found: Found, specification: Specification) -> bool:
    """Whether the task names, by its id, a predecessor, of which the store keeps no secret."""
    return specification.token_id is not None and found.entry.knows(current)


def _wanted(current: Token, specification: Specification) -> Token:
    """The token as it would be if everything could be changed."""
    enabled = current.enabled if specification.enabled is None else specification.enabled
    expires = current.expires
    if _expires_otherwise(current, specification):
        expires = specification.expiration_date
    return dataclasses.replace(
        current,
        name=specification.name or current.name,
        enabled=enabled,
        scopes=_wanted_scopes(current, specification),
        expires=expires,
        **_fixed(specification, current),
    )


def _differences(one: Token, other: Token) -> list[str]:
    return [name for name, field in _FIELDS.items() if getattr(one, field) != getattr(other, field)]


def _rotation_is_due(
    current: Token, differs: bool, specification: Specification, now: dt.datetime
) -> bool:
    if specification.on_immutable_change == "rotate" and differs:
        return True
    if specification.rotate == "expiring":
        return current.expires is not None and (
            current.expires <= specification.rotate_before.after(now)
        )
    return specification.rotate == "always"


def _plan_replacement(
    current: Token, found: Found, specification: Specification, now: dt.datetime
) -> _Draft:
    """Another token with what this one has, where nothing else is asked for; its expiration too."""
    scopes = _scopes_to_repeat(current, specification)
    final = current
    first: tuple[Step, ...] = ()
    if current.name != specification.name and "name" in current.kind.changes:
        # By its final name a later run recognises it as ours.
        final = dataclasses.replace(current, name=specification.name or current.name)
        first = (Update(current, final),) if current.complete else ()
    expires_at = _asked_date(specification, now) or current.expires
    token = _new_token(specification, scopes, expires_at, like=current)
    doomed, expired = _expired_first(found)
    replaced = (final, *expired)
    entry = _announced(token, found, replaced, specification, now)
    expires = specification.expires_in or specification.expiration_date or current.expires
    return _Draft(
        action="rotated",
        before=current,
        after=token,
        entry=entry,
        steps=(*doomed, *first, Issue(token, expires, entry, replaced, verifies=True)),
        warnings=messages.scope_warnings(set(scopes).difference(current.scopes))
        + messages.foreign_warnings(found),
    )


def _scopes_to_repeat(current: Token, specification: Specification) -> tuple[str, ...]:
    scopes = _wanted_scopes(current, specification)
    named = specification.scopes is not None and specification.scopes_mode == "exact"
    if "scopes" in current.kind.has and not (scopes and (current.complete or named)):
        raise Refused(messages.scopes_not_told(current))
    return scopes


def _announced(
    token: Token,
    found: Found,
    replaced: tuple[Token, ...],
    specification: Specification,
    now: dt.datetime,
) -> Entry:
    """The entry of a token that is about to be issued."""
    new = tuple(predecessor_of(one, specification.overlap, now) for one in replaced)
    ids = {one.id for one in new}
    return Entry(
        found.entry.identity,
        scopes=token.scopes,
        expires=token.expires,
        handed_over=specification.retire,
        intents=found.entry.intents,
        predecessors=(*(one for one in found.entry.predecessors if one.id not in ids), *new),
    )


def _new_token(
    specification: Specification,
    scopes: tuple[str, ...],
    expires: dt.datetime | None,
    like: Token | None = None,
) -> Token:
    """:param like: the token that it replaces, which has what is not specified."""
    activegate_type, seed = specification.activegate_type, specification.seed
    if like is not None:
        activegate_type = like.activegate_type if activegate_type is None else activegate_type
        seed = like.seed if seed is None else seed
    return Token(
        id=None,
        name=specification.name or "",
        enabled=specification.enabled is not False,
        scopes=scopes,
        kind=specification.kind,
        expires=expires,
        place=specification.place if specification.resources else None,
        resources=specification.resources,
        tags=specification.tags,
        user_uuid=specification.user_uuid,
        activegate_type=activegate_type,
        seed=seed,
    )


def _fixed(specification: Specification, current: Token) -> dict[str, t.Any]:
    """What is wanted of attributes that Dynatrace may not tell; untold ones cannot differ."""
    asked = {"activegate_type": specification.activegate_type, "seed": specification.seed}
    told = {name: getattr(current, name) for name in asked}
    return {
        name: told[name] if None in (told[name], asked[name]) else asked[name] for name in asked
    }


def _asked_date(specification: Specification, now: dt.datetime) -> dt.datetime | None:
    if specification.expires_in:
        return specification.expires_in.after(now)
    if specification.expiration_date is not None:
        check_not_past(specification.expiration_date, now)  # by the server's clock, too
    return specification.expiration_date


def _plan_update(
    current: Token, after: Token, found: Found, specification: Specification
) -> _Draft:
    if after != current and not current.complete:
        raise Refused(messages.not_complete(current))
    entry = _entry_of(current, after, found, specification)
    steps: list[Step] = []
    if entry.identity != found.entry.identity or entry.id != found.entry.id:
        steps.append(Save(entry))  # first, because it would be lost if the run were cut off
    elif entry.secret != found.entry.secret:
        steps.append(Save(entry))
    if after != current:
        steps.append(Update(current, after))
    if _is_unverified(current, found):
        steps.append(Verify(after))
    added = set(after.scopes).difference(current.scopes)
    return _Draft(
        action="none" if after == current else "updated",
        before=current,
        after=after,
        entry=entry,
        steps=tuple(steps),
        warnings=messages.scope_warnings(sorted(added))
        + messages.state_warnings(current, specification)
        + messages.foreign_warnings(found)
        + messages.doubtful_warnings(found),
    )


def _entry_of(current: Token, after: Token, found: Found, specification: Specification) -> Entry:
    """The entry of a token that stays, under its name, or the one that it gets."""
    entry = target = found.entry
    if found.target and found.target.name == after.name:
        target = found.target
    if not found.stored:
        return entry
    if _is_known_by_id(current, found, specification):
        return _taken_back(current, target)
    if found.held_id == current.id and found.kept_id != current.id:
        return _adopted(after, target, specification)
    if entry.id != current.id:
        return entry
    kept = dataclasses.replace(entry, handed_over=entry.handed_over or specification.retire)
    if after != current:
        kept = dataclasses.replace(kept, scopes=after.scopes, expires=after.expires)
    return _moved(kept, target)


def _adopted(token: Token, entry: Entry, specification: Specification) -> Entry:
    """The entry with the secret that the caller holds."""
    return dataclasses.replace(
        entry,
        id=token.id,
        secret=specification.token,
        scopes=token.scopes,
        expires=token.expires,
        created=None,
        handed_over=True,
        predecessors=tuple(one for one in entry.predecessors if one.id != token.id),
    )


def _moved(entry: Entry, target: Entry) -> Entry:
    """The entry under another name, with what is remembered of that name."""
    if entry.identity == target.identity:
        return entry
    return dataclasses.replace(
        entry,
        identity=target.identity,
        intents=target.intents,
        predecessors=target.predecessors,
    )


def _taken_back(token: Token, entry: Entry) -> Entry:
    """The entry with this token among its predecessors, as one that stays."""
    stays = Predecessor(token.id or "", None)
    if all(one.id != token.id for one in entry.predecessors):
        return dataclasses.replace(entry, predecessors=(*entry.predecessors, stays))
    predecessors = tuple(stays if one.id == token.id else one for one in entry.predecessors)
    return dataclasses.replace(entry, predecessors=predecessors)


def _is_unverified(current: Token, found: Found) -> bool:
    """Whether a run was cut off before it saw that this token works, and there are predecessors."""
    entry = found.entry
    if entry.id != current.id or not entry.predecessors:
        return False
    return any(
        intent.expires is None or is_leftover(current, intent, entry.name)
        for intent in entry.intents
    )


def _wanted_scopes(current: Token, specification: Specification) -> tuple[str, ...]:
    if specification.scopes is None:
        return current.scopes
    if specification.scopes_mode == "add":
        return sorted_scopes(current.scopes + specification.scopes)
    if specification.scopes_mode == "remove":
        left = sorted_scopes(set(current.scopes).difference(specification.scopes))
        if not left and current.scopes:
            raise OptionError(messages.no_scope_left(current, specification))
        return left
    return specification.scopes


def _expires_otherwise(current: Token, specification: Specification) -> bool:
    """Whether the token expires at another moment than asked for. A period is for new tokens."""
    asked = specification.expiration_date
    if asked is None:
        return False
    return current.expires is None or abs(current.expires - asked) >= _SAME_MOMENT


def _complete(draft: _Draft, found: Found, specification: Specification, now: dt.datetime) -> Plan:
    """The plan with what becomes of predecessors, and of the store."""
    retirement = _retirement(draft, found, specification, now)
    intents = draft.entry.intents  # by its id nothing of other tokens is found
    if specification.token_id is None:
        intents = open_intents(found, now)
    entry = dataclasses.replace(draft.entry, intents=intents, predecessors=retirement.remaining)
    steps = (
        *(Retire(token, "deleted") for token in found.leftovers),
        *draft.steps,
        *_retiring_steps(draft, retirement),
        *_store_steps(draft, entry, found),
    )
    return Plan(
        action=draft.action,
        before=draft.before,
        after=draft.after,
        entry=entry,
        steps=steps,
        warnings=draft.warnings,
        secret_known=draft.after is not None and found.knows_secret_of(draft.after),
        store_updated=found.stored and (bool(draft.issue) or _differ_publicly(entry, found.entry)),
    )


def _differ_publicly(one: Entry, other: Entry) -> bool:
    """Whether they differ in more than intents, which come and go with a run."""
    return dataclasses.replace(one, intents=other.intents) != other


def _retirement(
    draft: _Draft, found: Found, specification: Specification, now: dt.datetime
) -> Retirement:
    predecessors = draft.entry.predecessors
    if specification.token_id is not None:
        return Retirement(deletes=draft.doomed, remaining=predecessors)
    if specification.state == "absent":
        return Retirement(deletes=draft.doomed + found.predecessors)
    if not specification.retire or _disabled_by_others(draft, specification):
        return Retirement(remaining=predecessors)
    replaced = draft.issue.replaced if draft.issue else ()
    tokens = found.predecessors + replaced
    return plan_retirement(predecessors, tokens, found.gone, specification.delete_after, now)


def _disabled_by_others(draft: _Draft, specification: Specification) -> bool:
    """Whether somebody else disabled the token, so that a predecessor may be all that works."""
    return draft.after is not None and not draft.after.enabled and specification.enabled is None


def _retiring_steps(draft: _Draft, retirement: Retirement) -> t.Iterator[Step]:
    # The secret of a new token must not be lost for the sake of an old one.
    soft = draft.issue is not None
    for token in retirement.disables:
        yield Retire(token, "disabled", soft)
    for token in retirement.deletes:
        is_current = draft.action == "deleted" and token is draft.before
        yield Delete(token) if is_current else Retire(token, "deleted", soft)


def _store_steps(draft: _Draft, entry: Entry, found: Found) -> t.Iterator[Step]:
    """What brings the store from where the draft leaves it to where it ends."""
    if not found.stored:
        return
    # A secret that is safe does not fail for a note; the next run writes it again.
    soft = draft.after is not None
    issued = draft.issue is not None
    saved = issued or any(isinstance(step, Save) for step in draft.steps)
    yield from _store_step(draft.entry if saved else found.entry, entry, soft, issued)
    if entry.identity != found.entry.identity:
        source = _without(found.entry, draft.after.id if draft.after else None)
        yield from _store_step(found.entry, source, soft)


def _store_step(before: Entry, after: Entry, soft: bool, issued: bool = False) -> t.Iterator[Step]:
    if issued or (after != before and not after.is_empty):
        yield Save(after, soft)
    elif after.is_empty and not before.is_empty and before.version is not None:
        yield Remove(before, soft)
