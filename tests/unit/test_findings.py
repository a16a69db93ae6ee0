# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import (
    format_timestamp,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._findings import (
    parse_now,
    parse_settings,
    token_findings,
)

NOW = dt.datetime(2026, 11, 22, 10, 5, 14, tzinfo=dt.timezone.utc)
DEFAULTS = {
    "expires_within": "30d",
    "unused_for": "90d",
    "max_scopes": 2,
    "over_privileged_scopes": ["settings.write"],
}
RETIRING = {"disable_date": "2026-11-30T00:00:00.000Z", "delete_date": None}


def at(**distance: float) -> str:
    return format_timestamp(NOW + dt.timedelta(**distance))


def token(name: str = "ci", **facts: t.Any) -> dict[str, t.Any]:
    """A token without findings, but for the facts given."""
    return {
        "name": name,
        "personal_access_token": False,
        "enabled": True,
        "scopes": ["logs.read"],
        "expiration_date": at(days=100),
        "creation_date": at(days=-200),
        "last_used_date": at(days=-1),
        "retiring": None,
        **facts,
    }


def findings(*tokens: dict[str, t.Any], **settings: t.Any) -> list[list[str]]:
    """The findings of each token, in the order given."""
    found = token_findings(tokens, NOW, parse_settings({**DEFAULTS, **settings}))
    of_each = {id(token_["scopes"]): token_["findings"] for token_ in found}
    return [of_each[id(token_["scopes"])] for token_ in tokens]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, []),
        ({"expiration_date": at(seconds=0)}, ["ended"]),
        ({"expiration_date": at(seconds=1)}, ["ending"]),
        ({"expiration_date": at(days=30)}, ["ending"]),
        ({"expiration_date": at(days=30, seconds=1)}, []),
        ({"expiration_date": None}, ["no_end"]),
        ({"expiration_date": "2026-11-22T12:05:14+02:00"}, ["ended"]),
        ({"scopes": ["a", "b"]}, []),
        ({"scopes": ["a", "b", "c"]}, ["wide"]),
        ({"scopes": ["settings.write"]}, ["wide"]),
        ({"scopes": []}, []),
        ({"last_used_date": None}, ["never_used"]),
        ({"last_used_date": None, "creation_date": None}, ["never_used"]),
        ({"last_used_date": None, "creation_date": at(days=-90)}, ["never_used"]),
        ({"last_used_date": None, "creation_date": at(days=-90, seconds=1)}, []),
        ({"last_used_date": at(days=-90)}, ["unused"]),
        ({"last_used_date": at(days=-90, seconds=1)}, []),
        ({"enabled": False}, ["disabled"]),
        ({"retiring": RETIRING}, ["retiring"]),
        (
            {"expiration_date": None, "last_used_date": None, "scopes": ["settings.write"]},
            ["wide", "never_used", "no_end"],
        ),
    ],
)
def test_a_fact_is_a_finding_from_its_limit_on(
    facts: dict[str, t.Any], expected: list[str]
) -> None:
    assert findings(token(**facts)) == [expected]


@pytest.mark.parametrize(
    ("unusable", "expected"),
    [
        ({"enabled": False, "expiration_date": None}, ["disabled"]),
        ({"expiration_date": at(days=-1)}, ["ended"]),
        ({"enabled": False, "expiration_date": at(days=-1)}, ["ended", "disabled"]),
    ],
)
def test_a_token_that_cannot_be_used_is_neither_unused_nor_over_privileged(
    unusable: dict[str, t.Any], expected: list[str]
) -> None:
    token_ = token(last_used_date=None, scopes=["settings.write"], **unusable)
    assert findings(token_) == [expected]


def test_tokens_of_one_name_kind_and_place_share_a_finding_but_for_predecessors() -> None:
    tokens = [
        token("twice"),
        token("twice"),
        token("Twice"),
        token("twice", personal_access_token=True),
        token("twice", kind="platform", resources=["urn:dtenvironment:dev"]),
        token("twice", kind="platform", resources=["urn:dtenvironment:prod"]),
        token("rotated"),
        token("rotated", retiring=RETIRING),
    ]
    for token_ in tokens:
        token_["scopes"] = ["logs.read"]
    assert findings(*tokens) == [["same_name"], ["same_name"], [], [], [], [], [], ["retiring"]]


def test_what_a_token_does_not_say_is_unknown() -> None:
    found = token_findings([{"name": "bare"}, {}], NOW, parse_settings(DEFAULTS))
    assert [token_["findings"] for token_ in found] == [["never_used", "no_end"]] * 2


def test_settings_of_zero_are_limits_too() -> None:
    token_ = token(expiration_date=at(seconds=1), last_used_date=at(seconds=0))
    assert findings(token_, expires_within="0", unused_for="0d", max_scopes="0") == [
        ["wide", "unused"]
    ]


def test_the_most_urgent_come_first_then_those_that_expire_first_then_the_names_in_order() -> None:
    expected = [
        token("sooner", expiration_date=at(days=1)),
        token("later", expiration_date=at(days=2)),
        token("wide", scopes=["settings.write"]),
        token("unused", last_used_date=at(days=-100)),
        token("ci-9", expiration_date=None),
        token("CI-10", expiration_date=None),
        token("expired", expiration_date=at(days=-1)),
        token("predecessor", expiration_date=at(days=1), retiring=RETIRING),
        token("disabled", enabled=False),
        token("²", expiration_date=at(days=99)),
        token("fine-2"),
        token("fine-10"),
    ]
    found = token_findings(expected[::-1], NOW, parse_settings(DEFAULTS))
    assert [token_["name"] for token_ in found] == [token_["name"] for token_ in expected]
    assert "findings" not in expected[0]


def commands(**facts: t.Any) -> dict[str, str]:
    """The arguments of each command for a token."""
    settings = parse_settings(DEFAULTS)
    made = token(**{"id": "dt0c01.ID", "kind": "access", **facts})
    (found,) = token_findings([made], NOW, settings)
    return {finding: command.split('"')[1] for finding, command in found["commands"].items()}


THIS = "token_id=dt0c01.ID kind="
ROTATE = "rotate=always on_missing_secret=rotate expires_in=90d overlap=7d store=tokens"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, {}),
        ({"expiration_date": at(days=-1)}, {"ended": f"{THIS}access state=absent"}),
        ({"enabled": False}, {"disabled": f"{THIS}access state=absent"}),
        ({"last_used_date": None}, {"never_used": f"{THIS}access enabled=false"}),
        (
            {"last_used_date": None, "kind": "activegate"},
            {"never_used": f"{THIS}activegate state=absent"},
        ),
        ({"expiration_date": at(days=1)}, {"ending": f"name=ci kind=access {ROTATE}"}),
        ({"expiration_date": at(days=1), "kind": "platform"}, {}),
        ({"expiration_date": None, "kind": "personal_access"}, {}),
        ({"expiration_date": at(days=1), "retiring": RETIRING}, {}),
        (
            {"scopes": ["logs.read", "settings.write"]},
            {"wide": f"{THIS}access scopes=settings.write scopes_mode=remove"},
        ),
        ({"scopes": ["settings.write"]}, {}),
        ({"scopes": ["a", "b", "c"]}, {}),
        ({"scopes": ["logs.read", "settings.write"], "kind": "platform"}, {}),
        ({"enabled": False, "kind": "unheard-of"}, {}),
    ],
)
def test_a_finding_has_the_command_that_settles_it(
    facts: dict[str, t.Any], expected: dict[str, str]
) -> None:
    assert commands(**facts) == expected


@pytest.mark.parametrize("name", ["a b", "$(id)", "`id`", "{{ 7 }}", "a'b", 'a"b', "-x", "", "a=b"])
def test_what_needs_quotes_is_in_no_command(name: str) -> None:
    assert commands(name=name, expiration_date=at(days=1)) == {}
    assert commands(id=name, enabled=False) == {}
    unused = token(name=name, id="dt0c01.ID", last_used_date=None)
    (found,) = token_findings([unused], NOW, parse_settings(DEFAULTS))
    assert found["commands"]["never_used"].endswith(
        '-a "token_id=dt0c01.ID kind=access enabled=false"'
    )


def test_the_clock_counts_if_no_time_is_given() -> None:
    assert parse_now(None, lambda: NOW) == NOW
    assert parse_now("2030-01-31T12:00:00Z", lambda: NOW).year == 2030


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("expires_within", "soon", "expires_within: 'soon' is not a period"),
        ("unused_for", None, "unused_for: 'None' is not a period"),
        ("max_scopes", "many", "max_scopes is 'many'. Give a number"),
        ("max_scopes", None, "max_scopes is None. Give a number"),
        (
            "over_privileged_scopes",
            "settings.write",
            "over_privileged_scopes is 'settings.write'. Give a list",
        ),
    ],
)
def test_a_bad_setting_is_named(setting: str, value: object, message: str) -> None:
    with pytest.raises(OptionError) as raised:
        parse_settings({**DEFAULTS, setting: value})
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([token(expiration_date="tomorrow")], "expiration_date: 'tomorrow' is no date"),
        ([token(last_used_date=5)], "last_used_date: 5 is no date"),
        (["ci"], "a token is a str. Give the list tokens"),
        ({"tokens": []}, "the input is a dict. Give the list tokens"),
        (None, "the input is a NoneType. Give the list tokens"),
    ],
)
def test_input_that_is_no_list_of_tokens_is_named(tokens: t.Any, message: str) -> None:
    with pytest.raises(OptionError) as raised:
        token_findings(tokens, NOW, parse_settings(DEFAULTS))
    assert message in str(raised.value)
