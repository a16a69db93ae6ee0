# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store in HashiCorp Vault or OpenBao: an engine KV v2, written with check-and-set."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._http.address import (
    check_socks,
    login_of,
    parse_proxy,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    OptionError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Operation
from ansible_collections.community.dynatrace.plugins.plugin_utils._resolve import proxy_for
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import (
    GRANTED,
    UNKNOWN,
    Data,
    Kept,
    Key,
    MaybeWritten,
    Permission,
    StoreContext,
    Version,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.kept import EntryStore
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.vault_client import (
    VaultClient,
    VaultFailure,
    part_of,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.vault_login import METHODS

# Named and looked up as in the collection community.hashi_vault.
OPTIONS: dict[str, dict[str, t.Any]] = {
    "url": {"type": "str"},
    "engine_mount_point": {"type": "str", "default": "secret"},
    "path": {"type": "str", "default": "dynatrace"},
    "auth_method": {"type": "str", "default": "token", "choices": list(METHODS)},
    "mount_point": {"type": "str"},
    "token": {"type": "str", "no_log": True},
    "token_path": {"type": "path", "no_log": False},
    "token_file": {"type": "str", "default": ".vault-token", "no_log": False},
    "role_id": {"type": "str"},
    "secret_id": {"type": "str", "no_log": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "jwt": {"type": "str", "no_log": True},
    "cert_auth_public_key": {"type": "path"},
    "cert_auth_private_key": {"type": "path", "no_log": False},
    "namespace": {"type": "str"},
    "ca_cert": {"type": "path", "aliases": ["cacert"]},
    "validate_certs": {"type": "bool", "default": True},
    "allow_http": {"type": "bool", "default": False},
    "proxies": {"type": "raw", "no_log": True},  # they may hold a password
    "retries": {"type": "int", "default": 0},
    "timeout": {"type": "float", "default": 30.0},
}

_USUAL = {
    "url": ("VAULT_ADDR", "BAO_ADDR"),
    "token": ("VAULT_TOKEN", "BAO_TOKEN"),
    "namespace": ("VAULT_NAMESPACE", "BAO_NAMESPACE"),
    "ca_cert": ("VAULT_CACERT", "BAO_CACERT"),
}
_WITHOUT_VARIABLE = ("engine_mount_point", "path", "allow_http")


def _variables(option: str) -> tuple[str, ...]:
    own = f"ANSIBLE_HASHI_VAULT_{option.upper()}"
    if option == "url":
        return (own, "ANSIBLE_HASHI_VAULT_ADDR", *_USUAL["url"])
    return (own, *_USUAL.get(option, ()))


ENVIRONMENT = {option: _variables(option) for option in OPTIONS if option not in _WITHOUT_VARIABLE}


def open_hashi_vault(options: t.Mapping[str, t.Any], context: StoreContext) -> EntryStore:
    """:raises OptionError: where an option is missing or cannot work."""
    proxy = _proxy(options, context)
    check_socks("store: proxies", parse_proxy("store: proxies", proxy))
    context.redactor.hide(login_of(proxy))
    client = VaultClient(options, proxy, context.redactor)
    mount = _parse_path("engine_mount_point", options["engine_mount_point"])
    return EntryStore(HashiVaultBackend(client, mount, _parse_path("path", options["path"])))


def _proxy(options: t.Mapping[str, t.Any], context: StoreContext) -> str | None:
    """The proxy for the address of the store: a text, or a dictionary with one for each scheme."""
    url, given = options["url"] or "", options["proxies"]
    if given is None:
        return proxy_for(url, context.environments)
    if isinstance(given, t.Mapping):
        given = given.get(url.partition("://")[0].lower())
    if given is not None and not isinstance(given, str):
        raise OptionError(
            "store: proxies is neither a text nor a dictionary. Give an address, or a dictionary "
            "with http and https."
        )
    return given


class HashiVaultBackend:
    """Implements the port ``Backend``. A version is the number that the engine gave it."""

    exclusive = False
    readers = 8  # threads, which wait for the server most of the time
    lists_at_once = True

    def __init__(self, client: VaultClient, mount: str, folder: str) -> None:
        self._client = client
        self._mount = mount
        self._folder = folder

    def describe(self, key: Key) -> str:
        return f"secret {self._mount}/{self._path(key)} of {self._client.url}"

    def lock(self, keys: t.Mapping[Key, str]) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def names(self, place: str) -> t.Iterable[str]:
        folder = f"{self._folder}/{place}"
        answer = self._client.call(
            "listed",
            lambda vault: vault.secrets.kv.v2.list_secrets(path=folder, mount_point=self._mount),
            needs=f"list {self._mount}/metadata/{folder}",
        )
        if answer is None:
            return []
        # Those of folders end in a slash, which no name of an entry does.
        return [name for name in part_of(answer, "keys", list) if isinstance(name, str)]

    def read(self, key: Key) -> Kept | None:
        answer = self._client.call(
            "read",
            lambda vault: vault.secrets.kv.v2.read_secret_version(
                path=self._path(key), mount_point=self._mount, raise_on_deleted_version=True
            ),
            needs=f"read {self._api_path('data', key)}",
        )
        if answer is None:
            return None
        data = answer.get("data")
        version = part_of(part_of(answer, "metadata", dict), "version", int)
        # No data where this version was deleted or destroyed; {} is what ``delete`` writes.
        return Kept(data, version, deleted=data in (None, {}))

    def write(self, key: Key, data: Data, version: Version | None) -> Version:
        try:
            answer = self._client.call(
                "written",
                lambda vault: vault.secrets.kv.v2.create_or_update_secret(
                    path=self._path(key),
                    secret=data,
                    cas=version or 0,
                    mount_point=self._mount,
                ),
                needs=f"{'update' if version else 'create'} {self._api_path('data', key)}",
            )
            written: int = part_of(answer, "version", int)
        except DynatraceError as failure:
            raise MaybeWritten(str(failure)) from None
        return written

    def delete(self, key: Key, version: Version, keep_older: bool) -> None:
        if keep_older and version != 1:
            # To delete one version alone would need another permission.
            self.write(key, {}, version)
            return
        self._client.remove(
            lambda vault: vault.secrets.kv.v2.delete_metadata_and_all_versions(
                path=self._path(key), mount_point=self._mount
            ),
            needs=f"delete {self._api_path('metadata', key)}",
        )

    def may(self, operation: Operation, key: Key, version: Version | None) -> Permission:
        if operation == "remove":
            return self._may(self._api_path("metadata", key), "delete")
        # Where there is nothing yet, the first write is a creation, and the next one an update.
        needed = ("update",) if version else ("create", "update")
        return self._may(self._api_path("data", key), *needed)

    def _may(self, path: str, *needed: str) -> Permission:
        try:
            answer = self._client.call(
                "asked for its permissions",
                lambda vault: vault.sys.get_capabilities([path]),
                needs="update sys/capabilities-self",
            )
        except VaultFailure as failure:
            if failure.kind in ("Forbidden", "NotInPolicy"):
                return UNKNOWN  # a token that may not ask may do all the same
            raise
        if answer is None:
            return UNKNOWN
        granted = answer.get("capabilities")
        if not isinstance(granted, list):
            granted = []
        missing = [capability for capability in needed if capability not in granted]
        if not missing or "root" in granted:
            return GRANTED
        return Permission(
            False,
            f"The token of the store {self._client.url} may not {' and '.join(missing)} {path}. "
            "Nothing was done. Allow that in its policy, or see whether engine_mount_point, path "
            "and namespace are right.",
        )

    def _path(self, key: Key) -> str:
        return f"{self._folder}/{key.place}/{key.name}"

    def _api_path(self, part: str, key: Key) -> str:
        """The path as policies name it."""
        return f"{self._mount}/{part}/{self._path(key)}"


def _parse_path(option: str, text: str) -> str:
    path = text.strip("/")
    damaged = any(part in ("", ".", "..") for part in path.split("/"))
    if damaged or not path.isprintable():
        raise OptionError(
            f"store: {option} is {text!r}, which is no path. Give one such as teams/observability."
        )
    return path
