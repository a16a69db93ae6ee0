# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find, plan, apply. Check mode is the same plan, not applied."""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._api_v2 import Issued, TokenApiV2
from ansible_collections.community.dynatrace.plugins.module_utils._errors import (
    DynatraceError,
    OptionError,
    Refused,
    RequestFailed,
)
from ansible_collections.community.dynatrace.plugins.module_utils._plan import Found, Plan, bears_on, make_plan, sort_out
from ansible_collections.community.dynatrace.plugins.module_utils._secret import Secret
from ansible_collections.community.dynatrace.plugins.module_utils._specification import Specification
from ansible_collections.community.dynatrace.plugins.module_utils._time import Period
from ansible_collections.community.dynatrace.plugins.module_utils._token import Token, kind_name, provisional_name

_TOLERATED_SKEW = dt.timedelta(minutes=5)

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
    before_secret: t.Callable[[], None] = _nothing  # called right before the request that answers with a secret
    nonce: t.Callable[[], str] = _nonce


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was done, or in check mode would be."""

    plan: Plan
    token: Token | None  # the current token, as it is now or would be
    secret: Secret | None = None
    retired: tuple[Token, ...] = ()


def reconcile(api: TokenApiV2, specification: Specification, runtime: Runtime) -> Outcome:
    """Make one token be as specified.

    :raises DynatraceError: with nothing done, or saying what was.
    """
    found = find(api, specification)
    warn_of_skew(api, runtime.warn)
    plan = make_plan(found, specification, api.now())
    for warning in plan.warnings:
        runtime.warn(warning)
    _spare_the_caller(api, plan, specification)
    if plan.issues and not runtime.may_issue:
        raise Refused(NOBODY_KEEPS)
    if runtime.check_mode:
        return _outcome(plan, specification, None, plan.deletes)
    return _apply(api, plan, specification, runtime)


def warn_of_skew(api: TokenApiV2, warn: t.Callable[[str], None]) -> None:
    skew = api.skew()
    if abs(skew) > _TOLERATED_SKEW:
        direction = "behind" if skew > dt.timedelta(0) else "ahead of"
        warn(f"This machine's clock is {abs(skew).total_seconds() / 60:.0f} minutes {direction} Dynatrace's, whose clock counts here.")


def find(api: TokenApiV2, specification: Specification) -> Found:
    """What there is of this identity. Sends only requests that read."""
    held_id = None
    if specification.token is not None:
        held = api.lookup(specification.token)
        held_id = held.id if held else None
    if specification.token_id is None:
        tokens = [token for token in api.list(specification.personal_access_token) if bears_on(token, specification)]
        return sort_out(tokens, api.now(), held_id)
    token = _get(api, specification)
    if token is None:
        return Found((), (), held_id=held_id)
    return Found((), (token,), held_id=held_id) if token.ended(api.now()) else Found((token,), (), held_id=held_id)


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
    if plan.action in ("none", "created"):
        return
    harm = plan.harms(api.caller_id())
    if harm:
        raise Refused(
            f"This would {harm} {specification.label()}, the token that this task itself calls Dynatrace with (api_token). "
            "Nothing was changed. Use another token as api_token for this."
        )


def _apply(api: TokenApiV2, plan: Plan, specification: Specification, runtime: Runtime) -> Outcome:
    issued = None
    if plan.after is not None and plan.issues:
        issued = _issue(api, plan.after, plan.expires, runtime)
    elif plan.after is not None and plan.changed:
        api.update(plan.after.id or "", plan.after.name, plan.after.enabled, plan.after.scopes)
    deleted = []
    for token in plan.deletes:
        try:
            api.delete(token.id or "")
            deleted.append(token)
        except RequestFailed as error:
            if issued is None:
                raise
            # The new token is good and its secret must not be lost for the sake of the old one.
            runtime.warn(f"The token {token.name!r} ({token.id}), which has ended, could not be deleted: {error}")
    return _outcome(plan, specification, issued, tuple(deleted))


def _issue(api: TokenApiV2, wanted: Token, expires: Period | dt.datetime | None, runtime: Runtime) -> Issued:
    """Create under a provisional name, then give the real one; take back what was made if that fails."""
    provisional = provisional_name(wanted.name, runtime.nonce())
    issued = None
    runtime.before_secret()
    try:
        issued = api.create(provisional, wanted.scopes, expires, wanted.personal_access_token)
        api.update(issued.id, wanted.name, wanted.enabled, wanted.scopes)
    except BaseException as error:
        # BaseException: also where Ansible's task timeout or a signal cuts in.
        left = _take_back(api, wanted, provisional, issued, error)
        if isinstance(error, RequestFailed):
            raise RequestFailed(f"{error} {left}", error.status, error.maybe_done) from None
        raise
    return issued


def _take_back(api: TokenApiV2, wanted: Token, provisional: str, issued: Issued | None, error: BaseException) -> str:
    """Delete what a creation that failed has left behind; says what is left."""
    if issued is None and isinstance(error, RequestFailed) and not error.maybe_done:
        return "No token was issued."
    try:
        if issued is not None:
            orphans = [issued.id]
        else:
            orphans = [token.id or "" for token in api.list(wanted.personal_access_token) if token.name == provisional]
        for orphan in orphans:
            api.delete(orphan)
    except DynatraceError as second:
        return (
            f"What became of it could not be put right ({second}) "
            f"If there is a token {issued.id if issued else repr(provisional)}, delete it: nobody knows its secret."
        )
    if orphans:
        return f"The token that was made ({', '.join(orphans)}) was deleted again. Nothing is left of it; run again."
    return f"No token {provisional!r} was found, so none was issued; if it turns up after all, delete it, and run again."


def _outcome(plan: Plan, specification: Specification, issued: Issued | None, deleted: tuple[Token, ...]) -> Outcome:
    token, secret = plan.after, specification.token if plan.secret_held else None
    if issued is not None and plan.after is not None:
        token = dataclasses.replace(plan.after, id=issued.id, expires=issued.expires or plan.after.expires)
        secret = issued.secret
    return Outcome(plan, token, secret, tuple(token for token in plan.retired if token in deleted))
