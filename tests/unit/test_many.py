# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import contextlib
import copy
import dataclasses
import datetime as dt
import threading
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import ACCESS
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    Token,
    provisional_name,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run import many
from ansible_collections.community.dynatrace.plugins.module_utils._run.apply import Outcome
from ansible_collections.community.dynatrace.plugins.module_utils._run.many import reconcile_all
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import (
    NoStore,
    RunContext,
    Store,
)

from builders import INTENT, REPORTS, a_specification, an_entry
from support.memory import MemoryApi, MemoryStore, World


def context(store: Store, **hooks: t.Any) -> RunContext:
    return RunContext(
        check_mode=False,
        return_secret=True,
        secret_has_receiver=True,
        warn=lambda message: None,
        store=store,
        **hooks,
    )


def reconciled(api: MemoryApi, context: RunContext, *names: str) -> list[t.Any]:
    """What becomes of these tokens."""
    specifications = [a_specification(name=name, stored=context.store.keeps) for name in names]
    done, _purged = reconcile_all({ACCESS: api}, specifications, context, 2, None)
    return done


def test_a_token_that_was_listed_while_another_machine_issued_it_is_found() -> None:
    world = World()
    token = world.add(provisional_name("reports", INTENT.nonce))
    store = MemoryStore(world, exclusive=False)
    intent = dataclasses.replace(INTENT, since=world.now)
    secret = Secret(world.secrets[str(token.id)])
    saved = store.save(an_entry(id=token.id, secret=secret, intents=(intent,)))

    def the_other_ends(_seconds: float) -> None:
        world.change(str(token.id), name="reports")
        store.save(dataclasses.replace(saved, intents=()))

    (outcome,) = reconciled(MemoryApi(world), context(store, sleep=the_other_ends), "reports")
    assert isinstance(outcome, Outcome), outcome
    assert (outcome.plan.action, outcome.secret) == ("none", secret)


def test_a_token_that_another_machine_issues_first_is_found() -> None:
    world = World()
    store = MemoryStore(world, exclusive=False)

    def the_other_is_faster() -> str:
        if not world.tokens:
            token = world.add("reports")
            store.save(an_entry(id=token.id, secret=Secret(world.secrets[str(token.id)])))
        return INTENT.nonce

    (outcome,) = reconciled(MemoryApi(world), context(store, nonce=the_other_is_faster), "reports")
    assert isinstance(outcome, Outcome), outcome
    assert outcome.plan.action == "none"
    assert world.works(outcome.secret.reveal() if outcome.secret else None)
    assert list(world.tokens) == [world.entry(REPORTS).id]


def test_an_error_that_nobody_foresaw_loses_no_secret_of_the_others() -> None:
    class BrokenApi(MemoryApi):
        def update(self, before: Token, after: Token) -> None:
            if after.name == "broken":
                raise ZeroDivisionError
            super().update(before, after)

    world, done = World(), []
    with contextlib.suppress(ZeroDivisionError):
        done = reconciled(BrokenApi(world), context(NoStore()), "first", "broken", "last")
    known = {one.token.id for one in done if isinstance(one, Outcome) and one.token and one.secret}
    assert set(world.tokens) == known
    assert len(known) == 2


class DistantStore(MemoryStore):
    """Its first read takes long, and the next two tokens wait for each other."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._met, self._others = threading.Barrier(2, timeout=20), {"second", "third"}

    def load(self, identity: Identity) -> Entry:
        if identity.name == "first":
            threading.Event().wait(0.1)
        elif identity.name in self._others:
            self._others.remove(identity.name)
            self._met.wait()
        return super().load(identity)


def test_from_the_first_wait_on_tokens_are_found_side_by_side() -> None:
    world = World()
    done = reconciled(MemoryApi(world), context(DistantStore(world)), "first", "second", "third")
    assert [one.plan.action for one in done] == ["created"] * 3


def test_no_two_threads_share_an_api() -> None:
    threads: dict[MemoryApi, set[threading.Thread]] = collections.defaultdict(set)

    class OwnApi(MemoryApi):
        def for_thread(self) -> MemoryApi:
            return copy.copy(self)

        def now(self) -> dt.datetime:
            threads[self].add(threading.current_thread())
            return super().now()

    world = World()
    reconciled(OwnApi(world), context(DistantStore(world)), "first", "second", "third")
    assert len(threads) > 2
    assert all(len(users) == 1 for users in threads.values())


def test_where_nothing_waits_tokens_are_found_without_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(many, "_PATIENCE", 60)  # on a busy machine, too
    threads = set()

    class NearStore(MemoryStore):
        def load(self, identity: Identity) -> Entry:
            threads.add(threading.current_thread())
            return super().load(identity)

    world, names = World(), [f"token-{number}" for number in range(9)]
    reconciled(MemoryApi(world), context(MemoryStore(world)), *names)
    done = reconciled(MemoryApi(world), context(NearStore(world)), *names)
    assert [one.plan.action for one in done] == ["none"] * 9
    assert threads == {threading.current_thread()}
