# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import (
    Period,
    format_timestamp,
    parse_period,
    parse_timestamp,
)
from hypothesis import assume, given
from hypothesis import strategies as st

from builders import NOW

UTC = dt.timezone.utc


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2030-01-31T12:00:00Z", dt.datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31 12:00z", dt.datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31T12:00:00+02:00", dt.datetime(2030, 1, 31, 10, tzinfo=UTC)),
        ("2030-01-31T12:00:00-0330", dt.datetime(2030, 1, 31, 15, 30, tzinfo=UTC)),
        ("2030-01-31T12:00:00.5Z", dt.datetime(2030, 1, 31, 12, 0, 0, 500000, tzinfo=UTC)),
        ("2030-01-31T12:00:00.123456789Z", dt.datetime(2030, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)),
        (" 2030-01-31T12:00:00Z\n", dt.datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31T12:00:00", None),
        ("2030-02-30T12:00:00Z", None),
        ("2030-01-31T12:00:00+25:00", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("now+1d", None),
    ],
)
def test_a_point_in_time_needs_a_zone(text: str, moment: dt.datetime | None) -> None:
    assert parse_timestamp(text) == moment


@given(
    st.datetimes(
        min_value=dt.datetime(1, 1, 2),
        max_value=dt.datetime(9999, 12, 30),
        timezones=st.timezones(),
    )
)
def test_a_point_in_time_survives_its_text_to_the_millisecond(moment: dt.datetime) -> None:
    read = parse_timestamp(format_timestamp(moment))
    assert read is not None
    assert dt.timedelta(0) <= moment - read < dt.timedelta(milliseconds=1)


def test_times_are_written_as_the_api_writes_them() -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    assert (
        format_timestamp(dt.datetime(2030, 1, 31, 1, 2, 3, 45678, tzinfo=zone))
        == "2030-01-30T23:02:03.045Z"
    )


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("30m", dt.datetime(2026, 6, 1, 12, 30, tzinfo=UTC)),
        ("12h", dt.datetime(2026, 6, 2, tzinfo=UTC)),
        ("90d", dt.datetime(2026, 8, 30, 12, tzinfo=UTC)),
        ("2w", dt.datetime(2026, 6, 15, 12, tzinfo=UTC)),
        ("6M", dt.datetime(2026, 12, 1, 12, tzinfo=UTC)),
        ("1y", dt.datetime(2027, 6, 1, 12, tzinfo=UTC)),
    ],
)
def test_each_unit_has_its_length(text: str, end: dt.datetime) -> None:
    period = parse_period("expires_in", text)
    assert period.after(NOW) == end
    assert str(period) == text


@pytest.mark.parametrize(
    ("start", "period", "end"),
    [
        (dt.datetime(2027, 1, 31), Period(1, "M"), dt.datetime(2027, 2, 28)),
        (dt.datetime(2028, 2, 29), Period(1, "y"), dt.datetime(2029, 2, 28)),
        (dt.datetime(2026, 12, 15), Period(1, "M"), dt.datetime(2027, 1, 15)),
    ],
)
def test_months_and_years_follow_the_calendar(
    start: dt.datetime, period: Period, end: dt.datetime
) -> None:
    assert period.after(start) == end


@given(st.integers(0, 40_000), st.sampled_from("mhdwMy"))
def test_every_period_that_is_accepted_can_be_used(amount: int, unit: str) -> None:
    try:
        period = parse_period("expires_in", f"{amount}{unit}")
    except OptionError:
        assume(False)
    assert period.before(NOW) < NOW < period.after(NOW) < NOW + dt.timedelta(days=36_601)
