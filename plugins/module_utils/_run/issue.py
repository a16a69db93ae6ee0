# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One new token, so that its secret is in the store or nothing is left of it, whatever happens between."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry, Intent
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    RequestFailed,
    StoreChanged,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Token,
    provisional_name,
)
from ansible_collections.community.dynatrace.plugins.module_utils._plan.plan import Plan
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import (
    Issued,
    Runtime,
    Store,
    TokenApi,
)

# A new token may take a moment until every server of the environment knows it.
_PAUSES = (0.0, 0.5, 1.0, 2.0)  # seconds

# How often a token is asked for if the answer is lost each time, and how long a request that was lost has to be carried out after all.
_CREATIONS = 3
_PAUSE_WHEN_LOST = 1.0  # seconds


def issue(
    api: TokenApi, plan: Plan, wanted: Token, found: Entry, runtime: Runtime
) -> tuple[Issued, Entry]:
    """Intent, POST under a provisional name, save, only then the real name, and where it replaces another, see that it works.

    :returns: what was issued, and its entry in the store, which still has the intent and names what it replaces.
    :raises DynatraceError: saying what is left: nothing, or, where the secret is saved, a token that only lacks its name.
    """
    store, intent = runtime.store, Intent(runtime.nonce(), api.now())
    provisional = provisional_name(wanted.name, intent.nonce)
    entry = store.save(dataclasses.replace(found, intent=intent))
    issued, stage = None, "unsaved"
    runtime.before_secret()
    try:
        issued = _create(api, plan, wanted, provisional, runtime)
        entry = store.save(_entry_of(issued, entry, plan, wanted))
        stage = "saved" if store.keeps else stage
        api.update(issued.id, wanted.name, wanted.enabled, wanted.scopes)
        if plan.verifies:
            stage = "named"
            verify(api, issued.secret, dataclasses.replace(wanted, id=issued.id), runtime)
    except BaseException as error:
        # BaseException: also where Ansible's task timeout or a signal cuts in.
        left = _SAVED if stage == "saved" else _take_back(api, wanted, provisional, issued, error)
        if left.nothing:
            _withdraw(entry, found, store)
        if isinstance(error, DynatraceError) and not (
            isinstance(error, StoreChanged) and left.nothing
        ):
            raise DynatraceError(f"{error} {left.message}") from None
        raise
    return issued, entry


def _create(api: TokenApi, plan: Plan, wanted: Token, provisional: str, runtime: Runtime) -> Issued:
    """POST. If its answer is lost, what it made is deleted, and another is asked for.

    The provisional name has a nonce of this run, so that a token with exactly this name is nobody else's.

    :raises RequestFailed: of which ``maybe_done`` says whether a token may be left.
    """
    lost = False
    for last in (*[False] * (_CREATIONS - 1), True):
        try:
            issued = api.create(
                provisional, wanted.scopes, plan.expires, wanted.personal_access_token
            )
        except RequestFailed as error:
            again = error.maybe_done and not last
            lost = error.maybe_done = error.maybe_done or lost
            if not again:
                raise
            runtime.sleep(_PAUSE_WHEN_LOST)
            try:
                _delete_called(api, wanted, provisional)
            except DynatraceError:
                raise error from None
        else:
            break
    if lost:
        try:
            _delete_called(api, wanted, provisional, but=issued.id)
        except DynatraceError as error:
            runtime.warn(
                f"The answer to the creation of {wanted.name!r} was lost once. It may have left a token {provisional!r}: {error}"
            )
    return issued


def _delete_called(
    api: TokenApi, wanted: Token, provisional: str, but: str | None = None
) -> list[str]:
    """Delete the tokens of exactly this name.

    :returns: their ids.
    """
    called = api.called(wanted.name, wanted.personal_access_token)
    ids = [token.id or "" for token in called if token.name == provisional and token.id != but]
    for token_id in ids:
        api.delete(token_id)
    return ids


def verify(api: TokenApi, secret: Secret, token: Token, runtime: Runtime) -> None:
    """See that the token with this secret can be used, and has its scopes, before what it replaces goes.

    :raises DynatraceError: where it does not.
    """
    if not token.enabled:
        return
    problem = ""
    for pause in _PAUSES:
        runtime.sleep(pause)
        try:
            seen = api.lookup_itself(secret)
        except RequestFailed as error:
            problem = str(error)
        else:
            lacking = sorted(set(token.scopes).difference(seen.scopes if seen else ()))
            if seen is not None and seen.id == token.id and not lacking:
                return
            problem = (
                f"It lacks {', '.join(lacking)}."
                if lacking
                else "Its secret is that of another token."
            )
    raise DynatraceError(
        f"The new token {token.name!r} ({token.id}) does not work, so the old one was left as it is. {problem}"
    )


def _entry_of(issued: Issued, announced: Entry, plan: Plan, wanted: Token) -> Entry:
    return dataclasses.replace(
        announced,
        id=issued.id,
        secret=issued.secret,
        scopes=wanted.scopes,
        expires=issued.expires or wanted.expires,
        created=announced.intent.since if announced.intent else None,
        handed_over=plan.handed_over is not False,
        retiring=plan.noted,
    )


class _Left(t.NamedTuple):
    """What a creation that failed has left behind."""

    nothing: bool  # surely
    message: str


_SAVED = _Left(
    False,
    "The token was issued and its secret is in the store, but it could not be given its name. Run again, which does that.",
)


def _take_back(
    api: TokenApi, wanted: Token, provisional: str, issued: Issued | None, error: BaseException
) -> _Left:
    if issued is None and isinstance(error, RequestFailed) and not error.maybe_done:
        return _Left(True, "No token was issued.")
    orphans = [issued.id] if issued else []
    try:
        if issued is not None:
            api.delete(issued.id)
        else:
            orphans = _delete_called(api, wanted, provisional)
    except DynatraceError as second:
        return _Left(
            False,
            f"What became of it could not be put right ({second}) "
            f"If there is a token {issued.id if issued else repr(provisional)}, delete it: nobody knows its secret.",
        )
    if orphans:
        return _Left(
            True,
            f"The token that was made ({', '.join(orphans)}) was deleted again. Nothing is left of it; run again.",
        )
    return _Left(
        False,
        f"No token {provisional!r} was found, so none was issued; if it turns up after all, delete it, and run again.",
    )


def _withdraw(entry: Entry, found: Entry, store: Store) -> None:
    """Put into the store again what was found there. Where that fails the intent stays, and costs the next run one listing."""
    with contextlib.suppress(DynatraceError):
        if found.version is None:
            store.remove(entry)
        else:
            store.save(dataclasses.replace(found, version=entry.version))
