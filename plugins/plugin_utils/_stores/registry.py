# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The types of stores, and from the option store to the store that it means."""

from __future__ import annotations

import difflib
import itertools
import json
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._http.address import login_of
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    HIDDEN,
    Secret,
    looks_like_secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import NoStore, Store
from ansible_collections.community.dynatrace.plugins.plugin_utils._resolve import (
    first,
    validated,
    without_blanks,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores import (
    aws_secrets_manager,
    file,
    hashi_vault,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import (
    StoreContext,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.kept import EntryStore

Options = t.Mapping[str, t.Any]

_VARIABLES = "ansible_hashi_vault_"


class StoreType(t.NamedTuple):
    """A type of store, as the option ``store`` names it."""

    options: t.Mapping[str, t.Mapping[str, t.Any]]
    environment: t.Mapping[str, t.Sequence[str]]  # variables that stand in for options, in order
    open: t.Callable[[Options, StoreContext], EntryStore]  # reads and writes nothing yet


TYPES = {
    "file": StoreType(file.OPTIONS, {}, file.open_file_store),
    "hashi_vault": StoreType(
        hashi_vault.OPTIONS, hashi_vault.ENVIRONMENT, hashi_vault.open_hashi_vault
    ),
    "aws_secrets_manager": StoreType(
        aws_secrets_manager.OPTIONS,
        aws_secrets_manager.ENVIRONMENT,
        aws_secrets_manager.open_aws_secrets_manager,
    ),
}


def store_from(option: t.Any, context: StoreContext) -> Store:
    """The store that the option means. Nothing is read or written yet.

    :param option: a path, a dictionary, or one as JSON.
    :raises OptionError: naming what cannot work.
    """
    given = without_blanks(_as_dict(option))
    if not given:
        return NoStore()
    store_type = _type_of(given.pop("type", _default_type(given)))
    _check_names(given, store_type)
    _check_public(given)
    from_environment = {
        name: first(variables, context.environments)
        for name, variables in store_type.environment.items()
    }
    completed = {**without_blanks(from_environment), **given}
    return store_type.open(validated(completed, store_type.options, "store: "), context)


def variables_as_environment(
    variables: Options, template: t.Callable[[t.Any], t.Any]
) -> dict[str, str]:
    """The variables of community.hashi_vault, under the names of its environment variables."""
    given = {
        name.upper(): template(value)
        for name, value in variables.items()
        if name.startswith(_VARIABLES)
    }
    return {name: str(value) for name, value in given.items() if value is not None}


def _default_type(given: Options) -> str | None:
    """``file``, if nothing but its options are given."""
    is_file = "path" in given and given.keys() <= file.OPTIONS.keys()
    return "file" if is_file else None


def _check_names(given: Options, store_type: StoreType) -> None:
    """:raises OptionError: with the option that was meant, if one is close to it."""
    for name in given:
        near = difflib.get_close_matches(name, store_type.options, n=1)
        if near and name not in _names(store_type):
            raise OptionError(f"store: There is no option {name!r}. Did you mean {near[0]!r}?")


def _names(store_type: StoreType) -> set[str]:
    aliases = (option.get("aliases", ()) for option in store_type.options.values())
    return {*store_type.options, *itertools.chain.from_iterable(aliases)}


def _type_of(name: t.Any) -> StoreType:
    if isinstance(name, str) and name in TYPES:
        return TYPES[name]
    said = repr(name) if isinstance(name, str) or name is None else f"a {type(name).__name__}"
    raise OptionError(
        f"store: its type is {said}. Give the path of a folder, or a dictionary with "
        f"{' or '.join(f'type: {known}' for known in TYPES)}."
    )


def _secret_options() -> set[str]:
    return {
        name
        for store_type in TYPES.values()
        for name, option in store_type.options.items()
        if option.get("no_log")
    }


def _check_public(given: Options) -> None:
    """What is no secret becomes a name of a folder, or a part of an address."""
    for name in sorted(given.keys() - _secret_options()):
        if looks_like_secret(str(given[name])):
            raise OptionError(
                f"store: {name}: the value is, or holds, the secret of a token. It is not shown "
                "here."
            )


def known_secrets(params: Options, options: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[Secret]:
    """The secrets in these options, in ``store`` and in the options of options."""
    secrets = _secrets_of([params], options)
    secrets += _secrets_in(params.get("store"))
    login = login_of(params.get("proxy"))
    if login:
        secrets.append(login)
    for name, option in options.items():
        if "options" in option:
            secrets += _secrets_of(_dicts(params.get(name)), option["options"])
    return secrets


def _secrets_of(
    each: t.Iterable[Options], options: t.Mapping[str, t.Mapping[str, t.Any]]
) -> list[Secret]:
    names = [name for name, option in options.items() if option.get("no_log")]
    return [Secret(str(params[name])) for params in each for name in names if params.get(name)]


def _dicts(value: t.Any) -> list[Options]:
    if not isinstance(value, (list, tuple)):
        return []
    return [part for part in value if isinstance(part, t.Mapping)]


def _secrets_in(store: t.Any) -> list[Secret]:
    try:
        given = _as_dict(store)
    except OptionError:
        return []
    return [Secret(str(given[name])) for name in sorted(_secret_options()) if given.get(name)]


def without_secrets(option: t.Any) -> t.Any:
    """The option with its secrets hidden; all of it where it cannot be read."""
    try:
        given = _as_dict(option)
    except OptionError:
        return HIDDEN
    hidden = {name: HIDDEN for name in _secret_options() if given.get(name)}
    return {**given, **hidden} if hidden else option


def _as_dict(option: t.Any) -> dict[str, t.Any]:
    if not option:
        return {}
    if isinstance(option, str) and option.lstrip().startswith("{"):
        try:
            option = json.loads(option)
        except (ValueError, RecursionError):
            raise OptionError(
                "store: it begins like JSON and is none. Give the path of a folder, or a "
                "dictionary."
            ) from None
    if isinstance(option, str):
        return {"type": "file", "path": option}
    if not isinstance(option, t.Mapping) or not all(isinstance(name, str) for name in option):
        raise OptionError("store: it is neither the path of a folder nor a dictionary of options.")
    return dict(option)
