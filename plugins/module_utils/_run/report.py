# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task has to say: results, diffs and a summary line for people."""

from __future__ import annotations

import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Predecessor
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import ATTRIBUTES
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


def result(outcome: Outcome, return_secret: bool) -> dict[str, t.Any]:
    """The result of a task. Holds the secret under ``token`` only where it is returned."""
    plan = outcome.plan
    subject = outcome.token or plan.before
    facts = metadata(subject) if subject else None
    secret = _returned_secret(outcome) if return_secret else None
    return {
        "changed": plan.changed,
        "action": plan.action,
        "token_id": facts and facts["id"],
        "token": secret,
        "secret_available": outcome.secret_available,
        "usable": _is_usable(outcome),
        "metadata": facts,
        "retired": [{"id": step.token.id, "action": step.action} for step in outcome.retired],
        "retiring": [{"id": one.id, **retirement(one)} for one in _retiring(outcome)],
        "handed_over": _handed_over(outcome),
        "store_updated": plan.store_updated,
    }


def _is_usable(outcome: Outcome) -> bool:
    return outcome.token is not None and outcome.token.enabled


def _returned_secret(outcome: Outcome) -> str | None:
    """The secret. That of a disabled token only if it was issued just now."""
    if outcome.secret is None or not (_is_usable(outcome) or outcome.plan.issue):
        return None
    return outcome.secret.reveal()


def results(
    specifications: t.Sequence[Specification],
    done: t.Sequence[Done],
    purged: t.Sequence[Done],
    return_secret: bool,
) -> dict[str, t.Any]:
    """The result of a task about many tokens."""
    removed = [token for outcome in _outcomes(purged) for token in _gone(outcome)]
    outcomes = _outcomes([*done, *purged])
    problems = _problems(specifications, done) + _errors(purged)
    return {
        "changed": any(outcome.plan.changed for outcome in outcomes),
        "tokens": [_result_of_one(one, return_secret) for one in done],
        "purged": [{"id": token.id, "name": token.name} for token in removed],
        "diff": [diff(outcome.plan) for outcome in outcomes if outcome.plan.changed],
        **({"failed": True, "msg": " ".join(problems)} if problems else {}),
    }


def _outcomes(done: t.Iterable[Done]) -> list[Outcome]:
    return [one for one in done if isinstance(one, Outcome)]


def _errors(done: t.Iterable[Done]) -> list[str]:
    return [str(one) for one in done if isinstance(one, DynatraceError)]


def _result_of_one(one: Done, return_secret: bool) -> dict[str, t.Any]:
    if isinstance(one, DynatraceError):
        return {**result(Outcome(NOTHING), False), "failed": True, "msg": str(one)}
    return {**result(one, return_secret), "failed": False}


def _gone(outcome: Outcome) -> list[Token]:
    retired = [one.token for one in outcome.retired if one.action == "deleted"]
    if outcome.plan.action == "deleted" and outcome.plan.before:
        return [outcome.plan.before, *retired]
    return retired


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
        "kind": token.kind.option,
        "personal_access_token": token.kind.personal,
        "creation_date": _date(token.created),
        "expiration_date": _date(token.expires),
        **{name: _plain(getattr(token, name)) for name in ATTRIBUTES if name in token.kind.has},
    }


def _plain(value: t.Any) -> t.Any:
    """The value as Ansible has it; null where Dynatrace did not tell."""
    if isinstance(value, tuple):
        return list(value) or None
    return value


def _retiring(outcome: Outcome) -> list[Predecessor]:
    predecessors = outcome.entry.predecessors if outcome.entry else ()
    return [one for one in predecessors if one.due is not None]


def _handed_over(outcome: Outcome) -> bool | None:
    """Whether the users of the secret have it. None where no store knows."""
    entry, token = outcome.entry, outcome.token
    if not outcome.stored or entry is None or token is None or entry.id != token.id:
        return None
    return entry.handed_over


def retirement(predecessor: Predecessor) -> dict[str, t.Any]:
    """When a predecessor is disabled, and deleted."""
    return {
        "disable_date": _date(predecessor.disable_at),
        "delete_date": _date(predecessor.delete_at),
    }


def usage(token: Token) -> dict[str, t.Any]:
    """The public facts of a token, and how it has been used."""
    return {
        **metadata(token),
        "modified_date": _date(token.modified),
        "last_used_date": _date(token.last_used),
        "last_used_ip_address": token.last_used_ip,
    }


def diff(plan: Plan) -> dict[str, t.Any]:
    """Before and after, the same in check mode: without what only issuing tells."""
    after = _compared(plan.after)
    if plan.issue and isinstance(plan.issue.expires, Period):
        after["expiration_date"] = f"{plan.issue.expires} from its creation"
    return {"before": _compared(plan.before), "after": after}


def summary_line(outcome: Outcome, check_mode: bool) -> str:
    """What was done, for people, without any secret."""
    plan, token = outcome.plan, outcome.token or outcome.plan.before
    would = "would be " if check_mode and plan.changed else ""
    beside = _beside(outcome, would)
    if token is None:
        return "; ".join(beside) or "nothing to do"
    done = "unchanged" if plan.action == "none" else would + plan.action
    return printable("; ".join([f"{done}: {_facts(token)}", *beside]))


def _beside(outcome: Outcome, would: str) -> list[str]:
    """What was done beside the action."""
    plan = outcome.plan
    lines = [f"{would}{step.action} beside it: {step.token.id}" for step in plan.retired]
    lines += [f"{one.id} retires on {_date(one.due)}" for one in _retiring(outcome)]
    if plan.store_updated and plan.action == "none":
        lines.append(f"store {would}updated")
    return lines


def _facts(token: Token) -> str:
    expires = f"expires {_date(token.expires)}" if token.expires else "never expires"
    scopes = ", ".join(token.scopes) or "none"
    return f"{token.name!r} ({token.id or 'no id yet'}), scopes {scopes}, {expires}"


def summary_lines(
    specifications: t.Sequence[Specification],
    done: t.Sequence[Done],
    purged: t.Sequence[Done],
    check_mode: bool,
) -> str:
    """As ``summary_line``, for what was changed or failed."""
    outcomes = _outcomes([*done, *purged])
    lines = [summary_line(one, check_mode) for one in outcomes if one.plan.changed]
    unchanged = len(outcomes) - len(lines)
    if unchanged:
        lines.append(f"unchanged: {unchanged} tokens")
    return "\n".join([*lines, *_problems(specifications, done), *_errors(purged)])


def _compared(token: Token | None) -> dict[str, t.Any]:
    if token is None:
        return {}
    return {
        "name": token.name,
        "enabled": token.enabled,
        "scopes": list(token.scopes),
        "kind": token.kind.option,
        "personal_access_token": token.kind.personal,
        "expiration_date": _date(token.expires),
    }


def _date(moment: dt.datetime | None) -> str | None:
    return format_timestamp(moment) if moment else None
