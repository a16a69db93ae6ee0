# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for OpenBao and HashiCorp Vault: the engine KV v2 and logins. It answers like the
server; the tests of the contract run on both."""

from __future__ import annotations

import dataclasses
import datetime as dt
import email.message
import json
import re
import secrets
import threading
import typing as t
import urllib.parse

from support.vault_interface import ALL, Data, KeyVault, Reply, Requests

_KEPT_VERSIONS = 10
_DENIED = "1 error occurred:\n\t* permission denied\n\n"
_UNSUPPORTED = "1 error occurred:\n\t* unsupported operation\n\n"


class Failed(Exception):
    """A request that is answered with a status and errors."""

    def __init__(self, status: int, *errors: str) -> None:
        self.reply: Reply = (status, {"errors": list(errors)})


@dataclasses.dataclass
class Version:
    """What was written at one time; ``deleted`` is when it was, or will be, deleted."""

    number: int
    data: Data
    created: dt.datetime
    deleted: dt.datetime | None = None
    destroyed: bool = False

    @property
    def readable(self) -> Data | None:
        gone = self.destroyed or (self.deleted is not None and self.deleted <= _now())
        return None if gone else self.data

    @property
    def known(self) -> Data:
        return {
            "created_time": _text(self.created),
            "deletion_time": _text(self.deleted) if self.deleted else "",
            "destroyed": self.destroyed,
        }

    @property
    def metadata(self) -> Data:
        return {**self.known, "version": self.number, "custom_metadata": None}


@dataclasses.dataclass
class Settings:
    """Of the engine."""

    cas_required: bool = False
    max_versions: int = 0
    delete_version_after: str = "0s"

    @property
    def lifetime(self) -> dt.timedelta:
        return dt.timedelta(seconds=int(self.delete_version_after.rstrip("s")))


@dataclasses.dataclass
class StandIn(KeyVault):
    namespace: str | None = None
    mount: str = "secret"
    policy: frozenset[str] = ALL  # what may be done with any secret
    sealed: bool = False
    url: str = ""
    token: str = dataclasses.field(default_factory=lambda: f"hvs.{secrets.token_hex(12)}")
    role_id: str = dataclasses.field(default_factory=lambda: secrets.token_hex(8))
    secret_id: str = dataclasses.field(default_factory=lambda: secrets.token_hex(8))
    client_tokens: list[str] = dataclasses.field(default_factory=list)
    role: Data = dataclasses.field(default_factory=lambda: {"token_type": "service"})
    revoked: set[str] = dataclasses.field(default_factory=set)
    # Further logins: the path below auth, and the body that is let in, or what tells that it is.
    logins: dict[str, Data | t.Callable[[Data], bool]] = dataclasses.field(default_factory=dict)
    requests: Requests = dataclasses.field(default_factory=list)
    versions: dict[str, list[Version]] = dataclasses.field(default_factory=dict)  # oldest first
    kv1: str | None = None  # where an engine of version 1 is mounted
    settings: Settings = dataclasses.field(default_factory=Settings)
    lock: threading.RLock = dataclasses.field(default_factory=threading.RLock)

    def plant(self, path: str, data: Data) -> int:
        with self.lock:
            versions = self.versions.setdefault(path, [])
            lifetime = self.settings.lifetime
            created = _now()
            number = versions[-1].number + 1 if versions else 1
            versions.append(
                Version(number, data, created, created + lifetime if lifetime else None)
            )
            del versions[: -(self.settings.max_versions or _KEPT_VERSIONS)]
            return number

    def delete(self, path: str) -> None:
        with self.lock:
            self.versions[path][-1].deleted = _now()

    def undelete(self, path: str, version: int) -> None:
        with self.lock:
            for kept in self.versions[path]:
                if kept.number == version:
                    kept.deleted = None

    def destroy(self, path: str) -> None:
        with self.lock:
            self.versions[path][-1].destroyed = True

    def configure(self, **settings: t.Any) -> None:
        self.settings = Settings(**settings)

    def add_kv1(self, mount: str) -> None:
        self.kv1 = mount

    def revoke(self, client_token: str) -> None:
        self.revoked.add(client_token)

    def configure_role(self, **settings: t.Any) -> None:
        self.role = {**self.role, **settings}

    def lives(self, client_token: str) -> bool:
        return client_token in self._valid_tokens()

    def stored(self, folder: str = "") -> dict[str, Data | None]:
        with self.lock:
            return {path: found[-1].readable for path, found in self._inside(folder).items()}

    def version(self, path: str, number: int) -> Data:
        with self.lock:
            return next(one.data for one in self.versions[path] if one.number == number)

    def known(self, folder: str = "") -> dict[str, t.Any]:
        with self.lock:
            return {
                path: {version.number: version.known for version in found}
                for path, found in self._inside(folder).items()
            }

    def _inside(self, folder: str) -> dict[str, list[Version]]:
        prefix = f"{folder}/" if folder else ""
        return {path: found for path, found in self.versions.items() if path.startswith(prefix)}

    def _valid_tokens(self) -> list[str]:
        return [self.token, *(one for one in self.client_tokens if one not in self.revoked)]

    def answer(
        self, method: str, address: str, headers: email.message.Message, body: bytes
    ) -> Reply:
        """What is answered to a request, once it is carried out."""
        try:
            with self.lock:
                return self._route(method, address, headers, body)
        except Failed as failed:
            return failed.reply

    def _route(
        self, method: str, address: str, headers: email.message.Message, body: bytes
    ) -> Reply:
        root, _slash, path = (
            urllib.parse.unquote(urllib.parse.urlsplit(address).path).lstrip("/").partition("/")
        )
        if root != "v1":
            raise Failed(404)
        if self.sealed:
            raise Failed(503, "Vault is sealed")
        self._check_namespace((headers.get("X-Vault-Namespace") or "").strip("/"))
        if path.startswith("auth/") and path[5:] in self.logins:
            _only(method, "POST", "PUT")
            return self._log_in_with(_parse(body), self.logins[path[5:]])
        if path == "auth/approle/login":
            _only(method, "POST", "PUT")
            return self._login(_parse(body))
        token = headers.get("X-Vault-Token")
        if token not in self._valid_tokens():
            raise Failed(403, "permission denied")
        if self.namespace and not headers.get("X-Vault-Namespace"):
            raise Failed(403, _DENIED)
        if path == "auth/token/revoke-self":
            return self._revoke_self(str(token))
        return self._route_of_a_token(method, path, body)

    def _route_of_a_token(self, method: str, path: str, body: bytes) -> Reply:
        if path == "sys/capabilities-self":
            _only(method, "POST", "PUT")
            return self._capabilities(_parse(body))
        if path.startswith("sys/internal/ui/mounts/"):
            return self._mount(path[len("sys/internal/ui/mounts/") :])
        if self.kv1 and path.startswith(f"{self.kv1}/"):
            return (404, {"errors": []}) if method in ("GET", "LIST") else (204, None)
        secret = re.fullmatch(rf"{re.escape(self.mount)}/(data|metadata)/(.*[^/])", path)
        if secret is None:
            raise Failed(403, _DENIED)
        kind, key = secret.groups()
        if kind == "metadata":
            _only(method, "DELETE", "LIST")
            return self._list(key) if method == "LIST" else self._remove(key)
        _only(method, "GET", "POST", "PUT")
        return self._read(key) if method == "GET" else self._write(key, _parse(body))

    def _check_namespace(self, named: str) -> None:
        if named and named != self.namespace:
            raise Failed(404, "namespace not found")

    def _login(self, given: Data) -> Reply:
        if (given.get("role_id"), given.get("secret_id")) != (self.role_id, self.secret_id):
            raise Failed(400, "invalid role or secret ID")
        return self._let_in()

    def _log_in_with(self, given: Data, expected: Data | t.Callable[[Data], bool]) -> Reply:
        is_right = expected(given) if callable(expected) else given == expected
        if not is_right:
            raise Failed(400, "invalid username or password")
        return self._let_in()

    def _let_in(self) -> Reply:
        self.client_tokens.append(f"hvs.{secrets.token_hex(12)}")
        return 200, {
            "data": None,
            "auth": {
                "client_token": self.client_tokens[-1],
                "lease_duration": 1200,
                "renewable": True,
                "token_type": self.role["token_type"],
            },
        }

    def _revoke_self(self, token: str) -> Reply:
        if token in self.client_tokens and self.role["token_type"] == "batch":
            raise Failed(400, "batch tokens cannot be revoked")
        if token in self.client_tokens and self.role.get("token_no_default_policy"):
            raise Failed(403, _DENIED)
        self.revoke(token)
        return 204, None

    def _capabilities(self, given: Data) -> Reply:
        paths = given.get("paths")
        if not isinstance(paths, list) or not paths:
            raise Failed(400, "paths must be supplied")
        granted = {
            path: sorted(self.policy if path.startswith(f"{self.mount}/") else ()) or ["deny"]
            for path in paths
        }
        if len(paths) == 1:
            granted["capabilities"] = granted[paths[0]]
        return 200, {**granted, "data": granted}

    def _mount(self, path: str) -> Reply:
        for mount, version in ((self.mount, "2"), (self.kv1, "1")):
            if mount and path.strip("/") == mount:
                return 200, {"data": {"type": "kv", "options": {"version": version}}}
        raise Failed(403, "preflight capability check returned 403")

    def _read(self, key: str) -> Reply:
        self._require("read")
        if key not in self.versions:
            raise Failed(404)
        latest = self.versions[key][-1]
        return 404 if latest.readable is None else 200, {
            "data": {"data": latest.readable, "metadata": latest.metadata}
        }

    def _write(self, key: str, given: Data) -> Reply:
        self._require("update" if key in self.versions else "create")
        if not isinstance(given.get("data"), dict):
            raise Failed(400, "no data provided")
        cas = (given.get("options") or {}).get("cas")
        if cas is None and self.settings.cas_required:
            raise Failed(400, "check-and-set parameter required for this call")
        if cas is not None and cas != (
            self.versions[key][-1].number if key in self.versions else 0
        ):
            raise Failed(400, "check-and-set parameter did not match the current version")
        self.plant(key, given["data"])
        return 200, {"data": self.versions[key][-1].metadata}

    def _remove(self, key: str) -> Reply:
        self._require("delete")
        self.versions.pop(key, None)
        return 204, None

    def _list(self, folder: str) -> Reply:
        self._require("list")
        inside = [
            path[len(folder) + 1 :].partition("/")
            for path in self.versions
            if path.startswith(folder + "/")
        ]
        if not inside:
            raise Failed(404)
        return 200, {"data": {"keys": sorted({name + slash for name, slash, _rest in inside})}}

    def _require(self, capability: str) -> None:
        if capability not in self.policy:
            raise Failed(403, _DENIED)


def _only(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise Failed(405, _UNSUPPORTED)


def _parse(body: bytes) -> Data:
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise Failed(400, "failed to decode JSON input: invalid")
    return data


def _now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)


def _text(moment: dt.datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
