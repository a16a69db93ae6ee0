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
READ: dict[str, t.Mapping[str, t.Sequence[str]]] = {
    "Connection": CONNECTION_ENVIRONMENT,
    "Store": STORE_ENVIRONMENT,
    "Options of a store in HashiCorp Vault or OpenBao": TYPES["hashi_vault"].environment,
    "Options of a store in AWS Secrets Manager": TYPES["aws_secrets_manager"].environment,
}
OTHERWISE = {"Connection": {"proxy"}}  # by rules of its own
BY_RULE = "ANSIBLE_HASHI_VAULT_"  # and the name of the option


@pytest.mark.parametrize("section", READ)
def test_the_page_has_the_variables_that_are_read_and_no_others(section: str) -> None:
    text = re.split("(?m)^#+ ", PAGE.read_text().partition(f"# {section}\n")[2])[0]
    rows = {
        option: re.findall(r"`([A-Z_0-9]+)`", variables)
        for option, variables in re.findall(r"(?m)^\| `(\w+)` \| (.*) \|$", text)
        if option not in OTHERWISE.get(section, ())
    }
    assert rows == {
        option: list(variables)
        for option, variables in READ[section].items()
        if list(variables) != [BY_RULE + option.upper()]
    }


def test_every_type_of_store_with_variables_is_on_the_page() -> None:
    assert [dict(type_.environment) for type_ in TYPES.values() if type_.environment] == [
        dict(variables) for section, variables in READ.items() if section.startswith("Options")
    ]
