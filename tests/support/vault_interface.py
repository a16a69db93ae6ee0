# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests ask of a key vault, be it a namespace of OpenBao or the stand-in, and a door in front
of either that fails where a test says so."""

from __future__ import annotations

import abc
import contextlib
import email.message
import http.server
import json
import ssl
import threading
import typing as t

ALL = frozenset({"create", "read", "update", "delete", "list"})

# What becomes of a request: None, it is answered as it should be; a number, it is answered with
# this status and not carried out; "lose", it is carried out and its answer is lost; an address, it
# is answered with a redirect to there.
Fault = t.Union[int, str, None]
Rule = t.Callable[[str, str], Fault]

Data = dict[str, t.Any]
Reply = tuple[int, t.Any]  # a status, and what is sent as JSON, None for nothing
Requests = list[tuple[str, str]]  # each as its method and its path


class KeyVault(abc.ABC):
    """A running one, with an engine KV v2 at its mount."""

    url: str
    namespace: str | None
    mount: str
    token: str  # which may do with any secret what the policy allows
    role_id: str
    secret_id: str
    requests: Requests  # those that arrived
    client_tokens: list[str]  # those that logins were answered with
    policy: frozenset[str]

    @abc.abstractmethod
    def configure_role(self, **settings: t.Any) -> None:
        """Change the tokens that logins are answered with: token_type, token_no_default_policy."""

    @property
    def store(self) -> Data:
        """The option store that means this, with the token in it."""
        return {**self._address(), "token": self.token}

    def by_approle(self, **options: t.Any) -> Data:
        """The option store that means this, with a login by AppRole."""
        login = {"auth_method": "approle", "role_id": self.role_id, "secret_id": self.secret_id}
        return {**self._address(), **login, **options}

    def _address(self) -> Data:
        named = {"namespace": self.namespace} if self.namespace else {}
        return {"type": "hashi_vault", "url": self.url, **named}

    def methods(self) -> list[str]:
        """What was done with secrets, in order, without questions about what may be done and
        logins."""
        return [method for method, path in self.requests if path.startswith(f"/v1/{self.mount}/")]

    @abc.abstractmethod
    def plant(self, path: str, data: Data) -> int:
        """Write a secret behind the collection's back, of any form; return its version."""

    @abc.abstractmethod
    def delete(self, path: str) -> None:
        """Delete the latest version, as ``vault kv delete`` does: it can be undone."""

    @abc.abstractmethod
    def undelete(self, path: str, version: int) -> None: ...

    @abc.abstractmethod
    def destroy(self, path: str) -> None:
        """Destroy the latest version for good, as ``vault kv destroy`` does; what is known of it
        stays."""

    @abc.abstractmethod
    def configure(self, **settings: t.Any) -> None:
        """Change settings of the engine: cas_required, max_versions, delete_version_after."""

    @abc.abstractmethod
    def add_kv1(self, mount: str) -> None:
        """Mount an engine of KV version 1, with which the token may do everything."""

    @abc.abstractmethod
    def revoke(self, client_token: str) -> None: ...

    @abc.abstractmethod
    def lives(self, client_token: str) -> bool:
        """Whether this token can still be used."""

    @abc.abstractmethod
    def stored(self, folder: str = "") -> dict[str, Data | None]:
        """The latest version of every secret in this folder; None for one that was deleted."""

    @abc.abstractmethod
    def version(self, path: str, number: int) -> Data:
        """The data of this version."""

    @abc.abstractmethod
    def known(self, folder: str = "") -> dict[str, t.Any]:
        """What is known of every version of every secret in this folder, without the data."""


class Answers(t.Protocol):
    def __call__(
        self, method: str, address: str, headers: email.message.Message, body: bytes
    ) -> Reply:
        """What is answered to a request, once it is carried out."""


@contextlib.contextmanager
def door(
    answers: Answers, rule: Rule, requests: Requests, tls: ssl.SSLContext | None = None
) -> t.Iterator[str]:
    """Pass requests on until the block ends, but for those that the rule lets fail; note all.

    :returns: the address of the door.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in one piece, for which the client's system need not wait

        def answer(self) -> None:
            requests.append((self.command, self.path))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = rule(self.command, self.path)
            if isinstance(fault, int):
                self.reply(fault, {"errors": ["internal error"]})
            elif fault not in (None, "lose"):
                self.reply(307, None, str(fault) + self.path)
            else:
                status, said = answers(self.command, self.path, self.headers, body)
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
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
