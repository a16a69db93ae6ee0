# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the stand-in promises of its callers: which there are, and what each may do."""

from __future__ import annotations

import json
import typing as t

import pytest
import requests

from support import stand_in

READ, WRITE = stand_in.BEARER_SCOPES
FAILED = "Token Authentication failed"
SCHEME = (
    "Unsupported authorization scheme '{}'. "
    "Dynatrace platform APIs require the authorization scheme 'Bearer'"
)
CI = {"name": "ci", "scopes": ["metrics.read"]}


def call(
    environment: stand_in.Environment,
    authorization: str | None,
    api: str = stand_in.API,
    method: str = "GET",
    **kwargs: t.Any,
) -> requests.Response:
    headers = {"Authorization": authorization} if authorization else {}
    return requests.request(method, environment.url + api, headers=headers, timeout=10, **kwargs)


def refusal(response: requests.Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert response.status_code == error["code"]
    return error["code"], error["message"]


def sign_on(client: dict[str, str], **changes: str | None) -> requests.Response:
    form: dict[str, str | None] = {
        "grant_type": "client_credentials",
        "client_id": client["client_id"],
        "client_secret": client["client_secret"],
        "scope": READ,
        "resource": f"urn:dtaccount:{client['account_uuid']}",
    }
    return requests.post(client["token_url"], data=form | changes, timeout=10)


def bearer(client: dict[str, str], **changes: str | None) -> str:
    return f"Bearer {sign_on(client, **changes).json()['access_token']}"


# The token in the query


def test_the_token_may_be_in_the_query(environment: stand_in.Environment) -> None:
    in_query = {"api-token": environment.api_token}
    token_id = call(environment, None, method="POST", params=in_query, json=CI).json()["id"]
    path = f"{stand_in.API}/{token_id}"
    assert call(environment, None, path, params=in_query).json()["name"] == "ci"
    assert (
        call(environment, None, path, "PUT", params=in_query, json={"name": "cd"}).status_code
        == 204
    )
    assert call(environment, None, params=in_query | {"pageSize": "100"}).json()["totalCount"] == 2
    assert call(environment, None, path, "DELETE", params=in_query).status_code == 204
    assert (
        call(
            environment, None, stand_in.API_V1, params={"api-token": environment.v1_token()}
        ).status_code
        == 200
    )
    assert {entry["query"]["api-token"] for entry in environment.requests()} == {"***"}


def test_a_wrong_token_in_the_query_is_refused_and_a_header_goes_before_it(
    environment: stand_in.Environment,
) -> None:
    wrong = {"api-token": "not-a-token"}
    assert refusal(call(environment, None, params=wrong)) == (401, FAILED)
    assert refusal(
        call(environment, "Api-Token wrong", params={"api-token": environment.api_token})
    ) == (401, FAILED)
    assert call(environment, f"Api-Token {environment.api_token}", params=wrong).status_code == 200
    assert "not-a-token" not in json.dumps(environment.requests())


# Kinds of tokens


def test_a_platform_token_is_a_bearer(environment: stand_in.Environment) -> None:
    secret = environment.platform_token(owner="x@example.com")
    assert [len(part) for part in secret.split(".")] == [6, 8, 64]
    for api in (stand_in.API, stand_in.GATEWAY_API):
        token_id = call(environment, f"Bearer {secret}", api, "POST", json=CI).json()["id"]
        path = f"{api}/{token_id}"
        assert call(environment, f"Bearer {secret}", path).json()["owner"] == "x@example.com"
        assert (
            call(environment, f"Bearer {secret}", path, "PUT", json={"enabled": False}).status_code
            == 204
        )
        assert call(environment, f"Bearer {secret}", path, "DELETE").status_code == 204
        assert call(environment, f"Bearer {secret}", api).json()["totalCount"] == 1


@pytest.mark.parametrize("facts", [{"expires": "now-1m"}, {"enabled": False}])
def test_an_ended_platform_token_is_refused(
    environment: stand_in.Environment, facts: dict[str, t.Any]
) -> None:
    authorization = f"Bearer {environment.platform_token(**facts)}"
    assert refusal(call(environment, authorization)) == (401, FAILED)
    assert refusal(call(environment, authorization, stand_in.GATEWAY_API)) == (
        401,
        "Jwt is expired",
    )


def test_lookup_does_not_know_a_platform_token(environment: stand_in.Environment) -> None:
    assert (
        environment.call(
            "POST", "/lookup", json={"token": environment.platform_token()}
        ).status_code
        == 404
    )


def test_the_classic_address_may_be_without_bearer(environment: stand_in.Environment) -> None:
    environment.behave(bearer_at_classic_address=False)
    authorization = f"Bearer {environment.platform_token()}"
    assert refusal(call(environment, authorization)) == (401, FAILED)
    assert call(environment, authorization, stand_in.GATEWAY_API).status_code == 200


def test_what_is_no_access_token_cannot_be_used_as_one(environment: stand_in.Environment) -> None:
    client = environment.oauth_client()
    others = [
        environment.platform_token(),
        client["client_secret"],
        client["client_id"],
        f"dt0s01.{24 * 'A'}.{64 * 'A'}",
    ]
    for secret in others:
        assert refusal(call(environment, f"Api-Token {secret}")) == (401, FAILED)
    for secret in others[1:]:
        assert refusal(call(environment, f"Bearer {secret}")) == (401, FAILED)


def test_the_gateway_takes_nothing_but_bearer(environment: stand_in.Environment) -> None:
    gateway = stand_in.GATEWAY_API
    assert refusal(call(environment, f"Api-Token {environment.api_token}", gateway)) == (
        401,
        SCHEME.format("Api-Token"),
    )
    assert refusal(call(environment, None, gateway)) == (401, SCHEME.format("undefined"))
    assert refusal(
        call(environment, None, gateway, params={"api-token": environment.api_token})
    ) == (401, SCHEME.format("undefined"))
    assert refusal(call(environment, f"Bearer {environment.api_token}", gateway)) == (
        401,
        "Could not parse JWT",
    )


@pytest.mark.parametrize("api", [stand_in.API, stand_in.GATEWAY_API])
@pytest.mark.parametrize("family", ["environment-api:api-tokens", "api-tokens:tokens"])
def test_scopes_of_a_bearer(environment: stand_in.Environment, api: str, family: str) -> None:
    reader, writer = (
        f"Bearer {environment.platform_token([f'{family}:{may}'])}" for may in ("read", "write")
    )
    token = environment.issue("ci")
    assert call(environment, reader, api).status_code == 200
    assert (
        call(environment, reader, f"{api}/lookup", "POST", json={"token": token["token"]}).json()[
            "id"
        ]
        == token["id"]
    )
    assert (
        call(environment, writer, f"{api}/{token['id']}", "PUT", json={"name": "cd"}).status_code
        == 204
    )
    reading = (
        "Token is missing required scope. "
        "Use one of: environment-api:api-tokens:read, api-tokens:tokens:read"
    )
    assert refusal(call(environment, writer, api)) == (403, reading)
    assert refusal(
        call(environment, writer, f"{api}/lookup", "POST", json={"token": token["token"]})
    ) == (403, reading)
    assert refusal(call(environment, reader, api, "POST", json=CI)) == (
        403,
        reading.replace(":read", ":write"),
    )


# OAuth clients


def test_sign_on(environment: stand_in.Environment) -> None:
    client = environment.oauth_client(owner="x@example.com")
    answer = sign_on(client, scope=f"{READ} {WRITE}")
    assert answer.status_code == 200
    assert answer.json() == {
        "scope": f"{READ} {WRITE}",
        "token_type": "Bearer",
        "expires_in": 300,
        "access_token": answer.json()["access_token"],
        "resource": f"urn:dtaccount:{client['account_uuid']}",
    }
    authorization = f"Bearer {answer.json()['access_token']}"
    for api in (stand_in.API, stand_in.GATEWAY_API):
        token_id = call(environment, authorization, api, "POST", json=CI).json()["id"]
        assert (
            call(environment, authorization, f"{api}/{token_id}").json()["owner"] == "x@example.com"
        )


def test_an_access_token_has_the_scopes_that_were_asked_for(
    environment: stand_in.Environment,
) -> None:
    client = environment.oauth_client()
    assert call(environment, bearer(client, scope=READ), method="POST", json=CI).status_code == 403
    assert call(environment, bearer(client, scope=None), method="POST", json=CI).status_code == 201


@pytest.mark.parametrize(
    "change",
    [
        {"client_secret": "wrong"},
        {"client_secret": None},
        {"client_id": "dt0s02.AAAAAAAA"},
        {"grant_type": "password"},
        {"grant_type": None},
        {"resource": "urn:dtaccount:00000000-0000-0000-0000-000000000000"},
    ],
)
def test_sign_on_refuses(environment: stand_in.Environment, change: dict[str, str | None]) -> None:
    response = sign_on(environment.oauth_client(), **change)
    assert (response.status_code, set(response.json())) == (
        400,
        {"errorCode", "message", "issueId"},
    )
    assert (response.json()["errorCode"], response.json()["message"]) == (400, "Bad Request")


def test_sign_on_takes_a_form_and_needs_no_resource(environment: stand_in.Environment) -> None:
    client = environment.oauth_client()
    assert sign_on(client, resource=None).status_code == 200
    form = {
        "grant_type": "client_credentials",
        "client_id": client["client_id"],
        "client_secret": client["client_secret"],
    }
    assert requests.post(client["token_url"], json=form, timeout=10).status_code == 400
    assert requests.post(client["token_url"], params=form, timeout=10).status_code == 400
    assert (
        requests.post(
            client["token_url"],
            files={name: (None, value) for name, value in form.items()},
            timeout=10,
        ).status_code
        == 400
    )


def test_sign_on_names_the_scopes_that_a_client_lacks(environment: stand_in.Environment) -> None:
    stand_in.account_of(environment, missing_scopes_are_named=True)
    response = sign_on(environment.oauth_client([READ]), scope=f"{READ} {WRITE}")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert response.json()["error_description"].endswith(
        f"OAuth client is missing following scopes [{WRITE}]"
    )


def test_an_access_token_ends(environment: stand_in.Environment) -> None:
    client = environment.oauth_client(expires_in=60)
    first = bearer(client)
    environment.set_clock("now+1m")
    assert refusal(call(environment, first)) == (401, FAILED)
    assert refusal(call(environment, first, stand_in.GATEWAY_API)) == (401, "Jwt is expired")
    assert sign_on(client).json()["expires_in"] == 60
    assert call(environment, bearer(client)).status_code == 200


def test_access_tokens_can_be_revoked(environment: stand_in.Environment) -> None:
    client, platform_token = environment.oauth_client(), environment.platform_token()
    first = bearer(client)
    environment.revoke_access_tokens()
    assert refusal(call(environment, first)) == (401, FAILED)
    assert call(environment, bearer(client)).status_code == 200
    assert call(environment, f"Bearer {platform_token}").status_code == 200


def test_clients_of_one_environment_are_unknown_in_another(
    environment: stand_in.Environment, server: stand_in.Environment
) -> None:
    client = environment.oauth_client()
    assert sign_on(client | {"token_url": server.url + "/sso/oauth2/token"}).status_code == 400
    assert refusal(call(server, bearer(client))) == (401, FAILED)


def test_the_log_shows_no_secret_of_a_client(environment: stand_in.Environment) -> None:
    client = environment.oauth_client()
    authorization = bearer(client)
    requests.post(
        client["token_url"],
        params={"client_secret": "guessed", "client_id": client["client_id"]},
        timeout=10,
    )
    for secret in environment.secrets():
        call(environment, authorization, f"{stand_in.API}/{secret}", "DELETE")
    assert environment.requests()[0]["path"].endswith("/sso/oauth2/token")
    assert environment.requests()[1]["query"] == {
        "client_secret": "***",
        "client_id": client["client_id"],
    }
    logged = json.dumps(environment.requests())
    assert {client["client_secret"], authorization.partition(" ")[2]} < set(environment.secrets())
    assert not [secret for secret in [*environment.secrets(), "guessed"] if secret in logged]


def test_to_sign_on_is_no_write(environment: stand_in.Environment) -> None:
    call(environment, bearer(environment.oauth_client()))
    assert environment.writes() == []


# Personal access tokens


def test_a_personal_access_token_deletes_only_tokens_of_its_owner(
    environment: stand_in.Environment,
) -> None:
    scopes = ["apiTokens.read", "apiTokens.write", "TenantTokenManagement"]
    pat = environment.plant("pat", scopes, owner="x@example.com", personal_access_token=True)[
        "token"
    ]
    foreign, own = (
        environment.plant("foreign")["id"],
        environment.call("POST", token=pat, json=CI).json()["id"],
    )
    assert (
        environment.call("PUT", f"/{foreign}", token=pat, json={"name": "renamed"}).status_code
        == 204
    )
    assert environment.call("GET", f"/{foreign}", token=pat).json()["name"] == "renamed"
    assert refusal(environment.call("DELETE", f"/{foreign}", token=pat))[0] == 403
    assert refusal(environment.call_v1("DELETE", f"/{foreign}", token=pat))[0] == 403
    assert environment.call("DELETE", f"/{own}", token=pat).status_code == 204
    assert environment.call("GET", token=pat).json()["totalCount"] == 3


def test_without_the_permission_only_personal_access_tokens_can_be_created(
    environment: stand_in.Environment,
) -> None:
    facts: dict[str, t.Any] = {"personal_access_token": True, "manages_settings": False}
    pat = environment.plant("pat", ["apiTokens.write"], **facts)["token"]
    without = [f"Api-Token {pat}", f"Bearer {environment.platform_token(manages_settings=False)}"]
    for authorization in without:
        assert refusal(call(environment, authorization, method="POST", json=CI))[0] == 403
        assert (
            call(
                environment, authorization, method="POST", json=CI | {"personalAccessToken": True}
            ).status_code
            == 201
        )
    assert len(environment.tokens("ci")) == 2


def test_an_environment_may_be_without_personal_access_tokens(
    environment: stand_in.Environment,
) -> None:
    pat = environment.plant("pat", ["apiTokens.read"], personal_access_token=True)["token"]
    assert environment.call("GET", token=pat).status_code == 200
    environment.behave(personal_access_tokens=False)
    assert refusal(environment.call("GET", token=pat)) == (401, FAILED)
    assert refusal(environment.call("POST", json=CI | {"personalAccessToken": True}))[0] == 403
    assert environment.issue("ci")["id"]
