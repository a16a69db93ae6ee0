# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Some histories of a token with real requests and files: against the stand-in, with a store of
type file.

What has to be true stands in ``support/oracle.py``. A run can be killed right before any of its
writes, see ``support/process.py``. Beside the entry in the store a kill leaves half a file. No
secret stands anywhere but under the key token of a result.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import pathlib
import tempfile
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    environment_key,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import (
    ACCESS,
    PERSONAL_ACCESS,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    Token,
    sorted_scopes,
)
from ansible_collections.community.dynatrace.plugins.module_utils._options import TOKEN_OPTIONS
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import RunContext
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import manage_token
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.file import FileBackend
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.kept import EntryStore
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.histories import Step, histories, known_histories, live_through, normal_options
from support.memory import Killed
from support.oracle import DAY, NAME, Ledger, Options, Result, Trouble
from support.process import Process, ProcessBackend, requests_of
from support.stand_in import Environment, new_environment

DATES = [
    f"{dt.datetime.now(dt.timezone.utc) + days * DAY:%Y-%m-%dT%H:%M:%SZ}" for days in (50, 5000)
]
DEFAULTS = {name: option.get("default") for name, option in TOKEN_OPTIONS.items()}
NORMAL = normal_options(ACCESS)


def _token(data: t.Mapping[str, t.Any]) -> Token:
    """What Dynatrace tells of a token, but for when it was used and changed."""
    expires = data.get("expirationDate")
    return Token(
        id=data["id"],
        name=data["name"],
        enabled=data["enabled"],
        scopes=sorted_scopes(data["scopes"]),
        kind=PERSONAL_ACCESS if data["personalAccessToken"] else ACCESS,
        expires=dt.datetime.fromisoformat(expires) if expires else None,
        created=dt.datetime.fromisoformat(data["creationDate"]),
    )


class HttpScene:
    """See ``Scene``."""

    kind = ACCESS

    def __init__(self, environment: Environment, folder: pathlib.Path) -> None:
        self.environment = environment
        self.said: list[str] = []
        self._place = environment_key(environment.url)
        self._folder = folder
        self._store = EntryStore(FileBackend(str(folder)))
        self._ahead = dt.timedelta(0)
        self._secrets: dict[str, str] = {}  # of what people issued, by id

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.timezone.utc) + self._ahead

    def wait(self, time: dt.timedelta) -> None:
        minutes = time // dt.timedelta(minutes=1)
        self.environment.set_clock(f"now{minutes:+}m")
        self._ahead += time

    def tokens(self) -> dict[str, Token]:
        return {data["id"]: _token(data) for data in self.environment.tokens()}

    def entry(self, name: str) -> Entry:
        return self._store.load(Identity(self._place, name, ACCESS))

    def secret_of(self, entry: Entry) -> str | None:
        secret = self._store.unseal(entry)
        return secret.reveal() if secret else None

    def find_working(self, secret: str | None) -> Token | None:
        if secret is None:
            return None
        answer = self.environment.call("POST", "/lookup", token=secret, json={"token": secret})
        return _token(answer.json()) if answer.ok else None

    def add(self, name: str, expires: dt.datetime | None, of_other_kind: bool) -> None:
        more: Options = {"personalAccessToken": True} if of_other_kind else {}
        if expires is not None:
            more["expirationDate"] = expires.isoformat(timespec="milliseconds")[:23] + "Z"
        issued = self.environment.issue(name, **more)
        self._secrets[issued["id"]] = issued["token"]

    def known_secret(self, token: Token) -> str | None:
        return self._secrets.get(str(token.id))

    def change(self, token: Token, **fields: t.Any) -> None:
        body = {"name": token.name, "enabled": token.enabled, "scopes": list(token.scopes)}
        answer = self.environment.call("PUT", f"/{token.id}", json={**body, **fields})
        answer.raise_for_status()

    def delete(self, token: Token) -> None:
        self.environment.call("DELETE", f"/{token.id}").raise_for_status()

    def perform(
        self, options: Options, trouble: Trouble, watch: t.Callable[[], None], check_mode: bool
    ) -> Result | DynatraceError | None:
        process = Process(trouble.dies_before, watch)
        try:
            with requests_of(process):
                return self._manage(options, process, check_mode)
        except Killed:
            self._leave_half_a_file()
            return None
        except DynatraceError as error:
            self.said.append(repr(error))
            return error

    def _manage(self, options: Options, process: Process, check_mode: bool) -> Result:
        context = RunContext(
            check_mode,
            return_secret=True,
            secret_has_receiver=True,
            warn=self.said.append,
            store=EntryStore(ProcessBackend(str(self._folder), process)),
            sleep=lambda _seconds: None,
        )
        environment = self.environment
        connection = {
            "environment_url": environment.url,
            "api_token": environment.api_token,
            "api_version": environment.api_version,
        }
        result, line = manage_token({**DEFAULTS, **connection, **options}, context)
        self.said += [line, json.dumps({**result, "token": None})]
        return result

    def _leave_half_a_file(self) -> None:
        """What a kill amid a write leaves."""
        folder = self._folder / self._place
        if folder.exists():
            (folder / f".{NAME}.yml.new").write_text("# A Dynatrace acc")


def with_known_histories(test: t.Any) -> t.Any:
    for steps in known_histories(DATES):
        test = example(steps=steps, normal=NORMAL[0])(test)
    return test


@settings(
    max_examples=int(os.environ.get("HISTORIES", "15")),
    deadline=None,
    derandomize="HISTORIES" not in os.environ,
    database=None,
)
@given(steps=histories(ACCESS, DATES), normal=st.sampled_from(NORMAL))
@with_known_histories
def test_there_is_always_a_token_that_works_and_the_next_run_puts_all_right(
    server: Environment, steps: list[Step], normal: Options
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scene = HttpScene(new_environment(server), pathlib.Path(folder))
        live_through(Ledger(scene), steps, normal)
        said = "\n".join(scene.said)
        secrets = scene.environment.secrets()
        assert [one for one in secrets if one.rpartition(".")[2] in said] == []
