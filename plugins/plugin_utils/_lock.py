# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One task at a time for each token, among all processes of one user on one controller."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import time
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._long_waits import (
    LongWaits,
    local_time,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)

_LONGEST_WAIT = 300.0  # seconds
_PAUSE = 0.05
_HELD = (errno.EACCES, errno.EAGAIN)  # documented: one or the other, by the system

IN_ANSIBLE_HOME = (
    "Set ANSIBLE_HOME to a folder that this user may write, on a file system with locks, such as a "
    "local disk."
)


@contextlib.contextmanager
def identity_locks(
    file: str,
    identities: t.Iterable[t.Sequence[str]],
    longest_wait: float = _LONGEST_WAIT,
    long_waits: LongWaits | None = None,
    remedy: str = IN_ANSIBLE_HOME,
) -> t.Iterator[None]:
    """Hold the locks of these identities, each a byte of one file.

    They end with the process that holds them, however that ends. A file system without locks is
    refused: whether the owner of a file that stands for a lock still runs cannot be seen from
    another machine or container.

    :param file: where the locks are; made if it is not there, with its folder.
    :param identities: each with its token's name as the last part.
    :param long_waits: says whom a task waits for, and until when.
    :param remedy: what to do where the locks cannot be taken.
    :raises DynatraceError: where a lock cannot be taken, or another process holds it for too long.
    """
    with _explained(file, remedy):
        os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        end = time.monotonic() + longest_wait
        # Everybody takes them in the same order, so that no two wait for each other.
        named = sorted((_position(identity), identity[-1]) for identity in identities)
        latest = local_time(longest_wait)
        waiting = (long_waits or LongWaits()).watch(
            lambda: (
                f"waiting for another task on this controller, which is busy with the same "
                f"token, until {latest} at the latest."
            )
        )
        with _explained(file, remedy), waiting:
            for position, name in named:
                _take(descriptor, position, name, end, longest_wait)
        yield
    finally:
        with contextlib.suppress(OSError):
            os.close(descriptor)  # nothing was written


@contextlib.contextmanager
def _explained(file: str, remedy: str) -> t.Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DynatraceError(
            f"The locks in {file} cannot be taken: {error.strerror}. Nothing was done. {remedy}"
        ) from None


def _position(identity: t.Sequence[str]) -> int:
    """A place in the file that a lock of the system can have."""
    digest = hashlib.sha256("\n".join(identity).encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 2


def _take(descriptor: int, position: int, name: str, end: float, longest_wait: float) -> None:
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, position)
            return
        except OSError as error:
            if error.errno not in _HELD:
                raise
        if time.monotonic() >= end:
            raise DynatraceError(
                f"Another task on this controller has been busy with the token {name!r} for "
                f"{longest_wait:g} s. Nothing was done. Run again when it has ended."
            )
        time.sleep(_PAUSE)
