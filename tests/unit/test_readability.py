# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every function of the plugins can be read once, from top to bottom.

Ruff's C901 counts neither boolean operators nor the filters of comprehensions, so this test does.
"""

from __future__ import annotations

import ast
import pathlib
import typing as t

import pytest

pytestmark = pytest.mark.once

PLUGINS = pathlib.Path(__file__).parents[2] / "plugins"
FILES = sorted(path.relative_to(PLUGINS).as_posix() for path in PLUGINS.rglob("*.py"))

MAX_COLUMNS = 100
MAX_COMPLEXITY = 10
MAX_CONDITIONALS = 1  # in one statement
MAX_FUNCTION_LINES = 49

BRANCHES = (
    ast.If,
    ast.IfExp,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.match_case,
)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def complexity(function: ast.AST) -> int:
    """1, and 1 for each branch: also those of expressions, comprehensions and nested functions."""
    return 1 + sum(branches(node) for node in ast.walk(function))


def branches(node: ast.AST) -> int:
    if isinstance(node, BRANCHES):
        return 1
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    return 0


def own_nodes(statement: ast.AST) -> t.Iterator[ast.AST]:
    """The nodes of a statement without the statements in its body."""
    for child in ast.iter_child_nodes(statement):
        if not isinstance(child, ast.stmt):
            yield child
            yield from own_nodes(child)


def long_lines(source: str) -> t.Iterator[str]:
    """As ruff's E501: a line may end with an address that begins before the limit."""
    for number, line in enumerate(source.splitlines(), 1):
        text, _blank, last_word = line.rpartition(" ")
        ends_with_address = "://" in last_word and len(text) < MAX_COLUMNS
        if len(line) > MAX_COLUMNS and not ends_with_address:
            yield f"line {number}: {len(line)} columns"


def crowded_statements(tree: ast.AST) -> t.Iterator[str]:
    for statement in ast.walk(tree):
        if isinstance(statement, ast.stmt):
            conditionals = sum(isinstance(node, ast.IfExp) for node in own_nodes(statement))
            if conditionals > MAX_CONDITIONALS:
                yield f"line {statement.lineno}: {conditionals} conditional expressions"


def hard_functions(tree: ast.AST) -> t.Iterator[str]:
    for function in ast.walk(tree):
        if isinstance(function, FUNCTIONS):
            where = f"line {function.lineno}: {function.name}"
            lines = (function.end_lineno or 0) - function.lineno + 1
            if complexity(function) > MAX_COMPLEXITY:
                yield f"{where} has a complexity of {complexity(function)}"
            if lines > MAX_FUNCTION_LINES:
                yield f"{where} has {lines} lines"


def problems(source: str) -> list[str]:
    tree = ast.parse(source)
    return [*long_lines(source), *crowded_statements(tree), *hard_functions(tree)]


@pytest.mark.parametrize("file", FILES)
def test_a_person_reads_every_line_once(file: str) -> None:
    found = problems((PLUGINS / file).read_text())
    assert found == [], f"plugins/{file}: split what is hard to read into names and functions"


BRANCHY = "def f(a):\n    return [x for x in a if x if x > 1 and x < 9 and x != 5]\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (BRANCHY, 6),
        ("def f(a):\n    return 1 if a or not a else 2\n", 3),
        ("def f(a):\n    for x in a:\n        while x:\n            x = g(x)\n", 3),
        (
            "try:\n    f()\nexcept A:\n    g()\nexcept B:\n    h()\n",
            3,
        ),
        ("def f(a):\n    def g(b):\n        return b or a\n    return g\n", 2),
    ],
)
def test_operators_filters_loops_and_handlers_count_as_branches(source: str, expected: int) -> None:
    assert complexity(ast.parse(source)) == expected


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("x = (1 if a else 2) + (3 if b else 4)\n", "line 1: 2 conditional expressions"),
        ("if (1 if a else 2) + (3 if b else 4):\n    pass\n", "line 1: 2 conditional expressions"),
        ("x = '" + "a" * 95 + "'\n", "line 1: 101 columns"),
        (
            "def f(a):\n    return " + " or ".join("a" * 11) + "\n",
            "line 1: f has a complexity of 11",
        ),
        ("def f():\n" + "    g()\n" * 49, "line 1: f has 50 lines"),
    ],
)
def test_what_is_hard_to_read_is_found(source: str, problem: str) -> None:
    assert problems(source) == [problem]


@pytest.mark.parametrize(
    "source",
    [
        "if 1 if a else 2:\n    x = 3 if b else 4\n",
        "x = '" + "a" * 94 + "'\n",
        "# " + "see " * 20 + "https://example.com/" + "a" * 40 + "\n",
        "def f(a):\n    return " + " or ".join("a" * 10) + "\n",
        "def f():\n" + "    g()\n" * 48,
    ],
)
def test_what_is_just_within_the_limits_is_not(source: str) -> None:
    assert problems(source) == []
