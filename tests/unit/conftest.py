# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores import login_of_run
from hypothesis import settings

settings.register_profile("unit", max_examples=80, deadline=None, derandomize=True, database=None)
settings.load_profile("unit")


@pytest.fixture
def own_logins(monkeypatch: pytest.MonkeyPatch) -> login_of_run.SharedLogins:
    """As at the begin of a run: nobody has logged in."""
    logins = login_of_run.SharedLogins()
    monkeypatch.setattr(login_of_run, "_logins", logins)
    return logins
