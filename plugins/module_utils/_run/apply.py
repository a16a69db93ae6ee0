# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find, plan, apply. Check mode is the same plan, not applied."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Entry,
    Retiring,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    Refused,
    RequestFailed,
    StoreChanged,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    Specification,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Token
from ansible_collections.community.dynatrace.plugins.module_utils._plan.plan import (
    Found,
    Plan,
    Retired,
    make_plan,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.find import find
from ansible_collections.community.dynatrace.plugins.module_utils._run.issue import issue, verify
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import (
    Issued,
    Runtime,
    Store,
    TokenApi,
    TokenReader,
)

_TOLERATED_SKEW = dt.timedelta(minutes=5)
_TRIES = 3

NOBODY_KEEPS = (
    "A token would be issued, and nobody would keep its secret, which Dynatrace shows only once. Nothing was issued. "
    "Keep the secret with store, hand it to later tasks with register (under until, where a task runs again and again, "
    "that is not enough), or have it printed with reveal: true."
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was done, or in check mode would be."""

    plan: Plan
    token: Token | None  # the current token, as it is now or would be
    secret: Secret | None = None  # where it was asked for
    secret_available: bool = False
    retired: tuple[Retired, ...] = ()
    retiring: tuple[Retiring, ...] = ()


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What is to be done for one token, seen to be possible as far as that can be seen before."""

    specification: Specification
    found: Found
    plan: Plan
    known: Secret | None  # the secret of what was found, if somebody is to receive it


def reconcile(api: TokenApi, specification: Specification, runtime: Runtime) -> Outcome:
    """Make one token be as specified.

    :raises DynatraceError: with nothing done, or saying what was.
    """
    for _try in range(_TRIES):
        try:
            return perform(api, prepare(api, specification, runtime), runtime)
        except StoreChanged:
            continue
    raise Refused(
        f"Others keep changing the entry of {specification.label()} in the store. Nothing was issued. Run again later."
    )


def prepare(api: TokenReader, specification: Specification, runtime: Runtime) -> Prepared:
    """Find and plan. Sends only requests that read.

    :raises DynatraceError: where it cannot be done, or must not be.
    """
    found, known = find(api, specification, runtime)
    return prepare_found(api, specification, found, known, runtime)


def prepare_found(
    api: TokenReader,
    specification: Specification,
    found: Found,
    known: Secret | None,
    runtime: Runtime,
) -> Prepared:
    plan = make_plan(found, specification, api.now())
    if plan.after is not None and plan.after.id is not None and found.held_id == plan.after.id:
        known = specification.token
    _spare_the_caller(api, plan, specification)
    lack = api.lacks(plan)
    if lack:
        raise Refused(f"{lack} Nothing was changed.")
    if plan.issues and not runtime.may_issue:
        raise Refused(NOBODY_KEEPS)
    if found.entry is not None:
        _check_store(runtime.store, found.entry, plan)
    return Prepared(specification, found, plan, known)


def perform(api: TokenApi, prepared: Prepared, runtime: Runtime) -> Outcome:
    """Apply the plan; in check mode, say what that would do."""
    for warning in prepared.plan.warnings:
        runtime.warn(warning)
    if runtime.check_mode:
        return _outcome(
            prepared.plan, prepared.known, None, prepared.plan.retired, prepared.plan.retiring
        )
    return _apply(api, prepared, runtime)


def warn_of_skew(api: TokenApi, warn: t.Callable[[str], None]) -> None:
    skew = api.skew()
    if abs(skew) > _TOLERATED_SKEW:
        direction = "behind" if skew > dt.timedelta(0) else "ahead of"
        warn(
            f"This machine's clock is {abs(skew).total_seconds() / 60:.0f} minutes {direction} Dynatrace's, whose clock counts here."
        )


def _check_store(store: Store, entry: Entry, plan: Plan) -> None:
    """Fail where the store could not take what the plan has for it, before anything is done."""
    if plan.seals:
        store.check_writable(entry)
        store.unseal(entry)  # what cannot be opened is not overwritten
    elif plan.after is None and entry.version is not None:
        store.check_removable(entry)


def _spare_the_caller(api: TokenReader, plan: Plan, specification: Specification) -> None:
    if plan.action in ("none", "created") and not plan.retired:
        return
    harm = plan.harms(api.caller_id())
    if harm:
        raise Refused(
            f"This would {harm} {specification.label()}, the token that this task itself calls Dynatrace with (api_token). "
            "Nothing was changed. Use another token as api_token for this."
        )


def _apply(api: TokenApi, prepared: Prepared, runtime: Runtime) -> Outcome:
    specification, found, plan = prepared.specification, prepared.found, prepared.plan
    for orphan in plan.orphans:
        api.delete(orphan.id or "")
    before = found.entry or Entry(specification.name or "", specification.personal_access_token)
    entry, issued = before, None
    for token in plan.unnamed:
        api.update(token.id or "", token.name, token.enabled, token.scopes)
    if plan.after is not None and plan.issues:
        issued, entry = issue(api, plan, plan.after, before, runtime)
    elif plan.after is not None:
        entry = _keep(before, plan, plan.after, specification.token, runtime.store)
        if plan.action == "updated":
            api.update(plan.after.id or "", plan.after.name, plan.after.enabled, plan.after.scopes)
        _verify_cut_off(api, entry, plan, plan.after, runtime)
    failed = _retire(api, plan, issued, runtime)
    retired = tuple(retired for retired in plan.retired if retired.token.id not in failed)
    retiring = tuple(note for note in plan.retiring if note.id not in failed) + tuple(
        note for note in plan.noted if note.id in failed
    )
    _settle(before, entry, plan, retiring, runtime)
    return _outcome(plan, prepared.known, issued, retired, retiring)


def _verify_cut_off(
    api: TokenApi, entry: Entry, plan: Plan, after: Token, runtime: Runtime
) -> None:
    """What a run that was cut off may not have come to: to see that the token works, before what it replaces goes."""
    if entry.intent is None or entry.id != after.id or not entry.retiring:
        return
    secret = runtime.store.unseal(entry)
    if secret is not None:
        verify(api, secret, after, runtime)


def _retire(api: TokenApi, plan: Plan, issued: Issued | None, runtime: Runtime) -> list[str]:
    """Disable and delete what is to go. The ids of those where that failed, but the new token is good."""
    steps = [("disabled", token) for token in plan.disables] + [
        ("deleted", token) for token in plan.deletes
    ]
    failed = []
    for done, token in steps:
        try:
            if done == "disabled":
                api.update(token.id or "", token.name, False, token.scopes)
            else:
                api.delete(token.id or "")
        except RequestFailed as error:
            if issued is None:
                raise
            # The secret of the new token must not be lost for the sake of the old one.
            next_step = (
                "The next run tries again." if runtime.store.keeps else "Delete it by its id."
            )
            runtime.warn(
                f"The token {token.name!r} ({token.id}) was replaced, but could not be {done}: {error} {next_step}"
            )
            failed.append(token.id or "")
    return failed


def _keep(entry: Entry, plan: Plan, after: Token, secret: Secret | None, store: Store) -> Entry:
    """Put into the store, before anything else is done, what would otherwise be lost: an adopted secret, an entry that moves."""
    if plan.adopts:
        kept = dataclasses.replace(
            entry,
            id=after.id,
            secret=secret,
            scopes=after.scopes,
            expires=after.expires,
            created=None,
            handed_over=True,
        )
    else:
        kept = entry
    if after.name != entry.name and kept.id == after.id:
        place = store.load(after.name, entry.personal_access_token)
        return store.save(dataclasses.replace(kept, name=after.name, version=place.version))
    return store.save(kept) if kept != entry else entry


def _settle(
    before: Entry, entry: Entry, plan: Plan, retiring: tuple[Retiring, ...], runtime: Runtime
) -> None:
    """Bring the store up to date when all is done."""
    final = dataclasses.replace(
        entry, intent=None, retiring=retiring, handed_over=plan.handed_over is not False
    )
    if plan.forgets:
        final = Entry(
            entry.name, entry.personal_access_token, retiring=retiring, version=entry.version
        )
    elif plan.action == "updated" and plan.after is not None and plan.after.id == entry.id:
        final = dataclasses.replace(final, scopes=plan.after.scopes, expires=plan.after.expires)
    try:
        if final.id is None and not final.retiring:
            _remove(entry, runtime.store)
        elif final != entry:
            runtime.store.save(final)
        if before.name != entry.name:
            _remove(before, runtime.store)
    except DynatraceError as error:
        if plan.forgets:
            raise
        # The secret is safe, and the next run does this again.
        runtime.warn(
            f"The entry of {entry.name!r} in the store could not be brought up to date: {error}"
        )


def _remove(entry: Entry, store: Store) -> None:
    if entry.version is not None:
        store.remove(entry)


def _outcome(
    plan: Plan,
    known: Secret | None,
    issued: Issued | None,
    retired: tuple[Retired, ...],
    retiring: tuple[Retiring, ...],
) -> Outcome:
    if issued is not None and plan.after is not None:
        token = dataclasses.replace(
            plan.after, id=issued.id, expires=issued.expires or plan.after.expires
        )
        return Outcome(plan, token, issued.secret, True, retired, retiring)
    return Outcome(
        plan, plan.after, known if plan.secret_held else None, plan.secret_held, retired, retiring
    )
