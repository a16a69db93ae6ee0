# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hosts ask the role for, the groups that they form, and what each host gets."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    OptionError,
    Refused,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._role import (
    ask,
    facts,
    gather,
    given,
    receive,
    summary,
)

Data = dict[str, t.Any]

ENVIRONMENT = {
    "DYNATRACE_ENV_URL": "https://abc12345.live.dynatrace.com",
    "DYNATRACE_API_TOKEN": "an-admin-token",
    "DYNATRACE_TOKEN_STORE": "tokens",
}
SECRET = f"dt0c01.ST2EY72KQINMH574WMNVI7YN.{'G3DF' * 16}"


def asked(
    *tokens: Data, check_mode: bool = False, environment: Data | None = None, **variables: t.Any
) -> Data:
    place = ask.place_of(variables, [{**ENVIRONMENT, **(environment or {})}])
    given_variables = {"dynatrace_tokens": list(tokens), **variables}
    return {"use": "use", **ask.issuing(given_variables, place, "/nowhere", "use", check_mode)}


def result(action: str = "created", **changes: t.Any) -> Data:
    metadata = {"scopes": ["a.read"], "expiration_date": None, "personal_access_token": False}
    usual = {
        "action": action,
        "changed": action != "none",
        "failed": False,
        "token_id": "dt0c01.ID",
        "token": SECRET,
        "secret_available": True,
        "usable": True,
        "metadata": metadata,
        "retired": [],
        "retiring": [],
        "handed_over": True,
    }
    return {**usual, **changes}


@pytest.mark.parametrize("value", [None, "", " ", "\n"])
def test_what_is_blank_is_not_given(value: t.Any) -> None:
    assert not given.is_given(value)


@pytest.mark.parametrize("value", [False, 0, 0.0, [], {}, "0", "false"])
def test_false_zero_and_empty_lists_are_given(value: t.Any) -> None:
    assert given.is_given(value)


def test_what_is_omitted_is_taken_out_at_every_depth() -> None:
    value = {"a": "OMIT", "b": ["OMIT", {"c": "OMIT", "d": 1}], "e": "x"}
    assert given.without_omitted(value, "OMIT") == {"b": [{"d": 1}], "e": "x"}
    assert given.without_omitted(value, None) == value


@pytest.mark.parametrize(
    ("value", "scopes"),
    [
        ("metrics.read", ["metrics.read"]),
        ("metrics.read, logs.read,", ["metrics.read", "logs.read"]),
        ("metrics.read\n\n logs.read\n", ["metrics.read", "logs.read"]),
        ('["metrics.read", "logs.read"]', ["metrics.read", "logs.read"]),
        ("- metrics.read\n- logs.read\n", ["metrics.read", "logs.read"]),
        (["metrics.read,logs.read", "x", None], ["metrics.read", "logs.read", "x"]),
        ([], []),
    ],
)
def test_scopes_are_split(value: t.Any, scopes: list[str]) -> None:
    assert given.as_scopes(value) == scopes


@pytest.mark.parametrize("text", [f"[{SECRET}", f"{{{SECRET}: ", f"- {SECRET}", SECRET, "&a [*a"])
def test_text_that_is_no_list_of_dictionaries_is_refused_without_echo(text: str) -> None:
    with pytest.raises(OptionError) as caught:
        given.as_dictionaries("dynatrace_tokens", text)
    assert "Give" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_dates_in_yaml_stay_dates_with_a_zone() -> None:
    (entry,) = given.as_dictionaries("x", "- {name: a, expiration_date: 2030-01-31T12:00:00Z}")
    assert entry["expiration_date"] == "2030-01-31T12:00:00+00:00"


@pytest.mark.parametrize("fact", ["reader", "_x9", "Secret"])
def test_facts_are_names_of_variables(fact: str) -> None:
    assert facts.check_fact(fact) == fact


@pytest.mark.parametrize(
    ("fact", "reason"),
    [
        ("abc\n", "cannot be the name of a variable"),
        ("9a", "cannot be the name of a variable"),
        (True, "cannot be the name of a variable"),
        ("é", "cannot be the name of a variable"),
        *((word, "a word of Python or Jinja") for word in ("class", "None", "True", "none", "if")),
        *((name, "Ansible keeps for itself") for name in ("hostvars", "vars", "environment")),
        *((name, "Ansible keeps for itself") for name in ("omit", "groups", "play_hosts")),
        *((name, "Ansible keeps for itself") for name in ("playbook_dir", "inventory_hostname")),
        ("ansible_x", "begins with ansible_"),
        ("dynatrace_tokens_x", "begins with ansible_ or dynatrace_tokens"),
        ("__dynatrace_tokens_x", "begins with ansible_ or dynatrace_tokens"),
    ],
)
def test_facts_that_could_not_be_used_are_refused(fact: t.Any, reason: str) -> None:
    with pytest.raises(OptionError, match=reason):
        facts.check_fact(fact)


def test_a_secret_as_fact_or_name_is_not_shown() -> None:
    for token in ({"name": "a", "fact": SECRET}, {"name": SECRET}):
        with pytest.raises(OptionError) as caught:
            asked(token)
        assert SECRET not in str(caught.value)


def test_own_options_win_over_the_defaults_and_a_blank_one_undoes_them() -> None:
    defaults = {"expires_in": "90d", "rotate": "expiring", "overlap": "2d"}
    own = {"name": "a", "scopes": ["a.read"], "expires_in": None, "rotate": "", "overlap": "1d"}
    (wanted,) = asked(own, dynatrace_tokens_defaults=defaults)["wanted"]
    assert wanted["specification"] == {"name": "a", "scopes": ["a.read"], "overlap": "1d"}


def test_no_credential_stands_in_an_answer() -> None:
    answer = asked({"name": "a"}, dynatrace_tokens_api_token="another-admin-token")
    assert "admin-token" not in repr(answer)


@pytest.mark.parametrize(
    "changed",
    [
        {"DYNATRACE_ENV_URL": "https://xyz.live.dynatrace.com"},
        {"DYNATRACE_API_TOKEN": "other"},
        {"DT_ACCOUNT_ID": "8f1b0b7c-4b1c-4f0a-9d5e-0a1b2c3d4e5f"},
        {"DYNATRACE_TOKEN_STORE": "elsewhere"},
    ],
)
def test_hosts_with_another_connection_or_store_are_another_group(changed: Data) -> None:
    one, same = asked({"name": "a"}), asked({"name": "b"})
    other = asked({"name": "c"}, environment=changed)
    gathered = gather.gather({"h1": one, "h2": other, "h3": same}, {})
    assert [group["hosts"] for group in gathered["groups"]] == [["h1", "h3"], ["h2"]]
    assert gathered["leaders"] == ["h1", "h2"]


def test_a_list_that_several_hosts_share_is_wanted_once_with_what_each_may_add() -> None:
    one = asked({"name": "a", "fact": "x"}, {"name": "b"})
    other = asked({"name": "b", "token": SECRET}, {"name": "a", "fact": "y"})
    answers = {"h1": one, "h2": other}
    (group,) = gather.gather(answers, {})["groups"]
    assert gather.wanted_by(group, answers) == [{"name": "a"}, {"name": "b", "token": SECRET}]


def test_the_same_name_of_another_kind_is_another_token() -> None:
    personal = {"name": "a", "personal_access_token": True}
    answers = {"h1": asked({"name": "a"}), "h2": asked(personal)}
    (group,) = gather.gather(answers, {})["groups"]
    assert group["keys"] == [["access", "a"], ["personal_access", "a"]]
    with pytest.raises(OptionError, match="the name 'a' stands more than once"):
        asked({"name": "a"}, personal)


def test_two_hosts_that_disagree_are_both_named_with_what_differs() -> None:
    answers = {"h1": asked({"name": "a"}), "h2": asked({"name": "a", "expires_in": "90d"})}
    with pytest.raises(Refused, match=r"h1 and h2 .*expires_in is None for h1 and '90d' for h2"):
        gather.gather(answers, {})
    elsewhere = asked(
        {"name": "a", "expires_in": "90d"},
        environment={"DYNATRACE_ENV_URL": "https://xyz.live.dynatrace.com"},
    )
    assert gather.gather({"h1": answers["h1"], "h2": elsewhere}, {})["problem"] is None


def test_a_host_gets_what_it_asked_for_and_nothing_else() -> None:
    answers = {"h1": asked({"name": "a", "fact": "x"}), "h2": asked({"name": "b"})}
    gathered = gather.gather(answers, {})
    failed = result(failed=True, msg="refused", metadata=None, token=None)
    results = {"tokens": [result(), failed]}
    kept, problems = receive.receive("h1", answers["h1"], gathered, results)
    assert problems == []
    got = receive.issued_facts(kept, answers["h1"], {})
    assert got["x"] == SECRET
    assert list(got["dynatrace_tokens_issued"]) == ["a"]
    assert got["dynatrace_tokens_issued"]["a"]["environment"] == "abc12345"
    assert got["dynatrace_tokens_issued"]["a"]["kind"] == "access"
    assert SECRET not in repr(got[receive.CREATED])
    kept, problems = receive.receive("h2", answers["h2"], gathered, results)
    assert (kept, problems) == ([], ["The token 'b' failed: refused"])


def test_what_fails_as_a_whole_is_a_problem_of_every_host() -> None:
    answers = {"h1": asked({"name": "a"})}
    gathered = gather.gather(answers, {})
    for results, message in (({"msg": "no connection"}, "no connection"), (None, "did not finish")):
        kept, (problem,) = receive.receive("h1", answers["h1"], gathered, results)
        assert kept == []
        assert message in problem


def test_check_mode_takes_no_fact_away() -> None:
    answer = asked({"name": "a", "fact": "x"}, check_mode=True)
    would = receive.Received(answer["wanted"][0], result(token=None, token_id=None))
    known = {"x": SECRET, "dynatrace_tokens_issued": {"a": {"token": SECRET}}}
    assert receive.issued_facts([would], answer, known) == {
        "dynatrace_tokens_issued": {"a": {"token": SECRET}}
    }
    gone = receive.Received(answer["wanted"][0], result("deleted"))
    kept = receive.issued_facts([gone], answer, known)
    assert kept["dynatrace_tokens_issued"] == {"a": {"token": SECRET}}
    assert receive.issued_facts([would], answer, {})["x"] is None


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({"action": "created"}, True),
        ({"action": "rotated"}, True),
        ({"action": "none"}, False),
        ({"action": "none", "retiring": [{"id": "old"}]}, True),
        ({"action": "none", "handed_over": False}, True),
        ({"action": "created", "token": None}, False),
    ],
)
def test_what_is_due_to_be_handed_over(tmp_path: pathlib.Path, changes: Data, due: bool) -> None:
    file = tmp_path / "hand_over.yml"
    file.write_text("[]")
    answer = asked({"name": "a", "token": SECRET}, dynatrace_tokens_hand_over=str(file))
    assert answer["wanted"][0]["specification"]["retire"] is False
    one = receive.Received(answer["wanted"][0], result(**changes))
    told = receive.to_hand_over([one], answer)
    assert (told is not None) is due
    if told:
        assert told["wanted"][0]["specification"] == {"name": "a", "retire": True}
        assert SECRET not in repr(told["wanted"])


def test_a_token_whose_hand_over_failed_on_another_host_waits() -> None:
    both, other = asked({"name": "a"}, {"name": "b"}), asked({"name": "a"})
    gathered = gather.gather({"h1": both}, {"h2": other})
    (group,) = gathered["groups"]
    assert group["keys"] == [["access", "b"]]
    lines = receive.summary("h1", gathered, {"tokens": [result("none")]})
    assert lines[1:] == ["a: its predecessors stay, because handing it over failed on h2"]


def test_revoke_asks_for_what_was_created_here_and_names_the_rest() -> None:
    place = ask.place_of({}, [ENVIRONMENT])
    here = {"environment": "abc12345", "account": "", "kind": "access", "name": "a", "id": "1"}
    created = [{**here, "fact": "x"}, {**here, "environment": "xyz", "id": "2", "fact": None}]
    answer = ask.revoking(created, place, "use", False)
    assert [one["specification"]["token_id"] for one in answer["wanted"]] == ["1"]
    assert answer["elsewhere"] == ["a (2) of xyz"]
    received = [receive.Received(answer["wanted"][0], result("deleted"))]
    known = {
        receive.CREATED: created,
        "dynatrace_tokens_issued": {"a": {"id": "2", "token": "t"}, "b": {"id": "1", "token": "t"}},
    }
    got = receive.revoked_facts(received, answer, known)
    assert got["x"] is None
    assert got[receive.CREATED] == created[1:]
    tokens = {name: one["token"] for name, one in got["dynatrace_tokens_issued"].items()}
    assert tokens == {"a": "t", "b": None}


def test_the_summary_says_what_became_of_a_token_in_one_line() -> None:
    old = {"id": "OLD", "disable_date": "2030", "delete_date": None}
    rotated = result("rotated", retired=[{"id": "GONE", "action": "deleted"}], retiring=[old])
    assert summary.summary_line("a", rotated, " in abc") == (
        "a (dt0c01.ID) in abc: rotated, scopes a.read, never expires, secret known, GONE deleted, "
        "OLD usable until 2030"
    )
    assert summary.summary_line("a", result(failed=True), "") == "a: failed"
    assert summary.summary_line("a", result(metadata=None), "") == "a: absent"
    assert summary.summary_line("a\x1b", result("deleted"), "") == "a\\x1b (dt0c01.ID): deleted"
    settled = result("none", changed=True)
    assert ": unchanged, " in summary.summary_line("a", settled, "")
