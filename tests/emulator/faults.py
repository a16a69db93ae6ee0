# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong with the requests of an environment, and when: the faults that a test asks for.

PUT /_emulator/faults takes a list of them, which replaces the earlier ones; GET tells those that
are not spent yet. A fault is an object with its kind and, where they differ from the defaults:

  nth           strike at the nth request of the API, counted from 1 since the faults were set, and
                with times at those after it
  method, path  strike only at requests with this method, with a path in which this regular
                expression is found
  times         how often to strike (1); 0 means for ever
  carried_out   whether the request is carried out before its answer is spoilt (false)

The first fault of the list that fits strikes. The kinds, with what else they take:

  reset         the connection is aborted, without an answer
  silence       no answer comes
  answer        another answer: status, headers, body; without a body, an error as the API words it
  redirect      a redirect to another host
  huge          an answer of 100 megabytes, chunked or with its length (chunked: false)

and those that spoil the true answer, so that the request is carried out always:

  cut           half of the body is missing, and the connection ends
  cut_json      half of the body is missing, and the length fits what is left
  content_type  it says that it is text/html
  empty         its status alone
  drip          its body in so many pieces (20) with a pause (0.02 seconds) between them

An answer that has no body stays as it is where its body would be spoilt. The kind refuse strikes no
request but the door (see door.py), which has to be open: the door is shut before the request before
the nth is answered, or at once, for so many seconds (0.05).
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from problems import bad_body

_SPOIL_THE_TRUE_ANSWER = ("cut", "cut_json", "content_type", "empty", "drip")
_KINDS = ("reset", "silence", "answer", "redirect", "huge", *_SPOIL_THE_TRUE_ANSWER, "refuse")


@dataclasses.dataclass
class Fault:
    kind: str
    nth: int | None = None
    method: str | None = None
    path: str = ""
    times: int = 1
    carried_out: bool = False
    status: int = 503
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: str | None = None
    chunked: bool = False
    pieces: int = 20
    pause: float = 0.02
    seconds: float = 0.05
    struck: int = 0

    def fits(self, number: int, method: str, path: str) -> bool:
        return (
            self._is_due(number)
            and self.method in (None, method)
            and re.search(self.path, path) is not None
        )

    def _is_due(self, number: int) -> bool:
        if self.nth is None:
            return True
        return self.nth <= number and (self.times == 0 or number < self.nth + self.times)

    @property
    def is_spent(self) -> bool:
        return 0 < self.times <= self.struck


class Faults:
    """The faults of one environment."""

    def __init__(self) -> None:
        self._faults: list[tuple[dict[str, t.Any], Fault]] = []
        self._number = 0

    def set(self, body: t.Any, has_door: bool) -> None:
        if not isinstance(body, list):
            raise bad_body("", "a list of faults is expected")
        faults = [(given, _fault(f"[{place}]", given)) for place, given in enumerate(body)]
        if not has_door and any(fault.kind == "refuse" for _given, fault in faults):
            raise bad_body("", "only an open door can refuse: POST /_emulator/door first")
        self._faults = faults
        self._number = 0

    def left(self) -> list[dict[str, t.Any]]:
        """Those that are not spent yet, as they were given, but with the times that are left."""
        return [
            given | {"times": max(fault.times - fault.struck, 0)}
            for given, fault in self._faults
            if not fault.is_spent
        ]

    def next(self, method: str, path: str) -> Fault | None:
        """What strikes this request, which is counted."""
        self._number += 1
        return _strike(
            fault
            for fault in self._unspent()
            if fault.kind != "refuse" and fault.fits(self._number, method, path)
        )

    def refusal(self) -> Fault | None:
        """What shuts the door on the next request."""
        return _strike(
            fault
            for fault in self._unspent()
            if fault.kind == "refuse" and (fault.nth or 1) <= self._number + 1
        )

    def _unspent(self) -> list[Fault]:
        return [fault for _given, fault in self._faults if not fault.is_spent]


def _strike(faults: t.Iterator[Fault]) -> Fault | None:
    """The first, if there is one."""
    fault = next(faults, None)
    if fault is not None:
        fault.struck += 1
    return fault


def _fault(where: str, given: t.Any) -> Fault:
    kind = given.get("kind") if isinstance(given, dict) else None
    if kind not in _KINDS:
        raise bad_body(f"{where}.kind", f"must be one of {', '.join(_KINDS)}")
    unknown = given.keys() - {field.name for field in dataclasses.fields(Fault)}
    if unknown:
        raise bad_body(f"{where}.{min(unknown)}", "is nothing that a fault has")
    carried_out = kind in _SPOIL_THE_TRUE_ANSWER or given.get("carried_out", False)
    return Fault(**{**given, "carried_out": carried_out})
