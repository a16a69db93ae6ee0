# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One task of each module, from its options to its result. The module and the action both call these."""

from __future__ import annotations

import sys
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._api_v2 import TokenApiV2
from ansible_collections.community.dynatrace.plugins.module_utils._connection import parse_connection
from ansible_collections.community.dynatrace.plugins.module_utils._errors import DynatraceError
from ansible_collections.community.dynatrace.plugins.module_utils._http import Http
from ansible_collections.community.dynatrace.plugins.module_utils._query import Query, parse_query
from ansible_collections.community.dynatrace.plugins.module_utils._reconcile import reconcile, warn_of_skew
from ansible_collections.community.dynatrace.plugins.module_utils._report import public_line, result, usage
from ansible_collections.community.dynatrace.plugins.module_utils._requests import REQUESTS_IMPORT_ERROR
from ansible_collections.community.dynatrace.plugins.module_utils._runtime import Runtime
from ansible_collections.community.dynatrace.plugins.module_utils._specification import parse_specification
from ansible_collections.community.dynatrace.plugins.module_utils._time import utc_now
from ansible_collections.community.dynatrace.plugins.module_utils._token import Token

Params = t.Mapping[str, t.Any]


class Report(t.NamedTuple):
    """What a task has to say: its result, and a line that may always be shown."""

    result: dict[str, t.Any]
    public_line: str


def manage_token(params: Params, runtime: Runtime) -> Report:
    """One task of ``dynatrace_token``.

    :raises DynatraceError: with a message for the user.
    """
    _require_requests()
    connection = parse_connection(params)
    known_secrets = [connection.api_token, *runtime.store.secrets]
    specification = parse_specification(params, utc_now(), known_secrets, stored=runtime.store.keeps)
    outcome = reconcile(TokenApiV2(Http(connection)), specification, runtime)
    return Report(result(outcome, runtime.hands_out), public_line(outcome, runtime.check_mode))


def query_tokens(params: Params, runtime: Runtime) -> Report:
    """One task of ``dynatrace_token_info``.

    :raises DynatraceError: with a message for the user.
    """
    _require_requests()
    connection = parse_connection(params)
    query = parse_query(params, [connection.api_token])
    api = TokenApiV2(Http(connection))
    tokens = [usage(token) for token in _candidates(api, query) if query.matches(token, api.now())]
    warn_of_skew(api, runtime.warn)
    return Report({"changed": False, "tokens": tokens}, f"{len(tokens)} tokens")


def _candidates(api: TokenApiV2, query: Query) -> t.Iterable[Token]:
    if query.token is not None:
        found = api.lookup(query.token)
    elif query.token_id is not None:
        found = api.get(query.token_id)
    else:
        return api.list(query.personal_access_token, usage=True)
    return [found] if found else []


def _require_requests() -> None:
    if REQUESTS_IMPORT_ERROR is not None:
        raise DynatraceError(
            f"The Python library requests is missing for {sys.executable}. Install it there (pip install requests), "
            "or run the task where it is (delegate_to: localhost)."
        )
