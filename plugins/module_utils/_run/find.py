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
    Predecessor,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    OptionError,
    Refused,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    Specification,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    Token,
)
from ansible_collections.community.dynatrace.plugins.module_utils._plan.found import (
    Found,
    sort_out,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import (
    RunContext,
    Store,
    TokenReader,
)

_WAIT_FOR_OTHER_RUN = dt.timedelta(seconds=60)
_PAUSE = 0.5  # seconds


def find(
    api: TokenReader, specification: Specification, context: RunContext
) -> tuple[Found, Secret | None]:
    """What there is of this identity, and its secret if somebody is to receive it.

    :raises OptionError: where the options cannot work with what there is.
    :raises Refused: where the store names a token that is not this one.
    """
    # Looked up: that an id stands in a secret does not make it that token's.
    held = api.lookup(specification.token) if specification.token else None
    held_id = held.id if held else _believed(specification)
    if specification.token_id is None:
        found, secret = _find_by_name(api, specification, context, held_id)
    else:
        found, secret = _find_by_id(api, specification, context)
    place = ""
    if found.live and found.entry.id is None:
        place = context.store.describe(found.entry.identity)
    return dataclasses.replace(
        found, held_id=held_id, stored=context.store.keeps, place=place
    ), secret


def _believed(specification: Specification) -> str | None:
    """The id that is given beside a secret of which Dynatrace does not tell whose it is."""
    if specification.token is None or specification.kind.is_looked_up:
        return None
    if specification.token_id is None:
        raise OptionError(
            f"token: Dynatrace cannot look up the secret of a {specification.kind.words}. Give "
            "token_id beside it, or leave token out."
        )
    return specification.token_id


def _find_by_name(
    api: TokenReader, specification: Specification, context: RunContext, held_id: str | None
) -> tuple[Found, Secret | None]:
    entry = _load(api, specification, context)
    kept = _get_kept(api, entry, context.store)
    secret, kept_id = _open(api, entry, context) if kept else (None, None)
    is_settled = not entry.intents and held_id in (None, entry.id)
    if kept and is_settled and specification.state == "present" and not _expired(api, kept):
        looked_for = _due(entry, specification, api.now())
        predecessors = _get_each(api, (one.id for one in looked_for if one.id != kept.id))
        tokens: t.Sequence[Token] = [kept, *predecessors]
    else:
        looked_for = entry.predecessors
        tokens = api.find_by_name(entry.identity)
    return sort_out(tokens, api.now(), entry, looked_for, kept_id=kept_id), secret


def find_kept(api: TokenReader, entry: Entry, store: Store) -> Found:
    """What there is of an entry in the store, and nothing else of its name.

    :raises Refused: where the token has another name.
    """
    kept = _get_kept(api, entry, store)
    named = api.find_by_name(entry.identity) if entry.intents else ()
    predecessors = _get_each(api, (one.id for one in entry.predecessors))
    ours = [token for token in predecessors if entry.knows(token)]
    tokens = {token.id: token for token in [*([kept] if kept else []), *ours, *named]}
    found = sort_out(tokens.values(), api.now(), entry, kept_id=entry.id)
    return dataclasses.replace(
        found,
        stored=True,
        live=_known_among(found.live, entry),
        expired=_known_among(found.expired, entry),
        foreign_provisional=(),
    )


def _known_among(tokens: t.Iterable[Token], entry: Entry) -> tuple[Token, ...]:
    return tuple(token for token in tokens if token.id == entry.id or entry.knows(token))


def _expired(api: TokenReader, token: Token) -> bool:
    return token.has_expired(api.now())


def _due(entry: Entry, specification: Specification, now: dt.datetime) -> tuple[Predecessor, ...]:
    return tuple(one for one in entry.predecessors if specification.retire and one.is_due(now))


def _get_each(api: TokenReader, token_ids: t.Iterable[str]) -> t.Iterator[Token]:
    return filter(None, map(api.get, token_ids))


def _load(api: TokenReader, specification: Specification, context: RunContext) -> Entry:
    """The entry of this name, once no run on another machine is busy with it any more."""
    store = context.store
    waited = dt.timedelta(0)
    while True:
        entry = store.load(specification.identity)
        if not entry.intents or store.exclusive or context.check_mode:
            return entry
        age = api.now() - entry.intents[-1].since
        if max(waited, age) >= _WAIT_FOR_OTHER_RUN:
            return entry
        if not waited:
            context.warn(
                f"Another run is about to issue {specification.label()}, or was cut off. "
                "Waiting for it, a minute at most."
            )
        context.sleep(_PAUSE)
        waited += dt.timedelta(seconds=_PAUSE)


def _get_kept(api: TokenReader, entry: Entry, store: Store) -> Token | None:
    """The token that the store names, None where it is gone.

    A store can be written by others: that it names a token does not make it ours.
    """
    token = api.get(entry.id) if entry.id else None
    if token is None or entry.is_of(token):
        return token
    elsewhere = store.load(Identity(entry.identity.place, token.name, token.kind))
    if _concerns(elsewhere, token):
        return None  # renamed by its id, and the run was cut off before it removed this entry
    raise Refused(
        f"The store holds the token {entry.id} under the name {entry.name!r}, but Dynatrace knows "
        f"it as the {token.kind.words} {token.name!r}. Nothing was changed. To give it its name "
        "back, rename it in Dynatrace, or run once with this token_id and this name; to have "
        "another one issued, remove the entry from the store."
    )


def _open(api: TokenReader, entry: Entry, context: RunContext) -> tuple[Secret | None, str | None]:
    """The secret in the store, if it is to be returned, and the id of the token it belongs to."""
    if entry.secret is None or not context.return_secret:
        return None, entry.id
    secret = context.store.unseal(entry)
    if not entry.kind.is_looked_up:
        return secret, entry.id
    return secret, api.id_of(secret) if secret else None


def _find_by_id(
    api: TokenReader, specification: Specification, context: RunContext
) -> tuple[Found, Secret | None]:
    token = _get(api, specification)
    if token is None:
        return Found(_entry_of_gone(specification, context.store)), None
    entry, target = _entries_by_id(token, specification, context.store)
    secret, kept_id = _open(api, entry, context)
    found = Found(entry, kept_id=kept_id, target=target)
    if _expired(api, token):
        return dataclasses.replace(found, expired=(token,)), secret
    return dataclasses.replace(found, live=(token,)), secret


def _entry_of_gone(specification: Specification, store: Store) -> Entry:
    """The entry of a token that is gone, if it stands under the name that is given."""
    if specification.name is None:
        return Entry(specification.identity)
    entry = store.load(specification.identity)
    if entry.id == specification.token_id and not entry.intents:
        return entry
    return Entry(specification.identity)


def _entries_by_id(
    token: Token, specification: Specification, store: Store
) -> tuple[Entry, Entry | None]:
    """The entry that knows this token, and that of the name it is to get, if it is another."""
    source = target = store.load(Identity(specification.place, token.name, token.kind))
    if specification.name not in (None, token.name):
        target = store.load(specification.identity)
        if source.id == token.id:
            _check_no_predecessors(token, source)
    for entry in (source, target):
        _check_settled(entry)
    holder = next((one for one in (source, target) if _concerns(one, token)), None)
    if holder is None or holder.id == token.id:
        _check_free(token, specification, target)
    if holder is None:
        return _unheld(target), None
    return holder, (target if holder is not target else None)


def _concerns(entry: Entry, token: Token) -> bool:
    return entry.id == token.id or entry.knows(token)


def _unheld(target: Entry) -> Entry:
    """An entry to adopt the token into; what holds another token is not that."""
    return target if target.id is None else Entry(target.identity)


def _check_settled(entry: Entry) -> None:
    if entry.intents and entry.kind.marked_by == "name":
        raise Refused(
            f"A run for the token {entry.name!r} was cut off, or is still going on. Nothing was "
            "changed. Run a task for it by its name first, which puts it right."
        )


def _check_no_predecessors(token: Token, entry: Entry) -> None:
    retiring = [one.id for one in entry.predecessors if one.due is not None]
    if retiring:
        raise Refused(
            f"The token {token.name!r} ({token.id}) would be renamed while those that it replaced "
            f"are still retiring under that name: {', '.join(retiring)}. Nothing was changed. "
            "Rename it when they are gone, or delete them first, each by its token_id."
        )


def _check_free(token: Token, specification: Specification, target: Entry) -> None:
    if specification.state == "present" and target.id not in (None, token.id):
        raise Refused(
            f"The store holds the secret of another token, {target.id}, under the name "
            f"{target.name!r}. Nothing was changed. Choose another name, or delete that token "
            "first."
        )


def _get(api: TokenReader, specification: Specification) -> Token | None:
    token = api.get(specification.token_id or "")
    if token is None and specification.state == "present":
        raise OptionError(
            f"token_id: there is no token {specification.token_id}. It was deleted, or belongs to "
            "another environment. A token cannot be made with an id that is given; ask for it by "
            "name to have one issued."
        )
    if token is None:
        return None
    if token.kind is not specification.kind:
        raise OptionError(
            f"kind: {specification.token_id} is of another kind, of the kind {token.kind.words}. "
            f"Say kind: {token.kind.option}, and leave personal_access_token out."
        )
    if token.place not in (None, specification.place):
        raise OptionError(
            f"resources: the token {specification.token_id} is for {', '.join(token.resources)}. "
            "Give these resources."
        )
    if specification.state == "absent" and specification.name not in (None, token.name):
        raise OptionError(
            f"name: the token {specification.token_id} is named {token.name!r}, not "
            f"{specification.name!r}, so it was not deleted. Correct the one that is wrong, or "
            "leave name out."
        )
    return token
