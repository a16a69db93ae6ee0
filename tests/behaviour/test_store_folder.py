# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File stores where people keep them, and the vault password of one."""

from __future__ import annotations

import json
import pathlib
import re
import shlex
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.modules import dynatrace_reseal_store

from support.runs import Ansible, Task, check, in_check_mode, token, works
from support.stand_in import Environment

pytestmark = pytest.mark.once

GUIDE = (pathlib.Path(__file__).parents[2] / "docs" / "store-file.md").read_text()
IGNORE_ERRORS = {"ignore_errors": True}


def stored(name: str = "ci", **options: t.Any) -> Task:
    return token(name, register="got", **{"scopes": ["metrics.read"], "store": "store", **options})


def test_without_locks_nothing_is_issued_and_the_file_and_ansible_home_are_named(
    ansible: Ansible, environment: Environment
) -> None:
    refused = stored(keywords=IGNORE_ERRORS)
    run = ansible.play(
        refused, in_check_mode(stored()), env={"ANSIBLE_CALLBACKS_ENABLED": "recorder,no_locks"}
    ).succeeded()
    assert (
        "home/.ansible/community.dynatrace/lock cannot be taken: No locks available. Nothing was "
        "done. Set ANSIBLE_HOME to a folder"
    ) in run.results("ci")[0]["msg"]
    assert environment.writes() == []


def test_the_store_beside_another_playbook_is_named_where_the_entry_is_there(
    ansible: Ansible,
) -> None:
    def play(*tasks: Task) -> Task:
        return {"hosts": "localhost", "gather_facts": False, "tasks": list(tasks)}

    (ansible.folder / "plays").mkdir()
    imported = [play(stored(keywords=IGNORE_ERRORS), check("got is failed"), stored("cd"))]
    (ansible.folder / "plays" / "tokens.yml").write_text(json.dumps(imported))
    lookup = "lookup('community.dynatrace.api_token', 'cd', store='store')"
    look = {"name": "look", "ansible.builtin.debug": {"msg": f"{{{{ {lookup} }}}}"}}
    run = ansible.playbook(
        [play(stored()), {"import_playbook": "plays/tokens.yml"}, play({**look, **IGNORE_ERRORS})]
    ).succeeded()
    (entry,) = ansible.folder.glob("store/*/ci.yml")
    folder = entry.parent.name
    read = ansible.folder / "plays" / "store" / folder / "ci.yml"
    assert (
        f"the store has no secret for it (file {read}; a store of the same name beside another "
        f"playbook of this run has it: {entry}. A relative path is relative to the folder of the "
        "playbook that the play is in: give an absolute path); on_missing_secret is fail"
    ) in run.results("ci")[1]["msg"]
    other = ansible.folder / "plays" / "store" / folder / "cd.yml"
    assert f"has it: {other}." in run.result("look")["msg"]


def reseal_command() -> list[str]:
    """The command of the guide, with passwords that are not asked for."""
    found = re.findall(r"```console\n(ANSIBLE_VAULT_ENCRYPT_IDENTITY=new .*?)```", GUIDE, re.DOTALL)
    assert len(found) == 1
    words = shlex.split(found[0].replace("\\\n", "").replace("prompt", "{}-password"))
    return [word.format(word.partition("@")[0]) for word in words]


def test_a_mistyped_password_is_refused_and_the_password_is_changed_with_the_command_of_the_guide(
    ansible: Ansible, environment: Environment
) -> None:
    for name in ("old", "new"):
        (ansible.folder / f"{name}-password").write_text(name)
    tokens = {"store": str(ansible.folder / "tokens")}
    with_password = {
        name: {"env": {"ANSIBLE_VAULT_PASSWORD_FILE": str(ansible.folder / f"{name}-password")}}
        for name in ("old", "new")
    }
    rotated = stored(rotate="always", overlap="7d", expires_in="90d", **tokens)
    ansible.play(stored(expires_in="90d", **tokens), rotated, **with_password["old"]).succeeded()
    before = environment.writes()
    mistyped = stored("cd", keywords=IGNORE_ERRORS, **tokens)
    run = ansible.play(mistyped, in_check_mode(mistyped), **with_password["new"]).succeeded()
    for result in run.results("cd"):
        assert "are encrypted with another vault password than that of 'default'" in result["msg"]
    assert environment.writes() == before

    assignment, program, *arguments = reseal_command()
    store = ["-e", f"dynatrace_tokens_store={ansible.folder / 'tokens'}"]
    arguments = [*arguments[: arguments.index("-e")], *store]
    change = {
        "ANSIBLE_VAULT_PASSWORD_FILE": None,
        assignment.partition("=")[0]: assignment.partition("=")[2],
    }
    planned = ansible.command(program, *arguments, "--check", env=change).succeeded()
    changed = ansible.command(program, *arguments, env=change).succeeded()
    for run in (planned, changed):
        assert run.events[-1]["result"]["msg"] == "1 secrets encrypted anew"
        assert not [secret for secret in environment.secrets() if secret in run.output]
    retiring = check("not got.changed", "got.retiring | length == 1")
    module = ansible.folder / "module.yml"
    module.write_text(dynatrace_reseal_store.EXAMPLES)
    ids = ["--vault-id", "new@new-password", "--vault-id", "old@old-password"]
    again = ansible.command("ansible-playbook", str(module), *ids, env=change).succeeded()
    assert "changed=0" in again.stdout
    ansible.play(
        stored(expires_in="90d", **tokens),
        retiring,
        works(),
        stored("cd", **tokens),
        works(),
        **with_password["new"],
    ).succeeded()
