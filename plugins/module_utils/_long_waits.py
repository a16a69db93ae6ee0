# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task that waits for long says so once."""

from __future__ import annotations

import contextlib
import threading
import time
import typing as t

_SILENT_FOR = 5.0  # seconds

Say = t.Callable[[str], None]
Timer = t.Callable[[float, t.Callable[[], None]], t.ContextManager[None]]


@contextlib.contextmanager
def in_a_thread(seconds: float, act: t.Callable[[], None]) -> t.Iterator[None]:
    """Act after these seconds, unless the block has ended by then."""
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        # What it says may be under way, and a process that ends meanwhile would keep the lock of
        # the queue that all of Ansible's processes write to.
        timer.join()


def local_time(seconds: float) -> str:
    """The time of day in so many seconds, as the clock of this machine shows it."""
    return time.strftime("%H:%M:%S", time.localtime(time.time() + seconds))


class LongWaits:
    """What a task says about its waits: one line, if one of them is long.

    :param say: takes the line, from any thread. None: nobody would read it.
    """

    def __init__(self, say: Say | None = None, timer: Timer = in_a_thread) -> None:
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

        return self._timer(_SILENT_FOR, say_once)
