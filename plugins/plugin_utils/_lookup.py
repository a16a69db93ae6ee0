# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work of the lookup: reads tokens from a store, and on request asks Dynatrace about them."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    around,
    missing_option,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    OptionError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    check_name,
    check_public,
    parse_identity,
    parse_kind,
    parse_scopes,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Token,
)
from ansible_collections.community.dynatrace.plugins.module_utils._options import LOOKUP_OPTIONS
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Store, TokenApi
from ansible_collections.community.dynatrace.plugins.module_utils._run.report import metadata
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import (
    api_for,
    connection_from,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._masking import mask
from ansible_collections.community.dynatrace.plugins.plugin_utils._resolve import resolve_options
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import (
    StoreContext,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import (
    known_secrets,
    store_from,
)

Params = t.Mapping[str, t.Any]


_IF_MISSING = (
    "Issue it with dynatrace_token and this store, or say on_missing: skip. "
    "In check mode, a token that the play would issue is not in the store yet: "
    "say when: not ansible_check_mode in the task that uses it."
)


class _Missing(Exception):
    """That there is no such token, and where not."""


def read_tokens(
    terms: t.Sequence[t.Any],
    given: Params,
    loader: t.Any,
    warn: t.Callable[[str], None],
    say: t.Callable[[str], None],
    redactor: Redactor,
    store_variables: t.Mapping[str, str],
) -> list[t.Any]:
    """What the lookup returns for these names.

    :param store_variables: where options of the store are looked for before the environment.
    :raises DynatraceError: if an option cannot work, or a token is missing or cannot be used.
    """
    params = resolve_options(given, LOOKUP_OPTIONS, [os.environ])
    scopes = parse_scopes(params["scopes"])
    if scopes and not params["verify"]:
        raise OptionError(
            "scopes: they can only be checked with verify: true, because the store's own note of "
            "them may be outdated."
        )
    redactor.hide(*known_secrets(params, LOOKUP_OPTIONS))
    context = StoreContext(
        loader.get_basedir(), loader, [store_variables, os.environ], warn, redactor
    )
    store = _open(params, context)
    api = None
    if params["verify"]:
        kind = parse_kind(params)
        api = api_for(connection_from(params, redactor, warn, kind), redactor, kind=kind, say=say)
    found = []
    for term in terms:
        try:
            found.append(_read(_name(term, redactor), params, store, api, scopes or ()))
        except _Missing as missing:
            if params["on_missing"] == "error":
                raise DynatraceError(f"{missing} {_IF_MISSING}") from None
            if params["on_missing"] == "warn":
                warn(str(missing))
    return found


def _open(params: Params, context: StoreContext) -> Store:
    if not params["environment_url"] and not params["resources"]:
        raise OptionError(missing_option("environment_url"))
    store = store_from(params["store"], context)
    if not store.keeps:
        raise OptionError(
            "store is missing. Give the option, or set the environment variable "
            "DYNATRACE_TOKEN_STORE."
        )
    return store


def _name(term: t.Any, redactor: Redactor) -> str:
    if isinstance(term, (bool, t.Mapping, list, tuple)) or term is None:
        raise OptionError(
            f"The name of a token is text, and one of those given is {type(term).__name__}. Give "
            "each name by itself."
        )
    name = str(term)
    check_public({"name": name}, redactor)
    check_name(name)
    return name


def _read(
    name: str, params: Params, store: Store, api: TokenApi | None, scopes: tuple[str, ...]
) -> t.Any:
    entry = store.load(parse_identity({**params, "name": name}, around(params)))
    if entry.id is None:
        raise _missing(entry, store)
    secret = store.unseal(entry) if api is not None or params["return"] == "secret" else None
    token = _verify(entry, secret, api, scopes) if api is not None and secret is not None else None
    if params["return"] == "id":
        return entry.id
    if params["return"] == "metadata":
        return metadata(token) if token else _noted(entry)
    return mask(secret.reveal()) if secret else None


def _missing(entry: Entry, store: Store) -> _Missing:
    reason = entry.why_empty or store.describe(entry.identity)
    return _Missing(
        f"The store holds no token named {entry.name!r} of this environment and kind ({reason})."
    )


def _verify(entry: Entry, secret: Secret, api: TokenApi, scopes: tuple[str, ...]) -> Token:
    token = api.lookup(secret) if entry.kind.is_looked_up else api.get(entry.id or "")
    label = f"The token {entry.name!r} ({entry.id})"
    if token is None:
        raise _Missing(
            f"{label}, whose secret the store holds, is not known to Dynatrace any more."
        )
    if token.id != entry.id:
        raise DynatraceError(
            f"{label}: the secret in the store is that of another token, {token.id}. Remove the "
            "entry and issue anew."
        )
    if not token.enabled:
        raise DynatraceError(
            f"{label} is disabled. Enable it with dynatrace_token and enabled: true."
        )
    if token.has_expired(api.now()):
        raise DynatraceError(f"{label} has expired. Run dynatrace_token, which issues a new one.")
    lacking = sorted(set(scopes).difference(token.scopes))
    if lacking:
        raise DynatraceError(
            f"{label} lacks the scope {', '.join(lacking)}. Give it with dynatrace_token."
        )
    return token


def _noted(entry: Entry) -> dict[str, t.Any]:
    """The public facts as far as the store knows them."""
    token = Token(
        entry.id,
        entry.name,
        False,
        entry.scopes,
        entry.kind,
        entry.expires,
        created=entry.created,
    )
    return {**metadata(token), "enabled": None}
