# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kinds of tokens, some of which exist in this file only: everything works for them that works for
an access token.

Each lacks something else: to be renamed, to have scopes or other scopes, to be disabled, an
expiration date that can be changed.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Entry,
    Predecessor,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    OptionError,
    Refused,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import (
    ACCESS,
    ACTIVEGATE,
    PLATFORM,
    Kind,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    Specification,
    check_kind,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import Period
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    Token,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.apply import (
    Outcome,
    reconcile,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.many import (
    Purge,
    reconcile_all,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import RunContext

from support.memory import Faults, Interrupted, Killed, MemoryApi, MemoryStore, World

NAMED = Kind(
    "ticket",
    "ticket",
    suffix=".ticket",
    has=frozenset({"scopes"}),
    changes=frozenset({"name"}),
    tells=frozenset({"creation_date"}),
)
DATED = Kind(
    "badge",
    "badge",
    suffix=".badge",
    changes=frozenset({"expiration_date", "enabled"}),
    tells=frozenset(),
    marked_by="expiration_date",
)
DATED_AND_FIXED = Kind(
    "coupon",
    "coupon",
    suffix=".coupon",
    has=frozenset(),
    changes=frozenset(),
    tells=frozenset({"creation_date"}),
    marked_by="expiration_date",
)
COUNTED = Kind(
    "seal",
    "seal",
    suffix=".seal",
    has=frozenset({"scopes"}),
    changes=frozenset(),
    tells=frozenset(),
    marked_by="ids",
)
EXPIRING = [DATED, DATED_AND_FIXED, PLATFORM, ACTIVEGATE]
KINDS = [NAMED, *EXPIRING, COUNTED]

PLACE = "here"
MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
ISSUE: dict[str, t.Any] = {}
ROTATION = {"rotate": "always"}
ROTATION_WITH_OVERLAP = {"rotate": "always", "overlap": Period(2, "d")}
WRITING_RUNS = [
    pytest.param(ISSUE, id="issue"),
    pytest.param(ROTATION, id="rotation"),
    pytest.param(ROTATION_WITH_OVERLAP, id="rotation with overlap"),
]
TIME_TO_NEXT_RUN = [1, 90, 180]  # minutes

of_each_kind = pytest.mark.parametrize("kind", KINDS, ids=repr)
of_each_writing_run = pytest.mark.parametrize("options", WRITING_RUNS)
after_each_time = pytest.mark.parametrize("minutes", TIME_TO_NEXT_RUN)


class Controller:
    """Runs tasks for the token "ci" of one kind, in an environment where others have tokens too."""

    def __init__(self, kind: Kind) -> None:
        self.world = World()
        self.api = MemoryApi(self.world, [kind, ACCESS])
        self.store = MemoryStore(self.world)
        self.kind = kind
        self.identity = Identity(PLACE, "ci", kind)
        self.warnings: list[str] = []
        self.others = [
            self.world.add("ci", ACCESS if kind is not ACCESS else NAMED),
            self.world.add("ci2", kind),
            self.world.add("c", kind),
        ]
        self.world.watch = self._check_write
        self._old: str | None = None  # the secret that is to work until another is in the store

    @property
    def entry(self) -> Entry:
        return self.world.entry(self.identity)

    @property
    def secret(self) -> str:
        """In the store."""
        secret = self.store.unseal(self.entry)
        return secret.reveal() if secret else ""

    @property
    def tokens(self) -> dict[str, Token]:
        """The tokens named "ci" of its kind, by id."""
        return {
            token_id: token
            for token_id, token in self.world.tokens.items()
            if token.becomes(self.identity)
        }

    def specification(self, **options: t.Any) -> Specification:
        usual: dict[str, t.Any] = {"name": "ci", "on_missing_secret": "fail"}
        if "scopes" in self.kind.has and options.get("state") != "absent":
            usual["scopes"] = ("logs.read",)
        if self.kind in EXPIRING and "expiration_date" not in options:
            usual["expires_in"] = Period(30, "d")
        if "token_id" in options:
            usual = {}
        specification = Specification(kind=self.kind, place=PLACE, **{**usual, **options})
        check_kind(specification)
        return specification

    def run(
        self,
        dies_before: int | None = None,
        fails: Faults | None = None,
        check_mode: bool = False,
        **options: t.Any,
    ) -> Outcome:
        """One task, by a process of its own."""
        self.world.new_process(dies_before, fails)
        self._old = self.secret if options.get("state") != "absent" else None
        self.warnings = []
        context = self._context(check_mode)
        try:
            return reconcile(self.api, self.specification(**options), context)
        finally:
            self.world.new_process()

    def purge(self, named: t.Sequence[str]) -> list[t.Any]:
        self.world.new_process()
        self._old = None
        specifications = [self.specification(name=name) for name in named]
        purge = Purge(PLACE, 10)
        apis = {self.kind: self.api, ACCESS: self.api}
        _done, purged = reconcile_all(apis, specifications, self._context(), 2, purge)
        return purged

    def is_cut_off(self, dies_before: int, **options: t.Any) -> bool:
        """Whether a run that is to die before this write does, having that many to do."""
        try:
            self.run(dies_before, **options)
        except Killed:
            return True
        return False

    def _context(self, check_mode: bool = False) -> RunContext:
        return RunContext(
            check_mode,
            return_secret=True,
            secret_has_receiver=True,
            warn=self.warnings.append,
            store=self.store,
            sleep=lambda _seconds: None,
        )

    def _check_write(self) -> None:
        """Whoever reads the store has a secret that works, as long as that works which it had
        before."""
        for other in self.others:
            assert self.world.tokens[str(other.id)] == other
        if self.world.works(self._old):
            entries = [entry for _version, entry in self.world.entries.values()]
            mine = [entry for entry in entries if entry.name in ("ci", "renamed")]
            secrets = [self.store.unseal(entry) for entry in mine]
            assert any(self.world.works(secret.reveal()) for secret in secrets if secret)

    def check_in_order(self, old_id: str | None = None) -> None:
        """One current token, whose secret is kept, and beside it none but a predecessor."""
        entry = self.entry
        assert entry.id is not None
        assert self.world.works(self.secret)
        assert self.tokens[entry.id].name == "ci"
        assert set(self.tokens) == {entry.id, *(one.id for one in entry.predecessors)}
        assert {one.id for one in entry.predecessors} <= {old_id}


def cut_off_runs(kind: Kind, **options: t.Any) -> t.Iterator[tuple[Controller, str | None]]:
    """A controller whose run was cut off before its first write, its second, and so on; what it
    was to replace."""
    for dies_before in itertools.count():
        controller = Controller(kind)
        if options:
            controller.run()
            controller.world.now += DAY
        old_id = controller.entry.id
        if not controller.is_cut_off(dies_before, **options):
            assert dies_before >= 3
            return
        yield controller, old_id


def delete_doubtful(controller: Controller) -> None:
    """What a person does who is told of a token that may be left from a run that was cut off."""
    if controller.kind is not COUNTED:
        return
    known = {controller.entry.id, *(one.id for one in controller.entry.predecessors)}
    for token_id in set(controller.tokens) - known:
        assert token_id in refusal(controller, **ROTATION)
        outcome = controller.run(token_id=token_id, state="absent")
        assert outcome.plan.action == "deleted"


def refusal(controller: Controller, **options: t.Any) -> str:
    with pytest.raises((Refused, OptionError)) as refused:
        controller.run(**options)
    assert controller.world.writes == []
    return str(refused.value)


@of_each_kind
def test_it_is_issued_once_and_its_secret_is_returned_again(kind: Kind) -> None:
    controller = Controller(kind)
    first = controller.run()
    controller.check_in_order()
    for _again in range(2):
        controller.world.now += DAY
        again = controller.run()
        assert (again.plan.changed, again.plan.action) == (False, "none")
        assert (again.secret, again.token and again.token.id) == (first.secret, controller.entry.id)


@of_each_kind
@of_each_writing_run
def test_check_mode_tells_the_same_and_writes_nothing(
    kind: Kind, options: dict[str, t.Any]
) -> None:
    controller = Controller(kind)
    if options:
        controller.run()
    before = dict(controller.world.tokens), dict(controller.world.entries)
    told = controller.run(check_mode=True, **options)
    assert (controller.world.tokens, controller.world.entries) == before
    done = controller.run(**options)
    for attribute in ("action", "changed", "retired", "store_updated"):
        assert getattr(told.plan, attribute) == getattr(done.plan, attribute)


@of_each_kind
@of_each_writing_run
@after_each_time
def test_after_a_kill_at_any_moment_the_next_run_puts_all_right(
    kind: Kind, options: dict[str, t.Any], minutes: int
) -> None:
    for controller, old_id in cut_off_runs(kind, **options):
        controller.world.now += minutes * MINUTE
        delete_doubtful(controller)
        controller.run()
        controller.check_in_order(old_id)
        controller.world.now += MINUTE
        assert not controller.run().plan.changed
        controller.world.now += 3 * DAY
        controller.run()
        assert set(controller.tokens) == {controller.entry.id}
        controller.world.now += 40 * DAY  # past the date that is the mark of what may turn up
        controller.run()
        controller.check_in_order()
        assert controller.entry.intents == ()


@of_each_kind
@of_each_writing_run
def test_after_a_kill_at_any_moment_it_can_be_rotated(
    kind: Kind, options: dict[str, t.Any]
) -> None:
    for controller, old_id in cut_off_runs(kind, **options):
        delete_doubtful(controller)
        old_id = old_id if controller.entry.predecessors else controller.entry.id
        controller.run(rotate="always")
        controller.check_in_order(old_id)
        controller.world.now += 3 * DAY
        controller.run()
        assert set(controller.tokens) == {controller.entry.id}


@of_each_kind
@of_each_writing_run
def test_after_a_kill_at_any_moment_it_can_be_deleted(
    kind: Kind, options: dict[str, t.Any]
) -> None:
    for controller, _old_id in cut_off_runs(kind, **options):
        delete_doubtful(controller)
        controller.run(state="absent")
        assert controller.tokens == {}
        assert (controller.entry.id, controller.entry.predecessors) == (None, ())
        controller.world.now += 40 * DAY  # past the date that is the mark of what may turn up
        controller.run(state="absent")
        assert controller.world.entries == {}


FAULTS = {
    "lost": lambda number: Faults(loses=frozenset({number})),
    "two lost": lambda number: Faults(loses=frozenset({number, number + 1})),
    "refused": lambda number: Faults(refuses=frozenset({number})),
    "two refused": lambda number: Faults(refuses=frozenset({number, number + 1})),
    "interrupted": lambda number: Faults(interrupts=frozenset({number})),
    "interrupted twice": lambda number: Faults(interrupts=frozenset({number, number + 1})),
}


@of_each_kind
@of_each_writing_run
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_write_fails_the_next_run_puts_all_right(
    kind: Kind, options: dict[str, t.Any], fault: str
) -> None:
    for number in range(9):
        controller = Controller(kind)
        if options:
            controller.run()
            controller.world.now += DAY
        old_id = controller.entry.id
        with contextlib.suppress(DynatraceError, Interrupted):
            controller.run(fails=FAULTS[fault](number), **options)
        controller.world.now += MINUTE
        delete_doubtful(controller)
        controller.run()
        controller.check_in_order(old_id)
        controller.world.now += MINUTE
        assert not controller.run().plan.changed


@of_each_kind
@pytest.mark.parametrize("rotation", [ROTATION, ROTATION_WITH_OVERLAP], ids=repr)
def test_if_the_new_token_does_not_work_all_is_as_before_wherever_the_run_is_killed(
    kind: Kind, rotation: dict[str, t.Any]
) -> None:
    broken = Faults(new_do_not_work=True)
    for dies_before in (*range(9), None):
        controller = Controller(kind)
        controller.run()
        old = dict(controller.tokens)
        controller.world.now += DAY
        with contextlib.suppress(DynatraceError, Killed):
            controller.run(dies_before, broken, **rotation)
        if dies_before is None:
            assert controller.tokens == old
        delete_doubtful(controller)
        controller.run()
        controller.world.now += 3 * DAY
        controller.run()
        controller.check_in_order()
        assert set(controller.tokens) == {controller.entry.id}


@of_each_kind
def test_rotation_replaces_it_at_once(kind: Kind) -> None:
    controller = Controller(kind)
    old = controller.run()
    new = controller.run(rotate="always")
    assert new.plan.action == "rotated"
    assert new.secret != old.secret
    assert [(one.token.id, one.action) for one in new.retired] == [
        (old.token and old.token.id, "deleted")
    ]
    controller.check_in_order()


@of_each_kind
def test_the_predecessor_works_until_the_end_of_the_overlap(kind: Kind) -> None:
    spans = {"overlap": Period(2, "d"), "delete_after": Period(3, "d")}
    controller = Controller(kind)
    old = controller.run().secret
    old_id = str(controller.entry.id)
    controller.run(rotate="always", **spans)
    assert old is not None
    assert controller.world.works(old.reveal())
    controller.world.now += 2 * DAY - MINUTE
    assert not controller.run(**spans).plan.changed
    assert controller.world.works(old.reveal())
    controller.world.now += 2 * MINUTE
    (retired,) = controller.run(**spans).retired
    assert not controller.world.works(old.reveal())
    can_be_disabled = "enabled" in kind.changes
    assert retired.action == ("disabled" if can_be_disabled else "deleted")
    assert (old_id in controller.tokens) == can_be_disabled
    controller.world.now += 3 * DAY
    controller.run(**spans)
    assert old_id not in controller.tokens
    controller.check_in_order()


@of_each_kind
def test_absent_deletes_it_its_predecessors_and_the_entry(kind: Kind) -> None:
    controller = Controller(kind)
    controller.run()
    controller.run(**ROTATION_WITH_OVERLAP)
    outcome = controller.run(state="absent")
    assert (outcome.plan.action, len(outcome.retired)) == ("deleted", 1)
    assert controller.tokens == {}
    assert controller.world.entries == {}
    assert not controller.run(state="absent").plan.changed


@of_each_kind
def test_purge_deletes_what_is_not_named_any_more(kind: Kind) -> None:
    controller = Controller(kind)
    controller.run(name="kept")
    controller.run()
    controller.run(**ROTATION_WITH_OVERLAP)
    assert len(controller.tokens) == 2
    controller.purge(["kept"])
    assert controller.tokens == {}
    assert [identity.name for identity in controller.world.entries] == ["kept"]


@of_each_kind
def test_a_predecessor_can_be_taken_back_by_its_id(kind: Kind) -> None:
    controller = Controller(kind)
    controller.run()
    old_id = str(controller.entry.id)
    controller.run(**ROTATION_WITH_OVERLAP)
    assert controller.run(token_id=old_id, enabled=True).plan.changed
    assert not controller.run(token_id=old_id, enabled=True).plan.changed
    assert not controller.run().plan.changed
    assert controller.entry.predecessors == (Predecessor(old_id, None),)
    controller.world.now += 9 * DAY
    assert not controller.run().plan.changed
    assert old_id in controller.tokens
    controller.run(state="absent")
    assert controller.tokens == {}
    assert controller.world.entries == {}


OTHERWISE: dict[str, t.Callable[[], dict[str, t.Any]]] = {
    "scopes": lambda: {"scopes": ("metrics.read",)},
    "expiration_date": lambda: {"expiration_date": World().now + 60 * DAY},
    "name": lambda: {"name": "renamed"},
}


def attributes_of(kind: Kind) -> list[str]:
    return [one for one in OTHERWISE if one != "scopes" or "scopes" in kind.has]


CHANGED = [(kind, one) for kind in KINDS for one in attributes_of(kind) if one in kind.changes]
FIXED = [(kind, one) for kind in KINDS for one in attributes_of(kind) if one not in kind.changes]
of_each_fixed_attribute = pytest.mark.parametrize(("kind", "attribute"), FIXED, ids=repr)


def ask_for(controller: Controller, attribute: str, choice: str) -> Outcome:
    """A run that asks for another value of the attribute; for another name, by the token's id."""
    options = {**OTHERWISE[attribute](), "on_immutable_change": choice}
    if attribute == "name":
        options["token_id"] = controller.entry.id
    return controller.run(**options)


@pytest.mark.parametrize(("kind", "attribute"), CHANGED, ids=repr)
def test_what_can_be_changed_is_updated(kind: Kind, attribute: str) -> None:
    controller = Controller(kind)
    controller.run()
    token_id = controller.entry.id
    outcome = ask_for(controller, attribute, "fail")
    assert (outcome.plan.action, outcome.token and outcome.token.id) == ("updated", token_id)
    assert not ask_for(controller, attribute, "fail").plan.changed


@of_each_fixed_attribute
def test_what_cannot_be_changed_fails_with_nothing_done(kind: Kind, attribute: str) -> None:
    controller = Controller(kind)
    controller.run()
    with pytest.raises(Refused) as refused:
        ask_for(controller, attribute, "fail")
    assert controller.world.writes == []
    for part in (attribute, "on_immutable_change: rotate", str(controller.entry.id)):
        assert part in str(refused.value)


@of_each_fixed_attribute
def test_what_cannot_be_changed_can_be_ignored(kind: Kind, attribute: str) -> None:
    controller = Controller(kind)
    controller.run()
    assert not ask_for(controller, attribute, "ignore").plan.changed
    controller.check_in_order()


@of_each_fixed_attribute
def test_what_cannot_be_changed_can_be_had_by_a_rotation(kind: Kind, attribute: str) -> None:
    if attribute == "name":  # the other token would have another id than the one that is asked for
        return
    controller = Controller(kind)
    controller.run()
    old_id = controller.entry.id
    outcome = ask_for(controller, attribute, "rotate")
    assert outcome.plan.action == "rotated"
    assert controller.entry.id != old_id
    controller.check_in_order()
    assert not ask_for(controller, attribute, "rotate").plan.changed


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        (DATED_AND_FIXED, "scopes", ("logs.read",)),
        (NAMED, "enabled", False),
        (DATED_AND_FIXED, "enabled", False),
        (COUNTED, "enabled", False),
        (DATED, "on_duplicates", "newest"),
        (COUNTED, "on_duplicates", "oldest"),
    ],
    ids=repr,
)
def test_an_option_that_tokens_of_this_kind_cannot_have_is_refused_at_once(
    kind: Kind, option: str, value: t.Any
) -> None:
    controller = Controller(kind)
    with pytest.raises(OptionError, match=f"^{option}: .*{kind.words}"):
        controller.run(**{option: value})
    assert not controller.world.requests


@pytest.mark.parametrize("rotation", [ROTATION, ROTATION_WITH_OVERLAP])
def test_what_nothing_tells_apart_stops_a_new_issue_and_never_the_use_of_the_stored_token(
    rotation: dict[str, t.Any],
) -> None:
    controller = Controller(COUNTED)
    first = controller.run()
    assert controller.is_cut_off(2, **rotation)
    (leftover,) = set(controller.tokens) - {controller.entry.id}
    for days in (0, 1, 90):
        controller.world.now += days * DAY
        used = controller.run()
        assert (used.secret, used.plan.changed) == (first.secret, False)
        assert any(leftover in warning for warning in controller.warnings)
        assert leftover in refusal(controller, **rotation)
        controller.run(token_id=controller.entry.id)  # which finds no other token
        assert set(controller.tokens) == {controller.entry.id, leftover}
    controller.run(token_id=leftover, state="absent")
    assert controller.run(**rotation).plan.action == "rotated"
    assert controller.warnings == []
    controller.check_in_order(first.token and first.token.id)


def test_what_nothing_tells_apart_stops_the_first_issue() -> None:
    controller = Controller(COUNTED)
    assert controller.is_cut_off(2)
    (leftover,) = controller.tokens
    for _again in range(2):
        assert leftover in refusal(controller)
    controller.run(token_id=leftover, state="absent")
    controller.run()
    controller.check_in_order()


def test_purge_names_what_nothing_tells_apart_and_leaves_it() -> None:
    controller = Controller(COUNTED)
    controller.run()
    assert controller.is_cut_off(2, **ROTATION)
    (leftover,) = set(controller.tokens) - {controller.entry.id}
    for _again in range(2):
        controller.warnings = []
        controller.purge([])
        assert set(controller.tokens) == {leftover}
        assert any(leftover in warning for warning in controller.warnings)
    controller.run(token_id=leftover, state="absent")
    controller.purge([])
    assert controller.world.entries == {}


@pytest.mark.parametrize("kind", EXPIRING, ids=repr)
def test_the_date_that_marks_it_is_no_difference(kind: Kind) -> None:
    date = World().now + 40 * DAY
    controller = Controller(kind)
    controller.run(expiration_date=date)
    (token,) = controller.tokens.values()
    assert token.expires is not None
    assert dt.timedelta(0) <= date - token.expires <= MINUTE
    assert not controller.run(expiration_date=date).plan.changed


@pytest.mark.parametrize("kind", EXPIRING, ids=repr)
def test_a_token_of_others_of_the_same_date_is_not_taken_for_ours(kind: Kind) -> None:
    controller = Controller(kind)
    controller.run()
    mine = controller.tokens[str(controller.entry.id)]
    assert controller.is_cut_off(2, rotate="always")
    date = controller.entry.intents[-1].expires
    other = controller.world.add("ci", kind, scopes=mine.scopes, expires=date and date - 2 * MINUTE)
    controller.others.append(other)
    controller.run()
    assert set(controller.tokens) == {controller.entry.id, other.id}
