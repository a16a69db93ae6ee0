# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Account Management says of platform tokens, and what it is told."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._api.platform_tokens import (
    PlatformTokenApi,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import (
    Answer,
    Request,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    Refused,
    RequestFailed,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import PLATFORM
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import Period
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    Token,
)

from builders import DAY, NOW, UNDOTTED_SECRET

ENVIRONMENT = "urn:dtenvironment:abc12345"
SECRET = "dt0s16.ABCDEFGH." + "WXYZ" * 16
CREATED = {"name": "ci", "tokenId": "t-new", "token": SECRET}
CI = Token(
    None, "ci", True, ("storage:logs:read",), PLATFORM, place="abc12345", resources=(ENVIRONMENT,)
)
Answers = t.Callable[[Request], t.Any]


class Server:
    """Stands where the HTTP client does: answers as it is told to, and notes what it was sent."""

    def __init__(self, answers: Answers, resource: str = "urn:dtaccount:the-uuid") -> None:
        self.answers = answers
        self.resource = resource
        self.caller = None
        self.redactor = Redactor()
        self.sent: list[Request] = []

    def now(self) -> dt.datetime:
        return NOW

    def subject(self) -> str:
        return "the-subject"

    def as_caller(self, secret: Secret) -> Server:
        return self

    def request(self, request: Request) -> Answer:
        self.sent.append(request)
        found = self.answers(request)
        if isinstance(found, Exception):
            raise found
        return Answer(found, None) if isinstance(found, int) else Answer(200, found)


def entry(token_id: str, **facts: t.Any) -> dict[str, t.Any]:
    usual = {"name": "ci", "scope": ["a:b:c"], "resource": [ENVIRONMENT], "status": "ACTIVE"}
    return {"tokenId": token_id, **usual, **facts}


def pages(*readings: t.Sequence[str], total: int) -> Answers:
    """Each request for a page gets the next of these."""
    coming = iter(readings)
    return lambda request: {"total": total, "results": [entry(one) for one in next(coming, [])]}


def api(answers: Answers, verifier: Server | None = None) -> tuple[PlatformTokenApi, Server]:
    server = Server(answers)
    return PlatformTokenApi(t.cast(t.Any, server), t.cast(t.Any, verifier)), server


def test_a_thousand_tokens_cost_one_request() -> None:
    tokens, server = api(pages([f"t{number}" for number in range(1000)], total=1000))
    assert len(list(tokens.list())) == 1000
    assert [request.query for request in server.sent] == [{"page": "1", "size": "1000"}]


@pytest.mark.parametrize(
    ("readings", "requests"),
    [
        ([["t1", "t2"], ["t3"]], 2),
        ([["t1", "t2"], ["t1", "t2"], ["t1", "t2", "t3"]], 3),  # the page was ignored once
        ([["t1", "t2"], ["t2"], ["t1", "t2"], ["t3"]], 4),  # an entry moved to an earlier page
    ],
)
def test_an_incomplete_listing_is_read_again(
    readings: t.Sequence[t.Sequence[str]], requests: int
) -> None:
    tokens, server = api(pages(*readings, total=3))
    assert {token.id for token in tokens.list()} == {"t1", "t2", "t3"}
    assert len(server.sent) == requests


def test_a_listing_that_is_never_complete_is_an_error() -> None:
    tokens, server = api(lambda request: {"total": 3, "results": [entry("t1")]})
    with pytest.raises(RequestFailed, match="not complete"):
        list(tokens.list())
    assert len(server.sent) == 6


def test_pages_whose_totals_differ_are_read_again() -> None:
    every = ["t1", "t2", "t3", "t4"]
    readings = iter([(3, every[:2]), (4, every[2:]), (4, []), (4, every)])

    def answers(_request: Request) -> t.Any:
        total, ids = next(readings)
        return {"total": total, "results": [entry(one) for one in ids]}

    tokens, server = api(answers)
    assert len(list(tokens.list())) == 4
    assert len(server.sent) == 4


def test_the_secret_of_a_new_token_is_hidden_from_then_on() -> None:
    tokens, server = api(lambda request: {**CREATED, "token": UNDOTTED_SECRET})
    tokens.create(CI, None)
    assert UNDOTTED_SECRET not in server.redactor.text(f"created {UNDOTTED_SECRET}")


def test_another_environment_than_that_of_the_token_is_not_asked_about_it() -> None:
    verifier = Server(lambda request: [], "urn:dtenvironment:other")
    tokens, _rest = api(lambda request: {"total": 1, "results": [entry("t1")]}, verifier)
    assert tokens.problem_of(Secret(SECRET), dataclasses.replace(CI, id="t1")) is None
    assert verifier.sent == []


def test_where_no_status_is_told_one_more_listing_tells_who_is_disabled() -> None:
    def answers(request: Request) -> t.Any:
        names = ["t2"] if request.query.get("status") == "INACTIVE" else ["t1", "t2"]
        entries = [entry(name) for name in names]
        for one in entries:
            del one["status"]
        return {"total": len(names), "results": entries}

    tokens, server = api(answers)
    assert {token.id: token.enabled for token in tokens.list()} == {"t1": True, "t2": False}
    assert len(server.sent) == 2


def test_a_token_of_other_resources_is_not_found_by_name() -> None:
    other = entry("t2", resource=["urn:dtenvironment:other"])
    tokens, _rest = api(lambda request: {"total": 2, "results": [entry("t1"), other]})
    found = tokens.find_by_name(Identity("abc12345", "ci", PLATFORM))
    assert [token.id for token in found] == ["t1"]


def test_a_token_is_gone_only_if_a_search_does_not_show_it_either() -> None:
    def answers(request: Request) -> t.Any:
        results = [entry("t1")] if "searchTerm" in request.query else []
        return {"total": len(results), "results": results}

    tokens, _rest = api(answers)
    assert tokens.get("t1") is not None
    assert tokens.get("t2") is None


def test_a_period_is_sent_as_a_date_and_only_what_is_given_is_sent() -> None:
    tokens, server = api(lambda request: CREATED)
    issued = tokens.create(CI, Period(90, "d"))
    assert (issued.id, issued.expires) == ("t-new", NOW + 90 * DAY)
    assert server.sent[0].body == {
        "name": "ci",
        "scope": ["storage:logs:read"],
        "resource": [ENVIRONMENT],
        "expirationDate": "2026-08-30T12:00:00.000Z",
    }


def test_a_server_that_insists_on_an_owner_gets_the_caller() -> None:
    tokens, server = api(
        lambda request: (
            CREATED
            if "userUuid" in (request.body or {})
            else RequestFailed("userUuid should not be empty", 400)
        )
    )
    tokens.create(CI, None)
    assert [(request.body or {}).get("userUuid") for request in server.sent] == [
        None,
        "the-subject",
    ]


def test_a_refusal_for_the_limit_says_how_many_tokens_count() -> None:
    dead = entry("t2", expirationDate="2026-05-01T00:00:00Z")

    def answers(request: Request) -> t.Any:
        if request.path == "/limits":
            limit = {"limitType": "MAX_PLATFORM_TOKENS_PER_USER", "limitValue": 50}
            return {"results": [limit]}
        if request.method == "GET":
            return {"total": 2, "results": [entry("t1"), dead]}
        return RequestFailed("The user has reached the limit of platform tokens.", 400)

    tokens, _rest = api(answers)
    with pytest.raises(RequestFailed, match=r"2 platform tokens, 1 of them expired.*USER 50"):
        tokens.create(CI, None)


def test_a_refusal_for_another_owner_is_explained() -> None:
    tokens, _rest = api(lambda request: RequestFailed("Forbidden resource.", 403))
    with pytest.raises(RequestFailed, match="leave user_uuid out"):
        tokens.create(dataclasses.replace(CI, user_uuid="somebody"), None)


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        ({"enabled": False}, [("/platform-tokens/t1/status", {"status": "INACTIVE"})]),
        (
            {"expires": NOW + DAY},
            [
                (
                    "/platform-tokens/t1/expiration-date",
                    {"expirationDate": "2026-06-02T12:00:00.000Z"},
                )
            ],
        ),
        ({}, []),
    ],
)
def test_an_update_sends_what_differs(change: dict[str, t.Any], sent: t.Any) -> None:
    tokens, server = api(lambda request: 204)
    before = dataclasses.replace(CI, id="t1")
    tokens.update(before, dataclasses.replace(before, **change))
    assert [(request.path, request.body) for request in server.sent] == sent


def test_a_date_is_not_taken_away() -> None:
    tokens, server = api(lambda request: 204)
    before = dataclasses.replace(CI, id="t1", expires=NOW)
    with pytest.raises(Refused, match="cannot take away"):
        tokens.update(before, dataclasses.replace(before, expires=None))
    assert not server.sent


@pytest.mark.parametrize("granted", ["true", True, "condition", "false", False])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_scope_that_is_not_effective_is_a_problem(granted: t.Any, wrapped: bool) -> None:
    told = [{"permission": "storage:logs:read", "granted": granted}]
    verifier = Server(lambda request: {"permissions": told} if wrapped else told, ENVIRONMENT)
    tokens, server = api(lambda request: 404, verifier)
    problem = tokens.problem_of(Secret(SECRET), dataclasses.replace(CI, id="t1"))
    assert ("storage:logs:read" in (problem or "")) == (granted in ("false", False))
    assert not server.sent


@pytest.mark.parametrize("verifier", [None, Server(lambda request: 404, ENVIRONMENT)])
@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({}, None),
        ({"status": "INACTIVE"}, "It is disabled."),
        ({"expirationDate": "2026-05-01T00:00:00Z"}, "It has expired."),
    ],
)
def test_where_no_environment_tells_the_listing_does(
    verifier: Server | None, facts: dict[str, t.Any], problem: str | None
) -> None:
    listing = {"total": 1, "results": [entry("t1", **facts)]}
    tokens, _rest = api(lambda request: listing, verifier)
    assert tokens.problem_of(Secret(SECRET), dataclasses.replace(CI, id="t1")) == problem
