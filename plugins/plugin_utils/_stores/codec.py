# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries of a store as plain data, and back again, with no trust in what comes back.

Files and secrets of version 1.0.0 are read: they say ``personal_access_token`` for ``kind``,
``pending`` for ``intents`` and ``retiring`` for ``predecessors``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Entry,
    Intent,
    Predecessor,
    Sealed,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import (
    KINDS,
    Kind,
    access_kind,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Secret,
    could_be_secret,
    looks_like_secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import (
    format_timestamp,
    parse_timestamp,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    is_token_id,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import Data

_PLAIN = re.compile(r"(?!\.\.?$)[a-z0-9._-]{1,100}")
_ENTRY_NAME = re.compile(r"(?!\.\.?$)[a-z0-9._~-]+")
_NONCE = re.compile(r"[0-9a-f]{16}")

_PUBLIC_KEYS = ("environment", "name", "id", "token", "scopes", "expiration_date", "created")
_KEYS = (*_PUBLIC_KEYS, "kind", "intents", "predecessors")  # handed_over may lack
_KEYS_OF_1_0_0 = (*_PUBLIC_KEYS, "personal_access_token", "pending", "retiring")


class Damaged(Exception):
    """What is wrong with the data of an entry."""


def entry_name(name: str, kind: Kind) -> str:
    """A name that is safe in a path, readable, and unique for every name and kind.

    Two kinds can still meet: ``ci.x`` of the kind without a suffix has the entry name of ``ci`` of
    a kind whose suffix is ``.x``, unless that is ``.pat``. The data tell which of them it is.
    """
    if _PLAIN.fullmatch(name) and not name.endswith(".pat"):
        return name + kind.suffix
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
    checksum = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:12]
    # No plain name has a tilde.
    return f"{slug or 'token'}~{checksum}{kind.suffix}"


def is_entry_name(text: str) -> bool:
    """Whether ``entry_name`` can return this. Data under another name is not an entry."""
    return _ENTRY_NAME.fullmatch(text) is not None


def dump_entry(entry: Entry) -> Data:
    """The data of an entry: its secret in the clear, unless it is sealed."""
    secret = entry.secret
    return {
        "environment": entry.identity.place,
        "name": entry.name,
        "kind": entry.kind.option,
        "id": entry.id,
        "token": secret.reveal() if isinstance(secret, Secret) else secret,
        "scopes": list(entry.scopes),
        "expiration_date": _dump_moment(entry.expires),
        "created": _dump_moment(entry.created),
        "handed_over": entry.handed_over,
        "intents": [_dump_intent(intent) for intent in entry.intents],
        "predecessors": [_dump_predecessor(predecessor) for predecessor in entry.predecessors],
    }


def _dump_intent(intent: Intent) -> Data:
    return {
        "nonce": intent.nonce,
        "since": _dump_moment(intent.since),
        "expiration_date": _dump_moment(intent.expires),
        "scopes": list(intent.scopes),
        "known_ids": list(intent.known_ids),
    }


def _dump_predecessor(predecessor: Predecessor) -> Data:
    return {
        "id": predecessor.id,
        "disable_date": _dump_moment(predecessor.disable_at),
        "delete_date": _dump_moment(predecessor.delete_at),
    }


def _dump_moment(moment: dt.datetime | None) -> str | None:
    return format_timestamp(moment) if moment else None


def parse_entry(data: t.Any, identity: Identity, version: t.Hashable) -> Entry:
    """The entry of this identity.

    :raises Damaged: where the data is incomplete or damaged, or is another token's.
    """
    complete = _complete(data)
    for key, expected in (("environment", identity.place), ("name", identity.name)):
        if complete[key] != expected:
            raise Damaged(f"{key} should be {expected!r} and is not")
    if _kind(complete) is not identity.kind:
        raise Damaged(f"kind should be {identity.kind.option!r} and is not")
    return _parse(complete, identity, version)


def parse_listed_entry(data: t.Any, place: str, listed_as: str, version: t.Hashable) -> Entry:
    """The entry that was found under this ``entry_name``, by the name and kind in its data.

    :raises Damaged: as ``parse_entry`` does.
    """
    complete = _complete(data)
    name, kind = complete["name"], _kind(complete)
    if not isinstance(name, str) or kind is None or entry_name(name, kind) != listed_as:
        raise Damaged("name and kind are not those of an entry in this place")
    return parse_entry(complete, Identity(place, name, kind), version)


def _complete(data: t.Any) -> Data:
    """The data with all keys of its version of the collection."""
    if not isinstance(data, dict):
        raise Damaged("it is not a dictionary")
    keys = _KEYS_OF_1_0_0 if "personal_access_token" in data else _KEYS
    missing = [key for key in keys if key not in data]
    if missing:
        raise Damaged(f"{', '.join(missing)} is not there")
    return data


def _kind(data: Data) -> Kind | None:
    if "kind" in data:
        option = data["kind"]
        return KINDS.get(option) if isinstance(option, str) else None
    personal = data["personal_access_token"]
    return access_kind(personal) if isinstance(personal, bool) else None


def _parse(data: Data, identity: Identity, version: t.Hashable) -> Entry:
    token_id = None if data["id"] is None else _parse_id(data["id"])
    if (token_id is None) != (data["token"] is None):
        raise Damaged("of id and token, one is there without the other")
    predecessors = _parse_predecessors(data)
    if any(predecessor.id == token_id for predecessor in predecessors):
        raise Damaged("the token that it holds is among its predecessors")
    return Entry(
        identity,
        id=token_id,
        secret=_parse_secret(data["token"]),
        scopes=_list(data, "scopes", str),
        expires=_parse_moment(data, "expiration_date"),
        created=_parse_moment(data, "created"),
        handed_over=_parse_handed_over(data),
        intents=_parse_intents(data),
        predecessors=predecessors,
        version=version,
    )


def _parse_secret(token: t.Any) -> Secret | Sealed | None:
    if token is None or isinstance(token, Sealed):
        return token
    if not isinstance(token, str) or not could_be_secret(token):
        raise Damaged("token is not the secret of a token")
    return Secret(token)


def _parse_handed_over(data: Data) -> bool:
    handed_over = data.get("handed_over", True)
    if not isinstance(handed_over, bool):
        raise Damaged("handed_over is neither true nor false")
    return handed_over


def _parse_intents(data: Data) -> tuple[Intent, ...]:
    if "intents" in data:
        return tuple(_parse_intent(intent, "intents") for intent in _list(data, "intents", dict))
    pending = data["pending"]
    return () if pending is None else (_parse_intent(pending, "pending"),)


def _parse_intent(intent: t.Any, key: str) -> Intent:
    nonce = intent.get("nonce") if isinstance(intent, dict) else None
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
        raise Damaged(f"{key} has no nonce")
    since = _parse_moment(intent, "since")
    if since is None:
        raise Damaged(f"{key} has no time")
    return Intent(
        nonce,
        since,
        expires=_parse_moment(intent, "expiration_date"),
        scopes=_list(intent, "scopes", str),
        known_ids=tuple(map(_parse_id, _list(intent, "known_ids", str))),
    )


def _parse_predecessors(data: Data) -> tuple[Predecessor, ...]:
    if "predecessors" in data:
        return tuple(map(_parse_predecessor, _list(data, "predecessors", dict)))
    retiring = tuple(map(_parse_predecessor, _list(data, "retiring", dict)))
    if any(predecessor.disable_at is None for predecessor in retiring):
        raise Damaged("a token is retiring without a disable_date")
    return retiring


def _parse_predecessor(predecessor: Data) -> Predecessor:
    token_id = _parse_id(predecessor.get("id"))
    disable_at = _parse_moment(predecessor, "disable_date")
    delete_at = _parse_moment(predecessor, "delete_date")
    if disable_at is None and delete_at is not None:
        raise Damaged("a predecessor has a delete_date without a disable_date")
    return Predecessor(token_id, disable_at, delete_at)


def _parse_id(token_id: t.Any) -> str:
    if not isinstance(token_id, str) or not is_token_id(token_id) or looks_like_secret(token_id):
        raise Damaged("an id is not that of a token")
    return token_id


def _list(data: Data, key: str, of: type) -> tuple[t.Any, ...]:
    values = data.get(key)
    if values is None:
        return ()
    if not isinstance(values, list) or not all(isinstance(value, of) for value in values):
        raise Damaged(f"{key} is not a list as it should be")
    return tuple(values)


def _parse_moment(data: Data, key: str) -> dt.datetime | None:
    text = data.get(key)
    if text is None:
        return None
    moment = parse_timestamp(text) if isinstance(text, str) else None
    if moment is None:
        raise Damaged(f"{key} is not a point in time")
    return moment
