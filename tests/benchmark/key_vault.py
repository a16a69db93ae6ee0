# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""1000 tokens whose secrets are in OpenBao, beside what the same requests take by themselves."""

from __future__ import annotations

import concurrent.futures
import pathlib
import statistics
import tempfile
import threading
import time
import typing as t

import requests
from distance import at_a_distance
from playbooks import run

from support import openbao
from support.key_vault import KeyVault, key_vault
from support.stand_in import API, Environment, new_environment, serve

NUMBER = 1000
WORKERS = 8
ROUNDS = 3
LATENCY = 0.02  # seconds

_own = threading.local()


def main() -> None:
    if not openbao.is_installed():
        print("\nOpenBao is not installed here, so what a store in it costs is not measured.")
        return
    print(f"\n{NUMBER} tokens in OpenBao, {WORKERS} workers, seconds")
    with serve() as server, tempfile.TemporaryDirectory() as folder:
        rounds = [measure(pathlib.Path(folder), server) for _round in range(ROUNDS)]
    create, floor, again, reads, empty = map(statistics.median, zip(*rounds))
    print(f"create: {create:.2f}; its requests alone {floor:.2f}, {create / floor:.2f} times that")
    print(
        f"the same again: {again:.2f}; reads alone {reads:.2f} and an empty play {empty:.2f}, "
        f"{again / (reads + empty):.2f} times both"
    )
    print(f"the same again at {LATENCY * 1000:.0f} ms latency: {again_at_a_distance():.2f}")


def measure(folder: pathlib.Path, server: Environment) -> tuple[float, ...]:
    environment = new_environment(server)
    with key_vault() as vault:
        task = a_set(vault)
        floor = of_all(lambda number: create_one(vault, environment, number))
        empty = run(folder, environment).whole
        environment = new_environment(server)
        create = run(folder, environment, task).tasks["set"][0]
        again = run(folder, environment, task).whole
        reads = of_all(lambda number: call(vault, "GET", number))
    return create, floor, again, reads, empty


def a_set(vault: KeyVault, **store: str) -> dict[str, t.Any]:
    return {
        "name": "set",
        "community.dynatrace.dynatrace_token_set": {
            "tokens": [
                {"name": f"bench-{number}", "scopes": ["metrics.read"]} for number in range(NUMBER)
            ],
            "store": {**vault.store, **store},
            "workers": WORKERS,
        },
    }


def again_at_a_distance() -> float:
    with (
        serve("--latency", str(LATENCY * 1000)) as environment,
        tempfile.TemporaryDirectory() as folder,
        key_vault() as vault,
    ):
        run(pathlib.Path(folder), environment, a_set(vault))
        with at_a_distance(vault.url, LATENCY) as url:
            task = a_set(vault, url=url)
            return statistics.median(
                run(pathlib.Path(folder), environment, task).whole for _round in range(ROUNDS)
            )


def of_all(work: t.Callable[[int], t.Any]) -> float:
    """Seconds for all tokens, as many side by side as there are workers."""
    started = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(NUMBER)))
    return time.perf_counter() - started


def session() -> requests.Session:
    if not hasattr(_own, "session"):
        _own.session = requests.Session()
        _own.session.trust_env = False
    return t.cast(requests.Session, _own.session)


def create_one(vault: KeyVault, environment: Environment, number: int) -> None:
    """The requests that creating a token cannot do without: three writes, one POST, one PUT."""
    token = {"name": f"floor-{number}", "scopes": ["metrics.read"]}
    headers = {"Authorization": f"Api-Token {environment.api_token}"}
    content = {"data": {"token": "x" * 96, "name": token["name"], "scopes": token["scopes"]}}
    call(vault, "POST", number, content)
    made = session().post(environment.url + API, json=token, headers=headers).json()
    call(vault, "POST", number, content)
    changed = {**token, "enabled": True}
    session().put(f"{environment.url}{API}/{made['id']}", json=changed, headers=headers)
    call(vault, "POST", number, content)


def call(
    vault: KeyVault, method: str, number: int, content: dict[str, t.Any] | None = None
) -> None:
    headers = {"X-Vault-Token": vault.token, "X-Vault-Namespace": str(vault.namespace)}
    address = f"{vault.url}/v1/{vault.mount}/data/floor/{number}"
    session().request(method, address, json=content, headers=headers).raise_for_status()
