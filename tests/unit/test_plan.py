# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._errors import DynatraceError, OptionError, Refused
from ansible_collections.community.dynatrace.plugins.module_utils._plan import Found, Plan, bears_on, make_plan
from ansible_collections.community.dynatrace.plugins.module_utils._specification import Specification
from ansible_collections.community.dynatrace.plugins.module_utils._token import Token, provisional_name
from hypothesis import given, reject
from hypothesis import strategies as st

from builders import DAY, DOTTED_SECRET, NOW, a_plan, a_specification, a_token, find

LIVE = a_token(id="live")
DISABLED = a_token(id="disabled", enabled=False)
EXPIRED = a_token(id="expired", expires=NOW - DAY)
ENDING_NOW = a_token(id="ending now", expires=NOW)
PENDING = a_token(id="pending", name=provisional_name("reports", "n0nce"))
OLD = a_token(id="old", created=NOW - 9 * DAY)
MIDDLE = a_token(id="middle", created=NOW - 5 * DAY)
NEW = a_token(id="new", created=NOW - DAY)
DATED = a_token(id="dated", expires=NOW + 30 * DAY)
DATE = (NOW + 30 * DAY).isoformat()
NEAR_DATE = (NOW + 30 * DAY + dt.timedelta(milliseconds=999)).isoformat()
OTHER_DATE = (NOW + 31 * DAY).isoformat()


def _ids(tokens: t.Iterable[Token]) -> list[str | None]:
    return [token.id for token in tokens]


@pytest.mark.parametrize(
    ("tokens", "options", "action", "subject", "deletes"),
    [
        pytest.param([], {}, "created", None, [], id="nothing found"),
        pytest.param([LIVE], {}, "none", "live", [], id="all as wanted"),
        pytest.param([LIVE], {"scopes": None}, "none", "live", [], id="scopes left out"),
        pytest.param([LIVE], {"scopes": ["logs.read"]}, "updated", "live", [], id="other scopes"),
        pytest.param([DISABLED], {"enabled": True}, "updated", "disabled", [], id="to be enabled"),
        pytest.param([DISABLED], {}, "none", "disabled", [], id="disabled and enabled left out"),
        pytest.param([LIVE], {"expires_in": "90d"}, "none", "live", [], id="period asked of one without end"),
        pytest.param([EXPIRED], {}, "rotated", "expired", ["expired"], id="only an expired one"),
        pytest.param([ENDING_NOW], {}, "rotated", "ending now", ["ending now"], id="one that ends this moment"),
        pytest.param([EXPIRED, LIVE], {}, "none", "live", [], id="an expired one beside a live one"),
        pytest.param([PENDING], {}, "created", None, [], id="only a provisional one"),
        pytest.param([PENDING, LIVE], {}, "none", "live", [], id="a provisional one beside a live one"),
        pytest.param([], {"state": "absent"}, "none", None, [], id="absent: nothing found"),
        pytest.param([LIVE], {"state": "absent"}, "deleted", "live", ["live"], id="absent: a live one"),
        pytest.param([EXPIRED, LIVE], {"state": "absent"}, "deleted", "live", ["live", "expired"], id="absent: expired ones too"),
        pytest.param([PENDING], {"state": "absent"}, "none", None, [], id="absent: a provisional one is left"),
        pytest.param([OLD, NEW], {"on_duplicates": "newest"}, "none", "new", [], id="newest"),
        pytest.param([NEW, OLD], {"on_duplicates": "oldest"}, "none", "old", [], id="oldest"),
        pytest.param([NEW, OLD], {"token_id": "old", "name": None}, "none", "old", [], id="an id needs no on_duplicates"),
        pytest.param([LIVE], {"token_id": "live", "name": "better"}, "updated", "live", [], id="renamed by id"),
        pytest.param([DATED], {"expiration_date": DATE}, "none", "dated", [], id="the end as wanted"),
        pytest.param([DATED], {"expiration_date": NEAR_DATE}, "none", "dated", [], id="the end within a second"),
        pytest.param([DATED], {"expiration_date": OTHER_DATE, "on_immutable_change": "ignore"}, "none", "dated", [], id="end ignored"),
    ],
)
def test_what_is_found_decides_what_is_done(
    tokens: list[Token], options: dict[str, t.Any], action: str, subject: str | None, deletes: list[str]
) -> None:
    plan = a_plan(tokens, **options)
    assert (plan.action, plan.before and plan.before.id, _ids(plan.deletes)) == (action, subject, deletes)


@pytest.mark.parametrize(
    ("tokens", "options", "error", "says"),
    [
        pytest.param([OLD, NEW], {}, Refused, ["old", "new", "on_duplicates", "token_id"], id="duplicates"),
        pytest.param([DATED], {"expiration_date": OTHER_DATE}, Refused, ["expiration_date", "on_immutable_change"], id="another end"),
        pytest.param([LIVE], {"expiration_date": DATE}, Refused, ["expiration_date", "never ends"], id="an end for one without"),
        pytest.param([LIVE], {"on_missing_secret": "fail"}, Refused, ["live", "token", "on_missing_secret"], id="secret unknown"),
        pytest.param([], {"scopes": None}, OptionError, ["scopes", "reports"], id="nothing to issue with"),
        pytest.param([], {"scopes_mode": "remove"}, OptionError, ["scopes", "reports"], id="nothing to remove from"),
        pytest.param([LIVE], {"scopes_mode": "remove"}, OptionError, ["scopes", "state: absent"], id="no scope left"),
        pytest.param([EXPIRED], {"token_id": "expired", "name": None}, OptionError, ["token_id", "by its name"], id="expired, by id"),
    ],
)
def test_what_cannot_be_done_is_said(tokens: list[Token], options: dict[str, t.Any], error: type, says: list[str]) -> None:
    with pytest.raises(error) as caught:
        a_plan(tokens, **options)
    assert [word for word in says if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("facts", "belongs"),
    [
        ({}, True),
        ({"owner": "somebody else"}, True),
        ({"name": provisional_name("reports", "n0nce")}, True),
        ({"name": "reports2"}, False),
        ({"name": provisional_name("other reports", "n0nce")}, False),
        ({"personal_access_token": True}, False),
        ({"made_by_product": True}, False),
    ],
)
def test_identity_is_name_and_kind(facts: dict[str, t.Any], belongs: bool) -> None:
    assert bears_on(a_token(**facts), a_specification()) is belongs


@pytest.mark.parametrize("on_duplicates", ["fail", "newest", "oldest"])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_the_held_secret_wins_over_on_duplicates(on_duplicates: str, state: str) -> None:
    plan = a_plan([OLD, MIDDLE, NEW], held_id="middle", on_duplicates=on_duplicates, state=state, token=DOTTED_SECRET)
    assert plan.before == MIDDLE


def test_a_held_secret_satisfies_on_missing_secret() -> None:
    plan = a_plan([LIVE], held_id="live", on_missing_secret="fail", token=DOTTED_SECRET)
    assert (plan.action, plan.secret_held) == ("none", True)


@pytest.mark.parametrize(("held_id", "says"), [("foreign", "foreign"), (None, "no token that Dynatrace knows")])
def test_the_secret_of_another_token_is_not_held(held_id: str | None, says: str) -> None:
    assert not a_plan([LIVE], held_id=held_id, token=DOTTED_SECRET).secret_held
    with pytest.raises(Refused, match=says):
        a_plan([LIVE], held_id=held_id, token=DOTTED_SECRET, on_missing_secret="fail")


def test_a_new_token_is_enabled_and_carries_what_was_asked() -> None:
    plan = a_plan([], scopes=["b", "a"], expires_in="90d", personal_access_token=True)
    assert plan.after == Token(None, "reports", True, ("a", "b"), True, NOW + 90 * DAY)
    assert str(plan.expires) == "90d"


@pytest.mark.parametrize(
    ("tokens", "options", "warnings"),
    [
        ([LIVE], {}, []),
        ([DISABLED], {}, ["is disabled and is left so"]),
        ([DISABLED], {"enabled": False}, []),
        ([LIVE], {"expires_in": "90d"}, ["never ends"]),
        ([DATED], {"expires_in": "90d"}, []),
        ([PENDING, LIVE], {}, ["(pending) is from a run that was cut off"]),
        ([], {"scopes": ["metric.read"]}, ["'metrics.read'?"]),
        ([LIVE], {"scopes": ["metric.read"]}, ["'metrics.read'?"]),
        ([a_token(scopes=("metric.read",))], {"scopes": ["metric.read"]}, []),
    ],
)
def test_what_is_odd_is_warned_of_once(tokens: list[Token], options: dict[str, t.Any], warnings: list[str]) -> None:
    said = a_plan(tokens, **options).warnings
    assert len(said) == len(warnings)
    assert all(expected in actual for expected, actual in zip(warnings, said))


CALLER = a_token(id="caller", scopes=("apiTokens.read", "apiTokens.write", "metrics.read"))


@pytest.mark.parametrize(
    ("options", "harm"),
    [
        ({"state": "absent"}, "delete"),
        ({"scopes": None, "enabled": False}, "disable"),
        ({"scopes": ["metrics.read"]}, "take apiTokens.read, apiTokens.write from"),
        ({"scopes": ["apiTokens.write"], "scopes_mode": "remove"}, "take apiTokens.write from"),
        ({"scopes": ["apiTokens.write", "apiTokens.read"]}, None),
        ({"scopes": ["logs.read"], "scopes_mode": "add"}, None),
    ],
)
def test_harm_to_the_calling_token_is_seen(options: dict[str, t.Any], harm: str | None) -> None:
    plan = a_plan([CALLER], **options)
    assert plan.harms("caller") == harm
    assert plan.harms("another") is None
    assert plan.harms(None) is None


SCOPES = st.sets(st.sampled_from(["apiTokens.read", "apiTokens.write", "logs.read", "metrics.read"]), min_size=1).map(sorted)
TOKENS = st.lists(
    st.builds(
        Token,
        id=st.sampled_from(["t1", "t2", "t3", "t4"]),
        name=st.sampled_from(["reports", "other", PENDING.name]),
        enabled=st.booleans(),
        scopes=SCOPES.map(tuple),
        personal_access_token=st.booleans(),
        expires=st.sampled_from([None, NOW - DAY, NOW, NOW + DAY, NOW + 30 * DAY]),
        created=st.sampled_from([None, NOW - 9 * DAY, NOW - 8 * DAY]),
        made_by_product=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda token: token.id,
)
OPTIONS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["reports", "other"]),
        "scopes": st.none() | SCOPES,
        "scopes_mode": st.sampled_from(["exact", "add", "remove"]),
        "enabled": st.sampled_from([None, True, False]),
        "personal_access_token": st.booleans(),
        "expiration_date": st.sampled_from([None, DATE]),
        "on_duplicates": st.sampled_from(["newest", "oldest"]),
        "on_immutable_change": st.sampled_from(["fail", "ignore"]),
    }
)


@st.composite
def situations(draw: st.DrawFn, states: tuple[str, ...]) -> tuple[Specification, list[Token], Found, Plan]:
    """A wish that can be met, all the tokens there are, what bears on the wish, and the plan."""
    tokens = draw(TOKENS)
    some_id = st.sampled_from([None, *(token.id for token in tokens)])
    specification = a_specification(**draw(OPTIONS), token_id=draw(some_id), state=draw(st.sampled_from(states)))
    found = find(tokens, specification, draw(some_id))
    try:
        return specification, tokens, found, make_plan(found, specification, NOW)
    except DynatraceError:
        reject()


def test_a_token_that_was_not_told_whole_is_not_updated_but_found() -> None:
    half = dataclasses.replace(a_token(scopes=()), complete=False)
    assert a_plan([half], scopes=None).action == "none"
    with pytest.raises(Refused, match="an update replaces both"):
        a_plan([half], scopes=["logs.read"], scopes_mode="add")


@given(situations(states=("present",)))
def test_a_second_run_changes_nothing(situation: tuple[Specification, list[Token], Found, Plan]) -> None:
    specification, tokens, _found, plan = situation
    assert plan.after is not None
    reached = dataclasses.replace(plan.after, id=plan.after.id or "new")
    left = [token for token in tokens if token not in (plan.before, *plan.deletes)]
    again = make_plan(find([*left, reached], specification, reached.id), specification, NOW)
    assert (again.action, again.before, again.after) == ("none", reached, reached)


@given(situations(states=("present", "absent")))
def test_only_what_was_found_is_deleted_and_nothing_that_lives_for_present(
    situation: tuple[Specification, list[Token], Found, Plan],
) -> None:
    specification, _tokens, found, plan = situation
    assert set(plan.deletes) <= {*found.live, *found.expired}
    assert len(set(plan.deletes) & set(found.live)) <= (1 if specification.state == "absent" else 0)


@given(SCOPES, SCOPES.flatmap(lambda scopes: st.tuples(st.just(scopes), st.permutations(scopes + scopes[:2]))))
def test_order_and_repeats_of_scopes_never_matter(current: list[str], wanted: tuple[list[str], list[str]]) -> None:
    token = a_token(scopes=tuple(current))
    assert a_plan([token], scopes=wanted[0]) == a_plan([token], scopes=wanted[1])


@given(situations(states=("present",)))
def test_leaving_enabled_out_never_changes_it(situation: tuple[Specification, list[Token], Found, Plan]) -> None:
    specification, _tokens, found, _plan = situation
    plan = make_plan(found, dataclasses.replace(specification, enabled=None), NOW)
    assert plan.after is not None
    assert plan.after.enabled is (True if plan.issues or plan.before is None else plan.before.enabled)


@given(SCOPES, SCOPES)
def test_scopes_modes_are_those_of_sets(current: list[str], given_scopes: list[str]) -> None:
    token = a_token(scopes=tuple(current))
    wanted = {"exact": set(given_scopes), "add": {*current, *given_scopes}, "remove": set(current) - set(given_scopes)}
    for mode, scopes in wanted.items():
        if scopes:
            plan = a_plan([token], scopes=given_scopes, scopes_mode=mode)
            assert plan.after == dataclasses.replace(token, scopes=tuple(sorted(scopes)))
            assert plan.changed is (scopes != set(current))
