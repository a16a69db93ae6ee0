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
_FAR_FUTURE = dt.datetime(9999, 1, 1, tzinfo=dt.timezone.utc)
_TRIES_TO_CONNECT = 4  # a host that is never reached is more likely a mistake than busy

_Result = t.TypeVar("_Result")


class RetryBudget:
    """How much longer a task repeats requests that fail.

    :param max_wait: seconds, for all failed requests of this task together, with the waits between
        them.
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
        self._threads: list[RetryBudget] = []

    def for_thread(self) -> RetryBudget:
        """The budget of one of several threads that work side by side, while this one rests."""
        thread = RetryBudget(self._max_wait, self._sleep, self._clock, self._jitter, self.spent())
        self._threads.append(thread)
        return thread

    def spent(self) -> float:
        """Seconds; those that threads spent side by side count once."""
        return max([self._spent, *(thread.spent() for thread in self._threads)])

    def run(self, send: t.Callable[[], _Result], harmless: bool) -> _Result:
        """The result of ``send``, called again as long as that may help and can do no harm.

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
                if left <= 0 or not _may_repeat(error, harmless, tries):
                    raise _with_tries(error, tries, failed - started, self._max_wait) from None
                pause = min(left, pause_after(error, tries, self._jitter()))
            self._sleep(pause)
            self._spent += pause


def _may_repeat(error: RequestFailed, harmless: bool, tries: int) -> bool:
    if error.maybe_done and not harmless:
        return False
    never_reached = error.status is None and not error.maybe_done
    return error.transient and not (never_reached and tries >= _TRIES_TO_CONNECT)


def pause_after(error: RequestFailed, tries: int, jitter: float) -> float:
    """Seconds until the next try: as the server asks, within bounds, and some more each time."""
    own = min(_LONGEST, _SHORTEST * 2.0 ** min(tries - 1, 10)) * (0.5 + jitter / 2)
    return min(error.asked_wait, _LONGEST_ASKED) + own


def asked_wait(headers: t.Mapping[str, str], now: dt.datetime) -> float:
    """How many seconds the server asks to wait; 0 if it does not, or names a time that has passed.

    Seen in practice: ``Retry-After``, in seconds or as a date. ``X-RateLimit-Reset`` is a point in
    time, documented in microseconds since 1970 and read as seconds by a client of Dynatrace's own;
    here the size of the number tells.
    """
    retry_after = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,9})?", retry_after):
        return float(retry_after)
    until = _http_date(retry_after) or _reset(headers.get("X-RateLimit-Reset", "").strip())
    return max(0.0, (until - now).total_seconds()) if until else 0.0


def _http_date(text: str) -> dt.datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return None
    except OverflowError:
        return _FAR_FUTURE
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)


def _reset(text: str) -> dt.datetime | None:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        return None
    number = int(text)
    try:
        return dt.datetime.fromtimestamp(number / _units_in_a_second(number), dt.timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None


def _units_in_a_second(number: int) -> int:
    if number >= 10**14:
        return 10**6
    return 10**3 if number >= 10**11 else 1


def _with_tries(error: RequestFailed, tries: int, seconds: float, max_wait: float) -> RequestFailed:
    if tries == 1:
        return error
    text = f"{error} Tried {tries} times in {seconds:.1f} s (max_wait: {max_wait:g} s)."
    return RequestFailed(text, error.status, error.maybe_done, error.transient, error.asked_wait)
