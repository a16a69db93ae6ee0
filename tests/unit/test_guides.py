# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import pathlib
import re

import pytest

pytestmark = pytest.mark.once

TESTS = pathlib.Path(__file__).parents[1]
PROMISES = (TESTS.parent / "docs" / "promises.md").read_text()
CONNECTIONS = PROMISES.partition("\n## Connections")[2].partition("\n## ")[0]
IN_TABLE = re.findall(r"\| `\w+/\w+\.py::\w+` \|$", CONNECTIONS, re.MULTILINE)
NAMED = sorted(set(re.findall(r"`(\w+/\w+\.py)::(\w+)`", PROMISES)))


def test_every_line_of_the_table_names_a_test() -> None:
    assert len(IN_TABLE) == CONNECTIONS.count("\n| ") - 2 > 25


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_the_guide_names_exists(file: str, name: str) -> None:
    assert name in {
        node.name
        for node in ast.parse((TESTS / file).read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
