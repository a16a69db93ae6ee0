# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One task of each module, from its options to its result. Modules and actions call these."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._api.access_tokens_v1 import (
    TokenApiV1,
)
from ansible_collections.community.dynatrace.plugins.module_utils._api.access_tokens_v2 import (
    TokenApiV2,
)
from ansible_collections.community.dynatrace.plugins.module_utils._api.activegate_tokens import (
    ActiveGateTokenApi,
    activegate_api,
)
from ansible_collections.community.dynatrace.plugins.module_utils._api.answers import (
    environment_api,
)
from ansible_collections.community.dynatrace.plugins.module_utils._api.platform_tokens import (
    PlatformTokenApi,
    account_api,
    environment_of_platform,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.client import (
    AudienceOf,
    Http,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    Connection,
    around,
    missing_option,
    parse_connection,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.requests_guard import (
    REQUESTS_IMPORT_ERROR,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.retry import RetryBudget
from ansible_collections.community.dynatrace.plugins.module_utils._long_waits import (
    LongWaits,
    Say,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    OptionError,
    unexpected,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import (
    ACCESS,
    ACTIVEGATE,
    KINDS,
    PERSONAL_ACCESS,
    PLATFORM,
    Kind,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.query import (
    Query,
    asked_kind,
    parse_query,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Redactor
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    parse_identities,
    parse_kind,
    parse_specification,
    parse_specifications,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import utc_now
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    Token,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.apply import (
    reconcile,
    warn_of_skew,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.many import (
    Purge,
    reconcile_all,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import (
    RunContext,
    Store,
    TokenApi,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.report import (
    diff,
    result,
    results,
    retirement,
    summary_line,
    summary_lines,
    usage,
)

Params = t.Mapping[str, t.Any]

_MOST_WORKERS = 64


class Report(t.NamedTuple):
    """What a task has to say: its result, and a line that may always be shown."""

    result: dict[str, t.Any]
    public_line: str


def manage_token(params: Params, context: RunContext) -> Report:
    """One task of ``dynatrace_token``.

    :raises DynatraceError: with a message for the user.
    """
    kind = parse_kind(params)
    apis = apis_for([kind], params, context)
    specification = parse_specification(
        params, utc_now(), context.redactor, context.store.keeps, around(params)
    )
    api = apis[kind]
    try:
        outcome = reconcile(api, specification, context)
    finally:
        warn_of_skew(api, context.warn)
    return Report(
        {**result(outcome, context.return_secret), "diff": diff(outcome.plan)},
        summary_line(outcome, context.check_mode),
    )


def manage_tokens(params: Params, context: RunContext) -> Report:
    """One task of ``dynatrace_token_set``.

    :raises DynatraceError: with a message for the user, and nothing done.
    """
    apis = _apis_of_set(params, context)
    specifications = parse_specifications(
        params["tokens"], utc_now(), context.redactor, context.store.keeps, around(params)
    )
    workers, purge = _parse_workers(params["workers"]), _parse_purge(params, context.store)
    warnings: list[str] = []
    try:
        done, purged = reconcile_all(
            apis,
            specifications,
            dataclasses.replace(context, warn=warnings.append),
            workers,
            purge,
        )
    finally:
        # Not from the threads: Ansible's output is for one at a time.
        for warning in dict.fromkeys(warnings):
            context.warn(warning)
        for api in dict.fromkeys(apis.values()):
            warn_of_skew(api, context.warn)
    line = summary_lines(specifications, done, purged, context.check_mode)
    return Report(results(specifications, done, purged, context.return_secret), line)


def _apis_of_set(params: Params, context: RunContext) -> dict[Kind, TokenApi]:
    """The APIs of the kinds that the specifications name, without any that of access tokens.

    To purge, those of other kinds too, as far as the options suffice for them.
    """
    identities = parse_identities(params["tokens"], around(params))
    kinds = list(dict.fromkeys(one.kind for one in identities)) or [ACCESS]
    if not params["purge"]:
        return apis_for(kinds, params, context)
    apis: dict[Kind, TokenApi] = {}
    for kind in dict.fromkeys([*kinds, *KINDS.values()]):
        tolerated = () if kind in kinds else (OptionError,)
        if kind not in apis:
            with contextlib.suppress(*tolerated):
                apis.update(_open(kind, KINDS.values(), params, context))
    return apis


def apis_for(kinds: t.Sequence[Kind], params: Params, context: RunContext) -> dict[Kind, TokenApi]:
    """The API of each of these kinds; kinds of one API have the same one.

    :raises DynatraceError: if the options cannot work, or there is no library for them.
    """
    apis: dict[Kind, TokenApi] = {}
    for kind in kinds:
        if kind not in apis:
            apis.update(_open(kind, kinds, params, context))
    return apis


def _open(
    kind: Kind, beside: t.Iterable[Kind], params: Params, context: RunContext
) -> dict[Kind, TokenApi]:
    """The API of one kind, under all kinds that it is the API of.

    :param beside: the kinds that the same options are for.
    """
    if not kind.needs_oauth and any(one.needs_oauth for one in beside):
        params = _without_client(params)
    connection = connection_from(params, context.redactor, context.warn, kind)
    api = api_for(connection, context.redactor, context.sleep, kind, context.say)
    return {other: api for other, opens in _OPENS.items() if opens is _OPENS[kind]}


def _without_client(params: Params) -> Params:
    """The options for kinds that take a token too, where another kind needs the OAuth client."""
    if not params["api_token"]:
        return params
    return {**params, "oauth_client_id": None, "oauth_client_secret": None}


def api_for(
    connection: Connection,
    redactor: Redactor,
    sleep: t.Callable[[float], None] = time.sleep,
    kind: Kind = ACCESS,
    say: Say | None = None,
) -> TokenApi:
    """The API of this kind that the connection is for."""
    budget = RetryBudget(
        connection.max_wait, sleep, timeout=connection.timeout, long_waits=LongWaits(say)
    )

    def http_for(audience_of: AudienceOf) -> Http:
        return Http(connection, audience_of, budget, redactor)

    return _OPENS[kind](connection, http_for)


def _open_access_tokens(
    connection: Connection, http_for: t.Callable[[AudienceOf], Http]
) -> TokenApi:
    http = http_for(environment_api)
    return TokenApiV1(http) if connection.api_version == "v1" else TokenApiV2(http)


def _open_platform_tokens(
    connection: Connection, http_for: t.Callable[[AudienceOf], Http]
) -> TokenApi:
    verifier = http_for(environment_of_platform) if connection.environment_url else None
    return PlatformTokenApi(http_for(account_api), verifier)


def _open_activegate_tokens(
    connection: Connection, http_for: t.Callable[[AudienceOf], Http]
) -> TokenApi:
    return ActiveGateTokenApi(http_for(activegate_api))


_OPENS: dict[Kind, t.Callable[[Connection, t.Callable[[AudienceOf], Http]], TokenApi]] = {
    ACCESS: _open_access_tokens,
    PERSONAL_ACCESS: _open_access_tokens,
    PLATFORM: _open_platform_tokens,
    ACTIVEGATE: _open_activegate_tokens,
}


def connection_from(
    params: Params, redactor: Redactor, warn: t.Callable[[str], None], kind: Kind = ACCESS
) -> Connection:
    """The connection from its options, with a warning if they are unwise.

    :param redactor: hides the secrets of the connection from now on.
    :raises DynatraceError: if they cannot work, or there is no library for them.
    """
    _require_requests()
    connection = parse_connection(params, kind)
    redactor.hide(*connection.secrets)
    if connection.token_location == "query":
        warn(
            "token_location: query puts the secret of api_token into addresses, which servers and "
            "proxies write into their logs."
        )
    return connection


def _parse_workers(workers: int) -> int:
    if not 1 <= workers <= _MOST_WORKERS:
        raise OptionError(
            f"workers is {workers}. Give a number of connections from 1 to {_MOST_WORKERS}."
        )
    return workers


def _parse_purge(params: Params, store: Store) -> Purge | None:
    """What may be purged. ``None``: nothing is to be."""
    if params["max_deletes"] < 0:
        raise OptionError(
            f"max_deletes is {params['max_deletes']}. Give how many tokens purge may delete at "
            "most."
        )
    if not params["purge"]:
        return None
    if not store.keeps:
        raise OptionError(
            "purge needs store: it deletes what a store holds and tokens does not name, and "
            "nothing else."
        )
    environment = around(params).environment
    if not environment:
        raise OptionError(f"{missing_option('environment_url')} purge is about an environment.")
    return Purge(environment, int(params["max_deletes"]))


def query_tokens(params: Params, context: RunContext) -> Report:
    """One task of ``dynatrace_token_info``.

    :raises DynatraceError: with a message for the user.
    """
    kind = asked_kind(params) or ACCESS
    api = apis_for([kind], params, context)[kind]
    query = parse_query(params, context.redactor)
    found = [token for token in _candidates(api, query) if query.matches(token, api.now())]
    warn_of_skew(api, context.warn)
    entries = _entries_of(found, around(params).environment, context)
    tokens = [{**usage(token), "retiring": _retirement_of(token, entries)} for token in found]
    return Report({"changed": False, "tokens": tokens}, f"{len(tokens)} tokens")


def _candidates(api: TokenApi, query: Query) -> t.Iterable[Token]:
    if query.token is not None:
        found = api.lookup(query.token)
    elif query.token_id is not None:
        found = api.get(query.token_id)
    else:
        return api.list(query.kind, usage=True, wanted=lambda _id, name: query.is_about(name))
    return [found] if found else []


def _entries_of(
    tokens: t.Iterable[Token], place: str, context: RunContext
) -> dict[Identity, Entry]:
    """The entries of these tokens. A damaged one is left out, with a warning."""
    identities = {Identity(token.place or place, token.name, token.kind) for token in tokens}
    entries = {}
    for entry in context.store.load_existing(identities):
        if isinstance(entry, DynatraceError):
            context.warn(str(entry))
        else:
            entries[entry.identity] = entry
    return entries


def _retirement_of(token: Token, entries: t.Mapping[Identity, Entry]) -> dict[str, t.Any] | None:
    entry = next((one for one in entries.values() if one.retires(token)), None)
    if entry is None:
        return None
    return next(retirement(one) for one in entry.predecessors if one.id == token.id)


def run_module(module: t.Any, perform: t.Callable[[Params, RunContext], Report]) -> None:
    """One task on a host: where its action cannot run it in process. Ends the process.

    :param module: Ansible's part of it, with its parameters. Its ``reveal``, if it has one, says
        whether the secret may leave the host.
    """
    reveal = bool(module.params.get("reveal"))
    context = RunContext(
        check_mode=module.check_mode,
        return_secret=reveal,
        secret_has_receiver=reveal,
        warn=module.warn,
    )
    try:
        report = perform(module.params, context)
    except DynatraceError as error:
        module.fail_json(msg=context.redactor.text(str(error)))
    except Exception as error:
        module.fail_json(msg=context.redactor.text(str(unexpected(error))))
    module.exit_json(**report.result, public_line=report.public_line)


def _require_requests() -> None:
    if REQUESTS_IMPORT_ERROR is not None:
        raise DynatraceError(
            f"The Python library requests is missing for {sys.executable}. Install it there (pip "
            "install requests), "
            "or run the task where it is (delegate_to: localhost)."
        )
