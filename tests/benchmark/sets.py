# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making 1 to 1000 tokens be as wanted: dynatrace_token_set, a loop of uri, and a plain script with
Dynatrace's own client.
"""

from __future__ import annotations

import math
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t

from playbooks import Task, run

from support.stand_in import API, Environment, new_environment, serve

LATENCY = 0.05  # seconds
WORKERS = 8
ROUNDS = {1: 3, 10: 3, 100: 1, 1000: 1}
LARGEST_FOR_URI = 100  # a loop of uri takes about half a second for each item
CASES = ("create", "no-op", "change scope", "delete")
SCRIPT = pathlib.Path(__file__).parent / "script.py"

LISTED, DECLARED = 10_000, 1000


def main() -> None:
    with serve("--latency", str(LATENCY * 1000)) as server:
        print(
            f"\nSeconds for tokens at {LATENCY * 1000:.0f} ms latency; "
            f"floor: requests / {WORKERS} connections x latency"
        )
        print(
            f"{'tokens':>6} {'case':<13} {'set':>7} {'requests':>9} {'of floor':>9} "
            f"{'uri loop':>9} {'x set':>6} {'script':>8} {'x set':>6}"
        )
        for number in ROUNDS:
            report(number, [measure(server, number) for _round in range(ROUNDS[number])])
    against_an_empty_play()


def measure(server: Environment, number: int) -> dict[str, dict[str, t.Any]]:
    """Seconds of each case in each way, and the requests of the set."""
    of_uri = by_uri(new_environment(server), number) if number <= LARGEST_FOR_URI else {}
    seconds, requests = by_set(new_environment(server), number)
    return {
        "set": seconds,
        "requests": requests,
        "uri": of_uri,
        "script": by_script(new_environment(server), number),
    }


def report(number: int, rounds: list[dict[str, dict[str, t.Any]]]) -> None:
    for case in CASES:
        own, uri, script = (
            median(one[way].get(case) for one in rounds) for way in ("set", "uri", "script")
        )
        requests = rounds[0]["requests"][case]
        floor = math.ceil(requests / WORKERS) * LATENCY
        columns = (
            f"{own:7.2f} {requests:9} {own / floor:9.2f} {shown(uri):>9} "
            f"{shown(uri / own, 1):>6} {script:8.2f} {script / own:6.1f}"
        )
        print(f"{number:>6} {case:<13} {columns}")


def median(values: t.Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else math.nan


def shown(value: float, digits: int = 2) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def specifications(number: int, **options: t.Any) -> list[dict[str, t.Any]]:
    return [
        {"name": f"bench-{one}", "scopes": ["metrics.read"], **options} for one in range(number)
    ]


def by_set(environment: Environment, number: int) -> tuple[dict[str, float], dict[str, int]]:
    wanted = {
        "create": {},
        "no-op": {},
        "change scope": {"scopes": ["logs.read"]},
        "delete": {"state": "absent"},
    }
    seconds, requests = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for case, options in wanted.items():
            environment.forget_requests()
            arguments = {
                "tokens": specifications(number, **options),
                "store": f"{folder}/store",
                "workers": WORKERS,
            }
            timing = run(
                pathlib.Path(folder),
                environment,
                {"name": case, "community.dynatrace.dynatrace_token_set": arguments},
            )
            seconds[case], requests[case] = timing.tasks[case][0], len(environment.requests())
    return seconds, requests


def by_uri(environment: Environment, number: int) -> dict[str, float]:
    """The usual way: list, and for each token that needs it one call."""

    def call(
        name: str, method: str, body: dict[str, t.Any] | None, path: str, when: str
    ) -> list[Task]:
        headers = {"Authorization": f"Api-Token {environment.api_token}"}
        listing = {
            "url": f"{environment.url}{API}?pageSize=10000&fields=%2Bscopes",
            "headers": headers,
        }
        ids = "{{ listed.json.apiTokens | items2dict(key_name='name', value_name='id') }}"
        one = {
            "url": environment.url + API + path,
            "headers": headers,
            "method": method,
            "status_code": [200, 201, 204],
        }
        return [
            {"name": name, "ansible.builtin.uri": listing, "register": "listed"},
            {
                "name": name,
                "ansible.builtin.uri": {
                    **one,
                    **({"body": body, "body_format": "json"} if body else {}),
                },
                "loop": [f"bench-{one}" for one in range(number)],
                "when": when,
                "vars": {"ids": ids},
            },
        ]

    token = {"name": "{{ item }}", "scopes": ["metrics.read"]}
    changed = {"name": "{{ item }}", "scopes": ["logs.read"], "enabled": True}
    tasks = [
        *call("create", "POST", token, "", "item not in ids"),
        *call("no-op", "POST", token, "", "item not in ids"),
        *call("change scope", "PUT", changed, "/{{ ids[item] }}", "item in ids"),
        *call("delete", "DELETE", None, "/{{ ids[item] }}", "item in ids"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        return {
            case: sum(seconds)
            for case, seconds in run(pathlib.Path(folder), environment, *tasks).tasks.items()
        }


def by_script(environment: Environment, number: int) -> dict[str, float]:
    command = [sys.executable, str(SCRIPT), environment.url, environment.api_token, str(number)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {
        case: float(seconds) for case, seconds in (line.split(":") for line in said.splitlines())
    }


def against_an_empty_play(times: int = 5) -> None:
    with (
        serve("--preload", str(LISTED - DECLARED - 1)) as environment,
        tempfile.TemporaryDirectory() as name,
    ):
        folder = pathlib.Path(name)
        task = {
            "name": "set",
            "community.dynatrace.dynatrace_token_set": {
                "tokens": specifications(DECLARED),
                "store": f"{folder}/store",
                "workers": WORKERS,
            },
        }
        run(folder, environment, task)
        rounds = [
            {
                "empty": run(folder, environment).whole,
                "debug": run(
                    folder,
                    environment,
                    {"ansible.builtin.debug": {"msg": specifications(DECLARED)}},
                ).whole,
                "listing": raw_listing(environment),
                "no-op": run(folder, environment, task).whole,
                "decrypting": decrypting(folder),
                "registered": run(folder, environment, {**task, "register": "got"}).tasks["set"][0],
            }
            for _round in range(times)
        ]
        environment.forget_requests()
        run(folder, environment, task)
        requests = [
            f"{request['method']} {request['path'].rpartition('/')[2]}"
            for request in environment.requests()
        ]
    empty, debug, listing, no_op, decrypted, registered = (
        statistics.median(one[what] for one in rounds) for what in rounds[0]
    )
    of_debug = statistics.median(one["no-op"] / one["debug"] for one in rounds)
    of_decrypting = statistics.median(one["registered"] / one["decrypting"] for one in rounds)
    print(
        f"\n{DECLARED} declared tokens among {LISTED}, nothing to change, seconds: "
        f"empty play {empty:.2f}, raw listing {listing:.2f}"
    )
    print(f"debug with the same {DECLARED} specifications {debug:.2f}")
    print(f"set {no_op:.2f}, {of_debug:.2f} times debug; requests: {', '.join(requests)}")
    print(
        f"registered, the task alone {registered:.2f}, {of_decrypting:.2f} times decrypting "
        f"{DECLARED} values on {WORKERS} threads, {decrypted:.2f}"
    )


def decrypting(folder: pathlib.Path) -> float:
    script = pathlib.Path(__file__).parent / "decrypt.py"
    password = str(folder / "vault-password")
    command = [sys.executable, str(script), str(folder / "store"), password, str(WORKERS)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def raw_listing(environment: Environment) -> float:
    started = time.perf_counter()
    environment.call(
        "GET",
        params={
            "pageSize": 10000,
            "fields": "+scopes,+expirationDate,+personalAccessToken,+additionalMetadata",
        },
    ).json()
    return time.perf_counter() - started
