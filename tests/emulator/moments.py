# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Points in time as the API takes and gives them."""

from __future__ import annotations

import calendar
import datetime as dt
import functools
import re

_RELATIVE = re.compile(r"now(?:([+-])(\d+)([mhdwMy]))?", re.ASCII)
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_DAYS = {"m": 1 / 1440, "h": 1 / 24, "d": 1, "w": 7}


@functools.lru_cache(maxsize=100_000)
def text(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def millis(moment: dt.datetime) -> int:
    return (moment - dt.datetime.fromtimestamp(0, dt.timezone.utc)) // dt.timedelta(milliseconds=1)


def parse(expression: str, now: dt.datetime) -> dt.datetime | None:
    """UTC milliseconds, ISO 8601 (without a zone: UTC), or now-NU and now+NU.

    None for anything else.
    """
    try:
        if re.fullmatch(r"[0-9]{12,14}", expression):
            return dt.datetime.fromtimestamp(int(expression) / 1000, dt.timezone.utc)
        relative = _RELATIVE.fullmatch(expression)
        if relative:
            sign, amount, unit = relative.groups()
            return _shift(now, int(amount) * (-1 if sign == "-" else 1), unit) if unit else now
        moment = dt.datetime.fromisoformat(expression) if _ISO.fullmatch(expression) else None
        return moment and (
            moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)
        ).astimezone(dt.timezone.utc)
    except (ValueError, OverflowError):  # no such day, or beyond the calendar
        return None


def _shift(moment: dt.datetime, amount: int, unit: str) -> dt.datetime:
    if unit in _DAYS:
        return moment + dt.timedelta(days=amount * _DAYS[unit])
    months = moment.year * 12 + moment.month - 1 + amount * (12 if unit == "y" else 1)
    year, month = months // 12, months % 12 + 1
    return moment.replace(
        year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1])
    )
