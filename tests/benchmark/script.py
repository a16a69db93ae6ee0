# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plain script with Dynatrace's own client, one call after another: URL TOKEN NUMBER.

Prints the seconds of each case.
"""

from __future__ import annotations

import sys
import time

from dynatrace import Dynatrace
from dynatrace.environment_v2.tokens_api import ApiTokenUpdate

url, api_token, number = sys.argv[1:]
names = [f"bench-{one}" for one in range(int(number))]
tokens = Dynatrace(url, api_token, timeout=30).tokens


def listed() -> dict[str, str]:
    return {token.name: token.id for token in tokens.list()}


def create() -> None:
    there = listed()
    for name in names:
        if name not in there:
            tokens.create(name, ["metrics.read"])


def change_scope() -> None:
    there = listed()
    for name in names:
        tokens.put(there[name], ApiTokenUpdate(enabled=True, scopes=["logs.read"]))


def delete() -> None:
    there = listed()
    for name in names:
        tokens.delete(there[name])


for case, function in (
    ("create", create),
    ("no-op", create),
    ("change scope", change_scope),
    ("delete", delete),
):
    started = time.perf_counter()
    function()
    print(f"{case}:{time.perf_counter() - started}")
