# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A key vault for a test: a namespace of a real OpenBao; where it is not installed, the
stand-in."""

from __future__ import annotations

import contextlib
import ssl
import typing as t

from support import openbao
from support.vault_interface import ALL, KeyVault, Rule, door
from support.vault_stand_in import StandIn

__all__ = ["ALL", "KeyVault", "key_vault", "stand_in_vault"]


def key_vault(
    rule: Rule | None = None,
    *,
    namespace: str | None = None,
    mount: str = "secret",
    policy: frozenset[str] = ALL,
) -> contextlib.AbstractContextManager[KeyVault]:
    """One that is empty, until the block ends."""
    if not openbao.is_installed():
        return stand_in_vault(rule, namespace=namespace, mount=mount, policy=policy)
    space = openbao.Namespace(openbao.dev_server(), namespace, mount, policy)
    return contextlib.nullcontext(space) if rule is None else _behind_a_door(space, rule)


@contextlib.contextmanager
def _behind_a_door(space: openbao.Namespace, rule: Rule) -> t.Iterator[KeyVault]:
    with door(space.answer, rule, space.at_the_door) as space.url:
        yield space


@contextlib.contextmanager
def stand_in_vault(
    rule: Rule | None = None,
    *,
    namespace: str | None = None,
    mount: str = "secret",
    policy: frozenset[str] = ALL,
    sealed: bool = False,
    tls: ssl.SSLContext | None = None,
) -> t.Iterator[StandIn]:
    """Serve an empty one until the block ends, over TLS if a context is given."""
    running = StandIn(namespace, mount, policy, sealed)
    with door(running.answer, rule or (lambda method, path: None), running.requests, tls) as url:
        running.url = url
        yield running
