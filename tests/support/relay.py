# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server between the collection and the stand-in that fails where a test says so."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import ssl
import threading
import typing as t
import urllib.parse

import requests

from support.stand_in import Environment

# What becomes of a request: None, it is passed on; a number, it is answered with this status and
# not passed on; "lose", it is passed on and its answer is lost; "hang", it is passed on and its
# answer does not come; an address, it is answered with a redirect to there; a Call, it is passed on
# or not, and the function is called instead of an answer; a Changed, it is passed on, and its
# answer is what the function makes of it.
Fault = t.Union[int, str, "Call", "Changed", None]
Rule = t.Callable[[str, str], Fault]


@dataclasses.dataclass(frozen=True)
class Call:
    function: t.Callable[[], None]
    passed_on: bool


class Said(t.NamedTuple):
    """An answer."""

    status: int
    body: bytes
    headers: t.Mapping[str, str] = {}


@dataclasses.dataclass(frozen=True)
class Changed:
    function: t.Callable[[Said], Said]


@dataclasses.dataclass
class Relay:
    """A running relay: its environment, and the headers of the requests that reached it."""

    environment: Environment
    headers: list[dict[str, str]] = dataclasses.field(default_factory=list)


class _Server(http.server.ThreadingHTTPServer):
    def __init__(self, behind: Environment, rule: Rule, scheme: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        address = urllib.parse.urlsplit(behind.url)
        self.origin = f"{address.scheme}://{address.netloc}"
        self.rule = rule
        self.ended = threading.Event()
        self.relay = Relay(
            Environment(f"{scheme}://127.0.0.1:{self.server_port}{address.path}", behind.api_token)
        )


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def answer(self) -> None:
        self.server.relay.headers.append(dict(self.headers))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.rule(self.command, self.path)
        if isinstance(fault, int):
            self.reply(fault, b"", {})
        elif isinstance(fault, Call) and not fault.passed_on:
            fault.function()
            self.close_connection = True
        elif isinstance(fault, str) and fault not in ("lose", "hang"):
            self.reply(302, b"", {"Location": fault})
        else:
            self.pass_on(body, fault)

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

    def pass_on(self, body: bytes, fault: Fault) -> None:
        kept = {
            name: value
            for name, value in self.headers.items()
            if name in ("Authorization", "Content-Type", "Accept")
        }
        passed = requests.request(
            self.command, self.server.origin + self.path, data=body, headers=kept, timeout=10
        )
        if fault is None or isinstance(fault, Changed):
            headers = {
                name: passed.headers[name]
                for name in ("Date", "Content-Type")
                if name in passed.headers
            }
            said = Said(passed.status_code, passed.content, headers)
            self.reply(*(fault.function(said) if fault else said))
            return
        if isinstance(fault, Call):
            fault.function()
        if fault == "hang":
            self.server.ended.wait(60)
        self.close_connection = True

    def reply(self, status: int, body: bytes, headers: t.Mapping[str, str]) -> None:
        self.send_response_only(status)
        for name, value in {
            **headers,
            "Content-Length": str(0 if status == 204 else len(body)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: t.Any) -> None:
        pass


@contextlib.contextmanager
def relay(
    behind: Environment, rule: Rule = lambda method, path: None, tls: ssl.SSLContext | None = None
) -> t.Iterator[Relay]:
    """Serve the environment behind under another address, over TLS if a context is given."""
    with _Server(behind, rule, "https" if tls else "http") as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.relay
        finally:
            server.ended.set()
            server.shutdown()
