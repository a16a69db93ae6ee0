# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only a real OpenBao can show: as it is installed, with TLS, storage on disk, a namespace,
each method to log in, and the policy of the guide."""

from __future__ import annotations

import base64
import json
import pathlib
import re
import time
import typing as t
from email.message import Message

import hvac.exceptions
import pytest
import trustme
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from support import openbao
from support.key_vault import ALL
from support.runs import Ansible, check, info, token
from support.stand_in import Environment
from support.vault_stand_in import StandIn

READ = ["metrics.read"]
GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "store-hashi-vault.md"


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def installed(authority: trustme.CA) -> openbao.Server:
    return openbao.installed_server(authority)


@pytest.fixture
def vault(installed: openbao.Server) -> openbao.Namespace:
    """A namespace whose policy is that of the guide."""
    namespace = openbao.Namespace(installed, "teams/a", "secret", ALL)
    policy = re.findall(r"```hcl\n(.*?)```", GUIDE.read_text(), re.DOTALL)[0]
    namespace.call("POST", "sys/policies/acl/test", {"policy": policy})
    return namespace


def address(vault: openbao.Namespace, **options: t.Any) -> dict[str, t.Any]:
    return {
        "type": "hashi_vault",
        "url": vault.url,
        "namespace": vault.namespace,
        "ca_cert": str(vault.server.ca_cert),
        **options,
    }


def test_the_policy_of_the_guide_is_enough_for_the_life_of_a_token_and_no_more(
    ansible: Ansible, environment: Environment, vault: openbao.Namespace
) -> None:
    store = vault.by_approle(ca_cert=str(vault.server.ca_cert))
    many = [{"name": f"many-{number}", "scopes": READ} for number in range(21)]

    def token_set(register: str, **options: t.Any) -> dict[str, t.Any]:
        return {
            "name": register,
            "community.dynatrace.dynatrace_token_set": {"store": store, **options},
            "register": register,
        }

    elsewhere = {**store, "path": "others"}
    untrusted = {name: value for name, value in store.items() if name != "ca_cert"}
    lookup = f"lookup('community.dynatrace.api_token', 'ci', store={store!r})"
    run = ansible.play(
        token("ci", register="made", scopes=READ, store=store),
        token("ci", register="found", scopes=READ, store=store),
        check("made.changed", "not found.changed", f"{lookup} == made.token"),
        token("ci", "rotated", scopes=READ, store=store, rotate="always", overlap="2d"),
        check("rotated.token != made.token", f"{lookup} == rotated.token"),
        info("all", store=store),
        token_set("many", tokens=many),
        token_set("purged", tokens=[], purge=True, max_deletes=99),
        token("denied", scopes=READ, store=elsewhere, keywords={"ignore_errors": True}),
        token("untrusted", scopes=READ, store=untrusted, keywords={"ignore_errors": True}),
    ).succeeded()
    assert [found["name"] for found in run.result("all")["tokens"] if found["retiring"]] == ["ci"]
    assert len(run.result("purged")["purged"]) == 23  # with the predecessor
    assert vault.known() == {}
    assert "does not allow to read secret/data/others/" in run.result("denied")["msg"]
    assert "name it with ca_cert" in run.result("untrusted")["msg"]
    assert not environment.tokens()


def signed(key: rsa.RSAPrivateKey, claims: dict[str, t.Any]) -> str:
    """A JSON web token."""

    def encoded(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).decode().rstrip("=")

    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    text = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{text}.{encoded(signature)}"


def by_userpass(vault: openbao.Namespace) -> dict[str, t.Any]:
    vault.call("POST", "sys/auth/staff/userpass", {"type": "userpass"})
    user = {"password": "a pass/word", "token_policies": ["test"]}
    vault.call("POST", "auth/staff/userpass/users/ci", user)
    return {"mount_point": "staff/userpass", "username": "ci", "password": user["password"]}


def by_jwt(vault: openbao.Namespace) -> dict[str, t.Any]:
    key = rsa.generate_private_key(65537, 2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    vault.call("POST", "sys/auth/jwt", {"type": "jwt"})
    vault.call("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [public.decode()]})
    role = {
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": ["tests"],
        "token_policies": ["test"],
    }
    vault.call("POST", "auth/jwt/role/ci", role)
    now = int(time.time())
    claims = {"sub": "ci", "aud": "tests", "iat": now, "exp": now + 600}
    return {"role_id": "ci", "jwt": signed(key, claims)}


def by_cert(
    vault: openbao.Namespace, authority: trustme.CA, folder: pathlib.Path
) -> dict[str, t.Any]:
    vault.call("POST", "sys/auth/cert", {"type": "cert"})
    role = {"certificate": authority.cert_pem.bytes().decode(), "token_policies": ["test"]}
    vault.call("POST", "auth/cert/certs/ci", role)
    client = authority.issue_cert("ci", common_name="ci")
    public, private = folder / "cert.pem", folder / "key.pem"
    client.cert_chain_pems[0].write_to_path(str(public))
    client.private_key_pem.write_to_path(str(private))
    return {
        "role_id": "ci",
        "cert_auth_public_key": str(public),
        "cert_auth_private_key": str(private),
    }


def test_each_method_that_openbao_has_logs_in_and_its_refusal_is_explained(
    ansible: Ansible, vault: openbao.Namespace, authority: trustme.CA, tmp_path: pathlib.Path
) -> None:
    methods = {
        "userpass": by_userpass(vault),
        "jwt": by_jwt(vault),
        "cert": by_cert(vault, authority, tmp_path),
    }
    wrong = {"userpass": {"password": "no"}, "jwt": {"jwt": "no"}, "cert": {"role_id": "no"}}
    tasks = [
        token(method, scopes=READ, store=address(vault, auth_method=method, **options))
        for method, options in methods.items()
    ]
    for method, options in wrong.items():
        store = address(vault, auth_method=method, **{**methods[method], **options})
        refused = {"ignore_errors": True}
        tasks.append(token(f"not-{method}", keywords=refused, scopes=READ, store=store))
    run = ansible.play(*tasks).succeeded()
    assert {path.rpartition("/")[2] for path in vault.stored()} == set(methods)
    for method in methods:
        said = run.result(f"not-{method}")["msg"]
        assert f"whether auth_method {method} is mounted at mount_point" in said
        assert "cannot be logged in to: " in said


def test_a_sealed_server_says_what_the_stand_in_says() -> None:
    server = openbao.start_dev_server()
    vault = openbao.Namespace(server, None, "secret", ALL)
    server.call("PUT", "sys/seal")
    client = hvac.Client(vault.url, vault.token, namespace=vault.namespace)
    with pytest.raises(hvac.exceptions.VaultDown) as sealed:
        client.secrets.kv.v2.read_secret_version("ci", raise_on_deleted_version=True)
    said = StandIn(sealed=True).answer("GET", "/v1/secret/data/ci", Message(), b"")
    assert said == (503, {"errors": sealed.value.errors})
