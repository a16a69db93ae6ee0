# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a request that failed is sent again, and when."""

from __future__ import annotations

import datetime as dt
import email.utils
import random
import re
import time
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import RequestFailed

# Answers that may be others later: the server is busy, or what stands before it does not reach it.
BUSY = (429, 502, 503, 504)

_SHORTEST = 0.5  # seconds, before the second try
_LONGEST = 8.0  # seconds, between two tries if the server does not say when
_LONGEST_ASKED = 30.0  # seconds, if it does
_TRIES_TO_CONNECT = 4  # a host that is never reached is more likely a mistake than busy

_Done = t.TypeVar("_Done")


class Patience:
    """How much longer a task goes on trying what fails.

    :param max_wait: seconds, for all that failed in this task together: what was spent on it, and the waits.
    :param clock: seconds, from any start.
    :param jitter: from 0 to 1, so that many who wait for the same do not come back at once.
    """

    def __init__(
        self,
        max_wait: float,
        sleep: t.Callable[[float], None] = time.sleep,
        clock: t.Callable[[], float] = time.monotonic,
        jitter: t.Callable[[], float] = random.random,
        spent: float = 0.0,
    ) -> None:
        self._max_wait, self._sleep, self._clock, self._jitter = max_wait, sleep, clock, jitter
        self._spent = spent
        self._threads: list[Patience] = []

    def for_thread(self) -> Patience:
        """The patience of one of several threads that are at work at once, while this one rests."""
        thread = Patience(self._max_wait, self._sleep, self._clock, self._jitter, self.spent())
        self._threads.append(thread)
        return thread

    def spent(self) -> float:
        """Seconds; those that threads spent side by side count once."""
        return max([self._spent, *(thread.spent() for thread in self._threads)])

    def persist(self, send: t.Callable[[], _Done], harmless: bool) -> _Done:
        """What ``send`` returns, called again as long as that may help and can do no harm.

        :param harmless: whether the request may be carried out more than once.
        :raises RequestFailed: the last failure, which says how often and how long it was tried.
        """
        started = self._clock()
        tries = 0
        while True:
            tries += 1
            begun = self._clock()
            try:
                return send()
            except RequestFailed as error:
                failed = self._clock()
                self._spent = self.spent() + failed - begun
                left = self._max_wait - self._spent
                if (
                    left <= 0
                    or not (harmless or not error.maybe_done)
                    or not _may_help(error, tries)
                ):
                    raise _with_tries(error, tries, failed - started, self._max_wait) from None
                pause = min(left, pause_after(error, tries, self._jitter()))
            self._sleep(pause)
            self._spent += pause


def _may_help(error: RequestFailed, tries: int) -> bool:
    never_reached = error.status is None and not error.maybe_done
    return error.passing and not (never_reached and tries >= _TRIES_TO_CONNECT)


def pause_after(error: RequestFailed, tries: int, jitter: float) -> float:
    """Seconds until the next try: those that the server asks for, within bounds, and some more each time."""
    own = min(_LONGEST, _SHORTEST * 2.0 ** min(tries - 1, 10)) * (0.5 + jitter / 2)
    return min(error.asked_wait, _LONGEST_ASKED) + own if error.asked_wait else own


def asked_wait(headers: t.Mapping[str, str], now: dt.datetime) -> float:
    """How many seconds the server asks to wait, 0 where it does not or names a time that has passed.

    Seen in practice: ``Retry-After``, in seconds or as a date. ``X-RateLimit-Reset`` is a point in time, documented in microseconds
    since 1970 and read as seconds by a client of Dynatrace's own; here the size of the number tells.
    """
    retry_after = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,9})?", retry_after):
        return float(retry_after)
    until = _date(retry_after) or _reset(headers.get("X-RateLimit-Reset", "").strip())
    return max(0.0, (until - now).total_seconds()) if until else 0.0


def _date(text: str) -> dt.datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)


def _reset(text: str) -> dt.datetime | None:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        return None
    number = int(text)
    seconds = number / next(
        unit for above, unit in ((10**14, 10**6), (10**11, 10**3), (0, 1)) if number >= above
    )
    try:
        return dt.datetime.fromtimestamp(seconds, dt.timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None


def _with_tries(error: RequestFailed, tries: int, seconds: float, max_wait: float) -> RequestFailed:
    if tries == 1:
        return error
    text = f"{error} Tried {tries} times in {seconds:.1f} s (max_wait: {max_wait:g} s)."
    return RequestFailed(text, error.status, error.maybe_done, error.passing, error.asked_wait)
