# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stand-in's platform tokens and effective permissions: what no other test would miss."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
import requests

from support import stand_in
from support.stand_in import Account, Environment, account_of, error_of

MANAGE, WRITE = stand_in.MANAGE_PLATFORM_TOKENS, "platform-token:tokens:write"
RESOLVE = "platform-management:effective-permissions:resolve"
LOGS = "storage:logs:read"
LATER = "2999-01-02T15:04:05.678Z"
FORBIDDEN = (403, "Forbidden resource")
MAPPING = "Problem with json mapping."

REFUSED: list[tuple[dict[str, t.Any], int, str]] = [
    ({"scope": f"{LOGS} b:c:d"}, 400, MAPPING),
    ({"scope": None}, 400, "scope should not be empty"),
    ({"scope": ["metrics.read"]}, 400, "Unknown scope: metrics.read"),
    ({"resource": []}, 400, "resource should not be empty"),
    ({"resource": ["env1"]}, 400, "Invalid resource: env1"),
    ({"resource": ["urn:dtenvironment:x"]}, 400, "Invalid resource: urn:dtenvironment:x"),
    ({"name": 256 * "n"}, 400, "name must have 1 to 255 characters"),
    ({"expirationDate": "now+14d"}, 400, MAPPING),
    ({"expirationDate": "2020-01-02T15:04:05.000Z"}, 400, "expirationDate must be in the future"),
    ({"enabled": True}, 400, "property enabled should not exist"),
    ({"userUuid": "somebody-else"}, *FORBIDDEN),
]
PAGES: list[tuple[dict[str, t.Any], str, str]] = [
    ({}, "page=2&size=3", "de"),
    ({}, "page=1", "abcde"),
    ({"page_cap": 4}, "page=1&size=5", "abcd"),
    ({"paging": "ignored", "page_cap": 4}, "page=2&size=3", "abcd"),
    ({"paging": "pageNumber"}, "pageNumber=1&pageSize=3", "de"),
    ({}, "status=INACTIVE", "b"),
    ({}, "status=ACTIVE", "acde"),
    ({"status_of_expired": "EXPIRED"}, "status=ACTIVE", "ade"),
    ({}, "searchTerm=D@EXAMPLE", "d"),
]


@pytest.fixture
def account(environment: Environment) -> Account:
    return account_of(environment)


def post(account: Account, caller: str | None = None, **changes: t.Any) -> requests.Response:
    """The answer to a creation; None leaves a property out."""
    body = {"name": "ci", "scope": [LOGS], "resource": [account.resource], **changes}
    given = {name: value for name, value in body.items() if value is not None}
    return account.call("POST", bearer=caller, json=given)


def bearer(account: Account, *scopes: str) -> str:
    secret: str = account.sign_on(account.client(scopes or (MANAGE,))).json()["access_token"]
    return secret


def page(account: Account, query: str = "", caller: str | None = None) -> dict[str, t.Any]:
    listing: dict[str, t.Any] = account.call("GET", f"/platform-tokens?{query}", caller).json()
    return listing


def names(listing: dict[str, t.Any]) -> str:
    return "".join(token["name"] for token in listing["results"])


def resolve(account: Account, secret: str, *permissions: str) -> requests.Response:
    path = "/platform/management/v1/effective-permissions:resolve"
    asked = [{"permission": permission} for permission in permissions or [LOGS]]
    return account.environment.ask(f"Bearer {secret}", path, "POST", json={"permissions": asked})


def test_an_entry_has_what_was_seen_in_practice(account: Account) -> None:
    made = post(account, expirationDate=LATER, tags=["a"]).json()
    assert [len(part) for part in made.pop("token").split(".")] == [6, 8, 64]
    shown = {
        **made,
        "accountUuid": account.uuid,
        "scope": [LOGS],
        "resource": [account.resource],
        "status": "ACTIVE",
        "expirationDate": LATER,
        "metadata": {"lastUsedAt": None, "lastClientIp": None},
    }
    assert set(made) == {"name", "tokenId"}
    assert page(account) == {"pageSize": 1000, "pageNumber": 1, "total": 1, "results": [shown]}


def test_the_answers_differ_between_accounts(account: Account) -> None:
    account.behave(entries_without=["status"], metadata_of_unused="missing")
    account.behave(token_ids="uuid", milliseconds=False, empty_status=204)
    made = post(account, expirationDate=LATER).json()
    (shown,) = page(account)["results"]
    assert len(made["tokenId"]) == 36
    assert shown["expirationDate"] == LATER.replace(".678", "")
    assert {"tags", "userUuid", "description"} < set(shown)
    assert {"status", "metadata"}.isdisjoint(shown)
    for status in (204, 404):
        deleted = account.call("DELETE", f"/platform-tokens/{made['tokenId']}")
        assert deleted.status_code == status
    account.behave(token_ids="prefix", metadata_of_unused="empty")
    made = post(account).json()
    assert made["token"].startswith(made["tokenId"] + ".")
    assert page(account)["results"][0]["metadata"] == {}
    account.behave(user_uuid_required=True)
    assert error_of(post(account)) == (400, "userUuid should not be empty")
    account.behave(all_fields_required=True)
    assert error_of(post(account)) == (400, "expirationDate should not be empty")


@pytest.mark.parametrize(("changes", "status", "error"), REFUSED)
def test_a_creation_is_refused(
    account: Account, changes: dict[str, t.Any], status: int, error: str
) -> None:
    assert error_of(post(account, **changes)) == (status, error)
    assert account.tokens() == []


def test_only_an_oauth_client_of_the_account_may_call(
    account: Account, server: Environment
) -> None:
    for_environment = account.sign_on(account.client(), resource=account.resource)
    callers = [
        ("wrong", 401),
        (account.plant("platform token", [MANAGE])["token"], 401),
        (bearer(account_of(server)), 401),
        (for_environment.json()["access_token"], 403),
        (bearer(account, "account-idm-read"), 403),
        (bearer(account, WRITE), 200),
    ]
    statuses = [account.call("GET", bearer=caller).status_code for caller, _status in callers]
    assert statuses == [status for _caller, status in callers]
    elsewhere = dataclasses.replace(account, uuid="unknown")
    assert error_of(elsewhere.call("GET", bearer="wrong")) == FORBIDDEN


def test_the_lesser_scope_is_for_the_callers_own_tokens(account: Account) -> None:
    foreign, caller = account.plant("foreign")["id"], bearer(account, WRITE)
    post(account, caller).raise_for_status()
    assert names(page(account, caller=caller)) == "ci"
    for method, path in (("DELETE", ""), ("PUT", "/status"), ("PUT", "/expiration-date")):
        answer = account.call(method, f"/platform-tokens/{foreign}{path}", caller, json={})
        assert error_of(answer) == FORBIDDEN


@pytest.mark.parametrize(("switches", "query", "listed"), PAGES)
def test_a_listing_is_filtered_and_has_pages(
    account: Account, switches: dict[str, t.Any], query: str, listed: str
) -> None:
    account.plant("a")
    account.plant("b", enabled=False)
    account.plant("c", expires="now-1d")
    account.plant("d", owner="d@example.com")
    account.plant("e")
    account.behave(**switches)
    assert names(page(account, query)) == listed


def test_a_bad_change_is_refused(account: Account) -> None:
    path = f"/platform-tokens/{account.plant('ci')['id']}"
    past, off = {"expirationDate": "2020-01-02T15:04:05.000Z"}, {"status": "OFF"}
    answers = [
        account.call("PUT", f"{path}/expiration-date", json=past),
        account.call("PUT", f"{path}/status", json=off),
    ]
    assert [answer.status_code for answer in answers] == [400, 400]


def test_pages_are_counted_from_one(account: Account) -> None:
    answer = account.call("GET", "/platform-tokens?page=0")
    assert error_of(answer) == (400, "page must not be less than 1")


def test_a_listing_changes_between_two_pages(account: Account) -> None:
    ids = {name: account.plant(name)["id"] for name in "abcdef"}
    account.behave(page_cap=3, total_changes=True)
    account.change_listing(
        {"before": 2, "do": "vanish", "id": ids["a"]},
        {"before": 2, "do": "last", "id": ids["e"]},
        {"before": 3, "do": "appear", "facts": {"name": "g", "scopes": []}},
        {"before": 3, "do": "first", "id": ids["f"]},
    )
    pages = [page(account, f"page={number}") for number in (1, 2, 1, 2)]
    assert [names(one) for one in pages] == ["abc", "fe", "fbc", "deg"]
    assert [one["total"] for one in pages] == [6, 6, 6, 7]


def test_effective_permissions_are_those_that_the_policies_allow(account: Account) -> None:
    asked = [LOGS, "a:b:c", "d:e:f", "not:its:own", "settings:objects:read"]
    secret = post(account, scope=[LOGS, "a:b:c", "d:e:f", RESOLVE]).json()["token"]
    account.environment.behave(ineffective_scopes=["a:b:c"], conditional_scopes=["d:e:f"])
    granted = [one["granted"] for one in resolve(account, secret, *asked).json()]
    assert granted == ["true", "false", "condition", "false", "condition"]
    assert account.tokens("ci")[0]["last_used"]
    account.environment.behave(resolver_answers_object=True)
    answer = resolve(account, secret, LOGS, "a:b:c").json()
    assert [one["granted"] for one in answer["permissions"]] == [True, False]


def test_who_may_ask_for_effective_permissions(account: Account) -> None:
    facts: dict[str, t.Any] = {"resources": [account.resource], "scopes": [RESOLVE]}
    secret, deleted = account.plant("ci", **facts)["token"], account.plant("deleted", **facts)
    account.call("DELETE", f"/platform-tokens/{deleted['id']}")
    without = account.plant("without", resources=[account.resource])["token"]
    callers = [
        (secret, 200),
        (without, 403),
        (deleted["token"], 401),
        (account.plant("disabled", enabled=False, **facts)["token"], 401),
        (account.plant("expired", expires="now-1m", **facts)["token"], 403),
        (account.new_environment().plant("foreign", [RESOLVE])["token"], 403),
    ]
    statuses = [resolve(account, caller).status_code for caller, _status in callers]
    assert statuses == [status for _caller, status in callers]
    assert resolve(account, secret, *(101 * [LOGS])).status_code == 400
    account.environment.behave(resolver_needs_scope=False)
    assert resolve(account, without).status_code == 200
    account.environment.behave(resolver=False)
    assert resolve(account, secret).status_code == 404
