# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one host asks for, from the variables of the role."""

from __future__ import annotations

import hashlib
import json
import os
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    around,
    environment_key,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    parse_specification,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import utc_now
from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    CONNECTION_OPTIONS,
    TOKEN_SPECIFICATION_OPTIONS,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._resolve import (
    Environment,
    resolve_options,
    validated,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._role.facts import (
    check_distinct,
    check_fact,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._role.given import (
    PREFIX,
    as_dictionaries,
    as_dictionary,
    as_scopes,
    given_only,
    is_given,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import (
    known_secrets,
)

Data = dict[str, t.Any]

LIST, DEFAULTS, HAND_OVER = "dynatrace_tokens", PREFIX + "defaults", PREFIX + "hand_over"
_CONNECTION = {**CONNECTION_OPTIONS, "store": {"type": "raw"}}
ROLE_VARIABLES = (LIST, DEFAULTS, HAND_OVER, *(PREFIX + name for name in _CONNECTION))


class Place(t.NamedTuple):
    """Where a host's tokens are: its connection and store, resolved."""

    options: Data

    @property
    def environment(self) -> str:
        url = self.options["environment_url"]
        return environment_key(url) if url else ""

    @property
    def account(self) -> str:
        return str(self.options["account_uuid"] or "")

    @property
    def keeps(self) -> bool:
        """Whether there is a store."""
        return bool(self.options["store"])

    @property
    def secrets(self) -> list[Secret]:
        return known_secrets(self.options, _CONNECTION)

    def group(self, use: str) -> str:
        """The same for hosts with the same connection, credentials and store, in one use."""
        content = json.dumps(self.options, sort_keys=True, default=str)
        return hashlib.blake2b(content.encode(), key=use.encode()[:64]).hexdigest()


def place_of(variables: Data, environments: t.Sequence[Environment]) -> Place:
    """:raises OptionError: if an option of the connection has a value of the wrong type."""
    connection = given_only({name: variables.get(PREFIX + name) for name in _CONNECTION})
    return Place(resolve_options(connection, _CONNECTION, environments))


def issuing(variables: Data, place: Place, folder: str, use: str, check_mode: bool) -> Data:
    """What a host asks the role to issue.

    :param variables: those of the role, templated.
    :param folder: that of the playbook.
    :raises OptionError: naming what cannot work.
    """
    hand_over = _hand_over_file(variables.get(HAND_OVER), folder, place)
    tokens = as_dictionaries(LIST, variables.get(LIST))
    defaults = as_dictionary(DEFAULTS, variables.get(DEFAULTS))
    wanted = [
        _wanted(f"{LIST}[{number}]", {**defaults, **token}, place)
        for number, token in enumerate(tokens)
    ]
    _check_names(wanted)
    _check_missing_secrets(wanted, place)
    check_distinct(one["fact"] for one in wanted if one["fact"])
    if hand_over and not check_mode:
        for one in wanted:
            one["specification"]["retire"] = False
    return _asked("issue", place, use, wanted, check_mode) | {"hand_over": hand_over}


def revoking(created: t.Sequence[Data], place: Place, use: str, check_mode: bool) -> Data:
    """What a host asks the role to take back: the tokens that it created in this environment.

    :param created: what the role remembers of the tokens that it created.
    """
    here: list[Data] = []
    elsewhere: list[Data] = []
    for record in created:
        is_here = (record["environment"], record["account"]) == (place.environment, place.account)
        (here if is_here else elsewhere).append(record)
    wanted = [
        {
            "kind": record["kind"],
            "name": record["name"],
            "fact": record["fact"],
            "id": record["id"],
            "specification": {
                "state": "absent",
                "token_id": record["id"],
                "name": record["name"],
                "kind": record["kind"],
                **({"resources": record["resources"]} if record.get("resources") else {}),
            },
        }
        for record in here
    ]
    left = [f"{one['name']} ({one['id']}) of {one['environment']}" for one in elsewhere]
    return _asked("revoke", place, use, wanted, check_mode) | {"elsewhere": left}


def retiring(handed_over: Data, place: Place, use: str, check_mode: bool) -> Data:
    """What a host asks for once it has handed over: that predecessors are retired.

    :param handed_over: what was due, see ``receive``.
    """
    wanted = [
        {**one, "specification": {**one["specification"], "rotate": "never"}}
        for one in handed_over["wanted"]
    ]
    return _asked("retire", place, use, wanted, check_mode) | {"after": handed_over["use"]}


def _asked(entry: str, place: Place, use: str, wanted: list[Data], check_mode: bool) -> Data:
    return {
        "entry": entry,
        "environment": place.environment,
        "account": place.account,
        "group": place.group(use),
        "keeps": place.keeps,
        "wanted": wanted,
        "check_mode": check_mode,
    }


def _hand_over_file(value: t.Any, folder: str, place: Place) -> str | None:
    if not is_given(value):
        return None
    if not place.keeps:
        raise OptionError(
            f"{HAND_OVER} needs dynatrace_tokens_store, which remembers predecessors, and which "
            "secrets were not handed over yet. Nothing was done."
        )
    path = os.path.normpath(os.path.join(folder, os.path.expanduser(str(value))))
    if not os.path.isfile(path) or not os.access(path, os.R_OK):
        raise OptionError(
            f"{HAND_OVER}: there is no file {path} that can be read. Nothing was done. Give a file "
            "of tasks, relative to the folder of the playbook."
        )
    return path


def _wanted(label: str, token: Data, place: Place) -> Data:
    """One specification: as it was given, and as it compares with that of another host.

    :raises OptionError: naming the entry of the list and the option.
    """
    try:
        specification = given_only(token)
        fact = specification.pop("fact", None)
        if "scopes" in specification:
            specification["scopes"] = as_scopes(specification["scopes"])
        if "name" not in specification:
            raise OptionError("name is missing. Give the name of the token.")
        typed = validated(specification, TOKEN_SPECIFICATION_OPTIONS)
        redactor = Redactor(*place.secrets)
        parse_specification(typed, utc_now(), redactor, place.keeps, around(place.options))
        return {
            "kind": kind_of(typed),
            "name": typed["name"],
            "fact": check_fact(fact) if fact is not None else None,
            "specification": specification,
            "compared": _compared(typed),
        }
    except OptionError as error:
        raise OptionError(f"{label}: {error}") from None


def kind_of(facts: t.Mapping[str, t.Any]) -> str:
    """The kind that a specification or the metadata of a token name."""
    by_flag = "personal_access" if facts.get("personal_access_token") else "access"
    return str(facts.get("kind") or by_flag)


def _compared(typed: t.Mapping[str, t.Any]) -> Data:
    """What must be the same for two hosts that ask for the same token."""
    compared = {name: value for name, value in typed.items() if name != "token"}
    if compared["scopes"] is not None:
        compared["scopes"] = sorted(set(compared["scopes"]))
    return compared


def _check_names(wanted: t.Sequence[Data]) -> None:
    # Of whichever kinds: dynatrace_tokens_issued has one token for a name.
    names = [one["name"] for one in wanted]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError(
            f"{LIST}: the name {twice[0]!r} stands more than once. Nothing was done. Keep one."
        )


def _check_missing_secrets(wanted: t.Sequence[Data], place: Place) -> None:
    silent = [
        one["name"]
        for one in wanted
        if one["compared"]["state"] == "present" and one["compared"]["on_missing_secret"] is None
    ]
    if silent and not place.keeps:
        raise OptionError(
            f"Say on_missing_secret for {', '.join(silent)}, or give dynatrace_tokens_store. "
            "Dynatrace shows the secret of a token only when it is issued, so without a store a "
            "second run cannot know it. Say fail to stop there, ignore to go on without the "
            "secret, or rotate to replace the token in every run."
        )
