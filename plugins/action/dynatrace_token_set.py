# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.community.dynatrace.plugins.module_utils._options import TOKEN_SET_OPTIONS
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import manage_tokens
from ansible_collections.community.dynatrace.plugins.plugin_utils._action import IssuingAction


class ActionModule(IssuingAction):
    MODULE = "community.dynatrace.dynatrace_token_set"
    OPTIONS = TOKEN_SET_OPTIONS
    PERFORM = staticmethod(manage_tokens)
