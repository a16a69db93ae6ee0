# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draws the pictures of docs/audit.md: the page of the audit in a real browser, by make pictures.

Needs Chromium. CHROMIUM names it, if it is not chromium on the path. With a number of tokens,
measures how long their page takes to write and to open, and draws nothing.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import typing as t

import aiohttp

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import stand_in

ROOT = pathlib.Path(__file__).parents[1]
BIN = pathlib.Path(sys.executable).parent
READ = ["metrics.read", "entities.read"]
WRITE = ["settings.read", "settings.write", "WriteConfig"]

# By name, what the tokens of the example have; the others expire within a year and were used today.
EXAMPLE: dict[str, dict[str, t.Any]] = {
    "monaco-ci": {"scopes": WRITE, "expires": "now+9d", "owner": "ci"},
    "grafana": {"expires": "now+21d", "owner": "sre"},
    "terraform": {"scopes": [*WRITE, "ReadConfig"], "expires": "now+120d", "owner": "ci"},
    "alice-experiments": {"expires": None, "last_used": None, "personal_access_token": True},
    "bob-notebook": {"expires": "now+300d", "last_used": "now-140d", "owner": "bob"},
    "smoke-tests": {"last_used": None, "expires": "now+60d", "owner": "ci"},
    "issued-today": {"created": "now-2h", "last_used": None, "expires": "now+90d", "owner": "sre"},
    "backup": {"expires": None, "owner": "sre"},
    "old-dashboard": {"expires": "now-40d", "last_used": "now-60d", "owner": "bob"},
    "left-over": {"enabled": False, "expires": None, "last_used": None, "owner": "bob"},
    **{
        f"collector-{number}": {
            "scopes": ["metrics.ingest", "logs.ingest"],
            "expires": f"now+{days}d",
        }
        for number, days in enumerate((35, 47, 76, 76, 110, 180, 181, 250, 251, 330), 1)
    },
}


# By picture: its width and height, whether it is of the dark theme, and the medium.
PICTURES = {
    "audit.png": (1280, 1000, False, "screen"),
    "audit-dark.png": (1280, 700, True, "screen"),
    "audit-phone.png": (390, 1300, False, "screen"),
    "audit-print.png": (794, 1000, False, "print"),
}
ADDRESS = "https://abc12345.live.dynatrace.com"


def plant(environment: stand_in.Environment, count: int | None) -> None:
    if count is None:
        for name, facts in EXAMPLE.items():
            known = {"created": "now-200d", "last_used": "now-1h", "owner": "ops", **facts}
            environment.plant(name, **{"scopes": READ, **_given(known)})
        return
    for number in range(count):
        facts = list(EXAMPLE.values())[number % len(EXAMPLE)]
        known = {"created": "now-200d", "last_used": "now-1h", **facts, "owner": f"o{number % 50}"}
        environment.plant(f"service-{number}", **{"scopes": READ, **_given(known)})


def _given(facts: dict[str, t.Any]) -> dict[str, t.Any]:
    return {name: value for name, value in facts.items() if value is not None}


def write_page(environment: stand_in.Environment, folder: pathlib.Path) -> pathlib.Path:
    page = folder / "page.html"
    files = {"dynatrace_audit_html": str(page), "dynatrace_audit_json": str(folder / "page.json")}
    subprocess.run(
        [BIN / "ansible-playbook", "community.dynatrace.audit_tokens", "-e", json.dumps(files)],
        env={**os.environ, **environment.variables, "ANSIBLE_LOCALHOST_WARNING": "0"},
        check=True,
    )
    page.write_text(page.read_text().replace(environment.url, ADDRESS))
    return page


class Browser:
    """A page of a running Chromium, by its remote protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0

    async def call(self, method: str, **parameters: t.Any) -> dict[str, t.Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(answer["error"]["message"])
                return dict(answer["result"])

    async def event(self, name: str) -> None:
        while (await self._socket.receive_json()).get("method") != name:
            pass

    async def value(self, expression: str) -> t.Any:
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    async def busy(self) -> float:
        """Seconds of processor time that the page has taken."""
        metrics = (await self.call("Performance.getMetrics"))["metrics"]
        return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")

    async def show(
        self, page: pathlib.Path, width: int, height: int, *, dark: bool, medium: str
    ) -> None:
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", media=medium, features=[theme])
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        await self.call("Page.enable")
        await self.call("Page.navigate", url=page.as_uri())
        await self.event("Page.loadEventFired")


@contextlib.asynccontextmanager
async def browser(folder: pathlib.Path) -> t.AsyncIterator[Browser]:
    program = [os.environ.get("CHROMIUM", "chromium"), "--headless", "--no-sandbox"]
    options = ["--remote-debugging-port=0", f"--user-data-dir={folder}", "--hide-scrollbars"]
    process = subprocess.Popen([*program, *options, "about:blank"], stderr=subprocess.DEVNULL)
    try:
        port = await _port(folder / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as listed:
                (page,) = [one for one in await listed.json() if one["type"] == "page"]
            address = page["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=0) as socket:
                yield Browser(socket)
    finally:
        process.terminate()
        process.wait(10)


async def _port(file: pathlib.Path) -> str:
    for _try in range(300):
        if file.exists() and file.read_text().count("\n"):
            return file.read_text().split("\n")[0]
        await asyncio.sleep(0.1)
    raise TimeoutError("Chromium does not start")


async def draw(page: pathlib.Path, folder: pathlib.Path) -> None:
    async with browser(folder / "profile") as shown:
        for name, (width, height, dark, medium) in PICTURES.items():
            await shown.show(page, width, height, dark=dark, medium=medium)
            wide = await shown.value("document.documentElement.scrollWidth")
            assert wide <= width, f"{name}: the page is {wide} pixels wide"
            overlaps = await shown.value(OVERLAPS)
            assert not overlaps, f"{name}: labels overlap: {overlaps}"
            if medium == "screen":
                await shown.value("document.querySelector('td details').open = true")
            clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
            picture = await shown.call(
                "Page.captureScreenshot", captureBeyondViewport=True, clip=clip
            )
            (ROOT / "docs" / name).write_bytes(base64.b64decode(picture["data"]))


# The labels of months that reach into the next.
OVERLAPS = """
[...document.querySelectorAll(".ends i")].filter(i => i.getClientRects().length).filter(
  (i, n, all) => n && all[n - 1].getBoundingClientRect().right >= i.getBoundingClientRect().left
).map(i => i.textContent).join()
"""


async def measure(page: pathlib.Path, folder: pathlib.Path) -> None:
    """Print how long the page takes to open, and the processor time of that and of a filter."""
    async with browser(folder / "profile") as shown:
        await shown.call("Performance.enable", timeDomain="threadTicks")
        await shown.show(page, 1280, 900, dark=False, medium="screen")
        await shown.value("document.body.offsetHeight")
        opened = await shown.busy()
        painted, loaded = [await shown.value(moment) / 1000 for moment in (PAINTED, LOADED)]
        await shown.value("document.querySelector('[value=unused]').click()")
        await shown.value("document.body.offsetHeight")
        filtered = await shown.busy() - opened
    size = page.stat().st_size / 1e6
    print(f"{size:.1f} MB, shown after {painted:.1f} s, whole after {loaded:.1f} s")
    print(f"Processor time: {opened:.1f} s to open, {filtered:.1f} s for a filter")


# In milliseconds from the click that opens the page.
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def main() -> None:
    """With a number, an environment of so many tokens is measured instead of drawn."""
    count = int(sys.argv[1]) if sys.argv[1:] else None
    with tempfile.TemporaryDirectory() as made, stand_in.serve() as server:
        folder = pathlib.Path(made)
        environment = stand_in.new_environment(server)
        plant(environment, count)
        page = write_page(environment, folder)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"The playbook took {used.ru_utime + used.ru_stime:.1f} s of processor time.")
        asyncio.run((draw if count is None else measure)(page, folder))


if __name__ == "__main__":
    main()
