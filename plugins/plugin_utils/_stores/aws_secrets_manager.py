# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store in AWS Secrets Manager: one secret for each entry, replaced by moving AWSCURRENT."""

from __future__ import annotations

import contextlib
import json
import re
import typing as t
import uuid

from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    OptionError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Operation
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.aws_client import (
    AwsClient,
    AwsFailure,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import (
    UNKNOWN,
    Data,
    Kept,
    Key,
    MaybeWritten,
    Permission,
    StoreContext,
    Version,
    VersionMismatch,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.kept import EntryStore

# Named as in the collection amazon.aws.
OPTIONS: dict[str, dict[str, t.Any]] = {
    "region": {"type": "str", "aliases": ["aws_region"]},
    "profile": {"type": "str", "aliases": ["aws_profile"]},
    "endpoint_url": {"type": "str", "aliases": ["aws_endpoint_url"]},
    "name_prefix": {"type": "str", "default": "dynatrace/"},
    "kms_key_id": {"type": "str"},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
}
# Credentials and profiles are looked up together, by the client.
ENVIRONMENT = {
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "endpoint_url": ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"),
}

_CURRENT = "AWSCURRENT"
# There is one such label for a secret, because AWS allows 20 in all of its versions.
_NEXT = "COMMUNITY_DYNATRACE_NEXT"
_RECOVERY_WINDOW = 30  # days

_PREFIX = re.compile(r"[A-Za-z0-9/_+=.@-]{1,100}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]")
_ESCAPE = re.compile(r"=([0-9A-F]{2})")


def open_aws_secrets_manager(options: t.Mapping[str, t.Any], context: StoreContext) -> EntryStore:
    """:raises OptionError: where an option cannot work."""
    prefix, tags = _parse_prefix(options["name_prefix"]), _parse_tags(options["tags"])
    client = AwsClient(options, context.environments, context.redactor)
    attributes: Data = {"KmsKeyId": options["kms_key_id"]} if options["kms_key_id"] else {}
    if tags:
        attributes["Tags"] = tags
    backend = AwsBackend(client, prefix, attributes)
    return EntryStore(backend, elsewhere=backend.explain_missing)


class _State(t.NamedTuple):
    """A secret, without its value."""

    exists: bool
    current: str | None = None  # the version that has AWSCURRENT
    waits: bool = False  # for its deletion: nobody can read it

    @property
    def readable(self) -> str | None:
        return None if self.waits else self.current


class AwsBackend:
    """Implements the port ``Backend``. A version is the id that AWS knows it by.

    A secret that waits for its deletion is none, until it is written again.
    """

    exclusive = False
    readers = 8  # threads, which wait for the server most of the time
    lists_at_once = False

    def __init__(self, client: AwsClient, prefix: str, attributes: Data) -> None:
        """:param attributes: what a new secret gets besides its value."""
        self._client = client
        self._prefix = prefix
        self._attributes = attributes

    def describe(self, key: Key) -> str:
        return self._client.describe(self._name(key))

    def lock(self, keys: t.Mapping[Key, str]) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def names(self, place: str) -> t.Iterator[str]:
        folder = f"{self._prefix}{_escaped(place)}/"
        page: Data = {}
        while True:
            answer = self._client.call(
                "list_secrets",
                f"{folder}*",
                Filters=[{"Key": "name", "Values": [folder]}],
                **page,
            )
            for secret in answer.get("SecretList", ()):
                name = str(secret.get("Name"))
                if name.startswith(folder):
                    yield _unescaped(name[len(folder) :])
            if not answer.get("NextToken"):
                return
            page = {"NextToken": answer["NextToken"]}

    def read(self, key: Key) -> Kept | None:
        name = self._name(key)
        try:
            answer = self._call("get_secret_value", name, VersionStage=_CURRENT)
        except AwsFailure as failure:
            if failure.code == "ResourceNotFoundException":
                return None
            if failure.code == "InvalidRequestException" and self._state(name).waits:
                return None
            raise
        if not isinstance(answer.get("VersionId"), str):
            raise self._client.nonsense(name)
        return Kept(_parse(answer.get("SecretString")), answer["VersionId"])

    def write(self, key: Key, data: Data, version: Version | None) -> Version:
        name, new = self._name(key), str(uuid.uuid4())
        value = {"SecretString": json.dumps(data), "ClientRequestToken": new}
        try:
            if version is None:
                self._create(name, value)
            else:
                self._replace(name, value, version)
        except AwsFailure as failure:
            self._check_written(name, version, new, failure)
        return new

    def _create(self, name: str, value: Data) -> None:
        try:
            self._client.call("create_secret", name, Name=name, **value, **self._attributes)
        except AwsFailure:
            there = self._state(name)
            if not there.exists or there.readable is not None:
                raise
            # It waits for its deletion, or somebody has made it without a value.
            if there.waits:
                self._call("restore_secret", name)
            self._replace(name, value, there.current)

    def _replace(self, name: str, value: Data, version: Version | None) -> None:
        """Put a version that nobody reads yet, and let it take the place of this one."""
        put = self._call("put_secret_value", name, VersionStages=[_NEXT], **value)
        if _CURRENT in put.get("VersionStages", ()):
            return  # the first version of a secret is the current one
        move = {"MoveToVersionId": value["ClientRequestToken"]}
        if version is not None:
            move["RemoveFromVersionId"] = str(version)
        # Refused if another version is the current one by now.
        self._call("update_secret_version_stage", name, VersionStage=_CURRENT, **move)

    def _check_written(
        self, name: str, version: Version | None, new: str, failure: AwsFailure
    ) -> None:
        """After a failed write: return if it was carried out all the same, or raise what it was."""
        try:
            readable = self._state(name).readable
        except AwsFailure:
            raise MaybeWritten(str(failure)) from None
        if readable == new:
            return
        if readable != version:
            raise VersionMismatch
        raise MaybeWritten(str(failure))

    def delete(self, key: Key, version: Version, keep_older: bool) -> None:
        name = self._name(key)
        try:
            self._call("delete_secret", name, RecoveryWindowInDays=_RECOVERY_WINDOW)
        except AwsFailure as failure:
            try:
                is_gone = self._state(name).readable is None
            except AwsFailure:
                raise failure from None
            if not is_gone:
                raise

    def may(self, operation: Operation, key: Key, version: Version | None) -> Permission:
        return UNKNOWN  # to ask AWS needs a permission of its own, which few have

    def explain_missing(self, key: Key) -> str:
        """What to say of an entry that is missing, if its secret can be restored."""
        name = self._name(key)
        try:
            waits = self._state(name).waits
        except AwsFailure:
            waits = False
        if not waits:
            return ""
        return (
            "; it waits for its deletion, and aws secretsmanager restore-secret --secret-id "
            f"{name} brings it back"
        )

    def _state(self, name: str) -> _State:
        try:
            answer = self._call("describe_secret", name)
        except AwsFailure as failure:
            if failure.code == "ResourceNotFoundException":
                return _State(exists=False)
            raise
        stages = answer.get("VersionIdsToStages", {}).items()
        current = next((version for version, labels in stages if _CURRENT in labels), None)
        return _State(True, current, waits=answer.get("DeletedDate") is not None)

    def _call(self, method: str, name: str, **parameters: t.Any) -> Data:
        return self._client.call(method, name, SecretId=name, **parameters)

    def _name(self, key: Key) -> str:
        return f"{self._prefix}{_escaped(key.place)}/{_escaped(key.name)}"


def _escaped(text: str) -> str:
    """The text in characters that AWS allows in names, without a slash."""
    return _NOT_IN_NAMES.sub(lambda found: f"={ord(found[0]):02X}", text)


def _unescaped(text: str) -> str:
    """The text that was escaped; of another text something that is no name of an entry."""
    plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    return plain if _escaped(plain) == text else f"/{text}"


def _parse(text: t.Any) -> t.Any:
    """The data in a secret; None if it is not JSON."""
    try:
        return json.loads(text)
    except (RecursionError, TypeError, ValueError):
        return None


def _parse_prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise OptionError(
            f"store: name_prefix is {text!r}. Give at most 100 letters, digits and characters of "
            "/_+=.@-, such as teams/observability/."
        )
    return text


def _parse_tags(tags: t.Mapping[t.Any, t.Any] | None) -> list[dict[str, str]]:
    for name, value in (tags or {}).items():
        if not isinstance(value, (str, int, float)):
            raise OptionError(f"store: tags: the value of {name!r} is not text.")
    return [{"Key": str(name), "Value": str(value)} for name, value in (tags or {}).items()]
