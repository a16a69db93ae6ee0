# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import re
import threading
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._http.retry import (
    RetryBudget,
    asked_wait,
    pause_after,
)
from ansible_collections.community.dynatrace.plugins.module_utils._long_waits import (
    LongWaits,
    Watcher,
    after_silence,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import RequestFailed
from hypothesis import given
from hypothesis import strategies as st

NOW = dt.datetime(2026, 11, 22, 12, 0, 0, tzinfo=dt.timezone.utc)
BUSY = RequestFailed("busy", status=503, maybe_done=True, transient=True)
LOST = RequestFailed("lost", maybe_done=True, transient=True)
UNREACHABLE = RequestFailed("unreachable", transient=True)
THROTTLED = RequestFailed("throttled", status=429, transient=True, asked_wait=5.0)
FORBIDDEN = RequestFailed("forbidden", status=403)


@dataclasses.dataclass
class Time:
    """A clock that only sleeping and trying moves, and what was slept."""

    now: float = 0.0
    slept: list[float] = dataclasses.field(default_factory=list)
    said: list[str] = dataclasses.field(default_factory=list)
    alarms: list[tuple[float, t.Callable[[], None]]] = dataclasses.field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        for moment, act in self.alarms:
            if moment <= self.now:
                act()

    @contextlib.contextmanager
    def timer(self, act: t.Callable[[], None]) -> t.Iterator[None]:
        self.alarms.append((self.now + 5, act))
        yield
        self.alarms.pop()

    def budget(self, max_wait: float, jitter: float = 1.0) -> RetryBudget:
        long_waits = LongWaits(self.said.append, self.timer)
        return RetryBudget(
            max_wait,
            self.sleep,
            lambda: self.now,
            lambda: jitter,
            timeout=30,
            long_waits=long_waits,
        )


def failing(time: Time, *errors: RequestFailed, seconds: float = 0.0) -> t.Callable[[], str]:
    """A request that takes so long, and fails in these ways before it succeeds."""
    coming = iter(errors)

    def send() -> str:
        time.pass_by(seconds)
        error = next(coming, None)
        if error is not None:
            raise error
        return "done"

    return send


def test_a_transient_failure_is_tried_again_after_ever_longer_pauses() -> None:
    time = Time()
    assert time.budget(60).run(failing(time, *[BUSY] * 6), harmless=True) == "done"
    assert time.slept == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]


@pytest.mark.parametrize(
    ("error", "harmless"),
    [
        (FORBIDDEN, True),
        (FORBIDDEN, False),
        (BUSY, False),
        (LOST, False),
        (RequestFailed("no JSON", status=200, maybe_done=True), True),
    ],
)
def test_what_would_fail_again_or_may_have_been_carried_out_is_not_tried_again(
    error: RequestFailed, harmless: bool
) -> None:
    time = Time()
    with pytest.raises(RequestFailed) as raised:
        time.budget(60).run(failing(time, error), harmless)
    assert raised.value is error
    assert time.slept == []


@pytest.mark.parametrize("error", [THROTTLED, UNREACHABLE])
def test_what_was_surely_not_carried_out_is_tried_again_whatever_it_would_have_done(
    error: RequestFailed,
) -> None:
    time = Time()
    assert time.budget(60).run(failing(time, error), harmless=False) == "done"


def test_a_host_that_is_never_reached_is_given_up_soon() -> None:
    time = Time()
    with pytest.raises(
        RequestFailed, match=r"unreachable Tried 4 times in 3\.5 s \(max_wait: 60 s\)\."
    ):
        time.budget(60).run(failing(time, *[UNREACHABLE] * 9), harmless=True)


def test_the_server_says_how_long_to_wait_within_bounds() -> None:
    time = Time()
    longer = RequestFailed("throttled", status=429, transient=True, asked_wait=40.0)
    time.budget(60, jitter=0).run(failing(time, THROTTLED, longer), harmless=True)
    assert time.slept == [5.25, 40.5]


def test_a_server_that_asks_for_more_than_is_left_is_not_asked_again() -> None:
    time = Time()
    longer = RequestFailed("Busy.", status=503, transient=True, asked_wait=300.0)
    with pytest.raises(RequestFailed) as raised:
        time.budget(60).run(failing(time, longer), harmless=True)
    assert str(raised.value) == (
        "Busy. The server asks to wait 300 s, and 60 s are left (max_wait: 60 s), so it was not "
        "tried again."
    )
    twice = r"^Busy\. Tried 2 times in 5\.5 s .* asks to wait 300 s"
    with pytest.raises(RequestFailed, match=twice):
        time.budget(60).run(failing(time, THROTTLED, longer), harmless=True)
    assert time.slept == [5.5]


def test_a_long_wait_says_once_what_for_and_until_when() -> None:
    time = Time()
    budget = time.budget(60)
    for seconds in (1.0, 4.0):
        budget.run(failing(time, seconds=seconds), True, lambda: "GET /first")
    assert time.said == []
    budget.run(failing(time, BUSY, BUSY, seconds=2.0), True, lambda: "GET /second")
    budget.for_thread().run(failing(time, seconds=6.0), True, lambda: "GET /third")
    (said,) = time.said
    assert re.fullmatch(
        r"waiting for GET /second \(failed tries: 2, the last with status 503\) until "
        r"\d\d:\d\d:\d\d at the latest; max_wait is 60 s\.",
        said,
    )


@pytest.mark.parametrize(
    ("errors", "said"), [([], "(no answer yet)"), ([LOST, LOST], "(failed tries: 2)")]
)
def test_a_long_wait_says_what_came_of_it_so_far(errors: list[RequestFailed], said: str) -> None:
    time = Time()
    time.budget(60).run(failing(time, *errors, seconds=2.0 if errors else 6), harmless=True)
    assert said in time.said[0]


def test_where_nobody_reads_it_nothing_is_timed() -> None:
    def timer(_act: t.Callable[[], None]) -> t.NoReturn:
        raise AssertionError

    with LongWaits(None, timer).watch(lambda: "never"):
        pass


def test_the_watcher_acts_during_a_block_that_lasts_and_not_after_it() -> None:
    watcher, acted, other = Watcher(0.05), threading.Event(), threading.Event()
    with watcher.over(acted.set):
        assert acted.wait(10)
    acted.clear()
    with watcher.over(acted.set):
        pass
    with watcher.over(other.set):  # due later, of the same thread
        assert other.wait(10)
    assert not acted.is_set()


def test_a_wait_that_lasts_is_acted_for_once() -> None:
    watcher, acted, other = Watcher(0.05), [], threading.Event()
    with watcher.over(lambda: acted.append("first")):
        with watcher.over(other.set):
            assert other.wait(10)
        other.clear()
        with watcher.over(other.set):
            assert other.wait(10)
    assert acted == ["first"]


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_has_a_watcher_of_its_own() -> None:
    with after_silence(lambda: None):
        child = os.fork()
    if not child:
        with after_silence(lambda: None):
            os._exit(threading.active_count())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2


@given(
    max_wait=st.floats(0, 100),
    seconds=st.floats(0, 40),
    jitter=st.floats(0, 1),
    requests=st.lists(
        st.lists(st.sampled_from([BUSY, LOST, UNREACHABLE, THROTTLED]), max_size=30), max_size=4
    ),
)
def test_all_that_fails_in_a_task_takes_no_longer_than_max_wait_and_one_try_more(
    max_wait: float, seconds: float, jitter: float, requests: list[list[RequestFailed]]
) -> None:
    time = Time()
    budget = time.budget(max_wait, jitter)
    for errors in requests:
        with contextlib.suppress(RequestFailed):
            budget.run(failing(time, *errors, seconds=seconds), harmless=True)
    succeeded = len(requests) * seconds
    given_up = len(requests) * seconds  # the last try of each, which began in time or was the first
    assert time.now <= max_wait + succeeded + given_up + 1e-6
    assert all(pause >= 0 for pause in time.slept)


def test_threads_that_wait_side_by_side_spend_the_time_of_one() -> None:
    time = Time()
    budget = time.budget(10)
    budget.run(failing(time, BUSY), harmless=True)
    threads = [budget.for_thread() for _thread in range(3)]
    for thread, times in zip(threads, (1, 2, 3)):
        thread.run(failing(time, *[BUSY] * times), harmless=True)
    assert budget.spent() == 0.5 + (0.5 + 1.0 + 2.0)
    with pytest.raises(RequestFailed):
        budget.for_thread().run(failing(time, *[BUSY] * 99), harmless=True)
    assert budget.spent() == pytest.approx(10)


def microseconds(moment: dt.datetime) -> int:
    return int(moment.timestamp()) * 10**6


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": " 7.5 "}, 7.5),
        ({"Retry-After": "Sun, 22 Nov 2026 12:00:09 GMT"}, 9),
        ({"Retry-After": "Sun, 22 Nov 2026 11:00:00 GMT"}, 0),
        ({"Retry-After": "-5"}, 0),
        ({"Retry-After": "soon"}, 0),
        ({"Retry-After": "9" * 400}, 0),
        ({"X-RateLimit-Reset": str(microseconds(NOW) + 4 * 10**6)}, 4),
        ({"X-RateLimit-Reset": str(microseconds(NOW) // 1000 + 4000)}, 4),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 4)}, 4),
        ({"X-RateLimit-Reset": str(microseconds(NOW) - 4 * 10**6)}, 0),
        ({"X-RateLimit-Reset": "0"}, 0),
        ({"X-RateLimit-Reset": "nonsense"}, 0),
        ({"X-RateLimit-Reset": "9" * 18}, 0),
        ({"Retry-After": "3", "X-RateLimit-Reset": str(int(NOW.timestamp()) + 40)}, 3),
    ],
)
def test_the_wait_that_a_server_asks_for_is_read_from_every_known_form(
    headers: dict[str, str], seconds: float
) -> None:
    assert asked_wait(headers, NOW) == pytest.approx(seconds)


def test_a_reset_whose_unit_is_doubtful_asks_for_no_more_than_a_bound() -> None:
    asked = asked_wait(
        {"X-RateLimit-Reset": str(microseconds(dt.datetime(3000, 1, 1, tzinfo=dt.timezone.utc)))},
        NOW,
    )
    assert asked == 30


@given(st.dictionaries(st.sampled_from(["Retry-After", "X-RateLimit-Reset"]), st.text(max_size=30)))
def test_whatever_stands_in_these_headers_some_time_comes_out(headers: dict[str, str]) -> None:
    assert asked_wait(headers, NOW) >= 0


def test_a_retry_after_in_an_absurd_year_asks_for_more_than_any_task_waits() -> None:
    asked = asked_wait({"Retry-After": "Thu, 01 Jan 99999999999999999999 00:00:00 GMT"}, NOW)
    assert asked > 1e11


@given(st.integers(1, 2000), st.floats(0, 1))
def test_a_pause_is_never_nothing_and_never_longer_than_its_bound(
    tries: int, jitter: float
) -> None:
    assert 0.25 <= pause_after(tries, jitter) <= 8


def test_many_who_wait_for_the_same_come_back_at_different_moments() -> None:
    assert [pause_after(3, jitter) for jitter in (0.0, 0.5, 1.0)] == [1.0, 1.5, 2.0]


def test_a_line_that_is_under_way_is_said_before_the_block_ends() -> None:
    begun, may_end = threading.Event(), threading.Event()
    said = []

    def say() -> None:
        begun.set()
        said.append(may_end.wait(10))

    with Watcher(0.01).over(say):
        assert begun.wait(10)
        threading.Timer(0.05, may_end.set).start()
    assert said == [True]
