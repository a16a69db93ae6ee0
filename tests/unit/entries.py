# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries for tests of stores, and what opens a store."""

from __future__ import annotations

import datetime as dt
import typing as t

from ansible.parsing.dataloader import DataLoader
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Entry,
    Intent,
    Predecessor,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import (
    ACCESS,
    PERSONAL_ACCESS,
    Kind,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Identity
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import (
    StoreContext,
)

ENVIRONMENT = "abc12345"
NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.timezone.utc)
DAY = dt.timedelta(days=1)

PUBLIC_PART = "dt0c01.PUBLICPART"
SECRET_PART = "S3CR3TS3CR3T"
DOTTED_SECRET = f"{PUBLIC_PART}.{SECRET_PART}"
UNDOTTED_SECRET = "0ldF0rmat-S3CR3T-21ch"

INTENT = Intent("0123456789abcdef", NOW)


def identity(name: str = "reports", kind: Kind = ACCESS, place: str = ENVIRONMENT) -> Identity:
    return Identity(place, name, kind)


REPORTS = identity()
PERSONAL_REPORTS = identity(kind=PERSONAL_ACCESS)


def kept(of: Identity = REPORTS, **facts: t.Any) -> Entry:
    """The entry of a token whose secret is kept, unless the facts say otherwise."""
    usual: dict[str, t.Any] = {"id": PUBLIC_PART, "secret": Secret(DOTTED_SECRET)}
    return Entry(of, **{**usual, **facts})


FULL = kept(
    scopes=("logs.read", "metrics.read"),
    expires=NOW + DAY,
    created=NOW,
    handed_over=False,
    intents=(INTENT, Intent("f" * 16, NOW, NOW + DAY, ("logs.read",), ("dt0c01.THERE",))),
    predecessors=(
        Predecessor("dt0c01.TAKENBACK", None),
        Predecessor("dt0c01.OLD", NOW),
        Predecessor("dt0c01.OLDER", NOW, NOW + DAY),
    ),
)
ONLY_AN_INTENT = Entry(REPORTS, intents=(INTENT,))


def context(
    folder: object = "/project",
    warn: t.Callable[[str], None] = print,
    redactor: Redactor | None = None,
    **environment: str,
) -> StoreContext:
    """What a store is opened in, with these variables in the environment."""
    return StoreContext(str(folder), DataLoader(), [environment], warn, redactor or Redactor())
