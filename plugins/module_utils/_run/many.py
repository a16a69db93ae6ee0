# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many tokens at once: one listing, the same plan for each, and what the plans write side by side."""

from __future__ import annotations

import collections
import concurrent.futures
import threading
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    Refused,
    StoreChanged,
    unexpected,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    Specification,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.apply import (
    Outcome,
    Prepared,
    perform,
    prepare,
    prepare_found,
    reconcile,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.find import find_kept
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import (
    Runtime,
    TokenApi,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.snapshot import Snapshot

Done = t.Union[Outcome, DynatraceError]
_Step = t.Union[Prepared, DynatraceError]


def reconcile_all(
    api: TokenApi,
    specifications: t.Sequence[Specification],
    runtime: Runtime,
    workers: int,
    max_deletes: int | None,
) -> tuple[list[Done], list[Done]]:
    """Make each token be as specified, and then purge.

    :param max_deletes: how many tokens purging may delete. ``None``: nothing is purged.
    :returns: what became of each specification, in order, and of each token that was purged.
    :raises DynatraceError: with nothing done.
    """
    reader = Snapshot(
        api,
        {one.name for one in specifications if one.name},
        {one.token_id for one in specifications if one.token_id},
    )
    steps = _refuse_twins([_attempt(prepare, reader, one, runtime) for one in specifications])
    doomed = (
        [] if max_deletes is None else _prepare_purge(reader, specifications, runtime, max_deletes)
    )
    done = _perform_all(_perform, api, steps, runtime, workers)
    if any(isinstance(one, DynatraceError) for one in done):
        return done, []
    return done, _perform_all(perform, api, doomed, runtime, workers)


def _attempt(function: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
    """What the function returns, or the error that it raises for the user."""
    try:
        return function(*arguments)
    except DynatraceError as error:
        return error
    except Exception as error:
        return unexpected(
            error
        )  # the others, and the secrets of what was issued, must not be lost for it


def _refuse_twins(steps: list[_Step]) -> list[_Step]:
    """The steps, with an error in place of those that are about the same token."""
    times = collections.Counter(token_id for step in steps for token_id in _touched(step))
    return [
        _refuse_twin([token_id for token_id in _touched(step) if times[token_id] > 1], step)
        for step in steps
    ]


def _refuse_twin(twice: list[str], step: _Step) -> _Step:
    if not twice:
        return step
    return Refused(
        f"Several of the specifications are about the token {', '.join(twice)}. Nothing was done to it. Leave one of them."
    )


def _touched(step: _Step) -> set[str]:
    """The ids of the tokens that a step is about, or disables or deletes."""
    if not isinstance(step, Prepared):
        return set()
    return {
        token.id
        for token in (step.plan.before, *step.plan.disables, *step.plan.deletes)
        if token and token.id
    }


def _prepare_purge(
    reader: Snapshot, specifications: t.Sequence[Specification], runtime: Runtime, max_deletes: int
) -> list[_Step]:
    """What is to be done to have the store, and Dynatrace of it, hold nothing but what is specified.

    :raises Refused: where more tokens would be deleted than may be.
    """
    named = {(one.name, one.personal_access_token) for one in specifications}
    ids = {one.token_id for one in specifications if one.token_id}
    entries = [
        entry
        for entry in runtime.store.entries()
        if (entry.name, entry.personal_access_token) not in named
        and ids.isdisjoint([entry.id, *(note.id for note in entry.retiring)])
    ]
    steps: list[_Step] = [_attempt(_prepare_removal, reader, entry, runtime) for entry in entries]
    deletes = [
        token
        for step in steps
        if isinstance(step, Prepared)
        for token in step.plan.orphans + step.plan.deletes
    ]
    if len(deletes) > max_deletes:
        listed = ", ".join(f"{token.name!r} ({token.id})" for token in deletes)
        raise Refused(
            f"purge would delete {len(deletes)} tokens, which are more than max_deletes, {max_deletes}: {listed}. Nothing was "
            "done. Name those that should stay in tokens, or raise max_deletes."
        )
    return steps


def _prepare_removal(reader: Snapshot, entry: Entry, runtime: Runtime) -> Prepared:
    absent = Specification(
        state="absent", name=entry.name, personal_access_token=entry.personal_access_token
    )
    return prepare_found(reader, absent, find_kept(reader, entry, runtime.store), None, runtime)


def _perform_all(
    function: t.Callable[[TokenApi, Prepared, Runtime], Outcome],
    api: TokenApi,
    steps: t.Sequence[_Step],
    runtime: Runtime,
    workers: int,
) -> list[Done]:
    own = threading.local()

    def work(step: _Step) -> Done:
        if isinstance(step, DynatraceError):
            return step
        if not hasattr(own, "api"):
            own.api = api.for_thread()
        return t.cast("Done", _attempt(function, own.api, step, runtime))

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        futures: list[concurrent.futures.Future[Done]] = []
        try:
            futures.extend(pool.submit(work, step) for step in steps)
            for number, _future in enumerate(concurrent.futures.as_completed(futures), 1):
                runtime.progress(number, len(futures))
        except BaseException:
            # Ansible's task timeout: what is under way is brought to its end, and nothing else is begun.
            pool.shutdown(cancel_futures=True)
            _take_back(api, futures, runtime)
            raise
    return [future.result() for future in futures]


def _perform(api: TokenApi, step: Prepared, runtime: Runtime) -> Outcome:
    try:
        return perform(api, step, runtime)
    except StoreChanged:
        return reconcile(api, step.specification, runtime)


def _take_back(
    api: TokenApi, futures: t.Iterable[concurrent.futures.Future[Done]], runtime: Runtime
) -> None:
    """Delete the tokens whose secrets nobody will have, because the task is cut off and there is no store."""
    done = [future.result() for future in futures if not future.cancelled()]
    for outcome in done:
        if (
            isinstance(outcome, Outcome)
            and outcome.secret
            and outcome.plan.issues
            and outcome.token
            and not runtime.store.keeps
        ):
            try:
                api.delete(outcome.token.id or "")
            except DynatraceError as error:
                runtime.warn(
                    f"The token {outcome.token.name!r} ({outcome.token.id}) is left, and nobody has its secret. Delete it: {error}"
                )
