# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of type file: the secret is there in the second run, and nothing is lost, overwritten or believed."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml

from support.runs import Ansible, Task, check, in_check_mode, info, token, works
from support.stand_in import Environment

READ = ["metrics.read"]
NO_VAULT_PASSWORD = {"ANSIBLE_VAULT_PASSWORD_FILE": None}


def stored(name: str = "ci", register: str | None = "got", **options: t.Any) -> Task:
    return token(name, register=register, **{"scopes": READ, "store": "store", **options})


def entry_file(ansible: Ansible, name: str = "ci.yml", folder: str = "store") -> pathlib.Path:
    """The file of an entry, wherever the environment's folder is."""
    found = list((ansible.folder / folder).glob(f"*/{name}"))
    assert len(found) == 1, found
    return found[0]


class _AnyTag(yaml.SafeLoader):
    pass


_AnyTag.add_constructor("!vault", lambda loader, node: node.value)


def entry(ansible: Ansible, name: str = "ci.yml") -> dict[str, t.Any]:
    """What stands in the file of an entry, the secret as cipher text."""
    content: dict[str, t.Any] = yaml.load(entry_file(ansible, name).read_text(), Loader=_AnyTag)
    return content


def test_the_second_run_changes_nothing_and_has_the_same_secret(ansible: Ansible, environment: Environment) -> None:
    first = ansible.play(stored(), check("got.changed", "got.store_updated", "got.secret_available"), works()).succeeded()
    made = environment.tokens("ci")[0]
    environment.forget_requests()
    same = check(f"got.token_id == '{made['id']}'", "not got.changed", "not got.store_updated", "got.secret_available", "got.usable")
    run = ansible.play(stored(), same, in_check_mode(stored()), same, stored(), works()).succeeded()
    assert "changed=0" in run.stdout
    sent = [(entry["method"], entry["path"].rpartition("/")[2]) for entry in environment.requests()]
    assert sent == [("GET", made["id"])] * 3 + [("POST", "lookup")]
    assert not [secret for secret in environment.secrets() if secret in first.output]


def test_a_task_without_register_stays_readable_and_decrypts_nothing(ansible: Ansible) -> None:
    run = ansible.play(stored(register=None)).succeeded()
    assert run.result("ci")["action"] == "created"
    assert run.result("ci")["token"] is None
    again = ansible.play(stored(register=None), env=NO_VAULT_PASSWORD).succeeded()
    assert again.result("ci")["secret_available"] is True


@pytest.mark.v2
def test_what_is_on_disk_is_readable_but_for_the_secret(ansible: Ansible, environment: Environment) -> None:
    ansible.play(stored("CI: Jobs/main", expires_in="90d"), stored("laptop", personal_access_token=True)).succeeded()
    token_id = environment.tokens("CI: Jobs/main")[0]["id"]
    content = entry(ansible, "ci-jobs-main~*.yml")
    assert (content["name"], content["id"], content["scopes"], content["pending"]) == ("CI: Jobs/main", token_id, READ, None)
    assert content["expiration_date"].startswith("20")
    assert content["token"].startswith("$ANSIBLE_VAULT;1.1;AES256")
    assert entry(ansible, "laptop.pat.yml")["personal_access_token"] is True
    on_disk = b"".join(file.read_bytes() for file in (ansible.folder / "store").rglob("*") if file.is_file())
    assert not [secret for secret in environment.secrets() if secret.rpartition(".")[2].encode() in on_disk]
    modes = {oct(path.stat().st_mode)[-3:] for path in (ansible.folder / "store").rglob("*") if path.is_dir()}
    assert modes == {"700"}
    assert oct(entry_file(ansible, "laptop.pat.yml").stat().st_mode)[-3:] == "600"


def test_ansible_vault_reads_the_secret(ansible: Ansible, environment: Environment) -> None:
    ansible.play(stored()).succeeded()
    (ansible.folder / "value").write_text(entry(ansible)["token"])
    assert ansible.command("ansible-vault", "view", "value").succeeded().stdout.strip() == environment.secrets()[-1]


def test_a_vault_id_decides_which_vault_secret_encrypts(ansible: Ansible) -> None:
    (ansible.folder / "other-password").write_text("other")
    both = ["--vault-id", "one@vault-password", "--vault-id", "two@other-password"]
    undecided = ansible.play(stored(), options=both, env=NO_VAULT_PASSWORD).failed()
    assert "there are several vault secrets (one, two)" in undecided.text
    where = {"type": "file", "path": "store", "encrypt_vault_id": "two"}
    ansible.play(stored(store=where), options=both, env=NO_VAULT_PASSWORD).succeeded()
    assert entry(ansible)["token"].startswith("$ANSIBLE_VAULT;1.2;AES256;two")
    ansible.play(stored(), check("got.token is not none"), options=both[2:], env=NO_VAULT_PASSWORD).succeeded()


def test_a_secret_is_written_in_the_clear_only_where_that_is_written_out(ansible: Ansible, environment: Environment) -> None:
    refused = {**stored("ci", keywords={"ignore_errors": True}), "name": "refused"}
    in_the_clear = stored(store={"type": "file", "path": "store", "encrypt": False})
    run = ansible.play(refused, in_check_mode(refused), in_the_clear, env=NO_VAULT_PASSWORD).succeeded()
    for result in run.results("refused"):
        assert "there is no vault secret to encrypt it with. Give one with --vault-password-file" in result["msg"]
    assert environment.writes() == ["POST", "PUT"]
    assert "is kept in the clear" in run.text
    assert entry(ansible)["token"] == environment.secrets()[-1]


def test_a_wrong_vault_secret_is_told_and_nothing_is_overwritten(ansible: Ansible, environment: Environment) -> None:
    ansible.play(stored()).succeeded()
    before = entry_file(ansible).read_bytes()
    (ansible.folder / "other-password").write_text("other")
    wrong = {"ANSIBLE_VAULT_PASSWORD_FILE": str(ansible.folder / "other-password")}
    assert "cannot be decrypted with the vault secrets at hand (default)" in ansible.play(stored(), env=wrong).failed().text
    environment.call("DELETE", f"/{environment.tokens('ci')[0]['id']}")
    environment.forget_requests()
    assert "cannot be decrypted" in ansible.play(stored(register=None), env=wrong).failed().text
    assert environment.writes() == []
    assert entry_file(ansible).read_bytes() == before


DAMAGES: dict[str, tuple[t.Callable[[str], str], str]] = {
    "cut": (lambda text: text[: len(text) // 2], "is damaged, or is not the entry of this token"),
    "moved": (lambda text: text.replace("environment: ", "environment: other-"), "environment should be"),
    "renamed": (lambda text: text.replace("name: renamed", "name: cd"), "name should be 'renamed'"),
    "other": (lambda text: "just text", "it is not a dictionary"),
}


def test_a_damaged_file_is_told_and_left_as_it_is(ansible: Ansible, environment: Environment) -> None:
    ansible.play(*(stored(name, keywords={"ignore_errors": True}) for name in DAMAGES)).succeeded()
    files = {name: entry_file(ansible, f"{name}.yml") for name in DAMAGES}
    for name, (damage, _message) in DAMAGES.items():
        files[name].write_text(damage(files[name].read_text()))
    before = {name: file.read_text() for name, file in files.items()}
    environment.forget_requests()
    run = ansible.play(*(stored(name, keywords={"ignore_errors": True}) for name in DAMAGES)).succeeded()
    for name, (_damage, message) in DAMAGES.items():
        assert message in run.result(name)["msg"]
        assert str(files[name]) in run.result(name)["msg"]
    assert {name: file.read_text() for name, file in files.items()} == before
    assert environment.writes() == []


def test_a_folder_that_cannot_be_written_stops_before_anything_is_issued(ansible: Ansible, environment: Environment) -> None:
    open_to_all = ansible.folder / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    ignore = {"ignore_errors": True}
    nowhere, everywhere = stored("nowhere", store="/proc/store", keywords=ignore), stored("everywhere", store="open", keywords=ignore)
    run = ansible.play(nowhere, everywhere, in_check_mode(everywhere)).succeeded()
    assert "The store /proc/store cannot be" in run.result("nowhere")["msg"]
    assert ["others than its owner may write it" in result["msg"] for result in run.results("everywhere")] == [True, True]
    assert environment.writes() == []


def test_check_mode_writes_nothing_to_the_store(ansible: Ansible, environment: Environment) -> None:
    expected = check("got.changed", "got.store_updated", "got.token is none", "not got.secret_available", "got.action == 'created'")
    ansible.play(stored(), expected, options=["--check"]).succeeded()
    assert not (ansible.folder / "store").exists()
    assert environment.writes() == []


def test_the_store_can_come_from_the_environment_of_the_task_or_the_controller(ansible: Ansible, environment: Environment) -> None:
    task = token("ci", scopes=READ)
    ansible.play(task, env={"DYNATRACE_TOKEN_STORE": "store"}).succeeded()
    ansible.play(token("cd", scopes=READ, keywords={"environment": {"DYNATRACE_TOKEN_STORE": str(ansible.folder / "other")}})).succeeded()
    assert entry_file(ansible).exists()
    assert entry_file(ansible, "cd.yml", "other").exists()
    ansible.adhoc("dynatrace_token", "name=adhoc scopes=metrics.read store=store").succeeded()
    assert entry_file(ansible, "adhoc.yml").exists()


def test_until_may_issue_into_a_store(ansible: Ansible, environment: Environment) -> None:
    loop = {"until": "got.action == 'none'", "retries": 3, "delay": 0}
    ansible.play(token("ci", register="got", keywords=loop, scopes=READ, store="store")).succeeded()
    assert environment.writes() == ["POST", "PUT"]


def test_a_secret_that_is_held_is_adopted(ansible: Ansible, environment: Environment) -> None:
    made = environment.issue("ci")
    adopt = stored(token=made["token"])
    adopted = check("got.changed", "got.action == 'none'", "got.store_updated", f"got.token_id == '{made['id']}'")
    run = ansible.play(in_check_mode(adopt), adopted, adopt, adopted, adopt, check("not got.changed"), stored(), works()).succeeded()
    assert "store updated" in run.stderr
    assert entry(ansible)["created"] is None


def test_a_secret_that_is_held_does_not_push_out_that_of_another_living_token(ansible: Ansible, environment: Environment) -> None:
    ansible.play(stored()).succeeded()
    before = entry_file(ansible).read_bytes()
    second = environment.issue("ci")
    run = ansible.play(stored(token=second["token"])).failed()
    assert "both are named 'ci'" in run.text
    assert entry_file(ansible).read_bytes() == before


def test_a_token_deleted_by_somebody_else_is_issued_anew_and_that_is_said(ansible: Ansible, environment: Environment) -> None:
    ansible.play(stored()).succeeded()
    gone = environment.tokens("ci")[0]["id"]
    environment.call("DELETE", f"/{gone}")
    run = ansible.play(stored(), check("got.action == 'created'"), works()).succeeded()
    assert f"The token 'ci' ({gone}), which the store holds, is gone" in run.text
    ansible.play(stored(), check("not got.changed"), works()).succeeded()


def test_a_token_replaced_by_hand_is_for_on_missing_secret_to_decide(ansible: Ansible, environment: Environment) -> None:
    ansible.play(stored()).succeeded()
    gone = environment.tokens("ci")[0]["id"]
    environment.call("DELETE", f"/{gone}")
    by_hand = environment.issue("ci", ["metrics.read", "logs.read"])["id"]
    before = entry_file(ansible).read_bytes()
    run = ansible.play(stored()).failed()
    assert f"({by_hand}) exists, but the store holds the secret of another, {gone}, which is gone; on_missing_secret is fail" in run.text
    ignored = check("not got.changed == (got.action == 'none')", "not got.secret_available", "got.token is none")
    ansible.play(stored(on_missing_secret="ignore", scopes=None), ignored).succeeded()
    assert entry_file(ansible).read_bytes() == before
    rotated = check("got.action == 'rotated'", f"got.retired == [{{'id': '{by_hand}', 'action': 'deleted'}}]")
    rotate = stored(on_missing_secret="rotate", scopes=["logs.read"], scopes_mode="add")
    ansible.play(rotate, rotated, works(), rotate, check("not got.changed")).succeeded()
    assert [token["scopes"] for token in environment.tokens("ci")] == [["logs.read", "metrics.read"]]


def test_a_token_disabled_by_hand_is_left_alone_and_not_handed_out(ansible: Ansible, environment: Environment) -> None:
    ansible.play(stored()).succeeded()
    made = environment.tokens("ci")[0]["id"]
    environment.call("PUT", f"/{made}", json={"name": "ci", "enabled": False, "scopes": READ})
    left = check("not got.changed", "not got.usable", "got.secret_available", "got.token is none")
    run = ansible.play(stored(), left, stored(on_missing_secret="rotate"), left).succeeded()
    assert "is disabled and is left so" in run.text
    ansible.play(stored(enabled=True), check("got.action == 'updated'"), works()).succeeded()


def test_an_expired_token_is_replaced(ansible: Ansible, environment: Environment) -> None:
    dead = environment.plant("ci", expires="now-1d")
    ansible.play(stored(), check("got.action == 'rotated'", f"got.retired[0].id == '{dead['id']}'"), works()).succeeded()
    assert len(environment.tokens()) == 1


def test_absent_removes_the_entry_too(ansible: Ansible, environment: Environment) -> None:
    absent = stored(scopes=None, state="absent")
    ansible.play(stored(), absent, check("got.action == 'deleted'", "got.store_updated"), absent, check("not got.changed")).succeeded()
    assert environment.tokens() == []
    assert list((ansible.folder / "store").glob("*/*.yml")) == []
    ansible.play(stored()).succeeded()
    environment.call("DELETE", f"/{environment.tokens('ci')[0]['id']}")
    ansible.play(absent, check("got.changed", "got.action == 'none'", "got.store_updated")).succeeded()
    assert list((ansible.folder / "store").glob("*/*.yml")) == []


def test_absent_deletes_nothing_where_somebody_else_has_a_token_of_that_name(ansible: Ansible, environment: Environment) -> None:
    ansible.play(stored()).succeeded()
    environment.issue("ci")
    run = ansible.play(stored(scopes=None, state="absent")).failed()
    assert "each run would delete another one" in run.text
    assert len(environment.tokens("ci")) == 2


def test_the_entry_moves_along_when_a_token_is_renamed_by_its_id(ansible: Ansible, environment: Environment) -> None:
    ansible.play(stored()).succeeded()
    made = environment.tokens("ci")[0]["id"]
    rename = {**stored("better"), "community.dynatrace.dynatrace_token": {"token_id": made, "name": "better", "store": "store"}}
    moved = check("got.action == 'updated'", "got.store_updated", "got.secret_available")
    ansible.play(rename, moved, works(), rename, check("not got.changed"), stored("better"), check("not got.changed")).succeeded()
    assert [file.name for file in (ansible.folder / "store").glob("*/*.yml")] == ["better.yml"]
    by_id = {"name": "gone", "community.dynatrace.dynatrace_token": {"token_id": made, "state": "absent", "store": "store"}}
    ansible.play(by_id).succeeded()
    assert list((ansible.folder / "store").glob("*/*.yml")) == []


def test_a_token_renamed_by_hand_is_not_taken_for_this_one(ansible: Ansible, environment: Environment) -> None:
    ansible.play(stored()).succeeded()
    made = environment.tokens("ci")[0]["id"]
    environment.call("PUT", f"/{made}", json={"name": "theirs", "enabled": True, "scopes": READ})
    ignore = {"ignore_errors": True}
    run = ansible.play(stored(keywords=ignore), stored(scopes=None, state="absent", keywords=ignore)).succeeded()
    assert ["Dynatrace knows it as the API token 'theirs'. Nothing was changed." in result["msg"] for result in run.results("ci")] == [
        True
    ] * 2
    back = {"name": "back", "community.dynatrace.dynatrace_token": {"token_id": made, "name": "ci", "store": "store"}}
    ansible.play(back, stored(), check("not got.changed"), works()).succeeded()


def test_a_rename_onto_the_entry_of_another_token_is_refused(ansible: Ansible, environment: Environment) -> None:
    ansible.play(stored(), stored("other")).succeeded()
    made = environment.tokens("ci")[0]["id"]
    rename = {"name": "rename", "community.dynatrace.dynatrace_token": {"token_id": made, "name": "other", "store": "store"}}
    assert "under the name 'other'. Nothing was changed." in ansible.play(rename).failed().text
    assert sorted(file.name for file in (ansible.folder / "store").glob("*/*.yml")) == ["ci.yml", "other.yml"]


def test_the_stores_note_of_scopes_is_for_reading_alone(ansible: Ansible) -> None:
    ansible.play(stored()).succeeded()
    file = entry_file(ansible)
    file.write_text(file.read_text().replace("- metrics.read", "- logs.read"))
    ansible.play(stored(), check("not got.changed"), stored(scopes=["logs.ingest"]), check("got.store_updated")).succeeded()
    assert entry(ansible)["scopes"] == ["logs.ingest"]


def test_a_shipped_module_has_no_store(ansible: Ansible, environment: Environment) -> None:
    hosts = ansible.folder / "hosts"
    hosts.write_text("remote ansible_connection=elsewhere ansible_python_interpreter={{ansible_playbook_python}}")
    inventory = ["-i", str(hosts)]
    run = ansible.play(stored(), hosts="remote", options=inventory).failed()
    assert "Say delegate_to: localhost" in run.text
    assert environment.requests() == []
    delegated = {**stored(), "delegate_to": "localhost"}
    ansible.play(delegated, info("listed"), hosts="remote", options=inventory).succeeded()


def test_a_refused_scope_leaves_no_entry_behind(ansible: Ansible, environment: Environment) -> None:
    ansible.play(stored(scopes=["no.such"])).failed()
    assert environment.tokens() == []
    assert list((ansible.folder / "store").glob("*/*.yml")) == []
