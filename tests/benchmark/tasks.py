# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task that changes nothing costs, beside debug and beside ansible.builtin.uri with the same
request, over HTTP and TLS.
"""

from __future__ import annotations

import contextlib
import pathlib
import statistics
import tempfile
import typing as t
import urllib.parse

import trustme
from playbooks import Task, run

from support.stand_in import API, Environment, serve

ROUNDS = 9
ITEMS = 10
TOKENS = 100
FIELDS = "+scopes,+expirationDate,+personalAccessToken,+additionalMetadata"
KINDS = ("debug", "dynatrace_token", "uri")


def main() -> None:
    for scheme in ("HTTP", "TLS"):
        with (
            tempfile.TemporaryDirectory() as folder,
            served(scheme, pathlib.Path(folder)) as (environment, ca_path),
        ):
            seconds = run(
                pathlib.Path(folder), environment, *tasks(environment, ca_path) * ROUNDS
            ).tasks
        print(
            f"\n{TOKENS} tokens listed over {scheme}, nothing to change, medians of {ROUNDS} rounds"
        )
        report("a task", {kind: seconds[kind] for kind in KINDS})
        report(
            f"each further item of {ITEMS}",
            {kind: further_items(seconds[kind], seconds[f"{kind} loop"]) for kind in KINDS},
        )


@contextlib.contextmanager
def served(scheme: str, folder: pathlib.Path) -> t.Iterator[tuple[Environment, str | None]]:
    """The stand-in, and the certificate of its authority."""
    if scheme == "HTTP":
        with serve("--preload", str(TOKENS)) as environment:
            yield environment, None
        return
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        folder / "server.pem"
    )
    with serve("--preload", str(TOKENS), "--tls", str(folder / "server.pem")) as environment:
        yield environment, str(folder / "ca.pem")


def tasks(environment: Environment, ca_path: str | None) -> list[Task]:
    """The tasks of one round; each kind also as a loop."""
    query = urllib.parse.urlencode(
        {"pageSize": 10000, "fields": FIELDS, "apiTokenSelector": "personalAccessToken(false)"}
    )
    headers = {"Authorization": f"Api-Token {environment.api_token}"}
    token = {"name": "preloaded-7", "scopes": ["metrics.read", "entities.read"], "ca_path": ca_path}
    kinds = {
        "debug": {"ansible.builtin.debug": {"msg": "nothing"}},
        "dynatrace_token": {"community.dynatrace.dynatrace_token": token},
        "uri": {
            "ansible.builtin.uri": {
                "url": f"{environment.url}{API}?{query}",
                "headers": headers,
                "ca_path": ca_path,
            }
        },
    }
    single = [{"name": name, **task} for name, task in kinds.items()]
    return single + [
        {"name": f"{name} loop", **task, "loop": list(range(ITEMS))} for name, task in kinds.items()
    ]


def further_items(single: list[float], loops: list[float]) -> list[float]:
    return [(loop - one) / (ITEMS - 1) for one, loop in zip(single, loops, strict=True)]


def report(title: str, seconds: dict[str, list[float]]) -> None:
    medians = {kind: statistics.median(of_kind) for kind, of_kind in seconds.items()}
    print(f"{title:<26} {'ms':>8} {'of debug':>10} {'of uri':>8}")
    for name, median in medians.items():
        print(
            f"{name:<26} {median * 1000:8.1f} {median / medians['debug']:10.2f} "
            f"{median / medians['uri']:8.3f}"
        )
