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

# What becomes of a request: None, it is passed on; a number, it is answered with this status and not passed on;
# "lose", it is passed on and its answer is lost; "hang", it is passed on and its answer does not come;
# an address, it is answered with a redirect to there.
Fault = t.Union[int, str, None]
Rule = t.Callable[[str, str], Fault]


@dataclasses.dataclass
class Relay:
    """A running relay: its environment, and the headers of the requests that reached it."""

    environment: Environment
    headers: list[dict[str, str]] = dataclasses.field(default_factory=list)


@contextlib.contextmanager
def relay(behind: Environment, rule: Rule = lambda method, path: None, tls: ssl.SSLContext | None = None) -> t.Iterator[Relay]:
    """Serve the environment behind under another address, over TLS if a context is given."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            running.headers.append(dict(self.headers))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = rule(self.command, self.path)
            if isinstance(fault, int):
                self.reply(fault, b"", {})
                return
            if fault not in (None, "lose", "hang"):
                self.reply(302, b"", {"Location": str(fault)})
                return
            kept = {name: value for name, value in self.headers.items() if name in ("Authorization", "Content-Type", "Accept")}
            passed = requests.request(self.command, origin + self.path, data=body, headers=kept, timeout=10)
            if fault == "hang":
                ended.wait(60)
            if fault in ("lose", "hang"):
                self.close_connection = True
                return
            self.reply(
                passed.status_code,
                passed.content,
                {name: passed.headers[name] for name in ("Date", "Content-Type") if name in passed.headers},
            )

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

        def reply(self, status: int, body: bytes, headers: t.Mapping[str, str]) -> None:
            self.send_response_only(status)
            for name, value in {**headers, "Content-Length": str(0 if status == 204 else len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: t.Any) -> None:
            pass

    ended = threading.Event()
    address = urllib.parse.urlsplit(behind.url)
    origin = f"{address.scheme}://{address.netloc}"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}{address.path}"
        running = Relay(Environment(url, behind.api_token))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield running
        finally:
            ended.set()
            server.shutdown()
