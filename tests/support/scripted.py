# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that says to everybody what a test tells it to, byte by byte."""

from __future__ import annotations

import contextlib
import email.message
import http.server
import ssl
import threading
import typing as t


class Scripted(http.server.ThreadingHTTPServer):
    says = b""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[tuple[str, email.message.Message]] = []  # path and headers, in order

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Scripted

    def answer(self) -> None:
        self.server.heard.append((self.path, self.headers))
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.wfile.write(self.server.says)
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_LIST = answer  # noqa: N815

    def log_message(self, *arguments: t.Any) -> None:
        pass


@contextlib.contextmanager
def scripted(tls: ssl.SSLContext | None = None) -> t.Iterator[Scripted]:
    with Scripted() as running:
        if tls is not None:
            running.socket = tls.wrap_socket(running.socket, server_side=True)
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield running
        finally:
            running.shutdown()


def answer(status: str, header: bytes = b"", body: bytes = b"{}") -> bytes:
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (
        status.encode(),
        header,
        len(body),
        body,
    )
