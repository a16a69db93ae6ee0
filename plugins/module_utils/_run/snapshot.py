# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one listing told of the tokens that many specifications are about."""

from __future__ import annotations

import collections
import datetime as dt
import functools
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Token,
    final_name,
    is_provisional,
)
from ansible_collections.community.dynatrace.plugins.module_utils._plan.plan import Plan
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import TokenApi


class Snapshot:
    """Answers from one listing where it can, and asks where it cannot: a token that is gone, or that has another name."""

    def __init__(
        self, api: TokenApi, names: t.Collection[str], token_ids: t.Collection[str]
    ) -> None:
        self._api = api
        self._names = names
        self._by_id: dict[str | None, Token] = {}
        self._called: dict[tuple[str, bool], list[Token]] = collections.defaultdict(list)
        for token in api.list(
            wanted=lambda token_id, name: final_name(name) in names or token_id in token_ids
        ):
            self._by_id[token.id] = token
            self._called[final_name(token.name), token.personal_access_token].append(token)

    def now(self) -> dt.datetime:
        return self._api.now()

    @functools.cached_property
    def _caller_id(self) -> str | None:
        return self._api.caller_id()

    def caller_id(self) -> str | None:
        return self._caller_id

    def called(self, name: str, personal_access_token: bool) -> t.Sequence[Token]:
        if name not in self._names:
            return self._api.called(name, personal_access_token)
        called = self._called.get((name, personal_access_token), ())
        return [token for token in called if token.is_called(name, personal_access_token)]

    def get(self, token_id: str) -> Token | None:
        token = self._by_id.get(token_id)
        # One that was being issued may have its name by now.
        return self._api.get(token_id) if token is None or is_provisional(token.name) else token

    def lacks(self, plan: Plan) -> str | None:
        return self._api.lacks(plan)

    def lookup(self, secret: Secret) -> Token | None:
        return self._api.lookup(secret)
