# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stand-in's authentication, scopes and single sign-on: what no other test would miss."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest
import requests

from support import stand_in
from support.stand_in import API, API_V1, GATEWAY_API, Environment, error_of

READ, WRITE = stand_in.BEARER_SCOPES
FAILED, EXPIRED = "Token Authentication failed", "Jwt is expired"
NO_JWT, MISSING = "Could not parse JWT", "Missing authorization parameter."
SCHEME = (
    "Unsupported authorization scheme '{}'. "
    "Dynatrace platform APIs require the authorization scheme 'Bearer'"
)
LACKING = "Token is missing required scope. Use one of: {}"
CI = {"name": "ci", "scopes": ["metrics.read"]}
UNKNOWN_ID = "/dt0c01.AAAAAAAAAAAAAAAAAAAAAAAA"
UNKNOWN_SECRET = f"dt0c01.{24 * 'A'}.{64 * 'A'}"

UNAUTHORIZED = [
    (API, None, MISSING),
    (API, "Api-Token", FAILED),
    (API, "{admin}", FAILED),
    (API, "Bearer {admin}", FAILED),
    (API, "Api-Token {unknown}", FAILED),
    (API, "Api-Token {expired}", FAILED),
    (API, "Api-Token {disabled}", FAILED),
    (API, "Api-Token {personal}", FAILED),
    (API, "Api-Token {platform}", FAILED),
    (API, "Api-Token {client_id}", FAILED),
    (API, "Api-Token {client_secret}", FAILED),
    (API, "Bearer {client_secret}", FAILED),
    (API, "Bearer {expired_platform}", FAILED),
    (API, "Bearer {disabled_platform}", FAILED),
    (API, "Bearer {access}", FAILED),
    (API_V1, "Bearer {platform}", FAILED),
    (GATEWAY_API, None, SCHEME.format("undefined")),
    (GATEWAY_API, "Api-Token {admin}", SCHEME.format("Api-Token")),
    (GATEWAY_API, "Bearer {admin}", NO_JWT),
    (GATEWAY_API, "Bearer {expired_platform}", EXPIRED),
    (GATEWAY_API, "Bearer {disabled_platform}", EXPIRED),
    (GATEWAY_API, "Bearer {access}", EXPIRED),
    (stand_in.ACTIVEGATE_APIS["classic"], "Api-Token {admin}", SCHEME.format("Api-Token")),
    (stand_in.ACTIVEGATE_APIS["fleet"], "Api-Token {admin}", SCHEME.format("Api-Token")),
]
# A request, a scope that is not enough, and the scope that is needed.
FORBIDDEN = [
    ("GET", "", "apiTokens.write", "apiTokens.read (Read API tokens)"),
    ("GET", UNKNOWN_ID, "apiTokens.write", "apiTokens.read (Read API tokens)"),
    ("POST", "", "apiTokens.read", "apiTokens.write (Write API tokens)"),
    ("PUT", UNKNOWN_ID, "apiTokens.read", "apiTokens.write (Write API tokens)"),
    ("DELETE", UNKNOWN_ID, "apiTokens.read", "apiTokens.write (Write API tokens)"),
]
OF_A_BEARER: list[tuple[str, str, str, t.Any, int]] = [
    ("read", "GET", "", None, 200),
    ("read", "POST", "/lookup", {"token": UNKNOWN_SECRET}, 404),
    ("read", "POST", "", CI, 403),
    ("write", "POST", "", CI, 201),
    ("write", "PUT", UNKNOWN_ID, {}, 404),
    ("write", "GET", "", None, 403),
    ("write", "POST", "/lookup", {"token": UNKNOWN_SECRET}, 403),
]
NO_SIGN_ON: list[dict[str, t.Any]] = [
    {"client_secret": "wrong"},
    {"client_secret": None},
    {"client_id": "dt0s02.AAAAAAAA"},
    {"grant_type": "password"},
    {"grant_type": None},
    {"resource": "urn:dtaccount:00000000-0000-0000-0000-000000000000"},
    {"resource": "urn:dtenvironment:foreign"},
]


def sign_on(client: dict[str, str], how: str = "data", **changes: str | None) -> requests.Response:
    keys = {name: client[name] for name in ("client_id", "client_secret")}
    form = {"grant_type": "client_credentials", **keys, **changes}
    options: dict[str, t.Any] = {how: form}
    return requests.post(client["token_url"], timeout=10, **options)


# Secrets


def test_what_is_no_valid_secret_is_refused(environment: Environment) -> None:
    client = environment.oauth_client()
    secrets = {
        **client,
        "unknown": UNKNOWN_SECRET,
        "admin": environment.api_token,
        "expired": environment.plant("expired", ["apiTokens.read"], expires="now-1m")["token"],
        "disabled": environment.plant("disabled", ["apiTokens.read"], enabled=False)["token"],
        "personal": environment.issue("pat", ["apiTokens.read"], personalAccessToken=True)["token"],
        "platform": environment.platform_token(),
        "expired_platform": environment.platform_token(expires="now-1m"),
        "disabled_platform": environment.platform_token(enabled=False),
        "access": sign_on(client).json()["access_token"],
    }
    for valid in ("Api-Token {personal}", "Bearer {platform}", "Bearer {access}"):
        assert environment.ask(valid.format(**secrets)).status_code == 200
    environment.behave(personal_access_tokens=False)
    environment.set_clock("now+5m")
    for api, authorization, error in UNAUTHORIZED:
        given = authorization and authorization.format(**secrets)
        assert error_of(environment.ask(given, api)) == (401, error), (api, authorization)
    environment.behave(bearer_at_classic_address=False)
    platform = f"Bearer {secrets['platform']}"
    assert error_of(environment.ask(platform)) == (401, FAILED)
    assert environment.ask(platform, GATEWAY_API).status_code == 200


def test_a_lookup_takes_any_scope_and_knows_only_access_tokens(environment: Environment) -> None:
    secret = environment.issue("self", ["logs.read"])["token"]
    for api in (API, API_V1):
        body = {"token": secret}
        answer = environment.ask(f"Api-Token {secret}", f"{api}/lookup", "POST", json=body)
        assert answer.json()["name"] == "self"
    body = {"token": environment.platform_token()}
    assert environment.call("POST", "/lookup", json=body).status_code == 404


def test_a_header_wins_over_a_token_in_the_query(environment: Environment) -> None:
    right, wrong = {"api-token": environment.api_token}, {"api-token": "not-a-token"}
    assert error_of(environment.ask(None, params=wrong)) == (401, FAILED)
    assert error_of(environment.ask("Api-Token wrong", params=right)) == (401, FAILED)
    assert environment.ask(f"Api-Token {environment.api_token}", params=wrong).ok
    assert error_of(environment.ask(None, GATEWAY_API, params=right))[0] == 401


def test_the_log_of_requests_has_no_secret(environment: Environment, server: Environment) -> None:
    client = environment.oauth_client()
    access = sign_on(client).json()["access_token"]
    environment.behave(old_token_format=True)
    environment.issue("old")
    secrets = [*environment.secrets(), server.api_token, UNKNOWN_SECRET]
    assert {environment.api_token, client["client_secret"], access} < set(secrets)
    guessed = {"client_secret": "guessed", "client_id": client["client_id"], "api-token": "guessed"}
    requests.post(client["token_url"], params=guessed, timeout=10)
    for secret in secrets:
        environment.ask(None, f"{API}/{secret}", "DELETE", params={"api-token": secret})
    log = environment.requests()
    assert log[2]["query"] == {**guessed, "client_secret": "***", "api-token": "***"}
    assert not [secret for secret in [*secrets, "guessed"] if secret in json.dumps(log)]


# Scopes


@pytest.mark.parametrize(("method", "path", "scope", "needed"), FORBIDDEN)
def test_a_missing_scope_is_named(
    environment: Environment, method: str, path: str, scope: str, needed: str
) -> None:
    caller = f"Api-Token {environment.issue('half', [scope])['token']}"
    of_v1 = "TenantTokenManagement (Token management)"
    for api, named in ((API, needed), (API_V1, of_v1)):
        answer = environment.ask(caller, api + path, method, json=CI)
        assert error_of(answer) == (403, LACKING.format(named))


@pytest.mark.parametrize("api", [API, GATEWAY_API])
@pytest.mark.parametrize("family", ["environment-api:api-tokens", "api-tokens:tokens"])
def test_scopes_of_a_bearer(environment: Environment, api: str, family: str) -> None:
    for may, method, path, body, status in OF_A_BEARER:
        bearer = f"Bearer {environment.platform_token([f'{family}:{may}'])}"
        answer = environment.ask(bearer, api + path, method, json=body)
        assert answer.status_code == status, (may, method, path)
        other = "read" if may == "write" else "write"
        needed = f"environment-api:api-tokens:{other}, api-tokens:tokens:{other}"
        assert status != 403 or error_of(answer)[1] == LACKING.format(needed)


# The single sign-on


def test_an_access_token_has_the_scopes_that_were_asked_for(environment: Environment) -> None:
    client = environment.oauth_client()
    resource = f"urn:dtaccount:{client['account_uuid']}"
    answer = sign_on(client, scope=READ, resource=resource).json()
    claims = json.loads(base64.urlsafe_b64decode(answer["access_token"].split(".")[1] + "=="))
    assert claims["sub"] == client["subject"]
    reader = f"Bearer {answer.pop('access_token')}"
    expected = {"scope": READ, "token_type": "Bearer", "expires_in": 300, "resource": resource}
    assert answer == expected
    assert environment.ask(reader, method="POST", json=CI).status_code == 403
    answer = sign_on(client).json()
    assert (answer["scope"], answer["resource"]) == (f"{READ} {WRITE}", resource)


def test_a_sign_on_is_refused(environment: Environment, server: Environment) -> None:
    client = environment.oauth_client([READ])
    elsewhere = {**client, "token_url": f"{server.url}/sso/oauth2/token"}
    refused = [
        *(sign_on(client, **changes) for changes in NO_SIGN_ON),
        *(sign_on(elsewhere), sign_on(client, "json"), sign_on(client, "params")),
    ]
    for answer in refused:
        facts = answer.json()
        assert set(facts) == {"errorCode", "message", "issueId"}
        assert (answer.status_code, facts["message"]) == (400, "Bad Request")
    lacking = sign_on(client, scope=f"{READ} {WRITE}")
    assert (lacking.status_code, lacking.json()["error_description"]) == (400, "")
    stranger = f"Bearer {sign_on(client).json()['access_token']}"
    assert error_of(server.ask(stranger)) == (401, FAILED)
