# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide to platform tokens as it stands, from an OAuth client to a token that is rotated."""

from __future__ import annotations

import pathlib
import re
import shlex

import pytest

from support import stand_in
from support.leaks import leaks
from support.runs import Ansible, Run
from support.stand_in import Environment

pytestmark = [pytest.mark.once, pytest.mark.v2]

GUIDE = (pathlib.Path(__file__).parents[2] / "docs" / "platform-tokens.md").read_text()
PLAYBOOKS = re.findall(r"`([\w.]+)`:\n\n```yaml\n(.*?)```", GUIDE, re.DOTALL)
COMMANDS = [
    line
    for block in re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("ansible-playbook ")
]


def done(run: Run) -> list[str]:
    """What the summary says of each token."""
    return re.findall(r'"(?:ingest|query) \([^)]*\): (\w+), scopes', run.stdout)


def test_a_user_with_an_oauth_client_goes_from_nothing_to_a_rotated_token(
    ansible: Ansible, environment: Environment
) -> None:
    account = stand_in.account_of(environment)
    options = ["-e", f"dynatrace_tokens_account_url={account.url}"]
    env = {**account.environment_variables(), "DYNATRACE_API_TOKEN": None}
    for name, content in PLAYBOOKS:
        (ansible.folder / name).write_text(content)

    def follow(command: str) -> Run:
        program, *arguments = shlex.split(command)
        return ansible.command(program, *arguments, *options, env=env).succeeded()

    look, issue, again, rotate, after = COMMANDS
    assert done(follow(look)) == ["created", "created"]
    assert (environment.writes(), account.tokens()) == ([], [])

    assert done(follow(issue)) == ["created", "created"]
    first = {token["id"] for token in account.tokens()}
    environment.forget_requests()
    assert done(follow(again)) == ["unchanged", "unchanged"]
    assert environment.writes() == []

    assert done(follow(rotate)) == ["rotated", "rotated"]
    assert len(account.tokens("ingest")) == 2
    assert all(token["enabled"] for token in account.tokens())

    environment.set_clock("now+4d")
    assert done(run := follow(after)) == ["unchanged", "unchanged"]
    left = account.tokens()
    assert sorted(token["name"] for token in left) == ["ingest", "query"]
    assert not first & {token["id"] for token in left}
    assert leaks(run, ansible.folder, environment.secrets()) == []
