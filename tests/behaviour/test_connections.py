# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many connections a task keeps, in this process."""

from __future__ import annotations

import contextlib
import os
import resource
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    TOKEN_SET_OPTIONS,
    TOKEN_SPECIFICATION_OPTIONS,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import RunContext
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import manage_tokens

from support.stand_in import Environment

pytestmark = pytest.mark.once

MOST_DESCRIPTORS = 32
TOKENS = 300


def defaults(options: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    return {name: option.get("default") for name, option in options.items()}


@contextlib.contextmanager
def at_most(descriptors: int) -> t.Iterator[None]:
    """Within the block, this process can open so many descriptors beside those it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + descriptors, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_large_set_is_rotated_within_few_descriptors(environment: Environment) -> None:
    names = [f"token-{number:03}" for number in range(TOKENS)]
    for name in names:
        environment.plant(name)
    usual = {
        **defaults(TOKEN_SPECIFICATION_OPTIONS),
        "scopes": ["metrics.read"],
        "rotate": "always",
    }
    params = {
        **defaults(TOKEN_SET_OPTIONS),
        "environment_url": environment.url,
        "api_token": environment.api_token,
        "tokens": [{**usual, "name": name} for name in names],
    }
    runtime = RunContext(False, True, True, lambda warning: None)
    with at_most(MOST_DESCRIPTORS):
        report = manage_tokens(params, runtime)
    assert [part.get("action") for part in report.result["tokens"]] == ["rotated"] * TOKENS
