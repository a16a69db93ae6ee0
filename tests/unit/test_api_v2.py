# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._api_v2 import TokenApiV2
from ansible_collections.community.dynatrace.plugins.module_utils._connection import Connection
from ansible_collections.community.dynatrace.plugins.module_utils._errors import RequestFailed
from ansible_collections.community.dynatrace.plugins.module_utils._http import Answer, Http
from ansible_collections.community.dynatrace.plugins.module_utils._retry import Patience
from ansible_collections.community.dynatrace.plugins.module_utils._secret import Secret

from support.stand_in import Environment

SECRET = "dt0c01.ST2EY72KQINMH574WMNVI7YN." + "ABCD" * 16


class Answering:
    """Stands where the HTTP client does and gives one answer."""

    def __init__(self, data: t.Any) -> None:
        self.data = data

    def request(self, *arguments: t.Any, **more: t.Any) -> Answer:
        return Answer(200, self.data)


@pytest.mark.parametrize("token_id", [SECRET, "", ".", "..", "a/b", "a?b", "../environments", "a b"])
def test_what_cannot_be_an_id_never_stands_in_an_address(environment: Environment, token_id: str) -> None:
    api = TokenApiV2(Http(Connection(environment.url, Secret(environment.api_token)), Patience(0)))
    calls: list[t.Callable[[], object]] = [
        lambda: api.get(token_id),
        lambda: api.update(token_id, "ci", True, ["metrics.read"]),
        lambda: api.delete(token_id),
    ]
    for call in calls:
        with pytest.raises(RequestFailed, match="no request was made") as raised:
            call()
        assert SECRET not in str(raised.value)
    assert environment.requests() == []


@pytest.mark.parametrize(
    ("told", "complete"),
    [
        ({"enabled": True, "scopes": ["metrics.read"]}, True),
        ({"enabled": False, "scopes": []}, True),
        ({"enabled": True}, False),
        ({"enabled": True, "scopes": None}, False),
        ({"scopes": ["metrics.read"]}, False),
        ({"enabled": None, "scopes": ["metrics.read"]}, False),
    ],
)
def test_a_token_without_its_scopes_or_its_state_is_not_complete(told: dict[str, t.Any], complete: bool) -> None:
    (token,) = TokenApiV2(t.cast("Http", Answering({"apiTokens": [{"id": "dt0c01.ABC", "name": "ci", **told}], "totalCount": 1}))).list()
    assert token.complete is complete
