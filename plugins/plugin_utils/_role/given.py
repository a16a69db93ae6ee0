# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values of the role's variables: which count as given, and lists and scopes that are text."""

from __future__ import annotations

import datetime as dt
import json
import re
import typing as t

import yaml
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError

PREFIX = "dynatrace_tokens_"


def without_omitted(value: t.Any, omit: t.Any) -> t.Any:
    """The value without the entries of lists and dictionaries that are omitted.

    :param omit: Ansible's mark of an omitted value. From ansible-core 2.19 on, templating already
        removes what is omitted.
    """
    if isinstance(value, t.Mapping):
        return {
            name: without_omitted(one, omit) for name, one in value.items() if not _is(one, omit)
        }
    if isinstance(value, (list, tuple)):
        return [without_omitted(one, omit) for one in value if not _is(one, omit)]
    return value


def _is(value: t.Any, omit: t.Any) -> bool:
    return isinstance(value, str) and isinstance(omit, str) and value == omit


def is_given(value: t.Any) -> bool:
    """Whether the value is anything but null, an empty text or a blank one."""
    return value is not None and not (isinstance(value, str) and not value.strip())


def given_only(values: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {name: value for name, value in values.items() if is_given(value)}


def as_dictionaries(variable: str, value: t.Any) -> list[dict[str, t.Any]]:
    """The list of dictionaries that the variable holds, or that its text means.

    :raises OptionError: if it is no such list. The value is not shown, because it can hold secrets.
    """
    if not is_given(value):
        raise OptionError(
            f"{variable} is missing. Give a list of dictionaries, one for each token."
        )
    entries = _from_text(variable, value, "a list of dictionaries")
    if not isinstance(entries, (list, tuple)):
        raise OptionError(_expected(variable, "a list of dictionaries", entries))
    return [as_dictionary(f"{variable}[{number}]", entry) for number, entry in enumerate(entries)]


def as_dictionary(variable: str, value: t.Any) -> dict[str, t.Any]:
    """As ``as_dictionaries`` does, for one dictionary."""
    if not is_given(value):
        return {}
    entry = _from_text(variable, value, "a dictionary of options")
    if not isinstance(entry, t.Mapping):
        raise OptionError(_expected(variable, "a dictionary of options", entry))
    return {str(name): one for name, one in entry.items()}


def _from_text(variable: str, value: t.Any, expected: str) -> t.Any:
    """What a text in JSON or YAML means, as the text field of a survey gives it."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        pass
    try:
        return _with_dates_as_text(yaml.safe_load(value))
    except (yaml.YAMLError, ValueError, RecursionError):
        raise OptionError(
            f"{variable}: the text is neither JSON nor YAML. Nothing was done. Give {expected}."
        ) from None


def _with_dates_as_text(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {name: _with_dates_as_text(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_dates_as_text(one) for one in value]
    return value.isoformat() if isinstance(value, (dt.date, dt.datetime)) else value


def _expected(variable: str, expected: str, value: t.Any) -> str:
    found = {str: "a text", dict: "a dictionary", list: "a list", bool: "true or false"}
    kind = next((said for type_, said in found.items() if isinstance(value, type_)), "a number")
    return f"{variable}: it is {kind}. Nothing was done. Give {expected}."


def as_scopes(value: t.Any) -> t.Any:
    """The scopes as a list. A text may hold several, with a comma or a line break between them."""
    if isinstance(value, str) and value.lstrip().startswith(("[", "- ")):
        value = _from_text("scopes", value, "a list of scopes")
    entries = value if isinstance(value, (list, tuple)) else [value]
    scopes: list[t.Any] = []
    for entry in entries:
        if isinstance(entry, str):
            scopes += [part.strip() for part in re.split(r"[,\n]", entry) if part.strip()]
        elif entry is not None:
            scopes.append(entry)
    return scopes
