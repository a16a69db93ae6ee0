# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No secret in any output, at any verbosity: every secret that was issued is searched for in
everything a run writes."""

from __future__ import annotations

import json
import pathlib

import pytest
from ansible.release import __version__

from support import stand_in
from support.leaks import leaks, places_of
from support.runs import Ansible, Run, Task, check, token
from support.ssh import over_ssh
from support.stand_in import Environment

READ = ["metrics.read"]
ROLE = {
    "name": "role",
    "ansible.builtin.include_role": {"name": "community.dynatrace.dynatrace_tokens"},
    "vars": {
        "dynatrace_tokens": [
            {
                "name": "from-role",
                "scopes": READ,
                "on_missing_secret": "ignore",
                "fact": "from_role",
            },
            {
                "name": "held",
                "scopes": READ,
                "on_missing_secret": "fail",
                "token": "{{ single.token }}",
                "token_id": "{{ single.token_id }}",
            },
        ]
    },
}
# By what they register.
ONE_OF_EACH = ("single", "loop", "failed", "retried", "many", "by_environment")
ONE_THAT_WORKS_AND_ONE_THAT_FAILS = ("single", "failed")
LOOP = {"loop": ["one", "two"]}
STORED = {"scopes": READ, "store": "store"}
ADMIN = "{{ lookup('ansible.builtin.env', 'DYNATRACE_API_TOKEN') }}"
LOOKUP = (
    "query('community.dynatrace.api_token', 'stored-one', 'stored-two', store='store', verify=true)"
)


# Whether this ansible-core can keep a secret out of the output of later tasks.
MASKS = tuple(map(int, __version__.split(".")[:2])) >= (2, 22)


def debug(message: str) -> Task:
    return {"name": "debug", "ansible.builtin.debug": {"msg": message}}


def twice(register: str) -> Task:
    """Keywords by which a task runs twice, with all that its first attempt was given."""
    return {"until": f"{register}.attempts > 1", "retries": 2, "delay": 0}


def through_a_store() -> list[Task]:
    """Every way in which a secret comes out of a store or goes into one, the failing ones too."""
    adopt = {"token": "{{ single.token }}", "store": {"type": "file", "path": "store"}}
    return [
        token("stored-{{ item }}", register="stored", keywords=LOOP, **STORED),
        token("stored-{{ item }}", register="stored", keywords=LOOP, **STORED),
        token("stored-one", **STORED),
        token("until", register="until", keywords=twice("until"), api_token=ADMIN, **STORED),
        token("single", register="adopted", scopes=READ, **adopt),
        token(
            "stored-one",
            register="replaced",
            on_missing_secret="rotate",
            token="{{ single.token }}",
            **STORED,
        ),
        token(
            "stored-two",
            register="refused",
            keywords={"ignore_errors": True},
            scopes=["no.such"],
            store="store",
        ),
        token(
            "single",
            keywords={"ignore_errors": True},
            scopes=READ,
            store={"type": "hashi_vault", "token": "{{ single.token }}"},
        ),
        {
            "name": "looked up",
            "ansible.builtin.set_fact": {"looked_up": f"{{{{ {LOOKUP} }}}}"},
            "no_log": True,
        },
        {
            "name": "looked up in vain",
            "ansible.builtin.debug": {"msg": f"{{{{ {LOOKUP.replace('-two', '-three')} }}}}"},
            "ignore_errors": True,
        },
        check(
            "stored.results[0].token.startswith(stored.results[0].token_id)",
            "looked_up[0] == stored.results[0].token",
            "until.attempts == 2 and until.token.startswith(until.token_id)",
        ),
    ]


def every_way() -> list[Task]:
    """Every way in which a secret comes out of anything or goes into it."""
    return [
        *every_task(),
        *through_a_store(),
        ROLE,
        check("from_role.startswith(dynatrace_tokens_issued['from-role'].id)"),
    ]


def every_task() -> list[Task]:
    """Every way in which a secret comes out of a task or goes into one, the failing ones too."""
    argument = {"api_token": ADMIN}
    return [
        {"name": "defaults", "ansible.builtin.set_fact": {"seen": True}},
        token("single", register="single", scopes=READ),
        token("loop-{{ item }}", register="loop", keywords=LOOP, scopes=READ),
        token(
            "single",
            register="held",
            scopes=READ,
            token="{{ single.token }}",
            on_missing_secret="fail",
        ),
        token(
            "single",
            register="as_argument",
            scopes=["logs.read"],
            token="{{ single.token }}",
            **argument,
        ),
        token(
            "single",
            register="failed",
            keywords={"ignore_errors": True},
            token="{{ single.token }}",
            scopes=["no.such"],
            **argument,
        ),
        {
            "name": "refused",
            "community.dynatrace.dynatrace_token": {"name": "{{ single.token }}", "scopes": READ},
            "ignore_errors": True,
        },
        token(
            "loop-{{ item }}",
            register="half",
            keywords={"loop": ["three", "four"], "ignore_errors": True},
            scopes="{{ ['metrics.read'] if item == 'three' else ['no.such'] }}",
        ),
        token(
            "single",
            register="retried",
            keywords=twice("retried"),
            scopes=["logs.read"],
            token="{{ single.token }}",
            **argument,
        ),
        {
            "name": "set",
            "community.dynatrace.dynatrace_token_set": {
                "tokens": [
                    {"name": "set-1", "scopes": READ},
                    {"name": "single", "token": "{{ single.token }}"},
                    {"name": "set-2", "scopes": ["no.such"]},
                ],
                **argument,
            },
            "register": "many",
            "ignore_errors": True,
        },
        {
            "name": "by environment",
            "community.dynatrace.dynatrace_token": {"name": "by-environment", "scopes": READ},
            "environment": {"DT_API_TOKEN": ADMIN, "OTHER": ADMIN, "DYNATRACE_API_TOKEN": ""},
            "register": "by_environment",
        },
        {
            "name": "listed",
            "community.dynatrace.dynatrace_token_info": {"token": "{{ single.token }}", **argument},
        },
        check(
            "single.token.startswith(single.token_id)",
            "loop.results[1].token.startswith(loop.results[1].token_id)",
            "held.token == single.token",
            "half.results[0].token.startswith(half.results[0].token_id)",
            "retried.attempts == 2 and retried.token == single.token",
            "many.tokens[0].token.startswith(many.tokens[0].token_id)",
            "many.tokens[1].token == single.token",
            "by_environment.token.startswith(by_environment.token_id)",
        ),
    ]


def of_other_kinds(environment: Environment) -> list[Task]:
    """The same for platform tokens and ActiveGate tokens, without a store."""
    client = stand_in.account_of(environment).connection()
    acts = ("read", "create", "write")
    admin = environment.plant("gates", [f"activeGateTokenManagement.{act}" for act in acts])
    platform = {"kind": "platform", "scopes": ["openpipeline:logs:ingest"], **client}
    gate = {"kind": "activegate", "api_token": admin["token"]}
    failing = {"ignore_errors": True}
    held = {"token": "{{ platform.token }}", "token_id": "{{ platform.token_id }}"}
    listing = "community.dynatrace.dynatrace_token_info"
    return [
        token("platform", register="platform", **platform),
        token("gate", register="gate", expires_in="60d", **gate),
        token("platform", keywords=failing, **{**platform, "token": "{{ platform.token }}"}),
        {**token("{{ gate.token }}", keywords=failing, **gate), "name": "refused"},
        token("platform", register="held", **held, **platform),
        {"name": "listed", listing: {"kind": "platform", **client}},
        {"name": "listed", listing: gate},
        check("held.token == platform.token", "gate.token.startswith(gate.token_id)"),
    ]


def of_other_kinds_through_a_store(environment: Environment) -> list[Task]:
    """Rotation, the lookup and the role, for platform tokens and ActiveGate tokens."""
    account = stand_in.account_of(environment)
    client = account.connection()
    usual = {"expires_in": "30d", "rotate": "always", "overlap": "1d", "store": "store"}
    wanted = {"kind": "platform", "scopes": ["openpipeline:logs:ingest"]}
    options = ", ".join(f"{name}='{value}'" for name, value in client.items())
    options += ", kind='platform', store='store', verify=true"
    found = f"{{{{ query('community.dynatrace.api_token', 'rotated', {options}) | first }}}}"
    variables = {
        **account.role_variables(),
        "dynatrace_tokens_store": "store",
        "dynatrace_tokens": [{"name": "by-role", "fact": "by_role", **wanted}],
    }
    return [
        *of_other_kinds(environment),
        token("rotated", **wanted, **client, **usual),
        token("rotated", register="rotated", **wanted, **client, **usual),
        {"name": "looked up", "ansible.builtin.set_fact": {"looked": found}, "no_log": True},
        {**ROLE, "vars": variables},
        check("looked == rotated.token", "by_role == dynatrace_tokens_issued['by-role'].token"),
    ]


def controls(environment: Environment, *lacking: str) -> list[Task]:
    """Tasks that lack one of what hides secrets; each has a secret that no other task has."""

    def admin() -> str:
        scopes = ["apiTokens.read", "apiTokens.write"]
        secret: str = environment.plant("shown", scopes)["token"]
        return secret

    tasks = {
        "result": lambda: token("shown-result", register="unmarked", scopes=READ),
        "connection": lambda: token("shown-connection", register="unmarked", scopes=READ),
        "arguments": lambda: token("shown", on_duplicates="newest", api_token=admin()),
        "environment": lambda: {
            "name": "",
            "community.dynatrace.dynatrace_token_info": {"name": "shown"},
            "environment": {"DYNATRACE_API_TOKEN": admin()},
        },
    }
    return [{**tasks[name](), "name": f"unmarked {name}"} for name in lacking]


def shows_only_the_controls(
    run: Run, environment: Environment, folder: pathlib.Path, lacking: int
) -> None:
    """Every secret of a control is found, and no other."""
    shown = [made["id"] for made in environment.tokens() if made["name"].startswith("shown")]
    found = {
        secret.rpartition(".")[0]: places
        for secret, places in places_of(run, folder, environment.secrets()).items()
    }
    assert len(shown) == lacking
    assert {token_id: places for token_id, places in found.items() if token_id not in shown} == {}
    assert sorted(found) == sorted(shown)


def everything_on(folder: pathlib.Path, stdout_callback: str = "default") -> dict[str, str]:
    """Settings under which Ansible writes all that it ever writes."""
    return {
        "ANSIBLE_LOG_PATH": str(folder / "ansible.log"),
        "ANSIBLE_CACHE_PLUGIN": "jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(folder / "facts"),
        "ANSIBLE_CALLBACKS_ENABLED": "recorder,unmarked,ansible.builtin.tree",
        "ANSIBLE_CALLBACK_TREE_DIR": str(folder / "tree"),
        "ANSIBLE_STDOUT_CALLBACK": stdout_callback,
    }


@pytest.mark.parametrize("stdout_callback", ["default", "minimal"])
def test_no_secret_is_shown_or_left_and_errors_stay_readable(
    ansible: Ansible, environment: Environment, tmp_path: pathlib.Path, stdout_callback: str
) -> None:
    more = of_other_kinds_through_a_store(environment) if stdout_callback == "default" else []
    run = ansible.play(
        *every_way(),
        *more,
        *controls(environment, "result", "arguments", "environment"),
        options=["-vvvvv", "--diff"],
        env=everything_on(tmp_path, stdout_callback),
    ).succeeded()
    assert len(environment.secrets()) >= 6
    assert (tmp_path / "ansible.log").stat().st_size > 0
    shows_only_the_controls(run, environment, tmp_path, lacking=3)
    failed = [
        event["result"]["msg"]
        for event in run.events
        if event["event"].endswith("failed") and "msg" in event["result"]
    ]
    assert len([message for message in failed if "'no.such' is not a valid scope" in message]) >= 2


@pytest.mark.parametrize("pipelining", [False, pytest.param(True, marks=pytest.mark.long)])
def test_no_secret_is_shown_or_left_when_the_module_is_shipped_over_ssh(
    ansible: Ansible, environment: Environment, tmp_path: pathlib.Path, pipelining: bool
) -> None:
    # Without pipelining, each task takes five commands.
    chosen = ONE_OF_EACH if pipelining else ONE_THAT_WORKS_AND_ONE_THAT_FAILS
    run = ansible.play(
        *(task for task in every_task() if task.get("register") in chosen),
        *(of_other_kinds(environment)[:2] if pipelining else []),
        *controls(environment, "connection", "result", "arguments", "environment"),
        hosts="remote",
        options=["-vvvvv", "--diff", *over_ssh(tmp_path, pipelining)],
        env=everything_on(tmp_path),
    ).succeeded()
    assert "SSH: EXEC" in run.stdout
    assert ("AnsiballZ_dynatrace_token.py" in run.stdout) is not pipelining
    shows_only_the_controls(run, environment, tmp_path, lacking=4)


def test_why_a_host_cannot_be_reached_stays_readable(
    ansible: Ansible, environment: Environment, tmp_path: pathlib.Path
) -> None:
    options = over_ssh(tmp_path, pipelining=True, refused=True)
    run = ansible.play(
        token("ci", register="made", scopes=READ), hosts="remote", options=options
    ).failed()
    assert "UNREACHABLE" in run.stdout
    assert "Permission denied (publickey)" in run.stdout


def test_no_secret_is_in_the_job_events_of_a_runner(
    ansible: Ansible, environment: Environment, tmp_path: pathlib.Path
) -> None:
    """As AWX runs a job: through ansible-runner, whose job events hold every result."""
    (tmp_path / "project").mkdir()
    tasks = [*every_way(), *controls(environment, "result")]
    play = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
    (tmp_path / "project" / "playbook.yml").write_text(json.dumps(play))
    run = ansible.command(
        "ansible-runner",
        "run",
        str(tmp_path),
        "-p",
        "playbook.yml",
        "--ident",
        "job",
        "-v",
        env={"ANSIBLE_CALLBACKS_ENABLED": "unmarked"},
    ).succeeded()
    assert len(list((tmp_path / "artifacts" / "job" / "job_events").iterdir())) > 10
    (
        tmp_path / "artifacts" / "job" / "command"
    ).unlink()  # in it the runner writes the environment that it was given
    shows_only_the_controls(run, environment, tmp_path, lacking=1)


def test_the_search_finds_a_secret_that_is_shown_also_in_base64(
    ansible: Ansible, environment: Environment, tmp_path: pathlib.Path
) -> None:
    shown = token("shown", register="shown", scopes=READ, reveal=True)
    encoded = {
        "name": "encoded",
        "ansible.builtin.debug": {"msg": "{{ ('x' ~ shown.token) | b64encode }}"},
    }
    run = ansible.play(
        shown, encoded, options=["-v"], env=everything_on(tmp_path, "default")
    ).succeeded()
    found = leaks(run, tmp_path, environment.secrets())
    assert {"stdout", "ansible.log", "record.jsonl"} <= set(found)
    assert "tree/localhost" in found  # which holds the last result alone, that in base64


def test_later_tasks_show_a_secret_only_on_cores_that_cannot_mask_it(
    ansible: Ansible, environment: Environment, tmp_path: pathlib.Path
) -> None:
    """From ansible-core 2.22 on, what was issued or read is masked in all output of the run,
    unless it was to be revealed."""
    copied = tmp_path / "copied"
    run = ansible.play(
        token("made", register="made", scopes=READ, store="store"),
        token("kept", scopes=READ, store="store"),
        token("revealed", register="revealed", scopes=READ, reveal=True),
        debug("{{ made.token }}"),
        debug("{{ lookup('community.dynatrace.api_token', 'kept', store='store') }}"),
        debug("{{ revealed.token }}"),
        {
            "name": "copied",
            "ansible.builtin.copy": {
                "content": "{{ made.token }}",
                "dest": str(copied),
                "mode": "0600",
            },
        },
        options=["--diff"],
    ).succeeded()
    shown = {
        name: [
            secret in run.stdout
            for secret in environment.secrets()
            if secret.startswith(environment.tokens(name)[0]["id"])
        ]
        for name in ("made", "kept", "revealed")
    }
    assert shown == {"made": [not MASKS], "kept": [not MASKS], "revealed": [True]}
    assert copied.read_text() in environment.secrets()
    assert ("$REDACTED$" in run.stdout) is MASKS


def test_what_is_done_is_said_publicly_where_the_result_is_hidden(
    ansible: Ansible, environment: Environment
) -> None:
    hidden = token("ci", keywords={"no_log": True}, scopes=["no.such"])
    run = ansible.play(
        token("ci", register="made", scopes=READ, expires_in="90d"), hidden, options=["--diff"]
    ).failed()
    token_id = environment.tokens("ci")[0]["id"]
    assert (
        f"dynatrace_token: created: 'ci' ({token_id}), scopes metrics.read, expires 20"
        in run.stderr
    )
    assert '+    "name": "ci"' in run.stderr
    assert "dynatrace_token: failed:" in run.stderr
    assert "'no.such' is not a valid scope" in run.stderr
