# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One login for a run of Ansible: its workers share the token, in memory only.

Ansible imports the file of an action in its own process, before it forks a worker for each task.
So the memory that is made when this file is imported is shared by all tasks of the run, and the
tokens in it are revoked when the process ends that made it. A worker that imports this file itself,
as for a lookup before the first action, has a login of its own.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import mmap
import multiprocessing.util
import tempfile
import threading
import typing as t

from ansible.utils.display import Display
from ansible_collections.community.dynatrace.plugins.module_utils._http.address import login_of
from ansible_collections.community.dynatrace.plugins.module_utils._http.explain import reason_of
from ansible_collections.community.dynatrace.plugins.module_utils._http.requests_guard import (
    requests,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.vault_session import (
    vault_session,
)

Options = t.Mapping[str, t.Any]
Logins = dict[str, dict[str, t.Any]]

_SIZE = 1 << 20  # bytes, of which the system only gives those that are used
_LENGTH = 8  # bytes for the length of what follows
_CONNECTION = (
    "namespace",
    "validate_certs",
    "ca_cert",
    "cert_auth_public_key",
    "cert_auth_private_key",
)
# Stores that differ in these share a login.
_NOT_OF_THE_LOGIN = ("engine_mount_point", "path", "allow_http", "retries", "timeout")
_REVOCATION_TIMEOUT = 10.0  # seconds
_LAST = 1  # the priority among what is done at the end of the process


@dataclasses.dataclass(frozen=True)
class Login:
    """What a login was answered with."""

    url: str
    token: Secret
    can_be_revoked: bool


class SharedLogins:
    """The logins of a run, in memory that processes share if they are forked later."""

    def __init__(self) -> None:
        """:raises OSError: where the system gives no such memory, or cannot lock a file."""
        self._memory = mmap.mmap(-1, _SIZE)
        self._lock_file = tempfile.TemporaryFile()  # noqa: SIM115 - always empty, never closed
        self._lock = threading.Lock()
        with self._held():
            pass  # a temporary folder on a network may have no locks

    def token(
        self, key: str, log_in: t.Callable[[], dict[str, t.Any]], refused: str | None
    ) -> Secret:
        with self._held():
            logins = self._read()
            if key not in logins or logins[key]["token"] == refused:
                logins[key] = log_in()
                self._write(logins)
            return Secret(logins[key]["token"])

    def revoke(self) -> None:
        with self._held():
            for login in self._read().values():
                _revoke(login)
            self._write({})

    @contextlib.contextmanager
    def _held(self) -> t.Iterator[None]:
        # The lock of a file ends with the process that holds it, so that no other waits for ever.
        with self._lock:
            fcntl.lockf(self._lock_file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._lock_file, fcntl.LOCK_UN)

    def _read(self) -> Logins:
        end = _LENGTH + int.from_bytes(self._memory[:_LENGTH], "big")
        try:
            logins: Logins = json.loads(self._memory[_LENGTH:end] or b"{}")
        except ValueError:  # a process was killed while it wrote
            return {}
        return logins

    def _write(self, logins: Logins) -> None:
        content = json.dumps(logins).encode()
        self._memory[_LENGTH : _LENGTH + len(content)] = content
        self._memory[:_LENGTH] = len(content).to_bytes(_LENGTH, "big")


def _shared_logins() -> SharedLogins | None:
    """None where the system does not allow it: then each task logs in, and revokes its token."""
    try:
        return SharedLogins()
    except OSError:
        return None


_logins = _shared_logins()
if _logins is not None:
    atexit.register(_logins.revoke)  # at the end of the run; a worker ends without it
    # At the end of the process that imports this, which may be a worker; its forks end without it.
    multiprocessing.util.Finalize(None, _logins.revoke, exitpriority=_LAST)


def login_of_run(
    options: Options, proxy: str | None, log_in: t.Callable[[], Login], refused: str | None
) -> Secret:
    """The token of the run for these options.

    :param log_in: called if there is no token yet.
    :param refused: a token that has expired, so that another is needed.
    :raises DynatraceError: as ``log_in`` does.
    """

    def logged_in() -> dict[str, t.Any]:
        login = log_in()
        return {
            "url": login.url,
            "token": login.token.reveal(),
            "can_be_revoked": login.can_be_revoked,
            "proxy": proxy,
            "options": {name: options[name] for name in _CONNECTION},
        }

    if _logins is not None:
        return _logins.token(_key(options, proxy), logged_in, refused)
    made = logged_in()
    multiprocessing.util.Finalize(None, _revoke, (made,), exitpriority=_LAST)
    return Secret(made["token"])


def _key(options: Options, proxy: str | None) -> str:
    """What tells logins apart, without the credentials."""
    same = {name: value for name, value in options.items() if name not in _NOT_OF_THE_LOGIN}
    text = json.dumps([same, proxy], sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _revoke(login: dict[str, t.Any]) -> None:
    """Revoke the token; if that fails, warn, because the token then lives as long as it may."""
    if not login["can_be_revoked"]:
        return
    headers = {"X-Vault-Token": login["token"], "X-Vault-Request": "true"}
    if login["options"]["namespace"]:
        headers["X-Vault-Namespace"] = login["options"]["namespace"]
    try:
        answer = vault_session(login["options"], login["proxy"]).request(
            "POST",
            f"{login['url']}/v1/auth/token/revoke-self",
            headers=headers,
            timeout=_REVOCATION_TIMEOUT,
        )
        failure = _why_not_revoked(answer)
    except requests.exceptions.RequestException as error:
        failure = reason_of(error)
    except DynatraceError as error:
        failure = str(error)
    if failure:
        redactor = Redactor()
        redactor.hide(Secret(login["token"]), login_of(login["proxy"]))
        Display().warning(
            redactor.text(
                f"The token that this run has got from {login['url']} could not be revoked: "
                f"{failure}. It can be used until it expires."
            )
        )


def _why_not_revoked(answer: t.Any) -> str:
    if answer.status_code == 403 and "1 error occurred" in answer.text:
        return "its policy does not allow to update auth/token/revoke-self"
    # Forbidden in another way: the token has expired already.
    return "" if answer.ok or answer.status_code == 403 else f"status {answer.status_code}"
