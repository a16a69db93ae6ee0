# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for HashiCorp Vault: the engine KV v2 and the login by AppRole, as strict as
documented, and failing where a test says so."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import email.message
import http.server
import json
import re
import secrets
import ssl
import threading
import typing as t
import urllib.parse

# What becomes of a request: None, it is answered as it should be; a number, it is answered with
# this status and not carried out;
# "lose", it is carried out and its answer is lost; an address, it is answered with a redirect to
# there.
Fault = t.Union[int, str, None]
Rule = t.Callable[[str, str], Fault]

ALL = frozenset({"create", "read", "update", "delete", "list"})
_KEPT_VERSIONS = 10
_DENIED = "1 error occurred:\n\t* permission denied\n\n"

Data = dict[str, t.Any]
Reply = tuple[int, t.Any]  # a status, and what is sent as JSON, None for nothing


class Failed(Exception):
    """A request that is answered with a status and errors."""

    def __init__(self, status: int, *errors: str) -> None:
        self.reply: Reply = (status, {"errors": list(errors)})


@dataclasses.dataclass
class Version:
    """What was written at one time; ``deleted`` is when it was deleted."""

    number: int
    data: Data
    created: str
    deleted: str = ""
    destroyed: bool = False

    @property
    def gone(self) -> bool:
        return bool(self.deleted) or self.destroyed

    @property
    def readable(self) -> Data | None:
        return None if self.gone else self.data

    @property
    def metadata(self) -> Data:
        return {
            "version": self.number,
            "created_time": self.created,
            "deletion_time": self.deleted,
            "destroyed": self.destroyed,
            "custom_metadata": None,
        }


@dataclasses.dataclass
class KeyVault:
    """A running stand-in: how to reach it, what it holds, and the requests that reached it as
    method and path."""

    namespace: str | None = None
    mount: str = "secret"
    policy: frozenset[str] = ALL  # what may be done with any secret
    sealed: bool = False
    url: str = ""
    token: str = dataclasses.field(default_factory=lambda: f"hvs.{secrets.token_hex(12)}")
    role_id: str = dataclasses.field(default_factory=lambda: secrets.token_hex(8))
    secret_id: str = dataclasses.field(default_factory=lambda: secrets.token_hex(8))
    client_tokens: list[str] = dataclasses.field(
        default_factory=list
    )  # those that AppRole has handed out
    logins: dict[str, Data] = dataclasses.field(
        default_factory=dict
    )  # further logins: the path below auth, and the body that is let in
    requests: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    versions: dict[str, list[Version]] = dataclasses.field(default_factory=dict)  # oldest first
    lock: threading.RLock = dataclasses.field(default_factory=threading.RLock)

    @property
    def store(self) -> Data:
        """The option store that means this, with the token in it."""
        return {"type": "hashi_vault", "url": self.url, "token": self.token}

    def stored(self) -> dict[str, Data | None]:
        """The latest version of every secret; None for one that was deleted."""
        with self.lock:
            return {path: versions[-1].readable for path, versions in self.versions.items()}

    def methods(self) -> list[str]:
        """What was done with secrets, in order, without questions about what may be done and
        logins."""
        return [method for method, path in self.requests if path.startswith(f"/v1/{self.mount}/")]

    def plant(self, path: str, data: Data) -> int:
        """Write a secret behind the collection's back, of any form."""
        with self.lock:
            versions = self.versions.setdefault(path, [])
            versions.append(Version(versions[-1].number + 1 if versions else 1, data, _now()))
            del versions[:-_KEPT_VERSIONS]
            return versions[-1].number

    def delete(self, path: str) -> None:
        """Delete the latest version, as ``vault kv delete`` does: it can be undone."""
        with self.lock:
            self.versions[path][-1].deleted = _now()

    def destroy(self, path: str) -> None:
        """Destroy the latest version for good, as ``vault kv destroy`` does; what is known of it
        stays."""
        with self.lock:
            self.versions[path][-1].destroyed = True

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
            raise Failed(404, "page not found")
        if self.sealed:
            raise Failed(503, "Vault is sealed")
        self._check_namespace((headers.get("X-Vault-Namespace") or "").strip("/"))
        if path.startswith("auth/") and path[5:] in self.logins:
            _only(method, "POST", "PUT")
            return self._log_in_with(_parse(body), self.logins[path[5:]])
        if path == "auth/approle/login":
            _only(method, "POST", "PUT")
            return self._login(_parse(body))
        if headers.get("X-Vault-Token") not in (self.token, *self.client_tokens):
            raise Failed(403, "permission denied")
        if path == "sys/capabilities-self":
            _only(method, "POST", "PUT")
            return self._capabilities(_parse(body))
        secret = re.fullmatch(rf"{re.escape(self.mount)}/(data|metadata)/(.*[^/])", path)
        if secret is None:
            raise Failed(404, f'no handler for route "{path}". route entry not found.')
        kind, key = secret.groups()
        if kind == "metadata":
            _only(method, "DELETE", "LIST")
            return self._list(key) if method == "LIST" else self._remove(key)
        _only(method, "GET", "POST", "PUT")
        return self._read(key) if method == "GET" else self._write(key, _parse(body))

    def _check_namespace(self, named: str) -> None:
        if named and named != self.namespace:
            raise Failed(404, "namespace not found")
        if named != (self.namespace or ""):
            raise Failed(403, "permission denied")

    def _login(self, given: Data) -> Reply:
        if (given.get("role_id"), given.get("secret_id")) != (self.role_id, self.secret_id):
            raise Failed(400, "invalid role or secret ID")
        return self._let_in()

    def _log_in_with(self, given: Data, expected: Data) -> Reply:
        if given != expected:
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
            },
        }

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

    def _read(self, key: str) -> Reply:
        self._require("read")
        if key not in self.versions:
            raise Failed(404)
        latest = self.versions[key][-1]
        return 404 if latest.gone else 200, {
            "data": {"data": latest.readable, "metadata": latest.metadata}
        }

    def _write(self, key: str, given: Data) -> Reply:
        self._require("update" if key in self.versions else "create")
        if not isinstance(given.get("data"), dict):
            raise Failed(400, "no data provided")
        cas = (given.get("options") or {}).get("cas")
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


@contextlib.contextmanager
def key_vault(
    rule: Rule = lambda method, path: None,
    *,
    namespace: str | None = None,
    mount: str = "secret",
    policy: frozenset[str] = ALL,
    sealed: bool = False,
    tls: ssl.SSLContext | None = None,
) -> t.Iterator[KeyVault]:
    """Serve an empty one until the block ends, over TLS if a context is given."""
    running = KeyVault(namespace, mount, policy, sealed)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in one piece, for which the client's system need not wait

        def answer(self) -> None:
            running.requests.append((self.command, self.path))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = rule(self.command, self.path)
            if isinstance(fault, int):
                self.reply(fault, {"errors": ["internal error"]})
            elif fault not in (None, "lose"):
                self.reply(307, None, str(fault) + self.path)
            else:
                status, said = running.answer(self.command, self.path, self.headers, body)
                if fault == "lose":
                    self.close_connection = True
                else:
                    self.reply(status, said)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_LIST = answer  # noqa: N815

        def reply(self, status: int, said: t.Any, location: str | None = None) -> None:
            content = b"" if said is None else json.dumps(said).encode()
            self.send_response_only(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: t.Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        running.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield running
        finally:
            server.shutdown()


def _only(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise Failed(405, "1 error occurred:\n\t* unsupported operation\n\n")


def _parse(body: bytes) -> Data:
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise Failed(400, "failed to parse JSON input")
    return data


def _now() -> str:
    return dt.datetime.now(dt.timezone.utc).isoformat().replace("+00:00", "Z")
