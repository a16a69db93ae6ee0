# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets every wait count as a long one, so that a test need not wait."""

from __future__ import annotations

from ansible.plugins.callback import CallbackBase
from ansible_collections.community.dynatrace.plugins.module_utils import _long_waits

DOCUMENTATION = """
name: impatient
type: aggregate
short_description: Lets every wait count as a long one
description: Lets every wait count as a long one, for tests.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "impatient"

    def __init__(self) -> None:
        super().__init__()
        _long_waits._SILENT_FOR = 0
