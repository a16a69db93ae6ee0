# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the stand-in promises of an account: platform tokens, who may manage them, and what a token
may really do.
"""

from __future__ import annotations

import base64
import json
import typing as t

import pytest
import requests

from support import stand_in

MANAGE, WRITE = stand_in.MANAGE_PLATFORM_TOKENS, "platform-token:tokens:write"
RESOLVE = "platform-management:effective-permissions:resolve"
RESOLVER = "/platform/management/v1/effective-permissions:resolve"
LOGS = "storage:logs:read"
LATER = "2999-01-02T15:04:05.678Z"


@pytest.fixture
def account(server: stand_in.Environment) -> stand_in.Account:
    return stand_in.account_of(stand_in.new_environment(server))


def form(account: stand_in.Account, **changes: t.Any) -> dict[str, t.Any]:
    """A valid body; None leaves a property out."""
    body = {"name": "ci", "scope": [LOGS], "resource": [account.resource]} | changes
    return {name: value for name, value in body.items() if value is not None}


def bearer(account: stand_in.Account, *scopes: str, **facts: t.Any) -> str:
    signed_on = account.sign_on(account.client(scopes or (MANAGE,), **facts))
    secret: str = signed_on.json()["access_token"]
    return secret


def create(account: stand_in.Account, caller: str, **changes: t.Any) -> dict[str, str]:
    response = account.call("POST", bearer=caller, json=form(account, **changes))
    assert response.status_code == 200, response.text
    made: dict[str, str] = response.json()
    return made


def names(account: stand_in.Account, caller: str, **query: t.Any) -> list[str]:
    results = account.call("GET", bearer=caller, params=query).json()["results"]
    return [entry["name"] for entry in results]


def refusal(response: requests.Response) -> tuple[int, str]:
    answer = response.json()
    assert set(answer) == {"error", "message"}
    assert answer["error"] is True
    return response.status_code, answer["message"]


def resolve(account: stand_in.Account, secret: str, permissions: list[str]) -> requests.Response:
    return requests.post(
        account.environment.url + RESOLVER,
        headers={"Authorization": f"Bearer {secret}"},
        json={"permissions": [{"permission": permission} for permission in permissions]},
        timeout=10,
    )


# Life of a token


def test_a_platform_token_lives_from_creation_to_deletion(account: stand_in.Account) -> None:
    client = account.client()
    caller = account.sign_on(client).json()["access_token"]
    made = create(account, caller, expirationDate=LATER, tags=["a"], userUuid=client["subject"])
    assert set(made) == {"name", "tokenId", "token"}
    assert not made["token"].startswith(made["tokenId"])
    assert [len(part) for part in made["token"].split(".")] == [6, 8, 64]
    entry = {
        "tokenId": made["tokenId"],
        "accountUuid": account.uuid,
        "name": "ci",
        "scope": [LOGS],
        "resource": [account.resource],
        "status": "ACTIVE",
        "expirationDate": LATER,
        "metadata": {"lastUsedAt": None, "lastClientIp": None},
    }
    listed = account.call("GET", bearer=caller).json()
    assert listed == {"pageSize": 1000, "pageNumber": 1, "total": 1, "results": [entry]}
    path = f"/platform-tokens/{made['tokenId']}"
    for what, body in (
        ("expiration-date", {"expirationDate": "2998-01-02T15:04:05+01:00"}),
        ("status", {"status": "INACTIVE"}),
    ):
        answer = account.call("PUT", f"{path}/{what}", caller, json=body)
        assert (answer.status_code, answer.text) == (200, "")
    changed = account.call("GET", bearer=caller).json()["results"]
    change = {"status": "INACTIVE", "expirationDate": "2998-01-02T14:04:05.000Z"}
    assert changed == [entry | change]
    account.behave(empty_status=204)
    assert account.call("DELETE", path, caller).status_code == 204
    assert refusal(account.call("DELETE", path, caller))[0] == 404
    assert made["token"] in account.environment.secrets()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scope": f"{LOGS} b:c:d"}, "Problem with json mapping."),
        ({"scope": None}, "scope should not be empty"),
        ({"scope": ["metrics.read"]}, "Unknown scope: metrics.read"),
        ({"resource": []}, "resource should not be empty"),
        ({"resource": ["env1"]}, "Invalid resource: env1"),
        ({"resource": ["urn:dtenvironment:foreign"]}, "Invalid resource: urn:dt"),
        ({"name": 256 * "n"}, "name must have 1 to 255 characters"),
        ({"expirationDate": "now+14d"}, "Problem with json mapping."),
        ({"expirationDate": "2020-01-02T15:04:05.000Z"}, "must be in the future"),
        ({"enabled": True}, "property enabled should not exist"),
    ],
)
def test_a_creation_is_refused(
    account: stand_in.Account, changes: dict[str, t.Any], message: str
) -> None:
    status, said = refusal(account.call("POST", json=form(account, **changes)))
    assert (status, message in said) == (400, True), said
    assert account.tokens() == []


@pytest.mark.parametrize(
    ("switches", "lacks"),
    [({"user_uuid_required": True}, "userUuid"), ({"all_fields_required": True}, "expirationDate")],
)
def test_a_creation_may_need_more_properties(
    account: stand_in.Account, switches: dict[str, t.Any], lacks: str
) -> None:
    account.behave(**switches)
    response = account.call("POST", json=form(account))
    assert refusal(response) == (400, f"{lacks} should not be empty")


def test_limits_count_expired_tokens_until_they_are_deleted(account: stand_in.Account) -> None:
    account.behave(user_limit=1, service_user_limit=2, account_limit=3)
    user, service = bearer(account), bearer(account, service_user=True)
    first = create(account, user, expirationDate=LATER)
    account.environment.set_clock("2999-02-01T00:00:00Z")
    user, service = bearer(account), bearer(account, service_user=True)
    limits = account.call("GET", "/limits", bearer(account, "account-idm-read")).json()["results"]
    assert {limit["limitValue"]: limit["currentValue"] for limit in limits} == {1: 1, 2: 1, 3: 1}
    assert refusal(account.call("GET", "/limits", user))[0] == 403
    for _again in range(2):
        create(account, service)
    assert refusal(account.call("POST", bearer=service, json=form(account)))[0] == 400
    assert "account" in refusal(account.call("POST", bearer=user, json=form(account)))[1]
    assert account.call("DELETE", f"/platform-tokens/{first['tokenId']}").status_code == 200
    create(account, user)
    account.plant("other", subject="someone")
    assert "user" in refusal(account.call("POST", bearer=user, json=form(account)))[1]


# Who may what


def test_only_an_oauth_client_of_the_account_may_call(
    account: stand_in.Account, server: stand_in.Environment
) -> None:
    platform = account.plant("admin", [MANAGE])["token"]
    client = account.client()
    for_environment = account.sign_on(client, resource=account.resource).json()["access_token"]
    foreign = bearer(stand_in.account_of(server))
    no_scope = bearer(account, "account-idm-read")
    statuses = {"wrong": 401, platform: 401, foreign: 401, for_environment: 403, no_scope: 403}
    for secret, status in statuses.items():
        assert refusal(account.call("GET", bearer=secret))[0] == status
    account.behave(older_scopes=True)
    assert account.call("GET", bearer=no_scope).status_code == 200
    elsewhere = f"{account.url}{stand_in.ACCOUNT_API}/unknown/platform-tokens"
    assert refusal(requests.get(elsewhere, timeout=10))[0] == 403


def test_a_caller_with_the_lesser_scope_manages_its_own_tokens(account: stand_in.Account) -> None:
    foreign, caller = account.plant("foreign")["id"], bearer(account, WRITE)
    create(account, caller)
    assert names(account, caller) == ["ci"]
    assert refusal(account.call("DELETE", f"/platform-tokens/{foreign}", caller))[0] == 403
    body = form(account, userUuid="somebody-else")
    assert refusal(account.call("POST", bearer=bearer(account), json=body))[0] == 403
    account.behave(platform_tokens_allowed=False)
    assert refusal(account.call("POST", bearer=caller, json=form(account)))[0] == 403


def test_the_single_sign_on_tells_little(account: stand_in.Account) -> None:
    client = account.client([WRITE, "account-idm-read"])
    refused = account.sign_on(client, scope=f"{WRITE} {MANAGE}")
    assert (refused.status_code, refused.json()["error_description"]) == (400, "")
    granted = account.sign_on(client)
    assert granted.json()["scope"] == f"{WRITE} account-idm-read"
    claims = granted.json()["access_token"].split(".")[1]
    subject = json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"]
    assert subject == client["subject"]
    assert account.sign_on(client, resource="urn:dtenvironment:foreign").status_code == 400


def test_environments_of_one_account_share_its_tokens_but_not_their_resources(
    account: stand_in.Account,
) -> None:
    other, caller = account.new_environment(), bearer(account)
    assert (other.uuid, other.resource != account.resource) == (account.uuid, True)
    made = create(account, caller, scope=[LOGS, RESOLVE])
    assert [token["id"] for token in other.tokens()] == [made["tokenId"]]
    assert resolve(account, made["token"], [LOGS]).status_code == 200
    assert resolve(other, made["token"], [LOGS]).status_code == 403
    both = create(account, caller, scope=[RESOLVE], resource=[f"urn:dtaccount:{account.uuid}"])
    assert resolve(other, both["token"], [LOGS]).json()[0]["granted"] == "false"
    assert other.environment.requests() == account.environment.requests()


# The listing


@pytest.mark.parametrize(
    ("paging", "pages"),
    [
        ("page", [{"page": 1, "size": 3}, {"page": 2, "size": 3}]),
        ("pageNumber", [{"pageNumber": 0, "pageSize": 3}, {"pageNumber": 1, "pageSize": 3}]),
    ],
)
def test_pages_may_be_asked_for_in_several_ways(
    account: stand_in.Account, paging: str, pages: list[dict[str, int]]
) -> None:
    account.plant_all(*({"name": str(number), "scopes": [LOGS]} for number in range(5)))
    account.behave(paging=paging)
    caller = bearer(account)
    assert [names(account, caller, **page) for page in pages] == [["0", "1", "2"], ["3", "4"]]
    account.behave(paging="ignored", page_cap=4)
    assert {len(names(account, caller, **page)) for page in pages} == {4}
    account.behave(paging=paging, total_changes=True)
    totals = [account.call("GET", bearer=caller, params=page).json()["total"] for page in pages]
    assert totals == [5, 6]


def test_the_listing_is_searched(account: stand_in.Account) -> None:
    for name, facts in (("a", {}), ("b", {"enabled": False}), ("c", {"expires": "now-1d"})):
        account.plant(name, **facts)
    caller, token_id = bearer(account), account.tokens("b")[0]["id"]
    assert names(account, caller, searchTerm=token_id) == ["b"]
    assert names(account, caller, status="ACTIVE") == ["a", "c"]
    account.behave(status_of_expired="EXPIRED")
    assert names(account, caller, status="ACTIVE") == ["a"]
    assert names(account, caller, status="INACTIVE") == ["b"]
    assert refusal(account.call("GET", bearer=caller, params={"page": 0}))[0] == 400


def test_the_listing_changes_between_two_pages(account: stand_in.Account) -> None:
    ids = {name: account.plant(name)["id"] for name in "abcdef"}
    account.behave(page_cap=3)
    account.change_listing(
        {"before": 2, "do": "vanish", "id": ids["a"]},
        {"before": 2, "do": "last", "id": ids["e"]},
        {"before": 3, "do": "appear", "facts": {"name": "g", "scopes": []}},
        {"before": 3, "do": "first", "id": ids["f"]},
    )
    caller = bearer(account)
    pages = ["".join(names(account, caller, page=page)) for page in (1, 2, 1, 2)]
    assert pages == ["abc", "fe", "fbc", "deg"]


def test_what_entries_tell_is_switched(account: stand_in.Account) -> None:
    account.behave(
        entries_without=["status"],
        milliseconds=False,
        metadata_of_unused="missing",
        token_ids="uuid",
    )
    made = create(account, bearer(account), expirationDate=LATER)
    entry = account.call("GET").json()["results"][0]
    assert entry["expirationDate"] == LATER.replace(".678", "")
    assert {"tags", "userUuid", "description"} < set(entry)
    assert {"status", "metadata"}.isdisjoint(entry)
    assert len(made["tokenId"]) == 36
    account.behave(token_ids="prefix")
    made = create(account, bearer(account))
    assert made["token"].startswith(made["tokenId"] + ".")


# What a token may do


def test_effective_permissions(account: stand_in.Account) -> None:
    secret = create(account, bearer(account), scope=[LOGS, "a:b:c", "d:e:f", RESOLVE])["token"]
    asked = [LOGS, "a:b:c", "d:e:f", "not:its:own", "settings:objects:read"]
    account.environment.behave(ineffective_scopes=["a:b:c"], conditional_scopes=["d:e:f"])
    answers = ["true", "false", "condition", "false", "condition"]
    told = resolve(account, secret, asked)
    assert told.json() == [
        {"permission": permission, "granted": granted}
        for permission, granted in zip(asked, answers)
    ]
    assert account.tokens("ci")[0]["last_used"] is not None
    assert resolve(account, secret, 101 * [LOGS]).status_code == 400
    without = account.plant("lesser", resources=[account.resource])["token"]
    assert resolve(account, without, [LOGS]).status_code == 403
    account.environment.behave(resolver_needs_scope=False)
    assert resolve(account, without, [LOGS]).status_code == 200
    account.environment.behave(resolver=False)
    assert resolve(account, secret, asked).status_code == 404


def test_a_token_stops_working_when_it_expires_is_disabled_or_deleted(
    account: stand_in.Account,
) -> None:
    account.behave(minutes_until_disabled=5)
    facts: dict[str, t.Any] = {"resources": [account.resource], "scopes": [RESOLVE]}
    expired = account.plant("expired", expires="now-1m", **facts)["token"]
    disabled, deleted = account.plant("disabled", **facts), account.plant("deleted", **facts)
    account.call("DELETE", f"/platform-tokens/{deleted['id']}")
    assert resolve(account, deleted["token"], [LOGS]).status_code == 401
    assert resolve(account, expired, [LOGS]).status_code == 403
    path = f"/platform-tokens/{disabled['id']}/status"
    account.call("PUT", path, json={"status": "INACTIVE"})
    assert resolve(account, disabled["token"], [LOGS]).status_code == 200
    account.environment.set_clock("now+5m")
    assert resolve(account, disabled["token"], [LOGS]).status_code == 401


def test_faults_strike_the_account_too(account: stand_in.Account) -> None:
    caller = bearer(account)
    account.environment.set_faults(
        {"kind": "reset", "nth": 2, "method": "POST", "carried_out": True},
        {"kind": "answer", "status": 503, "path": "/iam/", "method": "GET"},
    )
    assert refusal(account.call("GET", bearer=caller))[0] == 503
    with pytest.raises(requests.ConnectionError):
        account.call("POST", bearer=caller, json=form(account))
    assert len(account.tokens("ci")) == 1
    assert account.environment.requests()[-1]["status"] is None
    behind_door = stand_in.account_of(account.environment.open_door())
    account.environment.set_faults({"kind": "refuse", "seconds": 0})
    with pytest.raises(requests.ConnectionError):
        behind_door.call("GET", bearer=caller)
    account.environment.set_faults()
    assert names(behind_door, caller) == ["ci"]


def test_an_environment_may_create_no_more_access_tokens(account: stand_in.Account) -> None:
    environment = account.environment
    environment.behave(token_creation=False)
    body = {"name": "ci", "scopes": ["metrics.read"]}
    for answer in (environment.call("POST", json=body), environment.call_v1("POST", json=body)):
        message = "Creation of new tokens is now only available in Account Management."
        assert (answer.status_code, answer.json()["error"]["message"]) == (400, message)


def test_the_server_takes_switches_and_shows_an_account() -> None:
    with stand_in.serve(
        "--account", "--switch", "user_limit=0", "--switch", "resolver=false"
    ) as it:
        account = stand_in.account_of(it)
        assert it.url == f"{account.url}/e/{account.environment_id}"
        assert refusal(account.call("POST", json=form(account)))[0] == 400
        assert resolve(account, bearer(account), [LOGS]).status_code == 404
