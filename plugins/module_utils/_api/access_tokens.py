# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the access token API that is the same in all its versions."""

from __future__ import annotations

import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._api.answers import (
    check_not_caller,
    path_of,
    problem_of,
)
from ansible_collections.community.dynatrace.plugins.module_utils._api.http_api import HttpApi
from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import Request
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import Kind
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    Token,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Wanted


class AccessTokenApi(HttpApi):
    """See ``TokenApi``."""

    _path: str
    _write_scope: str

    def list(
        self, kind: Kind | None = None, usage: bool = False, wanted: Wanted | None = None
    ) -> t.Iterator[Token]:
        raise NotImplementedError

    def lookup(self, secret: Secret) -> Token | None:
        self._http.redactor.hide(secret)
        body = {"token": secret.reveal()}
        answer = self._http.request(
            Request("POST", self._path + "/lookup", body=body, absent=(404,), reads=True)
        )
        return None if answer.status == 404 else self._read(answer.data, secret)

    def delete(self, token_id: str) -> None:
        check_not_caller(self._http, token_id)
        path = path_of(self._path, token_id)
        self._http.request(Request("DELETE", path, absent=(404,), scope=self._write_scope))

    def find_by_name(self, identity: Identity) -> t.Sequence[Token]:
        listed = self.list(identity.kind, wanted=lambda _id, name: name.startswith(identity.name))
        return [token for token in listed if token.becomes(identity)]

    def problem_of(self, secret: Secret, token: Token) -> str | None:
        # Documented: any scope suffices for a token to look itself up.
        by_itself = type(self)(self._http.as_caller(secret))
        return problem_of(by_itself.lookup(secret), token)

    def _read(self, data: t.Any, secret: Secret) -> Token:
        """The token that the lookup of its secret told of."""
        raise NotImplementedError
