# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The presets of scopes: known scopes, from a named source, in every way to use the role."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml
from ansible_collections.community.dynatrace.plugins.module_utils._model.scopes import (
    KNOWN_PLATFORM_SCOPES,
    KNOWN_SCOPES,
)

from support import stand_in
from support.runs import Ansible, Task, token
from support.stand_in import Environment

ROOT = pathlib.Path(__file__).parents[2]
FILE = ROOT / "roles" / "dynatrace_tokens" / "defaults" / "main.yml"
PRESETS: dict[str, list[str]] = yaml.safe_load(FILE.read_text())["dynatrace_tokens_presets"]
ROLE = "community.dynatrace.dynatrace_tokens"


@pytest.mark.once
def test_presets_have_known_scopes_and_each_once() -> None:
    for name, scopes in PRESETS.items():
        assert scopes, name
        assert len(set(scopes)) == len(scopes), name
        assert set(scopes) <= set(known_scopes_of(name)), name


def known_scopes_of(preset: str) -> tuple[str, ...]:
    """The known scopes of the tokens that a preset is for."""
    return KNOWN_PLATFORM_SCOPES if preset.startswith("platform_") else KNOWN_SCOPES


@pytest.mark.once
def test_each_preset_names_its_source() -> None:
    comments = re.findall(
        r"((?:^  #.*\n)+)((?:^  \w+:\n(?:^    - .*\n)+)+)", FILE.read_text(), re.MULTILINE
    )
    named = {
        name
        for _comment, presets in comments
        for name in re.findall(r"^  (\w+):", presets, re.MULTILINE)
    }
    assert named == set(PRESETS)
    for comment, presets in comments:
        assert "https://docs.dynatrace.com/" in comment or "The same page" in comment, presets


@pytest.mark.once
def test_the_guide_lists_the_presets() -> None:
    listed = re.findall(
        r"^\| `(\w+)` \| (.*) \|$", (ROOT / "docs" / "presets.md").read_text(), re.MULTILINE
    )
    told: dict[str, list[str]] = {}
    for name, scopes in listed:
        previous = list(told.values())[-1] if scopes.startswith("the same") else []
        told[name] = previous + re.findall(r"`([\w.:-]+)`", scopes)
    assert told == PRESETS


def specification(name: str, scopes: str) -> Task:
    return {
        "dynatrace_tokens": [
            {"name": name, "scopes": f"{{{{ {scopes} }}}}", "on_missing_secret": "ignore"}
        ]
    }


def test_presets_work_in_every_way_to_use_the_role_and_outside_of_it(
    ansible: Ansible, environment: Environment
) -> None:
    included = {"name": "included", "ansible.builtin.include_role": {"name": ROLE}}
    imported = {"name": "imported", "ansible.builtin.import_role": {"name": ROLE}}
    known = {
        "name": "known",
        "ansible.builtin.include_role": {"name": ROLE, "tasks_from": "presets", "public": True},
    }
    scopes = "dynatrace_tokens_presets.metrics_ingest + ['events.ingest']"
    own = f"{{{{ dynatrace_tokens_presets | combine({{'batch': {scopes}}}) }}}}"
    account = stand_in.account_of(environment)
    all_at_once = [
        {
            "name": name,
            "scopes": f"{{{{ dynatrace_tokens_presets['{name}'] }}}}",
            "on_missing_secret": "ignore",
            "kind": "platform" if name.startswith("platform_") else None,
        }
        for name in PRESETS
    ]
    variables = {"dynatrace_tokens": all_at_once, **account.role_variables()}
    play = {"hosts": "localhost", "gather_facts": False}
    ansible.playbook(
        [
            {**play, "tasks": [{**included, "vars": variables}]},
            {
                **play,
                "vars": specification("imported", "dynatrace_tokens_presets.logs_ingest"),
                "tasks": [imported],
            },
            {
                **play,
                "vars": {"presets": own},
                "roles": [{"role": ROLE, "vars": specification("extended", "presets.batch")}],
            },
            {
                **play,
                "tasks": [
                    known,
                    token(
                        "outside", "outside", scopes="{{ dynatrace_tokens_presets.token_audit }}"
                    ),
                ],
            },
        ]
    ).succeeded()
    issued = {made["name"]: made["scopes"] for made in [*environment.tokens(), *account.tokens()]}
    extended = {
        "imported": ["logs.ingest"],
        "extended": ["events.ingest", "metrics.ingest"],
        "outside": ["apiTokens.read"],
    }
    assert issued == {**{name: sorted(scopes) for name, scopes in PRESETS.items()}, **extended}
