# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What answers of the APIs say, with no trust in them."""

from __future__ import annotations

import datetime as dt
import typing as t
import urllib.parse

from ansible_collections.community.dynatrace.plugins.module_utils._http.auth import Audience
from ansible_collections.community.dynatrace.plugins.module_utils._http.client import Http
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import Connection
from ansible_collections.community.dynatrace.plugins.module_utils._http.explain import DYNATRACE
from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import Server
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    Refused,
    RequestFailed,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import access_kind
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
    could_be_secret,
    looks_like_secret,
    public_id,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import parse_timestamp
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Token,
    is_token_id,
    sorted_scopes,
)

# Documented: they suffice to manage access tokens.
_OAUTH_SCOPES = {
    "apiTokens.read": "environment-api:api-tokens:read",
    "apiTokens.write": "environment-api:api-tokens:write",
}


def environment_api(connection: Connection) -> Audience:
    """The API of the environment, which has the access tokens."""
    account = connection.oauth.account_uuid if connection.oauth else None
    resource = f"urn:dtaccount:{account}" if account else None
    return Audience(connection.api_address, _OAUTH_SCOPES, resource)


def read_token(http: Http, data: t.Any, asked: str | None = None) -> Token:
    """A token from JSON in the form of v2.

    Whatever is missing or of another type takes the value that claims least.

    :param asked: the id of the token that was asked for.
    :raises RequestFailed: where what the plan rests on is not known, or it is another token.
    """
    data = an_object("a token", data)
    _check_token(data, asked)
    # Not all known secrets: a token may have the name of, say, the user of a proxy.
    redactor = Redactor(http.caller)
    scopes = data["scopes"] if isinstance(data.get("scopes"), list) else []
    texts = [data.get("name"), *scopes]
    name, *shown = (shown_text(redactor, text) for text in texts)
    is_told = isinstance(data.get("enabled"), bool) and isinstance(data.get("scopes"), list)
    return Token(
        id=data["id"],
        name=name,
        enabled=data.get("enabled") is True,
        scopes=sorted_scopes(filter(None, shown)),
        kind=access_kind(data.get("personalAccessToken") is True),
        expires=moment_of(data.get("expirationDate")),
        owner=shown_text(redactor, data.get("owner")) or None,
        created=moment_of(data.get("creationDate")),
        modified=moment_of(data.get("modifiedDate")),
        last_used=moment_of(data.get("lastUsedDate")),
        last_used_ip=shown_text(redactor, data.get("lastUsedIpAddress")) or None,
        made_by_product=bool(data.get("additionalMetadata")),
        complete=is_told and [name, *shown] == texts,
    )


def _check_token(data: t.Mapping[str, t.Any], asked: str | None) -> None:
    token_id = checked_id(data.get("id"), data.get("expirationDate"), asked)
    if not isinstance(data.get("personalAccessToken"), (bool, type(None))):
        raise RequestFailed(
            f"Dynatrace gave a kind for the token {token_id} that is not known. Nothing was done "
            "with it."
        )


def checked_id(token_id: t.Any, expiration_date: t.Any, asked: str | None = None) -> str:
    """The id of a token, if what the plan rests on can be so.

    :param asked: the id of the token that was asked for.
    """
    if not isinstance(token_id, str) or not is_id(token_id):
        raise RequestFailed(
            "Dynatrace gave an id for a token that cannot be one. Nothing was done with that token."
        )
    if asked not in (None, token_id):
        raise RequestFailed(
            f"Dynatrace was asked for the token {asked} and answered with another, {token_id}. "
            "Nothing was done with it."
        )
    if expiration_date is not None and moment_of(expiration_date) is None:
        raise RequestFailed(
            f"Dynatrace gave an expiration date for the token {token_id} that is no point in time. "
            "Nothing was done with it."
        )
    return token_id


def new_secret(http: Http, data: t.Mapping[str, t.Any], token_id: t.Any) -> Secret:
    """The secret in the answer to a creation, hidden from now on.

    :raises RequestFailed: where the answer has no secret, or the id cannot be one.
    """
    secret = Secret(text_of(data.get("token")))
    http.redactor.hide(secret)
    if not could_be_secret(secret.reveal()) or not is_id(token_id):
        raise RequestFailed(
            "Dynatrace's answer to the creation of a token has no id or no secret.",
            maybe_done=True,
        )
    return secret


def shown_text(redactor: Redactor, value: t.Any) -> str:
    """A text of an answer as it may be shown and written: no secret, no half character."""
    return redactor.text(text_of(value))


def text_of(value: t.Any) -> str:
    """The text; without what JSON can hold and UTF-8 can not. Empty where it is none."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def moment_of(value: t.Any) -> dt.datetime | None:
    return parse_timestamp(value) if isinstance(value, str) else None


def an_object(what: str, data: t.Any, server: Server = DYNATRACE) -> dict[str, t.Any]:
    if not isinstance(data, dict):
        raise no_answer(what, server)
    return data


def no_answer(what: str, server: Server = DYNATRACE) -> RequestFailed:
    return RequestFailed(f"Dynatrace's answer is not {what}. {server.doubt}", maybe_done=True)


def id_of(secret: Secret, lookup: t.Callable[[Secret], Token | None]) -> str | None:
    """The id in the secret itself; of a token of the old format, without dots, by a request."""
    token_id = public_id(secret)
    if token_id is not None:
        return token_id
    token = lookup(secret)
    return token.id if token else None


def problem_of(seen: Token | None, token: Token) -> str | None:
    """The reason why a token that looked itself up is not as specified, None if it is."""
    lacking = sorted(set(token.scopes).difference(seen.scopes if seen else ()))
    if lacking:
        return f"It lacks {', '.join(lacking)}."
    if seen is None or seen.id != token.id:
        return "Its secret is that of another token."
    return None


def is_caller(http: Http, token_id: str) -> bool:
    """Whether the id is known to be that of the calling token, as far as this costs no request."""
    return http.caller is not None and token_id == public_id(http.caller)


def check_not_caller(http: Http, token_id: str) -> None:
    if is_caller(http, token_id):
        raise Refused(
            f"{token_id} is the token that this task itself calls Dynatrace with (api_token), so "
            "it was not deleted."
        )


def path_of(collection: str, token_id: str) -> str:
    # Documented: DELETE takes a whole secret in the address too, where it must never stand.
    if not is_id(token_id):
        raise RequestFailed(
            "Dynatrace gave an id for a token that cannot be one, so no request was made with it."
        )
    return f"{collection}/{urllib.parse.quote(token_id, safe='')}"


def is_id(value: t.Any) -> bool:
    return isinstance(value, str) and is_token_id(value) and not looks_like_secret(value)
