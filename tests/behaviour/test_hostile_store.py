# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store that somebody else has written: what it points at is not touched unless Dynatrace knows
it by this name and kind.
"""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    environment_key,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    TOKEN_OPTIONS,
    TOKEN_SET_OPTIONS,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import RunContext
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import (
    manage_token,
    manage_tokens,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.ansible_vault import (
    AnsibleVault,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.file import file_store

from support.stand_in import Environment

pytestmark = pytest.mark.once

READ = ["metrics.read"]
EARLY, LATE = "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"
NONCE = "0123456789abcdef"


def perform(environment: Environment, folder: pathlib.Path, **options: t.Any) -> str:
    """A task of the token "ci", or with purge of none; all that it says."""
    said: list[str] = []
    store = file_store(str(folder), AnsibleVault([], None), False, said.append)
    run_context = RunContext(False, True, True, said.append, store, sleep=lambda seconds: None)
    manage, known = (
        (manage_tokens, TOKEN_SET_OPTIONS) if "purge" in options else (manage_token, TOKEN_OPTIONS)
    )
    subject = {"tokens": []} if "purge" in options else {"name": "ci", "scopes": READ}
    connection = {"environment_url": environment.url, "api_token": environment.api_token}
    defaults = {name: option.get("default") for name, option in known.items()}
    try:
        report = manage({**defaults, **connection, **subject, **options}, run_context)
        said += [report.public_line, str(report.result.get("msg"))]
    except DynatraceError as error:
        said.append(str(error))
    return " ".join(said)


VICTIMS: dict[str, t.Callable[[Environment], str]] = {
    "of another name": lambda environment: environment.issue("other")["id"],
    "of another kind": lambda environment: environment.issue("ci", personalAccessToken=True)["id"],
    "that calls": lambda environment: environment.api_token.rpartition(".")[0],
    "of another run": lambda environment: environment.issue("ci ~pending-fedcba9876543210")["id"],
    "of another token's run": lambda environment: environment.issue(f"other ~pending-{NONCE}")[
        "id"
    ],
    "of a personal token's run": lambda environment: environment.issue(
        f"ci ~pending-{NONCE}", personalAccessToken=True
    )["id"],
}


def predecessor(
    token_id: str, disable: str | None = EARLY, delete: str | None = None
) -> dict[str, t.Any]:
    return {"id": token_id, "disable_date": disable, "delete_date": delete}


INTENT = {"nonce": NONCE, "since": EARLY}
POINTERS: dict[str, t.Callable[[str], dict[str, t.Any]]] = {
    "as its own": lambda victim: {"id": victim},
    "as its own, being issued": lambda victim: {"id": victim, "intents": [INTENT, INTENT]},
    "as a predecessor": lambda victim: {
        "predecessors": [
            predecessor(victim),
            predecessor(victim, LATE),
            predecessor(victim, EARLY, LATE),
            predecessor(victim, None),
        ]
    },
    "as a predecessor of version 1.0.0": lambda victim: {
        "personal_access_token": False,
        "pending": {"nonce": NONCE, "since": LATE},
        "retiring": [predecessor(victim, LATE, EARLY)],
    },
    "as a predecessor of no token": lambda victim: {
        "id": None,
        "token": None,
        "predecessors": [predecessor(victim, EARLY, EARLY)],
    },
    "as one that an intent knows": lambda victim: {
        "intents": [{**INTENT, "known_ids": [victim], "expiration_date": EARLY}]
    },
}
KEYS_OF_NOW = {"kind": "access", "handed_over": True, "intents": [], "predecessors": []}
TASKS: list[dict[str, t.Any]] = [
    {},
    {"rotate": "always"},
    {"state": "absent", "scopes": None},
    {"purge": True},
]


@pytest.mark.parametrize("pointer", POINTERS)
@pytest.mark.parametrize("whose", VICTIMS)
def test_a_token_that_a_store_points_at_is_not_touched_for_that(
    environment: Environment, tmp_path: pathlib.Path, whose: str, pointer: str
) -> None:
    perform(environment, tmp_path)
    place = environment_key(environment.url)
    file = tmp_path / place / "ci.yml"
    (own,) = environment.tokens("ci")
    victim = VICTIMS[whose](environment)
    others = [token for token in environment.tokens() if token["id"] != own["id"]]
    entry = {
        "environment": place,
        "name": "ci",
        "id": own["id"],
        "token": environment.secrets()[1],
        "scopes": READ,
        "expiration_date": None,
        "created": None,
    }
    pointing = POINTERS[pointer](victim)
    if "retiring" not in pointing:
        entry |= KEYS_OF_NOW
    for options in TASKS:
        file.write_text(json.dumps({**entry, **pointing}))
        said = perform(environment, tmp_path, **options)
        assert "Unexpected" not in said
        assert "is damaged" not in said
        assert not [secret for secret in environment.secrets() if secret in said]
        now = {token["id"]: token for token in environment.tokens()}
        assert [now.get(token["id"]) for token in others] == others
        assert environment.call("GET").ok
