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


class Identity(t.NamedTuple):
    """Which token a task is about."""

    place: str  # the key of the environment, or of the resources of a platform token
    name: str
    kind: Kind


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
    place: str | None = None  # None: that of the API that told of it
    resources: tuple[str, ...] = ()  # sorted
    tags: tuple[str, ...] = ()
    user_uuid: str | None = None
    activegate_type: str | None = None  # None: not told
    seed: bool | None = None
    # Whether Dynatrace told both enabled and scopes: an update without them could take one away.
    complete: bool = True

    def is_of(self, identity: Identity) -> bool:
        """Whether it is a token of this identity, and was not made by the product for itself."""
        is_here = self.place in (None, identity.place)
        is_named = self.name == identity.name and self.kind is identity.kind
        return is_here and is_named and not self.made_by_product

    def becomes(self, identity: Identity) -> bool:
        """The same, where a provisional name counts as the name that it becomes."""
        if is_provisional_of(self.name, identity.name):
            return self.is_of(identity._replace(name=self.name))
        return self.is_of(identity)

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
