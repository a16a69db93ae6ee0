# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What there is of a token, in Dynatrace and in the store. Sends only requests that read."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Entry,
    Retiring,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    OptionError,
    Refused,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Secret,
    public_id,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    Specification,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Token,
    kind_name,
)
from ansible_collections.community.dynatrace.plugins.module_utils._plan.plan import Found, sort_out
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import (
    Runtime,
    Store,
    TokenReader,
)

# How long a run on another machine may take from its intent to the secret in the store before it is taken for dead.
# Whoever is wrong about that loses nothing: the store refuses the later of two writers, who takes back what it issued.
_PATIENCE = dt.timedelta(seconds=60)
_PAUSE = 0.5  # seconds


def find(
    api: TokenReader, specification: Specification, runtime: Runtime
) -> tuple[Found, Secret | None]:
    """What there is of this identity, and its secret if somebody is to receive it.

    :raises OptionError: where the options cannot work with what there is.
    :raises Refused: where the store names a token that is not this one.
    """
    held_id = _id_of(api, specification.token) if specification.token else None
    by = _find_by_name if specification.token_id is None else _find_by_id
    found, secret = by(api, specification, runtime, held_id)
    return (found if runtime.store.keeps else dataclasses.replace(found, entry=None)), secret


def _find_by_name(
    api: TokenReader, specification: Specification, runtime: Runtime, held_id: str | None
) -> tuple[Found, Secret | None]:
    entry = _load(api, specification, runtime)
    kept = _get_kept(api, entry, runtime.store)
    secret, kept_id = _open(api, entry, runtime) if kept else (None, None)
    alone = (
        entry.intent is None and specification.state == "present" and held_id in (None, entry.id)
    )
    if kept and alone and not kept.ended(api.now()):
        looked_for = _due(entry, specification, api.now())
        tokens: t.Sequence[Token] = [
            kept,
            *_get_each(api, [note.id for note in looked_for if note.id != kept.id]),
        ]
    else:
        looked_for = entry.retiring
        tokens = api.called(entry.name, entry.personal_access_token)
    return sort_out(tokens, api.now(), held_id, entry, kept_id, looked_for), secret


def find_kept(api: TokenReader, entry: Entry, store: Store) -> Found:
    """What there is of an entry in the store, and nothing else of its name.

    :raises Refused: where the token has another name.
    """
    kept = _get_kept(api, entry, store)
    orphans = api.called(entry.name, entry.personal_access_token) if entry.intent else ()
    retiring = [
        token
        for token in _get_each(api, [note.id for note in entry.retiring])
        if entry.retires(token)
    ]
    tokens = {token.id: token for token in [*([kept] if kept else []), *retiring, *orphans]}
    found = sort_out(tokens.values(), api.now(), entry=entry, kept_id=entry.id)
    live, expired = (
        tuple(token for token in of_role if token.id == entry.id)
        for of_role in (found.live, found.expired)
    )
    return dataclasses.replace(found, live=live, expired=expired, pending=())


def _due(entry: Entry, specification: Specification, now: dt.datetime) -> tuple[Retiring, ...]:
    return tuple(note for note in entry.retiring if specification.retire and note.due <= now)


def _get_each(api: TokenReader, token_ids: t.Iterable[str]) -> t.Iterator[Token]:
    return filter(None, map(api.get, token_ids))


def _id_of(api: TokenReader, secret: Secret) -> str | None:
    token = api.lookup(secret)
    return token.id if token else None


def _load(api: TokenReader, specification: Specification, runtime: Runtime) -> Entry:
    """The entry of this name, once no run on another machine is busy with it any more."""
    store = runtime.store
    waited = dt.timedelta(0)
    while True:
        entry = store.load(specification.name or "", specification.personal_access_token)
        if entry.intent is None or store.exclusive or runtime.check_mode:
            return entry
        if waited >= _PATIENCE or api.now() - entry.intent.since >= _PATIENCE:
            return entry
        if not waited:
            runtime.warn(
                f"Another run is about to issue {specification.label()}, or was cut off. Waiting for it, a minute at most."
            )
        runtime.sleep(_PAUSE)
        waited += dt.timedelta(seconds=_PAUSE)


def _get_kept(api: TokenReader, entry: Entry, store: Store) -> Token | None:
    """The token that the store names, None where it is gone.

    A store can be written by others: that it names a token does not make it ours.
    """
    token = api.get(entry.id) if entry.id else None
    if token is None or entry.names(token):
        return token
    elsewhere = store.load(token.name, token.personal_access_token)
    if elsewhere.id == token.id:
        return None  # renamed by its id, and the run was cut off before it removed this entry
    raise Refused(
        f"The store holds the token {entry.id} under the name {entry.name!r}, but Dynatrace knows it as the "
        f"{kind_name(token.personal_access_token)} {token.name!r}. Nothing was changed. To give it its name back, rename it in "
        f"Dynatrace, or run once with this token_id and this name; to have another one issued, remove the entry from the store."
    )


def _open(api: TokenReader, entry: Entry, runtime: Runtime) -> tuple[Secret | None, str | None]:
    """The secret in the store, if it is to be handed out, and the id of the token that it belongs to."""
    if entry.secret is None or not runtime.hands_out:
        return None, entry.id
    secret = runtime.store.unseal(entry)
    return secret, (public_id(secret) or _id_of(api, secret)) if secret else None


def _find_by_id(
    api: TokenReader, specification: Specification, runtime: Runtime, held_id: str | None
) -> tuple[Found, Secret | None]:
    token = _get(api, specification)
    if token is None:
        return Found(
            (), (), held_id=held_id, entry=_entry_of_gone(specification, runtime.store)
        ), None
    entry = _entry_by_id(token, specification, runtime.store)
    secret, kept_id = _open(api, entry, runtime)
    live, expired = ((), (token,)) if token.ended(api.now()) else ((token,), ())
    return Found(live, expired, held_id=held_id, entry=entry, kept_id=kept_id), secret


def _entry_of_gone(specification: Specification, store: Store) -> Entry | None:
    """The entry of a token that is gone, if it stands under the name that is given."""
    if specification.name is None:
        return None
    entry = store.load(specification.name, specification.personal_access_token)
    return entry if entry.id == specification.token_id and entry.intent is None else None


def _entry_by_id(token: Token, specification: Specification, store: Store) -> Entry:
    """The entry that holds this token or has it retire, under its name or under the one that it is to get."""
    entries = [
        store.load(name, token.personal_access_token)
        for name in dict.fromkeys((token.name, specification.name or token.name))
    ]
    for entry in entries:
        if entry.intent is not None:
            raise Refused(
                f"A run for the token {entry.name!r} was cut off, or is still going on. Nothing was changed. Run a task for it by its "
                "name first, which puts it right."
            )
        if entry.id == token.id and entry.retiring and specification.name not in (None, token.name):
            predecessors = ", ".join(note.id for note in entry.retiring)
            raise Refused(
                f"The token {token.name!r} ({token.id}) would be renamed while those that it replaced are still retiring under that name: "
                f"{predecessors}. Nothing was changed. Rename it when they are gone, or delete them first, each by its token_id."
            )
        if entry.retires(token) and specification.token is None:
            return entry
    target = entries[-1]
    if specification.state == "present" and target.id not in (None, token.id):
        raise Refused(
            f"The store holds the secret of another token, {target.id}, under the name {target.name!r}. Nothing was changed. "
            "Choose another name, or delete that token first."
        )
    nowhere = target if target.id is None else Entry(target.name, target.personal_access_token)
    return next((entry for entry in entries if entry.id == token.id), nowhere)


def _get(api: TokenReader, specification: Specification) -> Token | None:
    token = api.get(specification.token_id or "")
    if token is None and specification.state == "present":
        raise OptionError(
            f"token_id: there is no token {specification.token_id}. It was deleted, or belongs to another environment. "
            "A token cannot be made with an id that is given; ask for it by name to have one issued."
        )
    if token is None:
        return None
    if token.personal_access_token != specification.personal_access_token:
        raise OptionError(
            f"personal_access_token: {specification.token_id} is of the other kind, of the kind "
            f"{kind_name(token.personal_access_token)}. Say personal_access_token: {str(token.personal_access_token).lower()}."
        )
    if specification.state == "absent" and specification.name not in (None, token.name):
        raise OptionError(
            f"name: the token {specification.token_id} is named {token.name!r}, not {specification.name!r}, so it was not deleted. "
            "Correct the one that is wrong, or leave name out."
        )
    return token
