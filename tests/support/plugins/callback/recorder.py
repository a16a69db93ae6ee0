# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes every result that Ansible shows a callback to a file, as a job event collector would."""

from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: recorder
type: aggregate
short_description: Records results
description: Records results for tests.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "recorder"
    CALLBACK_NEEDS_ENABLED = True

    def _record(self, event, result):
        task = result._task if hasattr(result, "_task") else result.task
        entry = {
            "event": event,
            "task": task.get_name(),
            "host": result._host.get_name(),
            "result": result._result,
        }
        # Those of other tasks, such as set_fact, are not the collection's to hide.
        own = task.action.startswith("community.dynatrace.")
        if own or "RECORDER_OF_ALL_TASKS" in os.environ:
            entry["arguments"] = repr([task.args, task.environment])
            entry["fields"] = repr(result._task_fields)
        with open(os.environ["RECORDER_FILE"], "a") as file:
            file.write(json.dumps(entry, default=repr) + "\n")

    def v2_runner_on_ok(self, result):
        self._record("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._record("failed", result)

    def v2_runner_on_skipped(self, result):
        self._record("skipped", result)

    def v2_runner_retry(self, result):
        self._record("retry", result)

    def v2_runner_item_on_ok(self, result):
        self._record("item_ok", result)

    def v2_runner_item_on_failed(self, result):
        self._record("item_failed", result)
