# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An option of the table is documented and read. Each test names the option that was forgotten."""

from __future__ import annotations

import datetime as dt
import re
import typing as t

import pytest
import yaml
from ansible_collections.community.dynatrace.plugins.doc_fragments import connection, store, token
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    parse_connection,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import KINDS
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Redactor
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    parse_specification,
)
from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    CONNECTION_ENVIRONMENT,
    CONNECTION_OPTIONS,
    STORE_ENVIRONMENT,
    TOKEN_SET_OPTIONS,
    TOKEN_SPECIFICATION_OPTIONS,
)
from ansible_collections.community.dynatrace.plugins.modules import (
    dynatrace_token,
    dynatrace_token_set,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import TYPES

pytestmark = pytest.mark.once

Options = dict[str, dict[str, t.Any]]
NOW = dt.datetime(2026, 11, 22, tzinfo=dt.timezone.utc)


def options_of(documentation: str) -> Options:
    options: Options = yaml.safe_load(documentation)["options"]
    return options


OF_A_TOKEN = options_of(token.ModuleDocFragment.DOCUMENTATION)
OF_TOKENS = options_of(token.ModuleDocFragment.SUBOPTIONS)["tokens"]["suboptions"]
OF_A_CONNECTION = options_of(connection.ModuleDocFragment.DOCUMENTATION)
OF_A_STORE = options_of(store.ModuleDocFragment.DOCUMENTATION)
SHARED = {**OF_A_TOKEN, **OF_A_CONNECTION, **OF_A_STORE}

TABLE = {**TOKEN_SPECIFICATION_OPTIONS, **CONNECTION_OPTIONS, "store": TOKEN_SET_OPTIONS["store"]}
ENVIRONMENT = {**CONNECTION_ENVIRONMENT, **STORE_ENVIRONMENT}


class Recorder(dict[str, t.Any]):
    """Options that remember which of them were read."""

    def __init__(self, table: Options, **given: t.Any) -> None:
        defaults = {name: option.get("default") for name, option in table.items()}
        super().__init__({**defaults, **given})
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> t.Any:
        self.read.add(name)
        return super().__getitem__(name)


def shape(option: dict[str, t.Any]) -> dict[str, t.Any]:
    return {
        key: value
        for key, value in option.items()
        if key in ("type", "elements", "choices", "default")
    }


@pytest.mark.parametrize("name", TABLE)
def test_an_option_is_documented_as_it_is(name: str) -> None:
    assert name in SHARED, f"{name} is in _options.py and in no fragment of plugins/doc_fragments"
    assert shape(SHARED[name]) == shape(TABLE[name])
    assert SHARED[name]["description"]


@pytest.mark.parametrize("name", SHARED)
def test_a_documented_option_exists(name: str) -> None:
    assert name in TABLE, f"{name} is documented and missing in _options.py"


def test_an_option_of_a_token_is_read() -> None:
    params = Recorder(TOKEN_SPECIFICATION_OPTIONS, name="ci", scopes=["logs.read"])
    parse_specification(params, NOW, Redactor())
    assert set(TOKEN_SPECIFICATION_OPTIONS) - params.read == set()


def test_an_option_of_the_connection_is_read() -> None:
    client = {
        "oauth_client_id": "dt0s02.ABCDEFGH",
        "oauth_client_secret": "dt0s02.ABCDEFGH." + "S" * 64,
    }
    params = Recorder(
        CONNECTION_OPTIONS,
        environment_url="https://abc12345.live.dynatrace.com",
        account_uuid="05d16bf8-b2ca-4c2e-9ed7-d2d4d6c5f8a0",
        **client,
    )
    for kind in KINDS.values():
        parse_connection(params, kind)
    assert set(CONNECTION_OPTIONS) - params.read == set()


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_the_documentation_names_the_environment_variables_of_an_option(name: str) -> None:
    description = " ".join(SHARED[name]["description"])
    for variable in ENVIRONMENT[name]:
        assert f"E({variable})" in description, f"{name}: nothing is said of {variable}"


@pytest.mark.parametrize("store_type", TYPES)
def test_the_documentation_has_the_options_of_each_type_of_store(store_type: str) -> None:
    documented = OF_A_STORE["store"]["suboptions"]
    assert store_type in documented["type"]["choices"]
    for name, option in TYPES[store_type].options.items():
        assert name in documented, f"store: nothing is said of {name}"
        assert documented[name]["type"] == option["type"]
        assert documented[name].get("choices") == option.get("choices")
        if "default" in option:
            default = str(option["default"]).removesuffix(".0")
            assert f"V({default})".lower() in str(documented[name]["description"]).lower()


def test_no_type_of_store_lacks_an_option_that_is_documented() -> None:
    options = {name for store_type in TYPES.values() for name in store_type.options}
    assert set(OF_A_STORE["store"]["suboptions"]) == {"type", *options}


@pytest.mark.parametrize("name", OF_A_TOKEN)
def test_a_list_of_tokens_has_the_option_and_its_documentation(name: str) -> None:
    def without_references(options: Options) -> dict[str, t.Any]:
        plain = re.sub(r"\b(R?[OV]\()[\w.]*(?:#module:|tokens\[\]\.)", r"\1", str(options[name]))
        return t.cast("dict[str, t.Any]", yaml.safe_load(plain))

    assert without_references(OF_TOKENS) == without_references(OF_A_TOKEN)


def test_references_in_a_list_of_tokens_lead_to_what_the_module_has() -> None:
    text = token.ModuleDocFragment.SUBOPTIONS
    inside = set(re.findall(r"\bO\(tokens\[\]\.(\w+)", text))
    outside = set(re.findall(r"\bO\((\w+)[=)]", text))
    returned = re.findall(r"RV\(([^)]*)\)", text)
    assert {"overlap", "token", "token_id", "rotate"} <= inside <= set(OF_TOKENS)
    assert outside - set(OF_A_CONNECTION) == {"store"}
    prefix, values = (
        "community.dynatrace.dynatrace_token#module:",
        yaml.safe_load(dynatrace_token.RETURN),
    )
    assert {value.removeprefix(prefix) for value in returned} == {
        "handed_over",
        "retiring",
        "secret_available",
        "token",
    }
    assert all(value.removeprefix(prefix) in values for value in returned)


@pytest.mark.parametrize("module", [dynatrace_token, dynatrace_token_set])
def test_no_module_documents_an_option_of_a_token_again(module: t.Any) -> None:
    assert set(options_of(module.DOCUMENTATION)) & set(SHARED) == set()
    assert "suboptions:" not in module.DOCUMENTATION
