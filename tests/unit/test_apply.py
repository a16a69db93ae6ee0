# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    Refused,
    RequestFailed,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import ACCESS
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Token
from ansible_collections.community.dynatrace.plugins.module_utils._plan.found import role_of
from ansible_collections.community.dynatrace.plugins.module_utils._run.apply import (
    Outcome,
    reconcile,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import (
    Issued,
    Operation,
    RunContext,
)

from builders import INTENT, NOW, REPORTS, Entry, a_specification, a_token
from support.memory import Faults, Interrupted, MemoryApi, MemoryStore, World


class Older(MemoryApi):
    """What an older version of an API cannot do."""

    def __init__(self, world: World) -> None:
        super().__init__(world, kinds=(ACCESS,))
        self.changes_caller = False


class ReadOnly(MemoryStore):
    """A store that may be read only."""

    def check_may(self, operation: Operation, entry: Entry) -> bool:
        raise DynatraceError(f"may not {operation}")

    def save(self, entry: Entry) -> Entry:
        raise DynatraceError("cannot be written")


def run(
    world: World,
    api: MemoryApi | None = None,
    store: MemoryStore | None = None,
    check_mode: bool = False,
    faults: Faults | None = None,
    **options: t.Any,
) -> Outcome:
    world.new_process(fails=faults)
    context = RunContext(
        check_mode=check_mode,
        return_secret=True,
        secret_has_receiver=True,
        warn=world.writes.append,
        store=store or MemoryStore(world),
        sleep=lambda _seconds: None,
    )
    return reconcile(api or MemoryApi(world), a_specification(stored=True, **options), context)


def test_a_kind_that_the_api_cannot_issue_is_refused_before_anything_is_written() -> None:
    world = World()
    with pytest.raises(Refused, match="cannot issue personal access tokens"):
        run(world, Older(world), personal_access_token=True)
    assert world.writes == []
    assert run(world, Older(world)).plan.action == "created"


def test_the_calling_token_is_not_changed_where_the_api_cannot() -> None:
    world, options = World(), {"on_missing_secret": "ignore", "scopes": ["logs.read"]}
    token = world.add("reports")
    api = Older(world)
    api.caller = token.id
    with pytest.raises(Refused, match="cannot change the token that it is called with"):
        run(world, api, **options)
    assert world.writes == []
    api.caller = "another"
    assert run(world, api, **options).plan.action == "updated"


@pytest.mark.parametrize("check_mode", [True, False])
def test_disabling_a_stored_token_leaves_the_store_as_it_is(check_mode: bool) -> None:
    world = World()
    run(world)
    outcome = run(world, check_mode=check_mode, enabled=False)
    assert (outcome.plan.action, outcome.plan.store_updated) == ("updated", False)
    assert world.writes == ([] if check_mode else ["update id0001"])


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_store_that_cannot_take_the_secret_is_known_before_anything_is_written(
    check_mode: bool,
) -> None:
    world = World()
    with pytest.raises(DynatraceError, match="may not save"):
        run(world, store=ReadOnly(world), check_mode=check_mode)
    assert (world.writes, world.tokens) == ([], {})


def test_a_store_that_may_only_be_read_does_not_hinder_a_change_of_scopes() -> None:
    world = World()
    run(world)
    outcome = run(world, store=ReadOnly(world), scopes=["logs.read"])
    assert outcome.plan.action == "updated"
    assert world.tokens["id0001"].scopes == ("logs.read",)
    assert "could not be brought up to date" in world.writes[-1]


@pytest.mark.parametrize("check_mode", [True, False])
def test_the_entry_of_a_deleted_token_is_removed_only_if_that_is_allowed(check_mode: bool) -> None:
    world = World()
    run(world)
    with pytest.raises(DynatraceError, match="may not remove"):
        run(world, store=ReadOnly(world), check_mode=check_mode, state="absent", scopes=None)
    assert list(world.tokens) == ["id0001"]


def test_an_entry_without_data_is_left_alone() -> None:
    """As after a deletion in the store that can be undone."""
    world = World()
    world.add("reports")
    world.entries[REPORTS] = (7, Entry(REPORTS))
    outcome = run(world, on_missing_secret="ignore")
    assert (outcome.plan.action, outcome.plan.changed, world.writes) == ("none", False, [])
    assert world.entries[REPORTS][0] == 7


@pytest.mark.parametrize("name", ["reports", "better"])
def test_a_predecessor_that_is_taken_back_by_its_id_stays(name: str) -> None:
    world = World()
    old = run(world).token
    assert old is not None
    run(world, rotate="always", overlap="2d")
    by_id = {"token_id": old.id, "name": name, "enabled": True}
    assert run(world, **by_id).plan.changed
    again = run(world, **by_id)
    assert (again.plan.action, again.plan.changed, world.writes) == ("none", False, [])
    assert not run(world).plan.changed
    run(world, state="absent", scopes=None)
    assert not run(world, state="absent", scopes=None).plan.changed
    left = [token.name for token in world.tokens.values()]
    assert left == [] if name == "reports" else ["better"]


def test_a_secret_issued_without_retiring_is_handed_over_by_the_next_run_that_retires() -> None:
    world = World()

    def handed_over(**options: t.Any) -> tuple[bool, bool]:
        outcome = run(world, **options)
        return world.entry(REPORTS).handed_over, outcome.plan.changed

    assert handed_over(retire=False) == (False, True)
    assert handed_over(retire=False) == (False, False)
    assert handed_over() == (True, True)
    assert handed_over() == (True, False)
    assert handed_over(retire=False, rotate="always") == (False, True)


def test_a_predecessor_that_cannot_be_deleted_costs_no_secret_and_the_next_run_deletes_it() -> None:
    class Failing(MemoryApi):
        def delete(self, token_id: str) -> None:
            raise RequestFailed(f"DELETE {token_id} failed", status=503)

    world = World()
    old = run(world).token
    outcome = run(world, Failing(world), rotate="always")
    assert outcome.secret is not None
    assert world.works(outcome.secret.reveal())
    assert (outcome.plan.action, outcome.retired) == ("rotated", ())
    assert "was replaced, but could not be deleted" in "\n".join(world.writes)
    assert old is not None
    assert set(world.tokens) == {old.id, world.entry(REPORTS).id}
    run(world)
    assert set(world.tokens) == {world.entry(REPORTS).id}


class Late(MemoryApi):
    """Loses the answer to the first creation, and carries it out when the second is asked for."""

    def __init__(self, world: World, then: RequestFailed | None = None) -> None:
        super().__init__(world)
        self._late: Token | None = None
        self._then = then

    def create(self, token: Token, expires: t.Any) -> Issued:
        if self._late is None:
            self._late = token
            raise RequestFailed("POST: no answer", maybe_done=True)
        self._world.add(self._late.name)
        if self._then:
            raise self._then
        return super().create(token, expires)


def test_what_a_lost_creation_made_is_deleted_before_the_next_creation() -> None:
    world, numbers = World(), []
    world.watch = lambda: numbers.append(len(world.tokens))
    run(world, faults=Faults(loses=frozenset({1})))
    assert max(numbers) == 1


def test_what_a_lost_creation_makes_later_is_deleted() -> None:
    world = World()
    assert run(world, Late(world)).secret is not None
    assert list(world.tokens) == [world.entry(REPORTS).id]


def test_what_a_lost_creation_makes_is_deleted_where_the_next_creation_is_refused() -> None:
    world = World()
    with pytest.raises(DynatraceError, match="was deleted again"):
        run(world, Late(world, then=RequestFailed("POST: too many tokens", status=400)))
    assert world.tokens == {}


def stored_secret(world: World) -> str:
    secret = MemoryStore(world).unseal(world.entry(REPORTS))
    assert secret is not None
    return secret.reveal()


SECRET_SAVED = Faults(interrupts=frozenset({2}))  # after the intent and the creation
NAME_REFUSED = Faults(refuses=frozenset({3}))


@pytest.mark.parametrize("faults", [SECRET_SAVED, NAME_REFUSED])
def test_a_token_whose_secret_is_saved_stays_whatever_comes_next(faults: Faults) -> None:
    world = World()
    with pytest.raises((Interrupted, DynatraceError)):
        run(world, faults=faults)
    secret = stored_secret(world)
    assert world.works(secret)
    assert run(world).plan.action == "updated"
    assert stored_secret(world) == secret


def test_a_token_that_does_not_work_gives_way_to_the_old_one_before_it_is_deleted() -> None:
    world, seen = World(), []
    run(world)
    old = stored_secret(world)
    world.watch = lambda: seen.append(world.works(stored_secret(world)))
    with pytest.raises(DynatraceError, match="It is not accepted"):
        run(world, faults=Faults(new_do_not_work=True), rotate="always")
    assert all(seen)
    assert stored_secret(world) == old
    assert list(world.tokens) == ["id0001"]


def test_a_token_that_somebody_adds_later_is_no_leftover_of_a_run_whose_token_is_stored() -> None:
    seal = dataclasses.replace(ACCESS, option="seal", marked_by="ids", changes=frozenset())
    intent = dataclasses.replace(INTENT, known_ids=("before",))
    entry = Entry(REPORTS._replace(kind=seal), id="stored", intents=(intent,))
    later = a_token(id="later", kind=seal)
    assert role_of(later, NOW, entry) == "live"
    assert role_of(later, NOW, dataclasses.replace(entry, id="before")) == "doubtful"
