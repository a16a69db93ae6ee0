# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much memory a process takes at its peak that looks for one token among many."""

from __future__ import annotations

import subprocess
import sys

from support.stand_in import Environment, serve

LISTED = (10, 10_000, 50_000)
CHILD = """
import pathlib, sys
from ansible_collections.community.dynatrace.plugins.module_utils import _options, _tasks
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Runtime
from ansible_collections.community.dynatrace.plugins.plugin_utils._resolve import resolve_options
what, url, api_token = sys.argv[1:]
tasks = {
    "info": (_tasks.query_tokens, _options.TOKEN_INFO_OPTIONS, {"name": "preloaded-7"}),
    "set": (
        _tasks.manage_tokens, _options.TOKEN_SET_OPTIONS, {"tokens": [{"name": "preloaded-7"}]}
    ),
}
function, options, given = tasks[what]
given |= {"environment_url": url, "api_token": api_token}
result = function(resolve_options(given, options, [{}]), Runtime(False, False, False, print)).result
assert len(result["tokens"]) == 1 and not result["changed"], result
# Not ru_maxrss, which starts with that of the process that has started this one.
status = pathlib.Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


def main() -> None:
    print(
        f"\n{'peak memory, MiB':<26} "
        + " ".join(f"{number:>8}" for number in LISTED)
        + "  tokens listed"
    )
    peaks = {what: [peak(what, number) for number in LISTED] for what in ("info", "set")}
    for what, of_number in peaks.items():
        per_token = (of_number[-1] - of_number[0]) / LISTED[-1] * 1024
        print(
            f"dynatrace_token_{what:<10} "
            + " ".join(f"{one:8.0f}" for one in of_number)
            + f"  {per_token:.2f} KiB for each token"
        )


def peak(what: str, number: int) -> float:
    with serve("--preload", str(number)) as environment:
        return measured(what, environment)


def measured(what: str, environment: Environment) -> float:
    command = [sys.executable, "-c", CHILD, what, environment.url, environment.api_token]
    return (
        int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
        / 1024
    )
