# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._api.access_tokens_v2 import (
    TokenApiV2,
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
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
    looks_like_secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import is_token_id
from hypothesis import example, given
from hypothesis import strategies as st

from builders import CI, http_for
from support.stand_in import Environment

SECRET = "dt0c01.ST2EY72KQINMH574WMNVI7YN." + "ABCD" * 16
CALLER = "dt0c01.ST2EY72KQINMH574WMNVI7YN"
OTHER_SECRET = "dt0c01.OTHER." + "WXYZ" * 16
TOKEN = {
    "id": "dt0c01.ABCD",
    "name": "ci",
    "enabled": True,
    "scopes": ["metrics.read"],
    "personalAccessToken": False,
}
ISSUED = {"id": "dt0c01.OTHER", "token": OTHER_SECRET}


class Answering:
    """Stands where the HTTP client does and gives these answers, the last one again and again."""

    def __init__(self, *data: t.Any) -> None:
        self.data = list(data)
        self.caller = Secret(SECRET)
        self.redactor = Redactor()
        self.requests = 0

    def request(self, request: Request) -> Answer:
        self.requests += 1
        return Answer(200, self.data.pop(0) if len(self.data) > 1 else self.data[0])


def answered(*data: t.Any) -> TokenApiV2:
    return TokenApiV2(t.cast(t.Any, Answering(*data)))


@pytest.mark.parametrize(
    "token_id", [SECRET, "", ".", "..", "a/b", "a?b", "../environments", "a b"]
)
def test_what_cannot_be_an_id_never_stands_in_an_address(
    environment: Environment, token_id: str
) -> None:
    api = TokenApiV2(http_for(Connection(environment.url, Secret(environment.api_token))))
    calls: list[t.Callable[[], object]] = [
        lambda: api.get(token_id),
        lambda: api.update(dataclasses.replace(CI, id=token_id), CI),
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
def test_a_token_without_its_scopes_or_its_state_is_not_complete(
    told: dict[str, t.Any], complete: bool
) -> None:
    (token,) = answered(
        {"apiTokens": [{"id": "dt0c01.ABCD", "name": "ci", **told}], "totalCount": 1}
    ).list()
    assert token.complete is complete


@pytest.mark.parametrize(
    "told",
    [
        {"name": None},
        {"name": 5},
        {"name": "half \ud800 of it"},
        {"name": SECRET},
        {"scopes": "metrics.read"},
        {"scopes": 5},
        {"scopes": [None]},
        {"scopes": ["metrics.read", ["logs.read"]]},
        {"scopes": ["\udfff"]},
        {"scopes": [OTHER_SECRET]},
        {"enabled": "true"},
        {"enabled": 1},
    ],
)
def test_what_could_not_be_written_back_as_it_was_told_is_not_complete(
    told: dict[str, t.Any],
) -> None:
    """So that no update is made of it, which would replace it."""
    token = answered({**TOKEN, **told}).get("dt0c01.ABCD")
    assert token is not None
    assert not token.complete
    assert token.enabled is (told.get("enabled", True) is True)


def test_a_secret_in_an_answer_is_hidden() -> None:
    facts = {
        "name": f"for {SECRET}",
        "owner": OTHER_SECRET,
        "scopes": [f"a{SECRET}"],
        "lastUsedIpAddress": SECRET,
    }
    token = answered({**TOKEN, **facts}).get("dt0c01.ABCD")
    assert token is not None
    assert (token.name, token.owner, token.scopes, token.last_used_ip) == (
        f"for {CALLER}.***",
        "dt0c01.OTHER.***",
        (f"a{CALLER}.***",),
        f"{CALLER}.***",
    )


@pytest.mark.parametrize(
    "told",
    [
        {"id": None},
        {"id": 5},
        {"id": ""},
        {"id": "a/b"},
        {"id": "dt0c01.ABCD\n"},
        {"id": "\x1b[2J"},
        {"id": "A" * 10_000},
        {"id": SECRET},
        {"id": "dt0c01.OTHER"},
        {"personalAccessToken": "true"},
        {"personalAccessToken": 1},
        {"expirationDate": "tomorrow"},
        {"expirationDate": 1_800_000_000_000},
        {"expirationDate": "9999-12-31T23:59:59-23:59"},
    ],
)
def test_an_answer_about_another_token_or_of_an_unknown_form_is_refused(
    told: dict[str, t.Any],
) -> None:
    api = answered({**TOKEN, **told})
    for ask in (
        lambda: api.get("dt0c01.ABCD"),
        lambda: api.lookup(Secret("dt0c01.ABCD." + "WXYZ" * 16)),
    ):
        with pytest.raises(RequestFailed, match="Nothing was done with") as raised:
            ask()
        assert str(raised.value).isprintable()
        assert not looks_like_secret(str(raised.value))


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param([None], id="null"),
        pytest.param([[TOKEN]], id="a list"),
        pytest.param([{}], id="an object of somebody else"),
        pytest.param([{"apiTokens": None, "totalCount": 0}], id="null as list"),
        pytest.param([{"apiTokens": {"a": TOKEN}, "totalCount": 1}], id="a dictionary as list"),
        pytest.param([{"apiTokens": 5, "totalCount": 1}], id="a number as list"),
        pytest.param([{"apiTokens": [TOKEN, None], "totalCount": 2}], id="null as token"),
        pytest.param([{"apiTokens": [], "nextPageKey": ["a"]}], id="a list as key"),
        pytest.param([{"apiTokens": [], "nextPageKey": "\ud800"}], id="half a character as key"),
        pytest.param([{"apiTokens": [], "nextPageKey": 5}], id="a number as key"),
        pytest.param([{"apiTokens": [], "nextPageKey": "a"}], id="the same page again and again"),
        pytest.param(
            [{"apiTokens": [], "nextPageKey": f"{number}"} for number in range(2000)],
            id="pages without end",
        ),
    ],
)
def test_a_listing_that_is_none_is_refused(pages: list[t.Any]) -> None:
    with pytest.raises(RequestFailed, match=r"^Dynatrace"):
        list(answered(*pages).list())


def test_what_the_listing_says_of_its_length_is_not_believed() -> None:
    (token,) = answered({"apiTokens": [TOKEN], "totalCount": -5, "nextPageKey": None}).list()
    assert token.id == "dt0c01.ABCD"
    assert list(answered({"totalCount": 5}).list()) == []


@pytest.mark.parametrize(
    "told",
    [
        {"id": None},
        {"id": "a/b"},
        {"id": "\ud800"},
        {"id": OTHER_SECRET},
        {"id": "dt0c01.ANOTHER"},
        {"id": CALLER},
        {"id": CALLER, "token": SECRET},
        {"id": CALLER, "token": "0ldF0rmatS3CR3T"},
        {"token": None},
        {"token": ""},
        {"token": ["a"]},
        {"token": "two words"},
        {"token": "\x1b[2J"},
        {"token": "\u2026"},
    ],
)
def test_a_creation_whose_answer_has_no_secret_or_the_id_of_another_token_may_be_done_all_the_same(
    told: dict[str, t.Any],
) -> None:
    with pytest.raises(RequestFailed, match="answer to the creation of a token") as raised:
        answered({**ISSUED, **told}).create(CI, None)
    assert raised.value.maybe_done
    assert "WXYZ" not in str(raised.value)


def test_the_calling_token_is_never_deleted() -> None:
    http = Answering({})
    with pytest.raises(Refused, match="so it was not deleted"):
        TokenApiV2(t.cast(t.Any, http)).delete(CALLER)
    assert http.requests == 0


TEXTS = (
    st.sampled_from(
        [
            *"\x1b\0\u202e\ud800",
            "ci",
            "dt0c01.ABCD",
            SECRET,
            "2026-01-01T00:00:00Z",
            "0001-01-01T00:00:00+23:59",
        ]
    )
    | st.text()
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=4,
)
FIELDS = [
    *TOKEN,
    "expirationDate",
    "owner",
    "creationDate",
    "lastUsedDate",
    "lastUsedIpAddress",
    "modifiedDate",
    "additionalMetadata",
]
TOKENS = st.builds(
    lambda told: {**TOKEN, **told}, st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3)
)
PAGES = st.fixed_dictionaries(
    {"apiTokens": st.lists(TOKENS, max_size=2) | VALUES},
    optional={"totalCount": VALUES, "nextPageKey": VALUES},
)


@given(PAGES | TOKENS | VALUES)
@example({"apiTokens": [{**TOKEN, "id": 10**4000}]})
def test_any_answer_is_understood_or_refused(data: t.Any) -> None:
    """What is understood can be shown and kept, and written back if it says so."""
    api = answered(data)
    reads: list[t.Callable[[], t.Any]] = [
        lambda: list(api.list()),
        lambda: [api.get("dt0c01.ABCD")],
        lambda: [api.lookup(Secret("0ldF0rmatS3CR3T"))],
        lambda: api.create(CI, None) and [],
    ]
    for read in reads:
        tokens, message = _outcome(read)
        assert message.isprintable()
        shown = json.dumps(
            [[token.name, token.owner, token.scopes, token.last_used_ip] for token in tokens],
            ensure_ascii=False,
        )
        assert not looks_like_secret(message + shown.encode().decode())
        assert all(is_token_id(token.id) for token in tokens)


def _outcome(read: t.Callable[[], t.Any]) -> tuple[list[t.Any], str]:
    """What was read, or what the refusal says."""
    try:
        return list(filter(None, read())), ""
    except RequestFailed as error:
        return [], str(error)
