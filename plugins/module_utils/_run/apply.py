# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find, plan, and walk the steps of the plan. Check mode is the same plan, not applied."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    Refused,
    StoreChanged,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    Specification,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    Token,
)
from ansible_collections.community.dynatrace.plugins.module_utils._plan.found import Found
from ansible_collections.community.dynatrace.plugins.module_utils._plan.plan import (
    Delete,
    Issue,
    Plan,
    Remove,
    Retire,
    Save,
    Step,
    Update,
    Verify,
    make_plan,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.find import find
from ansible_collections.community.dynatrace.plugins.module_utils._run.issue import (
    Made,
    issue,
    verify,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import (
    Operation,
    RunContext,
    TokenApi,
    TokenReader,
)

_TOLERATED_SKEW = dt.timedelta(minutes=5)
_TRIES = 3

NOBODY_KEEPS = (
    "A token would be issued, and nobody would keep its secret, which Dynatrace shows only once. "
    "Nothing was issued. Keep the secret with store, or hand it to later tasks with register "
    "(under until, where a task runs again and again, that is not enough). With the commands "
    "ansible and ansible-console, reveal=true prints it."
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was done, or in check mode would be."""

    plan: Plan
    token: Token | None = None  # the current token, as it is now or would be
    secret: Secret | None = None  # where it was asked for
    secret_available: bool = False
    retired: tuple[Retire, ...] = ()
    entry: Entry | None = None  # as the store has it now, or would have it
    stored: bool = False  # whether there is a store


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What is to be done for one token, possible as far as that can be known before."""

    specification: Specification
    found: Found
    plan: Plan
    known: Secret | None  # the secret of what was found, if somebody is to receive it


def reconcile(api: TokenApi, specification: Specification, context: RunContext) -> Outcome:
    """Make one token be as specified.

    :raises DynatraceError: with nothing done, or saying what was.
    """
    for _try in range(_TRIES):
        try:
            return perform(api, prepare(api, specification, context), context)
        except StoreChanged:
            continue
    raise Refused(
        f"Others keep changing the entry of {specification.label()} in the store. "
        "Nothing was issued. Run again later."
    )


def prepare(api: TokenReader, specification: Specification, context: RunContext) -> Prepared:
    """Find and plan. Sends only requests that read.

    :raises DynatraceError: where it cannot be done, or must not be.
    """
    found, known = find(api, specification, context)
    return prepare_found(api, specification, found, known, context)


def prepare_found(
    api: TokenReader,
    specification: Specification,
    found: Found,
    known: Secret | None,
    context: RunContext,
) -> Prepared:
    plan = make_plan(found, specification, api.now())
    if plan.after is not None and plan.after.id is not None and found.held_id == plan.after.id:
        known = specification.token
    _spare_the_caller(api, plan, specification)
    _check_supported(api, plan)
    if plan.issue and not context.secret_has_receiver:
        raise Refused(NOBODY_KEEPS)
    if found.stored:
        _check_permissions(plan, found, context)
    return Prepared(specification, found, plan, known)


def perform(api: TokenApi, prepared: Prepared, context: RunContext) -> Outcome:
    """Apply the plan; in check mode, say what that would do."""
    plan = prepared.plan
    for warning in plan.warnings:
        context.warn(warning)
    if context.check_mode:
        return _outcome(prepared, None, plan.retired, plan.entry)
    progress = _Progress(api, context, prepared.found)
    for step in plan.steps:
        progress.take(step)
    entry = progress.written.get(plan.entry.identity, plan.entry) if plan.entry else None
    retired = tuple(step for step in plan.retired if step.token.id not in progress.failed)
    return _outcome(prepared, progress.made, retired, entry)


def warn_of_skew(api: TokenApi, warn: t.Callable[[str], None]) -> None:
    skew = api.skew()
    if abs(skew) > _TOLERATED_SKEW:
        direction = "behind" if skew > dt.timedelta(0) else "ahead of"
        warn(
            f"This machine's clock is {abs(skew).total_seconds() / 60:.0f} minutes {direction} "
            "Dynatrace's, whose clock counts here."
        )


def _check_permissions(plan: Plan, found: Found, context: RunContext) -> None:
    """Fail where the store could not take what the plan has for it, before anything is done."""
    for step in plan.steps:
        if isinstance(step, Issue) or (isinstance(step, Save) and not step.soft):
            _check_may("save", found.entry, context)
            context.store.unseal(found.entry)  # what cannot be opened is not overwritten
        if isinstance(step, Remove) and not step.soft:
            _check_may("remove", step.entry, context)


def _check_may(operation: Operation, entry: Entry, context: RunContext) -> None:
    is_known = context.store.check_may(operation, entry)
    if context.check_mode and not is_known:
        context.warn(
            "This store does not tell what it permits. So check mode does not know whether the "
            "store could be written."
        )


def _spare_the_caller(api: TokenReader, plan: Plan, specification: Specification) -> None:
    if plan.action in ("none", "created") and not plan.retired:
        return
    harm = plan.harm_to(api.caller_id())
    if harm:
        raise Refused(
            f"This would {harm} {specification.label()}, the token that this task itself calls "
            "Dynatrace with (api_token). Nothing was changed. Use another token as api_token for "
            "this."
        )


def _check_supported(api: TokenReader, plan: Plan) -> None:
    """Fail where this version of the API cannot do what the plan has for it."""
    if plan.issue and plan.issue.token.kind not in api.issues:
        words = plan.issue.token.kind.words
        raise Refused(
            f"The API v1 cannot issue {words}s. Use api_version: v2. Nothing was changed."
        )
    updates = [step.before.id for step in plan.steps if isinstance(step, Update)]
    if updates and not api.changes_caller and api.caller_id() in updates:
        raise Refused(
            "The API v1 cannot change the token that it is called with. Use api_version: v2, or "
            "another token as api_token. Nothing was changed."
        )


class _Progress:
    """Takes the steps of a plan, and knows what they have led to."""

    def __init__(self, api: TokenApi, context: RunContext, found: Found) -> None:
        self._api = api
        self._context = context
        self._found = found
        self.made: Made | None = None
        self.failed: list[str | None] = []  # ids of tokens that could not be retired
        self.written: dict[Identity, Entry] = {
            entry.identity: entry for entry in (found.target, found.entry) if entry
        }

    def take(self, step: Step) -> None:
        """:raises DynatraceError: where a step fails that is not soft."""
        try:
            self._take(step)
        except DynatraceError as error:
            if isinstance(step, Retire) and step.soft:
                self._retired_in_vain(step, error)
            elif isinstance(step, (Save, Remove)) and step.soft:
                # The secret is safe, and the next run does this again.
                self._context.warn(
                    f"The entry of {step.entry.name!r} in the store could not be brought up to "
                    f"date: {error}"
                )
            else:
                raise

    def _take(self, step: Step) -> None:
        if isinstance(step, Issue):
            self.made = issue(self._api, step, self._found.entry, self._context)
            self.written[self.made.entry.identity] = self.made.entry
        elif isinstance(step, Update):
            self._api.update(step.before, step.after)
        elif isinstance(step, Verify):
            self._verify(step.token)
        elif isinstance(step, Delete):
            self._api.delete(step.token.id or "")
        elif isinstance(step, Retire):
            self._retire(step)
        elif isinstance(step, Save):
            self._save(step.entry)
        else:
            self._remove(step.entry)

    def _verify(self, token: Token) -> None:
        secret = self._context.store.unseal(self._found.entry)
        if secret is not None:
            verify(self._api, secret, token, self._context)

    def _retire(self, step: Retire) -> None:
        if step.action == "disabled":
            self._api.update(step.token, dataclasses.replace(step.token, enabled=False))
        else:
            self._api.delete(step.token.id or "")

    def _retired_in_vain(self, step: Retire, error: DynatraceError) -> None:
        next_step = "Delete it by its id."
        if self._context.store.keeps:
            next_step = "The next run tries again."
        self._context.warn(
            f"The token {step.token.name!r} ({step.token.id}) was replaced, but could not be "
            f"{step.action}: {error} {next_step}"
        )
        self.failed.append(step.token.id)

    def _save(self, entry: Entry) -> None:
        before = self.written.get(entry.identity, entry)
        if self.made is not None:
            entry = self._with_issued(entry, self.made)
        saved = self._context.store.save(dataclasses.replace(entry, version=before.version))
        self.written[entry.identity] = saved

    def _with_issued(self, entry: Entry, made: Made) -> Entry:
        """The entry with the token that was issued, and the predecessors that are still there."""
        still_there = (one for one in made.entry.predecessors if one.id in self.failed)
        remaining = {one.id: one for one in (*entry.predecessors, *still_there)}
        return dataclasses.replace(
            made.entry,
            handed_over=entry.handed_over,
            intents=entry.intents + made.open_intents,
            predecessors=tuple(remaining.values()),
        )

    def _remove(self, entry: Entry) -> None:
        written = self.written.get(entry.identity, entry)
        self._context.store.remove(written)
        self.written[entry.identity] = Entry(entry.identity)


def _outcome(
    prepared: Prepared,
    made: Made | None,
    retired: tuple[Retire, ...],
    entry: Entry | None,
) -> Outcome:
    plan, stored = prepared.plan, prepared.found.stored
    if made is None or plan.after is None:
        known = prepared.known if plan.secret_known else None
        return Outcome(plan, plan.after, known, plan.secret_known, retired, entry, stored)
    issued = made.issued
    expires = issued.expires or plan.after.expires
    token = dataclasses.replace(plan.after, id=issued.id, expires=expires)
    return Outcome(plan, token, issued.secret, True, retired, entry, stored)
