# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loses a host while a role is at work.

The variables of the play say which host, and after which of its tasks: ``lost`` and ``lost_after``.
"""

from __future__ import annotations

from ansible.plugins.strategy.linear import StrategyModule as Linear

DOCUMENTATION = """
name: losing
short_description: Loses a host
description: Works as linear does, and loses a host, for tests.
"""


class StrategyModule(Linear):
    def _process_pending_results(self, iterator, *arguments, **options):
        results = super()._process_pending_results(iterator, *arguments, **options)
        lost = iterator._play.vars["lost"]
        for result in results:
            task = result._task if hasattr(result, "_task") else result.task
            if task.get_name().endswith(iterator._play.vars["lost_after"]):
                # What Ansible does when a host turns out to be unreachable.
                self._tqm._unreachable_hosts[lost] = True
                iterator._play._removed_hosts.append(lost)
        return results
