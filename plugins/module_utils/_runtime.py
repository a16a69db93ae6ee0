# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run depends on besides its options."""

from __future__ import annotations

import dataclasses
import secrets
import time
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._store import NoStore, Store


def _nothing() -> None:
    pass


def _no_progress(done: int, total: int) -> None:
    pass


def _nonce() -> str:
    return secrets.token_hex(8)


@dataclasses.dataclass(frozen=True)
class Runtime:
    check_mode: bool
    hands_out: bool  # whether somebody receives the secret with the result
    may_issue: bool  # whether the secret of a token that is issued now would be kept
    warn: t.Callable[[str], None]
    store: Store = dataclasses.field(default_factory=NoStore)
    before_secret: t.Callable[[], None] = _nothing  # called right before the request that answers with a secret
    progress: t.Callable[[int, int], None] = _no_progress  # called with how many tokens are done, and of how many
    nonce: t.Callable[[], str] = _nonce
    sleep: t.Callable[[float], None] = time.sleep
