# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Platform tokens and ActiveGate tokens, by the same module, lookup and store as access tokens."""

from __future__ import annotations

import typing as t

import pytest

from support import stand_in
from support.roles import hosts, play, revoke, role, trying
from support.runs import Ansible, Task, check, in_check_mode, info, token
from support.stand_in import Account, Environment

pytestmark = [pytest.mark.once, pytest.mark.v2]

INGEST = ["openpipeline:logs:ingest"]
UNCHANGED = check("not got.changed", "got.token == before.token")
FAILS = {"ignore_errors": True}


@pytest.fixture
def account(environment: Environment) -> Account:
    return stand_in.account_of(environment)


def remember(name: str, value: str) -> Task:
    return {"name": name, "ansible.builtin.set_fact": {name: value}, "no_log": True}


def test_a_platform_token_is_issued_kept_changed_rotated_and_deleted(
    ansible: Ansible, account: Account
) -> None:
    usual: dict[str, t.Any] = {
        "kind": "platform",
        "scopes": INGEST,
        "store": "store",
        "expires_in": "90d",
        **account.connection(),
    }
    later = {"expires_in": None, "expiration_date": "2035-01-01T00:00:00Z"}
    wider = {"scopes": ["openpipeline:metrics:ingest"]}
    query = (
        "lookup('community.dynatrace.api_token', 'ci', kind='platform', store='store', "
        f"environment_url='{ansible.environment.url}'"
    )
    verified = "".join(f", {name}='{value}'" for name, value in account.connection().items())
    verified += ", verify=true, scopes=['openpipeline:logs:ingest']"
    criteria = {"kind": "platform", "store": "store", **account.connection()}
    ansible.play(
        in_check_mode(token("ci", "got", **usual)),
        check("got.changed", "got.token is none"),
        token("ci", "got", **usual),
        check("got.action == 'created'", "got.metadata.kind == 'platform'", "got.usable"),
        remember("before", "{{ got }}"),
        token("ci", "got", **usual),
        UNCHANGED,
        check(f"{query}) == before.token", f"{query}{verified}) == before.token"),
        token("ci", "got", **{**usual, **later}),
        check("got.action == 'updated'", "got.token == before.token"),
        token("ci", "got", enabled=False, **usual),
        check("got.action == 'updated'", "not got.usable"),
        token("ci", "got", enabled=True, **usual),
        token("ci", "got", keywords=FAILS, **{**usual, **wider}),
        check("got is failed", "'on_immutable_change: rotate' in got.msg"),
        token("ci", "got", on_immutable_change="rotate", overlap="2d", **{**usual, **wider}),
        check("got.action == 'rotated'", "got.retiring | length == 1"),
        remember("before", "{{ got }}"),
        token("ci", "got", on_immutable_change="rotate", overlap="2d", **{**usual, **wider}),
        UNCHANGED,
        info("listed", **criteria),
        check(
            "listed.tokens | length == 2",
            "listed.tokens | selectattr('retiring') | length == 1",
            "listed.tokens[0].owner is none",
        ),
        token("ci", "got", **{**usual, "scopes": None, "expires_in": None, "state": "absent"}),
        check("got.action == 'deleted'", "got.retired | length == 1"),
    ).succeeded()
    assert account.tokens("ci") == []


def test_tokens_of_dev_and_of_prod_in_one_account_never_meet(
    ansible: Ansible, account: Account
) -> None:
    prod = account.new_environment()
    theirs = prod.plant("ci")
    usual = {"kind": "platform", "scopes": INGEST, "store": "store", **account.connection()}
    both = [{"name": "ci", "kind": "platform", "scopes": INGEST}]
    ansible.play(
        token("ci", "got", **usual),
        check("got.action == 'created'"),
        token("ci", "got", rotate="always", **usual),
        check("got.action == 'rotated'"),
        {
            "name": "purge",
            "community.dynatrace.dynatrace_token_set": {
                "tokens": [{**both[0], "name": "other"}],
                "store": "store",
                "purge": True,
                **account.connection(),
            },
            "register": "purged",
        },
        check("purged.purged | length == 1"),
    ).succeeded()
    assert [one["id"] for one in account.tokens("ci")] == [theirs["id"]]


def test_a_thousand_platform_tokens_unchanged_cost_one_page_and_no_other_request(
    ansible: Ansible, account: Account
) -> None:
    names = [f"ci{number}" for number in range(1000)]
    account.plant_all(*({"name": name, "scopes": INGEST} for name in names))
    account.environment.forget_requests()
    ansible.play(
        {
            "name": "set",
            "community.dynatrace.dynatrace_token_set": {
                "tokens": [{"name": name, "kind": "platform", "scopes": INGEST} for name in names],
                **account.connection(),
            },
            "register": "got",
        },
        check("not got.changed", "got.tokens | length == 1000"),
    ).succeeded()
    requests = [one for one in account.environment.requests() if "sso" not in one["path"]]
    assert len(requests) == 1


def test_an_activegate_token_is_issued_kept_rotated_and_deleted(
    ansible: Ansible, environment: Environment
) -> None:
    scopes = [f"activeGateTokenManagement.{act}" for act in ("read", "create", "write")]
    usual = {
        "kind": "activegate",
        "api_token": environment.plant("gates", scopes)["token"],
        "store": "store",
        "expires_in": "60d",
        "rotate": "expiring",
        "rotate_before": "31d",
        "overlap": "2d",
    }
    query = (
        "lookup('community.dynatrace.api_token', 'gate', kind='activegate', store='store', "
        f"verify=true, environment_url='{environment.url}', api_token='{usual['api_token']}')"
    )
    ansible.play(
        token("gate", "got", **usual),
        check("got.action == 'created'"),
        remember("before", "{{ got }}"),
        token("gate", "got", **usual),
        UNCHANGED,
        check("got.metadata.activegate_type == 'environment'", f"{query} == before.token"),
        token("gate", "got", keywords=FAILS, **{**usual, "activegate_type": "cluster"}),
        check("got is failed", "'activegate_type' in got.msg"),
        token("gate", "got", keywords=FAILS, **{**usual, "scopes": INGEST}),
        check("got is failed", "'has no scopes' in got.msg"),
        token("gate", "got", keywords=FAILS, **{**usual, "expires_in": "3y"}),
        check("got is failed", "'2y at most' in got.msg"),
        token("gate", "got", **{**usual, "rotate": "always"}),
        check("got.action == 'rotated'", "got.retiring | length == 1"),
        token("gate", "got", **{**usual, "state": "absent", "expires_in": None, "rotate": None}),
        check("got.action == 'deleted'", "got.retired | length == 1"),
    ).succeeded()
    assert environment.activegate_tokens("gate") == []


def a_set(name: str, *tokens: Task, **options: t.Any) -> Task:
    arguments = {"tokens": list(tokens), "store": "store", **options}
    return {
        "name": name,
        "community.dynatrace.dynatrace_token_set": arguments,
        "register": "got",
        **FAILS,
    }


def test_a_set_of_all_kinds_is_issued_and_purged_with_the_credentials_that_are_given(
    ansible: Ansible, account: Account
) -> None:
    environment = account.environment
    scopes = [f"activeGateTokenManagement.{act}" for act in ("read", "create", "write")]
    admin = environment.plant("admin", [*scopes, "apiTokens.read", "apiTokens.write"])["token"]
    both = {"api_token": admin, **account.connection()}
    access = {"name": "ci", "scopes": ["metrics.read"]}
    platform = {"name": "ci", "kind": "platform", "scopes": INGEST}
    gate = {"name": "ci", "kind": "activegate"}
    ansible.play(
        a_set("all", access, platform, gate, **both),
        check("got.tokens | map(attribute='action') | unique == ['created']"),
        check("got.tokens | map(attribute='metadata.kind') | unique | length == 3"),
        a_set("again", access, platform, gate, **both),
        check("not got.changed"),
        a_set("by the token alone", access, purge=True, api_token=admin),
        check("got.purged | length == 1", "got is not failed"),
        a_set("by both", access, purge=True, **both),
        check("got.purged | length == 1"),
        a_set("at odds", access, {**platform, "personal_access_token": True}, **both),
        check("got.msg is match('tokens.1.: personal_access_token: true means')"),
    ).succeeded()
    left = (environment.tokens("ci"), account.tokens("ci"), environment.activegate_tokens("ci"))
    assert list(map(len, left)) == [1, 0, 0]


def test_purge_without_an_environment_deletes_nothing(ansible: Ansible, account: Account) -> None:
    usual = {"kind": "platform", "scopes": INGEST, "resources": [account.resource]}
    (ansible.folder / "store").mkdir(mode=0o700)
    (ansible.folder / "store" / "notes.yml").write_text("of somebody else\n")
    ansible.play(
        a_set("purge", {"name": "ci", **usual}, purge=True, **account.connection()),
        check("got is failed", "'purge is about an environment' in got.msg"),
        env={"DYNATRACE_ENV_URL": None},
    ).succeeded()
    assert account.tokens("ci") == []


def test_a_kind_that_cannot_be_asked_for_so_is_refused_before_any_request(
    ansible: Ansible, environment: Environment
) -> None:
    environment.forget_requests()
    ansible.play(
        token("ci", "got", keywords=FAILS, kind="platform", scopes=INGEST),
        check("'needs an OAuth client' in got.msg"),
        token("ci", "got", keywords=FAILS, kind="access", scopes=INGEST, tags=["a"]),
        check("got.msg is match('tags: ')", "'kind: platform' in got.msg"),
        token("ci", "got", keywords=FAILS, kind="platform", personal_access_token=True),
        check("got.msg is match('personal_access_token: true means kind: personal_access')"),
    ).succeeded()
    assert environment.requests() == []


def test_the_role_issues_tokens_of_the_new_kinds_and_takes_them_back(
    ansible: Ansible, account: Account
) -> None:
    everywhere = {"resources": [f"urn:dtaccount:{account.uuid}"]}
    wanted = {
        "name": "ingest {{ inventory_hostname }}",
        "kind": "platform",
        "scopes": INGEST,
        "fact": "ingest_token",
    }
    acts = ("read", "create", "write")
    admin = account.environment.plant("gates", [f"activeGateTokenManagement.{a}" for a in acts])
    connection = {**account.role_variables(), "dynatrace_tokens_api_token": admin["token"]}
    gate = {"name": "gate {{ inventory_hostname }}", "kind": "activegate", "expires_in": "60d"}
    takes_part = {"when": "inventory_hostname != 'a'"}
    at_odds = [{"name": "ci", "scopes": INGEST}, {"name": "ci", "kind": "platform"}]

    def used(*tokens: Task, **keywords: t.Any) -> Task:
        stored = {**connection, "dynatrace_tokens_store": "store"}
        return role(*tokens, keywords={**takes_part, **keywords}, **stored)

    account.behave(checks_resources=False)
    mine = "dynatrace_tokens_issued['ingest ' ~ inventory_hostname]"
    run = ansible.playbook(
        [
            play(
                used(
                    wanted,
                    gate,
                    {"name": "wide", "kind": "platform", "scopes": INGEST, **everywhere},
                ),
                check("(ingest_token is defined) == (inventory_hostname != 'a')"),
                {
                    **check(f"{mine}.kind == 'platform'", f"{mine}.token == ingest_token"),
                    **takes_part,
                },
                trying(used(*at_odds)),
                {**revoke(**connection, dynatrace_tokens_store="store"), **takes_part},
            )
        ],
        hosts("a", "b", "c"),
    ).succeeded()
    assert "the name 'ci' stands more than once" in run.text
    assert not [secret for secret in account.environment.secrets() if secret in run.output]
    assert "gate b (dt0g02." in run.stdout
    assert (account.tokens(), account.environment.activegate_tokens()) == ([], [])
