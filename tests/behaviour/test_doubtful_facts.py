# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is not known for sure of the APIs of platform and ActiveGate tokens: a token has the same
life whichever way it is."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._options import TOKEN_OPTIONS
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import RunContext
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import manage_token
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.ansible_vault import (
    AnsibleVault,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.file import file_store

from support import stand_in
from support.stand_in import Account, Environment

pytestmark = [pytest.mark.once, pytest.mark.v2]

DEFAULTS = {name: option.get("default") for name, option in TOKEN_OPTIONS.items()}
SCOPES = ["openpipeline:logs:ingest", "storage:metrics:write"]
OF_ENTRIES = ["tags", "userUuid", "description", "status", "metadata"]

OF_THE_ACCOUNT: dict[str, dict[str, t.Any]] = {
    "as seen in practice": {},
    "pages of three": {"page_cap": 3},
    "one page, whatever is asked for": {"paging": "ignored"},
    "expired tokens are called expired": {"status_of_expired": "EXPIRED"},
    "entries with everything": {"entries_without": []},
    "entries with nothing more": {"entries_without": OF_ENTRIES},
    "empty metadata": {"metadata_of_unused": "empty"},
    "seconds only": {"milliseconds": False},
    "ids that stand in the secret": {"token_ids": "prefix"},
    "ids that are UUIDs": {"token_ids": "uuid"},
    "the user is required": {"user_uuid_required": True},
    "all fields are required": {"all_fields_required": True},
    "answers without a body": {"empty_status": 204},
}
OF_THE_ENVIRONMENT: dict[str, dict[str, t.Any]] = {
    "no resolver": {"resolver": False},
    "a resolver for all": {"resolver_needs_scope": False},
    "a resolver that answers an object": {
        "resolver_needs_scope": False,
        "resolver_answers_object": True,
    },
    "a scope under conditions": {"resolver_needs_scope": False, "conditional_scopes": SCOPES[:1]},
}
PLATFORM = {"kind": "platform", "scopes": SCOPES}
ACTIVEGATE = {"kind": "activegate"}


@pytest.fixture
def account(environment: Environment) -> Account:
    found = stand_in.account_of(environment)
    found.plant_all(*({"name": f"other{number}", "scopes": SCOPES} for number in range(5)))
    return found


class Tasks:
    """Tasks about one token, in this process, with a store."""

    def __init__(self, folder: pathlib.Path, **usual: t.Any) -> None:
        self.usual = usual
        self.store = file_store(str(folder), AnsibleVault([], None), False, lambda warning: None)

    def run(self, **options: t.Any) -> dict[str, t.Any]:
        context = RunContext(
            False, True, True, lambda warning: None, self.store, sleep=lambda seconds: None
        )
        return manage_token({**DEFAULTS, **self.usual, "name": "ci", **options}, context).result

    def live(self) -> None:
        """Issued, kept, rotated and deleted."""
        made = self.run(expires_in="90d")
        assert made["action"] == "created"
        again = self.run(expires_in="90d")
        assert (again["changed"], again["token"]) == (False, made["token"])
        rotated = self.run(expires_in="90d", rotate="always")
        assert (rotated["action"], len(rotated["retired"])) == ("rotated", 1)
        assert self.run(scopes=None, state="absent")["action"] == "deleted"


def by_client(account: Account, scopes: t.Sequence[str]) -> dict[str, t.Any]:
    client = account.client(scopes)
    return {
        "environment_url": account.environment.url,
        "account_url": account.url,
        "account_uuid": account.uuid,
        "oauth_client_id": client["client_id"],
        "oauth_client_secret": client["client_secret"],
        "oauth_token_url": client["token_url"],
    }


def platform_tasks(account: Account, folder: pathlib.Path) -> Tasks:
    return Tasks(folder, **PLATFORM, **by_client(account, [stand_in.MANAGE_PLATFORM_TOKENS]))


@pytest.mark.parametrize("switches", OF_THE_ACCOUNT.values(), ids=OF_THE_ACCOUNT)
def test_a_platform_token_lives_whatever_the_account_does(
    account: Account, tmp_path: pathlib.Path, switches: dict[str, t.Any]
) -> None:
    account.behave(**switches)
    platform_tasks(account, tmp_path).live()
    assert len(account.tokens()) == 5


@pytest.mark.parametrize("switches", OF_THE_ENVIRONMENT.values(), ids=OF_THE_ENVIRONMENT)
def test_a_platform_token_lives_whatever_its_environment_tells(
    account: Account, tmp_path: pathlib.Path, switches: dict[str, t.Any]
) -> None:
    account.environment.behave(**switches)
    platform_tasks(account, tmp_path).live()
    assert len(account.tokens()) == 5


@pytest.mark.parametrize(
    "switches", [{"page_cap": 3, "paging": "pageNumber"}, {"page_cap": 3, "total_changes": True}]
)
def test_nothing_is_issued_where_the_list_cannot_be_read_to_its_end(
    account: Account, tmp_path: pathlib.Path, switches: dict[str, t.Any]
) -> None:
    account.behave(**switches)
    with pytest.raises(DynatraceError, match="was not complete, read 3 times"):
        platform_tasks(account, tmp_path).run()
    assert len(account.tokens()) == 5


@pytest.mark.parametrize("change", ["vanish", "first", "last", "appear"])
def test_a_list_that_changes_while_it_is_read_is_read_again(
    account: Account, tmp_path: pathlib.Path, change: str
) -> None:
    account.behave(page_cap=3)
    tasks = platform_tasks(account, tmp_path)
    made = tasks.run()
    moved = account.tokens("other0")[0]["id"]
    subject = (
        {"facts": {"name": "another", "scopes": SCOPES}} if change == "appear" else {"id": moved}
    )
    account.change_listing({"before": 2, "do": change, **subject})
    again = tasks.run()
    assert (again["changed"], again["token"]) == (False, made["token"])


def test_a_scope_that_is_granted_and_not_effective_leaves_the_old_token(
    account: Account, tmp_path: pathlib.Path
) -> None:
    tasks = platform_tasks(account, tmp_path)
    made = tasks.run()
    account.environment.behave(resolver_needs_scope=False, ineffective_scopes=SCOPES[:1])
    with pytest.raises(DynatraceError, match=f"{SCOPES[0]} is granted to it but not effective"):
        tasks.run(rotate="always")
    assert [one["id"] for one in account.tokens("ci")] == [made["token_id"]]
    assert tasks.run()["token"] == made["token"]


def test_a_token_is_not_taken_for_another_by_its_id_or_its_secret(
    account: Account, tmp_path: pathlib.Path
) -> None:
    tasks = platform_tasks(account, tmp_path)
    prod = account.new_environment()
    theirs = prod.plant("ci", SCOPES)["id"]
    with pytest.raises(
        DynatraceError, match=f"^resources: the token {theirs} is for {prod.resource}"
    ):
        tasks.run(name=None, token_id=theirs, enabled=False, scopes=None)
    made = tasks.run()
    with pytest.raises(DynatraceError, match=r"^token: Dynatrace cannot look up"):
        tasks.run(token=made["token"])
    held = {"name": None, "scopes": None, "token_id": made["token_id"], "token": made["token"]}
    assert tasks.run(**held)["changed"] is False


def test_a_client_that_lacks_the_scope_is_told_what_it_has(
    account: Account, tmp_path: pathlib.Path
) -> None:
    tasks = Tasks(tmp_path, **PLATFORM, **by_client(account, ["account-idm-read"]))
    lacking = "lacks platform-token:tokens:manage. It has account-idm-read"
    with pytest.raises(DynatraceError, match=lacking):
        tasks.run()


def test_an_environment_without_access_tokens_leads_to_platform_tokens(
    environment: Environment, tmp_path: pathlib.Path
) -> None:
    environment.behave(token_creation=False)
    connection = {"environment_url": environment.url, "api_token": environment.api_token}
    with pytest.raises(DynatraceError, match="Use kind: platform"):
        Tasks(tmp_path, **connection, scopes=["metrics.read"]).run()


@pytest.mark.parametrize("cap", [None, 3])
@pytest.mark.parametrize("route", ["environment", "gateway", "fleet_management"])
def test_an_activegate_token_lives_on_every_way_to_it(
    account: Account, tmp_path: pathlib.Path, route: str, cap: int | None
) -> None:
    environment = account.environment
    environment.behave(activegate_page_cap=cap)
    for number in range(5):
        environment.plant_activegate_token(f"other{number}")
    if route == "environment":
        scopes = [f"activeGateTokenManagement.{act}" for act in ("read", "create", "write")]
        token = environment.plant("gates", scopes)["token"]
        connection = {"environment_url": environment.url, "api_token": token}
    else:
        connection = by_client(account, OF_ROUTES[route])
    Tasks(tmp_path, **ACTIVEGATE, **connection, activegate_api=route).live()
    assert len(environment.activegate_tokens()) == 5


OF_ROUTES = {
    "gateway": [f"environment-api:activegate-tokens:{act}" for act in ("read", "write")],
    "fleet_management": [
        f"fleet-management:activegate.tokens:{act}" for act in ("read", "create", "write")
    ],
}


def test_a_way_that_an_environment_does_not_have_is_named(
    account: Account, tmp_path: pathlib.Path
) -> None:
    account.environment.behave(activegate_routes=["environment"])
    connection = by_client(account, OF_ROUTES["fleet_management"])
    with pytest.raises(DynatraceError, match=r"fleet-management/v1.*Check .*activegate_api"):
        Tasks(tmp_path, **ACTIVEGATE, **connection).run()
