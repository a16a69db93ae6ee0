# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one host gets: its facts, its problem, and what the summary says of its group."""

from __future__ import annotations

import typing as t

from ansible_collections.community.dynatrace.plugins.plugin_utils._role.ask import kind_of
from ansible_collections.community.dynatrace.plugins.plugin_utils._role.summary import (
    summary_line,
)

Data = dict[str, t.Any]

ISSUED = "dynatrace_tokens_issued"
CREATED = "__dynatrace_tokens_created"
TO_HAND_OVER = "__dynatrace_tokens_to_hand_over"


class Received(t.NamedTuple):
    """A specification of this host, and what became of its token."""

    wanted: t.Mapping[str, t.Any]
    result: t.Mapping[str, t.Any]

    @property
    def deleted(self) -> bool:
        return self.result["metadata"] is None or self.result["action"] == "deleted"


def receive(
    host: str, asked: t.Mapping[str, t.Any], gathered: t.Mapping[str, t.Any], results: t.Any
) -> tuple[list[Received], list[str]]:
    """What became of the tokens of this host.

    :param results: what the task that manages the group's tokens returned.
    :returns: those that did not fail, and the problems.
    """
    if gathered["problem"]:
        return [], [gathered["problem"]]
    group = group_of(host, gathered)
    if group is None or not group["keys"]:
        return [], []
    tokens = results.get("tokens") if isinstance(results, t.Mapping) else None
    if tokens is None:
        return [], [_failure_of_all(results, group)]
    own = _own(asked["wanted"], group["keys"], tokens)
    return [one for one in own if not one.result["failed"]], _problems(own)


def _own(
    wanted: t.Iterable[Data], keys: t.Iterable[t.Sequence[str]], tokens: t.Iterable[Data]
) -> list[Received]:
    """The results for what this host asks for, of those for the whole group."""
    by_key = {tuple(key): token for key, token in zip(keys, tokens)}
    pairs = [(one, by_key.get((one["kind"], one["name"]))) for one in wanted]
    return [Received(one, result) for one, result in pairs if result is not None]


def group_of(host: str, gathered: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any] | None:
    groups: list[t.Mapping[str, t.Any]] = gathered.get("groups") or []
    return next((group for group in groups if host in group["hosts"]), None)


def _failure_of_all(results: t.Any, group: t.Mapping[str, t.Any]) -> str:
    message = results.get("msg") if isinstance(results, t.Mapping) else None
    return str(message or f"The task that manages the tokens did not finish on {group['leader']}.")


def _problems(received: t.Sequence[Received]) -> list[str]:
    failed = [one for one in received if one.result["failed"]]
    problems = [f"The token {one.wanted['name']!r} failed: {one.result['msg']}" for one in failed]
    disabled = [one.wanted["name"] for one in received if _is_disabled(one)]
    if disabled:
        problems.append(
            f"These tokens are disabled, and were left so because enabled was not given: "
            f"{', '.join(disabled)}. Say enabled: true to enable them."
        )
    return problems


def _is_disabled(received: Received) -> bool:
    """Whether somebody else disabled the token, so that its user cannot work."""
    result = received.result
    if result["failed"] or received.deleted or result["usable"]:
        return False
    return "enabled" not in received.wanted["specification"]


def issued_facts(
    received: t.Sequence[Received], asked: t.Mapping[str, t.Any], known: t.Mapping[str, t.Any]
) -> Data:
    """The facts that a host gets for the tokens that it asked for.

    :param known: the variables of the host. In check mode, facts that they have stay.
    """
    if asked["check_mode"]:
        return _predicted_facts(received, asked["environment"], known)
    issued = _dictionary(known.get(ISSUED))
    remembered = list(known.get(CREATED) or [])
    created = remembered
    facts: Data = {}
    for one in received:
        if one.deleted:
            issued.pop(one.wanted["name"], None)
        else:
            issued[one.wanted["name"]] = _entry(one.result, asked["environment"])
        if one.wanted["fact"]:
            facts[one.wanted["fact"]] = one.result["token"]
        created = _remembered(created, one, asked)
    if created != remembered:
        facts[CREATED] = created
    return {ISSUED: issued, **facts}


def _predicted_facts(
    received: t.Sequence[Received], environment: str, known: t.Mapping[str, t.Any]
) -> Data:
    """The facts that a host lacks. Those that it has may be needed by later tasks."""
    issued = _dictionary(known.get(ISSUED))
    facts: Data = {}
    for one in received:
        if not one.deleted and not _is_known(issued.get(one.wanted["name"])):
            issued[one.wanted["name"]] = _entry(one.result, environment)
        fact = one.wanted["fact"]
        if fact and not known.get(fact):
            facts[fact] = one.result["token"]
    return {ISSUED: issued, **facts}


def _dictionary(value: t.Any) -> Data:
    return dict(value) if isinstance(value, t.Mapping) else {}


def _is_known(entry: t.Any) -> bool:
    return isinstance(entry, t.Mapping) and entry.get("token") is not None


def _entry(result: t.Mapping[str, t.Any], environment: str) -> Data:
    metadata = result["metadata"]
    return {
        "id": result["token_id"],
        "token": result["token"],
        "scopes": metadata["scopes"],
        "expiration_date": metadata["expiration_date"],
        "environment": environment,
        "kind": kind_of(metadata),
    }


def _remembered(
    created: list[Data], received: Received, asked: t.Mapping[str, t.Any]
) -> list[Data]:
    """The tokens that this run created, for ``revoke``. None of it is secret."""
    is_created = received.result["action"] == "created"
    if not is_created and not received.deleted:
        return created
    place = {name: asked[name] for name in ("environment", "account")}
    same = {**place, "kind": received.wanted["kind"], "name": received.wanted["name"]}
    kept = [one for one in created if any(one[name] != value for name, value in same.items())]
    if not is_created:
        return kept
    new = {
        "id": received.result["token_id"],
        "fact": received.wanted["fact"],
        "resources": received.result["metadata"].get("resources"),  # of a platform token
    }
    return [*kept, {**same, **new}]


def revoked_facts(
    received: t.Sequence[Received], asked: t.Mapping[str, t.Any], known: t.Mapping[str, t.Any]
) -> Data:
    """The facts that a host has left after its tokens were taken back. None in check mode."""
    if asked["check_mode"]:
        return {}
    ids = {one.wanted["id"] for one in received}
    issued = _dictionary(known.get(ISSUED))
    left = [record for record in known.get(CREATED) or [] if record["id"] not in ids]
    facts = [one.wanted["fact"] for one in received if one.wanted["fact"]]
    return {
        ISSUED: {name: _without_secret(entry, ids) for name, entry in issued.items()},
        CREATED: left,
        **dict.fromkeys(facts),
    }


def _without_secret(entry: t.Any, ids: t.Container[str]) -> t.Any:
    """An entry of the registered tokens; without its secret if its token was deleted."""
    if isinstance(entry, t.Mapping) and entry.get("id") in ids:
        return {**entry, "token": None}
    return entry


def to_hand_over(received: t.Sequence[Received], asked: t.Mapping[str, t.Any]) -> Data | None:
    """What is to be handed over now, and the specifications to retire its predecessors by."""
    due = [one for one in received if _is_due(one.result)]
    if not asked.get("hand_over") or asked["check_mode"] or not due:
        return None
    return {
        "use": asked["use"],
        "environment": asked["environment"],
        "path": asked["hand_over"],
        "numbers": list(range(len(due))),  # to loop over, because the tokens are secret
        "tokens": [
            {"name": one.wanted["name"], **_entry(one.result, asked["environment"])} for one in due
        ],
        "wanted": [{**one.wanted, "specification": _retiring(one.wanted)} for one in due],
    }


def _is_due(result: t.Mapping[str, t.Any]) -> bool:
    if result["token"] is None:
        return False
    is_new = result["action"] in ("created", "rotated")
    return is_new or bool(result["retiring"]) or result["handed_over"] is False


def _retiring(wanted: t.Mapping[str, t.Any]) -> Data:
    """The specification of the second call. The store holds the secret by then."""
    own = wanted["specification"]
    specification = {name: value for name, value in own.items() if name not in ("token", "retire")}
    return {**specification, "retire": wanted["compared"]["retire"]}


def summary(host: str, gathered: t.Mapping[str, t.Any], results: t.Any) -> list[str]:
    """What the summary says on this host: of its group, if it stands for the group."""
    lines = []
    if host == gathered["first"] and gathered["elsewhere"]:
        lines.append(
            f"Created elsewhere, and left there: {', '.join(gathered['elsewhere'])}. Call revoke "
            "for that environment."
        )
    group = group_of(host, gathered)
    if group is None or host != group["leader"]:
        return lines
    tokens = results.get("tokens") if isinstance(results, t.Mapping) else None
    several = len(gathered["groups"]) > 1
    where = f" in {group['environment']}" if several else ""
    lines = [
        summary_line(name, result, where)
        for (_kind, name), result in zip(group["keys"], tokens or [])
    ] + lines
    return lines + [
        f"{name}: its predecessors stay, because handing it over failed on {failed_host}"
        for _kind, name, failed_host in group["waiting"]
    ]
