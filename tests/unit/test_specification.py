# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    Around,
    parse_identities,
    parse_identity,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    provisional_name,
)
from hypothesis import given
from hypothesis import strategies as st

from builders import DOTTED_SECRET, SECRET_PART, UNDOTTED_SECRET, a_specification, refusal


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": None}, "name or token_id is needed"),
        ({"name": "  "}, "name: it is empty. Give"),
        ({"name": " reports"}, "name: ' reports' begins or ends with white space.*Remove"),
        ({"name": "re\nports"}, "name: .* cannot be shown. Remove it"),
        ({"name": provisional_name("reports", "n0nce")}, "name: .*Choose another"),
        ({"token_id": ""}, "token_id: '' is not the id of a token"),
        ({"token_id": ".."}, "token_id: '..' is not the id of a token"),
        ({"token_id": "dt0c01.ID\n"}, "token_id: .* is not the id of a token"),
        ({"scopes": []}, "scopes: the list is empty.*leave the option out"),
        (
            {"scopes": ["metrics.read,logs.read"]},
            "scopes: 'metrics.read,logs.read' .*one name such as",
        ),
        ({"expires_in": "90 days"}, "expires_in: '90 days' is not a period. Give"),
        ({"expires_in": "101y"}, "expires_in: '101y' is too long. The longest"),
        (
            {"expires_in": "1d", "expiration_date": "2030-01-01T00:00:00Z"},
            "expires_in and expiration_date exclude",
        ),
        ({"expiration_date": "2030-01-01"}, "expiration_date: '2030-01-01' .*with a zone. Give"),
        ({"expiration_date": "2026-06-01T12:00:00Z"}, "expiration_date: .* lies in the past"),
        ({"token": ""}, "token: the value is empty"),
        ({"token": "with space"}, "token: .*no token has"),
        ({"token": "dt0c01.PUBLICPARTONLY"}, "token: the value is not the whole secret"),
    ],
)
def test_what_cannot_work_is_refused_by_the_name_of_the_option(
    options: dict[str, t.Any], says: str
) -> None:
    with pytest.raises(OptionError, match=f"^{says}"):
        a_specification(**options)


@pytest.mark.parametrize("secret", [DOTTED_SECRET, UNDOTTED_SECRET])
@pytest.mark.parametrize("around", ["{}", "name_{}", "{}-name", "\n{}"])
@pytest.mark.parametrize("option", ["name", "token_id", "scopes"])
def test_a_secret_in_a_public_option_is_refused_without_echo(
    option: str, around: str, secret: str
) -> None:
    value = around.format(secret)
    with pytest.raises(OptionError, match=f"^{option}: .*It is not shown here. Give") as caught:
        a_specification(**{option: [value] if option == "scopes" else value})
    assert secret not in str(caught.value)
    assert SECRET_PART not in str(caught.value)


@pytest.mark.parametrize("secret", [DOTTED_SECRET, UNDOTTED_SECRET])
@pytest.mark.parametrize("option", ["expires_in", "expiration_date"])
def test_a_secret_in_place_of_a_time_is_refused_without_echo(option: str, secret: str) -> None:
    with pytest.raises(OptionError, match=f"^{option}: ") as caught:
        a_specification(**{option: secret})
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "secret",
    [DOTTED_SECRET[:-1] + "!", DOTTED_SECRET + " ", "\n" + UNDOTTED_SECRET, SECRET_PART + ".x"],
)
def test_a_damaged_held_secret_is_refused_without_echo(secret: str) -> None:
    with pytest.raises(OptionError, match=r"^token: ") as caught:
        a_specification(token=secret)
    assert secret.strip() not in str(caught.value)


@pytest.mark.parametrize("secret", [DOTTED_SECRET, UNDOTTED_SECRET])
def test_a_held_secret_of_either_format_is_taken(secret: str) -> None:
    held = a_specification(token=secret).token
    assert held is not None
    assert held.reveal() == secret


def test_scopes_are_sorted_once_and_without_repeats() -> None:
    assert a_specification(scopes=["b", "a", "b"]).scopes == ("a", "b")


def test_a_past_end_does_not_keep_a_token_from_being_deleted() -> None:
    assert (
        a_specification(state="absent", expiration_date="2020-01-01T00:00:00Z").expiration_date
        is not None
    )


def test_without_a_store_a_missing_secret_is_ignored() -> None:
    assert a_specification().on_missing_secret == "ignore"


@given(
    st.sampled_from(["name", "token_id", "scopes", "expires_in", "expiration_date", "token"]),
    st.text()
    | st.from_regex(r"\d{1,7}[a-zA-Z]")
    | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)"),
)
def test_any_text_is_understood_or_refused(option: str, text: str) -> None:
    said = refusal(lambda: a_specification(**{option: [text] if option == "scopes" else text}))
    assert said is None or option in said


# Places


@pytest.mark.parametrize(
    ("resources", "place"),
    [
        (None, "abc12345"),
        (["urn:dtenvironment:other"], "other"),
        (["urn:dtaccount:UUID"], "account-UUID-35320ac3ac47"),
        (["urn:dtenvironment:b", "urn:dtenvironment:a"], "account-UUID-84d42989b7db"),
    ],
)
def test_the_place_of_a_platform_token_is_what_it_is_for(
    resources: list[str] | None, place: str
) -> None:
    params = {"kind": "platform", "personal_access_token": False, "resources": resources}
    found = parse_identity(params, Around("abc12345", "UUID")).place
    assert found == place
    if resources is not None:
        again = {**params, "resources": [*reversed(resources), *resources]}
        assert parse_identity(again, Around("other", "UUID")).place == found


@pytest.mark.parametrize(
    ("environment", "resources", "says"),
    [
        ("", None, "^resources: without environment_url"),
        ("127.0.0.1:8080", None, "^resources: the address in environment_url does not tell"),
        ("abc12345", [], "^resources: the list is empty"),
        ("abc12345", ["abc12345"], "^resources: 'abc12345' is neither"),
    ],
)
def test_a_place_that_cannot_be_told_is_refused(
    environment: str, resources: list[str] | None, says: str
) -> None:
    params = {"kind": "platform", "personal_access_token": False, "resources": resources}
    with pytest.raises(OptionError, match=says):
        parse_identity(params, Around(environment, "UUID"))


def test_the_entry_of_a_list_with_a_kind_at_odds_is_named() -> None:
    right = {"kind": None, "personal_access_token": True}
    with pytest.raises(OptionError, match=r"^tokens\[1\]: personal_access_token: true means"):
        parse_identities([right, {**right, "kind": "platform"}], Around("abc12345"))
