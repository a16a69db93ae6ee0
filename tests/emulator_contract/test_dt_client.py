# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dynatrace's own client for Python (dt on PyPI) takes the stand-in for Dynatrace."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from dynatrace import Dynatrace
from dynatrace.environment_v2.tokens_api import ApiTokenUpdate, TokenService

from support import stand_in


def client_of(environment: stand_in.Environment) -> TokenService:
    tokens: TokenService = Dynatrace(environment.url, environment.api_token, timeout=10).tokens
    return tokens


@pytest.fixture(scope="module")
def small_pages() -> t.Iterator[stand_in.Environment]:
    with stand_in.serve("--page-cap", "3") as environment:
        yield environment


@pytest.fixture
def tokens(environment: stand_in.Environment) -> TokenService:
    return client_of(environment)


def test_lists_over_several_pages(small_pages: stand_in.Environment) -> None:
    environment = stand_in.new_environment(small_pages)
    expected = [environment.issue(f"ci-{number}")["id"] for number in range(7)]
    listed = client_of(environment).list(
        api_token_selector='scope("metrics.read")', fields="+scopes", sort="creationDate"
    )
    assert [(token.id, token.scopes) for token in listed] == [
        (token_id, ["metrics.read"]) for token_id in expected
    ]
    assert sum(entry["method"] == "GET" for entry in environment.requests()) == 3


def test_lists_by_the_last_use(environment: stand_in.Environment, tokens: TokenService) -> None:
    environment.plant("old", last_used="now-5d")
    now = dt.datetime.now(dt.timezone.utc)
    listed = tokens.list(time_from=now - dt.timedelta(days=6), time_to=now - dt.timedelta(days=4))
    assert [token.name for token in listed] == ["old"]


def test_creates_and_gets(tokens: TokenService) -> None:
    created = tokens.create(
        "ci",
        ["metrics.read"],
        personal_access_token=True,
        expiration_date="2100-01-01T00:00:00.000Z",
    )
    token = tokens.get(created.id)
    assert created.token.startswith(created.id)
    assert (token.name, token.scopes, token.enabled, token.personal_access_token) == (
        "ci",
        ["metrics.read"],
        True,
        True,
    )
    assert created.expiration_date == token.expiration_date == dt.datetime(2100, 1, 1)


def test_creates_with_nothing_but_a_name_and_scopes(tokens: TokenService) -> None:
    token = tokens.lookup(tokens.create("ci", ["metrics.read"]).token)
    assert (token.name, token.expiration_date, token.personal_access_token) == ("ci", None, False)


def test_updates(tokens: TokenService) -> None:
    token_id = tokens.create("ci", ["metrics.read"]).id
    tokens.put(token_id, ApiTokenUpdate(enabled=False, scopes=["logs.read"]))
    token = tokens.get(token_id)
    assert (token.name, token.enabled, token.scopes) == ("ci", False, ["logs.read"])


def test_deletes_by_id_and_from_a_list(
    environment: stand_in.Environment, tokens: TokenService
) -> None:
    first = tokens.create("first", ["metrics.read"])
    tokens.create("second", ["metrics.read"])
    tokens.delete(first.id)
    for token in tokens.list(api_token_selector='scope("metrics.read")'):
        token.delete()
    assert environment.tokens() == []


def test_sees_what_is_refused(tokens: TokenService) -> None:
    with pytest.raises(Exception, match="'nonsense' is not a valid scope"):
        tokens.create("ci", ["nonsense"])
