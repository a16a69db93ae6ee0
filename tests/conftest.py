# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import os
import pathlib
import typing as t

import pytest

from support import openbao, stand_in
from support.runs import Ansible

# What only a real server can show. The header says that it was left out.
collect_ignore = [] if openbao.is_installed() else ["openbao"]

ONCE = ("emulator_contract", "faults", "histories")
LONG = ("faults", "guides", "histories")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs no Ansible, so that it need not be run on every ansible-core, and what takes
    too long for make test.
    """
    for item in items:
        if item.path.parent.name in ONCE:
            item.add_marker("once")
        if item.path.parent.name in LONG:
            item.add_marker("long")


def pytest_configure() -> None:
    """No test uses the profile, the credentials or the region of whoever runs it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]


def pytest_report_header() -> str:
    if openbao.is_installed():
        return "key vault: OpenBao"
    return "key vault: a stand-in, because OpenBao is not installed (make .venv/openbao/ready)"


@pytest.fixture(scope="session")
def server() -> t.Iterator[stand_in.Environment]:
    with stand_in.serve() as first_environment:
        yield first_environment


@pytest.fixture
def environment(server: stand_in.Environment) -> stand_in.Environment:
    """An environment of the stand-in, empty but for its admin token."""
    return stand_in.new_environment(server)


@pytest.fixture
def ansible(tmp_path: pathlib.Path, environment: stand_in.Environment) -> Ansible:
    """Runs Ansible against the environment of this test."""
    return Ansible(tmp_path, environment)


def pytest_terminal_summary(terminalreporter: t.Any) -> None:
    """Say how many cases the tables hold that a test runs through by itself."""
    cases = collections.Counter(
        name
        for report in terminalreporter.getreports("passed")
        for name, _value in report.user_properties
    )
    for name, number in cases.items():
        terminalreporter.write_line(f"{name}: {number}")
