# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime as dt
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
    PERSONAL_ACCESS,
    PLATFORM,
    Kind,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    Specification,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    Token,
    provisional_name,
)
from ansible_collections.community.dynatrace.plugins.module_utils._plan.found import Found
from ansible_collections.community.dynatrace.plugins.module_utils._plan.plan import (
    Issue,
    Plan,
    Retire,
    make_plan,
)
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from builders import (
    DAY,
    DOTTED_SECRET,
    INTENT,
    NOW,
    OWN,
    PLACE,
    PUBLIC_PART,
    a_plan,
    a_specification,
    a_token,
    adopts,
    an_entry,
    deleted_by,
    disabled_by,
    due,
    find,
    leftovers_of,
    replaced_by,
    seals,
)

pytestmark = pytest.mark.once

LIVE = a_token(id="live")
DISABLED = a_token(id="disabled", enabled=False)
EXPIRED = a_token(id="expired", expires=NOW - DAY)
ENDING_NOW = a_token(id="ending now", expires=NOW)
PENDING = a_token(id="pending", name=provisional_name("reports", "n0nce"))
OLD = a_token(id="old", created=NOW - 9 * DAY)
MIDDLE = a_token(id="middle", created=NOW - 5 * DAY)
NEW = a_token(id="new", created=NOW - DAY)
DATED = a_token(id="dated", expires=NOW + 30 * DAY)
ENDING_IN_A_WEEK = a_token(id="in a week", expires=NOW + 7 * DAY)
ENDING_LATER = a_token(id="later", expires=NOW + 7 * DAY + dt.timedelta(seconds=1))
EXPIRING = {"rotate": "expiring", "expires_in": "90d"}
DATE = (NOW + 30 * DAY).isoformat()
NEAR_DATE = (NOW + 30 * DAY + dt.timedelta(seconds=59)).isoformat()
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
        pytest.param(
            [LIVE], {"expires_in": "90d"}, "none", "live", [], id="period asked of one without end"
        ),
        pytest.param([EXPIRED], {}, "rotated", "expired", ["expired"], id="only an expired one"),
        pytest.param(
            [ENDING_NOW],
            {},
            "rotated",
            "ending now",
            ["ending now"],
            id="one that ends this moment",
        ),
        pytest.param(
            [EXPIRED, LIVE], {}, "none", "live", [], id="an expired one beside a live one"
        ),
        pytest.param([PENDING], {}, "created", None, [], id="only a provisional one"),
        pytest.param(
            [PENDING, LIVE], {}, "none", "live", [], id="a provisional one beside a live one"
        ),
        pytest.param([], {"state": "absent"}, "none", None, [], id="absent: nothing found"),
        pytest.param(
            [LIVE], {"state": "absent"}, "deleted", "live", ["live"], id="absent: a live one"
        ),
        pytest.param(
            [EXPIRED, LIVE],
            {"state": "absent"},
            "deleted",
            "live",
            ["live", "expired"],
            id="absent: expired ones too",
        ),
        pytest.param(
            [PENDING], {"state": "absent"}, "none", None, [], id="absent: a provisional one is left"
        ),
        pytest.param([OLD, NEW], {"on_duplicates": "newest"}, "none", "new", [], id="newest"),
        pytest.param([NEW, OLD], {"on_duplicates": "oldest"}, "none", "old", [], id="oldest"),
        pytest.param(
            [NEW, OLD],
            {"token_id": "old", "name": None},
            "none",
            "old",
            [],
            id="an id needs no on_duplicates",
        ),
        pytest.param(
            [LIVE],
            {"token_id": "live", "name": "better"},
            "updated",
            "live",
            [],
            id="renamed by id",
        ),
        pytest.param(
            [DATED], {"expiration_date": DATE}, "none", "dated", [], id="the end as wanted"
        ),
        pytest.param(
            [DATED],
            {"expiration_date": NEAR_DATE},
            "none",
            "dated",
            [],
            id="the end within a minute",
        ),
        pytest.param(
            [DATED],
            {"expiration_date": OTHER_DATE, "on_immutable_change": "ignore"},
            "none",
            "dated",
            [],
            id="end ignored",
        ),
        pytest.param(
            [DATED],
            {"expiration_date": OTHER_DATE, "on_immutable_change": "rotate"},
            "rotated",
            "dated",
            ["dated"],
            id="end rotated",
        ),
        pytest.param(
            [DATED],
            {"expiration_date": DATE, "on_immutable_change": "rotate"},
            "none",
            "dated",
            [],
            id="no other end",
        ),
        pytest.param(
            [LIVE], {"rotate": "always"}, "rotated", "live", ["live"], id="rotated in each run"
        ),
        pytest.param(
            [DISABLED],
            {"rotate": "always"},
            "none",
            "disabled",
            [],
            id="disabled and so not rotated",
        ),
        pytest.param(
            [DISABLED],
            {"rotate": "always", "enabled": True},
            "rotated",
            "disabled",
            ["disabled"],
            id="to be enabled and rotated",
        ),
        pytest.param([LIVE], EXPIRING, "none", "live", [], id="never ending and so not rotated"),
        pytest.param([DATED], EXPIRING, "none", "dated", [], id="not rotated yet"),
        pytest.param(
            [ENDING_IN_A_WEEK],
            EXPIRING,
            "rotated",
            "in a week",
            ["in a week"],
            id="rotated a week before its end",
        ),
        pytest.param(
            [ENDING_LATER], EXPIRING, "none", "later", [], id="not rotated a moment earlier"
        ),
        pytest.param(
            [ENDING_IN_A_WEEK],
            {"rotate": "always", "state": "absent"},
            "deleted",
            "in a week",
            ["in a week"],
            id="absent: not rotated",
        ),
    ],
)
def test_what_is_found_decides_what_is_done(
    tokens: list[Token],
    options: dict[str, t.Any],
    action: str,
    subject: str | None,
    deletes: list[str],
) -> None:
    plan = a_plan(tokens, **options)
    assert (plan.action, plan.before and plan.before.id, _ids(deleted_by(plan))) == (
        action,
        subject,
        deletes,
    )


@pytest.mark.parametrize(
    ("tokens", "options", "error", "says"),
    [
        pytest.param(
            [OLD, NEW], {}, Refused, ["old", "new", "on_duplicates", "token_id"], id="duplicates"
        ),
        pytest.param(
            [DATED],
            {"expiration_date": OTHER_DATE},
            Refused,
            ["expiration_date", "on_immutable_change"],
            id="another end",
        ),
        pytest.param(
            [LIVE],
            {"expiration_date": DATE},
            Refused,
            ["expiration_date", "never expires"],
            id="an end for one without",
        ),
        pytest.param(
            [LIVE],
            {"on_missing_secret": "fail"},
            Refused,
            ["live", "token", "on_missing_secret"],
            id="secret unknown",
        ),
        pytest.param(
            [], {"scopes": None}, OptionError, ["scopes", "reports"], id="nothing to issue with"
        ),
        pytest.param(
            [],
            {"scopes_mode": "remove"},
            OptionError,
            ["scopes", "reports"],
            id="nothing to remove from",
        ),
        pytest.param(
            [LIVE],
            {"scopes_mode": "remove"},
            OptionError,
            ["scopes", "state: absent"],
            id="no scope left",
        ),
        pytest.param(
            [EXPIRED],
            {"token_id": "expired", "name": None},
            OptionError,
            ["token_id", "by its name"],
            id="expired, by id",
        ),
    ],
)
def test_what_cannot_be_done_is_said(
    tokens: list[Token], options: dict[str, t.Any], error: type, says: list[str]
) -> None:
    with pytest.raises(error) as caught:
        a_plan(tokens, **options)
    assert [word for word in says if word not in str(caught.value)] == []


@pytest.mark.parametrize("tokens", [[], [LIVE]], ids=["to issue", "to replace one"])
def test_an_end_that_has_passed_by_the_servers_clock_is_refused(tokens: list[Token]) -> None:
    specification = a_specification(expiration_date=DATE, on_immutable_change="rotate")
    found = find(tokens, specification)
    assert make_plan(found, specification, NOW + 29 * DAY).issue
    with pytest.raises(
        OptionError, match=r"expiration_date: 2026-07-01T12:00:00\.000Z lies in the past"
    ):
        make_plan(found, specification, NOW + 30 * DAY)


@pytest.mark.parametrize(
    ("facts", "belongs"),
    [
        ({}, True),
        ({"owner": "somebody else"}, True),
        ({"name": provisional_name("reports", "n0nce")}, True),
        ({"name": "reports2"}, False),
        ({"name": provisional_name("other reports", "n0nce")}, False),
        ({"kind": PERSONAL_ACCESS}, False),
        ({"made_by_product": True}, False),
    ],
)
def test_identity_is_name_and_kind(facts: dict[str, t.Any], belongs: bool) -> None:
    assert a_token(**facts).becomes(a_specification(name="reports").identity) is belongs


@pytest.mark.parametrize("on_duplicates", ["fail", "newest", "oldest"])
def test_the_held_secret_wins_over_on_duplicates(on_duplicates: str) -> None:
    plan = a_plan(
        [OLD, MIDDLE, NEW], held_id="middle", on_duplicates=on_duplicates, token=DOTTED_SECRET
    )
    assert plan.before == MIDDLE


def test_a_held_secret_satisfies_on_missing_secret() -> None:
    plan = a_plan([LIVE], held_id="live", on_missing_secret="fail", token=DOTTED_SECRET)
    assert (plan.action, plan.secret_known) == ("none", True)


@pytest.mark.parametrize(
    ("held_id", "says"), [("foreign", "foreign"), (None, "no token that Dynatrace knows")]
)
def test_the_secret_of_another_token_is_not_held(held_id: str | None, says: str) -> None:
    assert not a_plan([LIVE], held_id=held_id, token=DOTTED_SECRET).secret_known
    with pytest.raises(Refused, match=says):
        a_plan([LIVE], held_id=held_id, token=DOTTED_SECRET, on_missing_secret="fail")


def test_a_new_token_is_enabled_and_carries_what_was_asked() -> None:
    plan = a_plan([], scopes=["b", "a"], expires_in="90d", personal_access_token=True)
    assert plan.after == Token(None, "reports", True, ("a", "b"), PERSONAL_ACCESS, NOW + 90 * DAY)
    assert str(plan.issue.expires) == "90d"


@pytest.mark.parametrize(
    ("tokens", "options", "warnings"),
    [
        ([LIVE], {}, []),
        ([DISABLED], {}, ["is disabled and is left so"]),
        ([DISABLED], {"enabled": False}, []),
        ([LIVE], {"expires_in": "90d"}, ["never expires"]),
        ([DATED], {"expires_in": "90d"}, []),
        ([PENDING, LIVE], {}, ["(pending) is from a run that was cut off"]),
        ([], {"scopes": ["metric.read"]}, ["'metrics.read'?"]),
        ([LIVE], {"scopes": ["metric.read"]}, ["'metrics.read'?"]),
        ([a_token(scopes=("metric.read",))], {"scopes": ["metric.read"]}, []),
    ],
)
def test_what_is_odd_is_warned_of_once(
    tokens: list[Token], options: dict[str, t.Any], warnings: list[str]
) -> None:
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
    assert plan.harm_to("caller") == harm
    assert plan.harm_to("another") is None
    assert plan.harm_to(None) is None


SCOPES = st.sets(
    st.sampled_from(["apiTokens.read", "apiTokens.write", "logs.read", "metrics.read"]), min_size=1
).map(sorted)
TOKENS = st.lists(
    st.builds(
        Token,
        id=st.sampled_from(["t1", "t2", "t3", "t4"]),
        name=st.sampled_from(["reports", "other", PENDING.name]),
        enabled=st.booleans(),
        scopes=SCOPES.map(tuple),
        kind=st.sampled_from([ACCESS, PERSONAL_ACCESS]),
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
def situations(
    draw: st.DrawFn, states: tuple[str, ...]
) -> tuple[Specification, list[Token], Found, Plan]:
    """A wish that can be met, all the tokens there are, what bears on the wish, and the plan."""
    tokens = draw(TOKENS)
    some_id = st.sampled_from([None, *(token.id for token in tokens)])
    specification = a_specification(
        **draw(OPTIONS), token_id=draw(some_id), state=draw(st.sampled_from(states))
    )
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
def test_a_second_run_changes_nothing(
    situation: tuple[Specification, list[Token], Found, Plan],
) -> None:
    specification, tokens, _found, plan = situation
    assert plan.after is not None
    reached = dataclasses.replace(plan.after, id=plan.after.id or "new")
    left = [token for token in tokens if token not in (plan.before, *deleted_by(plan))]
    again = make_plan(find([*left, reached], specification, reached.id), specification, NOW)
    assert (again.action, again.before, again.after) == ("none", reached, reached)


@given(situations(states=("present", "absent")))
def test_only_what_was_found_is_deleted_and_nothing_that_lives_for_present(
    situation: tuple[Specification, list[Token], Found, Plan],
) -> None:
    specification, _tokens, found, plan = situation
    assert set(deleted_by(plan)) <= {*found.live, *found.expired}
    assert len(set(deleted_by(plan)) & set(found.live)) <= (
        1 if specification.state == "absent" else 0
    )


@given(
    SCOPES,
    SCOPES.flatmap(lambda scopes: st.tuples(st.just(scopes), st.permutations(scopes + scopes[:2]))),
)
def test_order_and_repeats_of_scopes_never_matter(
    current: list[str], wanted: tuple[list[str], list[str]]
) -> None:
    token = a_token(scopes=tuple(current))
    assert a_plan([token], scopes=wanted[0]) == a_plan([token], scopes=wanted[1])


@given(situations(states=("present",)))
def test_leaving_enabled_out_never_changes_it(
    situation: tuple[Specification, list[Token], Found, Plan],
) -> None:
    specification, _tokens, found, _plan = situation
    plan = make_plan(found, dataclasses.replace(specification, enabled=None), NOW)
    assert plan.after is not None
    assert plan.after.enabled is (
        True if plan.issue is not None or plan.before is None else plan.before.enabled
    )


@given(SCOPES, SCOPES)
def test_scopes_modes_are_those_of_sets(current: list[str], given_scopes: list[str]) -> None:
    token = a_token(scopes=tuple(current))
    wanted = {
        "exact": set(given_scopes),
        "add": {*current, *given_scopes},
        "remove": set(current) - set(given_scopes),
    }
    for mode, scopes in wanted.items():
        if scopes:
            plan = a_plan([token], scopes=given_scopes, scopes_mode=mode)
            assert plan.after == dataclasses.replace(token, scopes=tuple(sorted(scopes)))
            assert plan.changed is (scopes != set(current))


# With a store. The entry's own token is named kept.
KEPT = a_token(id="kept", created=NOW - 3 * DAY)
KEPT_DISABLED = dataclasses.replace(KEPT, enabled=False)
KEPT_EXPIRED = dataclasses.replace(KEPT, expires=NOW - DAY)
RETIRING = a_token(id="retiring", created=NOW - 8 * DAY)
ORPHAN = a_token(id="orphan", name=provisional_name("reports", INTENT.nonce))
UNNAMED = dataclasses.replace(KEPT, name=ORPHAN.name)
ENTRY = an_entry(id="kept")
EMPTY = an_entry(id=None, secret=None)
NOT_THERE = dataclasses.replace(EMPTY, version=None)
INTENDED = dataclasses.replace(EMPTY, intents=(INTENT,))
SAVED = dataclasses.replace(ENTRY, intents=(INTENT,))
ROTATED = dataclasses.replace(ENTRY, predecessors=due("retiring"))
IGNORE, ROTATE = {"on_missing_secret": "ignore"}, {"on_missing_secret": "rotate"}


class Expected(t.NamedTuple):
    """What a plan is to be, as far as it is not empty."""

    action: str
    subject: str | None = None
    deletes: t.Sequence[str] = ()
    orphans: t.Sequence[str] = ()
    store_updated: bool = False
    secret_held: bool = False
    adopts: bool = False


@pytest.mark.parametrize(
    ("tokens", "entry", "options", "expected"),
    [
        pytest.param(
            [KEPT], ENTRY, {}, Expected("none", "kept", secret_held=True), id="all as wanted"
        ),
        pytest.param(
            [NEW, KEPT, OLD],
            ENTRY,
            {},
            Expected("none", "kept", secret_held=True),
            id="the store tells which of several",
        ),
        pytest.param(
            [KEPT],
            ENTRY,
            ROTATE,
            Expected("none", "kept", secret_held=True),
            id="nothing is missing",
        ),
        pytest.param(
            [KEPT],
            ENTRY,
            {"scopes": ["logs.read"]},
            Expected("updated", "kept", store_updated=True, secret_held=True),
            id="other scopes",
        ),
        pytest.param(
            [KEPT],
            ENTRY,
            {"token_id": "kept", "name": "better"},
            Expected("updated", "kept", store_updated=True, secret_held=True),
            id="renamed by id",
        ),
        pytest.param(
            [],
            NOT_THERE,
            {},
            Expected("created", store_updated=True),
            id="nothing found and nothing stored",
        ),
        pytest.param([], ENTRY, {}, Expected("created", store_updated=True), id="gone"),
        pytest.param(
            [LIVE], ENTRY, IGNORE, Expected("none", "live"), id="gone, another lives, ignored"
        ),
        pytest.param(
            [LIVE],
            ENTRY,
            {**IGNORE, "scopes": ["logs.read"]},
            Expected("updated", "live"),
            id="gone, another lives with other scopes",
        ),
        pytest.param(
            [LIVE],
            ENTRY,
            ROTATE,
            Expected("rotated", "live", ["live"], store_updated=True),
            id="gone, another lives, rotated",
        ),
        pytest.param(
            [KEPT_EXPIRED],
            ENTRY,
            {},
            Expected("rotated", "kept", ["kept"], store_updated=True),
            id="expired, and no other",
        ),
        pytest.param(
            [KEPT_EXPIRED, LIVE],
            ENTRY,
            IGNORE,
            Expected("none", "live"),
            id="expired, another lives, ignored",
        ),
        pytest.param(
            [KEPT_EXPIRED, LIVE],
            ENTRY,
            ROTATE,
            Expected("rotated", "live", ["live", "kept"], store_updated=True),
            id="expired, another lives, rotated",
        ),
        pytest.param([LIVE], NOT_THERE, IGNORE, Expected("none", "live"), id="not stored, ignored"),
        pytest.param(
            [LIVE],
            NOT_THERE,
            ROTATE,
            Expected("rotated", "live", ["live"], store_updated=True),
            id="not stored, rotated",
        ),
        pytest.param(
            [NEW, OLD],
            NOT_THERE,
            {**ROTATE, "on_duplicates": "oldest"},
            Expected("rotated", "old", ["old"], store_updated=True),
            id="several",
        ),
        pytest.param(
            [KEPT_DISABLED], ENTRY, {}, Expected("none", "kept", secret_held=True), id="disabled"
        ),
        pytest.param(
            [DISABLED],
            NOT_THERE,
            ROTATE,
            Expected("none", "disabled"),
            id="not stored and disabled, left so",
        ),
        pytest.param(
            [DISABLED],
            NOT_THERE,
            {**ROTATE, "enabled": True},
            Expected("rotated", "disabled", ["disabled"], store_updated=True),
            id="not stored and disabled, to be enabled",
        ),
        pytest.param(
            [DISABLED],
            NOT_THERE,
            {**ROTATE, "enabled": False},
            Expected("rotated", "disabled", ["disabled"], store_updated=True),
            id="not stored and disabled, to be so",
        ),
        pytest.param(
            [KEPT],
            SAVED,
            {},
            Expected("none", "kept", secret_held=True),
            id="an intent that was fulfilled",
        ),
        pytest.param(
            [UNNAMED],
            SAVED,
            {},
            Expected("updated", "kept", store_updated=True, secret_held=True),
            id="not named yet",
        ),
        pytest.param(
            [UNNAMED, OLD],
            dataclasses.replace(SAVED, predecessors=due("old")),
            {},
            Expected("updated", "kept", ["old"], store_updated=True, secret_held=True),
            id="not named yet, and its predecessor still there",
        ),
        pytest.param(
            [ORPHAN],
            INTENDED,
            {},
            Expected("created", None, [], ["orphan"], store_updated=True),
            id="an orphan",
        ),
        pytest.param(
            [ORPHAN, LIVE],
            INTENDED,
            IGNORE,
            Expected("none", "live", [], ["orphan"]),
            id="an orphan beside a live one",
        ),
        pytest.param(
            [ORPHAN, KEPT],
            SAVED,
            {},
            Expected("none", "kept", [], ["orphan"], secret_held=True),
            id="an orphan beside the stored one",
        ),
        pytest.param(
            [LIVE], INTENDED, IGNORE, Expected("none", "live"), id="an intent and nothing of it"
        ),
        pytest.param(
            [PENDING],
            INTENDED,
            {},
            Expected("created", store_updated=True),
            id="the provisional one of somebody else",
        ),
        pytest.param(
            [ORPHAN],
            NOT_THERE,
            {},
            Expected("created", store_updated=True),
            id="a provisional one without an intent",
        ),
        pytest.param(
            [KEPT, RETIRING],
            ROTATED,
            {},
            Expected("none", "kept", ["retiring"], store_updated=True, secret_held=True),
            id="a predecessor",
        ),
        pytest.param(
            [KEPT],
            ROTATED,
            {},
            Expected("none", "kept", [], store_updated=True, secret_held=True),
            id="a predecessor that is gone",
        ),
        pytest.param(
            [RETIRING],
            ROTATED,
            {},
            Expected("created", None, ["retiring"], store_updated=True),
            id="only a predecessor",
        ),
        pytest.param(
            [RETIRING],
            ROTATED,
            {**ROTATE, "on_duplicates": "newest"},
            Expected("created", None, ["retiring"], store_updated=True),
            id="a predecessor is no candidate",
        ),
        pytest.param(
            [KEPT],
            ENTRY,
            {"state": "absent"},
            Expected("deleted", "kept", ["kept"], store_updated=True),
            id="absent: stored",
        ),
        pytest.param(
            [], ENTRY, {"state": "absent"}, Expected("none", store_updated=True), id="absent: gone"
        ),
        pytest.param([], NOT_THERE, {"state": "absent"}, Expected("none"), id="absent: nothing"),
        pytest.param(
            [], INTENDED, {"state": "absent"}, Expected("none"), id="absent: only an intent"
        ),
        pytest.param(
            [ORPHAN],
            INTENDED,
            {"state": "absent"},
            Expected("none", None, [], ["orphan"]),
            id="absent: an orphan",
        ),
        pytest.param(
            [LIVE],
            NOT_THERE,
            {"state": "absent"},
            Expected("deleted", "live", ["live"]),
            id="absent: not stored",
        ),
        pytest.param(
            [LIVE],
            ENTRY,
            {"state": "absent"},
            Expected("deleted", "live", ["live"], store_updated=True),
            id="absent: gone, another lives",
        ),
        pytest.param(
            [KEPT, EXPIRED, RETIRING],
            ROTATED,
            {"state": "absent"},
            Expected("deleted", "kept", ["kept", "expired", "retiring"], store_updated=True),
            id="absent: all there is",
        ),
        pytest.param(
            [RETIRING],
            dataclasses.replace(ROTATED, id=None, secret=None),
            {"state": "absent"},
            Expected("none", None, ["retiring"], store_updated=True),
            id="absent: only a predecessor",
        ),
        pytest.param(
            [UNNAMED],
            SAVED,
            {"state": "absent"},
            Expected("deleted", "kept", ["kept"], store_updated=True),
            id="absent: not named yet",
        ),
    ],
)
def test_what_is_stored_decides_too(
    tokens: list[Token], entry: Entry, options: dict[str, t.Any], expected: Expected
) -> None:
    plan = a_plan(tokens, entry=entry, **options)
    subject = plan.before.id if plan.before else None
    assert expected._replace(deletes=list(expected.deletes), orphans=list(expected.orphans)) == (
        *(plan.action, subject, _ids(deleted_by(plan)), _ids(leftovers_of(plan))),
        *(plan.store_updated, plan.secret_known, adopts(plan)),
    )
    assert plan.changed is (
        plan.action != "none" or bool(leftovers_of(plan) + deleted_by(plan)) or plan.store_updated
    )
    assert seals(plan) is (plan.issue is not None)
    assert {(step.token, step.action) for step in plan.retired} == {
        (token, "deleted")
        for token in (*leftovers_of(plan), *deleted_by(plan))
        if expected.action != "deleted" or token != plan.before
    }


@pytest.mark.parametrize(
    ("tokens", "entry", "kept_id", "says"),
    [
        pytest.param(
            [LIVE], ENTRY, OWN, ["live", "the secret of another, kept, which is gone"], id="gone"
        ),
        pytest.param(
            [LIVE, KEPT_EXPIRED],
            ENTRY,
            OWN,
            ["live", "the secret of another, kept, which has expired"],
            id="expired",
        ),
        pytest.param(
            [LIVE], NOT_THERE, OWN, ["live", "the store has no secret for it"], id="not there"
        ),
        pytest.param(
            [LIVE], INTENDED, OWN, ["live", "the store has no secret for it"], id="only an intent"
        ),
        pytest.param(
            [KEPT], ENTRY, "foreign", ["kept", "not its own but that of foreign"], id="foreign"
        ),
        pytest.param(
            [KEPT], ENTRY, None, ["kept", "that of no token that Dynatrace knows"], id="unknown"
        ),
        pytest.param(
            [KEPT, LIVE],
            ENTRY,
            "live",
            ["kept", "not its own but that of live"],
            id="that of another live one",
        ),
    ],
)
def test_by_default_a_token_whose_secret_is_not_stored_is_left_alone(
    tokens: list[Token], entry: Entry, kept_id: str | None, says: list[str]
) -> None:
    with pytest.raises(Refused) as caught:
        a_plan(tokens, entry=entry, kept_id=kept_id)
    assert [
        word
        for word in [*says, "on_missing_secret: rotate", "on_missing_secret: ignore"]
        if word not in str(caught.value)
    ] == []


@pytest.mark.parametrize("kept_id", ["foreign", None, "live"])
def test_a_foreign_secret_in_the_store_is_none(kept_id: str | None) -> None:
    ignored = a_plan([KEPT, LIVE], entry=ENTRY, kept_id=kept_id, **IGNORE)
    assert (ignored.action, ignored.before, ignored.secret_known, ignored.changed) == (
        "none",
        KEPT,
        False,
        False,
    )
    rotated = a_plan([KEPT, LIVE], entry=ENTRY, kept_id=kept_id, **ROTATE)
    assert (rotated.action, rotated.before, deleted_by(rotated), rotated.store_updated) == (
        "rotated",
        KEPT,
        (KEPT,),
        True,
    )


@pytest.mark.parametrize(
    ("tokens", "entry", "kept_id"),
    [
        pytest.param([LIVE], NOT_THERE, OWN, id="not stored"),
        pytest.param([LIVE], ENTRY, OWN, id="the stored one is gone"),
        pytest.param([LIVE, KEPT_EXPIRED], ENTRY, OWN, id="the stored one expired"),
        pytest.param([LIVE], an_entry(id="live"), "foreign", id="a foreign secret is stored"),
        pytest.param([LIVE], an_entry(id="live"), None, id="an unknown secret is stored"),
        pytest.param([NEW, LIVE, OLD], NOT_THERE, OWN, id="one of several"),
    ],
)
@pytest.mark.parametrize("on_missing_secret", [None, "ignore", "rotate"])
def test_the_secret_that_is_given_is_put_into_the_store(
    tokens: list[Token], entry: Entry, kept_id: str | None, on_missing_secret: str | None
) -> None:
    plan = a_plan(
        tokens, "live", entry, kept_id, token=DOTTED_SECRET, on_missing_secret=on_missing_secret
    )
    assert (plan.action, plan.after, deleted_by(plan)) == ("none", LIVE, ())
    assert (adopts(plan), seals(plan), plan.store_updated, plan.changed, plan.secret_known) == (
        True,
        True,
        True,
        True,
        True,
    )


def test_the_secret_that_is_given_is_not_put_into_the_store_twice_or_without_one() -> None:
    for plan in (
        a_plan([KEPT], "kept", ENTRY, token=DOTTED_SECRET),
        a_plan([KEPT], "kept", token=DOTTED_SECRET),
    ):
        assert (plan.action, plan.secret_known, adopts(plan), plan.store_updated, plan.changed) == (
            "none",
            True,
            False,
            False,
            False,
        )


def test_the_secret_of_another_live_token_than_the_stored_one_is_refused() -> None:
    with pytest.raises(
        Refused, match=r"the secret of live, but the store holds that of kept.* Nothing was changed"
    ) as caught:
        a_plan([KEPT, LIVE], "live", ENTRY, token=DOTTED_SECRET)
    assert DOTTED_SECRET not in str(caught.value)


@pytest.mark.parametrize("on_duplicates", ["fail", "newest", "oldest"])
@pytest.mark.parametrize(("held_id", "entry"), [(None, None), ("live", None), (None, ENTRY)])
def test_one_of_several_is_never_deleted_by_name_because_the_next_run_would_delete_another(
    on_duplicates: str, held_id: str | None, entry: Entry | None
) -> None:
    with pytest.raises(
        Refused, match=r"each run would delete another one.* Delete one by its token_id"
    ):
        a_plan(
            [KEPT, LIVE],
            held_id,
            entry,
            on_duplicates=on_duplicates,
            state="absent",
            token=held_id and DOTTED_SECRET,
        )


@pytest.mark.parametrize("held_id", ["foreign", None, "retiring"])
def test_the_secret_of_no_candidate_does_not_hinder_the_stored_one(held_id: str | None) -> None:
    plan = a_plan([KEPT, RETIRING], held_id, ROTATED, token=DOTTED_SECRET)
    assert (plan.action, plan.before, plan.secret_known, adopts(plan)) == (
        "none",
        KEPT,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("options", "scopes", "end"),
    [
        ({}, ("metrics.read",), DATED.expires),
        ({"scopes": None}, ("logs.read",), DATED.expires),
        (
            {"scopes": ["events.read"], "scopes_mode": "add"},
            ("events.read", "logs.read"),
            DATED.expires,
        ),
        ({"scopes": ["events.read"], "scopes_mode": "remove"}, ("logs.read",), DATED.expires),
        ({"expires_in": "90d"}, ("metrics.read",), NOW + 90 * DAY),
        ({"expiration_date": OTHER_DATE}, ("metrics.read",), NOW + 31 * DAY),
    ],
)
def test_a_token_in_place_of_another_has_what_that_one_had(
    options: dict[str, t.Any], scopes: tuple[str, ...], end: dt.datetime
) -> None:
    plan = a_plan(
        [dataclasses.replace(DATED, scopes=("logs.read",))],
        entry=NOT_THERE,
        **{**ROTATE, **options},
    )
    assert plan.after == Token(None, "reports", True, scopes, ACCESS, end)
    assert str(plan.issue.expires) == options.get("expires_in", str(end))


def test_a_token_in_place_of_one_without_an_end_has_none() -> None:
    plan = a_plan([LIVE], entry=NOT_THERE, **ROTATE)
    assert plan.after is not None
    assert (plan.issue.expires, plan.after.expires) == (None, None)


@pytest.mark.parametrize(
    "scopes", [{"scopes": None}, {"scopes": ["logs.read"], "scopes_mode": "add"}]
)
def test_a_token_that_was_not_told_whole_is_not_replaced_by_a_lesser_one(
    scopes: dict[str, t.Any],
) -> None:
    half = dataclasses.replace(LIVE, scopes=(), complete=False)
    with pytest.raises(Refused, match="did not tell its scopes"):
        a_plan([half], entry=NOT_THERE, **ROTATE, **scopes)


@pytest.mark.parametrize("stored", [True, False])
def test_what_a_missing_secret_means_depends_on_the_store(stored: bool) -> None:
    assert a_specification(stored).on_missing_secret == ("fail" if stored else "ignore")
    assert {
        a_specification(stored, on_missing_secret=choice).on_missing_secret
        for choice in ("fail", "ignore")
    } == {"fail", "ignore"}


@pytest.mark.parametrize("entry", [None, ENTRY])
def test_a_token_that_is_meant_by_its_id_cannot_be_replaced(entry: Entry | None) -> None:
    with pytest.raises(OptionError, match=r"^on_missing_secret: rotate cannot go with token_id"):
        a_plan([KEPT], entry=entry, token_id="kept", **ROTATE)


@pytest.mark.parametrize(
    ("tokens", "entry", "options", "warnings"),
    [
        ([KEPT], ENTRY, {}, []),
        ([], ENTRY, {}, ["(kept), which the store holds, is gone"]),
        ([], NOT_THERE, {}, []),
        ([PENDING], NOT_THERE, {}, ["(pending) is from a run that was cut off"]),
        ([], INTENDED, {}, []),
        ([KEPT_EXPIRED], ENTRY, {}, []),
        ([], ENTRY, {"state": "absent"}, []),
        ([KEPT_DISABLED], ENTRY, {}, ["is disabled and is left so"]),
        ([DISABLED], NOT_THERE, ROTATE, ["is disabled and is left so"]),
        ([PENDING, ORPHAN, KEPT], SAVED, {}, ["(pending) is from a run that was cut off"]),
        (
            [PENDING, ORPHAN],
            INTENDED,
            {"state": "absent"},
            ["(pending) is from a run that was cut off"],
        ),
        ([PENDING, LIVE], NOT_THERE, ROTATE, ["(pending) is from a run that was cut off"]),
        ([UNNAMED], SAVED, {}, []),
        ([KEPT, RETIRING], ROTATED, {}, []),
    ],
)
def test_what_is_odd_about_the_store_is_warned_of_once(
    tokens: list[Token], entry: Entry, options: dict[str, t.Any], warnings: list[str]
) -> None:
    said = a_plan(tokens, entry=entry, **options).warnings
    assert len(said) == len(warnings)
    assert all(expected in actual for expected, actual in zip(warnings, said))


@pytest.mark.parametrize(
    "facts", [{"name": "others"}, {"kind": PERSONAL_ACCESS}, {"made_by_product": True}]
)
def test_a_store_makes_no_other_token_ours(facts: dict[str, t.Any]) -> None:
    others = [a_token(**{"id": token_id, **facts}) for token_id in ("kept", "retiring")]
    others.append(
        dataclasses.replace(ORPHAN, **{"name": provisional_name("others", INTENT.nonce), **facts})
    )
    plan = a_plan(others, entry=dataclasses.replace(ROTATED, intents=(INTENT,)))
    assert (plan.action, deleted_by(plan), leftovers_of(plan)) == ("created", (), ())


@pytest.mark.parametrize(
    ("token_id", "harm"), [("orphan", "delete"), ("retiring", "delete"), ("kept", None)]
)
def test_harm_to_the_calling_token_is_seen_beside_the_current_one(
    token_id: str, harm: str | None
) -> None:
    plan = a_plan([KEPT, RETIRING, ORPHAN], entry=dataclasses.replace(ROTATED, intents=(INTENT,)))
    assert plan.harm_to(token_id) == harm


OWN_IDS = ["t1", "t2", "t3", "t4", "gone"]
NONCES = [INTENT.nonce, "fedcba9876543210"]
STORED_TOKENS = st.lists(
    st.builds(
        Token,
        id=st.sampled_from(OWN_IDS[:4]),
        name=st.sampled_from(
            [
                "reports",
                "reports",
                "reports",
                "other",
                *(provisional_name("reports", nonce) for nonce in NONCES),
            ]
        ),
        enabled=st.booleans(),
        scopes=SCOPES.map(tuple),
        kind=st.sampled_from([ACCESS, ACCESS, ACCESS, PERSONAL_ACCESS]),
        expires=st.sampled_from([None, NOW + 30 * DAY, None, NOW - DAY, NOW]),
        made_by_product=st.sampled_from([False, False, False, True]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda token: token.id,
)


SOME_TIME = st.sampled_from([NOW - DAY, NOW, NOW + DAY])
NOTES = st.builds(Predecessor, st.sampled_from(OWN_IDS), SOME_TIME, st.none() | SOME_TIME)


class Situation(t.NamedTuple):
    specification: Specification
    tokens: list[Token]
    held_id: str | None
    entry: Entry
    kept_id: str | None
    plan: Plan


@st.composite
def stored_situations(draw: st.DrawFn, states: tuple[str, ...]) -> Situation:
    """A wish with a store that can be met, all the tokens there are, what the store holds, and
    the plan."""
    tokens = draw(STORED_TOKENS)
    some_id = st.sampled_from([None, *OWN_IDS])
    options = {
        **draw(OPTIONS),
        "name": "reports",
        "personal_access_token": False,
        "state": draw(st.sampled_from(states)),
        "on_missing_secret": draw(st.sampled_from(["ignore", "rotate"])),
        "expires_in": draw(st.sampled_from([None, "90d"])),
    }
    if options["expires_in"]:
        options["expiration_date"] = None
    options["overlap"], options["delete_after"] = (
        draw(st.sampled_from(["0", "0", "2d"])),
        draw(st.sampled_from(["0", "0", "1d"])),
    )
    options["retire"] = options["state"] == "absent" or draw(st.sampled_from([True, True, False]))
    own_id = draw(some_id)
    notes = draw(st.lists(NOTES, max_size=2, unique_by=lambda note: note.id))
    retiring = tuple(note for note in notes if note.id != own_id)
    entry = an_entry(
        id=own_id, intents=draw(st.sampled_from([(), (INTENT,)])), predecessors=retiring
    )
    held_id, kept_id = draw(some_id), draw(st.sampled_from([OWN, OWN, None, *OWN_IDS]))
    specification = a_specification(True, **options)
    try:
        plan = make_plan(find(tokens, specification, held_id, entry, kept_id), specification, NOW)
    except DynatraceError:
        reject()
    return Situation(specification, tokens, held_id, entry, kept_id, plan)


def _may_go(token: Token, situation: Situation) -> bool:
    """Whether there is a reason to delete this token."""
    specification, plan, entry = situation.specification, situation.plan, situation.entry
    if token.made_by_product or token.kind is not specification.kind:
        return False
    absent = specification.state == "absent"
    at_once = absent or (
        specification.retire and not specification.overlap and not specification.delete_after
    )
    orphan = (
        bool(entry.intents)
        and token.name == f"reports ~pending-{INTENT.nonce}"
        and token.id != entry.id
    )
    over = _note_due(token, entry) and (
        at_once
        or (
            specification.retire
            and (_note_due(token, entry, deletes=True) or token.has_expired(NOW))
        )
    )
    retiring = token.name == "reports" and (
        over or (absent and token.id in [note.id for note in entry.predecessors])
    )
    by_name = token.name == "reports" or entry.is_of(token)
    unknown = token.id not in (
        situation.held_id,
        entry.id if situation.kept_id == OWN else situation.kept_id,
    )
    current = token == plan.before and (
        absent or (specification.on_missing_secret == "rotate" and unknown and at_once)
    )
    return (
        orphan
        or retiring
        or (by_name and (current or (token.has_expired(NOW) and (absent or specification.retire))))
    )


def _noted(situation: Situation) -> tuple[Predecessor, ...]:
    """What the store knows of predecessors before one of them is touched."""
    issue = situation.plan.issue
    return issue.entry.predecessors if issue else situation.entry.predecessors


def _note_due(token: Token, entry: Entry, deletes: bool = False) -> bool:
    return any(
        note.id == token.id and note.due <= NOW and (note.delete_at or not deletes)
        for note in entry.predecessors
    )


@settings(max_examples=100)
@given(stored_situations(states=("present", "absent")))
def test_with_a_store_nothing_is_deleted_without_a_reason(situation: Situation) -> None:
    doomed = [*leftovers_of(situation.plan), *deleted_by(situation.plan)]
    assert [token for token in doomed if not _may_go(token, situation)] == []
    assert len(set(doomed)) == len(doomed)


@settings(max_examples=100)
@given(stored_situations(states=("present",)))
def test_what_is_replaced_is_remembered_until_it_is_gone(situation: Situation) -> None:
    plan, entry = situation.plan, situation.entry
    assert set(_noted(situation)) >= set(entry.predecessors)
    assert {note.id for note in _noted(situation)} >= {
        token.id for token in (*replaced_by(plan), *disabled_by(plan))
    }
    left, ours = (
        {note.id for note in plan.entry.predecessors},
        {token.id for token in situation.tokens if entry.retires(token)},
    )
    assert left.isdisjoint(token.id for token in deleted_by(plan))
    assert (
        left | {token.id for token in deleted_by(plan)}
        >= {token.id for token in replaced_by(plan)} | ours
    )


@settings(max_examples=100)
@given(stored_situations(states=("present",)))
def test_what_is_replaced_works_until_the_overlap_is_over(situation: Situation) -> None:
    specification, plan = situation.specification, situation.plan
    for token in disabled_by(plan):
        assert specification.retire
        assert specification.delete_after
        assert _note_due(token, situation.entry) or (
            token in replaced_by(plan) and not specification.overlap
        )
    working = [token for token in replaced_by(plan) if not token.has_expired(NOW)]
    if specification.overlap:
        assert not {*working} & {*disabled_by(plan), *deleted_by(plan)}


@settings(max_examples=100)
@given(stored_situations(states=("present",)))
def test_with_a_store_a_second_run_changes_nothing(situation: Situation) -> None:
    specification, tokens, held_id, _entry, kept_id, plan = situation
    assert plan.after is not None
    reached = dataclasses.replace(plan.after, id=plan.after.id or "new")
    gone = (
        (*leftovers_of(plan), *deleted_by(plan))
        if plan.issue is not None
        else (plan.before, *leftovers_of(plan), *deleted_by(plan))
    )
    left = [
        dataclasses.replace(token, enabled=token.enabled and token not in disabled_by(plan))
        for token in tokens
        if token not in gone
    ]
    entry = plan.entry
    if plan.issue is not None:
        entry = dataclasses.replace(entry, id=reached.id)
    found = find([*left, reached], specification, held_id, entry, OWN if seals(plan) else kept_id)
    again = make_plan(found, specification, NOW)
    assert (again.action, again.before, again.changed) == ("none", reached, False)
    assert again.secret_known is (plan.secret_known or seals(plan))


# Kinds with limits, and attributes that only some have


@pytest.mark.parametrize(
    ("kind", "first"), [(PLATFORM, Retire), (ACCESS, Issue)], ids=["counted", "not counted"]
)
def test_expired_tokens_go_first_where_they_count_against_a_limit(
    kind: Kind, first: type[Retire | Issue]
) -> None:
    dead = a_token(kind=kind, expires=NOW - DAY)
    plan = a_plan([dead], entry=Entry(Identity(PLACE, "reports", kind)), kind=kind.option)
    assert isinstance(plan.steps[0], first)
    assert [step.token for step in plan.retired] == [dead]
    assert plan.action == "rotated"


def test_a_replacement_keeps_what_is_told_of_the_token_and_not_asked_for() -> None:
    gate = a_token(id=PUBLIC_PART, kind=ACTIVEGATE, scopes=(), activegate_type="cluster", seed=True)
    entry = an_entry(identity=Identity(PLACE, "reports", ACTIVEGATE))
    options = {"kind": "activegate", "scopes": None, "rotate": "always"}
    plan = a_plan([gate], entry=entry, kept_id=PUBLIC_PART, **options)
    assert plan.after is not None
    assert (plan.after.activegate_type, plan.after.seed) == ("cluster", True)


def test_another_type_of_activegate_is_a_change_that_its_kind_does_not_have() -> None:
    gate = a_token(id=PUBLIC_PART, kind=ACTIVEGATE, scopes=(), activegate_type="cluster")
    entry = an_entry(identity=Identity(PLACE, "reports", ACTIVEGATE))
    options = {"kind": "activegate", "scopes": None, "activegate_type": "environment"}
    with pytest.raises(Refused, match=r"^activegate_type: Dynatrace cannot change this"):
        a_plan([gate], entry=entry, kept_id=PUBLIC_PART, **options)
    untold = dataclasses.replace(gate, activegate_type=None)
    assert not a_plan([untold], entry=entry, kept_id=PUBLIC_PART, **options).changed
