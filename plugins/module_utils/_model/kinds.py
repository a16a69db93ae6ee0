# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kinds of tokens: values that say what can be done with a token. All other code asks them."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.time import Period

# How a new token is told apart until its secret is saved: by a provisional name, by an expiration
# date that only it has, or by the ids that the tokens of its name had before.
Mark = t.Literal["name", "expiration_date", "ids"]

# The options that only some kinds have.
ATTRIBUTES = ("resources", "tags", "user_uuid", "activegate_type", "seed")


@dataclasses.dataclass(frozen=True, eq=False)
class Kind:
    """One kind of token. Names of attributes are those of options and results."""

    option: str  # how options and stores name it
    words: str  # how messages name it
    suffix: str = ""  # of the names of its entries in a store
    has: frozenset[str] = frozenset({"scopes", "enabled"})
    changes: frozenset[str] = frozenset({"name", "scopes", "enabled"})  # of an existing token
    tells: frozenset[str] = frozenset({"owner", "creation_date"})  # in a listing
    marked_by: Mark = "name"
    personal: bool = False
    needs_oauth: bool = False  # whether its API takes no other caller than an OAuth client
    is_looked_up: bool = True  # whether Dynatrace tells whose a secret is
    expired_count: bool = False  # whether expired tokens count against a limit
    longest_life: Period | None = None

    def __repr__(self) -> str:
        return f"<{self.option}>"


# Documented: an expiration date cannot be changed.
ACCESS = Kind("access", "API token")
PERSONAL_ACCESS = Kind("personal_access", "personal access token", suffix=".pat", personal=True)

# Documented: neither its name nor its scopes can be changed, and there is no lookup. Seen in
# practice: a listing has neither owner nor creation date, and expired tokens count until they are
# deleted.
PLATFORM = Kind(
    "platform",
    "platform token",
    suffix=".platform",
    has=frozenset({"scopes", "enabled", "resources", "tags", "user_uuid"}),
    changes=frozenset({"enabled", "expiration_date"}),
    tells=frozenset(),
    marked_by="expiration_date",
    needs_oauth=True,
    is_looked_up=False,
    expired_count=True,
)

# Documented: it lives two years at most, and nothing of it can be changed.
ACTIVEGATE = Kind(
    "activegate",
    "ActiveGate token",
    suffix=".activegate",
    has=frozenset({"activegate_type", "seed"}),
    changes=frozenset(),
    marked_by="expiration_date",
    is_looked_up=False,
    longest_life=Period(2, "y"),
)

KINDS = {kind.option: kind for kind in (ACCESS, PERSONAL_ACCESS, PLATFORM, ACTIVEGATE)}


def access_kind(personal_access_token: bool) -> Kind:
    """The kind that the option ``personal_access_token`` means."""
    return PERSONAL_ACCESS if personal_access_token else ACCESS
