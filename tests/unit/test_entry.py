# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import itertools
import json
import re
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Entry,
    Intent,
    Predecessor,
    Sealed,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import (
    ACCESS,
    KINDS,
    PERSONAL_ACCESS,
    PLATFORM,
    Kind,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Secret,
    looks_like_secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Identity
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.codec import (
    Damaged,
    dump_entry,
    entry_name,
    is_entry_name,
    parse_entry,
    parse_listed_entry,
)
from hypothesis import example, given
from hypothesis import strategies as st

from entries import (
    DAY,
    DOTTED_SECRET,
    ENVIRONMENT,
    FULL,
    INTENT,
    NOW,
    PUBLIC_PART,
    REPORTS,
    SECRET_PART,
    UNDOTTED_SECRET,
    identity,
    kept,
)

pytestmark = pytest.mark.once

KIND = st.sampled_from(list(KINDS.values()))
# Those at the end are others when their case is changed, or the same as an ASCII letter.
ODD_NAMES = (
    *(
        ".",
        "..",
        "...",
        "/",
        "../reports",
        "a/b",
        "a\\b",
        "a\0b",
        "",
        " ",
        ".pat",
        "a.pat",
        "a.PAT",
        "~",
        "-",
    ),
    *("\u017f", "\u0130", "\u212a", "ß", "SS"),
)
NAMES = (
    st.text(max_size=150)
    | st.from_regex(r"[a-z0-9._-]{1,110}", fullmatch=True)
    | st.sampled_from(ODD_NAMES)
)


@pytest.mark.parametrize(
    "name", ["reports", "0", "ci_2", "eu.reports-2", ".hidden", "-", "pat", "a.pat.b", "x" * 100]
)
def test_a_plain_name_stays_as_it_is(name: str) -> None:
    assert (entry_name(name, ACCESS), entry_name(name, PERSONAL_ACCESS)) == (name, name + ".pat")


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("Monthly Reports", "monthly-reports~"),
        ("a.pat", "a-pat~"),
        ("x" * 101, "x" * 60 + "~"),
        ("Zürich / Öl", "z-rich-l~"),
        ("日本", "token~"),
        ("", "token~"),
    ],
)
def test_another_name_stays_readable(name: str, readable: str) -> None:
    assert re.fullmatch(re.escape(readable) + "[0-9a-f]{12}", entry_name(name, ACCESS))
    assert entry_name(name, PERSONAL_ACCESS) == entry_name(name, ACCESS) + ".pat"


@example(".", ACCESS)
@example("..", ACCESS)
@given(NAMES, KIND)
def test_the_name_of_an_entry_is_one_safe_part_of_a_path(name: str, kind: Kind) -> None:
    made = entry_name(name, kind)
    assert re.fullmatch(r"[a-z0-9._~-]{1,110}", made)
    assert made not in (".", "..")
    assert is_entry_name(made)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "Reports",
        "#reports#",
        ".#reports",
        "reports\n",
        "reports/",
        "a/b",
        "two words",
        "z\u00fcrich",
    ],
)
def test_what_no_token_is_kept_under_is_no_name_of_an_entry(text: str) -> None:
    assert not is_entry_name(text)


@given(NAMES, NAMES)
def test_every_name_and_kind_has_an_entry_of_its_own(one: str, other: str) -> None:
    names = {one, other}
    for name in (one, other):
        names |= {
            name.upper(),
            name.lower(),
            name.casefold(),
            name + ".pat",
            name + ".PAT",
            name.removesuffix(".pat"),
            name[:60],
        }
        names |= {entry_name(name, kind) for kind in (ACCESS, PERSONAL_ACCESS)}
        names.add(entry_name(name, PERSONAL_ACCESS) + ".pat")
    made = {
        (name, kind): entry_name(name, kind).casefold()
        for name, kind in itertools.product(names, (ACCESS, PERSONAL_ACCESS))
    }
    assert len(set(made.values())) == len(made)


def test_a_platform_token_does_not_take_the_entry_of_an_access_token_of_that_name() -> None:
    """Version 1.0.0 wrote an access token named ``ci.platform`` under the name that ``ci`` gets."""
    theirs = dump_entry(Entry(Identity("abc12345", "ci.platform", ACCESS), "id", Secret("S3CR3T")))
    assert entry_name("ci", PLATFORM) == entry_name("ci.platform", ACCESS)
    with pytest.raises(Damaged, match="should be"):
        parse_entry(theirs, Identity("abc12345", "ci", PLATFORM), 1)


MOMENTS = st.datetimes(
    dt.datetime(2000, 1, 1), dt.datetime(2999, 1, 1), timezones=st.just(dt.timezone.utc)
).map(
    lambda moment: moment.replace(
        microsecond=moment.microsecond // 1000 * 1000
    )  # what Dynatrace keeps
)
IDS = st.from_regex(r"[A-Za-z0-9._~:=+@-]{1,200}", fullmatch=True).filter(
    lambda token_id: token_id not in (".", "..") and not looks_like_secret(token_id)
)
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1).map(
    Secret
) | st.builds(Sealed, st.text())


PREDECESSORS = st.builds(Predecessor, IDS, MOMENTS, st.none() | MOMENTS) | st.builds(
    Predecessor, IDS, st.none()
)
INTENTS = st.builds(
    Intent,
    st.from_regex("[0-9a-f]{16}", fullmatch=True),
    MOMENTS,
    st.none() | MOMENTS,
    st.lists(st.text(), max_size=3).map(tuple),
    st.lists(IDS, max_size=3).map(tuple),
)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    held = draw(st.none() | st.tuples(IDS, SECRETS))
    predecessors = draw(st.lists(PREDECESSORS, max_size=3))
    return Entry(
        identity(draw(NAMES), draw(KIND)),
        id=held[0] if held else None,
        secret=held[1] if held else None,
        scopes=tuple(draw(st.lists(st.text()))),
        expires=draw(st.none() | MOMENTS),
        created=draw(st.none() | MOMENTS),
        handed_over=draw(st.booleans()),
        intents=tuple(draw(st.lists(INTENTS, max_size=2))),
        predecessors=tuple(old for old in predecessors if not held or old.id != held[0]),
    )


@given(entries(), st.integers())
def test_an_entry_comes_back_as_it_was(entry: Entry, version: int) -> None:
    dumped = dump_entry(entry)
    token = dumped.pop("token")
    # As text in between, as a store keeps it.
    data = {**json.loads(json.dumps(dumped)), "token": token}
    again = parse_entry(data, entry.identity, version)
    assert (again, again.version) == (entry, version)
    listed_as = entry_name(entry.name, entry.kind)
    listed = parse_listed_entry(data, ENVIRONMENT, listed_as, version)
    assert (listed, listed.version) == (entry, version)


def test_an_entry_that_holds_the_clock_of_this_moment_comes_back_as_it_was() -> None:
    moment = NOW + dt.timedelta(microseconds=123456)
    entry = kept(created=moment, expires=moment + DAY, intents=(Intent(INTENT.nonce, moment),))
    data = dump_entry(entry)
    assert dump_entry(parse_entry(data, REPORTS, 1)) == data


DATA = dump_entry(FULL)
DATA_OF_1_0_0: dict[str, t.Any] = {
    "environment": ENVIRONMENT,
    "name": "reports",
    "personal_access_token": False,
    "id": PUBLIC_PART,
    "token": DOTTED_SECRET,
    "scopes": ["metrics.read"],
    "expiration_date": "2026-06-01T12:00:00.000Z",
    "created": "2026-06-01T12:00:00.000Z",
    "pending": {"nonce": INTENT.nonce, "since": "2026-06-01T12:00:00.000Z"},
    "retiring": [{"id": "dt0c01.OLD", "disable_date": "2026-06-01T12:00:00.000Z"}],
}


def _data(**changes: t.Any) -> dict[str, t.Any]:
    return {**DATA, **changes}


def _intent(**changes: t.Any) -> dict[str, t.Any]:
    return _data(intents=[{**DATA["intents"][1], **changes}])


def _old(**changes: t.Any) -> dict[str, t.Any]:
    return {**DATA_OF_1_0_0, **changes}


def _parse(data: t.Any) -> Entry:
    return parse_entry(data, REPORTS, 1)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_data(note="by hand"), id="more than is known"),
        pytest.param(
            _data(scopes=None, intents=None, predecessors=None, expiration_date=None, created=None),
            id="nulls",
        ),
        pytest.param(
            _data(token=UNDOTTED_SECRET, id="5f3c7f1e-0000-4000-8000-000000000000"),
            id="the older format",
        ),
        pytest.param(_data(created="2026-06-01 14:00:00+02:00"), id="a time as people write it"),
        pytest.param(_old(), id="of 1.0.0"),
        pytest.param(_old(scopes=None, retiring=None, pending=None), id="of 1.0.0, nulls"),
    ],
)
def test_what_is_no_damage_is_taken(data: dict[str, t.Any]) -> None:
    assert _parse(data).name == "reports"


@pytest.mark.parametrize("data", [DATA, DATA_OF_1_0_0], ids=["of now", "of 1.0.0"])
def test_what_is_cut_off_is_damage(data: dict[str, t.Any]) -> None:
    for key in data:
        # Which of the two it has tells what else it has to have. What does not tell is handed over.
        if key in ("kind", "personal_access_token", "handed_over"):
            continue
        with pytest.raises(Damaged, match=f"{key} is not there"):
            _parse({name: value for name, value in data.items() if name != key})
    with pytest.raises(Damaged, match="kind, intents, predecessors is not there"):
        _parse({name: value for name, value in _old().items() if name != "personal_access_token"})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(None, "not a dictionary", id="empty"),
        pytest.param([_data()], "not a dictionary", id="a list"),
        pytest.param(DOTTED_SECRET, "not a dictionary", id="a bare secret"),
        pytest.param({}, "environment", id="an empty dictionary"),
        pytest.param(
            _data(environment="xyz98765"),
            "environment should be 'abc12345'",
            id="other environment",
        ),
        pytest.param(
            _data(environment=[DOTTED_SECRET]),
            "environment should be 'abc12345'",
            id="no environment",
        ),
        pytest.param(_data(name="Reports"), "name should be 'reports'", id="other name"),
        pytest.param(_data(name=DOTTED_SECRET), "name should be 'reports'", id="a secret as name"),
        *(
            pytest.param(_data(kind=kind), "kind should be 'access'", id=f"kind {kind}")
            for kind in ("personal_access", "invented", "", None, True, ["access"])
        ),
        *(
            pytest.param(
                _old(personal_access_token=personal),
                "kind should be 'access'",
                id=f"of 1.0.0, personal_access_token {personal}",
            )
            for personal in (True, None, "no", 0)
        ),
        pytest.param(
            _data(id=None), "of id and token, one is there without the other", id="token without id"
        ),
        pytest.param(
            _data(token=None),
            "of id and token, one is there without the other",
            id="id without token",
        ),
        pytest.param(_data(id=DOTTED_SECRET), "an id is not that of a token", id="id is a secret"),
        pytest.param(
            _data(id="dt0c01.ID/../../other"), "an id is not that of a token", id="id with a slash"
        ),
        pytest.param(_data(id=".."), "an id is not that of a token", id="id is the folder above"),
        pytest.param(_data(id=""), "an id is not that of a token", id="id is empty"),
        pytest.param(_data(id=7), "an id is not that of a token", id="id is a number"),
        pytest.param(_data(id=[PUBLIC_PART]), "an id is not that of a token", id="id is a list"),
        pytest.param(_data(token=""), "token is not the secret", id="token is empty"),
        pytest.param(_data(token=7), "token is not the secret", id="token is a number"),
        pytest.param(
            _data(token={"value": DOTTED_SECRET}),
            "token is not the secret",
            id="token is a dictionary",
        ),
        pytest.param(
            _data(token=DOTTED_SECRET + "\n"),
            "token is not the secret",
            id="token with a line break",
        ),
        pytest.param(
            _data(token=DOTTED_SECRET + "é"), "token is not the secret", id="token with an accent"
        ),
        pytest.param(_data(scopes="metrics.read"), "scopes is not a list", id="scopes are a text"),
        pytest.param(
            _data(scopes={"metrics.read": True}),
            "scopes is not a list",
            id="scopes are a dictionary",
        ),
        pytest.param(
            _data(scopes=[["metrics.read"]]), "scopes is not a list", id="scopes in lists"
        ),
        pytest.param(
            _data(scopes=[DOTTED_SECRET, 7]), "scopes is not a list", id="a scope is a number"
        ),
        pytest.param(
            _data(expiration_date=DOTTED_SECRET),
            "expiration_date is not a point in time",
            id="end is no time",
        ),
        pytest.param(
            _data(expiration_date="2026-06-01"),
            "expiration_date is not a point in time",
            id="end is a day",
        ),
        pytest.param(
            _data(expiration_date="2026-02-30T00:00:00Z"),
            "expiration_date is not a point in time",
            id="no such day",
        ),
        pytest.param(
            _data(expiration_date=""), "expiration_date is not a point in time", id="end is empty"
        ),
        pytest.param(
            _data(created=1780315200), "created is not a point in time", id="creation is a number"
        ),
        pytest.param(
            _data(created=NOW), "created is not a point in time", id="creation is no text"
        ),
        pytest.param(
            _data(created="0001-01-01T00:00:00+14:00"),
            "created is not a point in time",
            id="before all time",
        ),
        *(
            pytest.param(_data(handed_over=value), "neither true nor false", id=f"given {value!r}")
            for value in (None, "true", 1, [])
        ),
        *(
            pytest.param(_data(intents=value), "intents is not a list", id=f"intents {value!r:.10}")
            for value in ({}, DOTTED_SECRET, [DOTTED_SECRET], [None], 1)
        ),
        *(
            pytest.param(_intent(nonce=nonce), "intents has no nonce", id=f"nonce {nonce!r}")
            for nonce in (None, "", 1234567890123456, INTENT.nonce + "\n", INTENT.nonce.upper())
        ),
        *(
            pytest.param(_intent(since=since), "since is not a point in", id=f"since {since!r:.9}")
            for since in ("today", NOW, DOTTED_SECRET)
        ),
        pytest.param(_intent(since=None), "intents has no time", id="an intent without time"),
        pytest.param(_intent(expiration_date="soon"), "expiration_date is not", id="ends soon"),
        pytest.param(_intent(scopes="logs.read"), "scopes is not a list", id="intended scopes"),
        *(
            pytest.param(_intent(known_ids=[known]), says, id=f"known id {known!r:.12}")
            for known, says in (
                (DOTTED_SECRET, "an id is not that of a token"),
                ("a/b", "an id is not that of a token"),
                (7, "known_ids is not a list"),
            )
        ),
        *(
            pytest.param(_old(pending=value), "pending has no nonce", id=f"pending {value!r:.15}")
            for value in ({}, DOTTED_SECRET, [], {"since": "2026-06-01T12:00:00Z"}, 0, False)
        ),
        pytest.param(
            _old(pending={"nonce": INTENT.nonce}), "pending has no time", id="pending without time"
        ),
        *(
            pytest.param(make(value), f"{key} is not a list", id=f"{key} {value!r:.15}")
            for key, make in (
                ("predecessors", lambda value: _data(predecessors=value)),
                ("retiring", lambda value: _old(retiring=value)),
            )
            for value in ("dt0c01.OLD", ["dt0c01.OLD"], {"id": "dt0c01.OLD"})
        ),
        *(
            pytest.param(
                _data(predecessors=[predecessor]),
                "an id is not that of a token",
                id=f"predecessor {predecessor!r:.18}",
            )
            for predecessor in ({}, {"id": DOTTED_SECRET}, {"id": "a/b"})
        ),
        pytest.param(
            _old(retiring=[{"id": "dt0c01.OLD"}]),
            "retiring without a disable_date",
            id="retiring without a time",
        ),
        pytest.param(
            _data(predecessors=[{"id": "dt0c01.OLD", "delete_date": "2026-06-01T12:00:00Z"}]),
            "a delete_date without a disable_date",
            id="deleted before it is disabled",
        ),
        pytest.param(
            _data(id="dt0c01.OLD"), "it holds is among its predecessors", id="its own predecessor"
        ),
        pytest.param(
            _data(predecessors=[{"id": "dt0c01.OLD", "disable_date": "soon"}]),
            "disable_date is not",
            id="disabled soon",
        ),
    ],
)
def test_damage_is_named_and_shows_no_secret(data: t.Any, says: str) -> None:
    with pytest.raises(Damaged) as caught:
        _parse(data)
    assert says in str(caught.value)
    assert SECRET_PART not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"name": "others"}, id="another name"),
        pytest.param({"name": "Reports"}, id="another case"),
        pytest.param({"name": "reports.pat"}, id="a name like that of another kind"),
        pytest.param({"kind": "personal_access"}, id="another kind"),
        pytest.param({"kind": 0}, id="a kind in numbers"),
        pytest.param({"name": None}, id="no name"),
        pytest.param({"name": ["reports"]}, id="a list as name"),
        pytest.param({"name": DOTTED_SECRET}, id="a secret as name"),
    ],
)
def test_an_entry_in_the_place_of_another_is_damage(changes: dict[str, t.Any]) -> None:
    with pytest.raises(Damaged, match="are not those of an entry in this place") as caught:
        parse_listed_entry(_data(**changes), ENVIRONMENT, "reports", 1)
    assert SECRET_PART not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        None,
        [_data()],
        {},
        _data(environment="xyz98765"),
        _data(id=None),
        _data(scopes="metrics.read"),
    ],
)
def test_what_is_damage_where_it_is_looked_for_is_damage_where_it_is_listed(data: t.Any) -> None:
    said = []
    for parse in (_parse, lambda data: parse_listed_entry(data, ENVIRONMENT, "reports", 1)):
        with pytest.raises(Damaged) as caught:
            parse(data)
        said.append(str(caught.value))
    assert said[0] == said[1]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.just(DOTTED_SECRET)
    | st.just(Sealed(DOTTED_SECRET)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.sampled_from(["id", "nonce", "since"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def _entry_or_refusal(data: t.Any) -> Entry | str:
    try:
        return _parse(data)
    except Damaged as damage:
        return str(damage)


@given(
    st.sampled_from([DATA, DATA_OF_1_0_0]),
    st.dictionaries(st.sampled_from(sorted({*DATA, *DATA_OF_1_0_0})), VALUES, max_size=4),
)
def test_any_data_is_understood_or_refused_without_a_secret(
    data: dict[str, t.Any], changes: dict[str, t.Any]
) -> None:
    entry = _entry_or_refusal({**data, **changes})
    if isinstance(entry, str):
        assert SECRET_PART not in entry
        return
    assert entry.identity == REPORTS
    assert (entry.id is None) is (entry.secret is None)
    ids = [entry.id or "", *(predecessor.id for predecessor in entry.predecessors)]
    assert not any(map(looks_like_secret, ids))
