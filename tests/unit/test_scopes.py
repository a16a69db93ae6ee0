# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.scopes import (
    KNOWN_SCOPES,
    MANAGING_SCOPES,
    unknown_scope_hint,
)


def test_a_known_scope_needs_no_hint() -> None:
    assert [hint for hint in map(unknown_scope_hint, KNOWN_SCOPES) if hint] == []


@pytest.mark.parametrize(
    ("scope", "meant"),
    [
        ("metric.read", "metrics.read"),
        ("METRICS.READ", "metrics.read"),
        ("dataexport", "DataExport"),
    ],
)
def test_a_misspelt_scope_gets_a_suggestion(scope: str, meant: str) -> None:
    hint = unknown_scope_hint(scope) or ""
    assert repr(scope) in hint
    assert hint.endswith(f"Did you mean {meant!r}?")


def test_a_new_scope_is_for_dynatrace_to_judge() -> None:
    hint = unknown_scope_hint("zzz.qqq") or ""
    assert "Dynatrace will say whether it exists" in hint
    assert "Did you mean" not in hint


def test_scopes_are_listed_in_order_and_once() -> None:
    assert list(KNOWN_SCOPES) == sorted(set(KNOWN_SCOPES))
    assert set(KNOWN_SCOPES) >= MANAGING_SCOPES


def test_of_the_platform_only_a_scope_that_is_nearly_a_known_one_is_remarked_on() -> None:
    assert unknown_scope_hint("zzz:qqq:read") is None
    assert "storage:logs:read" in (unknown_scope_hint("storage:log:read") or "")
