# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every way to an environment: addresses, who calls, versions of the token API. docs/ways-in.md
names the test of each."""

from __future__ import annotations

import datetime as dt
import pathlib
import ssl
import typing as t
import urllib.parse

import pytest
import trustme

from support.relay import Changed, Fault, Said, relay
from support.runs import Ansible, Run, Task, check, in_check_mode, info, token, works
from support.stand_in import BEARER_SCOPES, GATEWAY_API, Environment, new_environment
from support.tunnel import tunnel

READ = ["metrics.read"]
MANAGING = ["apiTokens.read", "apiTokens.write"]
LIVE, APPS, LABS = (
    "abc12345.live.dynatrace.com",
    "abc12345.apps.dynatrace.com",
    "abc12345.sprint.dynatracelabs.com",
)
MANAGED, ACTIVEGATE, SSO = "managed.example.com", "activegate.example.com", "sso.dynatrace.com"
CLASSIC, GATEWAY = "/api/v2/apiTokens", GATEWAY_API


def failing(task: Task) -> Task:
    return {**task, "ignore_errors": True}


def oauth(client: dict[str, str]) -> dict[str, str]:
    """The options for an OAuth client."""
    options = {
        "oauth_client_id": client["client_id"],
        "oauth_client_secret": client["client_secret"],
    }
    return {
        **options,
        "oauth_token_url": client["token_url"],
        "account_uuid": client["account_uuid"],
    }


def sign_ons(environment: Environment) -> int:
    return len(
        [entry for entry in environment.requests() if entry["path"].endswith("/oauth2/token")]
    )


def whole_life(name: str, **options: t.Any) -> list[Task]:
    """Issue a token, see that it works and that another run changes nothing, change it, and
    delete it."""
    return [
        token(name, register="made", scopes=READ, **options),
        works("made.token"),
        token(name, register="again", scopes=READ, on_missing_secret="ignore", **options),
        token(
            name,
            register="updated",
            scopes=["logs.read"],
            enabled=False,
            on_missing_secret="ignore",
            **options,
        ),
        token(name, register="deleted", state="absent", **options),
        check(
            *(
                "made.action == 'created'",
                "not again.changed",
                "updated.action == 'updated'",
                "deleted.action == 'deleted'",
            ),
            *(
                "updated.token_id == made.token_id",
                "updated.metadata.scopes == ['logs.read']",
                "not updated.metadata.enabled",
            ),
        ),
    ]


# Addresses


@pytest.mark.once
def test_every_form_of_an_address_leads_to_its_api(
    ansible: Ansible, environment: Environment, server: Environment, tmp_path: pathlib.Path
) -> None:
    """For real, with the hosts that Dynatrace names: a proxy leads all of them to the stand-in,
    whose certificate is for them."""
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(LIVE, APPS, LABS, MANAGED, ACTIVEGATE, SSO).configure_cert(tls)
    ca = str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(ca)
    own = urllib.parse.urlsplit(environment.url).path
    client = server.oauth_client()
    saas, managed, platform = (
        {"api_token": secret}
        for secret in (server.api_token, environment.api_token, server.platform_token())
    )
    by_client = {
        "oauth_client_id": client["client_id"],
        "oauth_client_secret": client["client_secret"],
    }
    forms: list[tuple[str, dict[str, str], list[tuple[str, str]]]] = [
        (f"https://{LIVE}", saas, [(f"{LIVE}:443", CLASSIC)]),
        (f"https://{LIVE}///", saas, [(f"{LIVE}:443", CLASSIC)]),
        (f"https://{LIVE}/api/v2/", saas, [(f"{LIVE}:443", CLASSIC)]),
        (f"https://{LIVE}", platform, [(f"{LIVE}:443", CLASSIC)]),
        (f"https://{APPS}", saas, [(f"{LIVE}:443", CLASSIC)]),
        ("https://abc12345.sprint.apps.dynatracelabs.com", saas, [(f"{LABS}:443", CLASSIC)]),
        (f"https://{APPS}", platform, [(f"{APPS}:443", GATEWAY)]),
        (
            f"https://{APPS}/platform/classic/environment-api/v2",
            platform,
            [(f"{APPS}:443", GATEWAY)],
        ),
        (
            f"https://{APPS}",
            by_client,
            [(f"{SSO}:443", "/sso/oauth2/token"), (f"{APPS}:443", GATEWAY)],
        ),
        (f"https://{MANAGED}{own}", managed, [(f"{MANAGED}:443", own + CLASSIC)]),
        (f"https://{ACTIVEGATE}:9999{own}/", managed, [(f"{ACTIVEGATE}:9999", own + CLASSIC)]),
    ]
    paths: list[str] = []
    with relay(
        environment, lambda _method, path: paths.append(path.partition("?")[0]), tls=tls
    ) as secure:
        with tunnel(urllib.parse.urlsplit(secure.environment.url).port or 0) as proxy:
            tasks = [
                info(f"form_{number}", environment_url=url, ca_path=ca, proxy=proxy.url, **caller)
                for number, (url, caller, _expected) in enumerate(forms)
            ]
            ansible.play(*tasks).succeeded()
        targets = proxy.targets
    expected = [step for _url, _caller, steps in forms for step in steps]
    assert list(zip(targets, paths)) == expected


@pytest.mark.once
def test_what_cannot_work_is_refused_before_any_request(
    ansible: Ansible, environment: Environment
) -> None:
    client, platform = environment.oauth_client(), environment.platform_token()
    cases: dict[str, tuple[dict[str, t.Any], str]] = {
        "login": (
            {"environment_url": "https://me:pa55w0rd@abc12345.live.dynatrace.com"},
            "must not hold a user or a password",
        ),
        "clear": ({"environment_url": "http://abc12345.live.dynatrace.com"}, "in the clear"),
        "gateway": (
            {"environment_url": environment.url + "/platform/classic/environment-api"},
            "takes platform tokens and OAuth clients",
        ),
        "v1": ({"api_token": platform, "api_version": "v1"}, "v1 takes access tokens alone"),
        "v1_client": ({**oauth(client), "api_version": "v1"}, "v1 takes access tokens alone"),
        "query": (
            {"api_token": platform, "token_location": "query"},
            "authenticate in the header alone",
        ),
        "both": ({**oauth(client), "api_token": environment.api_token}, "exclude each other"),
        "half": ({"oauth_client_id": client["client_id"]}, "oauth_client_secret is missing"),
        "swapped": (
            {"oauth_client_id": client["client_secret"], "oauth_client_secret": "x"},
            "belongs into oauth_client_secret",
        ),
        "clear_sso": (
            {**oauth(client), "oauth_token_url": "http://sso.example.com/token"},
            "in the clear",
        ),
        "kind": ({"api_token": client["client_secret"]}, "it is the secret of an OAuth client"),
        "unset": ({"api_token": "$DT_TOKEN"}, "looks like the name of a variable"),
        "file": ({"api_token": "/run/secrets/dt_token"}, "looks like the path of a file"),
    }
    run = ansible.play(
        *(failing(info(name, **options)) for name, (options, _says) in cases.items()),
        options=["-vvvv"],
    ).succeeded()
    assert {
        name: says in run.result(name)["msg"] for name, (_options, says) in cases.items()
    } == dict.fromkeys(cases, True)
    assert environment.requests() == []
    assert not [secret for secret in [*environment.secrets(), "pa55w0rd"] if secret in run.output]


# Who calls


@pytest.mark.once
def test_a_platform_token_manages_tokens(ansible: Ansible, environment: Environment) -> None:
    ansible.play(*whole_life("ci", api_token=environment.platform_token())).succeeded()


@pytest.mark.once
def test_an_oauth_client_manages_tokens_by_one_access_token_a_task(
    ansible: Ansible, environment: Environment
) -> None:
    client = environment.oauth_client()
    many = {
        "tokens": [{"name": f"many-{number}", "scopes": READ} for number in range(6)],
        "workers": 3,
        **oauth(client),
    }
    several: Task = {
        "name": "set",
        "community.dynatrace.dynatrace_token_set": many,
        "register": "several",
    }
    ansible.play(
        *whole_life("ci", **oauth(client)), several, check("several.tokens | length == 6")
    ).succeeded()
    assert sign_ons(environment) == 5


@pytest.mark.once
def test_through_the_gateway_and_nowhere_else(ansible: Ansible, environment: Environment) -> None:
    environment.behave(bearer_at_classic_address=False)
    url = {"environment_url": environment.url + "/platform/classic/environment-api"}
    client = {**url, **oauth(environment.oauth_client())}
    rotated = token(
        "rotated", register="rotated", scopes=READ, rotate="always", store="store", **client
    )
    lives = [
        *whole_life("ci", **url, api_token=environment.platform_token()),
        *whole_life("cd", **client),
    ]
    ansible.play(
        *lives, rotated, rotated, check("rotated.action == 'rotated'"), works("rotated.token")
    ).succeeded()


@pytest.mark.once
def test_an_access_token_that_is_not_taken_any_more_is_renewed_once(
    ansible: Ansible, environment: Environment
) -> None:
    revoked: list[str] = []

    def revoke_before_the_creation(method: str, path: str) -> Fault:
        if method == "POST" and path.endswith("/apiTokens") and not revoked:
            environment.revoke_access_tokens()
            revoked.append(path)
        return None

    client = environment.oauth_client()
    with relay(environment, revoke_before_the_creation) as between:
        ansible.play(
            token(
                "ci",
                register="made",
                scopes=READ,
                environment_url=between.environment.url,
                **oauth(client),
            )
        ).succeeded()
    assert sign_ons(environment) == 2
    assert [
        entry["status"]
        for entry in environment.requests()
        if entry["method"] == "POST" and entry["path"].endswith("Tokens")
    ] == [
        401,
        201,
    ]
    assert len(environment.tokens("ci")) == 1


@pytest.mark.once
def test_an_oauth_client_that_may_only_read_is_asked_for_no_more(
    ansible: Ansible, environment: Environment
) -> None:
    reader, stranger = environment.oauth_client(BEARER_SCOPES[:1]), environment.oauth_client()
    wrong = {**oauth(stranger), "oauth_client_secret": "wr0ng"}
    run = ansible.play(
        info("listed", **oauth(reader)),
        failing(token("ci", register="made", scopes=READ, **oauth(reader))),
        failing(info("wrong", **wrong)),
    ).succeeded()
    assert len(run.result("listed")["tokens"]) == 1
    assert (
        "Give the OAuth client the scope environment-api:api-tokens:write"
        in run.result("ci")["msg"]
    )
    assert (
        "Check oauth_client_id, oauth_client_secret and account_uuid" in run.result("wrong")["msg"]
    )
    assert environment.tokens() == []


def test_the_environment_says_who_calls_and_options_go_before_it(
    ansible: Ansible, environment: Environment
) -> None:
    client = environment.oauth_client()
    variables = {
        "DT_CLIENT_ID": client["client_id"],
        "DT_CLIENT_SECRET": client["client_secret"],
        "DT_SSO_URL": client["token_url"],
        "DT_ACCOUNT_ID": client["account_uuid"],
    }
    ansible.play(info("client"), env={**variables, "DYNATRACE_API_TOKEN": None}).succeeded()
    assert sign_ons(environment) == 1
    ansible.play(
        info("token"),
        info("option", oauth_client_id=client["client_id"]),
        {**info("nearer"), "environment": variables},
        env=variables,
    ).succeeded()
    assert sign_ons(environment) == 3


def test_variables_of_other_tools_are_read_and_blank_options_are_not_given(
    ansible: Ansible, environment: Environment
) -> None:
    blank: dict[str, t.Any] = dict.fromkeys(
        ["environment_url", "api_token", "timeout", "validate_certs", "api_version", "ca_path"], ""
    )
    entry = {"name": "several", "scopes": READ, "expires_in": "", "enabled": " ", "token": ""}
    empty = {**blank, "expires_in": "", "rotate": "", "overlap": " ", "token_id": "", "retire": ""}
    several: Task = {
        "name": "set",
        "community.dynatrace.dynatrace_token_set": {**blank, "tokens": [entry], "workers": ""},
        "register": "several",
    }
    look_up = "lookup('community.dynatrace.api_token', 'ci', return='id', **blank)"
    ansible.play(
        token("ci", register="made", scopes=READ, **{**empty, "store": "store"}),
        several,
        info("listed", name="ci", expires_within="", enabled="", owner=" ", **blank),
        check(
            "made.metadata.expiration_date is none",
            "several.tokens[0].action == 'created'",
            "listed.tokens | map(attribute='id') == [made.token_id]",
            f"{look_up} == made.token_id",
        ),
        vars={"blank": {**blank, "store": "store", "verify": True, "scopes": "", "on_missing": ""}},
        env={
            "DYNATRACE_ENV_URL": None,
            "DYNATRACE_API_TOKEN": " ",
            "DT_ENVIRONMENT_URL": environment.url,
            "DT_PLATFORM_TOKEN": environment.platform_token(),
        },
    ).succeeded()


def test_the_lookup_asks_by_every_way(ansible: Ansible, environment: Environment) -> None:
    client = environment.oauth_client()
    given = ", ".join(f"{name}='{value}'" for name, value in oauth(client).items())
    lookup = (
        "lookup('community.dynatrace.api_token', 'ci', store='store', verify=true, return='id', {})"
    )
    in_query = f"api_token='{environment.api_token}', token_location='query'"
    run = ansible.play(
        token("ci", register="made", scopes=READ, store="store"),
        check(f"{lookup.format(given)} == made.token_id"),
        check(f"{lookup.format(in_query)} == made.token_id"),
    ).succeeded()
    assert sign_ons(environment) >= 1
    assert "token_location: query puts the secret of api_token into addresses" in run.text


def test_a_token_in_the_query_is_warned_of_once(ansible: Ansible, environment: Environment) -> None:
    run = ansible.play(
        *(
            token(name, register="made", scopes=READ, token_location="query")
            for name in ("one", "two")
        )
    ).succeeded()
    assert run.text.count("token_location: query puts the secret of api_token into addresses") == 1
    assert {
        entry["query"].get("api-token")
        for entry in environment.requests()
        if entry["path"].endswith("/apiTokens")
    } >= {"***"}


@pytest.mark.once
def test_tokens_of_the_old_format_call_and_are_managed(
    ansible: Ansible, environment: Environment
) -> None:
    environment.behave(old_token_format=True)
    old = environment.plant("admin", MANAGING)["token"]
    assert "." not in old
    ansible.play(
        *whole_life("ci", api_token=old), *whole_life("cd", api_token=old, token_location="query")
    ).succeeded()


# Personal access tokens


@pytest.mark.once
def test_a_personal_access_token_and_an_access_token_of_one_name_are_two(
    ansible: Ansible, environment: Environment
) -> None:
    personal: dict[str, t.Any] = {"scopes": READ, "personal_access_token": True}
    ansible.play(
        token("ci", register="access", scopes=READ),
        token("ci", register="personal", **personal),
        token("ci", register="again", on_missing_secret="ignore", **personal),
        info("listed", name="ci", personal_access_token=True),
        check(
            "personal.action == 'created'",
            "personal.metadata.personal_access_token",
            "personal.token_id != access.token_id",
        ),
        check(
            "not again.changed",
            "again.token_id == personal.token_id",
            "listed.tokens | map(attribute='id') == [personal.token_id]",
        ),
        token("ci", register="deleted", personal_access_token=True, state="absent"),
        check("deleted.token_id == personal.token_id"),
    ).succeeded()
    assert [listed["personalAccessToken"] for listed in environment.tokens("ci")] == [False]


@pytest.mark.once
def test_the_limits_of_a_personal_access_token_are_in_the_errors(
    ansible: Ansible, environment: Environment, server: Environment
) -> None:
    facts: dict[str, t.Any] = {"owner": "x@example.com", "personal_access_token": True}
    pat = environment.plant("pat", MANAGING, **facts)["token"]
    unprivileged = environment.plant("unprivileged", MANAGING, manages_settings=False, **facts)[
        "token"
    ]
    environment.plant("foreign")
    without = new_environment(server)
    without.behave(personal_access_tokens=False)
    there = {"environment_url": without.url, "api_token": without.api_token}
    run = ansible.play(
        *whole_life("own", api_token=pat),
        failing(token("foreign", register="foreign", state="absent", api_token=pat)),
        failing(token("other", register="other", scopes=READ, api_token=unprivileged)),
        token(
            "mine", register="mine", scopes=READ, api_token=unprivileged, personal_access_token=True
        ),
        check("mine.action == 'created'"),
        failing(token("more", register="more", scopes=READ, personal_access_token=True, **there)),
    ).succeeded()
    assert (
        "A personal access token deletes only tokens of its owner" in run.result("foreign")["msg"]
    )
    assert (
        "its owner needs the permission environment:roles:manage-settings too"
        in run.result("other")["msg"]
    )
    assert (len(environment.tokens("foreign")), environment.tokens("other")) == (1, [])
    assert "Personal access tokens are not enabled in this environment" in run.result("more")["msg"]


# The API v1


@pytest.mark.once
def test_the_example_of_the_documentation_of_v1(ansible: Ansible, environment: Environment) -> None:
    """POST /api/v1/tokens/ with these scopes and 24 HOURS."""
    options = {
        "scopes": ["WriteConfig", "ReadConfig", "DataExport"],
        "expires_in": "24h",
        "api_version": "v1",
    }
    options["api_token"] = environment.v1_token()
    run = ansible.play(
        token("REST example", register="made", **options),
        token("REST example", register="again", on_missing_secret="ignore", **options),
        check(
            "made.action == 'created'",
            "made.token.startswith(made.token_id ~ '.')",
            "not again.changed",
        ),
    ).succeeded()
    (listed,) = environment.tokens("REST example")
    ends, made = (
        dt.datetime.fromisoformat(listed[name].replace("Z", "+00:00"))
        for name in ("expirationDate", "creationDate")
    )
    assert abs((ends - made).total_seconds() - 86_400) < 5
    assert sorted(listed["scopes"]) == ["DataExport", "ReadConfig", "WriteConfig"]
    assert run.result("REST example")["metadata"]["expiration_date"] == listed["expirationDate"]


@pytest.mark.once
def test_v1_in_each_of_its_forms(ansible: Ansible, server: Environment) -> None:
    until = "2036-01-02T03:04:05Z"
    environments, plays = [], []
    for behaviour in (
        {},
        {"v1_as_in_example": True, "v1_location": False},
        {"old_token_format": True},
    ):
        environments.append(environment := new_environment(server))
        environment.behave(**behaviour)
        options = {"api_version": "v1", "api_token": environment.v1_token()}
        again = {**options, "scopes": READ, "expiration_date": until, "on_missing_secret": "ignore"}
        tasks = [
            *whole_life("ci", **options),
            *whole_life("cd", **options, token_location="query"),
            *(token("until", register=name, **again) for name in ("a", "b")),
            check("a.action == 'created'", "not b.changed"),
        ]
        plays.append(
            {
                "hosts": "localhost",
                "gather_facts": False,
                "environment": environment.variables,
                "tasks": tasks,
            }
        )
    ansible.playbook(plays).succeeded()
    assert [len(environment.tokens()) for environment in environments] == [1, 1, 1]


@pytest.mark.once
def test_a_creation_through_v1_may_be_answered_in_text_or_csv(
    ansible: Ansible, environment: Environment
) -> None:
    forms = iter(["{}", "token\n{}\n", "{}\n"])

    def as_text(said: Said) -> Said:
        form = next(forms)
        secret = said.body.decode().split('"')[3]
        return Said(
            said.status,
            form.format(secret).encode(),
            {"Content-Type": "text/csv" if "\n" in form else "text/plain; charset=utf-8"},
        )

    def rule(method: str, path: str) -> Fault:
        return Changed(as_text) if method == "POST" and path.endswith("/tokens") else None

    options = {"api_version": "v1", "api_token": environment.v1_token(), "scopes": READ}
    names = ["plain", "with a heading", "without one"]
    with relay(environment, rule) as between:
        tasks = [
            task for name in names for task in (token(name, register="got", **options), works())
        ]
        ansible.play(*tasks, env={"DYNATRACE_ENV_URL": between.environment.url}).succeeded()
    assert sorted(listed["name"] for listed in environment.tokens()) == sorted(names)


@pytest.mark.once
def test_what_v1_cannot_do_is_refused_before_anything_is_written(
    ansible: Ansible, environment: Environment
) -> None:
    calling = environment.plant("calling", ["TenantTokenManagement", "metrics.read"])
    options = {"api_version": "v1", "api_token": calling["token"]}
    personal = token(
        "pat", register="pat", scopes=READ, personal_access_token=True, store="store", **options
    )
    own = token("calling", scopes=["TenantTokenManagement"], on_missing_secret="ignore", **options)
    gone = {**token("gone", state="absent", **options)}
    gone["community.dynatrace.dynatrace_token"]["name"] = "calling"
    several: Task = {
        "name": "set",
        "community.dynatrace.dynatrace_token_set": {
            "tokens": [{"name": "several", "scopes": READ, "personal_access_token": True}],
            "store": "store",
            **options,
        },
    }
    tasks = [personal, own, gone, several]
    run = ansible.play(
        *(failing(task) for task in [*tasks, *map(in_check_mode, tasks)])
    ).succeeded()
    for results, says in (
        (
            run.results("pat"),
            "The API v1 cannot issue personal access tokens. Use api_version: v2. Nothing was "
            "changed.",
        ),
        (run.results("set"), "The API v1 cannot issue personal access tokens"),
        (
            run.results("calling"),
            "The API v1 cannot change the token that it is called with. Use api_version: v2, or "
            "another token",
        ),
        (run.results("gone"), "the token that this task itself calls Dynatrace with"),
    ):
        assert [says in result["msg"] for result in results] == [True, True]
    assert environment.writes() == []
    assert list(ansible.folder.glob("store/**/*.yml")) == []


@pytest.mark.once
def test_v1_asks_for_details_only_of_what_is_meant(
    ansible: Ansible, environment: Environment
) -> None:
    for number in range(5):
        environment.issue(f"other-{number}")
    environment.issue("ci")
    options = {"api_version": "v1", "api_token": environment.v1_token()}
    environment.forget_requests()
    absent = token("ci", register="ci", scopes=READ, on_missing_secret="ignore", **options)
    run = ansible.play(
        absent, info("named", name="ci", **options), info("by_regex", name_regex="^ci$", **options)
    ).succeeded()
    assert [len(run.result(name)["tokens"]) for name in ("named", "by_regex")] == [1, 1]
    details = [
        entry for entry in environment.requests() if "/api/v1/tokens/dt0c01" in entry["path"]
    ]
    assert len(details) == 3


# No secret is shown


def shown(run: Run, folder: pathlib.Path, secrets: t.Iterable[str]) -> list[str]:
    """The secrets that are in the output of a run or in a file that it left."""
    files = [
        file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.name != "playbook.yml"
    ]
    everything = b"\n".join([run.output.encode(), repr(run.events).encode(), *files])
    return [secret for secret in secrets if secret.rpartition(".")[2].encode() in everything]


def test_no_secret_of_any_way_in_is_shown_or_left(
    ansible: Ansible, environment: Environment, tmp_path: pathlib.Path
) -> None:
    client, v1 = (
        environment.oauth_client(),
        {"api_version": "v1", "api_token": environment.v1_token()},
    )
    query, unreached = (
        {"token_location": "query"},
        {"environment_url": "http://127.0.0.1:9", "max_wait": 0},
    )
    unable = {"register": "unable", "scopes": ["no.such"]}
    with relay(environment, lambda _method, _path: "http://127.0.0.1/elsewhere") as redirecting:
        redirected = {"environment_url": redirecting.environment.url}
        run = ansible.play(
            *whole_life("ci", **oauth(client)),
            *whole_life("cd", **query),
            *whole_life("old", **v1, **query),
            *(
                failing(token("unable", **unable, **options))
                for options in (oauth(client), query, v1)
            ),
            *(
                failing(info("unreached", **unreached, **options))
                for options in (oauth(client), query)
            ),
            *(
                failing(info("redirected", **redirected, **options))
                for options in (oauth(client), query)
            ),
            failing(
                info("wrong", **query, api_token=environment.oauth_client()["client_secret"][7:])
            ),
            failing(
                info(
                    "no_client",
                    **{**oauth(client), "oauth_client_secret": environment.platform_token()},
                )
            ),
            failing(
                info(
                    "no_sign_on",
                    **{**oauth(client), "oauth_token_url": "http://127.0.0.1:9/", "max_wait": 0},
                )
            ),
            options=["-vvvv", "--diff"],
            env={
                "ANSIBLE_LOG_PATH": str(tmp_path / "ansible.log"),
                "ANSIBLE_CALLBACKS_ENABLED": "recorder,ansible.builtin.tree",
            },
        ).succeeded()
    assert len(run.events) > 27
    assert len(environment.secrets()) >= 10
    assert shown(run, tmp_path, environment.secrets()) == []
    assert "api-token=" not in run.output
