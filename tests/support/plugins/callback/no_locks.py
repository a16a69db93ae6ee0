# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs Ansible as on a file system without locks, for tests."""

from __future__ import annotations

import errno
import fcntl
import os
import typing as t

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: no_locks
type: aggregate
short_description: A file system without locks
description: Each lock of a file fails.
options: {}
"""


def _refuse(*_arguments: t.Any) -> t.NoReturn:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "no_locks"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        fcntl.lockf = _refuse
