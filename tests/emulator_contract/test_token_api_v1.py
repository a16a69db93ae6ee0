# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the stand-in promises of the token API v1: its documented behaviour, on the same tokens as
v2.
"""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid

import pytest
import requests

from support import stand_in

UNKNOWN_ID = "/dt0c01.AAAAAAAAAAAAAAAAAAAAAAAA"
UNKNOWN_SECRET = f"dt0c01.{24 * 'A'}.{64 * 'A'}"
CI = {"name": "ci", "scopes": ["metrics.read"]}


@pytest.fixture
def token(environment: stand_in.Environment) -> str:
    return environment.v1_token()


def milliseconds(moment: str) -> float:
    return dt.datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp() * 1000


def listed(environment: stand_in.Environment, token: str, query: t.Any) -> list[str]:
    response = environment.call_v1("GET", token=token, params=query)
    assert response.status_code == 200, response.text
    return [stub["name"] for stub in response.json()["values"]]


def violated(response: requests.Response, where: str) -> str:
    error = response.json()["error"]
    assert response.status_code == error["code"] == 400
    (violation,) = error["constraintViolations"]
    assert violation["parameterLocation"] == where
    path: str = violation["path"]
    return path


def created(environment: stand_in.Environment, token: str, **more: t.Any) -> dict[str, t.Any]:
    """What v1 says of a token that v1 has made."""
    secret = environment.call_v1("POST", token=token, json={**CI, **more}).json()["token"]
    metadata: dict[str, t.Any] = environment.call_v1(
        "POST", "/lookup", token=token, json={"token": secret}
    ).json()
    return metadata


def test_the_example_of_the_documentation(environment: stand_in.Environment, token: str) -> None:
    body = {
        "name": "REST example",
        "scopes": ["WriteConfig", "ReadConfig", "DataExport"],
        "expiresIn": {"value": 24, "unit": "HOURS"},
    }
    response = environment.call_v1(
        "POST", "/", token=token, json=body, headers={"Accept": "text/plain"}
    )
    assert (response.status_code, response.headers["Content-Type"]) == (
        201,
        "text/plain; charset=utf-8",
    )
    (shown,) = environment.tokens("REST example")
    assert response.text.startswith(shown["id"] + ".")
    assert (
        environment.call("POST", "/lookup", json={"token": response.text}).json()["id"]
        == shown["id"]
    )
    assert shown["scopes"] == ["WriteConfig", "ReadConfig", "DataExport"]
    assert milliseconds(shown["expirationDate"]) - milliseconds(
        shown["creationDate"]
    ) == pytest.approx(86_400_000, abs=100)


def test_a_token_lives_from_its_creation_to_its_deletion(
    environment: stand_in.Environment, token: str
) -> None:
    answer = environment.call_v1("POST", token=token, json=CI)
    assert (answer.status_code, set(answer.json())) == (201, {"token"})
    shown = environment.call_v1("POST", "/lookup", token=token, json=answer.json()).json()
    path = f"/{shown['id']}"
    assert environment.call_v1("GET", path, token=token).json() == shown
    assert {"id": shown["id"], "name": "ci"} in environment.call_v1("GET", token=token).json()[
        "values"
    ]
    updated = environment.call_v1(
        "PUT", path, token=token, json={"name": "cd", "revoked": True, "scopes": ["logs.read"]}
    )
    assert (updated.status_code, updated.content) == (204, b"")
    (seen,) = environment.tokens()
    assert (seen["id"], seen["name"], seen["enabled"], seen["scopes"]) == (
        shown["id"],
        "cd",
        False,
        ["logs.read"],
    )
    deleted = environment.call_v1("DELETE", path, token=token)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert environment.tokens() == []


def test_metadata(environment: stand_in.Environment, token: str) -> None:
    facts: dict[str, t.Any] = {
        "expires": "now+1d",
        "last_used": "now-1d",
        "enabled": False,
        "personal_access_token": True,
    }
    planted = environment.plant("ci", owner="x@example.com", **facts)
    assert environment.call_v1("GET", f"/{planted['id']}", token=token).json() == {
        "id": planted["id"],
        "name": "ci",
        "userId": "x@example.com",
        "revoked": True,
        "personalAccessToken": True,
        "scopes": ["metrics.read"],
        "created": pytest.approx(milliseconds(planted["creationDate"])),
        "expires": pytest.approx(milliseconds(planted["expirationDate"])),
        "lastUse": pytest.approx(milliseconds(planted["lastUsedDate"])),
    }


def test_metadata_of_a_new_token(environment: stand_in.Environment, token: str) -> None:
    shown = created(environment, token)
    assert set(shown) == {
        "id",
        "name",
        "userId",
        "revoked",
        "personalAccessToken",
        "scopes",
        "created",
    }
    assert (type(shown["created"]), shown["revoked"], shown["personalAccessToken"]) == (
        int,
        False,
        False,
    )
    assert shown["userId"] == "admin@example.com"


def test_metadata_as_in_the_example(environment: stand_in.Environment, token: str) -> None:
    environment.behave(v1_as_in_example=True)
    shown = created(environment, token)
    assert set(shown) == {"id", "name", "userId", "scopes", "created"}
    assert dt.datetime.strptime(shown["created"], "%Y-%m-%dT%H:%M:%SZ")


def test_the_location_of_a_new_token_is_its_id(
    environment: stand_in.Environment, token: str
) -> None:
    response = environment.call_v1("POST", token=token, json=CI)
    assert response.json()["token"].startswith(response.headers["Location"] + ".")
    environment.behave(v1_location=False)
    assert "Location" not in environment.call_v1("POST", token=token, json=CI).headers


def test_tokens_of_the_old_format(environment: stand_in.Environment, token: str) -> None:
    environment.behave(old_token_format=True)
    secret = environment.call_v1("POST", token=token, json=CI).json()["token"]
    assert (len(secret), "." in secret) == (21, False)
    token_id = environment.call_v1("POST", "/lookup", token=secret, json={"token": secret}).json()[
        "id"
    ]
    assert str(uuid.UUID(token_id)) == token_id
    assert environment.call("DELETE", f"/{secret}").status_code == 204
    assert environment.requests()[-1]["path"].endswith("/***")


@pytest.mark.parametrize(
    ("accept", "media_type", "form"),
    [
        (None, "application/json; charset=utf-8", '{{"token": "{}"}}'),
        ("application/json", "application/json; charset=utf-8", '{{"token": "{}"}}'),
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8", "{}"),
        ("text/csv; header=present; charset=utf-8", "text/csv; charset=utf-8", "token\n{}\n"),
        ("text/csv; header=absent; charset=utf-8", "text/csv; charset=utf-8", "{}\n"),
        ("text/html, text/plain", "text/plain; charset=utf-8", "{}"),
    ],
)
def test_accept_picks_the_form_of_the_answer(
    environment: stand_in.Environment, token: str, accept: str | None, media_type: str, form: str
) -> None:
    response = environment.call_v1(
        "POST", token=token, json=CI, headers={"Accept": accept} if accept else {}
    )
    assert (response.status_code, response.headers["Content-Type"]) == (201, media_type)
    assert response.text == form.format(environment.secrets()[-1])


def test_nothing_is_made_for_who_accepts_no_known_form(
    environment: stand_in.Environment, token: str
) -> None:
    response = environment.call_v1("POST", token=token, json=CI, headers={"Accept": "text/html"})
    assert response.status_code == response.json()["error"]["code"] == 406
    assert environment.tokens() == []


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ({"value": 2, "unit": "DAYS"}, 172_800_000),
        ({"value": 3, "unit": "HOURS"}, 10_800_000),
        ({"value": 5, "unit": "MINUTES"}, 300_000),
        ({"value": 90, "unit": "SECONDS"}, 90_000),
        ({"value": 60_000, "unit": "MILLIS"}, 60_000),
        ({"value": 60_000}, 60_000),
    ],
)
def test_expires_in(
    environment: stand_in.Environment, token: str, duration: dict[str, t.Any], expected: int
) -> None:
    shown = created(environment, token, expiresIn=duration)
    assert shown["expires"] - shown["created"] == pytest.approx(expected, abs=100)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": ""}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["nonsense"]}, "scopes[0]"),
        ({"scopes": ["ViewReport"]}, "scopes[0]"),
        ({"scopes": ["metrics.read", "metrics.read"]}, "scopes"),
        ({"expirationDate": "now+1d"}, "expirationDate"),
        ({"personalAccessToken": True}, "personalAccessToken"),
        ({"expiresIn": "1d"}, "expiresIn"),
        ({"expiresIn": {"unit": "DAYS"}}, "expiresIn.value"),
        ({"expiresIn": {"value": 0}}, "expiresIn.value"),
        ({"expiresIn": {"value": "1"}}, "expiresIn.value"),
        ({"expiresIn": {"value": 10**18}}, "expiresIn.value"),
        ({"expiresIn": {"value": 1, "unit": "WEEKS"}}, "expiresIn.unit"),
        ({"expiresIn": {"value": 1, "of": 2}}, "expiresIn.of"),
    ],
)
def test_what_cannot_be_created(
    environment: stand_in.Environment, token: str, change: dict[str, t.Any], path: str
) -> None:
    assert (
        violated(environment.call_v1("POST", token=token, json={**CI, **change}), "PAYLOAD_BODY")
        == path
    )
    assert environment.tokens() == []


def test_update_leaves_what_it_does_not_name(environment: stand_in.Environment, token: str) -> None:
    shown = created(environment, token)
    for change in (
        {},
        {"name": "cd"},
        {"revoked": True},
        {"revoked": False},
        {"scopes": ["logs.read"]},
    ):
        assert (
            environment.call_v1("PUT", f"/{shown['id']}", token=token, json=change).status_code
            == 204
        )
        shown |= change
        assert environment.call_v1("GET", f"/{shown['id']}", token=token).json() == shown


def test_update_takes_no_names_of_v2_and_no_repeats(
    environment: stand_in.Environment, token: str
) -> None:
    path = f"/{created(environment, token)['id']}"
    assert (
        violated(
            environment.call_v1("PUT", path, token=token, json={"enabled": False}), "PAYLOAD_BODY"
        )
        == "enabled"
    )
    repeated = {"scopes": ["logs.read", "logs.read"]}
    assert (
        violated(environment.call_v1("PUT", path, token=token, json=repeated), "PAYLOAD_BODY")
        == "scopes"
    )


@pytest.mark.parametrize(
    ("method", "body"), [("PUT", {"name": "x"}), ("PUT", {}), ("DELETE", None)]
)
def test_the_calling_token_cannot_be_changed(
    environment: stand_in.Environment, token: str, method: str, body: t.Any
) -> None:
    path = "/" + token.rpartition(".")[0]
    response = environment.call_v1(method, path, token=token, json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, 400)
    assert (
        "the token you're using for authentication of the request"
        in response.json()["error"]["message"]
    )
    assert environment.call_v1("GET", path, token=token).json()["name"] == "admin"


def test_delete_takes_the_secret_too(environment: stand_in.Environment, token: str) -> None:
    assert (
        environment.call_v1(
            "DELETE", f"/{environment.issue('ci')['token']}", token=token
        ).status_code
        == 204
    )
    assert environment.tokens() == []


def test_list_is_of_all_tokens_and_says_little(
    environment: stand_in.Environment, token: str
) -> None:
    made = [environment.plant("old", expires="now-1d"), environment.plant("off", enabled=False)]
    made += [
        environment.plant("pat", personal_access_token=True),
        environment.plant("own", additional_metadata={"dashboardId": "x"}),
    ]
    response = environment.call_v1("GET", token=token)
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.json()["values"][2:] == [
        {"id": token["id"], "name": token["name"]} for token in made
    ]


def test_list_is_cut_off_without_a_word(environment: stand_in.Environment, token: str) -> None:
    for number in range(3):
        environment.issue(f"ci-{number}")
    assert listed(environment, token, {"limit": 3}) == ["admin", "admin", "ci-0"]
    assert listed(environment, token, {"limit": 0}) == []
    assert set(environment.call_v1("GET", token=token, params={"limit": 3}).json()) == {"values"}


def test_list_has_a_thousand_tokens_unless_asked_for_more() -> None:
    with stand_in.serve("--preload", "1001") as full:
        token = full.v1_token()
        assert len(listed(full, token, {})) == 1000
        assert len(listed(full, token, {"limit": 1_000_000})) == 1003


def test_list_filters(environment: stand_in.Environment, token: str) -> None:
    environment.plant("a", ["metrics.read", "logs.read"], owner="x@example.com", last_used="now-5d")
    environment.plant(
        "b", ["metrics.read", "ViewReport"], owner="X@example.com", last_used="now-1d"
    )
    now = dt.datetime.now(dt.timezone.utc).timestamp() * 1000
    three_days_ago = int(now - 3 * 86_400_000)
    assert listed(environment, token, {"user": "x@example.com"}) == ["a"]
    assert listed(environment, token, {"permissions": "metrics.read"}) == ["a", "b"]
    assert listed(environment, token, {"permissions": ["metrics.read", "logs.read"]}) == ["a"]
    assert listed(environment, token, {"permissions": "ViewReport"}) == ["b"]
    assert listed(environment, token, {"to": three_days_ago}) == ["a"]
    assert listed(environment, token, {"from": three_days_ago}) == ["admin", "b"]
    assert listed(
        environment, token, {"from": three_days_ago, "to": int(now), "user": "X@example.com"}
    ) == ["b"]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("limit", "1000001"),
        ("limit", "-1"),
        ("limit", "x"),
        ("from", "now-1d"),
        ("to", ""),
        ("permissions", "nonsense"),
        ("sort", "name"),
    ],
)
def test_bad_queries(
    environment: stand_in.Environment, token: str, parameter: str, value: str
) -> None:
    assert (
        violated(environment.call_v1("GET", token=token, params={parameter: value}), "QUERY")
        == parameter
    )


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", UNKNOWN_ID, None),
        ("PUT", UNKNOWN_ID, {"name": "x"}),
        ("DELETE", UNKNOWN_ID, None),
        ("POST", "/lookup", {"token": UNKNOWN_SECRET}),
    ],
)
def test_unknown_token_is_404_with_a_body(
    environment: stand_in.Environment, token: str, method: str, path: str, body: t.Any
) -> None:
    response = environment.call_v1(method, path, token=token, json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (404, 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("POST", ""), ("GET", UNKNOWN_ID), ("PUT", UNKNOWN_ID), ("DELETE", UNKNOWN_ID)],
)
def test_the_scopes_of_v2_do_not_suffice(
    environment: stand_in.Environment, method: str, path: str
) -> None:
    response = environment.call_v1(method, path, token=environment.api_token, json=CI)
    message = (
        "Token is missing required scope. Use one of: TenantTokenManagement (Token management)"
    )
    assert (response.status_code, response.json()) == (
        403,
        {"error": {"code": 403, "message": message}},
    )


def test_lookup_takes_any_scope(environment: stand_in.Environment) -> None:
    secret = environment.issue("ci")["token"]
    assert (
        environment.call_v1("POST", "/lookup", token=secret, json={"token": secret}).json()["name"]
        == "ci"
    )


def test_no_way_for_a_bearer(environment: stand_in.Environment) -> None:
    headers = {"Authorization": f"Bearer {environment.platform_token()}"}
    response = environment.call_v1("GET", headers=headers)
    assert (response.status_code, response.json()["error"]["message"]) == (
        401,
        "Token Authentication failed",
    )
    address = environment.url + "/platform/classic/environment-api/v1/tokens"
    assert requests.get(address, headers=headers, timeout=10).status_code == 404
