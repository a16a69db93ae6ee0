# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the option store to the store that it means."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._http.address import (
    check_socks,
    login_of,
    parse_proxy,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    environment_key,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    HIDDEN,
    Redactor,
    Secret,
    looks_like_secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    FILE_STORE_OPTIONS,
    HASHI_VAULT_ENVIRONMENT,
    HASHI_VAULT_STORE_OPTIONS,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import NoStore, Store
from ansible_collections.community.dynatrace.plugins.plugin_utils._resolve import (
    Environment,
    first,
    proxy_for,
    validated,
    without_blanks,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.ansible_vault import (
    AnsibleVault,
    vault_secrets,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.file import FileStore
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.hashi_vault import (
    HashiVaultStore,
)

_LONGEST_PATH = 1000  # the folders of a path are made by a function that calls itself for each
_TYPES = {"file": FILE_STORE_OPTIONS, "hashi_vault": HASHI_VAULT_STORE_OPTIONS}
_SECRET_OPTIONS = [
    name for options in _TYPES.values() for name, option in options.items() if option.get("no_log")
]


def open_store(
    option: t.Any,
    environment_url: str,
    folder: str,
    loader: t.Any,
    environments: t.Sequence[Environment],
    warn: t.Callable[[str], None],
    redactor: Redactor,
) -> Store:
    """The store that the option means. Nothing is read or written yet.

    :param option: a path, a dictionary, or one as JSON.
    :param folder: what a relative path is relative to.
    :param loader: Ansible's, which knows the vault secrets.
    :param redactor: hides the secrets that the store is opened with.
    :raises OptionError: naming what cannot work.
    """
    given = without_blanks(_as_dict(option))
    if not given:
        return NoStore()
    kind = given.pop("type", None)
    if not isinstance(kind, str) or kind not in _TYPES:
        said = repr(kind) if isinstance(kind, str) or kind is None else f"a {type(kind).__name__}"
        raise OptionError(
            f"store: its type is {said}. Give the path of a folder, or a dictionary with type: file or type: hashi_vault."
        )
    _check_public(given)
    environment = environment_key(environment_url)
    if kind == "file":
        return _file_store(
            validated(given, FILE_STORE_OPTIONS, "store: "), environment, folder, loader, warn
        )
    from_environment = {
        name: first(variables, environments) for name, variables in HASHI_VAULT_ENVIRONMENT.items()
    }
    options = validated(
        {**_without_none(from_environment), **given}, HASHI_VAULT_STORE_OPTIONS, "store: "
    )
    proxy = proxy_for(options["url"] or "", environments)
    check_socks("proxy", parse_proxy("proxy", proxy))
    redactor.hide(login_of(proxy))
    return HashiVaultStore(options, environment, proxy, redactor)


def _file_store(
    options: t.Mapping[str, t.Any],
    environment: str,
    folder: str,
    loader: t.Any,
    warn: t.Callable[[str], None],
) -> FileStore:
    if not options["path"] or not options["path"].isprintable():
        raise OptionError(
            "store: path is empty, or has a character that cannot be shown. Give the path of a folder."
        )
    if len(options["path"]) > _LONGEST_PATH:
        raise OptionError(
            f"store: path has more than {_LONGEST_PATH} characters. Give the path of a folder."
        )
    path = os.path.normpath(os.path.join(folder, os.path.expanduser(options["path"])))
    vault = AnsibleVault(vault_secrets(loader), options["encrypt_vault_id"])
    return FileStore(path, environment, vault, options["encrypt"], warn)


def _check_public(given: t.Mapping[str, t.Any]) -> None:
    """What is no secret becomes a name of a folder, or a part of an address."""
    for name, value in given.items():
        if name not in _SECRET_OPTIONS and looks_like_secret(str(value)):
            raise OptionError(
                f"store: {name}: the value is, or holds, the secret of a token. It is not shown here."
            )


def known_secrets(
    params: t.Mapping[str, t.Any], options: t.Mapping[str, t.Mapping[str, t.Any]]
) -> list[Secret]:
    """The secrets that stand in these options, those in store and in the options of options among them."""
    names = [name for name, option in options.items() if option.get("no_log")]
    own = [Secret(str(params[name])) for name in names if params.get(name)] + _secrets_in(
        params.get("store")
    )
    login = login_of(params.get("proxy"))
    own += [login] if login else []
    nested = [
        (given, option["options"])
        for name, option in options.items()
        if "options" in option
        for given in _dicts(params.get(name))
    ]
    return own + [secret for given, inner in nested for secret in known_secrets(given, inner)]


def _dicts(value: t.Any) -> list[t.Mapping[str, t.Any]]:
    return (
        [one for one in value if isinstance(one, t.Mapping)]
        if isinstance(value, (list, tuple))
        else []
    )


def _secrets_in(store: t.Any) -> list[Secret]:
    try:
        given = _as_dict(store)
    except OptionError:
        return []
    return [Secret(str(given[name])) for name in _SECRET_OPTIONS if given.get(name)]


def without_secrets(option: t.Any) -> t.Any:
    """The option with its secrets hidden; all of it where it cannot be read."""
    try:
        given = _as_dict(option)
    except OptionError:
        return HIDDEN
    if not any(given.get(name) for name in _SECRET_OPTIONS):
        return option
    return {name: HIDDEN if name in _SECRET_OPTIONS else value for name, value in given.items()}


def _as_dict(option: t.Any) -> dict[str, t.Any]:
    if not option:
        return {}
    if isinstance(option, str) and option.lstrip().startswith("{"):
        try:
            option = json.loads(option)
        except (ValueError, RecursionError):
            raise OptionError(
                "store: it begins like JSON and is none. Give the path of a folder, or a dictionary."
            ) from None
    if isinstance(option, str):
        return {"type": "file", "path": option}
    if not isinstance(option, t.Mapping) or not all(isinstance(name, str) for name in option):
        raise OptionError("store: it is neither the path of a folder nor a dictionary of options.")
    return dict(option)


def _without_none(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {name: value for name, value in options.items() if value is not None}
