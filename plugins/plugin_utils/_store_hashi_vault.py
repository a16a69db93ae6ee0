# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of type hashi_vault: the engine KV v2 of HashiCorp Vault or OpenBao, written with check-and-set."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._connection import existing_path, parse_address
from ansible_collections.community.dynatrace.plugins.module_utils._errors import DynatraceError, OptionError, StoreChanged
from ansible_collections.community.dynatrace.plugins.module_utils._http import TlsAdapter, reason_of, tls_context
from ansible_collections.community.dynatrace.plugins.module_utils._requests import requests
from ansible_collections.community.dynatrace.plugins.module_utils._secret import Secret, scrub
from ansible_collections.community.dynatrace.plugins.module_utils._store import Entry
from ansible_collections.community.dynatrace.plugins.plugin_utils._entry import dump_entry, entry_name, parse_entry

_NEXT_STEP = {
    "Forbidden": "See whether the token of the store is valid, and whether its policy allows to read, create, update and delete there.",
    "InvalidPath": "See whether engine_mount_point is that of an engine KV v2.",
    "VaultDown": "It is sealed or not there.",
}


class HashiVaultStore:
    exclusive = False

    def __init__(self, options: t.Mapping[str, t.Any], environment: str, proxy: str | None) -> None:
        """:raises OptionError: where an option is missing or cannot work."""
        self._url = _url(options["url"])
        self._mount = _path("engine_mount_point", options["engine_mount_point"])
        self._folder = f"{_path('path', options['path'])}/{environment}"
        self._environment = environment
        self._options = options
        self._proxy = proxy
        self._client: t.Any = None
        needed = {"token": ("token",), "approle": ("role_id", "secret_id")}[options["auth_method"]]
        for option in needed:
            if not options[option]:
                raise OptionError(f"store: {option} is missing, which auth_method {options['auth_method']} needs.")
        existing_path("store: ca_cert", options["ca_cert"])
        self.secrets = [Secret(options[option]) for option in ("token", "secret_id") if options[option]]

    def lock(self, name: str, personal_access_token: bool) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def load(self, name: str, personal_access_token: bool) -> Entry:
        path = self._entry_path(name, personal_access_token)
        answer = self._call("read", lambda kv: kv.read_secret_version(path=path, mount_point=self._mount, raise_on_deleted_version=False))
        if answer is None:
            return Entry(name, personal_access_token)
        version = _part(_part(answer, "metadata"), "version")
        if answer.get("data") is None:  # deleted, but not with its metadata
            return Entry(name, personal_access_token, version=version)
        place = f"The secret {self._mount}/{path} of {self._url}"
        return parse_entry(answer["data"], self._environment, name, personal_access_token, version, place)

    def save(self, entry: Entry) -> Entry:
        path = self._entry_path(entry.name, entry.personal_access_token)
        token = entry.secret.reveal() if isinstance(entry.secret, Secret) else None
        data = dump_entry(entry, self._environment, token)
        try:
            answer = self._call(
                "written",
                lambda kv: kv.create_or_update_secret(path=path, secret=data, cas=entry.version or 0, mount_point=self._mount),
            )
            return Entry(**{**vars(entry), "version": _part(answer, "version")})
        except StoreChanged:
            raise
        except DynatraceError:
            # It may have been written all the same, for example where the answer was lost.
            there = self.load(entry.name, entry.personal_access_token)
            if there == entry and there.version != entry.version:
                return there
            raise

    def remove(self, entry: Entry) -> None:
        if self.load(entry.name, entry.personal_access_token).version != entry.version:
            raise StoreChanged(
                f"The secret of {entry.name!r} in {self._url} was changed by somebody else meanwhile, and was left as it is."
            )
        path = self._entry_path(entry.name, entry.personal_access_token)
        self._call("removed", lambda kv: kv.delete_metadata_and_all_versions(path=path, mount_point=self._mount))

    def unseal(self, entry: Entry) -> Secret | None:
        return entry.secret if isinstance(entry.secret, Secret) else None

    def check_writable(self, entry: Entry) -> None:
        path = f"{self._mount}/data/{self._entry_path(entry.name, entry.personal_access_token)}"
        answer = self._call("asked what may be done", lambda kv: self._connected().sys.get_capabilities([path]))
        granted = _part(answer or {}, "capabilities")
        if not {"root", "create", "update"}.intersection(granted if isinstance(granted, list) else ()):
            raise DynatraceError(f"The store {self._url} may not be written at {path}. Nothing was issued. {_NEXT_STEP['Forbidden']}")

    def _entry_path(self, name: str, personal_access_token: bool) -> str:
        return f"{self._folder}/{entry_name(name, personal_access_token)}"

    def _call(self, what: str, function: t.Callable[[t.Any], t.Any]) -> dict[str, t.Any] | None:
        """What the engine answers under data; None where there is nothing."""
        hvac = _hvac()
        try:
            answer = function(self._connected().secrets.kv.v2)
        except hvac.exceptions.VaultError as error:
            if isinstance(error, hvac.exceptions.InvalidPath) and not error.errors:
                return None
            if isinstance(error, hvac.exceptions.InvalidRequest) and "check-and-set" in str(error.errors):
                raise StoreChanged(f"The secret in {self._url} was changed by somebody else meanwhile, and was left as it is.") from None
            raise self._failure(what, "; ".join(map(str, error.errors or [])) or type(error).__name__, type(error).__name__) from None
        except requests.exceptions.RequestException as error:
            # Not chained: the library's exception carries the request with its headers.
            raise self._failure(what, reason_of(error), "") from None
        if isinstance(answer, dict) and isinstance(answer.get("data"), dict):
            return dict(answer["data"])
        if what == "removed":
            return None
        raise self._failure(what, "the answer is not that of the engine KV v2", "InvalidPath")

    def _failure(self, what: str, reason: str, kind: str) -> DynatraceError:
        text = f"The store {self._url} cannot be {what}: {reason}. {_NEXT_STEP.get(kind, '')}"
        return DynatraceError(scrub("".join(character for character in text if character.isprintable()), self.secrets).rstrip())

    def _connected(self) -> t.Any:
        if self._client is None:
            options = self._options
            session = requests.Session()
            session.trust_env = False
            session.proxies = {"http": self._proxy, "https": self._proxy} if self._proxy else {}
            session.mount("https://", TlsAdapter(tls_context(True, options["ca_cert"], None, None)))
            client = _hvac().Client(
                url=self._url,
                token=options["token"] if options["auth_method"] == "token" else "",
                namespace=options["namespace"],
                timeout=options["timeout"],
                session=session,
                verify=True,
                allow_redirects=False,  # which would carry the token to another host
            )
            if options["auth_method"] == "approle":
                client.auth.approle.login(role_id=options["role_id"], secret_id=options["secret_id"])
                self.secrets.append(Secret(str(client.token)))
            self._client = client
        return self._client


def _hvac() -> t.Any:
    try:
        import hvac
    except ImportError:
        raise DynatraceError("The Python library hvac is missing, which a store of type hashi_vault needs (pip install hvac).") from None
    return hvac


def _url(text: str | None) -> str:
    example = "Give one such as https://vault.example.com:8200."
    if not text:
        raise OptionError(f"store: url is missing. {example} The environment variable VAULT_ADDR stands in for it.")
    url = parse_address("store: url", text, example)
    return f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}"


def _path(option: str, text: str) -> str:
    path = text.strip("/")
    if not path or any(part in ("", ".", "..") for part in path.split("/")) or not path.isprintable():
        raise OptionError(f"store: {option} is {text!r}, which is no path. Give one such as teams/observability.")
    return path


def _part(data: dict[str, t.Any] | None, key: str) -> t.Any:
    part = (data or {}).get(key)
    if part is None:
        raise DynatraceError(f"The answer of the store has no {key}. {_NEXT_STEP['InvalidPath']}")
    return part
