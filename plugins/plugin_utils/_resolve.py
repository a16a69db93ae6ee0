# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options from all their sources: the task, the task's environment, the controller's."""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible_collections.community.dynatrace.plugins.module_utils._http.address import parse_proxy
from ansible_collections.community.dynatrace.plugins.module_utils._http.requests_guard import (
    requests,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import KINDS
from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    CALLER_OPTIONS,
    CONNECTION_ENVIRONMENT,
    NONE_IF_EMPTY,
    STORE_ENVIRONMENT,
)

Environment = t.Mapping[str, str]
Options = t.Mapping[str, t.Any]

_LARGEST = 10**300
_PROXY_SCHEMES = ("http", "https")


def resolve_options(
    given: Options, options: Options, environments: t.Sequence[Environment]
) -> dict[str, t.Any]:
    """Every option with its value, typed and with its default.

    :param given: the arguments of the task, those of module_defaults among them.
    :param environments: where to look for options that are not given, in order.
    :raises OptionError: if an argument is unknown or cannot be converted.
    """
    completed = without_blanks(given)
    no_credentials = _outranked(completed, environments)
    for option, names in {**CONNECTION_ENVIRONMENT, **STORE_ENVIRONMENT}.items():
        if option in options and option not in no_credentials and option not in completed:
            completed[option] = first(names, environments)
    for option in no_credentials:
        completed.pop(option, None)
    params = validated(completed, options)
    if "proxy" in options and params["proxy"] is None:
        params["proxy"] = proxy_for(params["environment_url"] or "", environments)
    return params


def without_blanks(given: Options) -> dict[str, t.Any]:
    """The options that are given: not null, not empty and not blank.

    An option for which empty means none stays, as the empty text.
    """
    kept = {}
    for name, value in given.items():
        if not _is_blank(value):
            kept[name] = value
        elif value is not None and name in NONE_IF_EMPTY:
            kept[name] = ""
    return kept


def _is_blank(value: t.Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _outranked(given: Options, environments: t.Sequence[Environment]) -> t.Sequence[str]:
    """Credentials to ignore because a nearer source names the other kind.

    Both sets of variables are often exported.
    """
    if _needs_client(given):
        return ()
    token, *client = CALLER_OPTIONS
    sources = [given, *map(_callers, environments)]
    for source in sources:
        has_token = bool(source.get(token))
        has_client = any(source.get(option) for option in client)
        if has_token and has_client and source is given:
            return ()  # refused where they are parsed
        if has_token:
            return client
        if has_client:
            return (token,)
    return ()


def _needs_client(given: Options) -> bool:
    """Whether a token is of a kind that takes the OAuth client alone, whatever else is given."""
    tokens = given.get("tokens")
    entries = [given, *(tokens if isinstance(tokens, list) else ())]
    asked = [entry.get("kind") for entry in entries if isinstance(entry, t.Mapping)]
    return any(kind.needs_oauth for kind in KINDS.values() if kind.option in asked)


def _callers(environment: Environment) -> dict[str, str | None]:
    return {
        option: first(CONNECTION_ENVIRONMENT[option], [environment]) for option in CALLER_OPTIONS
    }


def validated(given: Options, options: Options, of: str = "") -> dict[str, t.Any]:
    """The options, typed and with their defaults.

    :param of: what the options belong to, for messages.
    :raises OptionError: if an option is unknown or cannot be converted.
    """
    plain = _given(_plain(given), options)
    try:
        result = ArgumentSpecValidator(options).validate(plain)
    except (OverflowError, ValueError):
        # Not caught by ansible-core: a number that no float can hold, or that has too many digits
        # to be written out.
        large = [
            name
            for name, value in plain.items()
            if isinstance(value, int) and abs(value) > _LARGEST
        ]
        raise OptionError(
            f"{of}{', '.join(large) or 'an option'}: the number is too large."
        ) from None
    if result.error_messages:
        raise OptionError(of + ". ".join(_messages(plain, options)))
    params: dict[str, t.Any] = result.validated_parameters
    return params


def _given(plain: dict[str, t.Any], options: Options) -> dict[str, t.Any]:
    """The options that are given, in each entry of a list of options too."""
    kept = without_blanks(plain)
    for name, option in options.items():
        if "options" in option and isinstance(kept.get(name), list):
            kept[name] = [
                without_blanks(entry) if isinstance(entry, dict) else entry for entry in kept[name]
            ]
    return kept


def _messages(given: dict[str, t.Any], options: Options) -> list[str]:
    """The errors of the validator; for a list of options with the number of the wrong entry."""
    lists = {
        name: option
        for name, option in options.items()
        if "options" in option and isinstance(given.get(name), list)
    }
    as_a_whole = {
        **options,
        **{name: {**option, "elements": "raw"} for name, option in lists.items()},
    }
    errors = ArgumentSpecValidator(as_a_whole).validate(given).errors.errors
    for name, option in lists.items():
        for number, entry in enumerate(given[name]):
            label = f"{name}[{number}]"
            single = ArgumentSpecValidator({label: option}).validate({label: [entry]})
            errors += single.errors.errors
    # Of an unknown option Ansible says the name, and then which ones there are.
    return [
        f"There is no option {error}" if isinstance(error, UnsupportedError) else error.msg
        for error in errors
    ]


def _plain(value: t.Any) -> t.Any:
    """The same without Ansible's tags on texts, which take long to copy, as the validator does."""
    if isinstance(value, t.Mapping):
        return {
            _plain(key) if isinstance(key, str) else str(key): _plain(inner)
            for key, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return "".join(value) if isinstance(value, str) else value


def proxy_for(url: str, environments: t.Sequence[Environment]) -> str | None:
    """The proxy for this address, from the usual variables. None: no proxy.

    A variable that is there and empty says that there is none, and nothing else is asked.

    :raises OptionError: naming the variable whose proxy cannot be used.
    """
    scheme = url.partition("://")[0].lower()
    if scheme not in _PROXY_SCHEMES or requests is None:
        return None
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    name, proxy = _first_set(names, environments)
    _name, exceptions = _first_set(("no_proxy", "NO_PROXY"), environments)
    try:
        if not proxy or requests.utils.should_bypass_proxies(url, exceptions):
            return None
    except ValueError:
        return None  # the address is damaged, which is said where it is parsed
    address = proxy if "://" in proxy else "http://" + proxy
    parse_proxy(f"The environment variable {name}", address)
    return address


def _first_set(names: t.Sequence[str], environments: t.Iterable[Environment]) -> tuple[str, str]:
    """The name and value of the first of these variables that is set, if only to nothing."""
    for environment in environments:
        for name in names:
            if name in environment:
                return name, environment[name].strip()
    return "", ""


def first(names: t.Sequence[str], environments: t.Iterable[Environment]) -> str | None:
    """The first of these variables that is not blank, in the first environment that has one."""
    for environment in environments:
        for name in names:
            if environment.get(name, "").strip():
                return environment[name]
    return None
