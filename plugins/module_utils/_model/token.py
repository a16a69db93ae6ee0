# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Dynatrace says of a token, and the names that tokens carry while they are being issued."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t

_PENDING = " ~pending-"
_ID = re.compile(r"[A-Za-z0-9._~:=+@-]{1,200}")


@dataclasses.dataclass(frozen=True)
class Token:
    """One access token, without its secret. A token that is only planned has no id."""

    id: str | None
    name: str
    enabled: bool
    scopes: tuple[str, ...]  # sorted
    personal_access_token: bool = False
    expires: dt.datetime | None = None  # None: never
    owner: str | None = None
    created: dt.datetime | None = None
    modified: dt.datetime | None = None
    last_used: dt.datetime | None = None
    last_used_ip: str | None = None
    made_by_product: bool = False
    complete: bool = True  # whether Dynatrace told both enabled and scopes, without which an update could take one away

    def is_called(self, name: str, personal_access_token: bool) -> bool:
        """Whether it is of this name and kind, its provisional name counted, and not made by the product for itself."""
        return (
            (self.name == name or is_provisional_of(self.name, name))
            and self.personal_access_token == personal_access_token
            and not self.made_by_product
        )

    def ended(self, now: dt.datetime) -> bool:
        return self.expires is not None and self.expires <= now


def is_token_id(text: str) -> bool:
    """Whether the text can be an id, and so a part of an address. Documented ids are dt0c01.PUBLIC, or UUIDs in the API v1."""
    return _ID.fullmatch(text) is not None and text not in (".", "..")


def sorted_scopes(scopes: t.Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(scopes)))


def kind_name(personal_access_token: bool) -> str:
    return "personal access token" if personal_access_token else "API token"


def provisional_name(name: str, nonce: str) -> str:
    """The name of a token between its creation and the moment its secret is safe."""
    return f"{name}{_PENDING}{nonce}"


def is_provisional(name: str) -> bool:
    return _PENDING in name


def is_provisional_of(provisional: str, name: str) -> bool:
    return provisional.startswith(name + _PENDING)


def final_name(name: str) -> str:
    """The name that the token of this name has, or is to have when it is issued."""
    return name.partition(_PENDING)[0]
