# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answers of the other hosts of the play, from their variables as they are, not templated."""

from __future__ import annotations

import typing as t

Variables = t.Mapping[str, t.Any]

OWN = "__dynatrace_tokens_own"
TO_HAND_OVER = "__dynatrace_tokens_to_hand_over"


def variables_of(known: Variables, host: str) -> Variables:
    """The variables of a host. Getting them templated would cost each host all the others."""
    found = known["hostvars"].raw_get(host)
    return found if isinstance(found, t.Mapping) else {}


def answers_of(known: Variables, use: str) -> dict[str, Variables]:
    """What each host asks for in this use. Answers that are left from another use do not count."""
    answers: dict[str, Variables] = {}
    for host in known["ansible_play_hosts_all"]:
        own = variables_of(known, host).get(OWN)
        if isinstance(own, t.Mapping) and own.get("use") == use and "entry" in own:
            answers[host] = own
    return answers


def failed_hand_overs(
    known: Variables, before: str | None, answers: t.Mapping[str, Variables]
) -> dict[str, Variables]:
    """What was due, in the use before this one, on hosts that did not come to this one."""
    failed: dict[str, Variables] = {}
    if before is None:
        return failed
    for host in known["ansible_play_hosts_all"]:
        due = variables_of(known, host).get(TO_HAND_OVER)
        if host not in answers and isinstance(due, t.Mapping) and due.get("use") == before:
            failed[host] = due
    return failed
