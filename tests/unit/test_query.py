# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import PLATFORM
from hypothesis import given
from hypothesis import strategies as st

from builders import (
    DAY,
    DOTTED_SECRET,
    NOW,
    SECRET_PART,
    UNDOTTED_SECRET,
    a_query,
    a_token,
    refusal,
)

TOKEN = a_token(
    owner="ada",
    scopes=("logs.read", "metrics.read"),
    expires=NOW + 7 * DAY,
    created=NOW - 90 * DAY,
    last_used=NOW - 30 * DAY,
)


@pytest.mark.parametrize(
    ("criteria", "matches"),
    [
        ({}, True),
        ({"name": "reports"}, True),
        ({"name": "report"}, False),
        ({"name_regex": "port"}, True),
        ({"name_regex": "^port"}, False),
        ({"owner": "ada"}, True),
        ({"owner": "bob"}, False),
        ({"scopes": ["metrics.read", "slo.read"]}, True),
        ({"scopes": ["slo.read"]}, False),
        ({"personal_access_token": True}, False),
        ({"enabled": False}, False),
        ({"expires_within": "7d"}, True),
        ({"expires_within": "6d"}, False),
        ({"unused_for": "30d"}, True),
        ({"unused_for": "31d"}, False),
        ({"name": "reports", "enabled": True, "owner": "bob"}, False),
    ],
)
def test_all_criteria_have_to_be_met(criteria: dict[str, t.Any], matches: bool) -> None:
    assert a_query(**criteria).matches(TOKEN, NOW) is matches


@pytest.mark.parametrize("expires", [None, NOW, NOW - DAY])
def test_what_never_ends_or_has_ended_does_not_expire_soon(expires: t.Any) -> None:
    assert not a_query(expires_within="1y").matches(a_token(expires=expires), NOW)


@pytest.mark.parametrize(
    ("created", "matches"), [(NOW - 30 * DAY, True), (NOW - 29 * DAY, False), (None, True)]
)
def test_a_token_never_used_counts_from_its_creation(created: t.Any, matches: bool) -> None:
    assert a_query(unused_for="30d").matches(a_token(created=created), NOW) is matches


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"token": DOTTED_SECRET, "token_id": "dt0c01.ID"}, "token and token_id exclude"),
        ({"name_regex": "("}, r"name_regex: '\(' is not a regular expression"),
        ({"name_regex": "a{99999999999}"}, "name_regex: .* is not a regular expression"),
        ({"expires_within": "soon"}, "expires_within: 'soon' is not a period. Give"),
        ({"token_id": "a/b"}, "token_id: 'a/b' is not the id"),
    ],
)
def test_what_cannot_work_is_refused_by_the_name_of_the_option(
    options: dict[str, t.Any], says: str
) -> None:
    with pytest.raises(OptionError, match=f"^{says}"):
        a_query(**options)


@pytest.mark.parametrize("secret", [DOTTED_SECRET, f"x{UNDOTTED_SECRET}"])
@pytest.mark.parametrize("option", ["name", "name_regex", "owner", "scopes", "token_id"])
def test_a_secret_in_a_public_option_is_refused_without_echo(option: str, secret: str) -> None:
    with pytest.raises(OptionError, match=f"^{option}: .*It is not shown here") as caught:
        a_query(**{option: [secret] if option == "scopes" else secret})
    assert SECRET_PART not in str(caught.value)
    assert UNDOTTED_SECRET not in str(caught.value)


@given(
    st.sampled_from(
        ["name", "name_regex", "owner", "token_id", "expires_within", "unused_for", "token"]
    ),
    st.text(),
)
def test_any_text_is_understood_or_refused(option: str, text: str) -> None:
    said = refusal(lambda: a_query(**{option: text}).matches(TOKEN, NOW))
    assert said is None or option in said


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        ("platform", {"owner": "ada"}, "^owner: Dynatrace does not return the owner of a platform"),
        ("platform", {"token": UNDOTTED_SECRET}, "^token: Dynatrace cannot look up"),
        ("activegate", {"token": UNDOTTED_SECRET}, "^token: Dynatrace cannot look up"),
        (
            "access",
            {"resources": ["urn:dtenvironment:a"]},
            "^resources: tokens of kind access have no resources",
        ),
        ("personal_access", {"personal_access_token": False}, "^personal_access_token: false"),
    ],
)
def test_what_a_kind_is_not_told_with_is_refused(
    kind: str, options: dict[str, t.Any], says: str
) -> None:
    with pytest.raises(OptionError, match=says):
        a_query(kind=kind, **options)


def test_resources_have_to_be_exactly_those() -> None:
    asked = a_query(kind="platform", resources=["urn:dtenvironment:a"])
    one = a_token(kind=PLATFORM, resources=("urn:dtenvironment:a",))
    more = a_token(kind=PLATFORM, resources=("urn:dtenvironment:a", "urn:dtenvironment:b"))
    assert [asked.matches(token, NOW) for token in (one, more)] == [True, False]
