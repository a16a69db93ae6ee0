# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store in HashiCorp Vault or OpenBao: an engine KV v2, written with check-and-set."""

from __future__ import annotations

import contextlib
import re
import threading
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
    "aws_access_key": {"type": "str", "no_log": False, "aliases": ["aws_access_key_id"]},
    "aws_secret_key": {"type": "str", "no_log": True, "aliases": ["aws_secret_access_key"]},
    "aws_security_token": {"type": "str", "no_log": True},
    "aws_profile": {"type": "str", "aliases": ["boto_profile"]},
    "aws_iam_server_id": {"type": "str"},
    "region": {"type": "str"},
    "azure_tenant_id": {"type": "str"},
    "azure_client_id": {"type": "str"},
    "azure_client_secret": {"type": "str", "no_log": True},
    "azure_resource": {"type": "str", "default": "https://management.azure.com/"},
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
    "aws_access_key": ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "EC2_ACCESS_KEY"),
    "aws_secret_key": ("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "EC2_SECRET_KEY"),
    "aws_security_token": ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "EC2_SECURITY_TOKEN"),
    "aws_profile": ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"),
    "region": ("AWS_REGION", "EC2_REGION"),
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
    folder = _parse_path("path", options["path"])
    return EntryStore(HashiVaultBackend(client, mount, folder, context.warn))


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

    def __init__(
        self, client: VaultClient, mount: str, folder: str, warn: t.Callable[[str], None]
    ) -> None:
        self._client = client
        self._mount = mount
        self._folder = folder
        self._warn = warn
        self._has_warned = False
        self._asking = threading.Lock()
        # What was granted in a folder. If one secret of it may be written, so may the others: what
        # a policy says of single names is found by the intent, before a token is issued.
        self._granted: dict[str, frozenset[str]] = {}
        self._may_ask = True

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
        if data in (None, {}):
            return Kept(None, version, True, self._why_deleted(key, version, answer["metadata"]))
        return Kept(data, version)

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
        self._warn_of_deletion(key, _moment((answer or {}).get("deletion_time")))
        return written

    def _warn_of_deletion(self, key: Key, moment: str) -> None:
        with self._asking:
            if not moment or self._has_warned:
                return
            self._has_warned = True
        self._warn(
            f"The {self.describe(key)}, and all that is written there, is deleted by the server "
            f"on {moment}, because of delete_version_after. Afterwards the store has no secret for "
            f"the token. To keep it: vault write {self._mount}/config delete_version_after=0s"
        )

    def _why_deleted(self, key: Key, version: int, metadata: Data) -> str:
        if metadata.get("destroyed"):
            return f"the {self.describe(key)} was destroyed"
        moment = _moment(metadata.get("deletion_time"))
        if not moment:
            return ""
        undo = f"vault kv undelete -mount={self._mount} -versions={version} {self._path(key)}"
        return (
            f"the {self.describe(key)} was deleted on {moment}, by hand or by "
            f"delete_version_after; {undo} brings it back"
        )

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
        # Where there is nothing yet, the first write is a creation, and the next one an update.
        part, needed = "data", ("update",) if version else ("create", "update")
        if operation == "remove":
            part, needed = "metadata", ("delete",)
        folder = f"{part}/{key.place}"
        path = self._api_path(part, key)
        with self._asking:
            if not self._may_ask:
                return UNKNOWN
            if self._granted.get(folder, frozenset()).issuperset(needed):
                return GRANTED
            if not self._granted:
                self._check_engine()
            granted = self._ask(path)
            self._may_ask = granted is not None
            if granted is None:
                return UNKNOWN
            if granted.issuperset(needed):
                self._granted[folder] = granted
                return GRANTED
        missing = " and ".join(name for name in needed if name not in granted)
        return Permission(
            False,
            f"The token of the store {self._client.url} may not {missing} {path}. Nothing was "
            "done. Allow that in its policy, or see whether engine_mount_point, path and namespace "
            "are right.",
        )

    def _ask(self, path: str) -> frozenset[str] | None:
        """What the token may do there; None if it may not ask."""
        try:
            answer = self._client.call(
                "asked for its permissions",
                lambda vault: vault.sys.get_capabilities([path]),
                needs="update sys/capabilities-self",
            )
        except VaultFailure as failure:
            # A token that may not ask may do all the same.
            if failure.kind in ("Forbidden", "NotInPolicy"):
                return None
            raise
        return None if answer is None else _capabilities(answer.get("capabilities"))

    def _check_engine(self) -> None:
        """Refuse an engine of version 1, before a write tells it apart.

        :raises VaultFailure: if the server says that the engine is KV version 1.
        """
        try:
            answer = self._client.call(
                "asked for its engine",
                lambda vault: vault.adapter.get(f"/v1/sys/internal/ui/mounts/{self._mount}"),
                needs=f"read sys/internal/ui/mounts/{self._mount}",
            )
        except VaultFailure as failure:
            if failure.kind in ("Forbidden", "NotInPolicy", "InvalidPath"):
                return
            raise
        engine = (answer or {}).get("options")
        if isinstance(engine, t.Mapping) and engine.get("version") == "1":
            raise self._client.is_version_1("written")

    def _path(self, key: Key) -> str:
        return f"{self._folder}/{key.place}/{key.name}"

    def _api_path(self, part: str, key: Key) -> str:
        """The path as policies name it."""
        return f"{self._mount}/{part}/{self._path(key)}"


def _capabilities(granted: t.Any) -> frozenset[str]:
    names = filter(lambda name: isinstance(name, str), granted if isinstance(granted, list) else [])
    found = frozenset(names)
    return found | {"create", "update", "delete"} if "root" in found else found


def _moment(text: t.Any) -> str:
    """The moment of an answer, to the second; empty if there is none."""
    found = re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", text) if isinstance(text, str) else None
    return f"{found.group()}Z" if found else ""


def _parse_path(option: str, text: str) -> str:
    path = text.strip("/")
    damaged = any(part in ("", ".", "..") for part in path.split("/"))
    if damaged or not path.isprintable():
        raise OptionError(
            f"store: {option} is {text!r}, which is no path. Give one such as teams/observability."
        )
    return path
