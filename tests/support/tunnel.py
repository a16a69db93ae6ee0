# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proxies that lead every tunnel to one port of this machine, whatever host is asked for."""

from __future__ import annotations

import base64
import contextlib
import http.server
import selectors
import socket
import socketserver
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


class Socks(socketserver.ThreadingTCPServer):
    """A running SOCKS proxy of version 5, and the hosts that were asked of it."""

    daemon_threads = True

    def __init__(self, port: int, login: str) -> None:
        super().__init__(("127.0.0.1", 0), _SocksHandler)
        self.port, self.login = port, login
        self.targets: list[str] = []

    @property
    def server_port(self) -> int:
        return int(self.server_address[1])


class _SocksHandler(socketserver.StreamRequestHandler):
    """Documented in RFC 1928, and for the login in RFC 1929."""

    server: Socks
    with_login, accepted, refused, by_name = 2, 0, 1, 3

    def handle(self) -> None:
        _version, methods = self.rfile.read(2)
        self.rfile.read(methods)
        self.wfile.write(bytes([5, self.with_login]))
        self.rfile.read(1)
        login = f"{self._text()}:{self._text()}"
        if login != self.server.login:
            self.wfile.write(bytes([1, self.refused]))
            return
        self.wfile.write(bytes([1, self.accepted]))
        _version, _command, _reserved, kind = self.rfile.read(4)
        host = self._text() if kind == self.by_name else socket.inet_ntoa(self.rfile.read(4))
        self.server.targets.append(f"{host}:{int.from_bytes(self.rfile.read(2), 'big')}")
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as behind:
            self.wfile.write(bytes([5, self.accepted, 0, 1, 0, 0, 0, 0, 0, 0]))
            with contextlib.suppress(OSError):
                _lead(self.connection, behind)

    def _text(self) -> str:
        return self.rfile.read(self.rfile.read(1)[0]).decode()


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
    with Tunnel(port, login, tls) as running, _serving(running):
        yield running


@contextlib.contextmanager
def socks(port: int, login: str) -> t.Iterator[Socks]:
    """Run the SOCKS proxy, until the block ends."""
    with Socks(port, login) as running, _serving(running):
        yield running


@contextlib.contextmanager
def _serving(running: socketserver.BaseServer) -> t.Iterator[None]:
    threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield
    finally:
        running.shutdown()
