# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The job that rotates the tokens of ActiveGates, as it ships, and the guide that shows it."""

from __future__ import annotations

import json
import pathlib
import re
import sys

import pytest
import yaml

from support.leaks import leaks
from support.runs import Ansible, Run
from support.stand_in import Environment

pytestmark = [pytest.mark.once, pytest.mark.v2]

DOCS = pathlib.Path(__file__).parents[2] / "docs"
PROJECT = DOCS / "awx" / "project"
TEMPLATES = yaml.safe_load((DOCS / "awx" / "job_templates.yml").read_text())["job_templates"]
SCOPES = [f"activeGateTokenManagement.{act}" for act in ("read", "create", "write")]
# Stands in for the gateway: it connects with the token of its file, and knows no other.
RESTART = """
import json, pathlib, re, sys, urllib.request
url, file, log = sys.argv[1:]
known = urllib.request.urlopen(url + "/_emulator/activeGateTokens").read().decode()
pathlib.Path(log).write_text(known)
token = re.search(r"^authToken = (.*)$", pathlib.Path(file).read_text(), re.MULTILINE)[1]
body = json.dumps({"token": token}).encode()
headers = {"Content-Type": "application/json"}
urllib.request.urlopen(urllib.request.Request(url + "/_emulator/gateways", body, headers))
"""


class Gateway:
    """An ActiveGate on a host of the inventory, and the job that looks after it."""

    def __init__(self, ansible: Ansible) -> None:
        self.ansible, self.environment = ansible, ansible.environment
        self.file = ansible.folder / "config" / "authorization.properties"
        self.file.parent.mkdir()
        self.file.write_text("[abc12345]\ntenantToken = abc\nmainTenant = true\n")
        script = ansible.folder / "restart.py"
        script.write_text(RESTART)
        admin = self.environment.plant("admin", SCOPES)["token"]
        self.env = {
            "DYNATRACE_API_TOKEN": admin,
            "DYNATRACE_TOKEN_STORE": str(ansible.folder / "tokens"),
            "ANSIBLE_INVENTORY_ENABLED": "yaml",
        }
        self.seen = ansible.folder / "seen.json"
        arguments = (sys.executable, script, self.environment.url, self.file, self.seen)
        self.restarts = " ".join(map(str, arguments))

    def job(self, *options: str, restart: str | None = None) -> Run:
        """The job of the template, with the variables of the inventory."""
        template = next(one for one in TEMPLATES if "ActiveGates" in one["name"])
        inventory = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "activegate_config": str(self.file.parent),
            "activegate_restart": restart or self.restarts,
            "activegate_delay": 0,
        }
        hosts = {"activegates": {"hosts": {"gateway-1": inventory}}}
        file = self.ansible.folder / "hosts.yml"
        file.write_text(json.dumps(hosts))
        arguments = [str(PROJECT / template["playbook"]), "-i", str(file), *options]
        return self.ansible.command("ansible-playbook", *arguments, env=self.env)

    def tokens(self) -> dict[str, bool]:
        """The ids of its tokens, and whether it connected with them."""
        listed = self.environment.activegate_tokens("gateway-1")
        return {token["id"]: "lastUsedDate" in token for token in listed}

    def known_at_restart(self) -> set[str]:
        """The ids of the tokens that Dynatrace had when the gateway was restarted."""
        return {token["id"] for token in json.loads(self.seen.read_text())}

    def has(self, token_id: str) -> bool:
        return f"authToken = {token_id}." in self.file.read_text()


def test_the_token_of_a_gateway_is_replaced_when_the_gateway_has_connected_with_the_new_one(
    ansible: Ansible, environment: Environment
) -> None:
    gateway = Gateway(ansible)
    environment.forget_requests()
    gateway.job("--check").succeeded()
    assert (environment.writes(), gateway.tokens()) == ([], {})

    run = gateway.job("-vvv", "--diff").succeeded()
    [first] = gateway.tokens()
    assert (gateway.has(first), gateway.tokens()) == (True, {first: True})
    gateway_file = gateway.file.read_text()
    gateway.file.unlink()
    assert leaks(run, ansible.folder, environment.secrets()) == []
    gateway.file.write_text(gateway_file)

    # Dynatrace warns 31 days before the end.
    environment.set_clock("now+28d")
    gateway.job(restart="false").failed()
    assert len(gateway.tokens()) == 2
    [second] = gateway.tokens().keys() - {first}
    # The old one stays until the gateway has connected, however long that takes.
    environment.set_clock("now+3d")
    gateway.job().succeeded()
    assert gateway.known_at_restart() == {first, second}
    assert (gateway.has(second), gateway.tokens()) == (True, {second: True})
    assert gateway.file.read_text().count("authToken") == 1


def test_the_guide_shows_the_files_of_the_job() -> None:
    guide = (DOCS / "activegate-tokens.md").read_text()
    for name in ("rotate_activegate_tokens.yml", "hand_over_activegate_token.yml"):
        [shown] = re.findall(rf"`{name}`[^\n]*:\n\n```yaml\n(.*?)```", guide, re.DOTALL)
        assert yaml.safe_load(shown) == yaml.safe_load((PROJECT / name).read_text())
