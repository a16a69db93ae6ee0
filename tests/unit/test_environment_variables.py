# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of the environment variables lists each of them, in the order in which they are read."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    CONNECTION_ENVIRONMENT,
    STORE_ENVIRONMENT,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import TYPES

pytestmark = pytest.mark.once

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "environment-variables.md"
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE))
READ: dict[str, t.Sequence[str]] = {
    **CONNECTION_ENVIRONMENT,
    **STORE_ENVIRONMENT,
    **{option: names for type_ in TYPES.values() for option, names in type_.environment.items()},
}
BY_RULE = "ANSIBLE_HASHI_VAULT_"  # and the name of the option


@pytest.mark.parametrize("option", sorted(READ))
def test_an_option_that_variables_stand_in_for_is_on_the_page(option: str) -> None:
    if tuple(READ[option]) == (BY_RULE + option.upper(),):
        assert option not in ROWS
    else:
        assert re.findall(r"`([A-Z_]+)`", ROWS[option]) == list(READ[option])


def test_the_page_names_no_variable_that_is_not_read() -> None:
    assert {*ROWS} - {*READ} == {"proxy"}
