# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A port of its own for one environment, which refuses connections while it is shut."""

from __future__ import annotations

import asyncio
import socket
import typing as t

if t.TYPE_CHECKING:
    from aiohttp import web

Listen = t.Callable[[socket.socket], "web.SockSite"]


class Door:
    """A port that stays reserved for as long as the server runs, listening or not."""

    def __init__(self, listen: Listen) -> None:
        self._listen = listen
        self._reserved = _bound(0)
        self._site: web.SockSite | None = None
        self._opening: asyncio.Task[None] | None = None
        self.port: int = self._reserved.getsockname()[1]

    async def open(self) -> None:
        self._forget_opening()
        await self._start()

    async def shut(self, seconds: float) -> None:
        """For so long."""
        self._forget_opening()
        if self._site is not None:
            await self._site.stop()
            self._site = None
        self._opening = asyncio.create_task(self._open_after(seconds))

    def _forget_opening(self) -> None:
        if self._opening is not None:
            self._opening.cancel()

    async def _open_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._opening = None
        await self._start()

    async def _start(self) -> None:
        if self._site is None:
            self._site = self._listen(_bound(self.port))
            await self._site.start()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("127.0.0.1", port))
    return bound
