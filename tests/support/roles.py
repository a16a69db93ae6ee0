# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plays that use the role dynatrace_tokens."""

from __future__ import annotations

import json
import typing as t

from support.runs import Ansible, Task

ROLE = "community.dynatrace.dynatrace_tokens"
PYTHON = "ansible_connection=local ansible_python_interpreter={{ansible_playbook_python}}"
STORED = {"dynatrace_tokens_store": "store"}


def hosts(*names: str) -> list[str]:
    """The options of a run with these hosts, on a local connection."""
    return ["-i", ",".join(names) + ",", "-e", PYTHON]


def one(name: str, *scopes: str, **options: t.Any) -> dict[str, t.Any]:
    """A specification, of a token that may read metrics if no scopes are given."""
    return {"name": name, "scopes": list(scopes) or ["metrics.read"], **options}


def role(*specifications: t.Any, keywords: Task | None = None, **variables: t.Any) -> Task:
    """A use of the role, with a list of specifications or with what the variables say."""
    if specifications:
        variables = {"dynatrace_tokens": list(specifications), **variables}
    return {
        "name": "role",
        "ansible.builtin.include_role": {"name": ROLE},
        "vars": variables,
        **(keywords or {}),
    }


def revoke(**variables: t.Any) -> Task:
    include = {"name": ROLE, "tasks_from": "revoke"}
    return {"name": "revoke", "ansible.builtin.include_role": include, "vars": variables}


def play(*tasks: Task, **keywords: t.Any) -> Task:
    return {"hosts": "all", "gather_facts": False, "tasks": list(tasks), **keywords}


def trying(*tasks: Task, rescue: t.Sequence[Task] = ()) -> Task:
    """The tasks in a block that says, where it fails, why."""
    said = {"name": "said", "ansible.builtin.debug": {"msg": "{{ ansible_failed_result.msg }}"}}
    return {"name": "try", "block": list(tasks), "rescue": [said, *rescue]}


def hand_over(ansible: Ansible, *tasks: Task) -> dict[str, str]:
    """The variables of a role that hands over with these tasks."""
    (ansible.folder / "hand_over.yml").write_text(json.dumps(tasks))
    return {**STORED, "dynatrace_tokens_hand_over": "hand_over.yml"}
