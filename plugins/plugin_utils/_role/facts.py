# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names that a fact can have."""

from __future__ import annotations

import keyword
import re
import typing as t

from ansible.vars.reserved import get_reserved_names
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    looks_like_secret,
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PREFIXES = ("ansible_", "dynatrace_tokens", "__dynatrace_tokens")
# Set by Ansible for each task, whatever else has that name.
_MAGIC = frozenset(
    [
        "groups",
        "group_names",
        "hostvars",
        "inventory_dir",
        "inventory_file",
        "inventory_hostname",
        "inventory_hostname_short",
        "omit",
        "play_hosts",
        "playbook_dir",
        "role_name",
        "role_names",
        "role_path",
    ]
)
_JINJA = frozenset(
    [
        "true",
        "false",
        "none",
        "and",
        "or",
        "not",
        "in",
        "is",
        "if",
        "else",
        "elif",
        "for",
        "loop",
        "self",
    ]
)


def check_fact(fact: t.Any) -> str:
    """:returns: the name. :raises OptionError: if no variable that can be used has this name."""
    if not isinstance(fact, str) or not _NAME.fullmatch(fact):
        shown = "" if looks_like_secret(str(fact)) else f"{fact!r} "
        raise OptionError(
            f"fact: {shown}cannot be the name of a variable. Give a name of letters, digits and "
            "underscores that does not begin with a digit."
        )
    reason = _reason_against(fact)
    if reason:
        raise OptionError(f"fact: {fact!r} {reason}. Give it another name.")
    return fact


def _reason_against(fact: str) -> str:
    if keyword.iskeyword(fact) or fact in _JINJA:
        return "cannot be the name of a variable: it is a word of Python or Jinja"
    if fact.startswith(_PREFIXES):
        return (
            "begins with ansible_ or dynatrace_tokens, as only variables of Ansible or the role do"
        )
    if fact in _MAGIC or fact in get_reserved_names():
        return "is a name that Ansible keeps for itself"
    return ""


def check_distinct(facts: t.Iterable[str]) -> None:
    """:raises OptionError: if two tokens have the same fact."""
    seen: set[str] = set()
    for fact in facts:
        if fact in seen:
            raise OptionError(
                f"fact: {fact!r} stands more than once in dynatrace_tokens. Give each token a "
                "fact of its own."
            )
        seen.add(fact)
