# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every message that the guide to troubleshooting quotes is one of the plugins."""

from __future__ import annotations

import ast
import functools
import pathlib
import re

import pytest

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[2]
QUOTED = re.findall(
    r"^### `(.*)`$", (ROOT / "docs" / "troubleshooting.md").read_text(), re.MULTILINE
)
DIFFERS = "…"
LABEL = "The token … (…)"  # what the functions and variables of this name say


@functools.cache
def messages() -> set[str]:
    """All texts of the plugins, with an ellipsis for each part that is computed."""
    trees = (ast.parse(file.read_text()) for file in (ROOT / "plugins").rglob("*.py"))
    return {text for tree in trees for node in ast.walk(tree) if (text := _text(node))}


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.FormattedValue):
        called = node.value.func if isinstance(node.value, ast.Call) else node.value
        return LABEL if getattr(called, "id", "").strip("_") == "label" else DIFFERS
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def matches(quoted: str, message: str) -> bool:
    """Whether the message holds all parts of the quotation between its ellipses, in this order."""
    return (
        re.search(".*?".join(re.escape(part) for part in quoted.split(DIFFERS)), message)
        is not None
    )


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_message_that_is_quoted_is_one_of_the_plugins(quoted: str) -> None:
    assert any(matches(quoted, message) for message in messages())


def test_the_guide_quotes_messages_and_the_test_tells_them_from_others() -> None:
    assert len(QUOTED) >= 25
    assert not any(matches("The token … is on holiday", message) for message in messages())
