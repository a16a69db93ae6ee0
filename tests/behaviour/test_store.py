# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of type file: the secret is there in the second run, and nothing is lost, overwritten
or believed.
"""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml

from support.runs import Ansible, Task, check, in_check_mode, info, token, works
from support.stand_in import Environment

READ = ["metrics.read"]
NO_VAULT_PASSWORD = {"ANSIBLE_VAULT_PASSWORD_FILE": None}
IGNORE_ERRORS = {"ignore_errors": True}


def stored(name: str = "ci", register: str | None = "got", **options: t.Any) -> Task:
    return token(name, register=register, **{"scopes": READ, "store": "store", **options})


def absent(name: str = "ci", **options: t.Any) -> Task:
    return stored(name, scopes=None, state="absent", **options)


def by_id(token_id: str, **options: t.Any) -> Task:
    return {
        "name": "by id",
        "community.dynatrace.dynatrace_token": {"token_id": token_id, "store": "store", **options},
        "register": "got",
    }


def by_hand(name: str = "ci", **options: t.Any) -> Task:
    """What somebody else does in Dynatrace, who knows nothing of the store."""
    return {**token(name, register="theirs", **options), "name": "by hand"}


def shell(command: str) -> Task:
    """A command in the folder of the run, for which no module is shipped; what it prints is in
    said.
    """
    return {
        "name": "shell",
        "ansible.builtin.set_fact": {
            "said": f"{{{{ lookup('ansible.builtin.pipe', {command!r}) }}}}"
        },
    }


REMEMBER, UNTOUCHED = (
    shell("cp -r store before"),
    shell("diff -r before store"),
)  # all files of the store


def entry_file(ansible: Ansible, name: str = "ci.yml", folder: str = "store") -> pathlib.Path:
    """The file of an entry, wherever the environment's folder is."""
    found = list((ansible.folder / folder).glob(f"*/{name}"))
    assert len(found) == 1, found
    return found[0]


class _AnyTag(yaml.SafeLoader):
    pass


_AnyTag.add_constructor("!vault", lambda loader, node: node.value)


def entry(ansible: Ansible, name: str = "ci.yml", folder: str = "store") -> dict[str, t.Any]:
    """What stands in the file of an entry, the secret as cipher text."""
    content: dict[str, t.Any] = yaml.load(
        entry_file(ansible, name, folder).read_text(), Loader=_AnyTag
    )
    return content


def test_the_second_run_changes_nothing_and_has_the_same_secret(
    ansible: Ansible, environment: Environment
) -> None:
    first = ansible.play(
        stored(), check("got.changed", "got.store_updated", "got.secret_available"), works()
    ).succeeded()
    made = environment.tokens("ci")[0]
    environment.forget_requests()
    same = check(
        f"got.token_id == '{made['id']}'",
        "not got.changed",
        "not got.store_updated",
        "got.secret_available",
        "got.usable",
    )
    run = ansible.play(stored(), same, in_check_mode(stored()), same, stored(), works()).succeeded()
    assert "changed=0" in run.stdout
    sent = [(entry["method"], entry["path"].rpartition("/")[2]) for entry in environment.requests()]
    # In v1, an id need not stand in the secret, so whose secret the store holds is looked up.
    lookups = [("POST", "lookup")] if environment.api_version == "v1" else []
    assert sent == [("GET", made["id"]), *lookups] * 3 + [("POST", "lookup")]
    assert not [secret for secret in environment.secrets() if secret in first.output]


def test_without_a_vault_secret_nothing_is_decrypted_and_encrypt_false_has_to_be_written_out(
    ansible: Ansible, environment: Environment
) -> None:
    without_register = stored(register=None)
    first = ansible.play(without_register).succeeded()
    assert (first.result("ci")["action"], first.result("ci")["token"]) == ("created", None)
    refused = {**stored("cd", keywords=IGNORE_ERRORS), "name": "refused"}
    in_the_clear = stored("cd", store={"type": "file", "path": "store", "encrypt": False})
    run = ansible.play(
        without_register, refused, in_check_mode(refused), in_the_clear, env=NO_VAULT_PASSWORD
    ).succeeded()
    assert run.result("ci")["secret_available"] is True
    for result in run.results("refused"):
        assert (
            "there is no vault secret to encrypt it with. Give one with --vault-password-file"
            in result["msg"]
        )
    assert environment.writes() == ["POST", "PUT"] * 2
    assert "Secrets are kept in the clear in" in run.text
    assert entry(ansible, "cd.yml")["token"] == environment.secrets()[-1]


@pytest.mark.once
@pytest.mark.v2
def test_what_is_on_disk_is_readable_but_for_the_secret(
    ansible: Ansible, environment: Environment
) -> None:
    ansible.play(
        stored("CI: Jobs/main", expires_in="90d"), stored("laptop", personal_access_token=True)
    ).succeeded()
    token_id = environment.tokens("CI: Jobs/main")[0]["id"]
    content = entry(ansible, "ci-jobs-main~*.yml")
    assert (content["name"], content["id"], content["scopes"], content["intents"]) == (
        "CI: Jobs/main",
        token_id,
        READ,
        [],
    )
    assert content["expiration_date"].startswith("20")
    assert content["token"].startswith("$ANSIBLE_VAULT;1.1;AES256")
    assert entry(ansible, "laptop.pat.yml")["kind"] == "personal_access"
    on_disk = b"".join(
        file.read_bytes() for file in (ansible.folder / "store").rglob("*") if file.is_file()
    )
    assert not [
        secret for secret in environment.secrets() if secret.rpartition(".")[2].encode() in on_disk
    ]
    modes = {
        oct(path.stat().st_mode)[-3:]
        for path in (ansible.folder / "store").rglob("*")
        if path.is_dir()
    }
    assert modes == {"700"}
    assert oct(entry_file(ansible, "laptop.pat.yml").stat().st_mode)[-3:] == "600"


def test_ansible_vault_reads_the_secret_and_the_note_of_scopes_is_for_reading_alone(
    ansible: Ansible, environment: Environment
) -> None:
    edit = shell(
        "sed -i 's/- metrics.read/- logs.read/' store/*/ci.yml; grep logs.read store/*/ci.yml"
    )
    updated = [stored(scopes=["logs.ingest"]), check("got.store_updated")]
    ansible.play(stored(), edit, stored(), check("not got.changed"), *updated).succeeded()
    assert entry(ansible)["scopes"] == ["logs.ingest"]
    (ansible.folder / "value").write_text(entry(ansible)["token"])
    assert (
        ansible.command("ansible-vault", "view", "value").succeeded().stdout.strip()
        == environment.secrets()[-1]
    )


def test_a_vault_id_decides_which_vault_secret_encrypts_and_with_another_nothing_is_overwritten(
    ansible: Ansible, environment: Environment
) -> None:
    (ansible.folder / "other-password").write_text("other")
    both = ["--vault-id", "one@vault-password", "--vault-id", "two@other-password"]
    undecided = stored("undecided", keywords=IGNORE_ERRORS)
    decided = [
        stored(name, store={"type": "file", "path": path, "encrypt_vault_id": name})
        for name, path in (("one", "store"), ("two", "other"))
    ]
    run = ansible.play(undecided, *decided, options=both, env=NO_VAULT_PASSWORD).succeeded()
    assert "there are several vault secrets (one, two)" in run.result("undecided")["msg"]
    assert entry(ansible, "two.yml", "other")["token"].startswith("$ANSIBLE_VAULT;1.2;AES256;two")
    before = entry_file(ansible, "one.yml").read_bytes()
    environment.forget_requests()
    opened = [stored("two", store="other"), check("got.token is not none")]
    wrong = [stored("one", register=register, keywords=IGNORE_ERRORS) for register in ("got", None)]
    run = ansible.play(
        *opened,
        wrong[0],
        by_hand("one", state="absent"),
        wrong[1],
        options=both[2:],
        env=NO_VAULT_PASSWORD,
    ).succeeded()
    unreadable, refused = run.results("one")
    assert "cannot be decrypted with the vault secrets at hand (two)" in unreadable["msg"]
    assert "are encrypted with another vault password than that of 'two'" in refused["msg"]
    assert environment.writes() == ["DELETE"]  # by hand
    assert entry_file(ansible, "one.yml").read_bytes() == before


DAMAGES = {
    "cut": ("truncate --size=200 cut.yml", "is damaged, or is not the entry of this token"),
    "moved": ("sed -i 's/environment: /environment: other-/' moved.yml", "environment should be"),
    "renamed": ("sed -i 's/name: renamed/name: cd/' renamed.yml", "name should be 'renamed'"),
    "other": ("echo just text > other.yml", "it is not a dictionary"),
}


@pytest.mark.once
def test_a_damaged_file_is_told_and_left_as_it_is(
    ansible: Ansible, environment: Environment
) -> None:
    tasks = [stored(name, keywords=IGNORE_ERRORS) for name in DAMAGES]
    damages = [shell(f"cd store/*; {command}") for command, _message in DAMAGES.values()]
    run = ansible.play(*tasks, *damages, REMEMBER, *tasks, UNTOUCHED).succeeded()
    for name, (_command, message) in DAMAGES.items():
        assert message in run.result(name)["msg"]
        assert str(entry_file(ansible, f"{name}.yml")) in run.result(name)["msg"]
    assert environment.writes() == ["POST", "PUT"] * len(DAMAGES)


@pytest.mark.once
def test_a_folder_that_cannot_be_written_stops_before_anything_is_issued(
    ansible: Ansible, environment: Environment
) -> None:
    open_to_all = ansible.folder / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    nowhere, everywhere = (
        stored(name, store=store, keywords=IGNORE_ERRORS)
        for name, store in (("nowhere", "/proc/store"), ("everywhere", "open"))
    )
    run = ansible.play(nowhere, everywhere, in_check_mode(everywhere)).succeeded()
    assert "The store /proc/store cannot be" in run.result("nowhere")["msg"]
    assert [
        "others than its owner may write it" in result["msg"]
        for result in run.results("everywhere")
    ] == [True, True]
    assert environment.writes() == []


@pytest.mark.once
def test_check_mode_and_a_refused_scope_leave_no_entry_behind(
    ansible: Ansible, environment: Environment
) -> None:
    planned = check(
        "got.changed",
        "got.store_updated",
        "got.token is none",
        "not got.secret_available",
        "got.action == 'created'",
    )
    unwritten = check("(playbook_dir ~ '/store') is not exists")
    refused = [stored(scopes=["no.such"], keywords=IGNORE_ERRORS), check("got is failed")]
    ansible.play(in_check_mode(stored()), planned, unwritten, *refused).succeeded()
    assert environment.writes() == ["POST"]  # the one that was refused
    assert environment.tokens() == []
    assert list((ansible.folder / "store").glob("*/*.yml")) == []


def test_the_store_can_come_from_the_environment_of_the_task_or_the_controller(
    ansible: Ansible, environment: Environment
) -> None:
    of_the_task = {"environment": {"DYNATRACE_TOKEN_STORE": str(ansible.folder / "other")}}
    tasks = [token("ci", scopes=READ), token("cd", scopes=READ, keywords=of_the_task)]
    ansible.play(*tasks, env={"DYNATRACE_TOKEN_STORE": "store"}).succeeded()
    assert entry_file(ansible).exists()
    assert entry_file(ansible, "cd.yml", "other").exists()
    ansible.adhoc("dynatrace_token", "name=adhoc scopes=metrics.read store=store").succeeded()
    assert entry_file(ansible, "adhoc.yml").exists()


def test_until_may_issue_into_a_store(ansible: Ansible, environment: Environment) -> None:
    loop = {"until": "got.action == 'none'", "retries": 3, "delay": 0}
    ansible.play(token("ci", register="got", keywords=loop, scopes=READ, store="store")).succeeded()
    assert environment.writes() == ["POST", "PUT"]


@pytest.mark.once
def test_a_secret_that_is_held_is_adopted_and_kept_where_another_token_has_its_name(
    ansible: Ansible, environment: Environment
) -> None:
    made, theirs = environment.issue("ci"), environment.issue("theirs")
    adopt = stored(token=made["token"])
    adopted = check(
        "got.changed",
        "got.action == 'none'",
        "got.store_updated",
        f"got.token_id == '{made['id']}'",
    )
    adopting = [
        in_check_mode(adopt),
        adopted,
        adopt,
        adopted,
        adopt,
        check("not got.changed"),
        stored(),
        works(),
    ]
    push_out = {**stored(token=theirs["token"], keywords=IGNORE_ERRORS), "name": "push out"}
    delete = {**absent(keywords=IGNORE_ERRORS), "name": "delete"}
    of_one_name = [
        by_hand("ci", token_id=theirs["id"]),
        REMEMBER,
        push_out,
        UNTOUCHED,
        delete,
        UNTOUCHED,
    ]
    run = ansible.play(*adopting, *of_one_name).succeeded()
    assert "store updated" in run.stderr
    assert entry(ansible)["created"] is None
    assert "both are named 'ci'" in run.result("push out")["msg"]
    assert "each run would delete another one" in run.result("delete")["msg"]
    assert len(environment.tokens("ci")) == 2


@pytest.mark.once
def test_a_token_deleted_by_somebody_else_is_issued_anew_and_that_is_said(ansible: Ansible) -> None:
    anew = [
        stored(),
        check("got.action == 'created'"),
        works(),
        stored(),
        check("not got.changed"),
        works(),
    ]
    run = ansible.play(stored(register=None), by_hand(state="absent"), *anew).succeeded()
    gone = run.results("ci")[0]["token_id"]
    assert f"The token 'ci' ({gone}), which the store holds, is gone" in run.text


@pytest.mark.once
def test_a_token_replaced_by_hand_is_for_on_missing_secret_to_decide(
    ansible: Ansible, environment: Environment
) -> None:
    replaced_by_hand = [
        stored(register="made"),
        by_hand(state="absent"),
        by_hand(scopes=["metrics.read", "logs.read"]),
    ]
    said = (
        "(%s) exists, but the store holds the secret of another, %s, which is gone; "
        "on_missing_secret is fail"
    )
    fail = [
        stored(keywords=IGNORE_ERRORS),
        check(f"'{said}' | format(theirs.token_id, made.token_id) in got.msg"),
    ]
    ignored = check(
        "not got.changed == (got.action == 'none')", "not got.secret_available", "got.token is none"
    )
    ignore = [stored(on_missing_secret="ignore", scopes=None), ignored]
    rotate = stored(on_missing_secret="rotate", scopes=["logs.read"], scopes_mode="add")
    rotated = check(
        "got.action == 'rotated'", "got.retired == [{'id': theirs.token_id, 'action': 'deleted'}]"
    )
    rotating = [rotate, rotated, works(), rotate, check("not got.changed")]
    ansible.play(*replaced_by_hand, REMEMBER, *fail, *ignore, UNTOUCHED, *rotating).succeeded()
    assert [token["scopes"] for token in environment.tokens("ci")] == [
        ["logs.read", "metrics.read"]
    ]


@pytest.mark.once
def test_a_token_disabled_by_hand_is_left_alone_and_not_handed_out_and_an_expired_one_is_replaced(
    ansible: Ansible, environment: Environment
) -> None:
    dead = environment.plant("dead", expires="now-1d")
    left = check("not got.changed", "not got.usable", "got.secret_available", "got.token is none")
    disabled = [
        stored(),
        by_hand(enabled=False),
        stored(),
        left,
        stored(on_missing_secret="rotate"),
        left,
    ]
    enabled = [stored(enabled=True), check("got.action == 'updated'"), works()]
    replaced = [
        stored("dead"),
        check("got.action == 'rotated'", f"got.retired[0].id == '{dead['id']}'"),
        works(),
    ]
    run = ansible.play(*disabled, *enabled, *replaced).succeeded()
    assert "is disabled and is left so" in run.text
    assert len(environment.tokens("dead")) == 1


@pytest.mark.once
def test_absent_removes_the_entry_too(ansible: Ansible, environment: Environment) -> None:
    there = [
        stored(),
        absent(),
        check("got.action == 'deleted'", "got.store_updated"),
        absent(),
        check("not got.changed"),
    ]
    gone = [stored("gone"), by_hand("gone", state="absent"), absent("gone")]
    ansible.play(
        *there, *gone, check("got.changed", "got.action == 'none'", "got.store_updated")
    ).succeeded()
    assert environment.tokens() == []
    assert list((ansible.folder / "store").glob("*/*.yml")) == []


@pytest.mark.once
def test_the_entry_moves_along_when_a_token_is_renamed_by_its_id_but_not_onto_that_of_another(
    ansible: Ansible,
) -> None:
    made = "{{ made.token_id }}"
    refused = [
        REMEMBER,
        {**by_id(made, name="other"), "name": "refused", **IGNORE_ERRORS},
        UNTOUCHED,
    ]
    rename, moved = (
        by_id(made, name="better"),
        check("got.action == 'updated'", "got.store_updated", "got.secret_available"),
    )
    renamed = [
        rename,
        moved,
        works(),
        rename,
        check("not got.changed"),
        stored("better"),
        check("not got.changed"),
    ]
    files = [shell("cd store/*; ls *.yml"), check("said.split() == ['better.yml', 'other.yml']")]
    run = ansible.play(
        stored(register="made"),
        stored("other"),
        *refused,
        *renamed,
        *files,
        by_id(made, state="absent"),
    ).succeeded()
    assert "under the name 'other'. Nothing was changed." in run.result("refused")["msg"]
    assert [file.name for file in (ansible.folder / "store").glob("*/*.yml")] == ["other.yml"]


@pytest.mark.once
def test_a_token_renamed_by_hand_is_not_taken_for_this_one(ansible: Ansible) -> None:
    made = "{{ made.token_id }}"
    refused = [stored("ci", keywords=IGNORE_ERRORS), absent("ci", keywords=IGNORE_ERRORS)]
    back = [by_id(made, name="ci"), stored(), check("not got.changed"), works()]
    run = ansible.play(
        stored(register="made"), by_hand("theirs", token_id=made), *refused, *back
    ).succeeded()
    told = "Dynatrace knows it as the API token 'theirs'. Nothing was changed."
    assert [told in result.get("msg", "") for result in run.results("ci")] == [
        False,
        True,
        True,
        False,
    ]


def test_a_shipped_module_has_no_store(ansible: Ansible, environment: Environment) -> None:
    hosts = ansible.folder / "hosts"
    hosts.write_text(
        "remote ansible_connection=elsewhere ansible_python_interpreter={{ansible_playbook_python}}"
    )
    refused = stored(
        "refused", environment_url="http://127.0.0.1:9", keywords=IGNORE_ERRORS
    )  # before anything is asked there
    delegated = {**stored(), "delegate_to": "localhost"}
    run = ansible.play(
        refused, delegated, info("listed"), hosts="remote", options=["-i", str(hosts)]
    ).succeeded()
    assert "Say delegate_to: localhost" in run.result("refused")["msg"]
    assert [found["name"] for found in environment.tokens()] == ["ci"]
