# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os

from ansible import constants
from ansible_collections.community.dynatrace.plugins.module_utils._connection import environment_key
from ansible_collections.community.dynatrace.plugins.module_utils._errors import Refused
from ansible_collections.community.dynatrace.plugins.module_utils._options import TOKEN_OPTIONS
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import manage_token
from ansible_collections.community.dynatrace.plugins.module_utils._token import kind_name
from ansible_collections.community.dynatrace.plugins.plugin_utils._action import DynatraceAction
from ansible_collections.community.dynatrace.plugins.plugin_utils._lock import identity_lock


class ActionModule(DynatraceAction):
    MODULE = "community.dynatrace.dynatrace_token"
    OPTIONS = TOKEN_OPTIONS
    PERFORM = staticmethod(manage_token)

    def refuse(self) -> None:
        hosts = self._task_vars.get("ansible_play_hosts_all") or []
        strategy = str(self._task._parent._play.strategy).rpartition(".")[2]
        if self._task.run_once and strategy in ("free", "host_pinned") and len(hosts) > 1:
            raise Refused(
                f"run_once does not work under the strategy {strategy}: each of the {len(hosts)} hosts would run this task. "
                "Use the strategy linear for this play, or a play of its own on localhost."
            )

    def lock(self) -> contextlib.AbstractContextManager[None]:
        options = self._given
        if self._task.check_mode or not options["name"] or not options["environment_url"]:
            return contextlib.nullcontext()  # nothing can be issued
        identity = (environment_key(options["environment_url"]), kind_name(options["personal_access_token"]), options["name"])
        return identity_lock(os.path.join(constants.config.get_config_value("ANSIBLE_HOME"), "community.dynatrace", "locks"), identity)
