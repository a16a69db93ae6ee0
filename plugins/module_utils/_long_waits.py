# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task that waits for long says so once."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
import typing as t

_SILENT_FOR = 5.0  # seconds

Say = t.Callable[[str], None]
Act = t.Callable[[], None]
Timer = t.Callable[[Act], t.ContextManager[None]]


class Watcher:
    """One thread that acts for each wait which lasts longer than this."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: dict[object, tuple[float, Act]] = {}
        # Held while it acts: what it says may be under way when a wait ends, and a process that
        # ended then would keep the lock of the queue that all of Ansible's processes write to.
        self._lock = threading.Condition()
        threading.Thread(target=self._watch, daemon=True).start()

    @contextlib.contextmanager
    def over(self, act: Act) -> t.Iterator[None]:
        """Act once the block has taken so long, and never after it."""
        wait = object()
        with self._lock:
            self._due[wait] = time.monotonic() + self._seconds, act
        try:
            yield
        finally:
            with self._lock:
                self._due.pop(wait, None)

    def _watch(self) -> None:
        with self._lock:
            while True:
                now = time.monotonic()
                for wait in [wait for wait, (moment, _act) in self._due.items() if moment <= now]:
                    self._due.pop(wait)[1]()
                moments = [moment for moment, _act in self._due.values()]
                # A wait that begins meanwhile is due later, so nothing has to wake this thread.
                self._lock.wait(min(moments, default=now + self._seconds) - now)


@functools.cache
def _watcher(_process: int) -> Watcher:
    return Watcher(_SILENT_FOR)


def after_silence(act: Act) -> t.ContextManager[None]:
    """Act once the block has taken long; a fork has no thread of its parent, so has its own."""
    return _watcher(os.getpid()).over(act)


def local_time(seconds: float) -> str:
    """The time of day in so many seconds, as the clock of this machine shows it."""
    return time.strftime("%H:%M:%S", time.localtime(time.time() + seconds))


class LongWaits:
    """What a task says about its waits: one line, if one of them is long.

    :param say: takes the line, from any thread. None: nobody would read it.
    """

    def __init__(self, say: Say | None = None, timer: Timer = after_silence) -> None:
        self._say, self._timer = say, timer
        self._unsaid = threading.Lock()

    def watch(self, line: t.Callable[[], str]) -> t.ContextManager[None]:
        """Say this line if the block takes long and no line was said before."""
        if self._say is None:
            return contextlib.nullcontext()
        say = self._say

        def say_once() -> None:
            if self._unsaid.acquire(blocking=False):
                say(line())

        return self._timer(say_once)
