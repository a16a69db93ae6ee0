# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    CONNECTION_ENVIRONMENT,
    LOOKUP_OPTIONS,
    TOKEN_INFO_OPTIONS,
    TOKEN_OPTIONS,
    TOKEN_SET_OPTIONS,
    TOKEN_SPECIFICATION_OPTIONS,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._action import registers_token
from ansible_collections.community.dynatrace.plugins.plugin_utils._resolve import (
    proxy_for,
    resolve_options,
)

from builders import URL

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("task", "task_environment", "controller", "url"),
    [
        ("given", {"DYNATRACE_ENV_URL": "task"}, {"DYNATRACE_ENV_URL": "controller"}, "given"),
        (None, {"DYNATRACE_ENV_URL": "task"}, {"DYNATRACE_ENV_URL": "controller"}, "task"),
        (None, {"DT_ENV_URL": "task"}, {"DYNATRACE_ENV_URL": "controller"}, "task"),
        (None, {"DYNATRACE_ENV_URL": "first", "DT_ENV_URL": "second"}, {}, "first"),
        (None, {"DYNATRACE_ENV_URL": ""}, {"DT_ENV_URL": "controller"}, "controller"),
    ],
)
def test_the_nearest_source_of_an_option_wins(
    task: str | None, task_environment: dict[str, str], controller: dict[str, str], url: str | None
) -> None:
    given = {"environment_url": task} if task else {}
    assert (
        resolve_options(given, TOKEN_OPTIONS, [task_environment, controller])["environment_url"]
        == url
    )


@pytest.mark.parametrize("option", CONNECTION_ENVIRONMENT)
def test_the_variables_of_an_option_are_read_in_their_order(option: str) -> None:
    names = CONNECTION_ENVIRONMENT[option]
    for number, name in enumerate(names):
        later = dict.fromkeys(names[number + 1 :], "later")
        blank = dict.fromkeys(names[:number], " ")
        environment = {**blank, **later, name: "first"}
        assert resolve_options({}, TOKEN_OPTIONS, [environment])[option] == "first"


def test_what_other_tools_call_the_variables_is_known() -> None:
    """The names that Terraform's provider reads, in its order."""
    assert CONNECTION_ENVIRONMENT["environment_url"] == (
        "DYNATRACE_ENV_URL",
        "DT_ENV_URL",
        "DYNATRACE_ENVIRONMENT_URL",
        "DT_ENVIRONMENT_URL",
    )
    assert CONNECTION_ENVIRONMENT["api_token"][2:] == (
        "DYNATRACE_PLATFORM_TOKEN",
        "DT_PLATFORM_TOKEN",
    )
    assert CONNECTION_ENVIRONMENT["oauth_client_id"] == ("DT_CLIENT_ID", "DYNATRACE_CLIENT_ID")
    assert CONNECTION_ENVIRONMENT["account_uuid"] == ("DT_ACCOUNT_ID", "DYNATRACE_ACCOUNT_ID")


EMPTY = {"proxy": "", "store": ""}


@pytest.mark.parametrize("blank", [None, "", " ", "\t\n"])
@pytest.mark.parametrize("options", [TOKEN_OPTIONS, TOKEN_INFO_OPTIONS, LOOKUP_OPTIONS])
def test_an_option_that_is_blank_is_not_given(options: dict[str, t.Any], blank: str | None) -> None:
    nothing = resolve_options({}, options, [])
    variables = {"DT_ENV_URL": URL, "DT_API_TOKEN": "token", "DYNATRACE_TOKEN_STORE": "store"}
    from_variables = resolve_options({}, options, [variables])
    for option in options:
        changed = {option: ""} if option in EMPTY and blank is not None else {}
        given = {option: blank}
        assert resolve_options(given, options, []) == {**nothing, **changed}, option
        assert resolve_options(given, options, [variables]) == {**from_variables, **changed}, option


def test_an_option_of_an_entry_that_is_blank_is_not_given() -> None:
    plain = resolve_options({"tokens": [{"name": "ci"}]}, TOKEN_SET_OPTIONS, [])
    blank = dict.fromkeys(TOKEN_SPECIFICATION_OPTIONS, "")
    given = {"tokens": [{**blank, "name": "ci"}], "workers": "", "purge": " "}
    assert resolve_options(given, TOKEN_SET_OPTIONS, []) == plain


def test_false_and_nought_are_given() -> None:
    given = {"validate_certs": False, "max_wait": 0, "enabled": False, "scopes": [], "timeout": 1}
    params = resolve_options(given, TOKEN_OPTIONS, [])
    assert {name: params[name] for name in given} == given


TOKEN = {"DYNATRACE_API_TOKEN": "token"}
PLATFORM = {"DYNATRACE_PLATFORM_TOKEN": "platform"}
CLIENT = {"DT_CLIENT_ID": "client", "DT_CLIENT_SECRET": "secret"}
GIVEN_CLIENT = {"oauth_client_id": "given", "oauth_client_secret": "given"}


@pytest.mark.parametrize(
    ("given", "task_environment", "controller", "caller"),
    [
        ({}, {}, {}, (None, None, None)),
        ({}, {}, TOKEN, ("token", None, None)),
        ({}, {}, CLIENT, (None, "client", "secret")),
        ({}, {}, {**TOKEN, **PLATFORM}, ("token", None, None)),
        ({}, PLATFORM, TOKEN, ("platform", None, None)),
        ({}, {}, {**PLATFORM, **CLIENT}, ("platform", None, None)),
        ({}, CLIENT, PLATFORM, (None, "client", "secret")),
        ({"api_token": "  "}, {}, TOKEN, ("token", None, None)),
        ({}, {}, {**TOKEN, **CLIENT}, ("token", None, None)),
        ({}, CLIENT, TOKEN, (None, "client", "secret")),
        ({}, TOKEN, CLIENT, ("token", None, None)),
        ({}, {"DT_CLIENT_ID": "mine"}, {**TOKEN, **CLIENT}, (None, "mine", "secret")),
        (GIVEN_CLIENT, TOKEN, TOKEN, (None, "given", "given")),
        ({"oauth_client_id": "given"}, {}, {**TOKEN, **CLIENT}, (None, "given", "secret")),
        ({"oauth_client_secret": "given"}, {}, TOKEN, (None, None, "given")),
        ({"api_token": "given"}, CLIENT, CLIENT, ("given", None, None)),
        ({"api_token": "", **GIVEN_CLIENT}, {}, TOKEN, (None, "given", "given")),
        ({"api_token": ""}, {}, CLIENT, (None, "client", "secret")),
        ({"api_token": "given", **GIVEN_CLIENT}, {}, {}, ("given", "given", "given")),
        # Platform tokens take the client, whatever the other kinds of a list take.
        ({"kind": "platform", "api_token": "given"}, {}, CLIENT, ("given", "client", "secret")),
        ({"kind": "platform"}, TOKEN, CLIENT, ("token", "client", "secret")),
    ],
)
def test_of_two_ways_to_call_that_of_the_nearest_source_counts(
    given: dict[str, str],
    task_environment: dict[str, str],
    controller: dict[str, str],
    caller: tuple[str | None, ...],
) -> None:
    params = resolve_options(given, TOKEN_OPTIONS, [task_environment, controller])
    assert (
        tuple(params[option] for option in ("api_token", "oauth_client_id", "oauth_client_secret"))
        == caller
    )


def test_options_are_typed_and_have_their_defaults() -> None:
    params = resolve_options({"enabled": "no", "scopes": "a,b", "timeout": "5"}, TOKEN_OPTIONS, [])
    assert params.keys() == TOKEN_OPTIONS.keys()
    assert (params["enabled"], params["scopes"], params["timeout"], params["state"]) == (
        False,
        ["a", "b"],
        5.0,
        "present",
    )


@pytest.mark.parametrize("given", [{"scope": ["a"]}, {"timeout": "soon"}, {"state": "gone"}])
def test_an_option_that_cannot_be_understood_is_named(given: dict[str, t.Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(given))):
        resolve_options(given, TOKEN_OPTIONS, [])


@pytest.mark.parametrize(
    ("url", "environments", "proxy"),
    [
        (URL, [{"https_proxy": PROXY}], PROXY),
        (URL, [{"ALL_PROXY": PROXY}], PROXY),
        (URL, [{"https_proxy": "proxy:3128"}], PROXY),
        (URL, [{"http_proxy": PROXY}], None),
        (URL, [{"https_proxy": PROXY}, {"https_proxy": "http://controller"}], PROXY),
        (URL, [{"https_proxy": PROXY, "no_proxy": ".dynatrace.com"}], None),
        (
            URL,
            [{"no_proxy": "example.com,abc12345.live.dynatrace.com"}, {"https_proxy": PROXY}],
            None,
        ),
        (URL, [{"https_proxy": PROXY}, {"NO_PROXY": "*"}], None),
        (URL, [{"https_proxy": PROXY, "no_proxy": "example.com"}], PROXY),
        ("http://127.0.0.1:8080", [{"http_proxy": PROXY, "no_proxy": "127.0.0.0/8"}], None),
        ("no address", [{"https_proxy": PROXY}], None),
        (URL, [{"https_proxy": ""}, {"https_proxy": PROXY}], None),
        (URL, [{"HTTPS_PROXY": ""}, {"https_proxy": PROXY}], None),
        (URL, [{"https_proxy": " ", "HTTPS_PROXY": PROXY}], None),
        (URL, [{"https_proxy": "", "ALL_PROXY": PROXY}], None),
        (URL, [{"https_proxy": PROXY, "HTTPS_PROXY": ""}], PROXY),
        (URL, [{"all_proxy": ""}, {"https_proxy": PROXY}], None),
        (URL, [{"no_proxy": ""}, {"https_proxy": PROXY, "no_proxy": "*"}], PROXY),
        (URL, [{"http_proxy": ""}, {"https_proxy": PROXY}], PROXY),
        (URL, [{"https_proxy": "socks5h://proxy:1080"}], "socks5h://proxy:1080"),
        (URL, [{"https_proxy": PROXY, "ALL_PROXY": "socks://proxy:1080"}], PROXY),
        (URL, [{"ALL_PROXY": "socks://proxy:1080", "no_proxy": "*"}], None),
    ],
)
def test_the_proxy_comes_from_the_usual_variables(
    url: str, environments: list[dict[str, str]], proxy: str | None
) -> None:
    assert proxy_for(url, environments) == proxy
    assert resolve_options({"environment_url": url}, TOKEN_OPTIONS, environments)["proxy"] == proxy


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"ALL_PROXY": "socks://127.0.0.1:1080/"}, "ALL_PROXY: socks:// does not tell the version"),
        ({"https_proxy": "ftp://proxy"}, "https_proxy: a proxy with ftp:// is not supported"),
        ({"HTTPS_PROXY": "http://me:S3CR#T@proxy:3128"}, "HTTPS_PROXY: the address is damaged"),
        ({"all_proxy": "http://me:S3CR/T@proxy:3128"}, "all_proxy: the address is damaged"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused_by_the_name_of_its_variable(
    environment: dict[str, str], says: str
) -> None:
    with pytest.raises(OptionError, match=f"^The environment variable {says}") as caught:
        resolve_options({"environment_url": URL}, TOKEN_OPTIONS, [environment])
    said = str(caught.value)
    assert ("percent-encoded: %40, %23" in said) is ("socks" not in says)
    assert "S3CR" not in said


def test_a_given_proxy_wins_over_the_variables() -> None:
    given = {"environment_url": URL, "proxy": PROXY}
    assert (
        resolve_options(given, TOKEN_OPTIONS, [{"https_proxy": "http://other", "no_proxy": "*"}])[
            "proxy"
        ]
        == PROXY
    )


def test_only_the_environments_that_are_given_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("DYNATRACE_ENV_URL", "https://elsewhere")
    params = resolve_options({}, TOKEN_OPTIONS, [{"DT_ENV_URL": URL, "https_proxy": PROXY}])
    assert (params["environment_url"], params["proxy"]) == (URL, PROXY)


@pytest.mark.parametrize(
    "url",
    ["https://[", "https://host:port", "https://host:99999", "https://user:password@\u2100.com"],
)
def test_a_damaged_address_is_left_for_the_connection_to_refuse(url: str) -> None:
    params = resolve_options(
        {"environment_url": url}, TOKEN_OPTIONS, [{"https_proxy": PROXY, "no_proxy": "example.com"}]
    )
    assert params["environment_url"] == url


@pytest.mark.parametrize(
    ("register", "keeps"),
    [
        ("issued", True),
        (None, False),
        ({"issued": "_task.polymorphic_result"}, True),
        ({"issued": " _task.result "}, True),
        ({"secret": "_task.result.token"}, True),
        ({"changed": "_task.result.changed"}, False),
        ({"changed": "_task.result.changed", "secret": "_task.result['token']"}, True),
    ],
)
def test_a_task_keeps_the_token_where_it_registers_it(register: t.Any, keeps: bool) -> None:
    assert registers_token(register) is keeps


def test_a_wrong_entry_of_a_list_is_told_by_its_number() -> None:
    tokens = [
        {"name": "a"},
        {"name": "b", "state": "gone"},
        {"name": "c", "scope": []},
        "d",
        {"name": "e", "enabled": "maybe"},
    ]
    with pytest.raises(OptionError) as error:
        resolve_options({"tokens": tokens, "workers": "many"}, TOKEN_SET_OPTIONS, [])
    said = str(error.value)
    assert [number for number in range(5) if f"tokens[{number}]" in said] == [1, 2, 3, 4]
    assert "workers" in said


def test_a_number_that_is_too_large_is_an_error_that_names_the_option() -> None:
    with pytest.raises(OptionError, match=r"^timeout: the number is too large"):
        resolve_options({"timeout": 10**400}, TOKEN_OPTIONS, [])


@pytest.mark.parametrize("key", [(1, 2), None, 1])
def test_a_key_that_is_no_text_is_an_error_and_not_a_crash(key: t.Any) -> None:
    with pytest.raises(OptionError, match="tokens"):
        resolve_options({"tokens": [{key: "a"}]}, TOKEN_SET_OPTIONS, [])
