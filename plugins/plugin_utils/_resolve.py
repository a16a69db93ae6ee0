# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options from all their sources: the task and module_defaults, the task's environment, the controller's."""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible_collections.community.dynatrace.plugins.module_utils._http.requests_guard import (
    requests,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    CALLER_OPTIONS,
    CONNECTION_ENVIRONMENT,
    STORE_ENVIRONMENT,
)

Environment = t.Mapping[str, str]

_LARGEST = 10**300


def resolve_options(
    given: t.Mapping[str, t.Any],
    options: t.Mapping[str, t.Any],
    environments: t.Sequence[Environment],
) -> dict[str, t.Any]:
    """Every option with its value, typed and with its default.

    :param given: the arguments of the task, those of module_defaults among them.
    :param environments: where to look for what was not given, in order.
    :raises OptionError: where an argument is unknown or cannot be converted.
    """
    completed = dict(given)
    for option, names in {**CONNECTION_ENVIRONMENT, **STORE_ENVIRONMENT}.items():
        if option in options and completed.get(option) is None:
            completed[option] = first(names, environments)
    for option in _shadowed(given, environments):
        completed.pop(option, None)
    params = validated(completed, options)
    if params["proxy"] is None:
        params["proxy"] = proxy_for(params["environment_url"] or "", environments)
    return params


def _shadowed(
    given: t.Mapping[str, t.Any], environments: t.Sequence[Environment]
) -> t.Sequence[str]:
    """What is said of one way to call Dynatrace, where a nearer source says to use the other one. The variables of both are often set."""
    token, *client = CALLER_OPTIONS
    for source in (given, *map(_callers, environments)):
        has_token, has_client = (
            bool(source.get(token)),
            any(source.get(option) for option in client),
        )
        if has_token and has_client and source is given:
            return ()  # refused where they are parsed
        if has_token or has_client:
            return client if has_token else (token,)
    return ()


def _callers(environment: Environment) -> dict[str, str | None]:
    return {
        option: first(CONNECTION_ENVIRONMENT[option], [environment]) for option in CALLER_OPTIONS
    }


def validated(
    given: t.Mapping[str, t.Any], options: t.Mapping[str, t.Any], of: str = ""
) -> dict[str, t.Any]:
    """The options, typed and with their defaults.

    :param of: what the options belong to, for messages.
    :raises OptionError: where one is unknown or cannot be converted.
    """
    plain = _plain(given)
    try:
        result = ArgumentSpecValidator(options).validate(plain)
    except (OverflowError, ValueError):
        # Not caught by ansible-core: a number that no float can hold, or that has too many digits to be written out.
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


def _messages(given: dict[str, t.Any], options: t.Mapping[str, t.Any]) -> list[str]:
    """What the validator says, of each entry of a list of dictionaries by itself: it does not say which one it means."""
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
            one = f"{name}[{number}]"
            errors += ArgumentSpecValidator({one: option}).validate({one: [entry]}).errors.errors
    # Of an unknown option Ansible says the name, and then which ones there are.
    return [
        f"There is no option {error}" if isinstance(error, UnsupportedError) else error.msg
        for error in errors
    ]


def _plain(value: t.Any) -> t.Any:
    """The same, without what Ansible notes on every text of a task: the validator copies it all, and copying that takes long."""
    if isinstance(value, t.Mapping):
        return {
            _plain(key) if isinstance(key, str) else str(key): _plain(one)
            for key, one in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return "".join(value) if isinstance(value, str) else value


def proxy_for(url: str, environments: t.Sequence[Environment]) -> str | None:
    """The proxy that the usual variables name for this address, NO_PROXY heeded; None for none."""
    scheme = url.partition("://")[0].lower()
    if scheme not in ("http", "https") or requests is None:
        return None
    proxy = first(
        (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"), environments
    )
    exceptions = first(("no_proxy", "NO_PROXY"), environments) or ""
    try:
        if not proxy or requests.utils.should_bypass_proxies(url, exceptions):
            return None
    except ValueError:
        return None  # the address is damaged, which is said where it is parsed
    return proxy if "://" in proxy else "http://" + proxy


def first(names: t.Iterable[str], environments: t.Iterable[Environment]) -> str | None:
    """The first of these variables that is set, in the first environment that has one."""
    return next(
        (
            environment[name]
            for environment in environments
            for name in names
            if environment.get(name)
        ),
        None,
    )
