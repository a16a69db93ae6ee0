# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What dynatrace_token_set promises, as playbooks see it."""

from __future__ import annotations

import collections
import concurrent.futures
import itertools
import pathlib
import re
import threading
import typing as t

import pytest

from support import stand_in
from support.key_vault import key_vault
from support.relay import Call, Fault, relay
from support.runs import Ansible, Run, Task, check, in_check_mode, info, token, works
from support.stand_in import Environment

READ = ["entities.read", "metrics.read"]
OTHER = ["logs.read"]
IGNORE_ERRORS = {"ignore_errors": True}
UNDOTTED = "0ldF0rmat-S3CR3T-21ch"

Specification = dict[str, t.Any]


def one(name: str, **options: t.Any) -> Specification:
    return {"name": name, "scopes": READ, **options}


def absent(name: str) -> Specification:
    return {"name": name, "state": "absent"}


def token_set(
    *tokens: Specification,
    register: str | None = "got",
    keywords: Task | None = None,
    **options: t.Any,
) -> Task:
    """A task of dynatrace_token_set, called after what it registers."""
    task = {
        "name": register or "set",
        "community.dynatrace.dynatrace_token_set": {"tokens": tokens, **options},
        **(keywords or {}),
    }
    return {**task, "register": register} if register else task


def by_id(token_id: str, **options: t.Any) -> Task:
    return {
        "name": "by id",
        "community.dynatrace.dynatrace_token": {"token_id": token_id, **options},
    }


def all_work(secrets: str = "got.tokens | map(attribute='token')") -> Task:
    """A task that fails unless each of these secrets, given as an expression, is that of an
    enabled token."""
    return {**works("item"), "loop": f"{{{{ {secrets} | list }}}}", "no_log": True}


def each(key: str, of: str = "got") -> str:
    """The expression for what each token of a result has under this key."""
    return f"({of}.tokens | map(attribute='{key}') | list)"


def names(environment: Environment) -> list[str]:
    return sorted(found["name"] for found in environment.tokens())


def on_disk(environment: Environment) -> str:
    """The expression for all that the store holds."""
    files = f"playbook_dir ~ '/store/{environment.url.rpartition('/')[2]}/*.yml'"
    return f"query('ansible.builtin.file', *query('ansible.builtin.fileglob', {files}))"


def stored(ansible: Ansible, environment: Environment, folder: str = "store") -> list[str]:
    """The names of the files in the store."""
    return sorted(
        file.stem
        for file in (ansible.folder / folder / environment.url.rpartition("/")[2]).glob("*.yml")
    )


@pytest.mark.v2
def test_a_second_run_changes_nothing_and_costs_one_listing(
    ansible: Ansible, environment: Environment
) -> None:
    called = ["ci-3", "ci-1", "ci-2"]
    plain, kept = (
        [one(f"{kind} {name}", expires_in="90d") for name in called] for kind in ("plain", "kept")
    )
    mixed = {"scopes": [*READ[::-1], READ[0]]}
    tasks = [
        token_set(*plain, register="plain"),
        token_set(*kept, register="kept", store="store"),
        check("plain.changed", f"{each('action', 'kept')} == ['created'] * 3"),
        all_work("(plain.tokens + kept.tokens) | map(attribute='token')"),
        token_set(*({**spec, **mixed} for spec in plain)),
        check(
            "not got.changed",
            f"{each('token_id')} == {each('token_id', 'plain')}",
            f"{each('token')} == [none] * 3",
        ),
        token_set(*({**spec, **mixed} for spec in kept), store="store"),
        check(
            "not got.changed",
            f"{each('token')} == {each('token', 'kept')}",
            f"{each('secret_available')} == [true] * 3",
        ),
        check(
            f"{each('metadata.name')} == {[spec['name'] for spec in kept]}",
            "got.diff == []",
            "got.purged == []",
        ),
    ]
    run = ansible.play(*tasks).succeeded()
    assert [
        sent["path"].rpartition("/")[2]
        for sent in environment.requests()
        if sent["method"] == "GET"
    ] == ["apiTokens"] * 4
    assert [
        sent["path"].rpartition("/")[2]
        for sent in environment.requests()
        if sent["method"] == "POST"
    ].count("lookup") == 6  # all_work
    assert collections.Counter(environment.writes()) == {"POST": 6, "PUT": 6}
    assert "done" not in run.stderr


@pytest.mark.once
def test_check_mode_tells_of_each_token_what_is_then_done(
    ansible: Ansible, environment: Environment
) -> None:
    first = [one(name) for name in ("update", "rotate", "lasting", "disable", "delete", "keep")]
    lasting = {"overlap": "2d", "delete_after": "1w"}
    then = [
        one("new", expires_in="90d"),
        one("update", scopes=OTHER),
        one("rotate", rotate="always"),
        one("lasting", rotate="always", **lasting),
        one("disable", enabled=False),
        absent("delete"),
        one("keep"),
    ]
    actions = ["created", "updated", "rotated", "rotated", "updated", "deleted", "none"]
    same = [
        f"{each(key, 'planned')} == {each(key)}"
        for key in ("action", "changed", "retired", "store_updated", "usable", "failed")
    ]
    tasks = [
        in_check_mode(token_set(*first, store="store", register="planned")),
        check(
            "planned.changed",
            f"{each('token', 'planned')} == [none] * 6",
            "(playbook_dir ~ '/store') is not exists",
        ),
        token_set(*first, store="store", register="before"),
        check("planned.diff == before.diff", "planned.diff | length == 6"),
        {"name": "kept", "ansible.builtin.set_fact": {"kept": f"{{{{ {on_disk(environment)} }}}}"}},
        in_check_mode(token_set(*then, store="store", register="planned")),
        check(f"{on_disk(environment)} == kept", "kept | length == 6"),
        token_set(*then, store="store"),
        check(
            f"{each('action')} == {actions}",
            "planned.diff == got.diff",
            "got.diff | length == 6",
            *same,
        ),
        check(
            "planned.tokens[1].metadata == got.tokens[1].metadata",
            "got.tokens[1].metadata.scopes == ['logs.read']",
        ),
        check("got.tokens[2].retired == [{'id': before.tokens[1].token_id, 'action': 'deleted'}]"),
        check("got.tokens[3].retiring | map(attribute='id') | list == [before.tokens[2].token_id]"),
        check(
            "got.tokens[4].token is none",
            "got.tokens[4].secret_available",
            "not got.tokens[4].usable",
        ),
        all_work(
            "[got.tokens[0], got.tokens[2], got.tokens[3], got.tokens[6], before.tokens[2]] | "
            "map(attribute='token')"
        ),
    ]
    ansible.play(*tasks).succeeded()
    # Had check mode written, there would have been nothing left to do.
    assert collections.Counter(environment.writes()) == {
        "POST": 6 + 3,
        "PUT": 6 + 3 + 2,
        "DELETE": 2,
    }
    assert names(environment) == [
        "disable",
        "keep",
        "lasting",
        "lasting",
        "new",
        "rotate",
        "update",
    ]


def shown(secrets: t.Iterable[str], run: Run, folder: pathlib.Path) -> list[str]:
    """Where any of these secrets shows: in the output of a run, or in a file that it left."""
    places = {"stdout": run.stdout, "stderr": run.stderr}
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != "playbook.yml"]
    places.update({file.name: file.read_text(errors="replace") for file in files})
    parts = [secret.rpartition(".")[2] for secret in secrets]
    return sorted(
        place for place, content in places.items() if any(part in content for part in parts)
    )


def test_what_fails_is_named_and_the_rest_is_done_and_handed_out(
    ansible: Ansible, environment: Environment
) -> None:
    environment.issue("somebody's")
    twin, held = environment.issue("twin"), environment.issue("held")
    environment.plant("old format", secret=UNDOTTED)
    caller = {
        "rotate": "always",
        "on_missing_secret": "ignore",
        "scopes": ["apiTokens.read", "apiTokens.write"],
    }
    tasks = [
        token_set(
            one("first"),
            one("misspelt", scopes=["metrics.reed"]),
            one("somebody's"),
            one("admin", **caller),
            one("twin", on_missing_secret="ignore"),
            {"token_id": twin["id"], "scopes": OTHER, "on_missing_secret": "ignore"},
            one("held", scopes=["no.such"], token=held["token"]),
            one("old format", scopes=["no.such"], token=UNDOTTED),
            one("last"),
            store="store",
            keywords=IGNORE_ERRORS,
        ),
        check(
            "got is failed",
            "got.changed",
            f"{each('failed')} == {[False, *[True] * 7, False]}",
            f"{each('action')}[0] == 'created'",
        ),
        all_work("[got.tokens[0], got.tokens[8]] | map(attribute='token')"),
        check(
            "\"'metrics.reed' is not a valid scope\" in got.tokens[1].msg",
            "'on_missing_secret is fail' in got.tokens[2].msg",
        ),
        check(
            "'that this task itself calls Dynatrace with' in got.tokens[3].msg",
            f"'about the token {twin['id']}' in got.tokens[4].msg",
        ),
        check("got.tokens[5].msg == got.tokens[4].msg", f"{each('token')}[1:8] == [none] * 7"),
        token_set(
            one("quiet", scopes=["no.such"]),
            one("old format", token=UNDOTTED),
            register=None,
            store="store",
            keywords=IGNORE_ERRORS,
        ),
    ]
    run = ansible.play(
        *tasks, options=["-vvvv", "--diff"], env={"ANSIBLE_LOG_PATH": str(ansible.folder / "log")}
    ).succeeded()
    for told in (
        "7 of 9 tokens failed.",
        "'misspelt': ",
        f"'twin', {twin['id']}: Several of the specifications are about the token",
    ):
        assert f"dynatrace_token_set: {told}" in run.stderr
    assert "1 of 2 tokens failed. 'quiet': " in run.result("set")["msg"]
    assert '+    "name": "first"' in run.stderr
    assert shown([*environment.secrets(), UNDOTTED], run, ansible.folder) == []
    assert {found["name"]: found["scopes"] for found in environment.tokens()}["twin"] == [
        "metrics.read"
    ]


BAD: dict[str, tuple[dict[str, t.Any], str]] = {
    "a name twice": (
        {"tokens": [one("ci"), one("cd"), absent("ci")]},
        "tokens: 'ci' stands more than once",
    ),
    "an id twice": (
        {"tokens": [{"token_id": "dt0c01.ABCDEFGH"}] * 2},
        "tokens: 'dt0c01.ABCDEFGH' stands more than once",
    ),
    "several": (
        {"tokens": [{}, one("a"), one("b", expires_in="90x")]},
        "tokens[0]: name or token_id is needed",
    ),
    "a period": (
        {"tokens": [one("a"), one("b"), one("c", expires_in="90x")]},
        "tokens[2]: expires_in: ",
    ),
    "no workers": (
        {"tokens": [one("a")], "workers": 0},
        "workers is 0. Give a number of connections from 1 to 64.",
    ),
    "many workers": ({"tokens": [one("a")], "workers": 65}, "workers is 65."),
    "nothing to purge": ({"tokens": [one("a")], "purge": True}, "purge needs store"),
    "negative": ({"tokens": [one("a")], "max_deletes": -1, "store": "store"}, "max_deletes is -1."),
    "a secret as a name": (
        {"tokens": [one("a"), one(f"for {UNDOTTED}", token=UNDOTTED)]},
        "tokens[1]: name: the value is, or holds",
    ),
    "another as a name": (
        {"tokens": [one("dt0c01.ABCDEFGH." + "S3CR3T" * 9)]},
        "tokens[0]: name: the value is, or holds",
    ),
    "a secret as a state": (
        {"tokens": [one("ci", state=UNDOTTED, token=UNDOTTED)]},
        "must be one of: present, absent, got: ***",
    ),
    "no list": ({"tokens": {"name": "ci", "token": UNDOTTED}}, "tokens"),
    "text": ({"tokens": f"ci, {UNDOTTED}"}, "tokens"),
    "no dictionary": ({"tokens": [one("ci"), UNDOTTED]}, "tokens"),
    "no such option": (
        {"tokens": [one("ci", scope="metrics.read", token=UNDOTTED)]},
        "tokens[0].scope",
    ),
}


@pytest.mark.once
def test_what_cannot_work_is_told_before_any_request(
    ansible: Ansible, environment: Environment
) -> None:
    tasks = [
        {
            "name": name,
            "community.dynatrace.dynatrace_token_set": options,
            "register": "got",
            **IGNORE_ERRORS,
        }
        for name, (options, _message) in BAD.items()
    ]
    run = ansible.play(*tasks, options=["-vvvv"]).succeeded()
    assert {
        name: message in run.result(name)["msg"] for name, (_options, message) in BAD.items()
    } == dict.fromkeys(BAD, True)
    assert "tokens[2]: expires_in: " in run.result("several")["msg"]
    assert environment.requests() == []
    assert shown([UNDOTTED, "S3CR3T" * 9], run, ansible.folder) == []


@pytest.mark.once
def test_a_token_that_one_specification_names_and_another_retires_is_left_alone(
    ansible: Ansible, environment: Environment
) -> None:
    old = "made.tokens[0].token_id"
    tasks = [
        token_set(one("ci"), register="made", store="store"),
        token_set(one("ci", rotate="always", retire=False), store="store"),
        token_set(
            one("ci"), {"token_id": f"{{{{ {old} }}}}"}, store="store", keywords=IGNORE_ERRORS
        ),
        info("left"),
        check(f"{old} in left.tokens | map(attribute='id')"),
    ]
    ansible.play(*tasks).succeeded()


def test_nothing_is_issued_where_nobody_keeps_the_secret(
    ansible: Ansible, environment: Environment
) -> None:
    environment.issue("there")
    environment.forget_requests()
    run = ansible.play(token_set(one("new"), one("there"), register=None)).failed()
    assert (
        "1 of 2 tokens failed. 'new': A token would be issued, and nobody would keep its secret"
        in run.result("set")["msg"]
    )
    assert environment.writes() == ["PUT"]
    assert environment.tokens("there")[0]["scopes"] == READ


@pytest.mark.once
@pytest.mark.v2
def test_purge_deletes_what_the_store_holds_and_nobody_names_and_nothing_else(
    ansible: Ansible, environment: Environment, server: Environment
) -> None:
    elsewhere = stand_in.new_environment(server)
    there = {"environment_url": elsewhere.url, "api_token": elsewhere.api_token}
    environment.issue("not-in-the-store")
    personal, renamed = (
        one("both", personal_access_token=True),
        {"token_id": "{{ made.tokens[4].token_id }}", "name": "new-name"},
    )
    purge = token_set(
        one("keep"), personal, renamed, one("fresh"), store="store", purge=True, max_deletes=4
    )
    tokens = "[made.tokens[1], made.tokens[2], made.tokens[6], rotated.tokens[0]]"
    doomed = f"{tokens} | map(attribute='token_id') | sort"
    tasks = [
        token_set(
            *map(
                one, ("keep", "plain", "both", "fresh", "old-name", "lost", "lasting", "lost-too")
            ),
            personal,
            register="made",
            store="store",
        ),
        token_set(one("plain"), store="store", **there),
        token_set(one("lasting", rotate="always", overlap="2d"), register="rotated", store="store"),
        *(by_id(f"{{{{ made.tokens[{lost}].token_id }}}}", state="absent") for lost in (3, 5, 7)),
        token("theirs", register="theirs", scopes=READ),
        by_id("{{ theirs.token_id }}", name="plain"),
        {**in_check_mode(purge), "register": "planned"},
        check(
            f"(planned.purged | map(attribute='id') | sort) == ({doomed})",
            "planned.purged | length == 4",
        ),
        purge,
        check("got.purged == planned.purged", "got.diff == planned.diff", "got.changed"),
        check(
            "got.purged | map(attribute='name') | sort == ['both', 'lasting', 'lasting', 'plain']"
        ),
        all_work(),
        purge,
        check("not got.changed", "got.purged == []"),
    ]
    ansible.play(*tasks).succeeded()
    assert names(environment) == ["both", "fresh", "keep", "new-name", "not-in-the-store", "plain"]
    assert stored(ansible, environment) == ["both.pat", "fresh", "keep", "new-name"]
    assert (names(elsewhere), stored(ansible, elsewhere)) == (["plain"], ["plain"])


@pytest.mark.once
def test_purge_refuses_rather_than_delete_too_much(
    ansible: Ansible, environment: Environment
) -> None:
    many = token_set(
        one("keep", scopes=OTHER),
        one("new"),
        store="store",
        purge=True,
        max_deletes=1,
        register="many",
        keywords=IGNORE_ERRORS,
    )
    failing = token_set(
        one("keep"),
        one("bad", scopes=["no.such"]),
        store="store",
        purge=True,
        register="failing",
        keywords=IGNORE_ERRORS,
    )
    tasks = [
        token_set(one("keep"), one("doomed-1"), one("doomed-2"), store="store"),
        token("admin", token=environment.api_token, store="store"),
        {**in_check_mode(many), "register": "planned"},
        many,
        check(
            "many.msg == planned.msg",
            "'purge would delete 2 tokens, which are more than max_deletes, 1: ' in many.msg",
        ),
        failing,
        check("failing is failed", "failing.purged == []", "failing.tokens | length == 2"),
        info("listed"),
        check(
            "listed.tokens | map(attribute='name') | sort == ['admin', 'doomed-1', 'doomed-2', "
            "'keep']"
        ),
        token_set(one("keep"), store="store", purge=True, keywords=IGNORE_ERRORS),
        check(
            "got is failed",
            "'that this task itself calls Dynatrace with' in got.msg",
            "got.tokens[0].token is not none",
        ),
        check("got.purged | map(attribute='name') | sort == ['doomed-1', 'doomed-2']"),
    ]
    ansible.play(*tasks).succeeded()
    assert collections.Counter(environment.writes()) == {"POST": 3 + 1, "PUT": 3, "DELETE": 2}
    assert environment.tokens("keep")[0]["scopes"] == READ
    assert stored(ansible, environment) == ["admin", "keep"]


@pytest.mark.once
def test_purge_spares_what_is_named_by_its_id_or_has_another_name_by_now(
    ansible: Ansible, environment: Environment
) -> None:
    first, second = "{{ made.tokens[0].token_id }}", "{{ made.tokens[1].token_id }}"
    lasting = {"rotate": "always", "overlap": "2d"}
    purge = token_set({"token_id": first}, store="store", purge=True, keywords=IGNORE_ERRORS)
    tasks = [
        token_set(one("named"), one("renamed"), register="made", store="store"),
        token_set(one("named", **lasting), one("renamed", **lasting), store="store"),
        by_id("{{ got.tokens[1].token_id }}", state="absent"),
        by_id(second, name="theirs"),
        {**in_check_mode(purge), "register": "planned"},
        purge,
        info("left"),
        check(
            "made.tokens | map(attribute='token_id') | difference(left.tokens | "
            "map(attribute='id')) == []"
        ),
        check("planned.purged == got.purged"),
    ]
    ansible.play(*tasks).succeeded()


@pytest.mark.once
def test_purge_does_not_take_a_token_from_under_a_task_that_is_issuing_it(
    tmp_path: pathlib.Path, environment: Environment
) -> None:
    issued, purged = threading.Event(), threading.Event()

    def before_its_name(method: str, path: str) -> None:
        if method == "PUT":
            issued.set()
            purged.wait(2)

    def play(where: Environment, *tasks: Task) -> Run:
        folder = tmp_path / tasks[0]["name"]
        folder.mkdir()
        return Ansible(folder, where).play(*tasks, env={"ANSIBLE_HOME": str(tmp_path)})

    ci, purge = (
        token_set(one("ci"), store=str(tmp_path / "store")),
        token_set(store=str(tmp_path / "store"), purge=True),
    )
    with (
        relay(environment, before_its_name) as first,
        relay(environment, lambda method, path: None if issued.wait(20) else 503) as second,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        issuing = pool.submit(play, first.environment, ci)
        play(second.environment, info("begun"), purge).succeeded()
        purged.set()
        issuing.result().succeeded()


def failing(faults: t.Mapping[tuple[str, int], Fault]) -> t.Callable[[str, str], Fault]:
    """A rule under which these requests fail, each named by its method and which of that method
    it is."""
    counts = {method: itertools.count(1) for method in ("GET", "POST", "PUT", "DELETE")}
    return lambda method, path: (
        None if path.endswith("/lookup") else faults.get((method, next(counts[method])))
    )


def test_a_set_that_is_killed_in_the_middle_is_put_right_by_the_next_run(
    ansible: Ansible, environment: Environment
) -> None:
    ten = [one(f"ci-{number}") for number in range(10)]
    with relay(environment, failing({("POST", 5): Call(ansible.kill, True)})) as deadly:
        assert (
            ansible.play(
                token_set(*ten, store="store"), env=deadly.environment.variables
            ).returncode
            < 0
        )
    assert len(environment.tokens()) >= 4
    again = token_set(*ten, store="store")
    ansible.play(
        again,
        check("got.changed", f"{each('usable')} == [true] * 10"),
        all_work(),
        again,
        check("not got.changed"),
    ).succeeded()
    assert names(environment) == [spec["name"] for spec in ten]


@pytest.mark.once
def test_a_request_that_fails_is_told_and_its_token_put_right_by_the_next_run(
    ansible: Ansible, environment: Environment
) -> None:
    five = token_set(
        *(one(f"ci-{number}") for number in range(5)), store="store", keywords=IGNORE_ERRORS
    )
    created = f"({each('action')} | select('eq', 'created') | length)"
    tasks = [
        five,
        check("got is failed", f"{each('failed')} | select | length == 2", f"{created} == 3"),
        check(
            "'No token was issued' in got.msg",
            "'its secret is in the store, but it could not be given its name' in got.msg",
        ),
        all_work("got.tokens | rejectattr('failed') | map(attribute='token')"),
        five,
        check("got is success", "got.changed", f"{created} == 1"),
        all_work(),
        five,
        check("not got.changed"),
    ]
    with relay(environment, failing({("POST", 2): 403, ("PUT", 1): 500})) as broken:
        ansible.play(*tasks, env=broken.environment.variables).succeeded()
    assert names(environment) == [f"ci-{number}" for number in range(5)]


def test_a_set_that_runs_out_of_its_time_loses_no_secret(
    ansible: Ansible, environment: Environment
) -> None:
    """What was issued is in the store by then, or taken back."""
    cut = {"workers": 1, "timeout": 3, "keywords": {"timeout": 2, **IGNORE_ERRORS}}
    without, kept = (
        [one(f"{kind}-{number}") for number in range(3)] for kind in ("without", "kept")
    )
    tasks = [
        token_set(*without, **cut),
        info("left", name_regex="-"),
        check("left.tokens == []"),
        token_set(*kept, **cut, store="store"),
        info("left", name_regex="-"),
        check("left.tokens | length == 1"),
        token_set(*kept, store="store"),
        check(f"{each('action')} == ['none', 'created', 'created']"),
        all_work(),
    ]
    with relay(environment, failing({("POST", 2): "hang", ("POST", 4): "hang"})) as broken:
        ansible.play(*tasks, env=broken.environment.variables).succeeded()
    assert names(environment) == [spec["name"] for spec in kept]


@pytest.fixture(scope="module")
def slow_server() -> t.Iterator[Environment]:
    with stand_in.serve("--latency", "300") as first_environment:
        yield first_environment


@pytest.mark.once
def test_two_playbooks_with_overlapping_sets_get_one_token_of_each_name(
    tmp_path: pathlib.Path, slow_server: Environment
) -> None:
    slow = stand_in.new_environment(slow_server)

    def play(called: list[str]) -> Run:
        folder = tmp_path / called[0]
        folder.mkdir()
        tasks = [token_set(*map(one, called), store=str(tmp_path / "store")), all_work()]
        return Ansible(folder, slow).play(*tasks)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        for run in pool.map(play, [["a", "b", "c", "d"], ["d", "e", "c", "b"]]):
            run.succeeded()
            assert "is from a run that was cut off" not in run.text
    assert names(slow) == ["a", "b", "c", "d", "e"]
    assert sorted(slow.writes()) == ["POST"] * 5 + ["PUT"] * 5


def test_no_more_than_workers_requests_are_under_way_and_a_long_task_tells_how_far_it_is(
    tmp_path: pathlib.Path, slow_server: Environment
) -> None:
    slow = stand_in.new_environment(slow_server)
    many = [absent(slow.plant(f"ci-{number}")["name"]) for number in range(24)]
    arrived, under_way = itertools.count(1), []

    def rule(method: str, path: str) -> None:
        if method == "DELETE":
            under_way.append(next(arrived) - slow.writes().count("DELETE"))

    with relay(slow, rule) as counting:
        run = Ansible(tmp_path, counting.environment).play(token_set(*many, workers=2)).succeeded()
    assert max(under_way) == 2
    assert re.search(r"^dynatrace_token_set: [0-9]+/24 done$", run.stderr, re.MULTILINE)
    assert names(slow) == []


@pytest.mark.once
def test_a_set_can_be_kept_in_a_key_vault(ansible: Ansible, environment: Environment) -> None:
    with key_vault() as vault:
        both = token_set(one("ci"), one("cd"), store=vault.store)
        tasks = [
            both,
            check("got.changed", f"{each('store_updated')} == [true, true]"),
            all_work(),
            both,
            check("not got.changed"),
            all_work(),
            token_set(one("cd"), store=vault.store, purge=True),
            check("got.purged | map(attribute='name') | list == ['ci']"),
        ]
        ansible.play(*tasks).succeeded()
        assert [path.rpartition("/")[2] for path in vault.stored()] == ["cd"]
    assert names(environment) == ["cd"]


def test_shipped_to_another_host_the_result_is_the_same(
    ansible: Ansible, environment: Environment
) -> None:
    hosts = ansible.folder / "hosts"
    hosts.write_text(
        "remote ansible_connection=elsewhere ansible_python_interpreter={{ansible_playbook_python}}"
    )
    here = {"delegate_to": "localhost"}
    held = [
        one(name, token=f"{{{{ got.tokens[{number}].token }}}}", on_missing_secret="fail")
        for number, name in enumerate(["ci", "cd"])
    ]
    tasks = [
        token_set(one("ci"), one("cd"), one("no", scopes=["no.such"]), keywords=IGNORE_ERRORS),
        check(
            "got is failed",
            "got.tokens[2].failed",
            "\"1 of 3 tokens failed. 'no': \" in got.msg",
            "'invocation' not in got",
        ),
        {**all_work("got.tokens[:2] | map(attribute='token')"), **here},
        token_set(*held, absent("gone"), register="again"),
        check(
            "not again.changed",
            f"{each('token', 'again')}[:2] == {each('token')}[:2]",
            "again.tokens[2].token is none",
        ),
        token_set(*held, absent("gone"), register="in_process", keywords=here),
        check("in_process == again"),
    ]
    run = ansible.play(*tasks, hosts="remote", options=["-i", str(hosts), "-v"]).succeeded()
    assert "dynatrace_token_set: created: 'ci' (dt0c01." in run.stderr
    assert shown(environment.secrets(), run, ansible.folder) == []
    assert names(environment) == ["cd", "ci"]
