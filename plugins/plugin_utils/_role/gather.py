# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the hosts of one use ask for together: groups with one connection each, in one task each."""

from __future__ import annotations

import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import Refused

Data = dict[str, t.Any]
Key = tuple[str, str]  # kind and name
AskedBy = t.Mapping[str, t.Mapping[str, t.Any]]  # by host


def gather(asked_by: AskedBy, failed: AskedBy) -> Data:
    """The groups of these hosts, without any secret.

    :param asked_by: what each host asks for, in the order of the play.
    :param failed: what was due for hosts whose hand-over failed, in the use that comes before.
    :raises Refused: if two hosts ask for the same token differently.
    """
    _check_agreement(asked_by)
    groups = _groups(asked_by)
    due_elsewhere = _due_elsewhere(failed)
    for group in groups:
        _add_keys(group, asked_by, due_elsewhere)
    elsewhere = [line for asked in asked_by.values() for line in asked.get("elsewhere") or []]
    return {
        "groups": groups,
        "leaders": [group["leader"] for group in groups if group["keys"]],
        "first": next(iter(asked_by), ""),
        "elsewhere": list(dict.fromkeys(elsewhere)),
        "problem": None,
    }


def _groups(asked_by: AskedBy) -> list[Data]:
    """The hosts with tokens, grouped by their connection. The first of each group leads it."""
    groups: dict[str, Data] = {}
    for host, asked in asked_by.items():
        if asked["wanted"]:
            new = {"leader": host, "environment": asked["environment"], "hosts": [], "keys": []}
            groups.setdefault(asked["group"], new)["hosts"].append(host)
    return list(groups.values())


def _due_elsewhere(failed: AskedBy) -> dict[tuple[str, ...], str]:
    """The hosts whose hand-over failed, by the environment, kind and name of their tokens."""
    return {
        (due["environment"], *_key(one)): host
        for host, due in failed.items()
        for one in due["wanted"]
    }


def nothing(problem: str) -> Data:
    """What is gathered where a problem keeps every host from its tokens."""
    return {"groups": [], "leaders": [], "first": "", "elsewhere": [], "problem": problem}


def _add_keys(
    group: Data, asked_by: AskedBy, due_elsewhere: t.Mapping[tuple[str, ...], str]
) -> None:
    """Give the group its tokens, each once, and those whose hand-over failed on another host."""
    keys: dict[Key, None] = {}
    waiting: dict[Key, str] = {}
    for host in group["hosts"]:
        for one in asked_by[host]["wanted"]:
            key = _key(one)
            failed_host = due_elsewhere.get((group["environment"], *key))
            if failed_host is None:
                keys[key] = None
            else:
                waiting[key] = failed_host
    group["keys"] = [list(key) for key in keys]
    group["waiting"] = [[*key, host] for key, host in waiting.items()]


def wanted_by(group: t.Mapping[str, t.Any], asked_by: AskedBy) -> list[Data]:
    """The specifications of a group, in the order of its keys."""
    found: dict[Key, Data] = {}
    for host in group["hosts"]:
        for one in asked_by[host]["wanted"]:
            specification = found.setdefault(_key(one), dict(one["specification"]))
            _join(specification, one["specification"])
    return [found[(kind, name)] for kind, name in group["keys"]]


def _join(joined: Data, own: t.Mapping[str, t.Any]) -> None:
    """Take over what each host may say for itself: the secret it holds, that it hands over."""
    if own.get("token") is not None:
        joined.setdefault("token", own["token"])
    if own.get("retire") is False:
        joined["retire"] = False


def _key(one: t.Mapping[str, t.Any]) -> Key:
    return one["kind"], one["name"]


def _check_agreement(asked_by: AskedBy) -> None:
    first: dict[tuple[str, ...], tuple[str, Data]] = {}
    for host, asked in asked_by.items():
        for one in asked["wanted"]:
            compared = one.get("compared") or {}
            other, theirs = first.setdefault((asked["environment"], *_key(one)), (host, compared))
            differing = [name for name, value in compared.items() if theirs.get(name) != value]
            if differing:
                raise Refused(_disagreement(one["name"], other, theirs, host, compared, differing))


def _disagreement(
    name: str, other: str, theirs: Data, host: str, own: Data, differing: t.Sequence[str]
) -> str:
    said = "; ".join(
        f"{option} is {theirs.get(option)!r} for {other} and {own[option]!r} for {host}"
        for option in differing
    )
    return (
        f"The hosts {other} and {host} ask for the token {name!r} differently: {said}. Nothing was "
        "issued. Ask for the same, or for tokens of different names."
    )
