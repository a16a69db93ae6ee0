# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys

import pytest

import setup_venv

pytestmark = pytest.mark.once


def test_without_a_network_the_set_up_ends_with_one_sentence() -> None:
    fails = "import sys; sys.exit('warning\\nERROR: No such name\\nERROR: No aiohttp')"
    with pytest.raises(SystemExit) as ended:
        setup_venv.run([sys.executable, "-c", fails])
    said = str(ended.value)
    assert "a network that reaches https://pypi.org" in said
    assert said.endswith(": ERROR: No such name")
    assert "\n" not in said
