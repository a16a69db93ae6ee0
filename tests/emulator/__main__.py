# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A local stand-in for Dynatrace: serves the token API until it is ended, with all state in memory.

Tests make environments of their own on it, set their clocks, look at what was asked, and make
requests fail (see faults.py). It serves the token API v2 and the older v1 on the same tokens; the
way through the platform's gateway (/platform/classic/environment-api/v2), which takes nothing but
Bearer; and a single sign-on (/sso/oauth2/token) that issues access tokens to OAuth clients. What
tests need beside is at /_emulator: tokens, oauthClients, platformTokens, accessTokens, clock,
behaviour, requests, secrets, environments.

Platform tokens are those of an account, at /iam/v1/accounts/{uuid} (see platform_tokens.py), and
what one may really do is told at /platform/management/v1/effective-permissions:resolve. ActiveGate
tokens are at /api/v2/activeGateTokens, /platform/classic/environment-api/v2/activeGateTokens and
/platform/fleet-management/v1/activegate/tokens. Where an API is not known for sure, a switch says
how it behaves: those of an account are in account.py, those of an environment in environment.py.

Prints one JSON line, with the address of an environment and an admin token for it, and serves.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import signal
import ssl

from aiohttp import web

from account import Account
from environment import Environment
from server import Settings, make_app


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/emulator",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one (default)"
    )
    parser.add_argument(
        "--preload",
        type=int,
        default=0,
        metavar="N",
        help="start with N tokens, named preloaded-0 and so on",
    )
    parser.add_argument(
        "--latency",
        type=float,
        default=0,
        metavar="MS",
        help="wait so many milliseconds before each answer",
    )
    parser.add_argument(
        "--page-cap",
        type=int,
        default=None,
        metavar="N",
        help="never put more than N tokens on a page",
    )
    parser.add_argument(
        "--tls", metavar="FILE", help="serve https, with the key and the certificates in this file"
    )
    return parser.parse_args()


def tls_context(file: str | None) -> ssl.SSLContext | None:
    if file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context


async def serve(arguments: argparse.Namespace) -> None:
    environment = Environment(Account(), "local")
    admin = environment.make_admin()
    environment.preload(arguments.preload)
    app = make_app(environment, Settings(arguments.latency / 1000, arguments.page_cap))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    tls = tls_context(arguments.tls)
    app["listen"] = functools.partial(web.SockSite, runner, ssl_context=tls)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", arguments.port, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    url = f"{'https' if arguments.tls else 'http'}://127.0.0.1:{port}"
    print(json.dumps({"environment_url": url, "api_token": admin}), flush=True)
    ended = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    await ended.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(parse_arguments()))
