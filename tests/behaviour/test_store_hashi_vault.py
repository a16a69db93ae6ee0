# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets that are kept in HashiCorp Vault, as playbooks see it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import json
import pathlib
import ssl
import threading
import typing as t

import pytest
import trustme

from support import stand_in
from support.key_vault import ALL, KeyVault, key_vault, stand_in_vault
from support.runs import Ansible, Run, Task, check, in_check_mode, info, token, without_library
from support.stand_in import Environment

READ = ["metrics.read"]
LONG_AGO = "2020-01-31T12:00:00.000Z"
LOGIN = ("POST", "/v1/auth/approle/login")
IGNORE_ERRORS = {"ignore_errors": True}

Another = t.Callable[..., KeyVault]


@pytest.fixture
def vault() -> t.Iterator[KeyVault]:
    with key_vault() as running:
        yield running


@pytest.fixture
def another() -> t.Iterator[Another]:
    """Starts one more, as the arguments say."""
    with contextlib.ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(key_vault(*arguments, **options))


@pytest.fixture
def sealed() -> t.Iterator[KeyVault]:
    with stand_in_vault(sealed=True) as running:
        yield running


def place(environment: Environment, name: str, folder: str = "dynatrace") -> str:
    """Where the secret of this token is kept."""
    return f"{folder}/{environment.url.rpartition('/')[2]}/{name}"


def plant(vault: KeyVault, environment: Environment, name: str, **facts: t.Any) -> str:
    """An entry as an earlier run of version 1.0.0 left it; returns its path."""
    path = place(environment, name)
    entry = {
        "environment": environment.url.rpartition("/")[2],
        "name": name,
        "personal_access_token": False,
        "id": None,
        "token": None,
        "scopes": [],
        "expiration_date": None,
        "created": None,
        "pending": None,
        "retiring": [],
    }
    vault.plant(path, {**entry, **facts})
    return path


def is_write(number: int) -> t.Callable[[str, str], bool]:
    """Tells one write of a secret: the first is that of the intent, the second that of the secret,
    the third ends the intent.
    """
    written = itertools.count(1)
    return lambda method, path: method == "POST" and "/data/" in path and next(written) == number


def test_the_second_run_changes_nothing_whichever_way_names_the_store(
    ansible: Ansible, environment: Environment
) -> None:
    """By options with a role, and by the usual variables with a token from one of Ansible's."""
    where = {"engine_mount_point": "kv/apps", "path": "some/where"}
    with key_vault(namespace="teams/a", mount="kv/apps") as vault:
        task = token(
            "ci",
            register="made",
            scopes=READ,
            store=vault.by_approle(**where),
        )
        ansible.play(
            task, check("made.action == 'created'", "made.store_updated", "made.token is not none")
        ).succeeded()
        ((path, kept),) = vault.stored().items()
        assert path == place(environment, "ci", "some/where")
        assert kept is not None
        assert [kept["token"]] == [
            secret for secret in environment.secrets() if secret.startswith(kept["id"])
        ]
        environment.forget_requests()
        vault.requests.clear()
        variables = {
            "VAULT_ADDR": vault.url,
            "BAO_NAMESPACE": str(vault.namespace),
            "DYNATRACE_TOKEN_STORE": json.dumps({"type": "hashi_vault", **where}),
        }
        same = check(
            "not found.changed", "not found.store_updated", f"found.token == '{kept['token']}'"
        )
        again = token("ci", register="found", scopes=READ)
        again["vars"] = {
            "ansible_hashi_vault_token": "{{ of_this_team }}",
            "of_this_team": vault.token,
        }
        read = check(f"lookup('community.dynatrace.api_token', 'ci') == '{kept['token']}'")
        read["vars"] = again["vars"]
        ansible.play(again, same, env=variables).succeeded()
        assert [request["method"] for request in environment.requests()] == ["GET"]
        assert vault.requests == [("GET", f"/v1/kv/apps/data/{path}")]
        ansible.play(read, env=variables).succeeded()


def test_the_server_is_trusted_by_ca_cert_alone(
    ansible: Ansible, environment: Environment, tmp_path: pathlib.Path
) -> None:
    authority, bundle = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with stand_in_vault(tls=tls) as vault:
        tasks = [
            token("unknown", keywords=IGNORE_ERRORS, scopes=READ, store=vault.store),
            token("known", scopes=READ, store={**vault.store, "ca_cert": str(bundle)}),
        ]
        run = ansible.play(*tasks, env={"REQUESTS_CA_BUNDLE": str(bundle)}).succeeded()
    assert "ca_cert" in run.result("unknown")["msg"]
    assert [found["name"] for found in environment.tokens()] == ["known"]


def test_absent_removes_the_secret_with_all_its_versions(
    ansible: Ansible, environment: Environment, vault: KeyVault
) -> None:
    tasks = [
        token("ci", scopes=READ, store=vault.store),
        token("ci", scopes=["logs.read"], store=vault.store),
        token("ci", register="gone", state="absent", store=vault.store),
        check("gone.action == 'deleted'", "gone.store_updated"),
        token("ci", register="again", state="absent", store=vault.store),
        check("not again.changed"),
    ]
    with key_vault(policy=frozenset({"create", "update", "read"})) as lasting:
        kept = [
            token("kept", keywords=IGNORE_ERRORS, store=lasting.store, **options)
            for options in ({"scopes": READ}, {"state": "absent"})
        ]
        run = ansible.play(*tasks, *kept).succeeded()
    assert vault.known() == {}
    assert vault.methods().count("DELETE") == 1
    assert "may not delete secret/metadata/dynatrace/" in run.result("kept")["msg"]
    assert [found["name"] for found in environment.tokens()] == ["kept"]


def test_a_secret_that_was_deleted_behind_its_back_is_said_to_be_missing_and_can_be_replaced(
    ansible: Ansible, environment: Environment, vault: KeyVault
) -> None:
    tasks, lost = [], {}
    for name, end in {"deleted": vault.delete, "destroyed": vault.destroy}.items():
        lost[name] = environment.issue(name, READ)
        end(plant(vault, environment, name, id=lost[name]["id"], token=lost[name]["token"]))
        tasks += [
            token(name, keywords=IGNORE_ERRORS, scopes=READ, store=vault.store),
            token(
                name,
                register="replaced",
                scopes=READ,
                store=vault.store,
                on_missing_secret="rotate",
            ),
            check("replaced.action == 'rotated'", "replaced.token is not none"),
            token(name, register="again", scopes=READ, store=vault.store),
            check("again.token == replaced.token", "not again.changed"),
        ]
    run = ansible.play(*tasks).succeeded()
    for name, made in lost.items():
        said = run.results(name)[0]["msg"]
        where = f"the secret secret/{place(environment, name)} of {vault.url} was {name}"
        assert f"the store has no secret for it ({where}" in said
        assert ("; vault kv undelete -mount=secret -versions=1 " in said) is (name == "deleted")
        assert [found["id"] == made["id"] for found in environment.tokens(name)] == [False]


def unusable_stores(
    vault: KeyVault,
    environment: Environment,
    another: Another,
    elsewhere: KeyVault,
    sealed: KeyVault,
) -> dict[str, tuple[dict[str, t.Any], str]]:
    """Stores that cannot work, and what is said of each; those that redirect lead elsewhere."""
    readable, writable_once = (
        another(policy=frozenset({"read"})),
        another(policy=frozenset({"create", "read", "delete"})),
    )
    redirecting = another(lambda method, path: elsewhere.url)
    pasted_badly = "store: token has a space, a line break or another character that none has"
    return {
        "wrong-token": (
            {**vault.store, "token": "hvs.wrong"},
            "permission denied. See whether the token of the store is valid",
        ),
        "wrong-namespace": (
            {**another(namespace="teams/a").store, "namespace": "nowhere"},
            "namespace not found. See whether namespace is right",
        ),
        "wrong-secret-id": (vault.by_approle(secret_id="mistaken"), "invalid role or secret ID"),
        "unknown-mount": (
            {**vault.store, "engine_mount_point": "nope"},
            "Allow that, or see whether engine_mount_point, path and namespace are right.",
        ),
        "sealed": (sealed.store, "Vault is sealed. Unseal it, and run again."),
        "read-only": (
            readable.store,
            f"may not create and update secret/data/{place(environment, 'read-only')}. "
            "Nothing was done.",
        ),
        # To save the secret is an update, because the intent is there by then.
        "no-update": (writable_once.store, "may not update secret/data/"),
        "damaged": (
            vault.store,
            f"The secret secret/{place(environment, 'damaged')} of {vault.url} is damaged",
        ),
        "unreachable": ({**vault.store, "url": "http://127.0.0.1:9"}, "Connection refused"),
        "redirect": (
            redirecting.store,
            "the answer is a redirect, which would carry the token to another host",
        ),
        "redirect-of-the-login": (
            redirecting.by_approle(),
            "the answer is a redirect, which would carry the token to another host",
        ),
        "not-a-vault": ({**vault.store, "url": environment.url}, "See whether url is that of"),
        "in-the-clear": (
            {**vault.store, "url": "http://vault.example.com:8200"},
            "store: url: http:// would send the token in the clear",
        ),
        "no-url": ({"type": "hashi_vault", "token": vault.token}, "store: url is missing"),
        "no-token": (
            {"type": "hashi_vault", "url": vault.url},
            "store: token is missing, which auth_method token needs",
        ),
        "line-break": ({**vault.store, "token": vault.token + "\n"}, pasted_badly),
        "ellipsis": ({**vault.store, "token": vault.token + "\u2026"}, pasted_badly),
        "no-role": (
            vault.by_approle(role_id=None),
            "store: role_id is missing, which auth_method approle needs",
        ),
        "no-type": ({"url": vault.url, "token": vault.token}, "type: hashi_vault"),
        "no-option": ({**vault.store, "mount": "secret"}, "mount"),
        "no-time": ({**vault.store, "timeout": 0}, "timeout"),
    }


def test_a_store_that_cannot_work_is_explained_and_nothing_is_issued_or_shown(
    ansible: Ansible,
    environment: Environment,
    vault: KeyVault,
    another: Another,
    sealed: KeyVault,
) -> None:
    vault.plant(place(environment, "damaged"), {"password": "theirs"})
    elsewhere = another()
    expected = unusable_stores(vault, environment, another, elsewhere, sealed)
    tasks = [
        token(name, keywords=IGNORE_ERRORS, scopes=READ, store=store)
        for name, (store, _explanation) in expected.items()
    ]
    run = ansible.play(*tasks).succeeded()
    said = {name: run.result(name)["msg"] for name in expected}
    assert {
        name: said[name]
        for name, (_store, explanation) in expected.items()
        if explanation not in said[name]
    } == {}
    assert [message for message in said.values() if "Please report" in message] == []
    assert vault.token not in run.output
    assert elsewhere.requests == []
    assert environment.writes() == []
    assert list(vault.stored()) == [place(environment, "damaged")]


def test_without_hvac_the_error_says_so(
    ansible: Ansible, environment: Environment, vault: KeyVault, tmp_path: pathlib.Path
) -> None:
    without = without_library("hvac", tmp_path / "without")
    run = ansible.play(token("ci", scopes=READ, store=vault.store), env=without).failed()
    assert "pip install hvac" in run.result("ci")["msg"]
    assert environment.writes() == []


def test_check_mode_writes_nothing_and_finds_what_may_not_be_written(
    ansible: Ansible, environment: Environment, vault: KeyVault
) -> None:
    with key_vault(policy=frozenset({"read"})) as readable:
        tasks = [
            token("writable", register="planned", scopes=READ, store=vault.store),
            check("planned.action == 'created'", "planned.store_updated", "planned.token is none"),
            token("readable", keywords=IGNORE_ERRORS, scopes=READ, store=readable.store),
        ]
        run = ansible.play(*tasks, options=["--check"]).succeeded()
        assert "may not create and update" in run.result("readable")["msg"]
        assert [vault.methods(), readable.methods()] == [["GET"], ["GET"]]
    assert environment.writes() == []


def test_a_token_is_deleted_if_its_secret_cannot_be_saved_and_kept_if_only_the_answer_is_lost(
    ansible: Ansible, environment: Environment, another: Another
) -> None:
    is_second_write = is_write(2)
    failing = another(lambda method, path: 500 if is_second_write(method, path) else None)
    lossy = another(lambda method, path: "lose" if method == "POST" and "/data/" in path else None)
    tasks = [
        token(
            "unsaved", register="unsaved", keywords=IGNORE_ERRORS, scopes=READ, store=failing.store
        ),
        token("saved", register="made", scopes=READ, store=lossy.store),
        check("made.action == 'created'"),
        token("saved", register="again", scopes=READ, store=lossy.store),
        check("not again.changed", "again.token == made.token"),
    ]
    run = ansible.play(*tasks).succeeded()
    assert "cannot be written: internal error" in run.result("unsaved")["msg"]
    assert "was deleted again. Nothing is left of it; run again." in run.result("unsaved")["msg"]
    assert "could not be brought up to date" not in run.text
    assert environment.writes() == ["POST", "DELETE", "POST", "PUT"]
    assert [found["name"] for found in environment.tokens()] == ["saved"]
    assert failing.stored() == {}


def test_who_is_overtaken_takes_back_what_it_issued_and_finds_the_others_token(
    ansible: Ansible, environment: Environment
) -> None:
    """Somebody took this run for dead and issued a token of their own."""
    theirs: dict[str, str] = {}

    def overtake(method: str, path: str) -> None:
        if is_second_write(method, path):
            theirs.update(environment.issue("ci"))
            plant(vault, environment, "ci", id=theirs["id"], token=theirs["token"])

    is_second_write = is_write(2)
    with key_vault(overtake) as vault:
        run = ansible.play(token("ci", scopes=READ, store=vault.store)).succeeded()
        assert run.result("ci")["token_id"] == theirs["id"]
    assert [found["id"] for found in environment.tokens()] == [theirs["id"]]


def test_what_earlier_runs_left_is_put_right(
    ansible: Ansible, environment: Environment, vault: KeyVault
) -> None:
    """One was cut off before it saved the secret, one after."""
    pending = {
        name: {"nonce": digit * 16, "since": LONG_AGO}
        for name, digit in (("lost", "0"), ("saved", "1"))
    }
    made = {
        name: environment.issue(f"{name} ~pending-{pending[name]['nonce']}", READ)
        for name in pending
    }
    plant(vault, environment, "lost", pending=pending["lost"])
    plant(
        vault,
        environment,
        "saved",
        pending=pending["saved"],
        id=made["saved"]["id"],
        token=made["saved"]["token"],
    )
    tasks = [
        token("lost", register="issued", scopes=READ, store=vault.store),
        check(
            "issued.action == 'created'",
            f"issued.retired == [{{'id': '{made['lost']['id']}', 'action': 'deleted'}}]",
        ),
        token("saved", register="finished", scopes=READ, store=vault.store),
        check("finished.action == 'updated'", f"finished.token == '{made['saved']['token']}'"),
    ]
    ansible.play(*tasks).succeeded()
    left = {found["name"]: found["id"] for found in environment.tokens()}
    assert set(left) == {"lost", "saved"}
    assert left["lost"] != made["lost"]["id"]
    assert left["saved"] == made["saved"]["id"]
    assert [entry and entry["intents"] for entry in vault.stored().values()] == [[], []]


def test_two_machines_get_one_token(tmp_path: pathlib.Path) -> None:
    """Both find nothing, at the same time."""
    both, reads = threading.Barrier(2, timeout=60), itertools.count(1)

    def meet(method: str, path: str) -> None:
        if method == "GET" and next(reads) <= 2:
            both.wait()

    def play(machine: str) -> Run:
        folder = tmp_path / machine
        folder.mkdir()
        say = {
            "name": "said",
            "ansible.builtin.debug": {
                "msg": "{{ made.token_id }} {{ made.token | hash('sha256') }}"
            },
        }
        return Ansible(folder, slow).play(
            token("shared", register="made", scopes=READ, store=vault.store), say
        )

    with (
        stand_in.serve("--latency", "300") as slow,
        key_vault(meet) as vault,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        said = {run.succeeded().result("said")["msg"] for run in pool.map(play, ["one", "two"])}
        assert [message.split()[0] for message in said] == [found["id"] for found in slow.tokens()]
        assert slow.writes() == ["POST", "PUT"]


def test_only_the_entries_of_tokens_that_were_found_are_read(
    ansible: Ansible, environment: Environment, vault: KeyVault, another: Another
) -> None:
    for number in range(50):
        plant(vault, environment, f"kept-{number}")
    for name in ("deleted", "destroyed", "damaged"):
        environment.issue(name)
        plant(vault, environment, name)
    vault.delete(place(environment, "deleted"))
    vault.destroy(place(environment, "destroyed"))
    vault.plant(place(environment, "damaged"), {"password": "theirs"})
    closed = another(policy=ALL - {"read"})
    run = ansible.play(
        token("ci", scopes=READ, store=vault.store),
        token("ci", "rotated", scopes=READ, store=vault.store, rotate="always", overlap="2d"),
        info("nothing", store={**vault.store, "path": "some/where"}, name="ci"),
        info("one", store=vault.store, token_id="{{ rotated.retiring[0].id }}"),
        info("all", store=vault.store),
        {**info("closed", store=closed.store, name="ci"), **IGNORE_ERRORS},
        {**info("pasted", store=vault.store, name=vault.token), **IGNORE_ERRORS},
    ).succeeded()
    _new, old = (found["id"] for found in environment.tokens("ci"))
    found = {task: run.result(task)["tokens"] for task in ("nothing", "one", "all")}
    assert {task: len(tokens) for task, tokens in found.items()} == {
        "nothing": 2,
        "one": 1,
        "all": 6,
    }
    retiring = {
        task: [listed["id"] for listed in tokens if listed["retiring"]]
        for task, tokens in found.items()
    }
    assert retiring == {"nothing": [], "one": [old], "all": [old]}

    read = [
        path.rpartition("/")[2]
        for method, path in vault.requests
        if method == "GET" and "/data/" in path
    ]
    assert read[-7:-5] == ["ci", "ci"]
    assert sorted(read[-5:]) == ["admin", "ci", "damaged", "deleted", "destroyed"]
    assert not [name for name in read if name.startswith("kept-")]
    assert "LIST" not in [method for method, _path in vault.requests]

    assert (
        f"The secret secret/{place(environment, 'damaged')} of {vault.url} is damaged" in run.text
    )
    assert "does not allow to read" in run.result("closed")["msg"]
    assert "It is not shown here" in run.result("pasted")["msg"]
    assert vault.token not in run.output


def test_a_run_logs_in_once_and_none_of_its_tokens_is_left(
    ansible: Ansible, environment: Environment, vault: KeyVault
) -> None:
    """20 tasks, 25 items, two lookups and 10 hosts; and a run of lookups."""
    store = vault.by_approle()
    lookup = {
        "name": "look",
        "ansible.builtin.assert": {
            "that": [f"lookup('community.dynatrace.api_token', 'ci', store={store!r}) is string"]
        },
    }
    on_hosts = {**info("on_hosts", store=store, name="ci"), "delegate_to": "localhost"}
    with_items = {**info("items", store=store, name="{{ item }}"), "loop": list(range(25))}
    plays = [
        {
            "hosts": "all",
            "gather_facts": False,
            "tasks": [
                {
                    **token("ci", scopes=READ, store=store),
                    "run_once": True,
                    "delegate_to": "localhost",
                },
                on_hosts,
            ],
        },
        {
            "hosts": "localhost",
            "gather_facts": False,
            "tasks": [
                *(info(f"info_{number}", store=store, name="ci") for number in range(17)),
                with_items,
                lookup,
                lookup,
            ],
        },
    ]
    hosts = ",".join(f"host-{number}" for number in range(10))
    ansible.playbook(plays, ["-i", f"{hosts},", "-c", "local"]).succeeded()
    assert vault.requests.count(LOGIN) == 1
    assert [vault.lives(issued) for issued in vault.client_tokens] == [False]
    ansible.play(lookup, lookup, token("ci", scopes=READ, store=vault.store)).succeeded()
    assert not any(map(vault.lives, vault.client_tokens))
    assert vault.lives(vault.token)


def purge(name: str, store: dict[str, t.Any]) -> Task:
    """Delete all that this store holds of the environment."""
    return {
        "name": name,
        "community.dynatrace.dynatrace_token_set": {"tokens": [], "purge": True, "store": store},
        "register": name,
        **IGNORE_ERRORS,
    }


def test_of_a_folder_only_what_is_needed_is_read_and_what_was_deleted_stays_recoverable(
    ansible: Ansible, environment: Environment, vault: KeyVault, another: Another
) -> None:
    vault.delete(plant(vault, environment, "deleted"))
    vault.destroy(plant(vault, environment, "destroyed"))
    for name in ("folder/ci", "Theirs"):
        vault.plant(place(environment, name), {"password": "theirs"})
    closed, mistaken = another(policy=ALL - {"list"}), another()
    other = plant(mistaken, environment, "other")
    mistaken.plant(place(environment, "ci"), mistaken.version(other, 1))
    run = ansible.play(
        token("ci", scopes=READ, store=vault.store),
        token("ci", scopes=READ, store=vault.store, rotate="always", overlap="2d"),
        info("told", store=vault.store, name="ci"),
        info("closed", store=closed.store),
        info("mistaken", store=mistaken.store),
        purge("not_listed", closed.store),
        {**info("pasted", store=vault.store, name=vault.token), **IGNORE_ERRORS},
    ).succeeded()
    _new, old = (found["id"] for found in environment.tokens("ci"))
    assert [found["id"] for found in run.result("told")["tokens"] if found["retiring"]] == [old]
    assert vault.requests[-1] == ("GET", f"/v1/secret/data/{place(environment, 'ci')}")
    assert "LIST" not in vault.methods()
    listed = f"secret/metadata/{place(environment, '')}".rstrip("/")
    assert f"does not allow to list {listed}." in run.result("not_listed")["msg"]
    damaged = f"The secret secret/{place(environment, 'ci')} of {mistaken.url} is damaged"
    assert damaged in run.text
    assert "It is not shown here" in run.result("pasted")["msg"]
    assert vault.token not in run.output
    vault.requests.clear()
    purged = ansible.play(purge("purged", vault.store)).succeeded().result("purged")
    assert {found["name"] for found in purged["purged"]} == {"ci"}
    assert set(vault.stored()) == {
        place(environment, name) for name in ("deleted", "destroyed", "folder/ci", "Theirs")
    }
    asked = {path for method, path in vault.requests if method == "GET" and "/sys/" not in path}
    assert asked == {
        f"/v1/secret/data/{place(environment, name)}" for name in ("ci", "deleted", "destroyed")
    }


def a_set(register: str, names: t.Iterable[str], store: dict[str, t.Any]) -> Task:
    specifications = [{"name": name, "scopes": READ} for name in names]
    return {
        "name": register,
        "community.dynatrace.dynatrace_token_set": {"tokens": specifications, "store": store},
        "register": register,
    }


def test_one_listing_tells_which_of_many_new_tokens_have_no_entry(
    ansible: Ansible, environment: Environment, vault: KeyVault, another: Another
) -> None:
    """Where another controller writes an entry meanwhile, and where nothing may be listed, too."""
    names = {part: [f"{part}-{number}" for number in range(21)] for part in ("a", "b", "c")}
    vault.delete(plant(vault, environment, "a-5"))
    theirs: list[str] = []

    def by_another(method: str, path: str) -> None:
        if method == "POST" and path.endswith("/b-7") and not theirs:
            made = environment.issue("b-7", READ)
            theirs.append(made["id"])
            plant(contended, environment, "b-7", **made)

    contended, closed = another(by_another), another(policy=ALL - {"list"})
    run = ansible.play(
        a_set("made", names["a"], vault.store),
        check("made.tokens | map(attribute='action') | unique == ['created']"),
        a_set("again", names["a"], vault.store),
        a_set("contended", names["b"], contended.store),
        check("contended.tokens | map(attribute='action') | select('eq', 'none') | length == 1"),
        a_set("closed", names["c"], closed.store),
    ).succeeded()
    assert "WARNING" not in run.text
    made = sorted(found["name"] for found in environment.tokens())
    assert made == sorted([*names["a"], *names["b"], *names["c"]])
    assert [found["id"] for found in environment.tokens("b-7")] == theirs

    def read(store: KeyVault) -> list[str]:
        paths = (path for method, path in store.requests if method == "GET" and "/data/" in path)
        return [path.rpartition("/")[2] for path in paths]

    assert [store.methods().count("LIST") for store in (vault, contended, closed)] == [1, 1, 1]
    assert sorted(read(vault)) == sorted(["a-5", *names["a"]])
    assert read(contended) == ["b-7"]
    assert sorted(read(closed)) == sorted(names["c"])


def test_a_deleted_secret_stays_recoverable_where_the_task_goes_on_without_it(
    ansible: Ansible, environment: Environment, vault: KeyVault
) -> None:
    lost = environment.issue("ci", READ)
    path = plant(vault, environment, "ci", id=lost["id"], token=lost["token"])
    vault.delete(path)
    ignore = token("ci", register="got", scopes=READ, store=vault.store, on_missing_secret="ignore")
    unchanged = check("not got.changed", "not got.store_updated", "not got.secret_available")
    ansible.play(in_check_mode(ignore), unchanged, ignore, unchanged).succeeded()
    assert set(vault.methods()) == {"GET"}
    vault.undelete(path, 1)
    assert vault.version(path, 1)["token"] == lost["token"]
    assert vault.stored()[path] == vault.version(path, 1)


def test_no_secret_is_shown_or_left(
    ansible: Ansible, environment: Environment, vault: KeyVault, tmp_path: pathlib.Path
) -> None:
    def tasks(store: dict[str, t.Any]) -> list[Task]:
        return [
            token("ci", register="made", scopes=READ, store=store),
            token("ci", scopes=["logs.read"], store=store),
            token(
                "loop-{{ item }}",
                register="loop",
                keywords={"loop": [1, 2]},
                scopes=READ,
                store=f"{{{{ stores.{store['auth_method']} }}}}",
            ),
            token("failed", keywords=IGNORE_ERRORS, scopes=["no.such"], store=store),
            token(
                "nowhere",
                keywords=IGNORE_ERRORS,
                scopes=READ,
                store={**store, "engine_mount_point": "nope"},
            ),
            token(
                "mistyped", keywords=IGNORE_ERRORS, scopes=READ, store={**store, "mount": "secret"}
            ),
            token("as-text", scopes=READ, store=json.dumps(store)),
        ]

    variables = {"ANSIBLE_LOG_PATH": str(tmp_path / "ansible.log")}
    run = ansible.play(
        *tasks({**vault.store, "auth_method": "token"}),
        *tasks(vault.by_approle()),
        options=["-vvvv", "--diff"],
        env=variables,
        vars={"stores": {"token": vault.store, "approle": vault.by_approle()}},
    ).succeeded()
    secrets = [vault.token, vault.secret_id, *vault.client_tokens, *environment.secrets()]
    assert len(secrets) > 7
    files = [file for file in tmp_path.rglob("*") if file.is_file() and file.name != "playbook.yml"]
    assert {"ansible.log", "record.jsonl"} <= {file.name for file in files}
    places = {"output": run.output.encode(), **{str(file): file.read_bytes() for file in files}}
    assert [
        where
        for where, content in places.items()
        if any(secret.encode() in content for secret in secrets)
    ] == []
