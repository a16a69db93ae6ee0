# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to HashiCorp Vault or OpenBao: login, TLS, and what an answer means."""

from __future__ import annotations

import re
import threading
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._http.address import (
    check_path,
    existing_path,
    parse_address,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.explain import reason_of
from ansible_collections.community.dynatrace.plugins.module_utils._http.requests_guard import (
    requests,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    OptionError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
    could_be_secret,
    printable,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import (
    Data,
    VersionMismatch,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.login_of_run import (
    Login,
    login_of_run,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.vault_login import (
    check_login,
    credentials,
    login_request,
    logs_in,
    with_files,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.vault_session import (
    vault_session,
)

_NEXT_STEP = {
    "KV1": "Upgrade it with vault kv enable-versioning, or name an engine KV v2.",
    "InvalidPath": "See whether engine_mount_point is that of an engine KV v2.",
    "InvalidRequest": "See whether the engine at engine_mount_point is KV v2.",
    "NoNamespace": "See whether namespace is right: its whole path, such as teams/observability.",
    "NoTls": "The server does not speak TLS. See whether the port in url is right.",
    "PlainHttp": "Write https:// in url.",
    "NoVault": "See whether url is that of HashiCorp Vault or OpenBao.",
    "SSLError": "If its certificate is signed by an authority of your own, name it with ca_cert.",
    "TooManyRedirects": "If it is a standby, give the address of the active server as url.",
    "VaultDown": "Unseal it, and run again.",
    "Forbidden": "See whether the token of the store is valid, and its policy allows to {}.",
    "NotInPolicy": "The policy of its token does not allow to {}. Allow that, or see whether "
    "engine_mount_point, path and namespace are right.",
    "NoActive": "Run again when the cluster has an active server, or give its address as url.",
}
# What is told more exactly than by hvac's exception. An invalid token is not "1 error occurred".
_REFINED = (
    ("namespace not found", "NoNamespace"),
    ("active cluster node not found", "NoActive"),
    ("1 error occurred:\\n\\t* permission denied", "NotInPolicy"),
)
_TLS_EXPECTED = "http request to an https server"
_REFUSALS = ("InvalidRequest", "Forbidden", "NotInPolicy", "Unauthorized", "InvalidPath")
_MOST_RETRIES = 20
_SECRETS = (
    "token",
    "secret_id",
    "password",
    "jwt",
    "aws_secret_key",
    "aws_security_token",
    "azure_client_secret",
)
_LONGEST_TIMEOUT = 3600.0  # seconds
# Raised by hvac for an answer that is not from Vault. Its message may quote the answer.
_NONSENSE = (AttributeError, KeyError, RecursionError, TypeError, ValueError)

Vault = t.Any  # hvac.Client
Request = t.Callable[[Vault], t.Any]


class VaultFailure(DynatraceError):
    """A request was refused or not answered.

    :param kind: the name of hvac's exception, or NoVault for an answer that is not from Vault.
    """

    def __init__(self, what: str, next_step: str, kind: str) -> None:
        super().__init__(f"{what} {next_step}")
        self.what = what
        self.kind = kind


class _Absent(Exception):
    """There is nothing at this path, or its latest version is deleted."""

    def __init__(self, data: Data | None) -> None:
        super().__init__()
        self.data = data


class VaultClient:
    """Logs in with the first request, if no other task of the run has done so."""

    def __init__(
        self, options: t.Mapping[str, t.Any], proxy: str | None, redactor: Redactor
    ) -> None:
        """:raises OptionError: where an option is missing or cannot work."""
        options = with_files(options)
        _check_options(options)
        self.url = _parse_url(options["url"], options["allow_http"])
        self._options = options
        self._proxy = proxy
        self._redactor = redactor
        self._lock = threading.Lock()
        self._client: Vault = None
        self._login_failure: str | None = None
        redactor.hide(*(Secret(options[option] or "") for option in _SECRETS))

    def call(self, done: str, request: Request, needs: str) -> Data | None:
        """What the answer has under ``data``; None where there is nothing at this path.

        :param done: what the store is to be, for messages.
        :param needs: what the policy has to allow for it, for messages.
        :raises VersionMismatch: where the check-and-set was refused.
        """
        try:
            answer = self._answer(done, request, needs)
        except _Absent as absent:
            return absent.data
        if isinstance(answer, dict) and isinstance(answer.get("data"), dict):
            return dict(answer["data"])
        if getattr(answer, "status_code", None) == 204:  # how KV version 1 answers a write
            raise self.is_version_1(done)
        raise self._failure(done, "the answer is not that of the engine KV v2", "InvalidPath")

    def is_version_1(self, done: str) -> VaultFailure:
        return self._failure(done, "the engine at engine_mount_point is KV version 1", "KV1")

    def remove(self, request: Request, needs: str) -> None:
        try:
            answer = self._answer("removed", request, needs)
        except _Absent:
            return
        if getattr(answer, "status_code", None) != 204:
            raise self._failure(
                "removed", "the answer is not that of the engine KV v2", "InvalidPath"
            )

    def _answer(self, done: str, request: Request, needs: str) -> t.Any:
        client = self._logged_in()
        try:
            return self._send(client, done, request, needs)
        except VaultFailure as failure:
            if failure.kind != "Forbidden" or not self._has_expired(client):
                raise
        return self._send(self._logged_in(refused=client.token), done, request, needs)

    def _has_expired(self, client: Vault) -> bool:
        """Whether the server no longer knows the token of a login."""
        if not logs_in(self._options):
            return False
        try:
            self._send(client, "read", lambda vault: vault.auth.token.lookup_self(), "read itself")
        except VaultFailure as failure:
            return failure.kind == "Forbidden"
        return False

    def _send(self, client: Vault, done: str, request: Request, needs: str) -> t.Any:
        # No failure is chained: hvac's exceptions carry the request with its headers.
        try:
            return request(client)
        except _hvac().exceptions.VaultError as error:
            raise self._meaning(done, error, needs) from None
        except requests.exceptions.RequestException as error:
            reason = reason_of(error)
            no_tls = "WRONG_VERSION_NUMBER" in reason
            kind = "NoTls" if no_tls else type(error).__name__
            raise self._failure(done, reason, kind) from None
        except _NONSENSE:
            raise self._failure(done, "the answer is not that of Vault", "NoVault") from None

    def _meaning(self, done: str, error: t.Any, needs: str) -> Exception:
        kind = type(error).__name__
        absent = _absence(error)
        if absent is not None:
            return absent
        if kind == "InvalidRequest" and "check-and-set" in str(error.errors):
            return VersionMismatch()
        if _TLS_EXPECTED in str(error.text or error).lower():
            return self._failure(done, "the server speaks TLS, and url says http://", "PlainHttp")
        if error.errors is None:
            return self._failure(done, f"the answer is not that of Vault ({kind})", "NoVault")
        reason = "; ".join(map(_plain, error.errors)) or kind
        return self._failure(done, reason, _refined(kind, str(error.errors)), needs)

    def _failure(self, done: str, reason: str, kind: str, needs: str = "") -> VaultFailure:
        next_step = _NEXT_STEP.get(kind, "See whether url is right, and run again when it answers.")
        what = f"The store {self.url} cannot be {done}: {reason.rstrip('.')}."
        return VaultFailure(self._redactor.text(printable(what)), next_step.format(needs), kind)

    def _logged_in(self, refused: str | None = None) -> Vault:
        """A client with a token.

        :param refused: a token that has expired.
        """
        with self._lock:
            # Not tried again for each token, because that could lock an account.
            if self._login_failure is not None:
                raise DynatraceError(self._login_failure)
            if self._client is None or self._client.token == refused:
                try:
                    self._client = self._open(refused)
                except DynatraceError as failure:
                    self._login_failure = str(failure)
                    raise DynatraceError(self._login_failure) from None
            return self._client

    def _open(self, refused: str | None) -> Vault:
        options = self._options
        client = _hvac().Client(
            url=self.url,
            token=options["token"] if options["auth_method"] == "token" else "",
            namespace=options["namespace"],
            timeout=options["timeout"],
            session=vault_session(options, self._proxy, options["retries"]),
            verify=options["validate_certs"],
            allow_redirects=False,
        )
        if logs_in(options):
            token = login_of_run(options, self._proxy, lambda: self._log_in(client), refused)
            self._redactor.hide(token)
            client.token = token.reveal()
        return client

    def _log_in(self, client: Vault) -> Login:
        try:
            request = login_request(self._options, self._redactor)
            answer = self._send(client, "logged in to", request, "log in")
        except (_Absent, VersionMismatch):
            raise self._failure(
                "logged in to", "the answer is not that of Vault", "NoVault"
            ) from None
        except VaultFailure as failure:
            raise self._login_refused(failure) from None
        return self._login_in(answer)

    def _login_refused(self, failure: VaultFailure) -> VaultFailure:
        if failure.kind not in _REFUSALS:
            return failure
        next_step = (
            f"See whether {credentials(self._options)} are valid, and whether auth_method "
            f"{self._options['auth_method']} is mounted at mount_point."
        )
        return VaultFailure(failure.what, next_step, failure.kind)

    def _login_in(self, answer: t.Any) -> Login:
        try:
            token = answer["auth"]["client_token"]
            kind = answer["auth"].get("token_type")
        except (KeyError, TypeError):
            token = kind = None
        if not isinstance(token, str) or not could_be_secret(token):
            raise self._failure("logged in to", "the answer has no token", "NoVault")
        return Login(self.url, Secret(token), can_be_revoked=kind != "batch")


def _refined(kind: str, errors: str) -> str:
    """The kind of a failure, from hvac's exception and the errors as the server lists them."""
    return next((refined for text, refined in _REFINED if text in errors), kind)


def _plain(error: t.Any) -> str:
    """The error without the form of a list, in which the server puts some."""
    return re.sub(r"^\d+ errors? occurred:\s*\*\s*", "", str(error)).strip()


def _absence(error: t.Any) -> _Absent | None:
    """What the error means if it says that nothing is at a path; None if it says something else."""
    if type(error).__name__ != "InvalidPath":
        return None
    body = error.json if isinstance(error.json, dict) else {}
    if isinstance(body.get("data"), dict):
        return _Absent(dict(body["data"]))
    return _Absent(None) if "errors" in body and not error.errors else None


def part_of(data: Data | None, key: str, kind: type) -> t.Any:
    """The part of an answer under this key.

    :raises DynatraceError: where it is of another type.
    """
    part = (data or {}).get(key)
    if not isinstance(part, kind) or isinstance(part, bool):
        raise DynatraceError(f"The answer of the store has no {key}. {_NEXT_STEP['InvalidPath']}")
    return part


def _hvac() -> t.Any:
    try:
        import hvac
    except ImportError:
        raise DynatraceError(
            "The Python library hvac is missing, which a store of type hashi_vault needs "
            "(pip install hvac)."
        ) from None
    return hvac


def _check_options(options: t.Mapping[str, t.Any]) -> None:
    check_login(options)
    if not 0 <= options["retries"] <= _MOST_RETRIES:
        raise OptionError(
            f"store: retries is {options['retries']}. Give a number from 0 to {_MOST_RETRIES}."
        )
    if not 0 < options["timeout"] <= _LONGEST_TIMEOUT:
        raise OptionError(
            f"store: timeout is {options['timeout']}. Give seconds, more than 0 and at most "
            f"{_LONGEST_TIMEOUT:.0f}."
        )
    existing_path("store: ca_cert", options["ca_cert"])


def _parse_url(text: str | None, allow_http: bool) -> str:
    example = "Give one such as https://vault.example.com:8200."
    if not text:
        raise OptionError(
            f"store: url is missing. {example} The environment variables VAULT_ADDR and BAO_ADDR "
            "stand in for it."
        )
    url = parse_address("store: url", text, example, allow_http)
    path = url.path.rstrip("/")
    check_path("store: url", path, "a server", example)
    if path.endswith("/v1"):
        raise OptionError(
            f"store: url ends in /v1, which belongs to the API. Leave it out. {example}"
        )
    return f"{url.scheme}://{url.netloc}{path}"
