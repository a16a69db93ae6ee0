# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What both versions of the token API have in common."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
import urllib.parse

from ansible_collections.community.dynatrace.plugins.module_utils._errors import RequestFailed
from ansible_collections.community.dynatrace.plugins.module_utils._plan import Plan
from ansible_collections.community.dynatrace.plugins.module_utils._secret import Secret, looks_like_secret
from ansible_collections.community.dynatrace.plugins.module_utils._time import Period
from ansible_collections.community.dynatrace.plugins.module_utils._token import Token, is_token_id

Wanted = t.Callable[[str, str], bool]


@dataclasses.dataclass(frozen=True)
class Issued:
    """What the API answers to a creation; the secret is in this answer and nowhere else, ever."""

    id: str
    secret: Secret
    expires: dt.datetime | None


class TokenReader(t.Protocol):
    """What finding and planning need. Every operation may raise ``RequestFailed``."""

    def now(self) -> dt.datetime:
        """The server's clock."""

    def caller_id(self) -> str | None:
        """The id of the calling token; None where Dynatrace does not tell, or it is a platform token or an OAuth client."""

    def called(self, name: str, personal_access_token: bool) -> t.Sequence[Token]:
        """The tokens of this name and kind, those among them that are being issued."""

    def get(self, token_id: str) -> Token | None:
        """The token of this id, None where there is none."""

    def lookup(self, secret: Secret) -> Token | None:
        """The token that this secret belongs to; None where Dynatrace knows none."""

    def lacks(self, plan: Plan) -> str | None:
        """What this version of the API cannot do of the plan, None where it can do all."""


class TokenApi(TokenReader, t.Protocol):
    """The operations. Every one may raise ``RequestFailed``."""

    def skew(self) -> dt.timedelta:
        """How far the server's clock is ahead of this machine's."""

    def for_thread(self) -> TokenApi:
        """The same for another thread."""

    def list(self, personal_access_token: bool | None = None, usage: bool = False, wanted: Wanted | None = None) -> t.Iterator[Token]:
        """All tokens; of one kind, if it is given.

        :param usage: whether it is to be told how they have been used.
        :param wanted: whether a token of this id and name is one of them. What is not wanted costs next to nothing.
        """

    def create(self, name: str, scopes: t.Sequence[str], expires: Period | dt.datetime | None, personal_access_token: bool) -> Issued:
        """Issue a token."""

    def update(self, token_id: str, name: str, enabled: bool, scopes: t.Sequence[str]) -> None:
        """Replace all that can be changed. Documented: the scopes are replaced as a whole."""

    def delete(self, token_id: str) -> None:
        """Delete a token; one that is gone already is no error."""

    def lookup_itself(self, secret: Secret) -> Token | None:
        """As ``lookup``, but called with this very token. Documented: any scope suffices."""


def an_object(what: str, data: t.Any) -> dict[str, t.Any]:
    if not isinstance(data, dict):
        raise RequestFailed(f"Dynatrace's answer is not {what}. Is environment_url that of an environment?", maybe_done=True)
    return data


def path_of(collection: str, token_id: str) -> str:
    # Documented: DELETE takes a whole secret in the address too, where it must never stand.
    if not is_token_id(token_id) or looks_like_secret(token_id):
        raise RequestFailed("Dynatrace gave an id for a token that cannot be one, so no request was made with it.")
    return f"{collection}/{urllib.parse.quote(token_id, safe='')}"
