# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWS Secrets Manager on loopback: moto, answering as AWS does where moto does not, and failing
where a test says so."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import io
import itertools
import json
import re
import socket
import threading
import typing as t
import urllib.parse
import uuid

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.secretsmanager.models import secretsmanager_backends
from werkzeug.serving import WSGIRequestHandler, make_server

from support.relay import Call

ACCOUNT = "123456789012"
ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
# The environment of who may use it; with no other place where credentials are looked for.
NOWHERE = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials",
}
VARIABLES = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    **NOWHERE,
}

# What becomes of a request: None, it is carried out; an exception of AWS, it is answered with it
# and not carried out; "lose", it is carried out and its answer is lost; a Call, it is carried out
# or not, and the function is called instead of an answer.
Fault = t.Union[str, Call, None]
Data = dict[str, t.Any]
Rule = t.Callable[[str, Data], Fault]
Start = t.Callable[..., t.Any]

WRITES = (
    "CreateSecret",
    "PutSecretValue",
    "UpdateSecretVersionStage",
    "RestoreSecret",
    "DeleteSecret",
)
_REGIONS = itertools.cycle(["eu-central-1", "eu-west-1", "eu-north-1", "us-east-1", "us-west-2"])
_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_OF_A_ROLE = "ASIA"  # how the access keys begin that moto gives to a role
_LONGEST_VALUE = 65536
_MOST_LABELS = 20


class Refused(Exception):
    """An answer of AWS: the name of its exception, and its message."""


@dataclasses.dataclass
class SecretsManager:
    """A running server: how to reach it, what it holds, and the requests that reached it."""

    region: str
    rule: Rule
    url: str = ""
    policies: list[Data] = dataclasses.field(default_factory=list)  # statements; none: all allowed
    requests: list[tuple[str, Data]] = dataclasses.field(default_factory=list)
    lock: threading.RLock = dataclasses.field(default_factory=threading.RLock)

    @property
    def store(self) -> Data:
        """The option store that means this."""
        return {
            "type": "aws_secrets_manager",
            "region": self.region,
            "endpoint_url": self.url,
        }

    @property
    def backend(self) -> t.Any:
        return secretsmanager_backends[ACCOUNT][self.region]

    def clear(self) -> None:
        with self.lock:
            self.backend.secrets.clear()
            self.requests.clear()

    def operations(self, *of: str) -> list[str]:
        """What was asked for, in order."""
        return [operation for operation, _given in self.requests if not of or operation in of]

    def stored(self) -> dict[str, t.Any]:
        """What readers get of every secret that does not wait for its deletion."""
        return {name: value for name, (value, waits) in self.all().items() if not waits}

    def all(self) -> dict[str, tuple[t.Any, bool]]:
        """What is current in every secret, and whether it waits for its deletion."""
        with self.lock:
            return {
                secret.name: (self._current(secret), secret.is_deleted())
                for secret in self.backend.secrets.values()
            }

    def plant(self, name: str, data: t.Any, **attributes: t.Any) -> None:
        """Write a secret behind the collection's back, of any form."""
        given = {"secret_string": json.dumps(data), "secret_binary": None, **attributes}
        token = str(uuid.uuid4())
        with self.lock:
            if name in self.backend.secrets:
                self.backend.put_secret_value(
                    name, **given, client_request_token=token, version_stages=["AWSCURRENT"]
                )
                self._move_current(name, token)
            else:
                self.backend.create_secret(
                    name,
                    **given,
                    description=None,
                    tags=None,
                    kms_key_id=None,
                    client_request_token=token,
                    replica_regions=[],
                    force_overwrite=False,
                )

    def _move_current(self, name: str, token: str) -> None:
        for version_id, version in self.backend.secrets[name].versions.items():
            if version_id != token and "AWSCURRENT" in version["version_stages"]:
                version["version_stages"].remove("AWSCURRENT")

    def delete(self, name: str) -> None:
        """Schedule the deletion, as a person does."""
        with self.lock:
            self.backend.delete_secret(name, 7, False)

    @staticmethod
    def _current(secret: t.Any) -> t.Any:
        for version in secret.versions.values():
            if "AWSCURRENT" in version["version_stages"]:
                text = version.get("secret_string")
                return json.loads(text) if text else text
        return None

    def check(self, operation: str, given: Data, access_key: str) -> None:
        """:raises Refused: where AWS refuses what moto takes, or says it in other words."""
        name = str(given.get("SecretId") or given.get("Name") or "*")
        secret = self.backend.secrets.get(name)
        if access_key != ACCESS_KEY and not access_key.startswith(_OF_A_ROLE):
            raise Refused(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )
        self._check_policy(operation, given, name)
        if operation == "CreateSecret" and not _NAME.fullmatch(name):
            raise Refused(
                "ValidationException", "Invalid name. Must be a valid name containing ..."
            )
        if len(given.get("SecretString") or "") > _LONGEST_VALUE:
            raise Refused("ValidationException", "1 validation error detected at 'secretString'")
        refused = ("CreateSecret", "PutSecretValue", "UpdateSecretVersionStage")
        if secret is not None and secret.is_deleted() and operation in refused:
            raise Refused(
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for "
                "deletion.",
            )

    def check_labels(self) -> None:
        for secret in self.backend.secrets.values():
            labels = [
                one for version in secret.versions.values() for one in version["version_stages"]
            ]
            assert len(labels) == len(set(labels)) <= _MOST_LABELS, labels

    def _check_policy(self, operation: str, given: Data, name: str) -> None:
        actions = [operation, *(["TagResource"] if given.get("Tags") else [])]
        for action in actions:
            # ListSecrets knows no resource.
            resource = "*" if action == "ListSecrets" else f"{name}-a1b2c3"
            if self.policies and not any(
                _allows(statement, f"secretsmanager:{action}", resource)
                for statement in self.policies
            ):
                raise Refused(
                    "AccessDeniedException",
                    f"User: arn:aws:iam::{ACCOUNT}:user/ci is not authorized to perform: "
                    f"secretsmanager:{action} on resource: {name}",
                )


def _asked(target: str | None, body: bytes) -> tuple[str, Data]:
    """The operation and its parameters: of Secrets Manager, or of STS, which takes forms."""
    if target:
        return target.rpartition(".")[2], json.loads(body)
    form = dict(urllib.parse.parse_qsl(body.decode()))
    return form.pop("Action", ""), form


def _allows(statement: Data, action: str, resource: str) -> bool:
    allowed = statement["Resource"]
    if allowed == "*":
        return action in statement["Action"]
    pattern = allowed.partition(":secret:")[2]
    return action in statement["Action"] and fnmatch.fnmatchcase(resource, pattern)


@contextlib.contextmanager
def secrets_manager(
    rule: Rule = lambda operation, given: None, policies: t.Sequence[Data] = ()
) -> t.Iterator[SecretsManager]:
    """Serve an empty one until the block ends."""
    running = SecretsManager(next(_REGIONS), rule, policies=list(policies))
    running.clear()
    moto = DomainDispatcherApplication(create_backend_app)

    def application(environ: Data, start: Start) -> t.Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        operation, given = _asked(environ.get("HTTP_X_AMZ_TARGET"), body)
        running.requests.append((operation, given))
        fault = running.rule(operation, given)
        access_key = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/")[0]
        if isinstance(fault, str) and fault != "lose":
            return _refuse(start, fault, f"{fault} of a test")
        answered: t.Iterable[bytes] = ()
        if not isinstance(fault, Call) or fault.passed_on:
            with running.lock:
                try:
                    running.check(operation, given, access_key)
                    answered = list(moto(environ, start))
                    running.check_labels()
                except Refused as refused:
                    return _refuse(start, *refused.args)
        if isinstance(fault, Call):
            fault.function()
        if fault is not None:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            start("200 OK", [])  # to nobody
        return answered

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
    running.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield running
    finally:
        server.shutdown()


class _Quiet(WSGIRequestHandler):
    disable_nagle_algorithm = True  # or each answer waits for 40 milliseconds

    def log(self, *arguments: t.Any) -> None:
        pass


def _refuse(start: Start, kind: str, message: str) -> list[bytes]:
    content = json.dumps({"__type": kind, "message": message}).encode()
    status = "500 Internal Server Error" if kind == "InternalServiceError" else "400 Bad Request"
    start(
        status,
        [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(content)))],
    )
    return [content]
