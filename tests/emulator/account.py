# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One Dynatrace account: its environments, OAuth clients and platform tokens, and what tests set
and read for all of them together: the clock, the faults, the log of requests.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
import uuid

import moments
from faults import Faults
from problems import bad_body

if t.TYPE_CHECKING:
    from door import Door
    from environment import Bearer, Environment
    from platform_tokens import PlatformToken


@dataclasses.dataclass
class Client:
    """An OAuth client."""

    id: str
    secret: str
    scopes: list[str]
    owner: str
    subject: str  # the UUID of its user


@dataclasses.dataclass
class AccountBehaviour:
    """What is not known for sure of the account's APIs, as seen live or else as documented."""

    # The listing of platform tokens
    paging: str = "page"  # page and size; "pageNumber": pageNumber from 0 and pageSize; "ignored"
    page_cap: int | None = None  # the most entries of a page
    total_changes: bool = False  # total grows by one from page to page
    status_of_expired: str = "ACTIVE"
    entries_without: list[str] = dataclasses.field(
        default_factory=lambda: ["description", "tags", "userUuid"]
    )  # the properties that entries lack; "status" is another candidate
    metadata_of_unused: str = "null"  # its values are null; "empty": {}; "missing"
    milliseconds: bool = True  # whether expiration dates keep them

    # Creation and changes
    token_ids: str = "other"  # ids look like the secret's prefix, but are not; "prefix"; "uuid"
    all_fields_required: bool = False  # all six, as in the specification
    user_uuid_required: bool = False
    checks_resources: bool = True  # whether an environment of another account is refused
    empty_status: int = 200  # of the answers to PUT and DELETE; or 204


class Account:
    def __init__(self) -> None:
        self.uuid = str(uuid.uuid4())
        self.environments: dict[str, Environment] = {}
        self.clients: dict[str, Client] = {}
        self.bearers: dict[str, Bearer] = {}  # by their secrets
        self.platform_tokens: dict[str, PlatformToken] = {}  # in the order of the listing
        self.listing_changes: list[dict[str, t.Any]] = []
        self.listings = 0  # how often a page was asked for since the changes were set
        self.behaviour = AccountBehaviour()
        self.secrets: dict[
            str, None
        ] = {}  # all that were ever issued, for tests that look for leaks
        self.requests: list[dict[str, t.Any]] = []
        self.faults = Faults()
        self.door: Door | None = None
        self._ahead = dt.timedelta(0)

    @property
    def urn(self) -> str:
        return f"urn:dtaccount:{self.uuid}"

    @property
    def resources(self) -> set[str]:
        """The account and its environments, as grants and platform tokens name them."""
        return {self.urn, *(environment.urn for environment in self.environments.values())}

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.timezone.utc) + self._ahead

    def set_clock(self, body: t.Mapping[str, t.Any]) -> None:
        """Let it be that moment, given as the API takes moments; the clock goes on from there."""
        moment = moments.parse(str(body.get("now")), self.now())
        if moment is None:
            raise bad_body("now", "not a valid time")
        self._ahead += moment - self.now()
