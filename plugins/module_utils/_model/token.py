# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Dynatrace tells about a token, and the names of tokens that are being issued."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import ACCESS, Kind

_PROVISIONAL = " ~pending-"
_ID = re.compile(r"[A-Za-z0-9._~:=+@-]{1,200}")


@dataclasses.dataclass(frozen=True)
class Token:
    """One token, without its secret. A planned token has no id."""

    id: str | None
    name: str
    enabled: bool
    scopes: tuple[str, ...]  # sorted
    kind: Kind = ACCESS
    expires: dt.datetime | None = None  # None: never
    owner: str | None = None
    created: dt.datetime | None = None
    modified: dt.datetime | None = None
    last_used: dt.datetime | None = None
    last_used_ip: str | None = None
    made_by_product: bool = False
    # Whether Dynatrace told both enabled and scopes: an update without them could take one away.
    complete: bool = True

    def has_name_and_kind(self, name: str, kind: Kind) -> bool:
        """Whether it has exactly this name and kind, and was not made by the product for itself."""
        return self.name == name and self.kind is kind and not self.made_by_product

    def has_final_name(self, name: str, kind: Kind) -> bool:
        """The same, where a provisional name counts as the name that it becomes."""
        return self.has_name_and_kind(name, kind) or (
            is_provisional_of(self.name, name) and self.has_name_and_kind(self.name, kind)
        )

    def has_expired(self, now: dt.datetime) -> bool:
        return self.expires is not None and self.expires <= now


def is_token_id(text: str) -> bool:
    """Whether the text can be an id, and so a part of an address.

    Documented: ids are dt0c01.PUBLIC, or UUIDs in the API v1.
    """
    return _ID.fullmatch(text) is not None and text not in (".", "..")


def sorted_scopes(scopes: t.Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(scopes)))


def provisional_name(name: str, nonce: str) -> str:
    """The name of a token between its creation and the moment its secret is saved."""
    return f"{name}{_PROVISIONAL}{nonce}"


def is_provisional(name: str) -> bool:
    return _PROVISIONAL in name


def is_provisional_of(provisional: str, name: str) -> bool:
    return provisional.startswith(name + _PROVISIONAL)


def final_name(name: str) -> str:
    """The name itself, or the one that a provisional name becomes."""
    return name.partition(_PROVISIONAL)[0]
