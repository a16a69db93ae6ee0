# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a request that failed is sent again, and when."""

from __future__ import annotations

import copy
import datetime as dt
import email.utils
import random
import re
import time
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._long_waits import (
    LongWaits,
    local_time,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import RequestFailed

# Answers that may be others later: the server is busy, or what stands before it does not reach it.
BUSY = (429, 502, 503, 504)

_SHORTEST = 0.5  # seconds, before the second try
_LONGEST = 8.0  # seconds, between two tries if the server does not say when
_LONGEST_RESET = 30.0  # seconds, if it says so in a form whose unit is doubtful
_FAR_FUTURE = dt.datetime(9999, 1, 1, tzinfo=dt.timezone.utc)
_TRIES_TO_CONNECT = 4  # a host that is never reached is more likely a mistake than busy

_Result = t.TypeVar("_Result")


class RetryBudget:
    """How much longer a task repeats requests that fail.

    :param max_wait: seconds, for all failed requests of this task together, with the waits between
        them.
    :param clock: seconds, from any start.
    :param jitter: from 0 to 1, so that many who wait for the same do not come back at once.
    :param timeout: seconds that one request takes at most.
    :param long_waits: says what is waited for, and until when.
    """

    def __init__(
        self,
        max_wait: float,
        sleep: t.Callable[[float], None] = time.sleep,
        clock: t.Callable[[], float] = time.monotonic,
        jitter: t.Callable[[], float] = random.random,
        timeout: float = 0.0,
        long_waits: LongWaits | None = None,
    ) -> None:
        self._max_wait, self._sleep, self._clock, self._jitter = max_wait, sleep, clock, jitter
        self._timeout, self._long_waits = timeout, long_waits or LongWaits()
        self._spent = 0.0
        self._threads: list[RetryBudget] = []

    def for_thread(self) -> RetryBudget:
        """The budget of one of several threads that work side by side, while this one rests."""
        thread = copy.copy(self)
        thread._spent, thread._threads = self.spent(), []
        self._threads.append(thread)
        return thread

    def spent(self) -> float:
        """Seconds; those that threads spent side by side count once."""
        return max([self._spent, *(thread.spent() for thread in self._threads)])

    def run(
        self,
        send: t.Callable[[], _Result],
        harmless: bool,
        awaited: t.Callable[[], str] = lambda: "an answer",
    ) -> _Result:
        """The result of ``send``, called again as long as that may help and can do no harm.

        :param harmless: whether the request may be carried out more than once.
        :param awaited: what is waited for, at this moment.
        :raises RequestFailed: the last failure, which says how often and how long it was tried.
        """
        started = self._clock()
        failures: list[RequestFailed] = []
        latest = local_time(self._left() + self._timeout)
        with self._long_waits.watch(
            lambda: (
                f"waiting for {awaited()} ({_so_far(failures)}) until {latest} at the latest; "
                f"max_wait is {self._max_wait:g} s."
            )
        ):
            while True:
                begun = self._clock()
                try:
                    return send()
                except RequestFailed as error:
                    failed = self._clock()
                    failures.append(error)
                    self._spent = self.spent() + failed - begun
                    if not self._may_go_on(error, harmless, len(failures)):
                        raise self._last(failures, failed - started) from None
                    own = pause_after(len(failures), self._jitter())
                    pause = min(self._left(), error.asked_wait + own)
                self._sleep(pause)
                self._spent += pause

    def _left(self) -> float:
        return max(0.0, self._max_wait - self.spent())

    def _may_go_on(self, error: RequestFailed, harmless: bool, tries: int) -> bool:
        left = self._left()
        return left > 0 and error.asked_wait <= left and _may_repeat(error, harmless, tries)

    def _last(self, failures: t.Sequence[RequestFailed], seconds: float) -> RequestFailed:
        """The last failure, with what was tried in vain."""
        error, tries, limit = failures[-1], len(failures), f"max_wait: {self._max_wait:g} s"
        added = [f"Tried {tries} times in {seconds:.1f} s ({limit})."] if tries > 1 else []
        if error.transient and error.asked_wait > self._left():
            added.append(
                f"The server asks to wait {error.asked_wait:.0f} s, and {self._left():.0f} s are "
                f"left ({limit}), so it was not tried again."
            )
        if not added:
            return error
        return RequestFailed(
            " ".join([str(error), *added]),
            error.status,
            error.maybe_done,
            error.transient,
            error.asked_wait,
        )


def _so_far(failures: t.Sequence[RequestFailed]) -> str:
    if not failures:
        return "no answer yet"
    status = failures[-1].status
    return f"failed tries: {len(failures)}" + (f", the last with status {status}" if status else "")


def _may_repeat(error: RequestFailed, harmless: bool, tries: int) -> bool:
    if error.maybe_done and not harmless:
        return False
    never_reached = error.status is None and not error.maybe_done
    return error.transient and not (never_reached and tries >= _TRIES_TO_CONNECT)


def pause_after(tries: int, jitter: float) -> float:
    """Seconds until the next try, beside those that the server asks for: more each time."""
    return min(_LONGEST, _SHORTEST * 2.0 ** min(tries - 1, 10)) * (0.5 + jitter / 2)


def asked_wait(headers: t.Mapping[str, str], now: dt.datetime) -> float:
    """How many seconds the server asks to wait; 0 if it does not, or names a time that has passed.

    Seen in practice: ``Retry-After``, in seconds or as a date. ``X-RateLimit-Reset`` is a point in
    time, documented in microseconds since 1970 and read as seconds by a client of Dynatrace's own;
    here the size of the number tells, and it asks for 30 seconds at most.
    """
    retry_after = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,9})?", retry_after):
        return float(retry_after)
    until = _http_date(retry_after)
    if until:
        return max(0.0, (until - now).total_seconds())
    reset = _reset(headers.get("X-RateLimit-Reset", "").strip())
    return min(_LONGEST_RESET, max(0.0, (reset - now).total_seconds())) if reset else 0.0


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
