# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import types

import pytest
from ansible_collections.community.dynatrace.plugins.plugin_utils._action import strategy_of

FREE = types.SimpleNamespace(strategy="ansible.builtin.free")


@pytest.mark.parametrize(
    ("task", "strategy"),
    [
        (types.SimpleNamespace(get_play=lambda: FREE), "free"),
        (types.SimpleNamespace(), ""),
        (types.SimpleNamespace(get_play=lambda: None), ""),
        (types.SimpleNamespace(get_play=types.SimpleNamespace), ""),
    ],
)
def test_a_strategy_that_ansible_does_not_tell_is_not_fatal(task: object, strategy: str) -> None:
    assert strategy_of(task) == strategy
