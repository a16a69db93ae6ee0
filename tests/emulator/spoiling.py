# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the answers to requests are spoilt on their way, each kind of fault in its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import typing as t

from aiohttp import web
from multidict import CIMultiDict

from faults import Fault
from problems import Problem

_ABORT_ON_CLOSE = struct.pack("ii", 1, 0)
_HUGE_START, _HUGE_END = b'{"totalCount": 0, "pageSize": 200, "apiTokens": [', b"]}"
_MEGABYTE, _MEGABYTES = b" " * 1_000_000, 100


def spoil(fault: Fault, true: web.Response, path: str) -> web.Response | None:
    """The answer to give instead of the true one, None for none at all."""
    if fault.kind in ("reset", "silence"):
        return None
    if fault.kind == "answer":
        return _other_answer(fault, path)
    make = _MAKERS.get(fault.kind)
    return make(fault, true) if make else true


async def send(
    fault: Fault, request: web.Request, answer: web.Response | None
) -> web.StreamResponse:
    """Do what the fault wants with the answer, or leave it to be sent as usual."""
    if answer is None:
        await (_silence(request) if fault.kind == "silence" else _reset(request))
        return web.Response()  # which reaches nobody
    sender = _SENDERS.get(fault.kind)
    if sender is None:
        return answer
    with contextlib.suppress(ConnectionError):  # the client does not wait for all of it
        return await sender(fault, request, answer)
    return answer


def _other_answer(fault: Fault, path: str) -> web.Response:
    headers = CIMultiDict(fault.headers)
    headers.setdefault("Content-Type", "application/json")
    if fault.body is not None:
        return web.Response(status=fault.status, headers=headers, body=fault.body.encode())
    problem = Problem(fault.status, "The stand-in was told to answer so.")
    return web.Response(
        status=fault.status, headers=headers, body=json.dumps(problem.envelope_at(path)).encode()
    )


def _redirect(_fault: Fault, _true: web.Response) -> web.Response:
    return web.Response(status=302, headers={"Location": "http://elsewhere.invalid/"})


def _huge(_fault: Fault, _true: web.Response) -> web.Response:
    return web.Response(content_type="application/json")


def _half(answer: web.Response) -> bytes:
    body = _body(answer)
    return body[: len(body) // 2]


def _cut_json(_fault: Fault, true: web.Response) -> web.Response:
    return web.Response(status=true.status, headers=true.headers, body=_half(true))


def _content_type(_fault: Fault, true: web.Response) -> web.Response:
    true.headers["Content-Type"] = "text/html"
    return true


def _empty(_fault: Fault, true: web.Response) -> web.Response:
    return web.Response(status=true.status)


async def _reset(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _ABORT_ON_CLOSE
        )
        request.transport.abort()


async def _silence(request: web.Request) -> None:
    while request.transport is not None:
        await asyncio.sleep(0.02)


async def _send_cut(
    _fault: Fault, request: web.Request, answer: web.Response
) -> web.StreamResponse:
    request.protocol.close()  # after this answer, whose headers do not tell
    cut = await _begin(request, answer, len(_body(answer)))
    await cut.write(_half(answer))
    return cut


async def _send_drip(
    fault: Fault, request: web.Request, answer: web.Response
) -> web.StreamResponse:
    body = _body(answer)
    dripping = await _begin(request, answer, len(body))
    size = -(-len(body) // fault.pieces) or 1
    for start in range(0, len(body), size):
        await asyncio.sleep(fault.pause if start else 0)
        await dripping.write(body[start : start + size])
    return dripping


async def _send_huge(
    fault: Fault, request: web.Request, answer: web.Response
) -> web.StreamResponse:
    length = len(_HUGE_START) + _MEGABYTES * len(_MEGABYTE) + len(_HUGE_END)
    huge = await _begin(request, answer, None if fault.chunked else length)
    await huge.write(_HUGE_START)
    for _megabyte in range(_MEGABYTES):
        await huge.write(_MEGABYTE)
    await huge.write(_HUGE_END)
    return huge


async def _begin(
    request: web.Request, answer: web.Response, length: int | None
) -> web.StreamResponse:
    """An answer with the same headers, which are sent; without a length, it will be chunked."""
    begun = web.StreamResponse(status=answer.status, headers=answer.headers)
    begun.content_length = length
    if answer.keep_alive is False:
        begun.force_close()
    await begun.prepare(request)
    return begun


def _body(answer: web.Response) -> bytes:
    return answer.body if isinstance(answer.body, bytes) else b""


_MAKERS: dict[str, t.Callable[[Fault, web.Response], web.Response]] = {
    "redirect": _redirect,
    "huge": _huge,
    "cut_json": _cut_json,
    "content_type": _content_type,
    "empty": _empty,
}
_SENDERS: dict[
    str, t.Callable[[Fault, web.Request, web.Response], t.Awaitable[web.StreamResponse]]
] = {
    "cut": _send_cut,
    "drip": _send_drip,
    "huge": _send_huge,
}
