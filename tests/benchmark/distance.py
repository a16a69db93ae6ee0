# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server at a distance: what goes to it arrives late, and costs this machine almost nothing."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import typing as t
import urllib.parse


@contextlib.contextmanager
def at_a_distance(url: str, seconds: float) -> t.Iterator[str]:
    """The address of a process that hands everything on to this server, so much later."""
    server = urllib.parse.urlsplit(url)
    command = [sys.executable, __file__, str(server.hostname), str(server.port), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.terminate()


async def serve(host: str, port: int, seconds: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(host, port)
        await asyncio.gather(hand_on(reader, requests, seconds), hand_on(answers, writer, 0))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def hand_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float
) -> None:
    with contextlib.suppress(ConnectionError):
        while part := await reader.read(65536):
            await asyncio.sleep(seconds)
            writer.write(part)
    writer.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
