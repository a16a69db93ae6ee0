# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._options import RESEAL_OPTIONS
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import RunContext
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import Report
from ansible_collections.community.dynatrace.plugins.plugin_utils._action import DynatraceAction
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.kept import EntryStore


def reseal_store(params: t.Mapping[str, t.Any], context: RunContext) -> Report:
    """:raises DynatraceError: with nothing done, or saying what was."""
    if not isinstance(context.store, EntryStore):
        raise OptionError(
            "store is missing. Give the option, or set the environment variable "
            "DYNATRACE_TOKEN_STORE."
        )
    resealed = context.store.reseal(params["folders"] or [], context.check_mode)
    line = f"{len(resealed)} secrets encrypted anew"
    return Report({"changed": bool(resealed), "resealed": resealed, "msg": line}, line)


class ActionModule(DynatraceAction):
    MODULE = "community.dynatrace.dynatrace_reseal_store"
    OPTIONS = RESEAL_OPTIONS
    PERFORM = staticmethod(reseal_store)
