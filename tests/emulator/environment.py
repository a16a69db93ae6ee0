# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One Dynatrace environment: its tokens, and what may be done with them and by whom."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import importlib.util
import pathlib
import secrets
import typing as t
import uuid

import moments
from account import Account
from problems import Problem, bad_body, unknown_token

if t.TYPE_CHECKING:
    from activegate_tokens import ActiveGateToken

_SCOPES_FILE = (
    pathlib.Path(__file__).parents[2] / "plugins" / "module_utils" / "_model" / "scopes.py"
)


def _known_scopes() -> frozenset[str]:
    spec = importlib.util.spec_from_file_location("known_scopes", _SCOPES_FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return frozenset(module.KNOWN_SCOPES)


# One scope is newer than the list that clients know.
GRANTABLE = _known_scopes() | {"brandNewFeature.read"}


@dataclasses.dataclass
class Token:
    id: str
    secret: str
    name: str
    scopes: list[str]
    owner: str
    personal_access_token: bool
    created: dt.datetime
    expires: dt.datetime | None = None
    enabled: bool = True
    modified: dt.datetime | None = None
    last_used: dt.datetime | None = None
    last_used_ip: str | None = None
    additional_metadata: dict[str, str] | None = None
    manages_settings: bool = (
        True  # whether its owner has the permission environment:roles:manage-settings
    )

    def has_expired(self, now: dt.datetime) -> bool:
        return self.expires is not None and self.expires <= now

    def as_json(self) -> dict[str, t.Any]:
        """All that the API can tell of it; what there is not is left out."""
        facts = {
            "id": self.id,
            "name": self.name,
            "enabled": self.enabled,
            "owner": self.owner,
            "creationDate": moments.text(self.created),
            "scopes": self.scopes,
            "personalAccessToken": self.personal_access_token,
            "expirationDate": self.expires and moments.text(self.expires),
            "lastUsedDate": self.last_used and moments.text(self.last_used),
            "lastUsedIpAddress": self.last_used_ip,
            "modifiedDate": self.modified and moments.text(self.modified),
            "additionalMetadata": self.additional_metadata,
        }
        return {name: value for name, value in facts.items() if value is not None}


@dataclasses.dataclass
class Bearer(Token):
    """A platform token or an OAuth access token: it calls, but is not among the tokens of the
    environment.
    """

    subject: str = ""  # the UUID of its user
    resources: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Behaviour:
    """What differs between installations, or is not known for sure: tests can change it."""

    bearer_at_classic_address: bool = (
        True  # whether /api/v2 takes Bearer too, as the specification says
    )
    old_token_format: bool = False  # new tokens are 21 letters without a dot, and their ids UUIDs
    personal_access_tokens: bool = True  # the setting of the environment that allows them
    v1_as_in_example: bool = (
        False  # times as text, and no false flags, as in the example in the documentation of v1
    )
    v1_location: bool = True  # the header with the id in the answer to a creation through v1
    token_creation: bool = True  # whether access tokens can still be created

    # ActiveGate tokens
    activegate_routes: list[str] = dataclasses.field(
        default_factory=lambda: ["v2", "classic", "fleet"]
    )  # the others answer 404
    activegate_page_cap: int | None = None  # the most entries of a page

    # Effective permissions
    resolver: bool = True  # or 404
    resolver_needs_scope: bool = True  # one of three, as documented
    resolver_answers_object: bool = False  # {"permissions": [...]} with booleans
    ineffective_scopes: list[str] = dataclasses.field(default_factory=list)
    conditional_scopes: list[str] = dataclasses.field(default_factory=list)


class Environment:
    """The state of one environment; its clock is that of its account."""

    def __init__(self, account: Account, environment_id: str) -> None:
        self.account = account
        self.id = environment_id
        self.tokens: dict[str, Token] = {}
        self.activegate_tokens: dict[str, ActiveGateToken] = {}
        self.tenant_token = secrets.token_hex(16)
        self.behaviour = Behaviour()
        account.environments[environment_id] = self

    @property
    def urn(self) -> str:
        return f"urn:dtenvironment:{self.id}"

    def now(self) -> dt.datetime:
        return self.account.now()

    def make_admin(self) -> str:
        """An admin token; its secret."""
        return self._add("admin", ["apiTokens.read", "apiTokens.write"], "admin@example.com").secret

    def preload(self, count: int) -> None:
        for number in range(count):
            self._add(
                f"preloaded-{number}", ["metrics.read", "entities.read"], "someone@example.com"
            )

    def plant(self, facts: t.Mapping[str, t.Any]) -> Token:
        """A token as the API would not make it: in the past, by another owner, by the product
        itself.
        """
        facts = dict(facts)
        token = self._add(
            facts.pop("name"), facts.pop("scopes"), facts.pop("owner", "someone@example.com")
        )
        for name in ("created", "expires", "last_used"):
            if name in facts:
                setattr(token, name, moments.parse(facts.pop(name), self.now()))
        for name, value in facts.items():
            if not hasattr(token, name):
                raise bad_body(name, "unknown")
            setattr(token, name, value)
        return token

    def authenticate(self, authorization: str | None, address: str) -> Token:
        if not authorization:
            raise Problem(401, "Missing authorization parameter.")
        scheme, _space, secret = authorization.partition(" ")
        token = next((token for token in self.tokens.values() if token.secret == secret), None)
        if scheme != "Api-Token" or token is None or not self.usable(token):
            raise Problem(401, "Token Authentication failed")
        token.last_used, token.last_used_ip = self.now(), address
        return token

    def usable(self, token: Token) -> bool:
        allowed = self.behaviour.personal_access_tokens or not token.personal_access_token
        return allowed and token.enabled and not token.has_expired(self.now())

    def create(self, body: t.Mapping[str, t.Any], caller: Token) -> dict[str, t.Any]:
        body = checked(
            body,
            {"name", "scopes", "expirationDate", "personalAccessToken"},
            required={"name", "scopes"},
        )
        if not self.behaviour.token_creation:
            raise Problem(
                400, "Creation of new tokens is now only available in Account Management."
            )
        expires = self.parse_expiration(body.get("expirationDate"))
        self._check_permission(body.get("personalAccessToken", False), caller)
        token = self._add(body["name"], body["scopes"], caller.owner)
        token.personal_access_token = body.get("personalAccessToken", False)
        token.expires = expires
        answer = {"id": token.id, "token": token.secret}
        return answer | ({"expirationDate": moments.text(expires)} if expires else {})

    def get(self, token_id: str) -> Token:
        if token_id not in self.tokens:
            raise unknown_token()
        return self.tokens[token_id]

    def update(self, token_id: str, body: t.Mapping[str, t.Any], caller: Token) -> None:
        token = self.get(token_id)
        body = checked(body, {"name", "scopes", "enabled"}, required=set())
        if token is caller and body.get("enabled") is False:
            raise Problem(
                400, "You can't disable the token you're using for authentication of the request."
            )
        before = (token.name, token.scopes)
        token.name = body.get("name", token.name)
        token.scopes = list(dict.fromkeys(body.get("scopes", token.scopes)))
        token.enabled = body.get("enabled", token.enabled)
        if (token.name, token.scopes) != before:
            token.modified = self.now()

    def delete(self, id_or_secret: str, caller: Token) -> None:
        token = next(
            (token for token in self.tokens.values() if id_or_secret in (token.id, token.secret)),
            None,
        )
        if token is None:
            raise unknown_token()
        if token is caller:
            raise Problem(
                400, "You can't delete the token you're using for authentication of the request."
            )
        if caller.personal_access_token and token.owner != caller.owner:
            raise Problem(403, "A personal access token can delete only tokens of its owner.")
        del self.tokens[token.id]

    def lookup(self, body: t.Mapping[str, t.Any]) -> Token:
        secret = checked(body, {"token"}, required={"token"})["token"]
        token = next((token for token in self.tokens.values() if token.secret == secret), None)
        if token is None:
            raise unknown_token()
        return token

    def _add(self, name: str, scopes: t.Iterable[str], owner: str) -> Token:
        token_id, secret = (
            old_credentials() if self.behaviour.old_token_format else credentials("dt0c01", 24)
        )
        token = Token(token_id, secret, name, list(dict.fromkeys(scopes)), owner, False, self.now())
        self.tokens[token_id] = token
        self.account.secrets[secret] = None
        return token

    def _check_permission(self, personal: bool, caller: Token) -> None:
        if personal and not self.behaviour.personal_access_tokens:
            raise Problem(403, "Personal access tokens are not enabled in this environment")
        if not personal and not caller.manages_settings:
            raise Problem(
                403,
                "Creating access tokens requires the permission environment:roles:manage-settings",
            )

    def parse_expiration(self, value: str | None) -> dt.datetime | None:
        if value is None:
            return None
        expires = moments.parse(value, self.now())
        if expires is None:
            raise bad_body("expirationDate", f"'{value}' is not a valid time")
        if expires <= self.now():
            raise bad_body("expirationDate", "must not be in the past")
        return expires


def credentials(prefix: str, length: int) -> tuple[str, str]:
    """An id with so many letters in its public part, and the secret that begins with it."""
    public, secret = (
        base64.b32encode(secrets.token_bytes(size * 5 // 8)).decode() for size in (length, 64)
    )
    return f"{prefix}.{public}", f"{prefix}.{public}.{secret}"


def old_credentials() -> tuple[str, str]:
    return str(uuid.uuid4()), secrets.token_urlsafe(16)[:21]


_TYPES = {
    "name": str,
    "scopes": list,
    "expirationDate": str,
    "personalAccessToken": bool,
    "enabled": bool,
    "token": str,
    "expiresIn": dict,
    "revoked": bool,
    "activeGateType": str,
    "seedToken": bool,
}


def checked(body: t.Any, allowed: set[str], required: set[str]) -> dict[str, t.Any]:
    """The body without its nulls, which mean the same as a missing property."""
    if not isinstance(body, dict):
        raise Problem(400, "Could not map JSON: an object is expected")
    for name, value in body.items():
        if name not in allowed:
            raise bad_body(name, f"Unknown JSON property '{name}'")
        if value is not None and not isinstance(value, _TYPES[name]):
            raise bad_body(name, f"must be of the type {_TYPES[name].__name__}")
    given = {name: value for name, value in body.items() if value is not None}
    for name in sorted(required):
        if not given.get(name):
            raise bad_body(name, "must not be empty")
    if not given.get("name", "-").strip():
        raise bad_body("name", "must not be blank")
    for number, scope in enumerate(given.get("scopes", ())):
        if not isinstance(scope, str) or scope not in GRANTABLE:
            raise bad_body(f"scopes[{number}]", f"'{scope}' is not a valid scope")
    return given
