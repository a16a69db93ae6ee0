# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the stand-in can do alone, so that it can be seen not to be what is measured elsewhere."""

from __future__ import annotations

import asyncio
import time

import aiohttp

from support.stand_in import API, Environment, serve

REQUESTS = 2000
CONNECTIONS = 8


def main() -> None:
    with serve() as environment:
        seconds = asyncio.run(create_many(environment))
    print(
        f"\nThe stand-in alone: {REQUESTS / seconds:.0f} creations a second "
        f"over {CONNECTIONS} connections"
    )


async def create_many(environment: Environment) -> float:
    headers = {"Authorization": f"Api-Token {environment.api_token}"}
    left = iter(range(REQUESTS))

    async def create(session: aiohttp.ClientSession) -> None:
        for number in left:
            body = {"name": f"alone-{number}", "scopes": ["metrics.read"]}
            async with session.post(environment.url + API, json=body) as response:
                response.raise_for_status()
                await response.read()

    async with aiohttp.ClientSession(headers=headers) as session:
        started = time.perf_counter()
        await asyncio.gather(*(create(session) for _connection in range(CONNECTIONS)))
        return time.perf_counter() - started
