# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Seconds for decrypting all secrets of a file store on several threads, and nothing else.

In a process of its own, because Ansible remembers keys that it has derived.
"""

from __future__ import annotations

import concurrent.futures
import pathlib
import sys
import time

import yaml
from ansible.parsing.vault import VaultLib, VaultSecret


class Loader(yaml.CSafeLoader):
    """Leaves what is encrypted as it is."""


Loader.add_constructor("!vault", lambda _loader, node: node.value)


def main(store: str, password: str, workers: str) -> None:
    vault = VaultLib([("default", VaultSecret(pathlib.Path(password).read_bytes().strip()))])
    files = pathlib.Path(store).glob("*/*.yml")
    secrets = [yaml.load(file.read_text(), Loader)["token"] for file in files]
    started = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(int(workers)) as pool:
        list(pool.map(vault.decrypt, secrets))
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main(*sys.argv[1:])
