# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A system whose calls fail, or that loses power at one of them."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import os
import typing as t

import pytest

OF_OS = ("access", "close", "fstat", "fsync", "listdir", "makedirs", "mkdir", "open", "replace")
CALLS = ((fcntl, "lockf"), (os, "unlink"), *((os, name) for name in OF_OS))


class PowerLoss(BaseException):
    """Nothing is done from here on, whatever is caught."""


@dataclasses.dataclass
class Shim:
    """Between a store and the system: counts the calls, and has some fail."""

    failing: int | None = None  # the number of the call, None for none
    answer: int = errno.EIO
    only: str | None = None  # the call of this name fails each time
    done: bool = False  # the call is carried out before it fails
    loses_power: bool = False  # the call and all that follow raise PowerLoss
    calls: list[str] = dataclasses.field(default_factory=list)

    @contextlib.contextmanager
    def at_work(self) -> t.Iterator[Shim]:
        with pytest.MonkeyPatch.context() as patch:
            for module, name in CALLS:
                patch.setattr(module, name, self._around(name, getattr(module, name)))
            yield self

    def _around(self, name: str, call: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def attempt(*arguments: t.Any, **options: t.Any) -> t.Any:
            self.calls.append(name)
            if not self._fails(name):
                return call(*arguments, **options)
            if self.done or name == "close":
                call(*arguments, **options)
            if self.loses_power:
                raise PowerLoss
            if name == "access":
                return False
            raise OSError(self.answer, os.strerror(self.answer))

        return attempt

    def _fails(self, name: str) -> bool:
        number = len(self.calls) - 1
        if self.loses_power and self.failing is not None:
            self.done = self.done and number == self.failing
            return number >= self.failing
        return name == self.only or number == self.failing
