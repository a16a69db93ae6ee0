# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bodies of requests."""

from __future__ import annotations

import typing as t

from aiohttp import web

from problems import Problem


async def read_json(request: web.Request) -> t.Any:
    if request.content_type != "application/json":
        raise Problem(415, f"The media type {request.content_type} is not supported")
    try:
        return await request.json()
    except ValueError:
        raise Problem(400, "Could not parse JSON") from None
