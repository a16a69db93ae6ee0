# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a request proves who it is from."""

from __future__ import annotations

import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    Connection,
    is_bearer,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret


class Signature(t.NamedTuple):
    """What authenticates a request."""

    headers: t.Mapping[str, str]
    query: t.Mapping[str, str]


# Documented: what those of the platform need instead of the scopes that access tokens need.
_SCOPES_OF_BEARERS = {
    "apiTokens.read": "environment-api:api-tokens:read",
    "apiTokens.write": "environment-api:api-tokens:write",
}

NO_SIGNATURE = Signature({}, {})


def name_of_scope(connection: Connection, scope: str | None) -> str | None:
    """What the caller has to have for what an access token needs this scope for."""
    return (
        _SCOPES_OF_BEARERS.get(scope or "", scope)
        if is_bearer(connection.api_token) or connection.oauth
        else scope
    )


def sign(connection: Connection, caller: Secret) -> Signature:
    """Documented: access tokens are of the scheme Api-Token, or stand in the query; seen in practice: those of the platform are Bearer."""
    if connection.token_location == "query":
        return Signature({}, {"api-token": caller.reveal()})
    scheme = "Bearer" if connection.oauth or is_bearer(caller) else "Api-Token"
    return Signature({"Authorization": f"{scheme} {caller.reveal()}"}, {})
