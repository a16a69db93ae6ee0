# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Points in time and periods, as options give them and as the API understands them."""

from __future__ import annotations

import calendar
import dataclasses
import datetime as dt
import re

from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError

_TIMESTAMP = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2})?(?:\.(\d{1,9}))?\s*(Z|[+-]\d{2}:?\d{2})",
    re.IGNORECASE,
)
_PERIOD = re.compile(r"([1-9][0-9]{0,5})([mhdwMy])")
_NO_TIME = re.compile(r"0[mhdwMy]?")
_LONGEST_DAYS = 366 * 100


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)


def parse_timestamp(text: str) -> dt.datetime | None:
    """A point in time in UTC from ISO 8601 text with a zone; None for any other text."""
    match = _TIMESTAMP.fullmatch(text.strip())
    if not match:
        return None
    day, minute, second, fraction, zone = match.groups()
    offset = "+00:00" if zone in "Zz" else zone[:3] + ":" + zone[-2:]
    micros = (fraction or "").ljust(6, "0")[:6]
    try:
        return dt.datetime.fromisoformat(
            f"{day}T{minute}{second or ':00'}.{micros}{offset}"
        ).astimezone(dt.timezone.utc)
    except (ValueError, OverflowError):
        return None


def format_timestamp(moment: dt.datetime) -> str:
    """``yyyy-MM-ddTHH:mm:ss.SSSZ``, the form in which the API answers (documented)."""
    return (
        moment.astimezone(dt.timezone.utc).replace(tzinfo=None).isoformat(timespec="milliseconds")
        + "Z"
    )


@dataclasses.dataclass(frozen=True)
class Period:
    """An amount of one unit: m minutes, h hours, d days, w weeks, M months, y years.

    False if it is no time at all.
    """

    amount: int
    unit: str

    def __bool__(self) -> bool:
        return self.amount != 0

    def __str__(self) -> str:
        return f"{self.amount}{self.unit}"

    def after(self, moment: dt.datetime) -> dt.datetime:
        """The moment this period later; months and years by the calendar."""
        if self.unit in "My":
            return _add_months(moment, self.amount * (12 if self.unit == "y" else 1))
        return moment + self.amount * _UNITS[self.unit]

    def before(self, moment: dt.datetime) -> dt.datetime:
        """The moment this period earlier."""
        return Period(-self.amount, self.unit).after(moment)


NO_TIME = Period(0, "d")

_UNITS = {
    "m": dt.timedelta(minutes=1),
    "h": dt.timedelta(hours=1),
    "d": dt.timedelta(days=1),
    "w": dt.timedelta(weeks=1),
}
_DAYS = {"m": 1 / 1440, "h": 1 / 24, "d": 1, "w": 7, "M": 31, "y": 366}


def parse_period(option: str, text: str, or_none: bool = False) -> Period:
    """A period from text such as ``90d``.

    :param or_none: whether 0, no time at all, is one too.
    :raises OptionError: naming the option, the text and the units.
    """
    if or_none and _NO_TIME.fullmatch(text.strip()):
        return NO_TIME
    match = _PERIOD.fullmatch(text.strip())
    if not match:
        raise OptionError(
            f"{option}: {text!r} is not a period. Give a number and one unit, such as 90d: "
            "m minutes, h hours, d days, w weeks, M months, y years"
            + (", or 0." if or_none else ".")
        )
    period = Period(int(match.group(1)), match.group(2))
    if period.amount * _DAYS[period.unit] > _LONGEST_DAYS:
        raise OptionError(f"{option}: {text!r} is too long. The longest period is 100y.")
    return period


def _add_months(moment: dt.datetime, months: int) -> dt.datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    last_day = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last_day))
