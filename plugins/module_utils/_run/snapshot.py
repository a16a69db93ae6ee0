# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one listing told of the tokens that many specifications are about."""

from __future__ import annotations

import collections
import copy
import datetime as dt
import functools
import threading
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import Kind
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    Token,
    final_name,
    is_provisional,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import TokenApi


class Snapshot:
    """Answers from one listing where it can, and asks where it cannot.

    It cannot for a token that is gone, or that has another name.
    """

    def __init__(
        self, api: TokenApi, names: t.Collection[str], token_ids: t.Collection[str]
    ) -> None:
        self._names = names
        self._by_id: dict[str | None, Token] = {}
        self._by_name: dict[tuple[str, Kind], list[Token]] = collections.defaultdict(list)
        for token in api.list(
            wanted=lambda token_id, name: final_name(name) in names or token_id in token_ids
        ):
            self._by_id[token.id] = token
            self._by_name[final_name(token.name), token.kind].append(token)
        self._caller_lock = threading.Lock()
        self._caller_id = functools.cache(api.caller_id)
        self._use(api)

    def _use(self, api: TokenApi) -> None:
        self._api = api
        self.issues = api.issues
        self.changes_caller = api.changes_caller

    def with_api(self, api: TokenApi) -> Snapshot:
        """The same listing, with the API of this thread."""
        if api is self._api:
            return self
        other = copy.copy(self)
        other._use(api)
        return other

    def now(self) -> dt.datetime:
        return self._api.now()

    def caller_id(self) -> str | None:
        with self._caller_lock:
            return self._caller_id()

    def find_by_name(self, identity: Identity) -> t.Sequence[Token]:
        if identity.name not in self._names:
            return self._api.find_by_name(identity)
        named = self._by_name.get((identity.name, identity.kind), ())  # of any place
        return [token for token in named if token.becomes(identity)]

    def get(self, token_id: str) -> Token | None:
        token = self._by_id.get(token_id)
        # One that was being issued may have its name by now.
        return self._api.get(token_id) if token is None or is_provisional(token.name) else token

    def lookup(self, secret: Secret) -> Token | None:
        return self._api.lookup(secret)

    def id_of(self, secret: Secret) -> str | None:
        return self._api.id_of(secret)
