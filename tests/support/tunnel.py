# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy that leads every tunnel to one port of this machine, whatever host is asked for."""

from __future__ import annotations

import base64
import contextlib
import http.server
import selectors
import socket
import ssl
import threading
import typing as t


class Tunnel(http.server.ThreadingHTTPServer):
    """A running proxy: its address, whom it asks for a login, and what was asked of it."""

    daemon_threads = True

    def __init__(self, port: int, login: str | None, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port, self.login = port, login
        self.targets: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}"
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Tunnel

    def do_CONNECT(self) -> None:
        self.server.targets.append(self.path)
        self.server.headers.append(dict(self.headers))
        expected = (
            self.server.login and f"Basic {base64.b64encode(self.server.login.encode()).decode()}"
        )
        self.close_connection = True
        if expected and self.headers.get("Proxy-Authorization") != expected:
            self.send_error(407)
            return
        self.send_response_only(200)
        self.end_headers()
        with (
            socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as behind,
            contextlib.suppress(OSError),
        ):
            _lead(self.connection, behind)

    def log_message(self, *arguments: t.Any) -> None:
        pass


def _lead(one: socket.socket, other: socket.socket) -> None:
    """Hand on in both directions what comes, until one end is closed."""
    waiting = selectors.DefaultSelector()
    for end in (one, other):
        waiting.register(end, selectors.EVENT_READ)
    while True:
        has_more = isinstance(one, ssl.SSLSocket) and one.pending()
        ready = (
            [one]
            if has_more
            else [t.cast("socket.socket", key.fileobj) for key, _events in waiting.select(30)]
        )
        for source in ready:
            data = source.recv(65536)
            if not data:
                return
            (other if source is one else one).sendall(data)


@contextlib.contextmanager
def tunnel(
    port: int, login: str | None = None, tls: ssl.SSLContext | None = None
) -> t.Iterator[Tunnel]:
    """Run the proxy, until the block ends."""
    with Tunnel(port, login, tls) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield running
        finally:
            running.shutdown()
