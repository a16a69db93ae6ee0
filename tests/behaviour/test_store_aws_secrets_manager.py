# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets that are kept in AWS Secrets Manager, as playbooks see it."""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import threading
import typing as t

import pytest

from support.relay import Call
from support.runs import (
    Ansible,
    Task,
    check,
    in_check_mode,
    info,
    token,
    without_library,
    works,
)
from support.secrets_manager import (
    ACCESS_KEY,
    NOWHERE,
    SECRET_KEY,
    VARIABLES,
    WRITES,
    Data,
    Fault,
    SecretsManager,
    secrets_manager,
)
from support.stand_in import Environment

READ = ["metrics.read"]
IGNORE_ERRORS = {"ignore_errors": True}
GUIDE = (pathlib.Path(__file__).parents[2] / "docs" / "store-aws-secrets-manager.md").read_text()


@pytest.fixture
def aws() -> t.Iterator[SecretsManager]:
    with secrets_manager() as running:
        yield running


def place(environment: Environment, name: str) -> str:
    """The name of the secret of this token."""
    return f"dynatrace/{environment.url.rpartition('/')[2]}/{name}"


def purge(name: str, store: Data) -> Task:
    """Delete all that this store holds of the environment."""
    return {
        "name": name,
        "community.dynatrace.dynatrace_token_set": {"tokens": [], "purge": True, "store": store},
        "register": name,
        **IGNORE_ERRORS,
    }


def test_the_second_run_changes_nothing_and_every_face_reads_the_same_secret(
    ansible: Ansible, environment: Environment, aws: SecretsManager
) -> None:
    """With a store from a variable, and with credentials from the play's environment."""
    store = json.dumps({"type": "aws_secrets_manager", "name_prefix": "teams/a/"})
    variables = {"DYNATRACE_TOKEN_STORE": store, "AWS_ENDPOINT_URL": aws.url, **VARIABLES}
    around = {"AWS_DEFAULT_REGION": aws.region}
    made = token("ci", register="made", scopes=READ)
    ansible.play(
        made,
        check("made.store_updated", "made.token is not none"),
        environment=around,
        env=variables,
    ).succeeded()
    [(name, kept)] = aws.stored().items()
    assert name == f"teams/a/{environment.url.rpartition('/')[2]}/ci"
    assert kept["token"] in environment.secrets()
    one_write = ["PutSecretValue", "UpdateSecretVersionStage"]
    assert aws.operations(*WRITES) == ["CreateSecret", *one_write, *one_write]
    aws.requests.clear()
    environment.forget_requests()
    role = {
        "name": "role",
        "ansible.builtin.include_role": {"name": "community.dynatrace.dynatrace_tokens"},
        "vars": {"dynatrace_tokens": [{"name": "ci", "scopes": READ, "fact": "of_the_role"}]},
    }
    run = ansible.play(
        made,
        check("not made.changed", "made.token == lookup('community.dynatrace.api_token', 'ci')"),
        role,
        check("of_the_role == made.token"),
        info("told", name="ci"),
        env={**variables, **around},
    ).succeeded()
    assert len(run.result("told")["tokens"]) == 1
    assert set(aws.operations()) == {"GetSecretValue"}
    assert environment.writes() == []
    assert kept["token"] not in run.output
    ansible.play(token("ci", scopes=["logs.read"]), env={**variables, **around}).succeeded()
    assert aws.operations(*WRITES) == one_write


def test_absent_schedules_the_deletion_and_present_restores(
    ansible: Ansible, environment: Environment, aws: SecretsManager
) -> None:
    present, absent = (
        token("ci", register="got", store=aws.store, **options)
        for options in ({"scopes": READ}, {"state": "absent"})
    )
    run = ansible.play(
        in_check_mode(present),
        check("got.changed", "got.token is none"),
        present,
        {**in_check_mode(absent), "name": "planned"},
        absent,
        check("got.action == 'deleted'", "got.store_updated"),
        absent,
        check("not got.changed"),
        present,
        check("got.action == 'created'", "got.token is not none"),
        present,
        check("not got.changed", "got.token is not none"),
        env=VARIABLES,
    ).succeeded()
    said = "So check mode does not know whether the store could be written."
    assert run.text.count(said) >= 1
    assert "was deleted by somebody else" not in run.text
    assert aws.operations("DeleteSecret", "RestoreSecret") == ["DeleteSecret", "RestoreSecret"]
    [kept] = aws.stored().values()
    assert [kept["id"]] == [found["id"] for found in environment.tokens("ci")]


def unusable_stores(
    aws: SecretsManager, environment: Environment
) -> dict[str, tuple[Data, Data, str]]:
    """Stores that cannot work, each with the environment of its task, and what is said of it."""
    key = {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN", "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    without_region = {name: value for name, value in aws.store.items() if name != "region"}
    return {
        "unknown-key": (aws.store, key, "The security token included in the request is invalid"),
        "half-a-key": (
            aws.store,
            {"AWS_ACCESS_KEY_ID": ACCESS_KEY},
            "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY beside it is not",
        ),
        "no-profile": ({**aws.store, "profile": "nobody"}, {}, "See whether profile is right"),
        "no-region": (without_region, {}, "Give region, or set AWS_REGION"),
        "no-service": (
            {**aws.store, "endpoint_url": environment.url},
            {},
            "See whether region and endpoint_url are right",
        ),
        "unreachable": (
            {**aws.store, "endpoint_url": "https://127.0.0.1:9"},
            {},
            "See whether region is right, and whether this machine reaches that address",
        ),
        "in-the-clear": (
            {**aws.store, "endpoint_url": "http://secrets.example.com"},
            {},
            "store: endpoint_url: http:// would send the token in the clear",
        ),
        "misspelt": ({**aws.store, "regoin": "x"}, {}, "Did you mean 'region'"),
        "waiting": (
            aws.store,
            {},
            f"restore-secret --secret-id {place(environment, 'waiting')} brings it back",
        ),
        "damaged": (
            aws.store,
            {},
            f"The secret {place(environment, 'damaged')} of AWS Secrets Manager in {aws.region} "
            "is damaged",
        ),
    }


def test_a_store_that_cannot_work_is_explained_and_nothing_is_issued_or_shown(
    ansible: Ansible, environment: Environment, aws: SecretsManager
) -> None:
    aws.plant(place(environment, "damaged"), {"password": "theirs"})
    environment.issue("waiting", READ)
    aws.plant(place(environment, "waiting"), {"password": "theirs"})
    aws.delete(place(environment, "waiting"))
    expected = unusable_stores(aws, environment)
    tasks = [
        token(
            name,
            keywords={**IGNORE_ERRORS, "environment": variables},
            scopes=READ,
            store=store,
        )
        for name, (store, variables, _explanation) in expected.items()
    ]
    nobody = token("nobody", keywords=IGNORE_ERRORS, scopes=READ, store=aws.store)
    quick = {**VARIABLES, "AWS_MAX_ATTEMPTS": "1"}
    run = ansible.play(*tasks, env=quick).succeeded()
    environment.forget_requests()
    without = ansible.play(nobody, env=NOWHERE).succeeded()
    assert environment.requests() == []
    assert "Give profile, or set AWS_PROFILE" in without.result("nobody")["msg"]
    said = {name: run.result(name)["msg"] for name in expected}
    assert {
        name: said[name]
        for name, (_store, _variables, explanation) in expected.items()
        if explanation not in said[name]
    } == {}
    assert [message for message in said.values() if "Please report" in message] == []
    assert SECRET_KEY not in run.output
    assert [found["name"] for found in environment.tokens()] == ["waiting"]


@pytest.mark.once
def test_without_boto3_the_error_says_so(
    ansible: Ansible, environment: Environment, aws: SecretsManager, tmp_path: pathlib.Path
) -> None:
    without = without_library("boto3", tmp_path / "without")
    run = ansible.play(
        token("ci", scopes=READ, store=aws.store), env={**VARIABLES, **without}
    ).failed()
    assert "pip install boto3" in run.result("ci")["msg"]
    assert environment.requests() == []


# The writes of a token that is issued: its intent, its secret, and the end of the intent.
MOMENTS: dict[str, tuple[str, int, bool]] = {
    "before-secret": ("PutSecretValue", 1, False),
    "before-current": ("UpdateSecretVersionStage", 1, False),
    "after-current": ("UpdateSecretVersionStage", 1, True),
}


def at(moment: tuple[str, int, bool], act: t.Callable[[], t.Any]) -> t.Callable[[str, Data], Fault]:
    """A rule that does something at a moment, and has the run wait for it."""
    operation, number, passed_on = moment
    seen: list[str] = []

    def rule(name: str, given: Data) -> Fault:
        seen.append(name)
        is_due = name == operation and seen.count(name) == number
        return Call(act, passed_on) if is_due else None

    return rule


def age_intents(aws: SecretsManager) -> None:
    """Let them be those of long ago, so that no run waits for the other one, for a minute."""
    for secret in aws.backend.secrets.values():
        for version in secret.versions.values():
            version["secret_string"] = re.sub(
                r'(?<="since": ")[^"]*', "2020-01-31T12:00:00.000Z", version["secret_string"]
            )


@pytest.mark.once
def test_a_run_that_is_killed_at_a_write_is_put_right_by_the_next(
    ansible: Ansible, environment: Environment
) -> None:
    together = threading.Barrier(len(MOMENTS), ansible.kill, timeout=60)
    with contextlib.ExitStack() as servers:
        stores = {
            name: servers.enter_context(secrets_manager(at(moment, together.wait)))
            for name, moment in MOMENTS.items()
        }
        options: dict[str, t.Any] = {
            "register": "got",
            "scopes": READ,
            "store": "{{ stores[inventory_hostname] }}",
        }
        play: dict[str, t.Any] = {
            "hosts": "all",
            "options": ["-i", ",".join(stores) + ",", "-c", "local", "-f", str(len(stores))],
            "vars": {"stores": {name: aws.store for name, aws in stores.items()}},
            "env": VARIABLES,
        }
        task = token("{{ inventory_hostname }}", **options)
        assert ansible.play(task, **play).returncode < 0
        again = {**task, "register": "again"}
        for aws in stores.values():
            age_intents(aws)
        ansible.play(task, works(), again, check("not again.changed"), **play).succeeded()
        held = {name: aws.stored() for name, aws in stores.items()}
    tokens = {found["name"]: found["id"] for found in environment.tokens()}
    assert tokens.keys() == MOMENTS.keys()
    for name, secrets in held.items():
        [kept] = secrets.values()
        assert (kept["id"], kept["intents"]) == (tokens[name], [])


@pytest.mark.once
def test_who_is_overtaken_takes_back_what_it_issued_and_finds_the_others_token(
    ansible: Ansible, environment: Environment, aws: SecretsManager
) -> None:
    theirs: dict[str, str] = {}

    def overtake(operation: str, given: Data) -> None:
        if operation == "UpdateSecretVersionStage" and not theirs:
            theirs.update(environment.issue("ci"))
            [(name, entry)] = aws.stored().items()
            entry.update(id=theirs["id"], token=theirs["token"], intents=[])
            aws.plant(name, entry)

    aws.rule = overtake
    run = ansible.play(token("ci", scopes=READ, store=aws.store), env=VARIABLES).succeeded()
    assert run.result("ci")["token_id"] == theirs["id"]
    assert [found["id"] for found in environment.tokens()] == [theirs["id"]]


def policy_of_the_guide() -> list[Data]:
    [text] = re.findall(r"```json\n(\{\n.*?\n\})\n```", GUIDE, re.DOTALL)
    statements: list[Data] = json.loads(text)["Statement"]
    return statements


@pytest.mark.once
def test_the_policy_of_the_guide_is_enough_for_all_but_purge(
    ansible: Ansible, environment: Environment, aws: SecretsManager
) -> None:
    """That none of its actions is too many, the tests of single actions show."""
    aws.policies = policy_of_the_guide()
    store = aws.store
    tokens = [{"name": f"t{number}", "scopes": READ} for number in range(25)]
    many = {
        "name": "many",
        "community.dynatrace.dynatrace_token_set": {"tokens": tokens, "store": store},
        "register": "many",
    }
    run = ansible.play(
        many,
        check("many.changed"),
        many,
        check("not many.changed", "many.tokens | map(attribute='token') | unique | length == 25"),
        token("t1", scopes=["logs.read"], store=store),
        token("t1", scopes=["logs.read"], store=store, rotate="always", overlap="2d"),
        token("t2", state="absent", store=store),
        token("t2", scopes=READ, store=store),
        info("told", store=store),
        purge("not_listed", store),
        env=VARIABLES,
    ).succeeded()
    assert len([found for found in run.result("told")["tokens"] if found["retiring"]]) == 1
    assert "allows secretsmanager:ListSecrets" in run.result("not_listed")["msg"]
    aws.policies.append({"Action": ["secretsmanager:ListSecrets"], "Resource": "*"})
    after = {**purge("purged", store), "vars": {}}
    after["community.dynatrace.dynatrace_token_set"]["max_deletes"] = 30
    ansible.play(after, env=VARIABLES).succeeded()
    assert aws.stored() == {}
    assert environment.tokens() == []


@pytest.mark.once
def test_the_examples_of_the_guide_run_twice(
    ansible: Ansible, environment: Environment, aws: SecretsManager
) -> None:
    plays = [
        block for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL) if "hosts:" in block
    ]
    variables = {**VARIABLES, "AWS_ENDPOINT_URL": aws.url}
    text = "".join(plays * 2).replace("eu-central-1", aws.region)
    run = ansible.playbook(text, env=variables).succeeded()
    assert "changed: [" not in run.stdout.split("\nPLAY [")[-1].partition("PLAY RECAP")[0]
    assert [name.rpartition("/")[2] for name in aws.stored()] == ["reports"]
    in_check_mode = ansible.playbook(text, ["--check"], env=variables)
    in_check_mode.succeeded()
    assert not [secret for secret in environment.secrets() if secret in run.output]


def test_no_secret_is_shown_or_left(
    ansible: Ansible, environment: Environment, aws: SecretsManager, tmp_path: pathlib.Path
) -> None:
    session_token = "FwoGZXIvYXdzEXAMPLESESSIONTOKEN"
    store = aws.store
    environ = {"AWS_SESSION_TOKEN": session_token, **VARIABLES}
    aws.rule = lambda operation, given: (
        "ValidationException" if "failed" in str(given.get("Name")) else None
    )
    tasks = [
        token("ci", register="made", scopes=READ, store=store),
        token("failed", keywords=IGNORE_ERRORS, scopes=READ, store=store),
        token("misspelt", keywords=IGNORE_ERRORS, scopes=READ, store={**store, "reg": "x"}),
        token("as-text", scopes=READ, store=json.dumps(store)),
    ]
    run = ansible.play(
        *tasks,
        options=["-vvvv", "--diff"],
        env={**NOWHERE, "ANSIBLE_LOG_PATH": str(tmp_path / "ansible.log")},
        environment=environ,
    ).succeeded()
    secrets = [SECRET_KEY, session_token, *environment.secrets()]
    assert len(aws.stored()) == 2
    files = [file for file in tmp_path.rglob("*") if file.is_file() and file.name != "playbook.yml"]
    places = {"output": run.output.encode(), **{str(file): file.read_bytes() for file in files}}
    assert [
        where
        for where, content in places.items()
        if any(secret.encode() in content for secret in secrets)
    ] == []
