# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One login for all tasks of a run, and none of its tokens is left."""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import multiprocessing
import threading
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Redactor
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores import login_of_run
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import store_from

from entries import REPORTS, context, kept
from support.key_vault import KeyVault, key_vault, stand_in_vault

FORK = multiprocessing.get_context("fork")
LOGIN = ("POST", "/v1/auth/approle/login")

Logins = login_of_run.SharedLogins


@pytest.fixture
def vault() -> t.Iterator[KeyVault]:
    with key_vault() as running:
        yield running


def task(vault: KeyVault, **options: t.Any) -> None:
    read(vault.by_approle(**options))


def read(option: dict[str, t.Any]) -> None:
    """What a task does: open the store, and read."""
    assert store_from(option, context()).load(REPORTS) == Entry(REPORTS)


def alive(vault: KeyVault) -> list[bool]:
    return [vault.lives(token) for token in vault.client_tokens]


def in_workers(number: int, function: t.Callable[..., t.Any], *arguments: t.Any) -> None:
    """Call the function in so many forks at once, as Ansible calls tasks."""
    begin = FORK.Barrier(number)

    def work() -> None:
        begin.wait(60)
        function(*arguments)

    workers = [FORK.Process(target=work) for _worker in range(number)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * number


def test_all_workers_share_one_login_which_ends_with_the_run(own_logins: Logins) -> None:
    two_logins = threading.Barrier(2)

    def meet(method: str, path: str) -> None:
        if (method, path) == LOGIN:
            with contextlib.suppress(threading.BrokenBarrierError):
                two_logins.wait(0.5)

    with key_vault(meet) as vault:
        in_workers(4, read, vault.by_approle())
        task(vault, path="elsewhere")
        assert vault.requests.count(LOGIN) == 1
        assert alive(vault) == [True]
        own_logins.revoke()
        assert alive(vault) == [False]


def test_a_token_that_cannot_be_revoked_is_left_to_expire(
    vault: KeyVault, own_logins: Logins, capsys: pytest.CaptureFixture[str]
) -> None:
    vault.configure_role(token_type="batch")
    task(vault)
    own_logins.revoke()
    assert not [path for _method, path in vault.requests if path.endswith("revoke-self")]
    assert capsys.readouterr().err == ""


def test_other_credentials_have_another_login(vault: KeyVault, own_logins: Logins) -> None:
    task(vault)
    with pytest.raises(DynatraceError, match="invalid role or secret ID"):
        task(vault, secret_id="another")
    assert vault.requests.count(LOGIN) == 2


def test_who_is_refused_because_the_token_has_expired_logs_in_again(
    vault: KeyVault, own_logins: Logins
) -> None:
    store = store_from(vault.by_approle(), context())
    saved = store.save(kept())
    vault.revoke(*vault.client_tokens)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(store.load, [REPORTS] * 16)) == {saved}
    assert vault.requests.count(LOGIN) == 2
    assert alive(vault) == [False, True]
    redactor = Redactor()
    assert store_from(vault.by_approle(), context(redactor=redactor)).load(REPORTS) == saved
    assert vault.requests.count(LOGIN) == 2
    assert redactor.text(vault.client_tokens[-1]) == "***"


def test_who_is_refused_by_the_policy_does_not_log_in_again(
    vault: KeyVault, own_logins: Logins
) -> None:
    vault.policy = frozenset()
    for _time in range(2):
        with pytest.raises(DynatraceError, match="does not allow to read"):
            task(vault)
    assert vault.requests.count(LOGIN) == 1


@pytest.mark.usefixtures("own_logins")
def test_a_server_that_refuses_all_alike_is_asked_whether_the_token_is_valid() -> None:
    def refuse(method: str, path: str) -> int | None:
        return 403 if "/data/" in path else None

    with stand_in_vault(refuse) as vault:
        with pytest.raises(DynatraceError, match="See whether the token of the store is valid"):
            task(vault)
        assert vault.requests.count(LOGIN) == 1


def test_without_memory_to_share_each_worker_logs_in_and_leaves_no_token(
    vault: KeyVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_of_run, "_logins", None)
    in_workers(2, read, vault.by_approle())
    assert vault.requests.count(LOGIN) == 2
    assert alive(vault) == [False, False]


@pytest.mark.parametrize(("module", "function"), [("mmap", "mmap"), ("fcntl", "lockf")])
def test_a_system_without_such_memory_or_locks_is_no_error(
    monkeypatch: pytest.MonkeyPatch, module: str, function: str
) -> None:
    def refuse(*arguments: t.Any) -> t.NoReturn:
        raise OSError(errno.ENOLCK, "not here")

    assert login_of_run._shared_logins() is not None
    monkeypatch.setattr(getattr(login_of_run, module), function, refuse)
    assert login_of_run._shared_logins() is None


def test_a_worker_that_is_killed_while_it_notes_its_login_is_made_up_for(
    vault: KeyVault, own_logins: Logins
) -> None:
    task(vault)
    own_logins._memory[8:12] = b"\0cut"
    task(vault)
    assert vault.requests.count(LOGIN) == 2


def test_a_token_that_may_not_revoke_itself_is_a_warning_and_an_expired_one_is_not(
    vault: KeyVault, own_logins: Logins, capsys: pytest.CaptureFixture[str]
) -> None:
    vault.configure_role(token_no_default_policy=True)
    task(vault)
    own_logins.revoke()
    said = " ".join(capsys.readouterr().err.split())
    assert "could not be revoked: its policy does not allow to update auth/token/revoke" in said
    vault.configure_role(token_no_default_policy=False)
    task(vault)
    vault.revoke(vault.client_tokens[-1])
    own_logins.revoke()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("fault", [500, "gone"])
def test_a_token_that_cannot_be_revoked_is_a_warning_without_it(
    own_logins: Logins, fault: int | str, capsys: pytest.CaptureFixture[str]
) -> None:
    def rule(method: str, path: str) -> int | None:
        return 500 if path.endswith("revoke-self") and fault == 500 else None

    with contextlib.ExitStack() as stack:
        vault = stack.enter_context(key_vault(rule))
        task(vault)
        if fault == "gone":
            stack.close()
        own_logins.revoke()
    said = " ".join(capsys.readouterr().err.split())
    assert "could not be revoked: " in said
    assert "until it expires" in said
    assert not [token for token in vault.client_tokens if token in said]
    own_logins.revoke()
    assert capsys.readouterr().err == ""
