# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._api.answers import (
    environment_api,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.client import Http
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    Connection,
    parse_connection,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.retry import RetryBudget
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Entry,
    Intent,
    Predecessor,
    Sealed,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import ACCESS
from ansible_collections.community.dynatrace.plugins.module_utils._model.query import (
    Query,
    parse_query,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    Around,
    Specification,
    parse_specification,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    Token,
    is_provisional,
)
from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    CONNECTION_OPTIONS,
    QUERY_OPTIONS,
    TOKEN_SPECIFICATION_OPTIONS,
)
from ansible_collections.community.dynatrace.plugins.module_utils._plan.found import (
    Found,
    sort_out,
)
from ansible_collections.community.dynatrace.plugins.module_utils._plan.plan import (
    Issue,
    Plan,
    Save,
    make_plan,
)

NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.timezone.utc)
DAY = dt.timedelta(days=1)

URL = "https://abc12345.live.dynatrace.com"
PUBLIC_PART = "dt0c01.PUBLICPART"
SECRET_PART = "S3CR3TS3CR3T"
DOTTED_SECRET = f"{PUBLIC_PART}.{SECRET_PART}"
UNDOTTED_SECRET = "0ldF0rmat-S3CR3T-21ch"

INTENT = Intent("0123456789abcdef", NOW)
OWN = "the id in the entry"
PLACE = "abc12345"
REPORTS = Identity(PLACE, "reports", ACCESS)


def a_token(**facts: t.Any) -> Token:
    """A live token named reports, unless the facts say otherwise."""
    usual: dict[str, t.Any] = {
        "id": "dt0c01.ID",
        "name": "reports",
        "enabled": True,
        "scopes": ("metrics.read",),
    }
    return Token(**{**usual, **facts})


# What is asked for in a creation.
CI = Token(id=None, name="ci", enabled=True, scopes=("metrics.read",))


def an_entry(**facts: t.Any) -> Entry:
    """What a store holds of the token named reports, and that is its secret, unless the facts
    say otherwise."""
    usual: dict[str, t.Any] = {
        "identity": REPORTS,
        "id": PUBLIC_PART,
        "secret": Sealed("sealed"),
    }
    return Entry(**{**usual, **facts})


def due(*token_ids: str) -> tuple[Predecessor, ...]:
    """What a store holds of predecessors whose time is over."""
    return tuple(Predecessor(token_id, NOW) for token_id in token_ids)


def a_specification(stored: bool = False, **options: t.Any) -> Specification:
    """That the token named reports is to have the scope metrics.read, unless the options say
    otherwise."""
    usual = {
        **_defaults(TOKEN_SPECIFICATION_OPTIONS),
        "name": "reports",
        "scopes": ["metrics.read"],
    }
    return parse_specification(
        {**usual, **options},
        NOW,
        Redactor(Secret(DOTTED_SECRET), Secret(UNDOTTED_SECRET)),
        stored,
        Around(PLACE),
    )


def a_query(**options: t.Any) -> Query:
    return parse_query({**_defaults(QUERY_OPTIONS), **options}, Redactor(Secret(UNDOTTED_SECRET)))


def a_connection(**options: t.Any) -> Connection:
    return parse_connection(
        {
            **_defaults(CONNECTION_OPTIONS),
            "environment_url": URL,
            "api_token": DOTTED_SECRET,
            **options,
        }
    )


def http_for(connection: Connection) -> Http:
    """Requests to the environment of this connection, each sent once."""
    return Http(connection, environment_api, RetryBudget(0))


def find(
    tokens: t.Iterable[Token],
    specification: Specification,
    held_id: str | None = None,
    entry: Entry | None = None,
    kept_id: str | None = OWN,
) -> Found:
    """What bears on the specification, as a listing or, by id, a single read would give it.

    :param kept_id: the id of the token that the secret in the entry belongs to.
    """
    stored, entry = entry is not None, entry or Entry(specification.identity)
    known = {"held_id": held_id, "kept_id": entry.id if kept_id == OWN else kept_id}
    if specification.token_id is not None:
        of_id = tuple(token for token in tokens if token.id == specification.token_id)
        role = "expired" if any(token.has_expired(NOW) for token in of_id) else "live"
        return Found(entry, **{role: of_id}, **known, stored=stored)
    listed = [token for token in tokens if token.becomes(specification.identity)]
    found = sort_out(listed, NOW, entry, entry.predecessors)
    return dataclasses.replace(found, **known, stored=stored)


def a_plan(
    tokens: t.Iterable[Token],
    held_id: str | None = None,
    entry: Entry | None = None,
    kept_id: str | None = OWN,
    **options: t.Any,
) -> Plan:
    """The plan for these tokens, with a store where there is an entry of one."""
    specification = a_specification(stored=entry is not None, **options)
    return make_plan(find(tokens, specification, held_id, entry, kept_id), specification, NOW)


def leftovers_of(plan: Plan) -> tuple[Token, ...]:
    """The tokens that an earlier run left under a provisional name, and that the plan deletes."""
    ours = (one for one in plan.deleted if is_provisional(one.name))
    return tuple(one for one in ours if one != plan.before)


def deleted_by(plan: Plan) -> tuple[Token, ...]:
    """The other tokens that the plan deletes."""
    return tuple(one for one in plan.deleted if one not in leftovers_of(plan))


def disabled_by(plan: Plan) -> tuple[Token, ...]:
    return tuple(step.token for step in plan.retired if step.action == "disabled")


def replaced_by(plan: Plan) -> tuple[Token, ...]:
    return plan.issue.replaced if plan.issue else ()


def adopts(plan: Plan) -> bool:
    """Whether the plan puts the caller's secret into the store."""
    saves = [step for step in plan.steps if isinstance(step, Save)]
    return any(step.entry.secret == Secret(DOTTED_SECRET) for step in saves)


def seals(plan: Plan) -> bool:
    """Whether the plan writes a secret into the store."""
    return adopts(plan) or any(isinstance(step, Issue) for step in plan.steps)


def refusal(parse: t.Callable[[], t.Any]) -> str | None:
    """What the OptionError says that this raises; None where it raises none."""
    try:
        parse()
    except OptionError as error:
        return str(error)
    return None


def _defaults(options: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    return {name: option.get("default") for name, option in options.items()}
