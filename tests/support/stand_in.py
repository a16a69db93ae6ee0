# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stand-in for Dynatrace as tests use it: a server of its own process, an environment for each
test.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import typing as t

import requests

EMULATOR = pathlib.Path(__file__).parents[1] / "emulator"
API = "/api/v2/apiTokens"


def _new_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # it would look for a proxy before each request
    return session


_session = (
    _new_session()
)  # for what tests need beside the API; its connections are kept, because no fault strikes there

API_V1 = "/api/v1/tokens"
GATEWAY_API = "/platform/classic/environment-api/v2/apiTokens"
ACCOUNT_API = "/iam/v1/accounts"
MANAGE_PLATFORM_TOKENS = "platform-token:tokens:manage"
ACTIVEGATE_APIS = {
    "v2": "/api/v2/activeGateTokens",
    "classic": "/platform/classic/environment-api/v2/activeGateTokens",
    "fleet": "/platform/fleet-management/v1/activegate/tokens",
}
BEARER_SCOPES = ("environment-api:api-tokens:read", "environment-api:api-tokens:write")
ALL_FIELDS = (
    "+scopes,+expirationDate,+personalAccessToken,+lastUsedDate,+modifiedDate,+additionalMetadata"
)


@dataclasses.dataclass(frozen=True)
class Environment:
    """One environment of the stand-in, with its admin token."""

    url: str
    api_token: str
    api_version: str = "v2"  # by which tests have the collection call it

    @property
    def variables(self) -> dict[str, str]:
        return {"DYNATRACE_ENV_URL": self.url, "DYNATRACE_API_TOKEN": self.api_token}

    def call(
        self, method: str, path: str = "", token: str | None = None, **kwargs: t.Any
    ) -> requests.Response:
        """A plain request to the token API, with the admin token or another; path is below
        /apiTokens.
        """
        return self.ask(f"Api-Token {token or self.api_token}", API + path, method, **kwargs)

    def ask(
        self, authorization: str | None, path: str = API, method: str = "GET", **kwargs: t.Any
    ) -> requests.Response:
        """A plain request by anyone to any API; path is below the address of the environment."""
        headers = {"Authorization": authorization, **kwargs.pop("headers", {})}
        options = {"headers": headers, "timeout": 10, **kwargs}
        with _new_session() as session:
            return session.request(method, self.url + path, **options)

    def tokens(self, name: str | None = None) -> list[dict[str, t.Any]]:
        """All tokens but the admin's, newest first, or those of one name."""
        listed = self.call("GET", params={"pageSize": 10000, "fields": ALL_FIELDS}).json()[
            "apiTokens"
        ]
        return [
            token for token in listed if token["name"] != "admin" and name in (None, token["name"])
        ]

    def issue(
        self, name: str, scopes: t.Sequence[str] = ("metrics.read",), **more: t.Any
    ) -> dict[str, str]:
        """A token made behind the collection's back: {id, token, expirationDate?}."""
        response = self.call("POST", json={"name": name, "scopes": list(scopes), **more})
        response.raise_for_status()
        answer: dict[str, str] = response.json()
        return answer

    def plant(
        self, name: str, scopes: t.Sequence[str] = ("metrics.read",), **facts: t.Any
    ) -> dict[str, t.Any]:
        """A token that the API would not make, such as one that has expired (expires="now-1d"),
        with its secret under token.
        """
        response = _session.post(
            self.url + "/_emulator/tokens",
            json={"name": name, "scopes": list(scopes), **facts},
            timeout=10,
        )
        response.raise_for_status()
        answer: dict[str, t.Any] = response.json()
        return answer

    def by_v1(self) -> Environment:
        """The same environment, called by the API v1, with an admin token that may do everything in
        both versions.
        """
        admin = self.plant(
            "admin",
            ["apiTokens.read", "apiTokens.write", "TenantTokenManagement"],
            owner="admin@example.com",
        )
        self.call("DELETE", "/" + self.api_token.rpartition(".")[0], token=admin["token"])
        self.forget_requests()
        return dataclasses.replace(self, api_token=admin["token"], api_version="v1")

    def v1_token(self) -> str:
        """Another admin token, which may do everything in the token API v1 and nothing else."""
        secret: str = self.plant("admin", ["TenantTokenManagement"], owner="admin@example.com")[
            "token"
        ]
        return secret

    def call_v1(
        self, method: str, path: str = "", *, token: str, **kwargs: t.Any
    ) -> requests.Response:
        """A plain request to the token API v1; path is below /tokens."""
        return self.ask(f"Api-Token {token}", API_V1 + path, method, **kwargs)

    def oauth_client(
        self, scopes: t.Sequence[str] = BEARER_SCOPES, **facts: t.Any
    ) -> dict[str, str]:
        """A new OAuth client: {client_id, client_secret, account_uuid, subject, token_url}; owner
        and subject (the UUID of its user) can be given.
        """
        return self._planted("oauthClients", scopes, facts) | {
            "token_url": self.url + "/sso/oauth2/token"
        }

    def platform_token(self, scopes: t.Sequence[str] = BEARER_SCOPES, **facts: t.Any) -> str:
        """The secret of a new platform token; expires, enabled, owner and manages_settings can be
        given.
        """
        return self._planted("platformTokens", scopes, facts)["token"]

    def _planted(
        self, kind: str, scopes: t.Sequence[str], facts: dict[str, t.Any]
    ) -> dict[str, str]:
        response = _session.post(
            f"{self.url}/_emulator/{kind}", json={"scopes": list(scopes), **facts}, timeout=10
        )
        response.raise_for_status()
        answer: dict[str, str] = response.json()
        return answer

    def activegate_tokens(self, name: str | None = None) -> list[dict[str, t.Any]]:
        """All ActiveGate tokens, or those of one name, with all their facts but the secrets."""
        return _named(self.url + "/_emulator/activeGateTokens", name)

    def plant_activegate_token(self, name: str, **facts: t.Any) -> dict[str, t.Any]:
        """An ActiveGate token made behind the collection's back, with its secret under token; type,
        seed, owner, created, expires and last_used can be given.
        """
        return _post(self.url + "/_emulator/activeGateTokens", {"name": name, **facts})

    def revoke_access_tokens(self) -> None:
        """From now on, no access token is taken that an OAuth client has."""
        _session.delete(self.url + "/_emulator/accessTokens", timeout=10).raise_for_status()

    def behave(self, **switches: t.Any) -> None:
        """Change what differs between installations; the switches are those of Behaviour in the
        stand-in.
        """
        _session.put(
            self.url + "/_emulator/behaviour", json=switches, timeout=10
        ).raise_for_status()

    def set_clock(self, now: str) -> None:
        """Let it be that moment in the environment, such as now+30d."""
        _session.put(
            self.url + "/_emulator/clock", json={"now": now}, timeout=10
        ).raise_for_status()

    def set_faults(self, *faults: dict[str, t.Any]) -> None:
        """Make requests from now on fail, as tests/emulator/faults.py tells; these faults replace
        the earlier ones.
        """
        response = _session.put(self.url + "/_emulator/faults", json=faults, timeout=10)
        assert response.status_code == 204, response.text

    def faults_left(self) -> list[dict[str, t.Any]]:
        """The faults that are not spent yet."""
        left: list[dict[str, t.Any]] = _session.get(
            self.url + "/_emulator/faults", timeout=10
        ).json()
        return left

    def open_door(self) -> Environment:
        """The same environment on a port of its own, which the fault refuse shuts; faults are best
        set through the other port.
        """
        said = _session.post(self.url + "/_emulator/door", timeout=10).json()
        return dataclasses.replace(self, url=said["environment_url"])

    def requests(self) -> list[dict[str, t.Any]]:
        """The requests of the API so far: method, path, query, status, and of those that a fault
        struck, carried_out.
        """
        logged: list[dict[str, t.Any]] = _session.get(
            self.url + "/_emulator/requests", timeout=10
        ).json()
        return logged

    def writes(self) -> list[str]:
        """The methods of the requests so far that can change something."""
        reads = ("/lookup", "/oauth2/token", "/effective-permissions:resolve")
        return [
            entry["method"]
            for entry in self.requests()
            if entry["method"] != "GET" and not entry["path"].endswith(reads)
        ]

    def forget_requests(self) -> None:
        _session.delete(self.url + "/_emulator/requests", timeout=10)

    def secrets(self) -> list[str]:
        """Every secret that was ever issued here."""
        issued: list[str] = _session.get(self.url + "/_emulator/secrets", timeout=10).json()
        return issued


@dataclasses.dataclass(frozen=True)
class Account:
    """An account of the stand-in, seen from one of its environments.

    Clock, faults, the log of requests and the secrets are those of the account and all its
    environments together: set and read them by the environment.
    """

    environment: Environment
    url: str  # of the Account Management API
    uuid: str
    environment_id: str

    @property
    def resource(self) -> str:
        """The environment, as platform tokens and grants name it."""
        return f"urn:dtenvironment:{self.environment_id}"

    @property
    def api(self) -> str:
        return f"{self.url}{ACCOUNT_API}/{self.uuid}"

    def client(
        self, scopes: t.Sequence[str] = (MANAGE_PLATFORM_TOKENS,), **facts: t.Any
    ) -> dict[str, str]:
        """A new OAuth client, as of the environment."""
        return self.environment.oauth_client(scopes, **facts)

    def connection(self, *scopes: str) -> dict[str, str]:
        """The connection options of a new OAuth client; by default one that manages platform
        tokens.
        """
        client = self.client(scopes or (MANAGE_PLATFORM_TOKENS,))
        return {
            "account_url": self.url,
            "account_uuid": self.uuid,
            "oauth_client_id": client["client_id"],
            "oauth_client_secret": client["client_secret"],
            "oauth_token_url": client["token_url"],
        }

    def role_variables(self) -> dict[str, str]:
        """The same as variables of the role."""
        return {f"dynatrace_tokens_{name}": value for name, value in self.connection().items()}

    def environment_variables(self) -> dict[str, str]:
        """The same as environment variables. There is none for the address of the account."""
        options = self.connection()
        return {
            "DT_CLIENT_ID": options["oauth_client_id"],
            "DT_CLIENT_SECRET": options["oauth_client_secret"],
            "DT_SSO_URL": options["oauth_token_url"],
            "DT_ACCOUNT_ID": options["account_uuid"],
        }

    def sign_on(self, client: t.Mapping[str, str], **form: str) -> requests.Response:
        """The answer of the single sign-on; scope and resource can be given."""
        fixed = {
            "grant_type": "client_credentials",
            "client_id": client["client_id"],
            "client_secret": client["client_secret"],
        }
        with _new_session() as session:
            return session.post(client["token_url"], data=fixed | form, timeout=10)

    def call(
        self,
        method: str,
        path: str = "/platform-tokens",
        bearer: str | None = None,
        **kwargs: t.Any,
    ) -> requests.Response:
        """A plain request to the Account Management API; path is below the account.

        Without a bearer, that of a new client that may.
        """
        bearer = bearer or self.sign_on(self.client()).json()["access_token"]
        with _new_session() as session:
            return session.request(
                method,
                self.api + path,
                headers={"Authorization": f"Bearer {bearer}"},
                timeout=10,
                **kwargs,
            )

    def plant(
        self, name: str, scopes: t.Sequence[str] = ("storage:logs:read",), **facts: t.Any
    ) -> dict[str, t.Any]:
        """A platform token made behind the collection's back, as {id, token}; resources, tags,
        owner, subject, enabled, created, expires and last_used can be given.
        """
        url = self.environment.url + "/_emulator/platformTokens"
        return _post(url, {"name": name, "scopes": list(scopes), **facts})

    def plant_all(self, *tokens: dict[str, t.Any]) -> None:
        """Many at once; the facts of each are those of plant."""
        url = self.environment.url + "/_emulator/platformTokens"
        _session.post(url, json=tokens, timeout=10).raise_for_status()

    def tokens(self, name: str | None = None) -> list[dict[str, t.Any]]:
        """All platform tokens, or those of one name, with all their facts but the secrets, named as
        for plant.
        """
        return _named(self.environment.url + "/_emulator/platformTokens", name)

    def works(self, secret: str) -> bool:
        """Whether a token with the scope app-engine:apps:run is taken in its environment."""
        with _new_session() as session:
            return session.post(
                self.environment.url + "/platform/management/v1/effective-permissions:resolve",
                json={"permissions": [{"permission": "app-engine:apps:run"}]},
                headers={"Authorization": f"Bearer {secret}"},
                timeout=10,
            ).ok

    def behave(self, **switches: t.Any) -> None:
        """The switches are those of AccountBehaviour in the stand-in."""
        url = self.environment.url + "/_emulator/account/behaviour"
        _session.put(url, json=switches, timeout=10).raise_for_status()

    def change_listing(self, *changes: dict[str, t.Any]) -> None:
        """Have the listing change between two pages, as tests/emulator/platform_tokens.py tells."""
        url = self.environment.url + "/_emulator/account/listing"
        _session.put(url, json=changes, timeout=10).raise_for_status()

    def new_environment(self) -> Account:
        """The account, seen from another environment of its own."""
        url = f"{self.url}/_emulator/environments?account={self.uuid}"
        said = _post(url, {})
        return account_of(Environment(said["environment_url"], said["api_token"]))


def account_of(environment: Environment, **switches: t.Any) -> Account:
    """The account that an environment belongs to, with these switches set."""
    said = _session.get(environment.url + "/_emulator/account", timeout=10).json()
    account = Account(
        environment, said["account_url"], said["account_uuid"], said["environment_id"]
    )
    account.behave(**switches)
    return account


def error_of(response: requests.Response) -> tuple[int, str]:
    """The status of an answer that is an error, and the part of the request that it names, one of
    the query behind a question mark; or its message.
    """
    if not response.content:
        return response.status_code, ""
    answer = response.json()
    if answer["error"] is True:
        return response.status_code, answer["message"]
    error = answer["error"]
    assert error["code"] == response.status_code
    for violation in error.get("constraintViolations", ()):
        mark = "?" if violation["parameterLocation"] == "QUERY" else ""
        return response.status_code, mark + violation["path"]
    return response.status_code, error["message"]


def _post(url: str, facts: dict[str, t.Any]) -> dict[str, t.Any]:
    response = _session.post(url, json=facts, timeout=10)
    response.raise_for_status()
    answer: dict[str, t.Any] = response.json()
    return answer


def _named(url: str, name: str | None) -> list[dict[str, t.Any]]:
    tokens: list[dict[str, t.Any]] = _session.get(url, timeout=10).json()
    return [token for token in tokens if name in (None, token["name"])]


@contextlib.contextmanager
def serve(*options: str) -> t.Iterator[Environment]:
    """A server with its first environment, until the block ends."""
    command = [sys.executable, str(EMULATOR), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            yield Environment(said["environment_url"], said["api_token"])
        finally:
            process.terminate()


def new_environment(server: Environment) -> Environment:
    """Another environment on the same server, empty but for its admin token, and called as the
    variable API_VERSION says.
    """
    said = _session.post(server.url + "/_emulator/environments", timeout=10).json()
    made = Environment(said["environment_url"], said["api_token"])
    return made.by_v1() if os.environ.get("API_VERSION") == "v1" else made
