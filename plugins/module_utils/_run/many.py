# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many tokens at once: one listing, and the same plan for each; requests are made side by side."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import threading
import time
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    Refused,
    StoreChanged,
    unexpected,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import Kind
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    Specification,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    Token,
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
    RunContext,
    TokenApi,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.snapshot import Snapshot

Apis = t.Mapping[Kind, TokenApi]  # kinds of one API have the same one
Done = t.Union[Outcome, DynatraceError]
_Step = t.Union[Prepared, DynatraceError]
_Item = t.TypeVar("_Item")
_Result = t.TypeVar("_Result")

_QUICK = 0.001  # seconds for an item that waits for nothing
_PATIENCE = 0.02  # seconds


def reconcile_all(
    apis: Apis,
    specifications: t.Sequence[Specification],
    context: RunContext,
    workers: int,
    purge: Purge | None,
) -> tuple[list[Done], list[Done]]:
    """Make each token be as specified, and then purge.

    :param apis: those of the specifications, and of what else may be purged.
    :param purge: what may be purged. ``None``: nothing.
    :returns: what became of each specification, in order, and of each token that was purged.
    :raises DynatraceError: with nothing done.
    """
    crew = _Crew(apis, context, workers)
    reader = _Readers(apis, specifications)
    # Listed after the tokens: an entry is written before its token is issued.
    store = context.store.listed(reader.absent(specifications))
    finding = dataclasses.replace(context, store=store)

    def prepare_one(own: Apis, specification: Specification) -> Prepared:
        return prepare(reader.of(specification.kind, own), specification, finding)

    steps = _refuse_twins(crew.each(prepare_one, specifications))
    doomed = _prepare_purge(crew, reader, specifications, purge) if purge else []
    done = crew.perform(steps)
    if any(isinstance(one, DynatraceError) for one in done):
        return done, []
    return done, crew.perform(doomed)


class Purge(t.NamedTuple):
    """Which entries may be purged, and how many tokens deleted with them."""

    place: str
    max_deletes: int


class _Readers:
    """One listing of each API that the specifications need."""

    def __init__(self, apis: Apis, specifications: t.Sequence[Specification]) -> None:
        self._names = {one.name for one in specifications if one.name}
        self._ids = {one.token_id for one in specifications if one.token_id}
        self._snapshots: dict[int, Snapshot] = {}
        self._lock = threading.Lock()
        for kind in dict.fromkeys(one.kind for one in specifications):
            self._list(apis[kind])
        self._apis = apis

    def of(self, kind: Kind, own: Apis) -> Snapshot:
        """What was listed of this kind, with the API of this thread."""
        with self._lock:
            snapshot = self._list(self._apis[kind])
        return snapshot.with_api(own[kind])

    def absent(self, specifications: t.Iterable[Specification]) -> list[Identity]:
        """Those of the specifications by name that no token has."""
        return [
            one.identity
            for one in specifications
            if one.token_id is None and not self.of(one.kind, self._apis).find_by_name(one.identity)
        ]

    def _list(self, api: TokenApi) -> Snapshot:
        if id(api) not in self._snapshots:
            self._snapshots[id(api)] = Snapshot(api, self._names, self._ids)
        return self._snapshots[id(api)]


def _for_thread(apis: Apis) -> Apis:
    own = {id(api): api.for_thread() for api in apis.values()}
    return {kind: own[id(api)] for kind, api in apis.items()}


class _Crew:
    """Threads that work side by side, each with APIs of its own."""

    def __init__(self, apis: Apis, context: RunContext, workers: int) -> None:
        self.apis = apis
        self.context = context
        self._workers = workers

    def each(
        self, work: t.Callable[[Apis, _Item], _Result], items: t.Iterable[_Item]
    ) -> list[_Result | DynatraceError]:
        """What the work returns for each item, or the error that it raises for the user."""
        left = collections.deque(items)
        done = self._while_quick(work, left)
        if not left:
            return done
        with concurrent.futures.ThreadPoolExecutor(self._workers) as pool:
            futures = self._submit(pool, work, left)
            try:
                concurrent.futures.wait(futures)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return [*done, *(future.result() for future in futures)]

    def _while_quick(
        self, work: t.Callable[[Apis, _Item], _Result], left: collections.deque[_Item]
    ) -> list[_Result | DynatraceError]:
        """Work in turn: where nothing is waited for, threads cost more than they gain."""
        done: list[_Result | DynatraceError] = []
        started = time.monotonic()
        while left and time.monotonic() - started <= _PATIENCE + _QUICK * len(done):
            done.append(_attempt(work, self.apis, left.popleft()))
        return done

    def perform(self, steps: t.Iterable[_Step]) -> list[Done]:
        """Apply what is prepared; an error stays one."""
        with concurrent.futures.ThreadPoolExecutor(self._workers) as pool:
            futures = self._submit(pool, self._perform, steps)
            try:
                for number, _future in enumerate(concurrent.futures.as_completed(futures), 1):
                    self.context.progress(number, len(futures))
            except BaseException:
                # Ansible's task timeout: what is under way is finished, and nothing else is begun.
                pool.shutdown(cancel_futures=True)
                self._take_back(futures)
                raise
        return [future.result() for future in futures]

    def _submit(
        self,
        pool: concurrent.futures.Executor,
        work: t.Callable[[Apis, _Item], _Result],
        items: t.Iterable[_Item],
    ) -> list[concurrent.futures.Future[_Result | DynatraceError]]:
        own = threading.local()

        def run(item: _Item) -> _Result | DynatraceError:
            if not hasattr(own, "apis"):
                own.apis = _for_thread(self.apis)
            return _attempt(work, own.apis, item)

        return [pool.submit(run, item) for item in items]

    def _perform(self, apis: Apis, step: _Step) -> Outcome:
        if isinstance(step, DynatraceError):
            raise step
        api = apis[step.specification.kind]
        try:
            return perform(api, step, self.context)
        except StoreChanged:
            return reconcile(api, step.specification, self.context)

    def _take_back(self, futures: t.Iterable[concurrent.futures.Future[Done]]) -> None:
        """Delete the tokens whose secrets are lost, because a task without a store is cut off."""
        if self.context.store.keeps:
            return
        for done in [future.result() for future in futures if not future.cancelled()]:
            if isinstance(done, Outcome) and done.secret and done.plan.issue and done.token:
                self._delete(done.token)

    def _delete(self, token: Token) -> None:
        try:
            self.apis[token.kind].delete(token.id or "")
        except DynatraceError as error:
            self.context.warn(
                f"The token {token.name!r} ({token.id}) is left, and nobody has its secret. "
                f"Delete it: {error}"
            )


def _attempt(work: t.Callable[..., _Result], *arguments: t.Any) -> _Result | DynatraceError:
    try:
        return work(*arguments)
    except DynatraceError as error:
        return error
    except Exception as error:
        # The others, and the secrets of what was issued, must not be lost for it.
        return unexpected(error)


def _refuse_twins(steps: list[_Step]) -> list[_Step]:
    """The steps, with an error in place of those that are about the same token."""
    times = collections.Counter(token_id for step in steps for token_id in _touched(step))
    twice = {token_id for token_id, number in times.items() if number > 1}
    return [_refuse_twin(sorted(_touched(step) & twice), step) for step in steps]


def _refuse_twin(twice: list[str], step: _Step) -> _Step:
    if not twice:
        return step
    return Refused(
        f"Several of the specifications are about the token {', '.join(twice)}. Nothing was done "
        "to it. Keep only one of them."
    )


def _touched(step: _Step) -> set[str]:
    """The ids of the tokens that a step is about, or disables or deletes."""
    if not isinstance(step, Prepared):
        return set()
    tokens = [step.plan.before, *(one.token for one in step.plan.retired), *step.plan.deleted]
    return {token.id for token in tokens if token and token.id}


def _prepare_purge(
    crew: _Crew, reader: _Readers, specifications: t.Sequence[Specification], purge: Purge
) -> list[_Step]:
    """What is to be done to have the store, and Dynatrace of it, hold only what is specified.

    :raises Refused: where more tokens would be deleted than may be.
    """
    context = crew.context

    def prepare_removal(own: Apis, entry: Entry) -> Prepared:
        own_reader = reader.of(entry.kind, own)
        absent = Specification("absent", entry.name, kind=entry.kind, place=entry.identity.place)
        found = find_kept(own_reader, entry, context.store)
        return prepare_found(own_reader, absent, found, None, context)

    entries = _entries_to_purge(crew, specifications, purge)
    steps = crew.each(prepare_removal, entries)
    deletes = [token for step in steps if isinstance(step, Prepared) for token in step.plan.deleted]
    if len(deletes) > purge.max_deletes:
        listed = ", ".join(f"{token.name!r} ({token.id})" for token in deletes)
        raise Refused(
            f"purge would delete {len(deletes)} tokens, which are more than max_deletes, "
            f"{purge.max_deletes}: {listed}. Nothing was done. Name those that should stay in "
            "tokens, or raise max_deletes."
        )
    return steps


def _entries_to_purge(
    crew: _Crew, specifications: t.Sequence[Specification], purge: Purge
) -> list[Entry]:
    """The entries that no specification names; those that cannot be asked about are told."""
    stored = crew.context.store.entries(purge.place)
    entries = [entry for entry in stored if not _is_named(entry, specifications)]
    for entry in entries:
        if entry.kind not in crew.apis:
            crew.context.warn(
                f"purge: the store holds the {entry.kind.words} {entry.name!r}, which tokens does "
                "not name. It stays, because the task has no credentials for its API. Give an "
                "OAuth client or a token that may delete it, or delete it by hand."
            )
    return [entry for entry in entries if entry.kind in crew.apis]


def _is_named(entry: Entry, specifications: t.Sequence[Specification]) -> bool:
    known = {entry.id, *(one.id for one in entry.predecessors)}
    return any(
        one.identity == entry.identity or (one.token_id is not None and one.token_id in known)
        for one in specifications
    )
