# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One Dynatrace environment: its tokens, and what may be done with them and by whom."""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib.util
import pathlib
import secrets
import typing as t

import moments
from door import Door
from faults import Faults
from problems import Problem, bad_body, unknown_token

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SCOPES_FILE = pathlib.Path(__file__).parents[2] / "plugins" / "module_utils" / "_scopes.py"


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


class Environment:
    """The state of one environment and its clock."""

    def __init__(self) -> None:
        self.tokens: dict[str, Token] = {}
        self.secrets: list[str] = []  # all that were ever issued, for tests that look for leaks
        self.requests: list[dict[str, t.Any]] = []
        self.faults = Faults()
        self.door: Door | None = None
        self._ahead = dt.timedelta(0)

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.timezone.utc) + self._ahead

    def set_clock(self, body: t.Mapping[str, t.Any]) -> None:
        """Let it be that moment now, given as the API takes moments; the clock goes on from there."""
        moment = moments.parse(str(body.get("now")), self.now())
        if moment is None:
            raise bad_body("now", "not a valid time")
        self._ahead += moment - self.now()

    def make_admin(self) -> str:
        """An admin token; its secret."""
        return self._add("admin", ["apiTokens.read", "apiTokens.write"], "admin@example.com").secret

    def preload(self, count: int) -> None:
        for number in range(count):
            self._add(f"preloaded-{number}", ["metrics.read", "entities.read"], "someone@example.com")

    def plant(self, facts: t.Mapping[str, t.Any]) -> Token:
        """A token as the API would not make it: in the past, by another owner, by the product itself."""
        facts = dict(facts)
        token = self._add(facts.pop("name"), facts.pop("scopes"), facts.pop("owner", "someone@example.com"))
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
        if scheme != "Api-Token" or token is None or not token.enabled or self._ended(token):
            raise Problem(401, "Token Authentication failed")
        token.last_used, token.last_used_ip = self.now(), address
        return token

    def create(self, body: t.Mapping[str, t.Any], caller: Token) -> dict[str, t.Any]:
        body = _checked(body, {"name", "scopes", "expirationDate", "personalAccessToken"}, required={"name", "scopes"})
        expires = self._parse_expiration(body.get("expirationDate"))
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
        body = _checked(body, {"name", "scopes", "enabled"}, required=set())
        if token is caller and body.get("enabled") is False:
            raise Problem(400, "You can't disable the token you're using for authentication of the request.")
        before = (token.name, token.scopes)
        token.name = body.get("name", token.name)
        token.scopes = list(dict.fromkeys(body.get("scopes", token.scopes)))
        token.enabled = body.get("enabled", token.enabled)
        if (token.name, token.scopes) != before:
            token.modified = self.now()

    def delete(self, id_or_secret: str, caller: Token) -> None:
        token = next((token for token in self.tokens.values() if id_or_secret in (token.id, token.secret)), None)
        if token is None:
            raise unknown_token()
        if token is caller:
            raise Problem(400, "You can't delete the token you're using for authentication of the request.")
        if caller.personal_access_token and token.owner != caller.owner:
            raise Problem(403, "A personal access token can delete only tokens of its owner.")
        del self.tokens[token.id]

    def lookup(self, body: t.Mapping[str, t.Any]) -> Token:
        secret = _checked(body, {"token"}, required={"token"})["token"]
        token = next((token for token in self.tokens.values() if token.secret == secret), None)
        if token is None:
            raise unknown_token()
        return token

    def _add(self, name: str, scopes: t.Iterable[str], owner: str) -> Token:
        public, secret = ("".join(secrets.choice(_BASE32) for _letter in range(length)) for length in (24, 64))
        token_id = f"dt0c01.{public}"
        token = Token(token_id, f"{token_id}.{secret}", name, list(dict.fromkeys(scopes)), owner, False, self.now())
        self.tokens[token_id] = token
        self.secrets.append(token.secret)
        return token

    def _ended(self, token: Token) -> bool:
        return token.expires is not None and token.expires <= self.now()

    def _parse_expiration(self, value: str | None) -> dt.datetime | None:
        if value is None:
            return None
        expires = moments.parse(value, self.now())
        if expires is None:
            raise bad_body("expirationDate", f"'{value}' is not a valid time")
        if expires <= self.now():
            raise bad_body("expirationDate", "must not be in the past")
        return expires


_TYPES = {"name": str, "scopes": list, "expirationDate": str, "personalAccessToken": bool, "enabled": bool, "token": str}


def _checked(body: t.Any, allowed: set[str], required: set[str]) -> dict[str, t.Any]:
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
