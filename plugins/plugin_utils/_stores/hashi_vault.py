# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of type hashi_vault: the engine KV v2 of HashiCorp Vault or OpenBao, written with check-and-set."""

from __future__ import annotations

import contextlib
import dataclasses
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
from ansible_collections.community.dynatrace.plugins.module_utils._http.session import (
    TlsAdapter,
    tls_context,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import (
    Entry,
    Identity,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    OptionError,
    StoreChanged,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
    could_be_secret,
    printable,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.codec import (
    dump_entry,
    entry_name,
    is_entry_name,
    parse_entry,
    parse_listed_entry,
)

_NEXT_STEP = {
    "Forbidden": "See whether the token of the store is valid, and whether its policy allows to read, create, update and delete there.",
    "InvalidPath": "See whether engine_mount_point is that of an engine KV v2.",
    "InvalidRequest": "See whether role_id and secret_id are valid, and whether the engine at engine_mount_point is KV v2.",
    "NoVault": "See whether url is that of HashiCorp Vault or OpenBao.",
    "SSLError": "If its certificate is signed by an authority of your own, name it with ca_cert.",
    "VaultDown": "Run again when it is up and unsealed.",
}
_LONGEST_TIMEOUT = 3600.0  # seconds
# What the library comes to grief with where the answer is not that of Vault. Its message may quote the answer.
_NONSENSE = (AttributeError, KeyError, RecursionError, TypeError, ValueError)

Answer = dict[str, t.Any]


class HashiVaultStore:
    keeps = True
    exclusive = False

    def __init__(
        self,
        options: t.Mapping[str, t.Any],
        environment: str,
        proxy: str | None,
        redactor: Redactor,
    ) -> None:
        """:raises OptionError: where an option is missing or cannot work."""
        self._url = _parse_url(options["url"])
        self._mount = _parse_path("engine_mount_point", options["engine_mount_point"])
        self._folder = f"{_parse_path('path', options['path'])}/{environment}"
        self._environment = environment
        self._options = options
        self._proxy = proxy
        self._client: t.Any = None
        _check_options(options)
        self._redactor = redactor
        redactor.hide(*(Secret(options[option] or "") for option in ("token", "secret_id")))

    def lock(self, identities: t.Sequence[Identity]) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def load(self, name: str, personal_access_token: bool) -> Entry:
        path = self._path(name, personal_access_token)
        data, version = self._read(path)
        if data is None:
            return Entry(name, personal_access_token, version=version)
        return parse_entry(
            data, self._environment, name, personal_access_token, version, self._place(path)
        )

    def entries(self) -> list[Entry]:
        answer = self._call(
            "listed", lambda kv: kv.list_secrets(path=self._folder, mount_point=self._mount)
        )
        keys = _part(answer, "keys", list) if answer is not None else []
        # No folders: those end in a slash.
        paths = {
            key: f"{self._folder}/{key}"
            for key in keys
            if isinstance(key, str) and is_entry_name(key)
        }
        found = ((key, path, *self._read(path)) for key, path in paths.items())
        return [
            parse_listed_entry(data, self._environment, key, version, self._place(path))
            for key, path, data, version in found
            if data is not None
        ]

    def _read(self, path: str) -> tuple[t.Any, t.Hashable]:
        """The data of a secret and its version, each None where it is not there."""
        answer = self._call(
            "read",
            lambda kv: kv.read_secret_version(
                path=path, mount_point=self._mount, raise_on_deleted_version=True
            ),
        )
        if answer is None:
            return None, None
        # Without data where this version was deleted or destroyed, but not its metadata.
        return answer.get("data"), _part(_part(answer, "metadata", dict), "version", int)

    def save(self, entry: Entry) -> Entry:
        path, data = self._path(entry.name, entry.personal_access_token), self._dump(entry)
        try:
            answer = self._call(
                "written",
                lambda kv: kv.create_or_update_secret(
                    path=path, secret=data, cas=entry.version or 0, mount_point=self._mount
                ),
            )
            return dataclasses.replace(entry, version=_part(answer, "version", int))
        except StoreChanged:
            raise
        except DynatraceError:
            # It may have been written all the same, for example where the answer was lost.
            there = self.load(entry.name, entry.personal_access_token)
            if there.version != entry.version and self._dump(there) == data:
                return there
            raise

    def remove(self, entry: Entry) -> None:
        if self.load(entry.name, entry.personal_access_token).version != entry.version:
            raise StoreChanged(self._changed())
        path = self._path(entry.name, entry.personal_access_token)
        self._call(
            "removed",
            lambda kv: kv.delete_metadata_and_all_versions(path=path, mount_point=self._mount),
        )

    def unseal(self, entry: Entry) -> Secret | None:
        return entry.secret if isinstance(entry.secret, Secret) else None

    def check_writable(self, entry: Entry) -> None:
        # Where nothing is there yet, the first write is a creation, and the next one an update.
        self._check_capabilities(
            "data", entry, {"update"} if entry.version else {"create", "update"}
        )

    def check_removable(self, entry: Entry) -> None:
        self._check_capabilities("metadata", entry, {"delete"})

    def _check_capabilities(self, part: str, entry: Entry, needed: set[str]) -> None:
        path = f"{self._mount}/{part}/{self._path(entry.name, entry.personal_access_token)}"
        answer = self._call(
            "asked what may be done",
            lambda _kv: self._client.sys.get_capabilities([path]),
            forbidden=True,
        )
        if answer is None:
            return  # a token that may not ask may do all the same
        granted = answer.get("capabilities")
        if not isinstance(granted, list) or not (
            "root" in granted or all(one in granted for one in needed)
        ):
            wanted = " and ".join(sorted(needed))
            raise DynatraceError(
                f"The token of the store {self._url} may not {wanted} {path}. Nothing was done. {_NEXT_STEP['Forbidden']}"
            )

    def _path(self, name: str, personal_access_token: bool) -> str:
        return f"{self._folder}/{entry_name(name, personal_access_token)}"

    def _place(self, path: str) -> str:
        return f"The secret {self._mount}/{path} of {self._url}"

    def _dump(self, entry: Entry) -> Answer:
        return dump_entry(
            entry,
            self._environment,
            entry.secret.reveal() if isinstance(entry.secret, Secret) else None,
        )

    def _call(
        self, what: str, function: t.Callable[[t.Any], t.Any], forbidden: bool = False
    ) -> Answer | None:
        """What the engine answers under data; None where there is nothing, or, if that is no failure, where it may not be known."""
        errors = _hvac().exceptions
        try:
            self._connect()
            answer = function(self._client.secrets.kv.v2)
        except errors.VaultError as error:
            return self._absent(what, error, forbidden)
        except requests.exceptions.RequestException as error:
            # Not chained: the library's exception carries the request with its headers.
            raise self._failure(what, reason_of(error), type(error).__name__) from None
        except _NONSENSE:
            raise self._failure(what, "the answer is not that of Vault", "NoVault") from None
        if isinstance(answer, dict) and isinstance(answer.get("data"), dict):
            return dict(answer["data"])
        if what == "removed" and getattr(answer, "status_code", None) == 204:
            return None
        raise self._failure(what, "the answer is not that of the engine KV v2", "InvalidPath")

    def _absent(self, what: str, error: t.Any, forbidden: bool) -> Answer | None:
        """What an error says of a secret that is not there, or whose latest version is deleted."""
        kind = type(error).__name__ if self._client is not None else "from the login"
        said = error.json if isinstance(error.json, dict) else {}
        if kind == "InvalidPath" and isinstance(said.get("data"), dict):
            return dict(said["data"])
        if (kind == "InvalidPath" and "errors" in said and not error.errors) or (
            kind == "Forbidden" and forbidden
        ):
            return None
        if kind == "InvalidRequest" and "check-and-set" in str(error.errors):
            raise StoreChanged(self._changed()) from None
        raise self._refusal(what, error) from None

    def _refusal(self, what: str, error: t.Any) -> DynatraceError:
        kind = type(error).__name__
        if error.errors is None:
            return self._failure(what, f"the answer is not that of Vault ({kind})", "NoVault")
        return self._failure(what, "; ".join(map(str, error.errors)) or kind, kind)

    def _failure(self, what: str, reason: str, kind: str) -> DynatraceError:
        next_step = _NEXT_STEP.get(kind, "See whether url is right, and run again when it answers.")
        if (what, kind) == ("listed", "Forbidden"):
            next_step = f"See whether its token is valid, and whether its policy allows to list {self._mount}/metadata/{self._folder}/."
        text = f"The store {self._url} cannot be {what}: {reason.rstrip('.')}. {next_step}"
        return DynatraceError(printable(self._redactor.text(text)))

    def _changed(self) -> str:
        return f"The secret in {self._url} was changed by somebody else meanwhile, and was left as it is."

    def _connect(self) -> None:
        if self._client is not None:
            return
        options = self._options
        client = _hvac().Client(
            url=self._url,
            token=options["token"] if options["auth_method"] == "token" else "",
            namespace=options["namespace"],
            timeout=options["timeout"],
            session=_session(options["ca_cert"], self._proxy),
            verify=True,
            allow_redirects=False,
        )
        if options["auth_method"] == "approle":
            client.auth.approle.login(role_id=options["role_id"], secret_id=options["secret_id"])
            if not isinstance(client.token, str) or not could_be_secret(client.token):
                raise self._failure("asked for a token", "the answer has none", "NoVault")
            self._redactor.hide(Secret(client.token))
        self._client = client


def _session(ca_cert: str | None, proxy: str | None) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.proxies = {"http": proxy, "https": proxy} if proxy else {}
    session.hooks["response"].append(_refuse_redirect)
    context = tls_context(True, ca_cert, None, None, ca_option="store: ca_cert")
    session.mount("https://", TlsAdapter(context))
    return session


def _refuse_redirect(response: t.Any, *_arguments: t.Any, **_options: t.Any) -> None:
    if response.is_redirect:
        raise requests.exceptions.TooManyRedirects(
            "the answer is a redirect, which would carry the token to another host"
        )


def _hvac() -> t.Any:
    try:
        import hvac
    except ImportError:
        raise DynatraceError(
            "The Python library hvac is missing, which a store of type hashi_vault needs (pip install hvac)."
        ) from None
    return hvac


def _check_options(options: t.Mapping[str, t.Any]) -> None:
    for option in {"token": ("token",), "approle": ("role_id", "secret_id")}[
        options["auth_method"]
    ]:
        if not options[option]:
            raise OptionError(
                f"store: {option} is missing, which auth_method {options['auth_method']} needs."
            )
    for option in ("token", "namespace"):
        if options[option] and not could_be_secret(options[option]):
            raise OptionError(
                f"store: {option} has a space, a line break or another character that none has. Was it cut or pasted badly?"
            )
    if not 0 < options["timeout"] <= _LONGEST_TIMEOUT:
        raise OptionError(
            f"store: timeout is {options['timeout']}. Give seconds, more than 0 and at most {_LONGEST_TIMEOUT:.0f}."
        )
    existing_path("store: ca_cert", options["ca_cert"])


def _parse_url(text: str | None) -> str:
    example = "Give one such as https://vault.example.com:8200."
    if not text:
        raise OptionError(
            f"store: url is missing. {example} The environment variable VAULT_ADDR stands in for it."
        )
    url = parse_address("store: url", text, example)
    path = url.path.rstrip("/")
    check_path("store: url", path, "a server", example)
    return f"{url.scheme}://{url.netloc}{path}"


def _parse_path(option: str, text: str) -> str:
    path = text.strip("/")
    if (
        not path
        or any(part in ("", ".", "..") for part in path.split("/"))
        or not path.isprintable()
    ):
        raise OptionError(
            f"store: {option} is {text!r}, which is no path. Give one such as teams/observability."
        )
    return path


def _part(data: Answer | None, key: str, kind: type) -> t.Any:
    part = (data or {}).get(key)
    if not isinstance(part, kind) or isinstance(part, bool):
        raise DynatraceError(f"The answer of the store has no {key}. {_NEXT_STEP['InvalidPath']}")
    return part
