# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The access tokens of OAuth clients: asked for once, and kept in memory until shortly before they end."""

from __future__ import annotations

import threading
import time
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    OAuthClient,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import RequestFailed
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Secret,
    could_be_secret,
)

# Documented: these suffice.
_SCOPES = "environment-api:api-tokens:read environment-api:api-tokens:write"
_PART_OF_LIFE = 0.9
_USUAL_LIFE, _LONGEST_LIFE = 300, 86_400  # seconds

_lock = threading.Lock()
_held: dict[
    OAuthClient, tuple[Secret, float]
] = {}  # and when to ask for another, by the monotonic clock


def access_token(
    client: OAuthClient, stale: Secret | None, ask: t.Callable[[OAuthClient], t.Any]
) -> Secret:
    """An access token of this client.

    :param stale: one that is not taken any more.
    :param ask: gives the answer of the single sign-on.
    :raises RequestFailed: where there is none.
    """
    with _lock:
        held, until = _held.get(client, (None, 0.0))
        if held is None or held == stale or time.monotonic() >= until:
            asked = time.monotonic()
            held, seconds = _read(client, ask(client))
            _held[client] = (held, asked + seconds * _PART_OF_LIFE)
        return held


def forms(client: OAuthClient) -> t.Iterator[dict[str, str]]:
    """What to ask the single sign-on: for no more than is needed, or, where the client has not all of that, for what it has."""
    form = {
        "grant_type": "client_credentials",
        "client_id": client.client_id,
        "client_secret": client.client_secret.reveal(),
    }
    if client.account_uuid:
        form["resource"] = f"urn:dtaccount:{client.account_uuid}"
    yield {**form, "scope": _SCOPES}
    yield form


def _read(client: OAuthClient, answer: t.Any) -> tuple[Secret, float]:
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not could_be_secret(token):
        raise RequestFailed(
            f"The answer of {client.token_url} has no access token. Check oauth_token_url."
        )
    seconds = answer.get("expires_in")
    # It does not have to be told.
    return Secret(token), float(min(seconds, _LONGEST_LIFE)) if isinstance(
        seconds, (int, float)
    ) else _USUAL_LIFE
