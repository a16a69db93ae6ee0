# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stand-in's token API v1: the documented behaviour that no other test would miss."""

from __future__ import annotations

import re
import typing as t
import uuid

import pytest

from support.stand_in import Environment, error_of

CI = {"name": "ci", "scopes": ["metrics.read"]}
UNKNOWN_ID = "/dt0c01.AAAAAAAAAAAAAAAAAAAAAAAA"
UNKNOWN_SECRET = f"dt0c01.{24 * 'A'}.{64 * 'A'}"
NOT_FOUND = "The requested token has not been found."
IN_USE = "You can't {} the token you're using for authentication of the request."

# What the error names, and the values that it is about.
BAD_PROPERTIES: dict[str, list[t.Any]] = {
    "name": [""],
    "scopes": [[], ["metrics.read", "metrics.read"]],
    "scopes[0]": [["nonsense"]],
    "expirationDate": ["now+1d"],
    "personalAccessToken": [True],
    "expiresIn": ["1d"],
    "expiresIn.value": [{"unit": "MILLIS"}, {"value": 0}, {"value": "1"}, {"value": 10**18}],
    "expiresIn.unit": [{"value": 1, "unit": "WEEKS"}],
    "expiresIn.of": [{"value": 1, "of": 2}],
}
REFUSED: list[tuple[str, str, t.Any, int, str]] = [
    *(
        ("POST", "", {**CI, named.partition("[")[0].partition(".")[0]: value}, 400, named)
        for named, values in BAD_PROPERTIES.items()
        for value in values
    ),
    ("GET", UNKNOWN_ID, None, 404, NOT_FOUND),
    ("PUT", UNKNOWN_ID, {"name": "x"}, 404, NOT_FOUND),
    ("DELETE", UNKNOWN_ID, None, 404, NOT_FOUND),
    ("POST", "/lookup", {"token": UNKNOWN_SECRET}, 404, NOT_FOUND),
    ("PUT", "/{calling}", {"name": "x"}, 400, IN_USE.format("update")),
    ("PUT", "/{calling}", {}, 400, IN_USE.format("update")),
    ("DELETE", "/{calling}", None, 400, IN_USE.format("delete")),
    ("PUT", "/{id}", {"enabled": False}, 400, "enabled"),
    ("PUT", "/{id}", {"scopes": ["logs.read", "logs.read"]}, 400, "scopes"),
    ("GET", "?limit=1000001", None, 400, "?limit"),
    ("GET", "?limit=-1", None, 400, "?limit"),
    ("GET", "?sort=name", None, 400, "?sort"),
]


@pytest.fixture
def token(environment: Environment) -> str:
    return environment.v1_token()


def created(environment: Environment, token: str, **more: t.Any) -> dict[str, t.Any]:
    """The metadata of a token that the API v1 created."""
    answer = environment.call_v1("POST", token=token, json={**CI, **more})
    assert (answer.status_code, set(answer.json())) == (201, {"token"})
    metadata: dict[str, t.Any] = environment.call_v1(
        "POST", "/lookup", token=token, json=answer.json()
    ).json()
    return metadata


@pytest.mark.parametrize(("method", "path", "body", "status", "error"), REFUSED)
def test_a_request_is_refused_and_changes_nothing(
    environment: Environment,
    token: str,
    method: str,
    path: str,
    body: t.Any,
    status: int,
    error: str,
) -> None:
    path = path.format(calling=token.rpartition(".")[0], id=environment.issue("ci")["id"])
    before = environment.tokens()
    answer = environment.call_v1(method, path, token=token, json=body)
    assert error_of(answer) == (status, error)
    assert environment.tokens() == before


def test_an_expiration_counts_milliseconds(environment: Environment, token: str) -> None:
    shown = created(environment, token, expiresIn={"value": 60_000})
    assert shown["expires"] - shown["created"] == pytest.approx(60_000, abs=100)


def test_an_update_keeps_what_it_leaves_out(environment: Environment, token: str) -> None:
    shown = created(environment, token)
    for change in ({}, {"name": "cd"}, {"revoked": True}, {"scopes": ["logs.read"]}):
        path = f"/{shown['id']}"
        assert environment.call_v1("PUT", path, token=token, json=change).status_code == 204
        shown.update(change)
        assert environment.call_v1("GET", path, token=token).json() == shown


def test_a_listing_ends_at_its_limit_without_notice(token: str, environment: Environment) -> None:
    for number in range(3):
        environment.issue(f"ci-{number}")
    answer = environment.call_v1("GET", token=token, params={"limit": 3}).json()
    assert [set(stub) for stub in answer.pop("values")] == 3 * [{"id", "name"}]
    assert answer == {}


def test_the_answers_differ_between_installations(environment: Environment, token: str) -> None:
    always = {"id", "name", "userId", "scopes", "created"}
    shown = created(environment, token)
    assert set(shown) == always | {"revoked", "personalAccessToken"}
    assert isinstance(shown["created"], int)
    answer = environment.call_v1("POST", token=token, json=CI)
    assert answer.json()["token"].startswith(answer.headers["Location"] + ".")
    environment.behave(v1_as_in_example=True, v1_location=False, old_token_format=True)
    shown = created(environment, token)
    assert set(shown) == always
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", shown["created"])
    assert str(uuid.UUID(shown["id"])) == shown["id"]
    answer = environment.call_v1("POST", token=token, json=CI)
    assert (len(answer.json()["token"]), "Location" in answer.headers) == (21, False)
