# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._http.explain import error_message
from hypothesis import given
from hypothesis import strategies as st

PLAIN = {"error": {"code": 400, "message": "Bad"}}
WITH_VIOLATIONS = {
    "error": {
        "message": "Bad",
        "constraintViolations": [{"path": "scopes", "message": "unknown"}, {"message": "no path"}],
    }
}


@pytest.mark.parametrize(
    ("envelope", "said"),
    [
        (PLAIN, "Bad"),
        (WITH_VIOLATIONS, "Bad; scopes: unknown; no path"),
        ([PLAIN, WITH_VIOLATIONS], "Bad; Bad; scopes: unknown; no path"),
        ([None, PLAIN], "Bad"),
        ({"error": {"message": None, "constraintViolations": None}}, None),
        (
            {
                "error": {
                    "message": "Bad",
                    "constraintViolations": [None, {"path": None, "message": None}],
                }
            },
            "Bad",
        ),
        ({"error": {"constraintViolations": [{"path": "name", "message": None}]}}, "name"),
        ({"error": {"message": "Bad", "constraintViolations": 5}}, "Bad"),
        (
            {"error": {"message": "one\r\ntwo\x1b[31mred\u2028\ud800"}},
            r"one\r\ntwo\x1b[31mred\u2028\ud800",
        ),
        ({"error": None}, None),
        ({"error": "invalid_client"}, None),
        ({"error": "invalid_request", "error_description": "lacks a scope"}, "lacks a scope"),
        ({"error": True, "error_description": "no such form"}, None),
        (None, None),
        (5, None),
    ],
)
def test_an_envelope_is_explained_by_what_it_holds(envelope: t.Any, said: str | None) -> None:
    assert error_message(json.dumps(envelope)) == said


@pytest.mark.parametrize(
    "text",
    ["", "<html>", '{"error": {"message": "cut', "[" * 100_000],
    ids=["empty", "html", "cut off", "deep"],
)
def test_what_is_not_json_explains_nothing(text: str) -> None:
    assert error_message(text) is None


PARTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["message", "path", "code"]), inner, max_size=3)
    ),
    max_leaves=6,
)
ERRORS = PARTS | st.fixed_dictionaries(
    {}, optional={"message": PARTS, "constraintViolations": PARTS}
)


@given(
    st.fixed_dictionaries({"error": ERRORS})
    | PARTS
    | st.lists(st.fixed_dictionaries({"error": ERRORS}), max_size=2)
)
def test_any_json_is_explained_in_one_printable_line(envelope: t.Any) -> None:
    said = error_message(json.dumps(envelope))
    assert said is None or (said and said.isprintable())
