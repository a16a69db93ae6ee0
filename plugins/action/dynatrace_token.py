# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible import constants
from ansible_collections.community.dynatrace.plugins.module_utils._connection import environment_key
from ansible_collections.community.dynatrace.plugins.module_utils._errors import Refused
from ansible_collections.community.dynatrace.plugins.module_utils._options import TOKEN_OPTIONS
from ansible_collections.community.dynatrace.plugins.module_utils._store import NoStore, Store
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import manage_token
from ansible_collections.community.dynatrace.plugins.module_utils._token import kind_name
from ansible_collections.community.dynatrace.plugins.plugin_utils._action import DynatraceAction
from ansible_collections.community.dynatrace.plugins.plugin_utils._lock import identity_lock
from ansible_collections.community.dynatrace.plugins.plugin_utils._open_store import open_store


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

    def open_store(self, warn: t.Callable[[str], None]) -> Store:
        options = self._given
        if not options["store"] or not options["environment_url"]:
            return NoStore()
        if self._connection.transport != "local":
            raise Refused(
                "store: it is kept on the controller, and this task would run on another host. Nothing was done. Say delegate_to: "
                "localhost, with proxy if Dynatrace can only be reached through one, or have no store (store: '') and register the token."
            )
        return open_store(
            options["store"], options["environment_url"], self._loader.get_basedir(), self._loader, self._environments(), warn
        )

    @contextlib.contextmanager
    def lock(self) -> t.Iterator[None]:
        options = self._given
        name, personal_access_token = options["name"], options["personal_access_token"]
        with contextlib.ExitStack() as locks:
            if not self._task.check_mode and name and options["environment_url"]:  # otherwise nothing can be issued
                folder = os.path.join(constants.config.get_config_value("ANSIBLE_HOME"), "community.dynatrace", "locks")
                identity = (environment_key(options["environment_url"]), kind_name(personal_access_token), name)
                locks.enter_context(identity_lock(folder, identity))
                locks.enter_context(self._store.lock(name, personal_access_token))
            yield
