# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the three routes to ActiveGate tokens say, and what they are told."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._api.activegate_tokens import (
    ActiveGateTokenApi,
    activegate_api,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import Connection
from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import (
    Answer,
    Request,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    Refused,
    RequestFailed,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import ACTIVEGATE
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import Period
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Token

from builders import DAY, NOW, URL

CLASSIC, FLEET = "/v2/activeGateTokens", "/platform/fleet-management/v1/activegate/tokens"
SECRET = "dt0g02.ABCDEFGH." + "WXYZ" * 16
CREATED = {"id": "dt0g02.ABCDEFGH", "token": SECRET}
GATE = Token(None, "gate", True, (), ACTIVEGATE)
Answers = t.Callable[[Request], t.Any]


class Server:
    """Stands where the HTTP client does: answers as it is told to, and notes what it was sent."""

    def __init__(self, answers: Answers, route: str) -> None:
        self.answers = answers
        self.activegate_api = route
        self.caller = None
        self.redactor = Redactor()
        self.sent: list[Request] = []

    def now(self) -> dt.datetime:
        return NOW

    def request(self, request: Request) -> Answer:
        self.sent.append(request)
        found = self.answers(request)
        if isinstance(found, int) and found not in (204, *request.absent):
            raise RequestFailed(f"{request.path} answered {found}.", found)
        return Answer(found, None) if isinstance(found, int) else Answer(200, found)


def api(answers: Answers, route: str = "environment") -> tuple[ActiveGateTokenApi, Server]:
    server = Server(answers, route)
    return ActiveGateTokenApi(t.cast(t.Any, server)), server


def entry(number: int) -> dict[str, t.Any]:
    return {"id": f"dt0g02.{number:08}", "name": "gate"}


@pytest.mark.parametrize(
    ("route", "address"),
    [
        ("environment", "https://abc12345.live.dynatrace.com/api"),
        ("gateway", "https://abc12345.apps.dynatrace.com/platform/classic/environment-api"),
        ("fleet_management", "https://abc12345.apps.dynatrace.com"),
    ],
)
def test_each_route_has_its_address_and_the_environment_as_resource(
    route: str, address: str
) -> None:
    audience = activegate_api(Connection(URL, Secret(SECRET), activegate_api=route))
    assert (audience.address, audience.resource) == (address, "urn:dtenvironment:abc12345")


@pytest.mark.parametrize(
    ("route", "first", "second"),
    [
        ("environment", {"pageSize": "3000"}, {"nextPageKey": "more"}),
        ("gateway", {"pageSize": "3000"}, {"nextPageKey": "more"}),
        ("fleet_management", {"page-size": "3000"}, {"page-key": "more"}),
    ],
)
def test_all_pages_are_read(route: str, first: t.Any, second: t.Any) -> None:
    pages = iter(
        [
            {"activeGateTokens": [entry(1)], "nextPageKey": "more"},
            {"activeGateTokens": [entry(2)], "nextPageKey": None},
        ]
    )
    tokens, server = api(lambda request: next(pages), route)
    assert [token.id for token in tokens.list()] == ["dt0g02.00000001", "dt0g02.00000002"]
    assert [request.query for request in server.sent] == [first, second]


def test_a_listing_that_repeats_its_key_is_an_error() -> None:
    tokens, _rest = api(lambda request: {"activeGateTokens": [entry(1)], "nextPageKey": "more"})
    with pytest.raises(RequestFailed, match="the same page of the list of ActiveGate tokens twice"):
        list(tokens.list())


def test_a_token_is_absent_only_where_the_route_is_there() -> None:
    tokens, _rest = api(lambda request: {"totalCount": 0} if request.path == CLASSIC else 404)
    assert tokens.get("dt0g02.00000001") is None
    tokens, _rest = api(lambda request: 404)
    with pytest.raises(RequestFailed, match=f"{CLASSIC} answered 404"):
        tokens.get("dt0g02.00000001")


@pytest.mark.parametrize(
    ("route", "facts", "body"),
    [
        ("environment", {}, {"name": "gate", "activeGateType": "ENVIRONMENT"}),
        (
            "gateway",
            {"activegate_type": "cluster", "seed": False},
            {"name": "gate", "activeGateType": "CLUSTER", "seedToken": False},
        ),
        ("fleet_management", {"activegate_type": "environment"}, {"name": "gate"}),
    ],
)
def test_a_creation_says_what_its_route_takes(route: str, facts: t.Any, body: t.Any) -> None:
    tokens, server = api(lambda request: CREATED, route)
    issued = tokens.create(dataclasses.replace(GATE, **facts), None)
    assert (issued.secret.reveal(), issued.expires) == (SECRET, None)
    assert [request.body for request in server.sent] == [body]


def test_a_period_is_sent_as_a_date() -> None:
    tokens, server = api(lambda request: CREATED)
    assert tokens.create(GATE, Period(60, "d")).expires == NOW + 60 * DAY
    assert (server.sent[0].body or {})["expirationDate"] == "2026-07-31T12:00:00.000Z"


def test_fleet_management_has_no_cluster_tokens() -> None:
    tokens, server = api(lambda request: CREATED, "fleet_management")
    with pytest.raises(Refused, match="activegate_type"):
        tokens.create(dataclasses.replace(GATE, activegate_type="cluster"), None)
    assert not server.sent


def test_nothing_can_be_changed() -> None:
    tokens, server = api(lambda request: 204)
    with pytest.raises(Refused):
        tokens.update(GATE, dataclasses.replace(GATE, name="other"))
    assert not server.sent


def test_a_token_that_is_gone_already_is_deleted() -> None:
    tokens, server = api(lambda request: 404, "fleet_management")
    tokens.delete("dt0g02.00000001")
    assert [request.path for request in server.sent] == [f"{FLEET}/dt0g02.00000001"]


@pytest.mark.parametrize(
    ("facts", "problem"),
    [({}, None), ({"expirationDate": "2026-05-01T00:00:00.000Z"}, "It has expired.")],
)
def test_a_token_is_verified_by_asking_for_it(facts: t.Any, problem: str | None) -> None:
    tokens, _rest = api(lambda request: {**entry(1), **facts})
    token = dataclasses.replace(GATE, id="dt0g02.00000001")
    assert tokens.problem_of(Secret(SECRET), token) == problem
