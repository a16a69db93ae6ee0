# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that happens in the process of the test, with real requests and files, until it is killed.

Its requests and what it writes into the store pass by here. So it can be killed right before any of
its writes: from then on nothing that it does has any effect, clean-up included. All that lies
between two writes only reads, so no other moment leaves anything else.
"""

from __future__ import annotations

import contextlib
import functools
import typing as t

import pytest
import requests
from ansible_collections.community.dynatrace.plugins.module_utils._http import client
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import (
    Data,
    Kept,
    Key,
    Version,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.file import FileBackend

from support.memory import Killed

# What a POST only asks for.
_READS = ("/lookup", "/oauth2/token", "/effective-permissions:resolve")


class Process:
    """What a run has of the world, until it dies right before one of its writes."""

    def __init__(self, dies_before: int | None, watch: t.Callable[[], None]) -> None:
        self._writes = 0
        self._dies_before = dies_before
        self._watch = watch

    def read(self, act: t.Callable[[], t.Any]) -> t.Any:
        if self._dies_before is not None and self._writes >= self._dies_before:
            raise Killed
        return act()

    def write(self, act: t.Callable[[], t.Any]) -> t.Any:
        written = self.read(act)
        self._writes += 1
        self._watch()
        return written


class Session:
    """A session whose requests are those of a process."""

    def __init__(self, session: requests.Session, process: Process) -> None:
        self._session = session
        self._process = process
        self.close = session.close

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._session, name)

    def request(self, method: str, url: str, **more: t.Any) -> requests.Response:
        send = functools.partial(self._session.request, method, url, **more)
        if method == "GET" or url.endswith(_READS):
            return self._process.read(send)
        return self._process.write(send)


class ProcessBackend(FileBackend):
    """The files as a process has them."""

    def __init__(self, path: str, process: Process) -> None:
        super().__init__(path)
        self._process = process

    def read(self, key: Key) -> Kept | None:
        return self._process.read(lambda: super(ProcessBackend, self).read(key))

    def write(self, key: Key, data: Data, version: Version | None) -> Version:
        return self._process.write(lambda: super(ProcessBackend, self).write(key, data, version))

    def delete(self, key: Key, version: Version, keep_older: bool) -> None:
        self._process.write(lambda: super(ProcessBackend, self).delete(key, version, keep_older))


@contextlib.contextmanager
def requests_of(process: Process) -> t.Iterator[None]:
    """Have the requests in the block be those of this process."""
    real = client.session_for
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(client, "session_for", lambda transport: Session(real(transport), process))
        yield
