# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever stands in an option: the result is a right one or an error in words for the user.

Each example is a task, or a call of the lookup, that would work, but for one to three options with
something else in them. It is run
in this process, by its action or by what the lookup calls, against the stand-ins. After it:

- An error is none that nobody has thought of.
- No secret stood in the result, but under token, in a message or warning, in the address of a
  request, or in the name
  of a file.
- Every request had only headers that the collection sends, and on this machine went to the token
  API of the environment or to the Vault.
- Where an option was at fault, there was no request at all, but for what only Dynatrace or the plan
  can tell.

FUZZ is how many random examples there are of each kind; without it there are few, and always the
same.
"""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import tempfile
import types
import typing as t

import pytest
import requests
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.block import Block
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.community.dynatrace.plugins.action import (
    dynatrace_token,
    dynatrace_token_info,
    dynatrace_token_set,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    OptionError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Redactor
from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    LOOKUP_OPTIONS,
    TOKEN_INFO_OPTIONS,
    TOKEN_OPTIONS,
    TOKEN_SET_OPTIONS,
    TOKEN_SPECIFICATION_OPTIONS,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._lookup import read_tokens
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import TYPES
from hypothesis import given, settings
from hypothesis import strategies as st

from support.key_vault import KeyVault, key_vault
from support.runs import Ansible
from support.stand_in import API, Environment, new_environment

EXAMPLES = int(os.environ.get("FUZZ", "20"))
FEW = settings(
    max_examples=EXAMPLES, deadline=None, derandomize="FUZZ" not in os.environ, database=None
)

ACTIONS: dict[str, t.Any] = {
    "dynatrace_token": dynatrace_token.ActionModule,
    "dynatrace_token_info": dynatrace_token_info.ActionModule,
    "dynatrace_token_set": dynatrace_token_set.ActionModule,
}
Options = dict[str, t.Any]

SECRET_PART = "B" * 64
SECRET = f"dt0c01.{'A' * 24}.{SECRET_PART}"

ODD_TEXTS = [
    "",
    " ",
    "\n",
    "\t",
    "a\r\nX-Evil: 1",
    "a\nb",
    "a\x00b",
    "~\x00",
    "\x1b[31mred",
    "\x7f",
    "\ufeffa",
    "\u202eevil",
    "a\u0301",
    "\u200b",
    "\U0001f600",
    "\ud800",
    "a\udcffb",
    "~\ud800",
    "\uff41\uff42",
    "x" * 10_000,
    "a/" * 3_000,
    "..",
    "../../etc",
    "a\\..\\b",
    "%2e%2e%2f",
    "%00",
    "%zz",
    "?a=b",
    "a#b",
    "a&b=c",
    "*",
    "null",
    "None",
    "{{ 1 }}",
    "{",
    "{}",
    "[]",
    "[1, 2]",
    "a=b c=d",
    "a=b, c",
    '{"type": "file"}',
    '{"a": ' * 2_000,
    "true",
    "yes",
    "maybe",
    "0",
    "-1",
    "1e999",
    "nan",
    "inf",
    "-inf",
    "1_0",
    "0x10",
    "\uff19",
    "9" * 5_000,
    SECRET,
    f" {SECRET} ",
    f"https://{SECRET}",
    f"x{SECRET}.yml",
]
ODD_PERIODS = [
    "999999999999999999999d",
    "100y",
    "101y",
    "36600d",
    "0d",
    "-1d",
    "1.5d",
    "1 d",
    "\uff19d",
    "1D",
    "1y2d",
    "999999m",
    "now+1d",
    "P1D",
]
ODD_DATES = [
    "2030-02-30T00:00:00Z",
    "2030-13-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "9999-12-31T23:59:59Z",
    "2030-01-01T24:00:00Z",
    "2030-01-01T00:00:60Z",
    "2030-01-01T00:00:00+99:99",
    "2030-01-01",
    "\uff12\uff10\uff13\uff10-01-01T00:00:00Z",
    "2030-01-01T00:00:00.999999999Z",
    "now+1d",
    "1970-01-01T00:00:00Z",
]
ODD_REGEXES = [
    "(",
    "[z-a]",
    "(?P<a",
    "a{99999999999999999999}",
    "(" * 5_000,
    "(?L)a",
    "(?<=a+)b",
    "(a+)+$",
    "\\",
    "(?i",
    "[[a]",
    "\\N{x}",
    "a**",
    "(?au)a",
]
ODD_URLS = [
    "ftp://127.0.0.1",
    "file:///etc/passwd",
    "127.0.0.1",
    "//127.0.0.1",
    "https://",
    "https:///e/x",
    "https://user:password@127.0.0.1",
    "https://127.0.0.1:0",
    "https://127.0.0.1:65536",
    "https://127.0.0.1:-1",
    "https://127.0.0.1:\uff11",
    "https://127.0.0.1:1/?a=b",
    "https://127.0.0.1:1/#a",
    "https://127.0.0.1:1/e/..",
    "https://127.0.0.1:1/e/%2e%2e",
    "https://127.0.0.1:1\\@other.invalid",
    "https://bücher.invalid",
    "https://xn--bcher-kva.invalid",
    "https://a..invalid",
    "https://.invalid",
    "https://-a.invalid",
    f"https://{'a' * 64}.invalid",
    f"https://{'a.' * 130}invalid",
    "http://other.invalid",
    "https://[::1",
    "https://[::1]:1",
    "http://[::1%25x]:1",
    "http://[::1%../../x]:1",
    "https://[v1.a]:1",
    "https://%31.invalid",
    "https://127.0.0.1 .invalid",
    "https://127.0.0.1:1/e/x\r\nX-Evil: 1",
    "HTTPS://127.0.0.1:1",
    "http://localhost.",
    f"https://127.0.0.1:1/{'/' * 20_000}x",
    f"https://{SECRET}.invalid",
    f"https://127.0.0.1:1/e/{SECRET}",
]
ODD_VALUES: list[t.Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    10**30,
    -(10**400),
    1.5,
    float("nan"),
    float("inf"),
    -0.0,
    b"bytes",
    (1, 2),
]
ODD_VALUES += [
    [],
    {},
    [None],
    [[]],
    [{}],
    {"a": None},
    [["a"]],
    {"a": {"b": ["c"]}},
    {1: 2},
    {None: 1},
    {(1, 2): 3},
    [True],
    ["a", 1, None],
]
ODD_VALUES += [["a"] * 3_000, [SECRET], {"token": SECRET}]

TEXTS = st.one_of(
    st.sampled_from(ODD_TEXTS),
    st.text(st.characters(), max_size=20).filter(lambda text: "/" not in text),
)
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
NESTED = st.recursive(
    PLAIN,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=5,
)
ANYTHING = st.one_of(st.sampled_from(ODD_VALUES), TEXTS, NESTED)

PERIODS, DATES, URLS = (
    st.one_of(st.sampled_from(odd), ANYTHING) for odd in (ODD_PERIODS, ODD_DATES, ODD_URLS)
)
ESPECIALLY = {
    **dict.fromkeys(
        ("expires_in", "rotate_before", "overlap", "delete_after", "expires_within", "unused_for"),
        PERIODS,
    ),
    "expiration_date": DATES,
    "name_regex": st.one_of(st.sampled_from(ODD_REGEXES), ANYTHING),
    **dict.fromkeys(("environment_url", "proxy", "url"), URLS),
}


def _odd(options: t.Iterable[str], most: int = 3) -> st.SearchStrategy[Options]:
    """One to three of these options with something odd."""
    pairs = st.one_of(
        [st.tuples(st.just(name), ESPECIALLY.get(name, ANYTHING)) for name in sorted(options)]
    )
    return st.lists(pairs, min_size=1, max_size=most).map(dict)


ENTRY: Options = {"name": "ci", "scopes": ["metrics.read"]}
ENTRIES = st.sampled_from(
    [ENTRY, {**ENTRY, "state": "absent"}, {**ENTRY, "expires_in": "30d", "rotate": "expiring"}]
)
HEADERS = {
    "Accept",
    "Accept-Encoding",
    "Authorization",
    "Connection",
    "Content-Length",
    "Content-Type",
    "User-Agent",
}
HEADERS |= {"X-Vault-Namespace", "X-Vault-Request", "X-Vault-Token"}
# What only Dynatrace, or the plan, can tell.
KNOWN_LATER = (
    "token_id: there is no token",
    "scopes: there is no usable token",
    "store: a secret would",
    "store: encrypt_vault_id is",
)


class Sent(t.NamedTuple):
    method: str
    url: str
    headers: t.Mapping[str, str]


class Said(t.NamedTuple):
    result: t.Any
    error: Exception | None
    beside: str  # warnings, and what else was written beside the result
    sent: list[Sent]


class World:
    """An environment with a token, a store of files, and a Vault, and what tasks and lookups do
    there."""

    def __init__(self, environment: Environment, vault: KeyVault, folder: pathlib.Path) -> None:
        self.environment = environment
        self.vault = vault
        self.folder = folder
        self.project = folder.joinpath(
            *"abcdefghijkl"
        )  # deep, so that no odd path leads out of the folder
        self.project.mkdir(parents=True)
        self.held = environment.issue("held")
        environment.forget_requests()
        vault.requests.clear()
        self.file_store = {"type": "file", "path": "store", "encrypt": False}

    def connection(self) -> Options:
        return {
            "environment_url": self.environment.url,
            "api_token": self.environment.api_token,
            "timeout": 5,
        }

    def run(self, module: str, args: Options, check_mode: bool = False) -> Said:
        """A task of this module, by its action."""
        errors: list[Exception] = []

        class Action(ACTIONS[module]):
            def _perform(self) -> t.Any:
                try:
                    return super()._perform()
                except Exception as error:
                    errors.append(error)
                    raise

        task = Task()
        task.args, task.action, task.check_mode, task.register = (
            args,
            f"community.dynatrace.{module}",
            check_mode,
            "got",
        )
        task._parent = Block(play=Play())
        connection = types.SimpleNamespace(
            transport="local", _shell=types.SimpleNamespace(tmpdir=None)
        )
        action = Action(task, connection, None, self.loader(), Templar(self.loader()), None)
        return self.observed(lambda: action.run(task_vars={}), errors)

    def look_up(self, terms: t.Any, options: Options) -> Said:
        said: list[str] = []
        return self.observed(
            lambda: read_tokens(
                terms, options, self.loader(), said.append, said.append, Redactor(), {}
            ),
            [],
        )

    def loader(self) -> DataLoader:
        loader = DataLoader()
        loader.set_basedir(str(self.project))
        return loader

    def observed(self, act: t.Callable[[], t.Any], errors: list[Exception]) -> Said:
        sent: list[Sent] = []
        send = requests.Session.send

        def watched(
            session: requests.Session, request: requests.PreparedRequest, **more: t.Any
        ) -> requests.Response:
            sent.append(
                Sent(
                    str(request.method),
                    str(request.url),
                    {str(k): str(v) for k, v in request.headers.items()},
                )
            )
            return send(session, request, **more)

        result = None
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stderr(io.StringIO()) as beside,
        ):
            patch.setattr(requests.Session, "send", watched)
            for name in ("HOME", "ANSIBLE_HOME"):
                patch.setenv(name, str(self.folder / "home"))
            try:
                result = act()
            except Exception as error:
                errors.append(error)
        return Said(result, errors[0] if errors else None, beside.getvalue(), sent)


def _public(result: t.Any) -> t.Any:
    """The result without what is under token."""
    if isinstance(result, dict):
        return {name: _public(value) for name, value in result.items() if name != "token"}
    return [_public(one) for one in result] if isinstance(result, list) else result


def check(world: World, said: Said) -> None:
    assert isinstance(said.error, (DynatraceError, type(None))), said.error
    message = str(said.error or "")
    assert "Unexpected" not in message
    # The face of the lookup scrubs its message, as the playbook shows; the action has done so by
    # now.
    shown = [
        repr(_public(said.result))
        if isinstance(said.result, dict)
        else repr(Redactor().text(message)),
        said.beside,
    ]
    shown += [request.url for request in said.sent] + [
        str(path) for path in world.folder.rglob("*")
    ]
    secrets = [
        SECRET_PART,
        *(secret.rpartition(".")[2] for secret in world.environment.secrets()),
        world.vault.token,
        world.vault.secret_id,
    ]
    assert [secret for secret in secrets if any(secret in text for text in shown)] == []
    assert {name for request in said.sent for name in request.headers} <= HEADERS
    ours = (world.environment.url + API, world.vault.url + "/v1/")
    reachable = [
        request
        for request in said.sent
        if request.url.startswith(("http://127.0.0.1:", "http://localhost:"))
    ]
    assert [request.url for request in reachable if not request.url.startswith(ours)] == []
    if isinstance(said.error, OptionError) and not message.startswith(KNOWN_LATER):
        assert said.sent == []


@contextlib.contextmanager
def a_world(server: Environment, vault: KeyVault) -> t.Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        yield World(new_environment(server), vault, pathlib.Path(folder))


@pytest.fixture(scope="module")
def vault() -> t.Iterator[KeyVault]:
    with key_vault() as running:
        yield running


@FEW
@given(entry=ENTRIES, odd=_odd(TOKEN_OPTIONS), stored=st.booleans(), check_mode=st.booleans())
def test_a_token(
    server: Environment,
    vault: KeyVault,
    entry: Options,
    odd: Options,
    stored: bool,
    check_mode: bool,
) -> None:
    with a_world(server, vault) as world:
        store = {"store": world.file_store} if stored else {}
        check(
            world,
            world.run(
                "dynatrace_token", {**world.connection(), **store, **entry, **odd}, check_mode
            ),
        )


@FEW
@given(
    entry=ENTRIES,
    odd=_odd(TOKEN_SET_OPTIONS),
    inner=_odd(TOKEN_SPECIFICATION_OPTIONS),
    nested=st.booleans(),
)
def test_a_set_of_tokens(
    server: Environment, vault: KeyVault, entry: Options, odd: Options, inner: Options, nested: bool
) -> None:
    with a_world(server, vault) as world:
        tokens = [
            {"name": "other", "scopes": ["metrics.read"]},
            {**entry, **(inner if nested else {})},
        ]
        check(
            world,
            world.run(
                "dynatrace_token_set",
                {**world.connection(), "tokens": tokens, **({} if nested else odd)},
            ),
        )


@FEW
@given(odd=_odd(TOKEN_INFO_OPTIONS))
def test_information(server: Environment, vault: KeyVault, odd: Options) -> None:
    with a_world(server, vault) as world:
        check(world, world.run("dynatrace_token_info", {**world.connection(), **odd}))


@FEW
@given(
    entry=ENTRIES,
    of_files=_odd([*TYPES["file"].options, "type"]),
    of_vault=_odd([*TYPES["hashi_vault"].options, "type"]),
    files=st.booleans(),
)
def test_a_store(
    server: Environment,
    vault: KeyVault,
    entry: Options,
    of_files: Options,
    of_vault: Options,
    files: bool,
) -> None:
    with a_world(server, vault) as world:
        store = {**world.file_store, **of_files} if files else {**vault.store, **of_vault}
        check(world, world.run("dynatrace_token", {**world.connection(), **entry, "store": store}))


@FEW
@given(terms=st.lists(ANYTHING, max_size=2), odd=_odd(LOOKUP_OPTIONS))
def test_the_lookup(server: Environment, vault: KeyVault, terms: list[t.Any], odd: Options) -> None:
    with a_world(server, vault) as world:
        check(world, world.look_up(terms, {**world.connection(), "store": world.file_store, **odd}))


IN_A_PLAYBOOK: dict[str, tuple[Options, list[str]]] = {
    "dynatrace_token": (ENTRY, ["name", "scopes", "token", "environment_url", "store"]),
    "dynatrace_token_set": ({"tokens": [ENTRY]}, ["tokens", "workers", "store"]),
    "dynatrace_token_info": ({}, ["name_regex", "owner", "api_token"]),
}


def test_a_playbook(ansible: Ansible) -> None:
    values: list[t.Any] = [
        "a\r\nX-Evil: 1",
        "\u202eevil",
        SECRET,
        "../../etc",
        "(",
        ["a", None],
        {"a": {"b": 1}},
        "x" * 10_000,
        -1,
        "1e999",
    ]
    odd = {
        name: [{**base, one: value} for one in options for value in values]
        for name, (base, options) in IN_A_PLAYBOOK.items()
    }
    tasks = [
        {
            "name": module,
            f"community.dynatrace.{module}": f"{{{{ odd.{module}[item] }}}}",
            "loop": list(range(len(odd[module]))),
            "loop_control": {"label": ""},
            "register": "got",
        }
        for module in odd
    ]
    run = ansible.play(*tasks, vars={"odd": odd}, ignore_errors=True)
    assert {
        module: len(run.results(module)) >= len(odd[module]) for module in odd
    } == dict.fromkeys(odd, True)
    assert [word for word in ("Traceback", "Unexpected", SECRET_PART) if word in run.output] == []


def test_a_playbook_with_the_lookup(ansible: Ansible) -> None:
    values: list[t.Any] = [
        "a\r\nX-Evil: 1",
        SECRET,
        "../../etc",
        ["a", None],
        {"a": {"b": 1}},
        -1,
        "1e999",
    ]
    options = ["store", "environment_url", "api_token", "timeout", "verify", "return"]
    odd = [{"store": "store", option: value} for option in options for value in values]
    secret = [given for given in odd if SECRET in given.values()]
    look = "{{{{ lookup('community.dynatrace.api_token', 'held', {}) }}}}"
    # As warnings, because to ansible-core 2.18 an error in a template is the end of the whole loop.
    warned = {
        "name": "odd",
        "ansible.builtin.set_fact": {"found": look.format("errors='warn', **odd[item]")},
        "loop": list(range(len(odd))),
    }
    failing = [
        {"name": "secret", "ansible.builtin.set_fact": {"found": look.format(f"**secret[{n}]")}}
        for n in range(len(secret))
    ]
    run = ansible.play(
        warned, *failing, vars={"odd": odd, "secret": secret}, ignore_errors=True
    ).succeeded()
    assert len(run.results("odd")) == len(odd) + 1
    assert ["msg" in result for result in run.results("secret")] == [True] * len(options)
    assert [
        word for word in ("Traceback", "Unexpected", "unhandled", SECRET_PART) if word in run.output
    ] == []


def test_the_lookup_takes_no_list_and_nothing_for_a_name(
    server: Environment, vault: KeyVault
) -> None:
    with a_world(server, vault) as world:
        for term in (None, ["held"], {"name": "held"}, True):
            said = world.look_up(
                [term], {**world.connection(), "store": world.file_store, "on_missing": "skip"}
            )
            assert "The name of a token is text" in str(said.error)
