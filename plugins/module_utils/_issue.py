# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One new token, so that its secret is in the store or nothing is left of it, whatever happens between."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._api_v2 import Issued, TokenApiV2
from ansible_collections.community.dynatrace.plugins.module_utils._errors import DynatraceError, RequestFailed, StoreChanged
from ansible_collections.community.dynatrace.plugins.module_utils._plan import Plan
from ansible_collections.community.dynatrace.plugins.module_utils._runtime import Runtime
from ansible_collections.community.dynatrace.plugins.module_utils._secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._store import Entry, Intent, Store
from ansible_collections.community.dynatrace.plugins.module_utils._token import Token, provisional_name

# A new token may take a moment until every server of the environment knows it.
_PAUSES = (0.0, 0.5, 1.0, 2.0)  # seconds


def issue(api: TokenApiV2, plan: Plan, wanted: Token, found: Entry, runtime: Runtime) -> tuple[Issued, Entry]:
    """Intent, POST under a provisional name, save, only then the real name, and where it replaces another, see that it works.

    :returns: what was issued, and its entry in the store, which still has the intent and names what it replaces.
    :raises DynatraceError: saying what is left: nothing, or, where the secret is saved, a token that only lacks its name.
    """
    store, intent = runtime.store, Intent(runtime.nonce(), api.now())
    entry = store.save(dataclasses.replace(found, intent=intent))
    issued, stage = None, "unsaved"
    runtime.before_secret()
    try:
        issued = api.create(provisional_name(wanted.name, intent.nonce), wanted.scopes, plan.expires, wanted.personal_access_token)
        entry = store.save(_entry_of(issued, entry, plan, wanted))
        stage = "saved" if store.keeps else stage
        api.update(issued.id, wanted.name, wanted.enabled, wanted.scopes)
        if plan.verifies:
            stage = "named"
            verify(api, issued.secret, dataclasses.replace(wanted, id=issued.id), runtime)
    except BaseException as error:
        # BaseException: also where Ansible's task timeout or a signal cuts in.
        left = _SAVED if stage == "saved" else _take_back(api, wanted, intent, issued, error)
        if left.nothing:
            _withdraw(entry, found, store)
        if isinstance(error, DynatraceError) and not (isinstance(error, StoreChanged) and left.nothing):
            raise DynatraceError(f"{error} {left.message}") from None
        raise
    return issued, entry


def verify(api: TokenApiV2, secret: Secret, token: Token, runtime: Runtime) -> None:
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
            if not lacking:
                return
            problem = f"It lacks {', '.join(lacking)}."
    raise DynatraceError(f"The new token {token.name!r} ({token.id}) does not work, so the old one was left as it is. {problem}")


def _entry_of(issued: Issued, announced: Entry, plan: Plan, wanted: Token) -> Entry:
    return dataclasses.replace(
        announced,
        id=issued.id,
        secret=issued.secret,
        scopes=wanted.scopes,
        expires=issued.expires or wanted.expires,
        created=announced.intent.since if announced.intent else None,
        retiring=plan.noted,
    )


class _Left(t.NamedTuple):
    """What a creation that failed has left behind."""

    nothing: bool  # surely
    message: str


_SAVED = _Left(
    False, "The token was issued and its secret is in the store, but it could not be given its name. Run again, which does that."
)


def _take_back(api: TokenApiV2, wanted: Token, intent: Intent, issued: Issued | None, error: BaseException) -> _Left:
    if issued is None and isinstance(error, RequestFailed) and not error.maybe_done:
        return _Left(True, "No token was issued.")
    provisional = provisional_name(wanted.name, intent.nonce)
    try:
        if issued is not None:
            orphans = [issued.id]
        else:
            orphans = [token.id or "" for token in api.called(wanted.name, wanted.personal_access_token) if token.name == provisional]
        for orphan in orphans:
            api.delete(orphan)
    except DynatraceError as second:
        return _Left(
            False,
            f"What became of it could not be put right ({second}) "
            f"If there is a token {issued.id if issued else repr(provisional)}, delete it: nobody knows its secret.",
        )
    if orphans:
        return _Left(True, f"The token that was made ({', '.join(orphans)}) was deleted again. Nothing is left of it; run again.")
    return _Left(False, f"No token {provisional!r} was found, so none was issued; if it turns up after all, delete it, and run again.")


def _withdraw(entry: Entry, found: Entry, store: Store) -> None:
    """Put into the store again what was found there. Where that fails the intent stays, and costs the next run one listing."""
    with contextlib.suppress(DynatraceError):
        if found.version is None:
            store.remove(entry)
        else:
            store.save(dataclasses.replace(found, version=entry.version))
