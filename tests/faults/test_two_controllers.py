# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two controllers that want a token of the same name at the same moment, while requests fail."""

from __future__ import annotations

import concurrent.futures
import pathlib
import threading
import time
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Redactor
from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    TOKEN_OPTIONS,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import (
    RunContext,
    Store,
)
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import manage_token
from ansible_collections.community.dynatrace.plugins.plugin_utils._resolve import (
    resolve_options,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.ansible_vault import (
    AnsibleVault,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import (
    StoreContext,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.file import file_store
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import store_from

from support import stand_in
from support.key_vault import key_vault
from support.secrets_manager import VARIABLES, secrets_manager
from support.stand_in import Environment

READ = ["metrics.read"]
StoreOption = dict[str, t.Any]
CREATION = {"method": "POST", "path": "apiTokens$"}
FAULTS = {
    "none": [],
    "one creation lost": [{"kind": "reset", "carried_out": True, **CREATION}],
    "two creations lost": [{"kind": "reset", "carried_out": True, **CREATION, "times": 2}],
    "many creations lost": [
        {"kind": "answer", "status": 502, "carried_out": True, **CREATION, "times": 4}
    ],
    "creations not carried out": [{"kind": "answer", "status": 503, **CREATION, "times": 2}],
    "a creation cut off, a name lost": [
        {"kind": "cut", **CREATION},
        {"kind": "reset", "carried_out": True, "method": "PUT"},
    ],
    "no names": [{"kind": "answer", "status": 500, "method": "PUT", "times": 2}],
}


class Controller:
    """A machine with its own process, and a store that it may share with another."""

    def __init__(self, environment: Environment, store: Store, **options: t.Any) -> None:
        self._environment, self._store, self._options = environment, store, options

    def issue(self) -> tuple[str, str] | DynatraceError:
        """The id and the secret of the token, or why there is none."""
        options = {
            "environment_url": self._environment.url,
            "api_token": self._environment.api_token,
            "name": "ci",
            "scopes": READ,
            **self._options,
        }
        context = RunContext(
            False,
            True,
            True,
            print,
            store=self._store,
            sleep=lambda seconds: time.sleep(seconds / 100),
        )
        try:
            result = manage_token(resolve_options(options, TOKEN_OPTIONS, [{}]), context).result
        except DynatraceError as error:
            return error
        return result["token_id"], result["token"]


def at_once(*controllers: Controller) -> list[tuple[str, str] | DynatraceError]:
    together = threading.Barrier(len(controllers), timeout=30)

    def start(controller: Controller) -> tuple[str, str] | DynatraceError:
        together.wait()
        return controller.issue()

    with concurrent.futures.ThreadPoolExecutor() as pool:
        return list(pool.map(start, controllers))


def issued(controller: Controller) -> tuple[str, str]:
    got = controller.issue()
    assert not isinstance(got, DynatraceError), got
    return got


def works(environment: Environment, secret: str) -> bool:
    return environment.call("POST", "/lookup", token=secret, json={"token": secret}).ok


@pytest.fixture(params=["hashi_vault", "aws_secrets_manager"])
def shared(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> t.Iterator[StoreOption]:
    """The option of a store that several machines can reach."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    with key_vault() if request.param == "hashi_vault" else secrets_manager() as running:
        yield running.store


@pytest.mark.parametrize("fault", FAULTS)
def test_neither_of_two_with_stores_of_their_own_loses_its_token_to_the_other(
    environment: Environment, tmp_path: pathlib.Path, fault: str
) -> None:
    one, two = (
        Controller(
            environment,
            file_store(str(tmp_path / name), AnsibleVault([], None), False, print),
        )
        for name in "ab"
    )
    environment.set_faults(*FAULTS[fault])
    first = at_once(one, two)
    environment.set_faults()
    assert all(
        works(environment, got[1]) for got in first if not isinstance(got, DynatraceError)
    ), first
    again = [controller.issue() for controller in (one, two)]
    held = [got for got in again if not isinstance(got, DynatraceError)]
    assert [got for got in first if not isinstance(got, DynatraceError) and got not in held] == []
    # Who lost every creation has none, and is told that the token of that name is another's.
    assert [
        (before, after)
        for before, after in zip(first, again)
        if isinstance(after, DynatraceError)
        and not (isinstance(before, DynatraceError) and "no secret for it" in str(after))
    ] == []
    assert held
    assert all(works(environment, secret) for _token_id, secret in held)
    assert sorted(found["id"] for found in environment.tokens()) == sorted(
        {token_id for token_id, _secret in held}
    )
    assert {found["name"] for found in environment.tokens()} == {"ci"}


# Where a token only lacks its name, the other run waits for a minute whether somebody is about to
# give it; see the tests of kills.
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "no names"])
def test_two_with_one_store_end_with_one_token(
    environment: Environment, shared: StoreOption, fault: str
) -> None:
    around = StoreContext("/", None, [{}], print, Redactor())
    one, two = (Controller(environment, store_from(shared, around)) for _machine in range(2))
    environment.set_faults(*FAULTS[fault])
    at_once(one, two)
    environment.set_faults()
    held = {issued(controller) for controller in (one, two)}
    assert [(found["id"], found["name"]) for found in environment.tokens()] == [
        (token_id, "ci") for token_id, _secret in held
    ]
    assert all(works(environment, secret) for _token_id, secret in held)


def test_two_with_one_store_end_with_one_platform_token_while_creations_are_lost(
    environment: Environment, shared: StoreOption
) -> None:
    account = stand_in.account_of(environment)
    around = StoreContext("/", None, [{}], print, Redactor())
    platform = {
        **account.connection(),
        "kind": "platform",
        "scopes": ["app-engine:apps:run"],
        "expires_in": "30d",
    }
    one, two = (
        Controller(environment, store_from(shared, around), **platform) for _machine in range(2)
    )
    [lost] = FAULTS["many creations lost"]
    environment.set_faults({**lost, "path": "platform-tokens$"})
    at_once(one, two)
    environment.set_faults()
    held = {issued(controller) for controller in (one, two)}
    assert [made["id"] for made in account.tokens()] == [token_id for token_id, _secret in held]
    assert all(account.works(secret) for _token_id, secret in held)
