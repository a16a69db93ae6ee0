# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One new token: its secret is in the store or nothing is left of it, whatever happens between."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Entry,
    Intent,
    Predecessor,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    RequestFailed,
    StoreChanged,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import Period
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Token,
    provisional_name,
)
from ansible_collections.community.dynatrace.plugins.module_utils._plan.found import (
    is_leftover,
    may_be_leftover,
)
from ansible_collections.community.dynatrace.plugins.module_utils._plan.plan import Issue
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import (
    Issued,
    RunContext,
    Store,
    TokenApi,
)

# A new token may take a moment until every server of the environment knows it.
_PAUSES = (0.0, 0.5, 1.0, 2.0)  # seconds

# How often a token is asked for if each answer is lost, and how long a lost request has to be
# carried out after all.
_CREATIONS = 3
_PAUSE_WHEN_LOST = 1.0  # seconds

# Within how much of its life, at most, the expiration date of a new token may move to mark it.
_MARK_WINDOW = dt.timedelta(hours=1)
_MARK_PART_OF_LIFE = 10
_MARK_WINDOW_OF_DATE = dt.timedelta(minutes=1)


@dataclasses.dataclass(frozen=True)
class _Creation:
    """What is sent, and the mark by which the token is known until its secret is saved."""

    token: Token  # under its provisional name, or with the date that marks it
    expires: Period | dt.datetime | None
    intent: Intent


class Made(t.NamedTuple):
    """A token that was issued."""

    issued: Issued
    entry: Entry  # as the store has it: still with the intent, and with the predecessors
    open_intents: tuple[Intent, ...]  # of creations whose answer was lost, and that may turn up


def issue(api: TokenApi, step: Issue, found: Entry, context: RunContext) -> Made:
    """Intent, POST with a mark, save, final name, and where it replaces another, verify.

    :raises DynatraceError: saying what is left: nothing, or, where the secret is saved, a token
        that only lacks its name.
    """
    store = context.store
    creation = _creation_of(api, step, found, context)
    entry = store.save(dataclasses.replace(found, intents=(*found.intents, creation.intent)))
    made, issued, stage = None, None, "unsaved"
    context.on_secret_expected()
    try:
        issued, open_intents = _create(api, step, creation, context)
        entry = store.save(_entry_of(issued, entry, step, creation.intent))
        made = Made(issued, entry, open_intents)
        _finish(api, step.token, creation, issued.id)
        if step.verifies:
            stage = "unverified"
            verify(api, issued.secret, dataclasses.replace(step.token, id=issued.id), context)
    except BaseException as error:
        # BaseException: also where Ansible's task timeout or a signal cuts in.
        if issued is not None and store.keeps:
            stage, entry = _see_to_the_store(stage, issued, entry, found, context)
        if stage in _LEFT_AT:
            left = _LEFT_AT[stage]
        else:
            left = _take_back(api, step, creation, issued, error)
        if left.nothing:
            _withdraw(entry, found, store)
        if isinstance(error, DynatraceError) and not _starts_over(error, left):
            raise DynatraceError(f"{error} {left.message}") from None
        raise
    return made


def _starts_over(error: DynatraceError, left: _Left) -> bool:
    return isinstance(error, StoreChanged) and left.nothing


def _creation_of(api: TokenApi, step: Issue, found: Entry, context: RunContext) -> _Creation:
    token, nonce, now = step.token, context.nonce(), api.now()
    if token.kind.marked_by == "name":
        marked = dataclasses.replace(token, name=provisional_name(token.name, nonce))
        return _Creation(marked, step.expires, Intent(nonce, now))
    # Also the id of a token that is gone, or its entry would look as if the intent was carried out.
    known = {found.id, *(one.id for one in api.find_by_name(found.identity))}
    intent = Intent(nonce, now, scopes=token.scopes, known_ids=tuple(sorted(filter(None, known))))
    if token.kind.marked_by == "ids" or step.expires is None:
        return _Creation(token, step.expires, intent)
    date = marking_date(step.expires, nonce, now)
    intent = dataclasses.replace(intent, expires=date)
    return _Creation(dataclasses.replace(token, expires=date), date, intent)


def marking_date(expires: Period | dt.datetime, nonce: str, now: dt.datetime) -> dt.datetime:
    """An expiration date that no other token has, shortly before the asked one.

    :param nonce: hexadecimal digits, which decide where in that time it is.
    :returns: a date to the millisecond, within the last hour before the asked one, the last tenth
        of a shorter life, or the last minute before a date that was asked for.
    """
    if isinstance(expires, Period):
        asked, window = expires.after(now), _MARK_WINDOW
    else:
        asked, window = expires, _MARK_WINDOW_OF_DATE
    window = min(window, (asked - now) / _MARK_PART_OF_LIFE)
    part: float = int(nonce, 16) / 16 ** len(nonce)
    moved = asked - window * part
    return moved.replace(microsecond=moved.microsecond // 1000 * 1000)


def _create(
    api: TokenApi, step: Issue, creation: _Creation, context: RunContext
) -> tuple[Issued, tuple[Intent, ...]]:
    """POST. If an answer is lost, what it made is deleted, and another is asked for.

    :returns: what was issued, and the intents of lost creations that may still turn up.
    :raises RequestFailed: of which ``maybe_done`` says whether a token may be left.
    """
    lost = False
    for attempt in range(1, _CREATIONS + 1):
        try:
            issued = api.create(creation.token, creation.expires)
            break
        except RequestFailed as error:
            if not error.maybe_done or attempt == _CREATIONS:
                error.maybe_done = error.maybe_done or lost
                raise
            lost = True
            context.sleep(_PAUSE_WHEN_LOST)
            _delete_lost(api, step, creation, error)
    if not lost:
        return issued, ()
    # Another one with the same mark is a leftover.
    known_ids = (*creation.intent.known_ids, issued.id)
    intent = dataclasses.replace(creation.intent, known_ids=known_ids)
    _delete_late(api, step, dataclasses.replace(creation, intent=intent), context)
    return issued, ((intent,) if intent.expires else ())


def _delete_lost(api: TokenApi, step: Issue, creation: _Creation, error: RequestFailed) -> None:
    """:raises RequestFailed: this error, where what the creation made cannot be deleted."""
    try:
        _delete_marked(api, step, creation)
    except DynatraceError:
        raise error from None


def _delete_late(api: TokenApi, step: Issue, creation: _Creation, context: RunContext) -> None:
    try:
        _delete_marked(api, step, creation)
    except DynatraceError as error:
        context.warn(
            f"The answer to the creation of {step.token.name!r} was lost once. It may have left a "
            f"token {creation.token.name!r}: {error}"
        )


def _delete_marked(api: TokenApi, step: Issue, creation: _Creation) -> list[str]:
    """Delete the tokens with the mark of this creation.

    :returns: their ids.
    :raises DynatraceError: where a token may be one of them, and nothing tells.
    """
    intent, identity = creation.intent, step.entry.identity
    new = {str(one.id): one for one in api.find_by_name(identity)}
    for token_id in intent.known_ids:
        new.pop(token_id, None)
    doubtful = [one for one, token in new.items() if may_be_leftover(token, intent, step.entry)]
    if doubtful:
        raise DynatraceError(
            f"Nothing tells whether {', '.join(doubtful)} is the token that was made. Delete it if "
            "nobody uses it."
        )
    ids = [one for one, token in new.items() if is_leftover(token, intent, identity.name)]
    for token_id in ids:
        api.delete(token_id)
    return ids


def _finish(api: TokenApi, wanted: Token, creation: _Creation, token_id: str) -> None:
    """Give the token what the creation could not: its final name, and that it is disabled."""
    made = dataclasses.replace(creation.token, id=token_id, enabled=True)
    final = dataclasses.replace(wanted, id=token_id, expires=made.expires)
    if made != final:
        api.update(made, final)


def verify(api: TokenApi, secret: Secret, token: Token, context: RunContext) -> None:
    """See that the token with this secret can be used as specified, before its predecessor goes.

    :raises DynatraceError: where it cannot.
    """
    if not token.enabled:
        return
    problem: str | None = None
    for pause in _PAUSES:
        context.sleep(pause)
        try:
            problem = api.problem_of(secret, token)
        except RequestFailed as error:
            problem = str(error)
        if problem is None:
            return
    raise DynatraceError(
        f"The new token {token.name!r} ({token.id}) does not work, so the old one was left as it "
        f"is. {problem}"
    )


def _entry_of(issued: Issued, announced: Entry, step: Issue, intent: Intent) -> Entry:
    return dataclasses.replace(
        step.entry,
        id=issued.id,
        secret=issued.secret,
        expires=issued.expires or step.entry.expires,
        created=intent.since,
        intents=announced.intents,
        version=announced.version,
    )


class _Left(t.NamedTuple):
    """What a creation that failed has left behind."""

    nothing: bool  # surely
    message: str


# Where the token must stay, because the store may hold its secret.
_LEFT_AT = {
    "saved": _Left(
        False,
        "The token was issued and its secret is in the store, but it could not be given its name. "
        "Run again, which does that.",
    ),
    "unknown": _Left(
        False,
        "A token was issued, and the store cannot be read or written now. Run again, which goes on "
        "with that token, or deletes it.",
    ),
}


def _see_to_the_store(
    stage: str, issued: Issued, entry: Entry, found: Entry, context: RunContext
) -> tuple[str, Entry]:
    """Before a token is deleted, see that the store does not go on with it.

    :returns: the stage, and the entry as the store has it.
    """
    store = context.store
    try:
        if stage == "unsaved" and store.load(entry.identity).id == issued.id:
            return "saved", entry  # cut off after the secret was saved
        if stage == "unverified":
            # Who reads the store needs the old secret. If the run is killed now, the next one
            # deletes the new token as one that was replaced.
            restored = dataclasses.replace(
                found,
                predecessors=(*found.predecessors, Predecessor(issued.id, entry.created)),
                version=entry.version,
            )
            return stage, store.save(restored)
    except DynatraceError:
        return "unknown", entry
    return stage, entry


def _take_back(
    api: TokenApi, step: Issue, creation: _Creation, issued: Issued | None, error: BaseException
) -> _Left:
    if issued is None and isinstance(error, RequestFailed) and not error.maybe_done:
        return _Left(True, "No token was issued.")
    what = issued.id if issued else repr(creation.token.name)
    try:
        deleted = _delete_made(api, step, creation, issued)
    except DynatraceError as second:
        return _Left(
            False,
            f"Cleaning up failed ({second}) "
            f"If there is a token {what}, delete it: nobody knows its secret.",
        )
    if deleted:
        return _Left(
            True,
            f"The token that was made ({', '.join(deleted)}) was deleted again. "
            "Nothing is left of it; run again.",
        )
    return _Left(
        False,
        f"No token {what} was found, so none was issued. "
        "If it turns up after all, delete it, and run again.",
    )


def _delete_made(
    api: TokenApi, step: Issue, creation: _Creation, issued: Issued | None
) -> list[str]:
    if issued is None:
        return _delete_marked(api, step, creation)
    api.delete(issued.id)
    return [issued.id]


def _withdraw(entry: Entry, found: Entry, store: Store) -> None:
    """Put into the store again what was found there.

    Where that fails the intent stays, and costs the next run one listing.
    """
    with contextlib.suppress(DynatraceError):
        if found.version is None:
            store.remove(entry)
        else:
            store.save(dataclasses.replace(found, version=entry.version))
