# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Histories of tokens: runs with all kinds of options, runs that are killed, time, and people."""

from __future__ import annotations

import datetime as dt
import itertools
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import Kind
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Token,
    final_name,
    provisional_name,
)
from hypothesis import strategies as st

from support.memory import Faults
from support.oracle import (
    DAY,
    MANAGED,
    MOVED,
    NAME,
    NO_TROUBLE,
    Ledger,
    Options,
    Trouble,
    WatchedRun,
    run_and_check,
)

RENAMED = "renamed"  # by people
MINUTE = dt.timedelta(minutes=1)


class Run(t.NamedTuple):
    """A task, for a name, or for the id of the token that it is aimed at."""

    options: Options
    target: str | None = None  # held, predecessor, other or gone
    trouble: Trouble = NO_TROUBLE


class Wait(t.NamedTuple):
    minutes: int


class ByHand(t.NamedTuple):
    """What a person does with the token that the store holds, or with the newest of the others."""

    action: str
    target: str


class AddedByHand(t.NamedTuple):
    name: str
    expires_in: dt.timedelta | None = None
    of_other_kind: bool = False


Step = t.Union[Run, Wait, ByHand, AddedByHand]

SCOPES = [["metrics.read"], ["logs.read", "metrics.read"]]
EXPIRING = {"expires_in": "30d", "rotate": "expiring", "rotate_before": "7d"}
ALWAYS = {"rotate": "always"}
SPANS: list[Options] = [
    {},
    {"overlap": "2d"},
    {"delete_after": "3d"},
    {"overlap": "2d", "delete_after": "3d"},
]
FOREIGN_PROVISIONAL = provisional_name(NAME, "0123456789abcdef")


def normal_options(kind: Kind) -> list[Options]:
    """Options with which a run puts everything right."""
    usual: Options = {"name": NAME, "on_missing_secret": "rotate", "on_immutable_change": "rotate"}
    if "enabled" in kind.changes:
        usual["enabled"] = True
    scopes = [{"scopes": scopes} for scopes in SCOPES] if "scopes" in kind.has else [{}]
    duplicates: list[Options] = [{}]
    if "creation_date" in kind.tells:
        duplicates = [{"on_duplicates": one} for one in ("newest", "oldest")]
    lives: list[Options] = [EXPIRING] if _always_expires(kind) else [{}, EXPIRING]
    parts = itertools.product(scopes, duplicates, lives, SPANS)
    return [_merge(usual, *each) for each in parts]


def histories(
    kind: Kind, dates: t.Sequence[str], with_faults: bool = False
) -> st.SearchStrategy[list[Step]]:
    """Lists of steps.

    :param dates: expiration dates that may be asked for.
    :param with_faults: whether answers get lost, writes are refused and runs interrupted, too.
    """
    # unique_by, because otherwise most of the examples would be earlier ones with a step in two
    # places.
    return st.lists(_steps(kind, dates, with_faults), min_size=3, max_size=12, unique_by=id)


def _steps(kind: Kind, dates: t.Sequence[str], with_faults: bool) -> st.SearchStrategy[Step]:
    dated = [{"expiration_date": date, "on_immutable_change": "rotate"} for date in dates]
    lives: list[Options] = [EXPIRING, EXPIRING, *dated]
    if not _always_expires(kind):
        lives.append({})
    mild, rotating = _by_name(kind, lives), _by_name(kind, [ALWAYS])
    adopting = st.builds(_merge, mild, st.just({"token": "of the newest other one"}))
    absent = st.builds(lambda name: {"name": name, "state": "absent"}, _NAMES)
    by_id = _by_id(kind)
    trouble = _killed() if not with_faults else st.one_of(_killed(), _killed(), _faulty())
    return st.one_of(
        _runs(mild),
        _runs(rotating),
        _runs(adopting),
        _runs(absent),
        _runs(by_id, target=_TARGETS),
        _runs(mild, trouble=trouble),
        _runs(rotating, trouble=trouble),
        _runs(absent, trouble=trouble),
        _runs(by_id, target=_TARGETS, trouble=trouble),
        st.builds(Wait, st.sampled_from([-3, 60, 24 * 60 + 60, 3 * 1500, 24 * 1440, 31 * 1440])),
        _by_hand(kind),
        st.builds(
            AddedByHand,
            st.sampled_from([NAME, NAME, NAME, MOVED, "other", FOREIGN_PROVISIONAL]),
            st.sampled_from([None, 10 * DAY]),
            st.sampled_from([False, False, True]),
        ),
    )


_NAMES = st.sampled_from([NAME, NAME, NAME, NAME, MOVED])
_TARGETS = st.sampled_from(["held", "held", "predecessor", "predecessor", "other", "gone"])


def _runs(
    options: st.SearchStrategy[Options],
    target: st.SearchStrategy[str | None] = st.none(),  # noqa: B008 (it has no state)
    trouble: st.SearchStrategy[Trouble] = st.just(NO_TROUBLE),  # noqa: B008
) -> st.SearchStrategy[Run]:
    return st.builds(Run, options, target=target, trouble=trouble)


def _by_name(kind: Kind, lives: list[Options]) -> st.SearchStrategy[Options]:
    choices: dict[str, st.SearchStrategy[t.Any]] = {
        "retire": st.booleans(),
        "on_missing_secret": st.sampled_from(["rotate", "rotate", "ignore"]),
    }
    if "creation_date" in kind.tells:
        choices["on_duplicates"] = st.sampled_from(["newest", "oldest"])
    if "enabled" in kind.changes:
        choices["enabled"] = st.sampled_from([True, True, False])
    if kind.changes < {"name", "scopes", "enabled"}:
        choices["on_immutable_change"] = st.sampled_from(["fail", "rotate", "ignore"])
    return st.builds(
        _merge,
        st.builds(lambda name: {"name": name}, _NAMES),
        st.sampled_from([{"scopes": one} for one in SCOPES] if "scopes" in kind.has else [{}]),
        st.sampled_from(lives),
        st.sampled_from(SPANS),
        st.fixed_dictionaries({}, optional=choices),
    )


def _by_id(kind: Kind) -> st.SearchStrategy[Options]:
    choices: dict[str, st.SearchStrategy[t.Any]] = {
        "name": st.sampled_from(MANAGED),
        "state": st.sampled_from(["present", "present", "absent"]),
    }
    if "scopes" in kind.has:
        choices["scopes"] = st.sampled_from(SCOPES)
    if "enabled" in kind.changes:
        choices["enabled"] = st.sampled_from([True, True, False])
    choices["on_immutable_change"] = st.sampled_from(["fail", "ignore"])
    return st.fixed_dictionaries({}, optional=choices)


def _killed() -> st.SearchStrategy[Trouble]:
    # A rotation writes six times, if nothing was left for it to do.
    return st.builds(Trouble, dies_before=st.integers(0, 7), faults=st.just(Faults()))


def _faulty() -> st.SearchStrategy[Trouble]:
    numbers = st.frozensets(st.integers(0, 7), max_size=2)
    faults = st.builds(
        Faults,
        loses=numbers,
        refuses=numbers,
        interrupts=numbers,
        new_do_not_work=st.sampled_from([False, False, True]),
    )
    return st.builds(Trouble, dies_before=st.none(), faults=faults)


def _by_hand(kind: Kind) -> st.SearchStrategy[ByHand]:
    actions = ["delete"]
    if "enabled" in kind.changes:
        actions += ["disable", "enable"]
    if "name" in kind.changes:
        actions += ["rename", "name again"]
    return st.builds(ByHand, st.sampled_from(actions), st.sampled_from(["held", "other"]))


def _always_expires(kind: Kind) -> bool:
    return kind.marked_by == "expiration_date"


def _merge(*parts: Options) -> Options:
    return {name: value for part in parts for name, value in part.items()}


def known_histories(dates: t.Sequence[str]) -> list[list[Step]]:
    """Histories of access tokens after which something was wrong once."""
    plain: Options = {"name": NAME, "scopes": SCOPES[0]}
    expiring, always = {**plain, **EXPIRING}, {**plain, **ALWAYS}
    overlapping = {**always, "overlap": "2d"}
    dated = {**plain, "expiration_date": dates[1], "on_immutable_change": "rotate"}
    unnamed = _killed_run(plain, 3)  # the secret is saved, and the token has not got its name
    taken_back = Run({"enabled": True}, "predecessor")
    return [
        [_killed_run(expiring, 3), Wait(31 * 1440), Run({**plain, "retire": False})],
        [_killed_run(expiring, 3), Wait(31 * 1440), _killed_run(plain, 2)],
        [unnamed, Run(overlapping), Wait(3 * 1500)],
        [unnamed, _killed_run(always, 3)],
        [Run(plain), Run(overlapping), ByHand("disable", "held"), Wait(3 * 1500), Run(plain)],
        [Run(plain), Run(overlapping), ByHand("rename", "other"), Wait(3 * 1500), Run(plain)],
        [AddedByHand(NAME), AddedByHand(NAME)],
        [Run(plain), Run(overlapping), ByHand("rename", "held")],
        [unnamed, ByHand("rename", "held")],
        [Run(expiring), ByHand("rename", "held"), Wait(31 * 1440)],
        [Run(plain), Run(overlapping), taken_back, taken_back, Wait(3 * 1500), Run(plain)],
        [Run(plain), Run(overlapping), Run({"name": MOVED}, "predecessor"), Run(plain)],
        # Two entries hold one token, and then the one that has its name replaces it.
        [Run(plain), _killed_run({"name": MOVED}, 1, "held"), Run({**dated, "overlap": "2d"})],
    ]


def _killed_run(options: Options, dies_before: int, target: str | None = None) -> Run:
    return Run(options, target, Trouble(dies_before))


def live_through(ledger: Ledger, steps: t.Iterable[Step], normal: Options) -> None:
    """All the steps, and then what makes everything normal, and what deletes everything."""
    for step in steps:
        _take(ledger, step)
        ledger.scene.wait(MINUTE)
    _check_that_all_can_be_put_right(ledger, normal)
    _check_that_all_can_be_deleted(ledger)


def _take(ledger: Ledger, step: Step) -> None:
    if isinstance(step, Run):
        _run(ledger, step)
    elif isinstance(step, Wait):
        ledger.scene.wait(step.minutes * MINUTE)
    elif isinstance(step, ByHand):
        _do_by_hand(ledger, step)
    else:
        expires = step.expires_in and ledger.scene.now() + step.expires_in
        ledger.scene.add(step.name, expires=expires, of_other_kind=step.of_other_kind)
    ledger.look()


def _run(ledger: Ledger, step: Run) -> None:
    options = dict(step.options)
    if step.target is not None:
        token_id = _find_target(ledger, step.target)
        if token_id is None:
            return
        options["token_id"] = token_id
    if "token" in options:
        given = _newest_other(ledger)
        options["token"] = ledger.scene.known_secret(given) if given else None
    if step.trouble == NO_TROUBLE:
        run_and_check(ledger, options)
    else:
        WatchedRun(ledger, options).perform(step.trouble)


def _find_target(ledger: Ledger, target: str) -> str | None:
    if target == "gone":
        return "id9999"
    if target == "other":
        other = _newest_other(ledger)
        return other.id if other else None
    entries = ledger.entries.values()
    if target == "held":
        return next((entry.id for entry in entries if entry.id), None)
    return next((one.id for entry in entries for one in entry.predecessors), None)


def _newest_other(ledger: Ledger) -> Token | None:
    held = {entry.id for entry in ledger.entries.values()}
    others = [
        token
        for token in ledger.tokens.values()
        if token.id not in held and (ledger.is_of_kind(token, NAME) or token.id in ledger.issued)
    ]
    return max(others, key=lambda token: (token.created, token.id), default=None)


def _do_by_hand(ledger: Ledger, step: ByHand) -> None:
    token = ledger.tokens.get(ledger.entries[NAME].id or "")
    if step.target == "other":
        token = _newest_other(ledger)
    if token is None:
        return
    if step.action == "delete":
        ledger.scene.delete(token)
    elif step.action in ("disable", "enable"):
        ledger.scene.change(token, enabled=step.action == "enable")
    else:
        _rename(ledger, token, RENAMED if step.action == "rename" else NAME)


def _rename(ledger: Ledger, token: Token, name: str) -> None:
    ledger.scene.change(token, name=name)
    ledger.renamed.add(token.id)
    ledger.look()


def _give_names_back(ledger: Ledger) -> None:
    """No run for a name goes on while the token that the store holds has another one."""
    for name, entry in ledger.entries.items():
        token = ledger.held(name)
        if token is not None and final_name(token.name) != name:
            assert entry.id in ledger.renamed
            _rename(ledger, token, name)


def _delete_unknown(ledger: Ledger, name: str) -> None:
    """What nothing tells apart has to be deleted by people."""
    for token in list(ledger.tokens.values()):
        is_known = token.id in ledger.known(name)
        if ledger.is_of_kind(token, name) and not is_known:
            ledger.scene.delete(token)
    ledger.look()


def _check_that_all_can_be_put_right(ledger: Ledger, normal: Options) -> None:
    ledger.scene.wait(60 * MINUTE)  # past what is due, even if the clock was put back
    _give_names_back(ledger)
    for name in MANAGED:
        if "on_duplicates" not in normal or ledger.kind.marked_by != "name":
            _delete_unknown(ledger, name)
    assert run_and_check(ledger, {**normal, "name": MOVED}) is not None
    first = run_and_check(ledger, normal)
    ledger.scene.wait(MINUTE)
    writes = ledger.public_state()
    second = run_and_check(ledger, normal)
    assert first is not None
    assert second is not None
    assert not second["changed"]
    assert ledger.public_state() == writes
    assert second["token"] is not None
    assert second["token"] == first["token"]
    for days, last in ((3, {}), (4, {"overlap": "0", "delete_after": "0"})):
        ledger.scene.wait(days * DAY)
        assert run_and_check(ledger, {**normal, "rotate": "never", **last})
    assert ledger.predecessors(NAME) == set()


def _check_that_all_can_be_deleted(ledger: Ledger) -> None:
    for name in MANAGED:
        _delete_unknown(ledger, name)
        assert run_and_check(ledger, {"name": name, "state": "absent"}) is not None
    left = {token.id for token in ledger.tokens.values() if final_name(token.name) in MANAGED}
    assert left.isdisjoint(ledger.issued - ledger.renamed)
