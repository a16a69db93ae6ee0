# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts for users have the words of the field: a token expires, and has no "end"."""

from __future__ import annotations

import pathlib
import re

import pytest

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[2]
TEXTS = sorted(
    path
    for pattern in (
        "README.md",
        "CONTRIBUTING.md",
        "docs/*.md",
        "roles/*/README.md",
        "roles/*/meta/argument_specs.yml",
        "plugins/doc_fragments/*.py",
        "plugins/filter/*.py",
        "plugins/lookup/*.py",
        "plugins/modules/*.py",
        "changelogs/fragments/*.yml",
    )
    for path in ROOT.glob(pattern)
)

# By a word that is not used in prose, the usual one.
USUAL = {
    r"(its|no|another|an) end\b": "expiration date",
    r"end of (the|a|its) token": "expiration date",
    r"tokens? (that )?ends?\b": "expires",
    r"heeded": "respected",
    r"to the letter": "exactly",
    r"seen to work": "verified",
    r"comes? to grief": "fails",
    r"in passing": "transient",
    r"half-made": "provisional",
    r"hands? out": "return",
    r"public line": "summary line",
    r"one-liners?": "ad hoc command",
    r"ways in\b": "connecting",
    r"what is there|what was found": "the existing token",
    r"are no question|are made up for|in the way of|reach nobody": "(an idiom)",
}


def prose(text: str) -> str:
    """The text without code, and without the targets of links."""
    without_code = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    return " ".join(re.sub(r"\]\([^)]*\)", "]", without_code).split())


def unusual(text: str) -> list[str]:
    return [
        f"{found[0]}: {instead}"
        for pattern, instead in USUAL.items()
        for found in re.finditer(rf"\b(?:{pattern})", prose(text), re.IGNORECASE)
    ]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: str(text.relative_to(ROOT)))
def test_a_text_for_users_has_the_words_of_the_field(text: pathlib.Path) -> None:
    assert unusual(text.read_text()) == []


def test_other_words_are_found_but_not_in_code() -> None:
    assert unusual("The token is near its\nend. `its end`") == ["its end: expiration date"]
