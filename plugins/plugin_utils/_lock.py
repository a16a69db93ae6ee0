# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One task at a time for each token, among all processes of one user on one controller."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._errors import DynatraceError

_LONGEST_WAIT = 300.0  # seconds
_PAUSE = 0.05


@contextlib.contextmanager
def identity_lock(folder: str, identity: t.Sequence[str], longest_wait: float = _LONGEST_WAIT) -> t.Iterator[None]:
    """Hold the lock of this identity. It ends with the process that holds it, however that ends.

    :param folder: where the locks lie; made if it is not there.
    :raises DynatraceError: where another process holds it for longer than that many seconds, or it cannot be taken.
    """
    name = hashlib.sha256("\n".join(identity).encode()).hexdigest()
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        descriptor = os.open(os.path.join(folder, name), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DynatraceError(f"The lock for {identity[-1]!r} cannot be made in {folder}: {error.strerror}. See to that folder.") from None
    try:
        _take(descriptor, identity[-1], longest_wait)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, name: str, longest_wait: float) -> None:
    end = time.monotonic() + longest_wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pass
        if time.monotonic() >= end:
            raise DynatraceError(
                f"Another task on this controller has been busy with the token {name!r} for {longest_wait:g} s. Nothing was done. "
                "Run again when it has ended."
            )
        time.sleep(_PAUSE)
