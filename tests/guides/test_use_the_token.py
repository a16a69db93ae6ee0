# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide "Use the token": each consumer gets a secret that works, and nothing else shows it."""

from __future__ import annotations

import base64
import json
import pathlib
import re
import sys

import pytest

from support.guides import COLLECTIONS, plays_of, write_files
from support.relay import Changed, Fault, Said, relay
from support.runs import Ansible
from support.stand_in import Environment

INSTALLER = b"#!/bin/sh\nmkdir -p $HANDED_OVER/gateway\n"
PROGRAM = '#!/bin/sh\nprintf %s "$DYNATRACE_API_TOKEN" > "$HANDED_OVER/{0}"\necho "{0} ran"\n'
OTLP = {"openTelemetryTrace.ingest", "metrics.ingest", "logs.ingest"}
SETTINGS = {"settings.read", "settings.write"}


def installers(_method: str, path: str) -> Fault:
    """Answers requests for an installer, which the stand-in for Dynatrace has not."""
    if "/deployment/installer/" not in path:
        return None
    return Changed(lambda _said: Said(200, INSTALLER, {}))


def handed_over(folder: pathlib.Path) -> dict[str, str]:
    """The secrets that the consumers have."""
    secrets = {
        path.name: path.read_text()
        for name in ("oneagent-one", "terraform", "monaco")
        for path in [folder / name]
    }
    kubernetes = json.loads((folder / "k8s.json").read_text())["data"]
    secrets |= {key: base64.b64decode(value).decode() for key, value in kubernetes.items()}
    secrets["gitlab"] = json.loads((folder / "gitlab.json").read_text())[0]["value"]
    secrets["github"] = json.loads((folder / "github.json").read_text())["value"]
    for name in ("collector", "fluent_bit"):
        found = re.search(r"Authorization:? Api-Token (\S+)", (folder / name).read_text())
        assert found is not None
        secrets[name] = found[1]
    return secrets


@pytest.mark.once
def test_every_consumer_of_the_guide_gets_its_token_and_nothing_shows_it(
    ansible: Ansible, environment: Environment, tmp_path: pathlib.Path
) -> None:
    write_files(ansible.folder)
    folder, programs = tmp_path / "handed-over", tmp_path / "programs"
    for made in (folder, programs):
        made.mkdir()
    for name in ("terraform", "monaco"):
        (programs / name).write_text(PROGRAM.format(name))
        (programs / name).chmod(0o700)
    elsewhere = {
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        "activegate_installer": str(folder / "gateway-{{ inventory_hostname }}.sh"),
        "activegate_folder": str(folder / "gateway"),
        "collector_config": str(folder / "collector"),
        "fluent_bit_config": str(folder / "fluent_bit"),
    }
    guide = "".join(plays_of("use-the-token")).replace("ansible.builtin.service", "debug")
    guide = re.sub(r"(debug:\n +)name: (\S+)\n +state: restarted", r"\1msg: restart of \2", guide)
    few_facts = '  hosts: all\n  gather_subset: "!all"\n  tasks:'
    guide = guide.replace("  hosts: all\n  tasks:", few_facts)
    options = ["-vvvv", "--diff", "-i", "one,", "-c", "local", "-e", json.dumps(elsewhere)]
    with relay(environment, installers) as reached:
        own = {
            "HANDED_OVER": str(folder),
            "PATH": f"{programs}:{ansible.variables()['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS,
            "ANSIBLE_PIPELINING": "1",
            **reached.environment.variables,
        }
        first, second = (ansible.playbook(guide, options, env=own).succeeded() for _run in range(2))
    secrets = handed_over(folder)
    scopes = {}
    for consumer, secret in secrets.items():
        answer = environment.call("POST", "/lookup", token=secret, json={"token": secret})
        scopes[consumer] = set(answer.json()["scopes"])
    assert scopes == {
        "oneagent-one": {"InstallerDownload"},
        "apiToken": {"InstallerDownload", "activeGateTokenManagement.create"},
        **dict.fromkeys(["dataIngestToken", "collector"], OTLP),
        "fluent_bit": {"logs.ingest"},
        **dict.fromkeys(["terraform", "monaco"], SETTINGS),
        "gitlab": {"events.ingest"},
        "github": {"events.ingest"},
    }
    assert (folder / "gateway").is_dir()
    downloads = [h for h in reached.headers if h["User-Agent"].startswith("ansible-httpget")]
    assert len(downloads) == 1  # in the first run
    assert "terraform ran" in first.stdout
    assert "changed: [" not in second.stdout
    encoded = [base64.b64encode(secret.encode()).decode() for secret in secrets.values()]
    shown = first.output + second.output
    assert not [secret for secret in [*environment.secrets(), *encoded] if secret in shown]
