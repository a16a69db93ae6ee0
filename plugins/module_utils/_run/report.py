# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task gives back: the result, its diff, and one public line for where the result is hidden."""

from __future__ import annotations

import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Retiring
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import printable
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    Specification,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import (
    Period,
    format_timestamp,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Token
from ansible_collections.community.dynatrace.plugins.module_utils._plan.plan import NOTHING, Plan
from ansible_collections.community.dynatrace.plugins.module_utils._run.apply import Outcome
from ansible_collections.community.dynatrace.plugins.module_utils._run.many import Done


def result(outcome: Outcome, hands_out: bool) -> dict[str, t.Any]:
    """The result of a task. Holds the secret under ``token`` only where it is handed out."""
    plan = outcome.plan
    subject = outcome.token or plan.before
    usable = outcome.token is not None and outcome.token.enabled
    shown = hands_out and outcome.secret is not None and (usable or plan.issues)
    return {
        "changed": plan.changed,
        "action": plan.action,
        "token_id": subject.id if subject else None,
        "token": outcome.secret.reveal() if shown and outcome.secret else None,
        "secret_available": outcome.secret_available,
        "usable": usable,
        "metadata": metadata(subject) if subject else None,
        "retired": [
            {"id": retired.token.id, "action": retired.action} for retired in outcome.retired
        ],
        "retiring": [{"id": note.id, **retirement(note)} for note in outcome.retiring],
        "store_updated": plan.store_updated,
        "handed_over": plan.handed_over if outcome.token else None,
    }


def results(
    specifications: t.Sequence[Specification],
    done: t.Sequence[Done],
    purged: t.Sequence[Done],
    hands_out: bool,
) -> dict[str, t.Any]:
    """The result of a task about many tokens."""
    tokens = [_result_of_one(one, hands_out) for one in done]
    removed = [token for one in purged if isinstance(one, Outcome) for token in _gone(one)]
    outcomes = [one for one in (*done, *purged) if isinstance(one, Outcome)]
    problems = _problems(specifications, done) + [
        str(one) for one in purged if isinstance(one, DynatraceError)
    ]
    return {
        "changed": any(outcome.plan.changed for outcome in outcomes),
        "tokens": tokens,
        "purged": [{"id": token.id, "name": token.name} for token in removed],
        "diff": [diff(outcome.plan) for outcome in outcomes if outcome.plan.changed],
        **({"failed": True, "msg": " ".join(problems)} if problems else {}),
    }


def _result_of_one(one: Done, hands_out: bool) -> dict[str, t.Any]:
    if isinstance(one, DynatraceError):
        return {**result(Outcome(NOTHING, None), False), "failed": True, "msg": str(one)}
    return {**result(one, hands_out), "failed": False}


def _gone(outcome: Outcome) -> list[Token]:
    deleted = [retired.token for retired in outcome.retired if retired.action == "deleted"]
    return (
        [outcome.plan.before] if outcome.plan.action == "deleted" and outcome.plan.before else []
    ) + deleted


def _problems(specifications: t.Sequence[Specification], done: t.Sequence[Done]) -> list[str]:
    """What went wrong, each message once, with the tokens that it is about."""
    labels: dict[str, list[str]] = {}
    for specification, one in zip(specifications, done):
        if isinstance(one, DynatraceError):
            labels.setdefault(str(one), []).append(specification.label())
    failed = sum(map(len, labels.values()))
    summary = [f"{failed} of {len(done)} tokens failed."] if failed else []
    return summary + [f"{', '.join(names)}: {message}" for message, names in labels.items()]


def metadata(token: Token) -> dict[str, t.Any]:
    """The public facts of a token."""
    return {
        "id": token.id,
        "name": token.name,
        "enabled": token.enabled,
        "owner": token.owner,
        "scopes": list(token.scopes),
        "personal_access_token": token.personal_access_token,
        "creation_date": _date(token.created),
        "expiration_date": _date(token.expires),
    }


def retirement(note: Retiring) -> dict[str, t.Any]:
    """Until when a token is left that another has replaced."""
    return {"disable_date": format_timestamp(note.disable_at), "delete_date": _date(note.delete_at)}


def usage(token: Token) -> dict[str, t.Any]:
    """The public facts of a token, and how it has been used."""
    return {
        **metadata(token),
        "modified_date": _date(token.modified),
        "last_used_date": _date(token.last_used),
        "last_used_ip_address": token.last_used_ip,
    }


def diff(plan: Plan) -> dict[str, t.Any]:
    """Before and after. The same for a plan that is applied and one that is not, so without what only issuing tells."""
    after = _compared(plan.after)
    if isinstance(plan.expires, Period):
        after["expiration_date"] = f"{plan.expires} from its creation"
    return {"before": _compared(plan.before), "after": after}


def public_line(outcome: Outcome, check_mode: bool) -> str:
    """What was done, for people, without any secret."""
    plan, token = outcome.plan, outcome.token or outcome.plan.before
    would = "would be " if check_mode and plan.changed else ""
    done = {"none": "unchanged"}.get(plan.action, plan.action)
    beside = [f"{would}{retired.action} beside it: {retired.token.id}" for retired in plan.retired]
    beside += [f"{note.id} retires on {format_timestamp(note.due)}" for note in outcome.retiring]
    beside += [f"store {would}updated"] if plan.store_updated and plan.action == "none" else []
    if token is None:
        return "; ".join(beside) or "nothing to do"
    ends = f"expires {_date(token.expires)}" if token.expires else "never expires"
    facts = f"{token.name!r} ({token.id or 'no id yet'}), scopes {', '.join(token.scopes) or 'none'}, {ends}"
    return printable(
        "; ".join([f"{would if plan.action != 'none' else ''}{done}: {facts}", *beside])
    )


def public_lines(
    specifications: t.Sequence[Specification],
    done: t.Sequence[Done],
    purged: t.Sequence[Done],
    check_mode: bool,
) -> str:
    """As ``public_line``, for what was changed or failed."""
    outcomes = [one for one in (*done, *purged) if isinstance(one, Outcome)]
    changed = [public_line(outcome, check_mode) for outcome in outcomes if outcome.plan.changed]
    unchanged = len(outcomes) - len(changed)
    failed = [str(one) for one in purged if isinstance(one, DynatraceError)]
    return "\n".join(
        [
            *changed,
            *([f"unchanged: {unchanged} tokens"] if unchanged else []),
            *_problems(specifications, done),
            *failed,
        ]
    )


def _compared(token: Token | None) -> dict[str, t.Any]:
    if token is None:
        return {}
    return {
        "name": token.name,
        "enabled": token.enabled,
        "scopes": list(token.scopes),
        "personal_access_token": token.personal_access_token,
        "expiration_date": _date(token.expires),
    }


def _date(moment: dt.datetime | None) -> str | None:
    return format_timestamp(moment) if moment else None
