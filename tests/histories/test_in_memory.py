# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Thousands of histories of tokens of several kinds, in memory. What has to be true stands in
``support/oracle.py``.

Runs are killed before each of their writes, interrupted after it, lose its answer, or are refused.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import random
import re
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import (
    ACCESS,
    PERSONAL_ACCESS,
    Kind,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Redactor
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    Around,
    check_kind,
    parse_specification,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import (
    format_timestamp,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    Token,
)
from ansible_collections.community.dynatrace.plugins.module_utils._options import TOKEN_OPTIONS
from ansible_collections.community.dynatrace.plugins.module_utils._run import report
from ansible_collections.community.dynatrace.plugins.module_utils._run.apply import reconcile
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import RunContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.histories import (
    ByHand,
    Run,
    Step,
    histories,
    known_histories,
    live_through,
    normal_options,
)
from support.memory import START, Faults, Interrupted, Killed, MemoryApi, MemoryStore, World
from support.oracle import DAY, Ledger, Options, Result, Trouble

PLACE = "here"
DEFAULTS = {name: option.get("default") for name, option in TOKEN_OPTIONS.items()}
DATES = [format_timestamp(START + days * DAY) for days in (50, 5000)]
BADGE = Kind(
    "badge",
    "badge",
    suffix=".badge",
    changes=frozenset({"expiration_date", "enabled"}),
    tells=frozenset(),
    marked_by="expiration_date",
)
SEAL = Kind(
    "seal",
    "seal",
    suffix=".seal",
    has=frozenset({"scopes"}),
    changes=frozenset({"name"}),
    marked_by="ids",
)
KINDS = [ACCESS, PERSONAL_ACCESS, BADGE, SEAL]
OTHER_KIND = Kind("other", "other")
EXAMPLES = int(os.environ.get("HISTORIES", "800")) // len(KINDS)


class MemoryScene:
    """See ``Scene``."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.said: list[str] = []
        self._world = World()
        self._api = MemoryApi(self._world, [kind])
        self._store = MemoryStore(self._world)
        self._random = random.Random(0)

    def now(self) -> dt.datetime:
        return self._world.now

    def wait(self, time: dt.timedelta) -> None:
        self._world.now += time

    def tokens(self) -> dict[str, Token]:
        return dict(self._world.tokens)

    def entry(self, name: str) -> Entry:
        return self._world.entry(Identity(PLACE, name, self.kind))

    def find_working(self, secret: str | None) -> Token | None:
        if not self._world.works(secret):
            return None
        secrets = self._world.secrets
        return next(self._world.tokens[one] for one in secrets if secrets[one] == secret)

    def secret_of(self, entry: Entry) -> str | None:
        secret = self._store.unseal(entry)
        return secret.reveal() if secret else None

    def known_secret(self, token: Token) -> str | None:
        return self._world.secrets[str(token.id)]

    def add(self, name: str, of_other_kind: bool, **fields: t.Any) -> None:
        self._world.add(name, OTHER_KIND if of_other_kind else self.kind, **fields)

    def change(self, token: Token, **fields: t.Any) -> None:
        self._world.change(str(token.id), **fields)

    def delete(self, token: Token) -> None:
        self._world.tokens.pop(str(token.id), None)

    def perform(
        self, options: Options, trouble: Trouble, watch: t.Callable[[], None], check_mode: bool
    ) -> Result | DynatraceError | None:
        self._world.new_process(trouble.dies_before, trouble.faults)
        self._world.watch = watch
        try:
            return self._reconcile(options, check_mode)
        except (Killed, Interrupted):
            return None
        except DynatraceError as error:
            self.said.append(repr(error))
            return error
        finally:
            self._world.new_process()

    def _reconcile(self, options: Options, check_mode: bool) -> Result:
        specification = parse_specification(
            {**DEFAULTS, **options}, self.now(), Redactor(), stored=True, around=Around(PLACE)
        )
        specification = dataclasses.replace(specification, kind=self.kind)
        check_kind(specification)
        context = RunContext(
            check_mode,
            return_secret=True,
            secret_has_receiver=True,
            warn=self.said.append,
            store=self._store,
            nonce=lambda: f"{self._random.getrandbits(64):016x}",
            sleep=lambda _seconds: None,
        )
        outcome = reconcile(self._api, specification, context)
        result = {**report.result(outcome, True), "diff": report.diff(outcome.plan)}
        self.said.append(report.summary_line(outcome, check_mode))
        self.said.append(repr({**result, "token": None}))
        return result


def live(kind: Kind, steps: list[Step], normal: Options) -> None:
    scene = MemoryScene(kind)
    live_through(Ledger(scene), steps, normal)
    assert re.search(r"secret\d{4}", "\n".join(scene.said)) is None


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_there_is_always_a_token_that_works_and_the_next_run_puts_all_right(kind: Kind) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize="HISTORIES" not in os.environ,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(
        steps=histories(kind, DATES, with_faults=True), normal=st.sampled_from(normal_options(kind))
    )
    def check(steps: list[Step], normal: Options) -> None:
        live(kind, steps, normal)

    check()


@pytest.mark.parametrize("steps", known_histories(DATES))
def test_what_was_wrong_once_is_right(steps: list[Step]) -> None:
    for normal in normal_options(ACCESS):
        live(ACCESS, steps, normal)


def test_a_token_in_doubt_is_not_deleted_where_the_stored_one_is_gone() -> None:
    plain: Options = {"name": "ci", "scopes": ["metrics.read"]}
    cut_off = Trouble(faults=Faults(interrupts=frozenset({1})))  # the token is there, its id is not
    steps: list[Step] = [
        Run(plain),
        ByHand("delete", "held"),
        Run(plain, trouble=cut_off),
        Run({"name": "ci", "state": "absent"}),
    ]
    for normal in normal_options(SEAL):
        live(SEAL, steps, normal)


def test_a_token_that_was_taken_back_is_no_leftover_of_the_run_that_issued_it() -> None:
    plain: Options = {"name": "ci", "scopes": ["metrics.read"], "expires_in": "30d"}
    secret_saved = Trouble(dies_before=3)  # the intent is still there
    steps: list[Step] = [
        Run(plain, trouble=secret_saved),
        Run({**plain, "rotate": "always", "overlap": "2d"}, trouble=secret_saved),
        Run({"enabled": True}, target="predecessor"),
    ]
    for normal in normal_options(BADGE):
        live(BADGE, steps, normal)
