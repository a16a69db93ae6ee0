# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import itertools
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import StoreChanged
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Token,
    provisional_name,
)
from ansible_collections.community.dynatrace.plugins.module_utils._plan.plan import Plan
from ansible_collections.community.dynatrace.plugins.module_utils._run.apply import Outcome
from ansible_collections.community.dynatrace.plugins.module_utils._run.many import reconcile_all
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import (
    Issued,
    NoStore,
    Runtime,
    Store,
)

from builders import DOTTED_SECRET, INTENT, NOW, PUBLIC_PART, a_specification, a_token, an_entry

READ = ("metrics.read",)


class Api:
    """The operations that these tests come to, on tokens in memory."""

    def __init__(self, *tokens: Token) -> None:
        self.tokens = {token.id: token for token in tokens}
        self._numbers = itertools.count(1)

    def now(self) -> dt.datetime:
        return NOW

    def for_thread(self) -> Api:
        return self

    def lacks(self, plan: Plan) -> str | None:
        return None

    def list(
        self, personal_access_token: bool | None = None, wanted: t.Any = None
    ) -> t.Iterator[Token]:
        return iter(
            [
                token
                for token in self.tokens.values()
                if wanted is None or wanted(token.id, token.name)
            ]
        )

    def called(self, name: str, personal_access_token: bool) -> t.Sequence[Token]:
        return [token for token in self.list() if token.is_called(name, personal_access_token)]

    def get(self, token_id: str) -> Token | None:
        return self.tokens.get(token_id)

    def create(
        self, name: str, scopes: t.Sequence[str], expires: t.Any, personal_access_token: bool
    ) -> Issued:
        token = a_token(id=f"dt0c01.NEW{next(self._numbers)}", name=name, scopes=tuple(scopes))
        self.tokens[token.id] = token
        return Issued(str(token.id), Secret(f"{token.id}.{'S' * 64}"), None)

    def update(self, token_id: str, name: str, enabled: bool, scopes: t.Sequence[str]) -> None:
        self.tokens[token_id] = dataclasses.replace(
            self.tokens[token_id], name=name, enabled=enabled, scopes=tuple(scopes)
        )

    def delete(self, token_id: str) -> None:
        self.tokens.pop(token_id, None)


class Shelf(NoStore):
    """A store in memory that others on other machines use too."""

    keeps = True
    exclusive = False

    def __init__(self, *entries: Entry) -> None:
        self.held = {entry.name: dataclasses.replace(entry, version=1) for entry in entries}

    def load(self, name: str, personal_access_token: bool) -> Entry:
        return self.held.get(name) or Entry(name, personal_access_token)

    def save(self, entry: Entry) -> Entry:
        there = self.load(entry.name, entry.personal_access_token).version
        if there != entry.version:
            raise StoreChanged("changed")
        self.held[entry.name] = dataclasses.replace(entry, version=(there or 0) + 1)  # type: ignore[operator]
        return self.held[entry.name]

    def unseal(self, entry: Entry) -> Secret | None:
        return entry.secret if isinstance(entry.secret, Secret) else None


def runtime(store: Store, **hooks: t.Any) -> Runtime:
    return Runtime(
        check_mode=False,
        hands_out=True,
        may_issue=True,
        warn=lambda message: None,
        store=store,
        **hooks,
    )


def reconciled(api: Api, runtime: Runtime, *names: str) -> list[t.Any]:
    """What becomes of these tokens."""
    specifications = [a_specification(name=name, stored=runtime.store.keeps) for name in names]
    done, _purged = reconcile_all(t.cast(t.Any, api), specifications, runtime, 2, None)
    return done


def test_a_token_that_was_listed_while_another_machine_issued_it_is_found() -> None:
    api = Api(a_token(id=PUBLIC_PART, name=provisional_name("reports", INTENT.nonce)))
    store = Shelf(an_entry(intent=INTENT))

    def the_other_ends(_seconds: float) -> None:
        api.update(PUBLIC_PART, "reports", True, READ)
        store.save(dataclasses.replace(store.held["reports"], intent=None))

    (outcome,) = reconciled(api, runtime(store, sleep=the_other_ends), "reports")
    assert isinstance(outcome, Outcome), outcome
    assert (outcome.plan.action, outcome.secret) == ("none", Secret(DOTTED_SECRET))


def test_a_token_that_another_machine_issues_first_is_found() -> None:
    api, store = Api(), Shelf()

    def the_other_was_faster() -> str:
        if not api.tokens:
            api.tokens[PUBLIC_PART] = a_token(id=PUBLIC_PART)
            store.save(an_entry())
        return INTENT.nonce

    (outcome,) = reconciled(api, runtime(store, nonce=the_other_was_faster), "reports")
    assert isinstance(outcome, Outcome), outcome
    assert (outcome.plan.action, outcome.secret) == ("none", Secret(DOTTED_SECRET))
    assert list(api.tokens) == [PUBLIC_PART]


def test_an_error_that_nobody_foresaw_loses_no_secret_of_the_others() -> None:
    class BrokenApi(Api):
        def update(self, token_id: str, name: str, enabled: bool, scopes: t.Sequence[str]) -> None:
            if name == "broken":
                raise ZeroDivisionError
            super().update(token_id, name, enabled, scopes)

    api, done = BrokenApi(), []
    with contextlib.suppress(ZeroDivisionError):
        done = reconciled(api, runtime(NoStore()), "first", "broken", "last")
    assert set(api.tokens) == {
        one.token.id for one in done if isinstance(one, Outcome) and one.secret
    }
