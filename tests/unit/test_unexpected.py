# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An error that nobody has thought of."""

from __future__ import annotations

import types
import typing as t

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.block import Block
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.community.dynatrace.plugins.module_utils._options import TOKEN_OPTIONS
from ansible_collections.community.dynatrace.plugins.plugin_utils import _action

from builders import DOTTED_SECRET, SECRET_PART, UNDOTTED_SECRET


class Broken(_action.DynatraceAction):
    MODULE = "community.dynatrace.dynatrace_token"
    OPTIONS = TOKEN_OPTIONS

    def _perform(self) -> t.NoReturn:
        try:
            raise ValueError(f"with {UNDOTTED_SECRET}")
        except ValueError as error:
            raise RuntimeError(f"with {DOTTED_SECRET} and {UNDOTTED_SECRET}") from error


def test_an_unexpected_error_tells_where_it_was_raised_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_action.display, "verbosity", 3)
    task = Task()
    task.args, task.action = {"api_token": UNDOTTED_SECRET}, Broken.MODULE
    task._parent = Block(play=Play())
    connection = types.SimpleNamespace(transport="local", _shell=types.SimpleNamespace(tmpdir=None))
    action = Broken(task, connection, None, DataLoader(), Templar(DataLoader()), None)
    result = action.run(task_vars={})
    shown = capsys.readouterr()
    assert result["msg"].startswith("Unexpected RuntimeError at test_unexpected.py:")
    assert "in _perform" in shown.out
    everything = f"{result} {shown}"
    assert [one for one in (SECRET_PART, UNDOTTED_SECRET) if one in everything] == []
