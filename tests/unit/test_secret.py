# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import concurrent.futures
import copy
import json
import pickle
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
    looks_like_secret,
    printable,
    public_id,
)
from hypothesis import given
from hypothesis import strategies as st

from builders import DOTTED_SECRET, PUBLIC_PART, SECRET_PART, UNDOTTED_SECRET

SECRET = Secret(DOTTED_SECRET)


@pytest.mark.parametrize(
    "show", [repr, str, format, "{}".format, "%s".__mod__, lambda secret: f"{secret!s} {secret!r}"]
)
def test_a_secret_prints_as_stars(show: t.Callable[[Secret], str]) -> None:
    assert set(show(SECRET)) <= set("* ")


@pytest.mark.parametrize(
    "serialise", [pickle.dumps, json.dumps, copy.copy, copy.deepcopy, vars, list]
)
def test_a_secret_cannot_be_turned_into_data(serialise: t.Callable[[t.Any], t.Any]) -> None:
    with pytest.raises(TypeError) as caught:
        serialise(SECRET)
    assert SECRET_PART not in str(caught.value)


def test_secrets_are_equal_by_their_text() -> None:
    assert {SECRET, Secret(DOTTED_SECRET), Secret(UNDOTTED_SECRET)} == {
        SECRET,
        Secret(UNDOTTED_SECRET),
    }
    assert DOTTED_SECRET not in {SECRET}


@pytest.mark.parametrize(
    ("text", "token_id"),
    [
        (DOTTED_SECRET, PUBLIC_PART),
        ("dt0s16.SHORT123.ABCDEFGH12345678", "dt0s16.SHORT123"),
        (UNDOTTED_SECRET, None),
        (PUBLIC_PART, None),
        (DOTTED_SECRET + ".more", None),
        ("Api-Token " + DOTTED_SECRET, None),
    ],
)
def test_the_id_is_all_up_to_the_second_dot(text: str, token_id: str | None) -> None:
    assert public_id(Secret(text)) == token_id


@pytest.mark.parametrize(
    "around", ["{}", "'{}'", "?Api-Token={}&x=1", "my-{}\n", "my_{}_", "%22{}%22", repr("\n{}\n")]
)
def test_a_secret_is_seen_and_scrubbed_wherever_it_stands(around: str) -> None:
    text = around.format(DOTTED_SECRET)
    assert looks_like_secret(text)
    assert Redactor().text(text) == around.format(f"{PUBLIC_PART}.***")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "reports",
        PUBLIC_PART,
        "metrics.read",
        "openpipeline.events_sdlc.custom",
        "dt0c01.reports.daily",
    ],
)
def test_public_text_is_no_secret_and_left_alone(text: str) -> None:
    assert not looks_like_secret(text)
    assert Redactor().text(text) == text


@pytest.mark.parametrize("secret", [UNDOTTED_SECRET, DOTTED_SECRET])
@pytest.mark.parametrize("other", ["", UNDOTTED_SECRET, UNDOTTED_SECRET[:9], PUBLIC_PART])
def test_no_part_of_a_known_secret_survives_another(secret: str, other: str) -> None:
    scrubbed = Redactor(Secret(other), Secret(secret)).text(f"before {secret} after")
    assert "S3CR3T" not in scrubbed
    assert scrubbed.startswith("before ")
    assert scrubbed.endswith("*** after")


WORDS = st.lists(st.from_regex(r"\A[A-Za-z0-9_]{5,12}\Z"), min_size=1, max_size=6)
SHORT = st.from_regex(r"\A[!-~]{1,4}\Z")


@given(words=WORDS, secret=st.from_regex(r"\A[A-Za-z0-9]{1,4}\Z"))
def test_a_short_secret_leaves_other_words_whole(words: list[str], secret: str) -> None:
    text = " ".join(words)
    redactor = Redactor(Secret(secret))
    assert redactor.text(text) == text
    assert redactor.text(f"{text} {secret}, {secret}") == f"{text} ***, ***"


@given(before=st.sampled_from(["", " ", "'", "=", ":", "/"]), secret=SHORT)
def test_a_short_secret_is_hidden_where_it_is_a_word(before: str, secret: str) -> None:
    assert Redactor(Secret(secret)).text(f"is{before} {secret} there").count("***") >= 1


@given(
    secrets=st.lists(st.text(min_size=5, max_size=30), min_size=1, max_size=4),
    around=st.tuples(st.text(max_size=9), st.text(max_size=9)),
)
def test_a_longer_secret_is_hidden_wherever_it_stands(
    secrets: list[str], around: tuple[str, str]
) -> None:
    redactor = Redactor(*map(Secret, secrets))
    longest = max(secrets, key=len)
    assert redactor.finds_secret(longest)
    alone = Redactor(Secret(longest)).text(longest.join(around))
    assert longest not in alone or longest in "***"


def test_a_secret_is_hidden_in_every_thread_once_it_is_known() -> None:
    redactor = Redactor()
    known = [f"S3CR3T-number-{number}" for number in range(200)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda value: redactor.hide(Secret(value)), known))
    assert [value for value in known if value in redactor.text(" ".join(known))] == []


def test_nothing_is_hidden_for_a_secret_that_is_none() -> None:
    assert Redactor(None, Secret("")).text("as it was") == "as it was"


def test_what_a_terminal_could_obey_is_shown_as_an_escape_sequence() -> None:
    text = "ä\r\n\x1b[2J\x07\0\u202e\u2028\x9b\ud800\U0001f600"
    assert printable(text) == "ä\\r\\n\\x1b[2J\\x07\\x00\\u202e\\u2028\\x9b\\ud800\U0001f600"
