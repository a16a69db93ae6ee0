# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries of a store as plain data, and back again, with no trust in what comes back."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import re
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Entry,
    Intent,
    Retiring,
    Sealed,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
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
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import is_token_id

_PLAIN = re.compile(r"(?!\.\.?$)[a-z0-9._-]{1,100}")
_ENTRY_NAME = re.compile(r"(?!\.\.?$)[a-z0-9._~-]+")
_NONCE = re.compile(r"[0-9a-f]{16}")


_KEYS = (
    "environment",
    "name",
    "personal_access_token",
    "id",
    "token",
    "scopes",
    "expiration_date",
    "created",
    "pending",
    "retiring",
)


class Damaged(Exception):
    """What the data of an entry has wrong."""


def entry_name(name: str, personal_access_token: bool) -> str:
    """A name that is safe in a path, readable, and another for every name and kind."""
    kind = ".pat" if personal_access_token else ""
    if _PLAIN.fullmatch(name) and not name.endswith(".pat"):
        return name + kind
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
    # No plain name has a tilde.
    return f"{slug or 'token'}~{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:12]}{kind}"


def is_entry_name(text: str) -> bool:
    """Whether this can be what ``entry_name`` makes. What has another name in a store is no entry."""
    return _ENTRY_NAME.fullmatch(text) is not None


def dump_entry(entry: Entry, environment: str, token: t.Any) -> dict[str, t.Any]:
    """The data of an entry, with its secret in the form that the store keeps it in."""
    return {
        "environment": environment,
        "name": entry.name,
        "personal_access_token": entry.personal_access_token,
        "id": entry.id,
        "token": token,
        "scopes": list(entry.scopes),
        "expiration_date": _text(entry.expires),
        "created": _text(entry.created),
        "pending": {"nonce": entry.intent.nonce, "since": _text(entry.intent.since)}
        if entry.intent
        else None,
        # Before the last key, so that an entry that was cut off does not lose it unnoticed.
        **({} if entry.handed_over else {"handed_over": False}),
        "retiring": [
            {
                "id": note.id,
                "disable_date": _text(note.disable_at),
                "delete_date": _text(note.delete_at),
            }
            for note in entry.retiring
        ],
    }


def parse_entry(
    data: t.Any,
    environment: str,
    name: str,
    personal_access_token: bool,
    version: t.Hashable,
    place: str,
) -> Entry:
    """The entry of this name from its data.

    :param place: where the data is from, for messages.
    :raises DynatraceError: where it is damaged, or another's.
    """
    with _explained(place):
        return _parse(_complete(data), environment, name, personal_access_token, version)


def parse_listed_entry(
    data: t.Any, environment: str, listed_as: str, version: t.Hashable, place: str
) -> Entry:
    """The entry that was found under this ``entry_name``, from its data, which say of what name and kind it is.

    :raises DynatraceError: as ``parse_entry`` does.
    """
    with _explained(place):
        complete = _complete(data)
        name, personal_access_token = complete["name"], complete["personal_access_token"]
        if (
            not isinstance(name, str)
            or not isinstance(personal_access_token, bool)
            or entry_name(name, personal_access_token) != listed_as
        ):
            raise Damaged("name and personal_access_token are not those of an entry in this place")
        return _parse(complete, environment, name, personal_access_token, version)


@contextlib.contextmanager
def _explained(place: str) -> t.Iterator[None]:
    try:
        yield
    except Damaged as damage:
        raise DynatraceError(
            f"{place} is damaged, or is not the entry of this token: {damage}. Nothing was changed. Restore it from a backup; if there is "
            "none, remove it, and the next run has no secret for the token."
        ) from None


def _complete(data: t.Any) -> dict[t.Any, t.Any]:
    if not isinstance(data, dict):
        raise Damaged("it is not a dictionary")
    missing = [key for key in _KEYS if key not in data]
    if missing:
        raise Damaged(f"{', '.join(missing)} is not there")
    return data


def _parse(
    data: dict[t.Any, t.Any],
    environment: str,
    name: str,
    personal_access_token: bool,
    version: t.Hashable,
) -> Entry:
    for key, value in (
        ("environment", environment),
        ("name", name),
        ("personal_access_token", personal_access_token),
    ):
        if data[key] != value or isinstance(data[key], bool) != isinstance(value, bool):
            raise Damaged(f"{key} should be {value!r} and is not")
    token_id = data.get("id")
    if token_id is not None:
        _check_id(token_id)
    if (token_id is None) != (data.get("token") is None):
        raise Damaged("of id and token, one is there without the other")
    retiring = tuple(map(_parse_retiring, _list(data, "retiring", dict)))
    if token_id is not None and any(note.id == token_id for note in retiring):
        raise Damaged("the token that it holds is among those that are retiring")
    return Entry(
        name=name,
        personal_access_token=personal_access_token,
        id=token_id,
        secret=_parse_secret(data.get("token")),
        scopes=tuple(_list(data, "scopes", str)),
        expires=_moment(data, "expiration_date"),
        created=_moment(data, "created"),
        intent=_parse_intent(data.get("pending")),
        retiring=retiring,
        handed_over=_parse_handed_over(data.get("handed_over", True)),
        version=version,
    )


def _parse_secret(token: t.Any) -> Secret | Sealed | None:
    if token is None or isinstance(token, Sealed):
        return token
    if not isinstance(token, str) or not could_be_secret(token):
        raise Damaged("token is not the secret of a token")
    return Secret(token)


def _parse_intent(pending: t.Any) -> Intent | None:
    if pending is None:
        return None
    nonce, since = (
        (pending.get("nonce"), pending.get("since")) if isinstance(pending, dict) else (None, None)
    )
    moment = parse_timestamp(since) if isinstance(since, str) else None
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce) or moment is None:
        raise Damaged("pending has no nonce or no time")
    return Intent(nonce, moment)


def _parse_retiring(note: dict[t.Any, t.Any]) -> Retiring:
    token_id, disable_at = _check_id(note.get("id")), _moment(note, "disable_date")
    if disable_at is None:
        raise Damaged("a token is retiring without a disable_date")
    return Retiring(token_id, disable_at, _moment(note, "delete_date"))


def _parse_handed_over(handed_over: t.Any) -> bool:
    """Whether the secret was handed over. Entries of 1.0.0 do not tell, and count as handed over."""
    if not isinstance(handed_over, bool):
        raise Damaged("handed_over is neither true nor false")
    return handed_over


def _check_id(token_id: t.Any) -> str:
    if not isinstance(token_id, str) or not is_token_id(token_id) or looks_like_secret(token_id):
        raise Damaged("an id is not that of a token")
    return token_id


def _list(data: dict[t.Any, t.Any], key: str, of: type) -> list[t.Any]:
    values = data[key] if data[key] is not None else []
    if not isinstance(values, list) or not all(isinstance(value, of) for value in values):
        raise Damaged(f"{key} is not a list as it should be")
    return values


def _moment(data: dict[t.Any, t.Any], key: str) -> dt.datetime | None:
    text = data.get(key)
    if text is None:
        return None
    moment = parse_timestamp(text) if isinstance(text, str) else None
    if moment is None:
        raise Damaged(f"{key} is not a point in time")
    return moment


def _text(moment: dt.datetime | None) -> str | None:
    return format_timestamp(moment) if moment else None
