# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find, plan, apply. Check mode is the same plan, not applied."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import secrets
import time
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._api_v2 import Issued, TokenApiV2
from ansible_collections.community.dynatrace.plugins.module_utils._errors import (
    DynatraceError,
    OptionError,
    Refused,
    RequestFailed,
    StoreChanged,
)
from ansible_collections.community.dynatrace.plugins.module_utils._plan import Found, Plan, bears_on, make_plan, sort_out
from ansible_collections.community.dynatrace.plugins.module_utils._secret import Secret, public_id
from ansible_collections.community.dynatrace.plugins.module_utils._specification import Specification
from ansible_collections.community.dynatrace.plugins.module_utils._store import Entry, Intent, Store
from ansible_collections.community.dynatrace.plugins.module_utils._token import (
    Token,
    kind_name,
    provisional_name,
)

_TOLERATED_SKEW = dt.timedelta(minutes=5)
_TRIES = 3
# How long a run on another machine may take from its intent to the secret in the store before it is taken for dead.
# Whoever is wrong about that loses nothing: the store refuses the later of two writers, who takes back what it issued.
_PATIENCE = dt.timedelta(seconds=60)
_PAUSE = 0.5  # seconds

NOBODY_KEEPS = (
    "A token would be issued, and nobody would keep its secret, which Dynatrace shows only once. Nothing was issued. "
    "Keep the secret with store, hand it to later tasks with register (under until, where a task runs again and again, "
    "that is not enough), or have it printed with reveal: true."
)


def _nothing() -> None:
    pass


def _nonce() -> str:
    return secrets.token_hex(8)


@dataclasses.dataclass(frozen=True)
class Runtime:
    """What a run depends on besides its options."""

    check_mode: bool
    hands_out: bool  # whether somebody receives the secret with the result
    may_issue: bool  # whether the secret of a token that is issued now would be kept
    warn: t.Callable[[str], None]
    store: Store | None = None
    before_secret: t.Callable[[], None] = _nothing  # called right before the request that answers with a secret
    nonce: t.Callable[[], str] = _nonce
    sleep: t.Callable[[float], None] = time.sleep


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was done, or in check mode would be."""

    plan: Plan
    token: Token | None  # the current token, as it is now or would be
    secret: Secret | None = None  # where it was asked for
    secret_available: bool = False
    retired: tuple[Token, ...] = ()


def reconcile(api: TokenApiV2, specification: Specification, runtime: Runtime) -> Outcome:
    """Make one token be as specified.

    :raises DynatraceError: with nothing done, or saying what was.
    """
    for _try in range(_TRIES):
        try:
            return _reconcile(api, specification, runtime)
        except StoreChanged:
            continue
    raise Refused(f"Others keep changing the entry of {specification.label()} in the store. Nothing was issued. Run again later.")


def _reconcile(api: TokenApiV2, specification: Specification, runtime: Runtime) -> Outcome:
    found, known = find(api, specification, runtime)
    warn_of_skew(api, runtime.warn)
    plan = make_plan(found, specification, api.now())
    if plan.after is not None and plan.after.id is not None and found.held_id == plan.after.id:
        known = specification.token
    _spare_the_caller(api, plan, specification)
    if plan.issues and not runtime.may_issue:
        raise Refused(NOBODY_KEEPS)
    if runtime.store and found.entry:
        _check_store(runtime.store, found.entry, plan)
    for warning in plan.warnings:
        runtime.warn(warning)
    if runtime.check_mode:
        return _outcome(plan, known, None, plan.retired)
    return _apply(api, found, plan, specification, runtime, known)


def warn_of_skew(api: TokenApiV2, warn: t.Callable[[str], None]) -> None:
    skew = api.skew()
    if abs(skew) > _TOLERATED_SKEW:
        direction = "behind" if skew > dt.timedelta(0) else "ahead of"
        warn(f"This machine's clock is {abs(skew).total_seconds() / 60:.0f} minutes {direction} Dynatrace's, whose clock counts here.")


def _check_store(store: Store, entry: Entry, plan: Plan) -> None:
    """Fail where the store could not take what the plan has for it, before anything is done."""
    if plan.seals:
        store.check_writable(entry)
        store.unseal(entry)  # what cannot be opened is not overwritten
    elif plan.after is None and entry.version is not None:
        store.check_removable(entry)


def find(api: TokenApiV2, specification: Specification, runtime: Runtime) -> tuple[Found, Secret | None]:
    """What there is of this identity, and the secret that the store has if it is handed out. Sends only requests that read."""
    held_id = _id_of(api, specification.token) if specification.token else None
    if specification.token_id is not None:
        return _find_by_id(api, specification, runtime, held_id)
    if runtime.store is not None:
        return _find_kept(api, specification, runtime, runtime.store, held_id)
    return sort_out(_list(api, specification), api.now(), held_id), None


def _find_kept(
    api: TokenApiV2, specification: Specification, runtime: Runtime, store: Store, held_id: str | None
) -> tuple[Found, Secret | None]:
    entry = _load(api, specification, runtime, store)
    kept = _get_kept(api, entry, store)
    secret, kept_id = _open(api, entry, store, runtime.hands_out) if kept else (None, None)
    alone = kept is not None and entry.settled and not kept.ended(api.now()) and held_id in (None, kept.id)
    tokens = [kept] if kept is not None and alone else _list(api, specification)
    return sort_out(tokens, api.now(), held_id, entry, kept_id), secret


def _list(api: TokenApiV2, specification: Specification) -> list[Token]:
    return [token for token in api.list(specification.personal_access_token) if bears_on(token, specification)]


def _id_of(api: TokenApiV2, secret: Secret) -> str | None:
    token = api.lookup(secret)
    return token.id if token else None


def _load(api: TokenApiV2, specification: Specification, runtime: Runtime, store: Store) -> Entry:
    """The entry of this name, once no run on another machine is busy with it any more."""
    waited = dt.timedelta(0)
    while True:
        entry = store.load(specification.name or "", specification.personal_access_token)
        if entry.intent is None or store.exclusive or runtime.check_mode:
            return entry
        if waited >= _PATIENCE or api.now() - entry.intent.since >= _PATIENCE:
            return entry
        if not waited:
            runtime.warn(f"Another run is about to issue {specification.label()}, or was cut off. Waiting for it, a minute at most.")
        runtime.sleep(_PAUSE)
        waited += dt.timedelta(seconds=_PAUSE)


def _get_kept(api: TokenApiV2, entry: Entry, store: Store) -> Token | None:
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
        f"{kind_name(token.personal_access_token)} {token.name!r}. Nothing was changed. To give it its name back, run once with this "
        f"token_id and this name; to have another one issued, remove the entry from the store."
    )


def _open(api: TokenApiV2, entry: Entry, store: Store, hands_out: bool) -> tuple[Secret | None, str | None]:
    """The secret in the store, if it is to be handed out, and the id of the token that it belongs to."""
    if entry.secret is None or not hands_out:
        return None, entry.id
    secret = store.unseal(entry)
    return secret, (public_id(secret) or _id_of(api, secret)) if secret else None


def _find_by_id(api: TokenApiV2, specification: Specification, runtime: Runtime, held_id: str | None) -> tuple[Found, Secret | None]:
    token = _get(api, specification)
    if token is None:
        return Found((), (), held_id=held_id, entry=_entry_of_gone(specification, runtime.store)), None
    entry, secret, kept_id = None, None, None
    if runtime.store is not None:
        entry = _entry_by_id(token, specification, runtime.store)
        secret, kept_id = _open(api, entry, runtime.store, runtime.hands_out)
    live, expired = ((), (token,)) if token.ended(api.now()) else ((token,), ())
    return Found(live, expired, held_id=held_id, entry=entry, kept_id=kept_id), secret


def _entry_of_gone(specification: Specification, store: Store | None) -> Entry | None:
    """The entry of a token that is gone, if it stands under the name that is given."""
    if store is None or specification.name is None:
        return None
    entry = store.load(specification.name, specification.personal_access_token)
    return entry if entry.id == specification.token_id and entry.settled else None


def _entry_by_id(token: Token, specification: Specification, store: Store) -> Entry:
    """The entry that holds this token, under its name or under the one that it is to get."""
    entries = [store.load(name, token.personal_access_token) for name in dict.fromkeys((token.name, specification.name or token.name))]
    for entry in entries:
        if not entry.settled:
            raise Refused(
                f"A run for the token {entry.name!r} was cut off, or is still going on. Nothing was changed. Run a task for it by its "
                "name first, which puts it right."
            )
    target = entries[-1]
    if specification.state == "present" and target.id not in (None, token.id):
        raise Refused(
            f"The store holds the secret of another token, {target.id}, under the name {target.name!r}. Nothing was changed. "
            "Choose another name, or delete that token first."
        )
    nowhere = target if target.id is None else Entry(target.name, target.personal_access_token)
    return next((entry for entry in entries if entry.id == token.id), nowhere)


def _get(api: TokenApiV2, specification: Specification) -> Token | None:
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


def _spare_the_caller(api: TokenApiV2, plan: Plan, specification: Specification) -> None:
    if plan.action in ("none", "created") and not plan.retired:
        return
    harm = plan.harms(api.caller_id())
    if harm:
        raise Refused(
            f"This would {harm} {specification.label()}, the token that this task itself calls Dynatrace with (api_token). "
            "Nothing was changed. Use another token as api_token for this."
        )


def _apply(api: TokenApiV2, found: Found, plan: Plan, specification: Specification, runtime: Runtime, known: Secret | None) -> Outcome:
    for orphan in plan.orphans:
        api.delete(orphan.id or "")
    entry, issued = found.entry, None
    if plan.after is not None and plan.issues:
        issued, entry = _issue(api, plan, plan.after, entry, runtime)
    elif plan.after is not None:
        if entry is not None and runtime.store is not None:
            entry = _keep(entry, plan, plan.after, specification.token, runtime.store)
        if plan.action == "updated":
            api.update(plan.after.id or "", plan.after.name, plan.after.enabled, plan.after.scopes)
    deleted = _delete(api, plan, issued, runtime)
    if entry is not None and runtime.store is not None:
        left = tuple(token.id or "" for token in plan.deletes if token not in deleted)
        _settle(entry, found.entry, plan, left, runtime.store, runtime.warn)
    return _outcome(plan, known, issued, plan.orphans + deleted)


def _delete(api: TokenApiV2, plan: Plan, issued: Issued | None, runtime: Runtime) -> tuple[Token, ...]:
    deleted = []
    for token in plan.deletes:
        try:
            api.delete(token.id or "")
            deleted.append(token)
        except RequestFailed as error:
            if issued is None:
                raise
            # The new token is good and its secret must not be lost for the sake of the old one.
            next_step = "The next run tries again." if runtime.store else "Delete it by its id."
            runtime.warn(f"The token {token.name!r} ({token.id}) was replaced, but could not be deleted: {error} {next_step}")
    return tuple(deleted)


def _keep(entry: Entry, plan: Plan, after: Token, secret: Secret | None, store: Store) -> Entry:
    """Put into the store, before anything else is done, what would otherwise be lost: an adopted secret, an entry that moves."""
    if plan.adopts:
        kept = dataclasses.replace(entry, id=after.id, secret=secret, scopes=after.scopes, expires=after.expires, created=None)
    else:
        kept = entry
    if after.name != entry.name and kept.id == after.id:
        place = store.load(after.name, entry.personal_access_token)
        return store.save(dataclasses.replace(kept, name=after.name, version=place.version))
    return store.save(kept) if kept != entry else entry


def _settle(entry: Entry, found: Entry | None, plan: Plan, left: tuple[str, ...], store: Store, warn: t.Callable[[str], None]) -> None:
    """Bring the store up to date when all is done."""
    if plan.after is None:
        _remove(entry, store)
        return
    final = dataclasses.replace(entry, intent=None, retiring=left)
    if plan.action == "updated" and plan.after.id == entry.id:
        final = dataclasses.replace(final, scopes=plan.after.scopes, expires=plan.after.expires)
    try:
        if final.id is None and not final.retiring:
            _remove(entry, store)
        elif final != entry:
            store.save(final)
        if found is not None and found.name != entry.name:
            _remove(found, store)
    except DynatraceError as error:
        # The secret is safe, and the next run does this again.
        warn(f"The entry of {entry.name!r} in the store could not be brought up to date: {error}")


def _remove(entry: Entry, store: Store) -> None:
    if entry.version is not None:
        store.remove(entry)


def _issue(api: TokenApiV2, plan: Plan, wanted: Token, found: Entry | None, runtime: Runtime) -> tuple[Issued, Entry | None]:
    """Intent, POST under a provisional name, save, and only then the real name; take back what was made if that fails."""
    nonce = runtime.nonce()
    provisional = provisional_name(wanted.name, nonce)
    store, entry, issued, saved = runtime.store, found, None, False
    if store is not None and found is not None:
        entry = store.save(dataclasses.replace(found, intent=Intent(nonce, api.now())))
    runtime.before_secret()
    try:
        issued = api.create(provisional, wanted.scopes, plan.expires, wanted.personal_access_token)
        if store is not None and entry is not None:
            entry = store.save(_entry_of(issued, entry, plan, wanted, api.now()))
            saved = True
        api.update(issued.id, wanted.name, wanted.enabled, wanted.scopes)
    except BaseException as error:
        # BaseException: also where Ansible's task timeout or a signal cuts in.
        if saved and isinstance(error, RequestFailed):
            hint = (
                f"The token was issued ({issued.id if issued else ''}) and its secret is in the store. Run again, which gives it its name."
            )
            raise RequestFailed(f"{error} {hint}", error.status, error.maybe_done) from None
        if saved:
            raise
        back = _take_back(api, wanted, provisional, issued, error)
        if back.clean and store is not None and found is not None and entry is not None:
            _withdraw(entry, found, store)
        if isinstance(error, DynatraceError) and not (isinstance(error, StoreChanged) and back.clean):
            raise DynatraceError(f"{error} {back.message}") from None
        raise
    return issued, entry


def _entry_of(issued: Issued, intent: Entry, plan: Plan, wanted: Token, now: dt.datetime) -> Entry:
    return dataclasses.replace(
        intent,
        id=issued.id,
        secret=issued.secret,
        scopes=wanted.scopes,
        expires=issued.expires or wanted.expires,
        created=now,
        retiring=tuple(token.id or "" for token in plan.deletes),
    )


class _TakenBack(t.NamedTuple):
    clean: bool  # whether surely nothing is left
    message: str


def _take_back(api: TokenApiV2, wanted: Token, provisional: str, issued: Issued | None, error: BaseException) -> _TakenBack:
    """Delete what a creation that failed has left behind; says what is left."""
    if issued is None and isinstance(error, RequestFailed) and not error.maybe_done:
        return _TakenBack(True, "No token was issued.")
    try:
        if issued is not None:
            orphans = [issued.id]
        else:
            orphans = [token.id or "" for token in api.list(wanted.personal_access_token) if token.name == provisional]
        for orphan in orphans:
            api.delete(orphan)
    except DynatraceError as second:
        return _TakenBack(
            False,
            f"What became of it could not be put right ({second}) "
            f"If there is a token {issued.id if issued else repr(provisional)}, delete it: nobody knows its secret.",
        )
    if orphans:
        return _TakenBack(True, f"The token that was made ({', '.join(orphans)}) was deleted again. Nothing is left of it; run again.")
    return _TakenBack(False, f"No token {provisional!r} was found, so none was issued; if it turns up after all, delete it, and run again.")


def _withdraw(intent: Entry, found: Entry, store: Store) -> None:
    """Take the intent out of the store. Where that fails it stays, and costs the next run one listing."""
    with contextlib.suppress(DynatraceError):
        if found.version is None:
            store.remove(intent)
        else:
            store.save(dataclasses.replace(found, version=intent.version))


def _outcome(plan: Plan, known: Secret | None, issued: Issued | None, deleted: tuple[Token, ...]) -> Outcome:
    retired = tuple(token for token in plan.retired if token in deleted)
    if issued is not None and plan.after is not None:
        token = dataclasses.replace(plan.after, id=issued.id, expires=issued.expires or plan.after.expires)
        return Outcome(plan, token, issued.secret, True, retired)
    if not plan.secret_held:
        return Outcome(plan, plan.after, retired=retired)
    return Outcome(plan, plan.after, known, True, retired)
