# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the older version of the token API says, and what it is told."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._api.access_tokens import (
    AccessTokenApi,
)
from ansible_collections.community.dynatrace.plugins.module_utils._api.access_tokens_v1 import (
    TokenApiV1,
)
from ansible_collections.community.dynatrace.plugins.module_utils._api.access_tokens_v2 import (
    TokenApiV2,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import (
    Answer,
    Request,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Identity
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import RequestFailed
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import ACCESS, KINDS
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import Period
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Token
from hypothesis import given
from hypothesis import strategies as st

from builders import CI, NOW, PLACE, UNDOTTED_SECRET

CALLER_ID = "dt0c01.ST2EY72KQINMH574WMNVI7YN"
CALLER = f"{CALLER_ID}." + "ABCD" * 16
ISSUED_ID = "dt0c01.ISSUED"
ISSUED = f"{ISSUED_ID}." + "WXYZ" * 16
UUID = "05d16bf8-b2ca-4c2e-9ed7-d2d4d6c5f8a0"
TOLD: dict[str, t.Any] = {"id": UUID, "name": "ci", "scopes": ["metrics.read"]}

MOMENTS = st.datetimes(
    dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.timezone.utc)
).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))


class Server:
    """Stands where the HTTP client does: answers by method and path, and notes what it was sent."""

    def __init__(self, answers: t.Mapping[str, t.Any]) -> None:
        self.answers = answers
        self.caller = Secret(CALLER)
        self.redactor = Redactor()
        self.sent: list[tuple[str, t.Any]] = []

    def now(self) -> dt.datetime:
        return NOW

    def request(self, request: Request) -> Answer:
        path = request.path.removeprefix("/v1/tokens").removeprefix("/v2/apiTokens")
        call = f"{request.method} {path}".strip()
        self.sent.append((call, request.query or request.body))
        found = self.answers.get(call, 404)
        if isinstance(found, RequestFailed):
            raise found
        return Answer(404, None) if found == 404 else Answer(200, found)


def api(answers: t.Mapping[str, t.Any]) -> TokenApiV1:
    return TokenApiV1(t.cast(t.Any, Server(answers)))


def told(**facts: t.Any) -> Token:
    """The token that these facts are understood as."""
    token = api({"POST /lookup": {**TOLD, **facts}}).lookup(Secret(UNDOTTED_SECRET))
    assert token is not None
    return token


def created(answer: t.Any, **more: t.Any) -> tuple[t.Any, list[tuple[str, t.Any]]]:
    """What comes of a creation that is answered so, and the requests of it."""
    server = Server({"POST": answer, "POST /lookup": {**TOLD, **more}})
    issued = TokenApiV1(t.cast(t.Any, server)).create(CI, None)
    return issued, server.sent


# What it says


@given(created=MOMENTS, expires=MOMENTS, last=MOMENTS)
def test_times_are_numbers_or_text(
    created: dt.datetime, expires: dt.datetime, last: dt.datetime
) -> None:
    moments = {"created": created, "expires": expires, "lastUse": last}
    as_numbers = {name: round(moment.timestamp() * 1000) for name, moment in moments.items()}
    as_text = {
        name: moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for name, moment in moments.items()
    }
    for facts in (as_numbers, as_text):
        token = told(**facts)
        assert (token.created, token.expires, token.last_used) == (created, expires, last)


def test_what_is_left_out_as_in_the_documented_example_is_understood() -> None:
    token = told(userId="x@example.com", created="2020-11-05T08:15:30Z")
    assert (
        token.enabled,
        token.kind.personal,
        token.expires,
        token.last_used,
        token.complete,
    ) == (True, False, None, None, True)
    assert (token.id, token.owner, token.created) == (
        UUID,
        "x@example.com",
        dt.datetime(2020, 11, 5, 8, 15, 30, tzinfo=dt.timezone.utc),
    )


@pytest.mark.parametrize(
    ("revoked", "enabled", "complete"),
    [(True, False, True), (False, True, True), (None, False, False), ("false", False, False)],
)
def test_revoked_is_the_opposite_of_enabled(revoked: t.Any, enabled: bool, complete: bool) -> None:
    token = told(revoked=revoked)
    assert (token.enabled, token.complete) == (enabled, complete)


def test_a_personal_access_token_is_told_as_one() -> None:
    assert told(personalAccessToken=True).kind.personal


@pytest.mark.parametrize(
    "end", [True, 10**30, float("nan"), float("inf"), -(10**18), "tomorrow", ["2026"]]
)
def test_an_end_that_is_no_point_in_time_is_refused(end: t.Any) -> None:
    with pytest.raises(RequestFailed, match="no point in time"):
        told(expires=end)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "id",
                "name",
                "userId",
                "created",
                "expires",
                "lastUse",
                "revoked",
                "personalAccessToken",
                "scopes",
            ]
        ),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.lists(st.text(max_size=3), max_size=2),
    )
)
def test_whatever_is_told_is_a_token_or_an_error_in_words(facts: dict[str, t.Any]) -> None:
    refused, token = "", None
    try:
        token = told(**facts)
    except RequestFailed as error:
        refused = str(error)
    if token is None:
        assert refused.startswith("Dynatrace")
    else:
        assert token.enabled is (facts.get("revoked", False) is False)
        assert token.kind.personal is (facts.get("personalAccessToken") is True)


# What it lists


def listing(*stubs: t.Any) -> Server:
    details = {
        f"GET /{number}": {**TOLD, "id": str(number), "name": name}
        for number, name in enumerate(stubs)
    }
    values = [{"id": str(number), "name": name} for number, name in enumerate(stubs)]
    return Server({"GET": {"values": values}, **details})


def test_details_are_asked_for_only_where_the_name_matches() -> None:
    server = listing("ci", "other", "ci ~pending-0123456789abcdef", "cicada")
    called = TokenApiV1(t.cast(t.Any, server)).find_by_name(Identity(PLACE, "ci", ACCESS))
    assert [token.name for token in called] == ["ci", "ci ~pending-0123456789abcdef"]
    assert [call for call, _query in server.sent if call in ("GET /1", "GET /4")] == []
    assert server.sent[0] == ("GET", {"limit": "1000000"})


def test_a_token_that_goes_while_it_is_listed_is_left_out() -> None:
    server = listing("ci", "gone")
    server.answers = {call: answer for call, answer in server.answers.items() if call != "GET /1"}
    assert [token.id for token in TokenApiV1(t.cast(t.Any, server)).list()] == ["0"]


def test_a_kind_is_told_by_the_details() -> None:
    server = listing("ci", "ci")
    server.answers = {**server.answers, "GET /1": {**TOLD, "id": "1", "personalAccessToken": True}}
    api = TokenApiV1(t.cast(t.Any, server))
    assert [
        [token.id for token in api.find_by_name(Identity(PLACE, "ci", kind))]
        for kind in KINDS.values()
    ] == [
        ["0"],
        ["1"],
    ]


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"values": None}, {"values": [None]}, {"values": [{"name": "ci"}]}]
)
def test_a_listing_that_is_none_is_refused(answer: t.Any) -> None:
    with pytest.raises(RequestFailed, match=r"^Dynatrace"):
        list(api({"GET": answer}).list())


def test_a_list_that_may_have_been_cut_off_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ansible_collections.community.dynatrace.plugins.module_utils._api.access_tokens_v1._LIMIT",
        2,
    )
    with pytest.raises(RequestFailed, match="Use api_version: v2"):
        list(TokenApiV1(t.cast(t.Any, listing("a", "b"))).list())


# What it issues


@pytest.mark.parametrize(
    "answer",
    [
        {"token": ISSUED},
        ISSUED,
        f"{ISSUED}\n",
        f"token\n{ISSUED}\n",
        f"token\r\n{ISSUED}\r\n",
        f'"token"\n"{ISSUED}"\n',
    ],
)
def test_a_secret_is_read_from_json_text_and_csv(answer: t.Any) -> None:
    issued, sent = created(answer, id=ISSUED_ID, expires=1_800_000_000_000)
    assert (issued.id, issued.secret.reveal()) == (ISSUED_ID, ISSUED)
    assert issued.expires == dt.datetime.fromtimestamp(1_800_000_000, dt.timezone.utc)
    assert sent[1] == ("POST /lookup", {"token": ISSUED})


@pytest.mark.parametrize(
    "answer",
    [None, {}, {"token": None}, {"token": "two words"}, "", " \n", "\x1b[2J", "\u2026", ["a"]],
)
def test_an_answer_without_a_secret_may_have_left_a_token(answer: t.Any) -> None:
    with pytest.raises(RequestFailed, match="has no secret") as raised:
        created(answer)
    assert raised.value.maybe_done


@pytest.mark.parametrize("found", [404, RequestFailed("no answer"), {**TOLD, "id": None}])
def test_a_token_that_cannot_be_looked_up_may_have_been_left(found: t.Any) -> None:
    with pytest.raises(RequestFailed) as raised:
        api({"POST": {"token": ISSUED}, "POST /lookup": found}).create(CI, None)
    assert raised.value.maybe_done


@pytest.mark.parametrize(
    ("secret", "token_id"), [(ISSUED, CALLER_ID), (CALLER, UUID), (CALLER, CALLER_ID)]
)
def test_the_calling_token_is_not_taken_for_a_new_one(secret: str, token_id: str) -> None:
    with pytest.raises(RequestFailed, match="about the calling one") as raised:
        created({"token": secret}, id=token_id)
    assert raised.value.maybe_done


@pytest.mark.parametrize(
    ("expires", "milliseconds"),
    [
        (None, None),
        (Period(24, "h"), 86_400_000),
        (Period(30, "m"), 1_800_000),
        (Period(1, "M"), 30 * 86_400_000),
        (NOW + dt.timedelta(days=2, milliseconds=400), 172_800_400),
        (NOW + dt.timedelta(milliseconds=1), 1),
    ],
)
def test_an_end_is_a_time_from_now_with_its_unit(expires: t.Any, milliseconds: int | None) -> None:
    server = Server({"POST": {"token": ISSUED}, "POST /lookup": {**TOLD, "id": ISSUED_ID}})
    TokenApiV1(t.cast(t.Any, server)).create(CI, expires)
    body = server.sent[0][1]
    assert body.get("expiresIn") == (
        None if milliseconds is None else {"value": milliseconds, "unit": "MILLIS"}
    )
    assert set(body) <= {"name", "scopes", "expiresIn"}


# What it changes, and cannot do


@pytest.mark.parametrize("enabled", [True, False])
def test_an_update_says_revoked(enabled: bool) -> None:
    server = Server({f"PUT /{UUID}": None})
    named = dataclasses.replace(CI, id=UUID)
    TokenApiV1(t.cast(t.Any, server)).update(named, dataclasses.replace(named, enabled=enabled))
    assert server.sent == [
        (f"PUT /{UUID}", {"name": "ci", "revoked": not enabled, "scopes": ["metrics.read"]})
    ]


def test_the_id_of_the_calling_token_is_looked_up_once() -> None:
    server = Server({"POST /lookup": {**TOLD, "id": UUID}})
    api = TokenApiV1(t.cast(t.Any, server))
    assert [api.caller_id(), api.caller_id()] == [UUID, UUID]
    assert server.sent == [("POST /lookup", {"token": CALLER})]


# The look-up, for both versions


@pytest.mark.parametrize("version", [TokenApiV1, TokenApiV2])
def test_an_empty_answer_to_a_lookup_is_no_word_that_the_token_is_unknown(
    version: type[AccessTokenApi],
) -> None:
    server = Server({"POST /lookup": None})
    with pytest.raises(RequestFailed):
        version(t.cast(t.Any, server)).lookup(Secret(UNDOTTED_SECRET))


@pytest.mark.parametrize("version", [TokenApiV1, TokenApiV2])
def test_a_secret_that_is_looked_up_is_hidden_from_then_on(version: type[AccessTokenApi]) -> None:
    server = Server({})
    assert version(t.cast(t.Any, server)).lookup(Secret(UNDOTTED_SECRET)) is None
    assert UNDOTTED_SECRET not in server.redactor.text(f"the token {UNDOTTED_SECRET} is unknown")
