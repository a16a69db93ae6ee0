# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes from single tasks what hides their secrets, so that a test sees that its search finds them.

The name of such a task says what it lacks: "unmarked result", "unmarked connection" and so on.
"""

from __future__ import annotations

import contextlib

from ansible.plugins.callback import CallbackBase
from ansible_collections.community.dynatrace.plugins.plugin_utils._action import DynatraceAction

DOCUMENTATION = """
name: unmarked
type: aggregate
short_description: Shows the secrets of tasks that are named unmarked
description: Shows the secrets of tasks that are named unmarked, for tests.
"""


def _mark_nothing(action, report):
    action._task.no_log = False
    return report.result


def _hide_nothing(action):
    return contextlib.nullcontext()


# By what a task lacks: the method that hides it, and what takes the method's place.
REMOVED = {
    "result": ("_mark", _mark_nothing),
    "connection": ("_hidden_connection", _hide_nothing),
    "environment": ("_forget_secret_environment", _hide_nothing),
    "arguments": ("_forget_secret_arguments", _hide_nothing),
}


def _replace(lacking, name, instead):
    hides = getattr(DynatraceAction, name)

    def method(action, *arguments):
        unmarked = action._task.get_name() == f"unmarked {lacking}"
        return (instead if unmarked else hides)(action, *arguments)

    setattr(DynatraceAction, name, method)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "unmarked"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        for lacking, (name, instead) in REMOVED.items():
            _replace(lacking, name, instead)
