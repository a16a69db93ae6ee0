# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook that replaces access tokens by platform tokens, and the guide to it."""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

import pytest
import yaml
from ansible_collections.community.dynatrace.plugins.module_utils._model.platform_scopes import (
    PLATFORM_SCOPES,
)

from support import stand_in
from support.leaks import leaks
from support.runs import Ansible, Run, token
from support.stand_in import Account, Environment

pytestmark = [pytest.mark.once, pytest.mark.v2]

ROOT = pathlib.Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "migrating.md").read_text().partition("## From access tokens to platform")
SECTION = GUIDE[2]
PLAYBOOK = re.findall(r"`migrate.yml`:\n\n```yaml\n(.*?)```", SECTION, re.DOTALL)[0]
HAND_OVER = re.findall(
    r"`hand_over_platform_token.yml`, beside the playbook:\n\n```yaml\n(.*?)```", SECTION, re.DOTALL
)[0]
PRESETS = yaml.safe_load(
    (ROOT / "roles" / "dynatrace_tokens" / "defaults" / "main.yml").read_text()
)


@pytest.fixture
def account(environment: Environment) -> Account:
    return stand_in.account_of(environment)


def plant(environment: Environment, name: str, *scopes: str) -> dict[str, t.Any]:
    """An access token that is 100 days old and was used yesterday."""
    return environment.plant(name, scopes, created="now-100d", last_used="now-1d")


def migrate(ansible: Ansible, account: Account, *options: str, **variables: t.Any) -> Run:
    for name, content in (("migrate.yml", PLAYBOOK), ("hand_over_platform_token.yml", HAND_OVER)):
        (ansible.folder / name).write_text(content)
    extra = json.dumps({"dynatrace_tokens_account_url": account.url, **variables})
    env = account.environment_variables()
    return ansible.command("ansible-playbook", "migrate.yml", *options, "-e", extra, env=env)


def test_the_playbook_of_the_guide_replaces_access_tokens_when_nobody_uses_them(
    ansible: Ansible, environment: Environment, account: Account
) -> None:
    old = {
        name: plant(environment, name, *scopes)
        for name, scopes in (("ingest", ["logs.ingest"]), ("installer", ["InstallerDownload"]))
    }
    other = plant(environment, "somebody else's", "logs.ingest")

    environment.forget_requests()
    run = migrate(ansible, account, "--check", "--diff").succeeded()
    assert run.stdout.count(": created, scopes") == 2
    assert (environment.writes(), account.tokens()) == ([], [])

    run = migrate(ansible, account).succeeded()
    issued = {made["name"]: made for made in account.tokens()}
    assert issued["ingest"]["scopes"] == ["openpipeline:logs:ingest"]
    assert set(issued["installer"]["scopes"]) == set(PLATFORM_SCOPES["InstallerDownload"])
    assert len(environment.tokens()) == 3
    handed_over = (ansible.folder / "ingest.env").read_text()
    assert [secret for secret in environment.secrets() if secret in handed_over]
    assert "deleted: none" in run.stdout

    # Not used for a week, but for the one that is used on the day before.
    environment.set_clock("now+8d")
    environment.call("GET", token=old["installer"]["token"])
    environment.forget_requests()
    run = migrate(ansible, account, "--check").succeeded()
    assert "deleted: ingest" in run.stdout
    assert environment.writes() == []
    run = migrate(ansible, account).succeeded()
    assert "still there: installer" in run.stdout
    left = {old["installer"]["id"], other["id"]}
    assert {token["id"] for token in environment.tokens()} == left
    # The scopes of a platform token are kept when there is no access token to translate.
    assert "changed=0" in migrate(ansible, account).succeeded().stdout
    assert {made["id"] for made in account.tokens()} == {made["id"] for made in issued.values()}
    (ansible.folder / "ingest.env").unlink()
    (ansible.folder / "installer.env").unlink()
    assert leaks(run, ansible.folder, environment.secrets()) == []


def test_what_cannot_be_migrated_stops_it_before_anything_is_issued(
    ansible: Ansible, environment: Environment, account: Account
) -> None:
    for name in ("ingest", "twice", "twice"):
        plant(environment, name, "logs.ingest")
    plant(environment, "classic", "ReadConfig", "logs.ingest")
    environment.forget_requests()
    cases = {
        ("ingest", "classic"): "No platform scope is known for ReadConfig. Nothing was done.",
        ("ingest", "gone"): "there is no token of the name gone. Nothing was issued.",
        ("ingest", "twice"): "there are several access tokens of the name twice. Nothing",
    }
    for names, message in cases.items():
        run = migrate(ansible, account, dynatrace_migrate_tokens=list(names)).failed()
        assert message in run.text
    assert (environment.writes(), account.tokens()) == ([], [])
    more = {"ReadConfig": ["settings:objects:read"]}
    migrate(
        ansible, account, dynatrace_migrate_tokens=["classic"], dynatrace_migrate_scopes=more
    ).succeeded()
    assert account.tokens("classic")[0]["scopes"] == [
        "openpipeline:logs:ingest",
        "settings:objects:read",
    ]


def test_an_environment_that_creates_no_access_tokens_leads_to_the_guide(
    ansible: Ansible, environment: Environment
) -> None:
    environment.behave(token_creation=False)
    run = ansible.play(token("ci", scopes=["logs.ingest"], store="store")).failed()
    message = run.result("ci")["msg"]
    assert "This environment creates no access tokens any more. Use kind: platform" in message
    said = re.search(r'guide on migrating shows how, under "(.*?)"', message)
    assert said is not None
    assert f"## {said[1]}\n" in "".join(GUIDE)


def test_the_guide_has_the_translations_and_a_page_for_each() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (.*) \| (.*) \|$", SECTION, re.MULTILINE)
    told = {scope: tuple(re.findall(r"`([\w.:-]+)`", new)) for scope, new, _page in rows}
    assert told == PLATFORM_SCOPES
    assert all("https://d" in page for _scope, _new, page in rows)


def test_every_scope_of_the_presets_is_translated_but_those_of_the_configuration_api() -> None:
    presets = PRESETS["dynatrace_tokens_presets"]
    old = {
        scope
        for name, scopes in presets.items()
        for scope in scopes
        if not name.startswith("platform_")
    }
    assert old - set(PLATFORM_SCOPES) == {"ReadConfig", "WriteConfig"}
    assert {"ReadConfig", "WriteConfig"} <= set(re.findall(r"`(\w+)`", SECTION))
