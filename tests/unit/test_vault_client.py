# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store in HashiCorp Vault: what the suite of all stores does not ask for."""

from __future__ import annotations

import base64
import concurrent.futures
import dataclasses
import json
import operator
import pathlib
import re
import ssl
import sys
import time
import types
import typing as t
import urllib.parse

import pytest
import trustme
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Redactor
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Store
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores import vault_login
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.login_of_run import (
    SharedLogins,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import (
    store_from,
    variables_as_environment,
)

from entries import DOTTED_SECRET, ENVIRONMENT, INTENT, REPORTS, context, identity, kept
from support.key_vault import KeyVault, key_vault, stand_in_vault

pytestmark = pytest.mark.usefixtures("own_logins")

PATH = f"dynatrace/{ENVIRONMENT}/reports"
LOGIN = ("POST", "/v1/auth/approle/login")


@pytest.fixture
def vault() -> t.Iterator[KeyVault]:
    with key_vault() as running:
        yield running


def opened(vault: KeyVault, redactor: Redactor | None = None, **options: t.Any) -> Store:
    return store_from({**vault.store, **options}, context(redactor=redactor))


@pytest.mark.parametrize("end", ["delete", "destroy"])
def test_a_deleted_secret_is_no_entry_and_is_not_removed(vault: KeyVault, end: str) -> None:
    store = opened(vault)
    store.save(kept())
    operator.methodcaller(end, PATH)(vault)
    loaded = store.load(REPORTS)
    assert (loaded, loaded.version) == (Entry(REPORTS), 1)
    assert store.entries(ENVIRONMENT) == []
    store.remove(loaded)
    assert list(vault.known()) == [PATH]
    assert "DELETE" not in vault.methods()


def test_an_intent_above_a_recoverable_secret_goes_without_it(vault: KeyVault) -> None:
    store = opened(vault)
    store.save(kept())
    vault.delete(PATH)
    found = store.load(REPORTS)
    store.remove(store.save(dataclasses.replace(found, intents=(INTENT,))))
    vault.undelete(PATH, 1)
    assert vault.version(PATH, 1)["token"] == DOTTED_SECRET
    assert vault.stored() == {PATH: {}}
    after = store.load(REPORTS)
    assert (after, after.version) == (Entry(REPORTS), 3)
    assert store.entries(ENVIRONMENT) == []
    store.remove(store.save(kept(version=after.version)))
    assert vault.known() == {}


def test_all_threads_share_one_login(vault: KeyVault) -> None:
    redactor = Redactor()
    store = opened(vault, redactor, **vault.by_approle())
    assert LOGIN not in vault.requests
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        entries = [kept(identity(f"t{number}")) for number in range(16)]
        list(pool.map(store.save, entries))
    assert vault.requests.count(LOGIN) == 1
    (token,) = vault.client_tokens
    assert redactor.text(f"{token} {vault.secret_id}") == "*** ***"


def test_a_refused_login_is_not_tried_for_every_token(vault: KeyVault) -> None:
    store = opened(vault, **vault.by_approle(secret_id="mistaken"))
    for _time in range(3):
        with pytest.raises(DynatraceError, match="cannot be logged in to: invalid role or") as told:
            store.load(REPORTS)
        assert "See whether role_id and secret_id are valid" in str(told.value)
    assert vault.requests == [LOGIN]


def test_a_token_that_may_not_ask_for_its_permissions_is_tried() -> None:
    def forbidding(method: str, path: str) -> int | None:
        return 403 if "capabilities" in path else None

    with key_vault(forbidding) as vault:
        opened(vault).check_may("save", kept())
    with key_vault() as vault:
        vault.policy = frozenset({"read"})
        store = opened(vault)
        for operation, version, missing in (
            ("save", None, f"create and update secret/data/{PATH}"),
            ("save", 1, f"update secret/data/{PATH}"),
            ("remove", 1, f"delete secret/metadata/{PATH}"),
        ):
            with pytest.raises(DynatraceError, match=f"may not {missing}. Nothing was done."):
                store.check_may(t.cast(t.Any, operation), kept(version=version))


def test_what_is_granted_for_one_operation_is_not_granted_for_another(vault: KeyVault) -> None:
    vault.policy = frozenset({"create", "read", "update"})
    store = opened(vault)
    store.check_may("save", kept())
    with pytest.raises(DynatraceError, match=f"may not delete secret/metadata/{PATH}"):
        store.check_may("remove", kept(version=1))


def test_what_the_policy_has_to_allow_is_named(vault: KeyVault) -> None:
    vault.policy = frozenset()
    store = opened(vault)
    attempts: dict[str, t.Callable[[], t.Any]] = {
        f"read secret/data/{PATH}": lambda: store.load(REPORTS),
        f"create secret/data/{PATH}": lambda: store.save(kept()),
        f"update secret/data/{PATH}": lambda: store.save(kept(version=1)),
        f"list secret/metadata/dynatrace/{ENVIRONMENT}": lambda: store.entries(ENVIRONMENT),
    }
    for needed, attempt in attempts.items():
        with pytest.raises(DynatraceError, match=f"of its token does not allow to {needed}. Allow"):
            attempt()


def test_a_write_whose_answer_is_lost_is_found_again() -> None:
    def lose(method: str, path: str) -> str | None:
        return "lose" if method == "POST" and "/data/" in path else None

    with key_vault(lose) as vault:
        store = opened(vault)
        saved = store.save(store.save(kept()))
        assert (store.load(REPORTS), saved.version) == (saved, 2)


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "has no file with certificates"), ("no certificate", "cannot be read as certificates")],
)
def test_certificates_that_cannot_be_read_are_named_by_the_option_of_the_store(
    vault: KeyVault, tmp_path: pathlib.Path, content: str | None, says: str
) -> None:
    path = tmp_path / "ca"
    if content is None:
        path.mkdir()
    else:
        path.write_text(content)
    with pytest.raises(DynatraceError, match=rf"^store: ca_cert: .*{path}.* {says}"):
        opened(vault, ca_cert=str(path)).load(REPORTS)


def test_more_threads_than_usual_log_nothing(
    vault: KeyVault, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened(vault)
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        list(pool.map(store.load, [identity(f"t{number}") for number in range(200)]))
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


@pytest.mark.parametrize(
    ("options", "path", "body"),
    [
        pytest.param(
            {"auth_method": "userpass", "username": "ci/1", "password": "a password"},
            "userpass/login/ci%2F1",
            {"password": "a password"},
            id="userpass",
        ),
        pytest.param(
            {
                "auth_method": "ldap",
                "mount_point": "staff/ldap",
                "username": "ci",
                "password": "a password",
            },
            "staff/ldap/login/ci",
            {"password": "a password"},
            id="ldap, mounted elsewhere",
        ),
        pytest.param(
            {"auth_method": "jwt", "role_id": "ci", "jwt": "a.b.c"},
            "jwt/login",
            {"role": "ci", "jwt": "a.b.c"},
            id="jwt",
        ),
        pytest.param(
            {"auth_method": "kubernetes", "role_id": "ci", "jwt": "a.b.c"},
            "kubernetes/login",
            {"role": "ci", "jwt": "a.b.c"},
            id="kubernetes",
        ),
        pytest.param(
            {"auth_method": "azure", "role_id": "ci", "jwt": "a.b.c"},
            "azure/login",
            {"role": "ci", "jwt": "a.b.c"},
            id="azure",
        ),
    ],
)
def test_each_method_logs_in_as_its_server_wants_it(
    own_logins: SharedLogins, options: dict[str, str], path: str, body: dict[str, str]
) -> None:
    allowed = urllib.parse.unquote(path)
    with stand_in_vault() as vault:
        vault.logins[allowed] = body
        assert opened(vault, token=None, **options).load(REPORTS) == Entry(REPORTS)
        assert vault.requests[0] == ("POST", f"/v1/auth/{path}")
        own_logins.revoke()
        vault.logins[allowed] = {**body, "jwt": "another", "password": "another"}
        with pytest.raises(DynatraceError, match="cannot be logged in to: invalid user") as told:
            opened(vault, token=None, **options).load(REPORTS)
    assert f"auth_method {options['auth_method']} is mounted at mount_point" in str(told.value)
    assert "a password" not in str(told.value)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_certificate_logs_in_at_a_server_that_is_or_is_not_verified(
    tmp_path: pathlib.Path,
) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    bundle, public, private = (tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(str(bundle))
    client = authority.issue_cert("ci@example.com")
    client.cert_chain_pems[0].write_to_path(str(public))
    client.private_key_pem.write_to_path(str(private))
    options = {
        "auth_method": "cert",
        "role_id": "ci",
        "token": None,
        "cert_auth_public_key": str(public),
        "cert_auth_private_key": str(private),
    }
    with stand_in_vault(tls=tls) as vault:
        vault.logins["cert/login"] = {"name": "ci"}
        for trust in ({"ca_cert": str(bundle)}, {"validate_certs": False}):
            assert opened(vault, **options, **trust).load(REPORTS) == Entry(REPORTS)
        assert vault.requests.count(("POST", "/v1/auth/cert/login")) == 2
        with pytest.raises(DynatraceError, match="certificate verify failed"):
            opened(vault, **options).load(REPORTS)
        options["cert_auth_public_key"] = str(private)
        with pytest.raises(DynatraceError, match=r"^store: cert_auth_public_key: .* its key"):
            opened(vault, **options).load(REPORTS)


def test_a_path_without_a_type_is_that_of_files(tmp_path: pathlib.Path) -> None:
    store = store_from({"path": str(tmp_path / "tokens"), "encrypt": False}, context())
    store.save(kept())
    assert (tmp_path / "tokens" / ENVIRONMENT / "reports.yml").exists()


def test_a_token_is_read_from_the_file_that_vault_login_writes(
    vault: KeyVault, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(DynatraceError, match=r"token is missing.* the file ~/\.vault-token"):
        opened(vault, token=None)
    for name, options in (
        (".vault-token", {}),
        ("a token", {"token_path": str(tmp_path), "token_file": "a token"}),
    ):
        file = tmp_path / name
        file.write_text(f"{vault.token}\n")
        assert opened(vault, token=None, **options).load(REPORTS) == Entry(REPORTS)
        file.unlink()


def test_without_a_method_no_token_is_sent(vault: KeyVault) -> None:
    """An agent adds its own."""
    with pytest.raises(DynatraceError, match="permission denied"):
        opened(vault, auth_method="none").load(REPORTS)


def test_a_server_that_is_not_ready_is_asked_again() -> None:
    answers = iter([503, 429, None])
    with key_vault(lambda method, path: next(answers)) as vault:
        assert opened(vault, retries=2).load(REPORTS) == Entry(REPORTS)
        assert len(vault.requests) == 3


def test_a_request_whose_answer_is_lost_is_not_sent_again() -> None:
    with key_vault(lambda method, path: "lose") as vault:
        with pytest.raises(DynatraceError, match="cannot be read"):
            opened(vault, retries=2).load(REPORTS)
        assert len(vault.requests) == 1


def test_a_namespace_that_does_not_exist_is_named(vault: KeyVault) -> None:
    with pytest.raises(DynatraceError, match=r"namespace not found\. See whether namespace is"):
        opened(vault, namespace="nowhere").load(REPORTS)


def test_a_server_without_tls_is_told_from_a_certificate(vault: KeyVault) -> None:
    with pytest.raises(DynatraceError, match=r"does not speak TLS\. See whether the port"):
        opened(vault, url=vault.url.replace("http:", "https:")).load(REPORTS)


def test_a_short_password_does_not_blacken_the_words_of_messages(vault: KeyVault) -> None:
    options = {"auth_method": "userpass", "username": "ci", "password": "no"}
    with pytest.raises(DynatraceError, match=r"cannot be logged in to: permission denied\. See"):
        opened(vault, token=None, **options).load(REPORTS)


def test_variables_of_community_hashi_vault_are_templated() -> None:
    variables = {
        "ansible_hashi_vault_addr": "{{ address }}",
        "ansible_hashi_vault_retries": 3,
        "ansible_hashi_vault_namespace": None,
        "address": "https://vault.example.com",
    }
    templated = {"{{ address }}": variables["address"]}
    assert variables_as_environment(variables, lambda value: templated.get(value, value)) == {
        "ANSIBLE_HASHI_VAULT_ADDR": "https://vault.example.com",
        "ANSIBLE_HASHI_VAULT_RETRIES": "3",
    }


def signed_for_aws(given: dict[str, t.Any]) -> bool:
    """Whether this is a request to STS that the given role may be had with."""
    headers = json.loads(base64.b64decode(given["iam_request_headers"]))
    (authorization,) = headers["Authorization"]
    return (
        given["role"] == "ci"
        and given["iam_http_request_method"] == "POST"
        and base64.b64decode(given["iam_request_url"]) == b"https://sts.amazonaws.com/"
        and headers["X-Vault-AWS-IAM-Server-ID"] == ["vault.example.com"]
        and headers["X-Amz-Security-Token"] == ["session"]
        and authorization.startswith("AWS4-HMAC-SHA256 Credential=AKIAOWN/")
        and "/eu-central-1/sts/aws4_request, SignedHeaders=" in authorization
        and "x-vault-aws-iam-server-id" in authorization
    )


def by_aws_iam(**options: str) -> dict[str, str | None]:
    return {
        "auth_method": "aws_iam",
        "token": None,
        "role_id": "ci",
        "region": "eu-central-1",
        "aws_iam_server_id": "vault.example.com",
        **options,
    }


class FrozenCredentials(t.NamedTuple):
    access_key: str
    secret_key: str
    token: str


def boto3_with(credentials: FrozenCredentials | None) -> types.SimpleNamespace:
    """What the login asks of boto3."""
    refreshable = types.SimpleNamespace(get_frozen_credentials=lambda: credentials)

    def session(profile_name: str | None) -> types.SimpleNamespace:
        if profile_name == "unknown":
            raise ValueError("hunter2")
        return types.SimpleNamespace(get_credentials=lambda: credentials and refreshable)

    return types.SimpleNamespace(session=types.SimpleNamespace(Session=session))


def test_aws_iam_signs_with_the_keys_given_or_those_that_boto3_finds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = FrozenCredentials("AKIAOWN", "a/secret", "session")
    keys = {
        "aws_access_key": "AKIAOWN",
        "aws_secret_key": "a/secret",
        "aws_security_token": "session",
    }
    with stand_in_vault() as vault:
        vault.logins = {"aws/login": signed_for_aws, "staff/aws/login": signed_for_aws}
        assert opened(vault, **by_aws_iam(**keys)).load(REPORTS) == Entry(REPORTS)
        monkeypatch.setitem(sys.modules, "boto3", boto3_with(found))
        elsewhere = by_aws_iam(mount_point="staff/aws", aws_profile="ci")
        redactor = Redactor()
        assert opened(vault, redactor, **elsewhere).load(REPORTS) == Entry(REPORTS)
        assert redactor.text("a/secret session") == "*** ***"
        logins = [path for _method, path in vault.requests if path.endswith("/login")]
        assert logins == ["/v1/auth/aws/login", "/v1/auth/staff/aws/login"]
        with pytest.raises(DynatraceError, match=r"AWS cannot be had \(ValueError\)") as told:
            opened(vault, **by_aws_iam(aws_profile="unknown")).load(REPORTS)
        assert "hunter2" not in str(told.value)
        monkeypatch.setitem(sys.modules, "boto3", boto3_with(None))
        with pytest.raises(DynatraceError, match="There are no credentials of AWS"):
            opened(vault, **by_aws_iam()).load(REPORTS)
        monkeypatch.setitem(sys.modules, "boto3", None)
        with pytest.raises(DynatraceError, match="boto3 is missing, which auth_method aws_iam"):
            opened(vault, **by_aws_iam()).load(REPORTS)


def test_azure_logs_in_with_a_token_of_a_service_principal_or_a_managed_identity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[t.Any, ...]] = []

    def credential(*arguments: t.Any, **options: t.Any) -> types.SimpleNamespace:
        def get_token(scope: str) -> types.SimpleNamespace:
            asked.append((*arguments, *options.values(), scope))
            return types.SimpleNamespace(token="a.b.c")

        return types.SimpleNamespace(get_token=get_token)

    login = {"auth_method": "azure", "role_id": "ci", "token": None}
    principal = {"azure_tenant_id": "tenant", "azure_client_id": "id"}
    with stand_in_vault() as vault:
        vault.logins["azure/login"] = {"role": "ci", "jwt": "a.b.c"}
        with pytest.raises(DynatraceError, match="azure-identity is missing, which auth_method az"):
            opened(vault, **login).load(REPORTS)
        library = types.SimpleNamespace(
            ClientSecretCredential=credential, ManagedIdentityCredential=credential
        )
        monkeypatch.setitem(sys.modules, "azure", types.SimpleNamespace(identity=library))
        monkeypatch.setitem(sys.modules, "azure.identity", library)
        for options in (
            {**principal, "azure_client_secret": "a/secret"},
            {"azure_client_id": "id"},
            {"azure_resource": "https://vault.example.com"},
        ):
            redactor = Redactor()
            assert opened(vault, redactor, **login, **options).load(REPORTS) == Entry(REPORTS)
            assert redactor.text("a.b.c") == "***"
        with pytest.raises(DynatraceError, match="Give its azure_tenant_id and azure_client_id"):
            opened(vault, **login, azure_client_secret="a/secret").load(REPORTS)
    assert asked == [
        ("tenant", "id", "a/secret", "https://management.azure.com//.default"),
        ("id", "https://management.azure.com//.default"),
        (None, "https://vault.example.com/.default"),
    ]


def test_kubernetes_logs_in_with_the_token_of_the_pod(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    monkeypatch.setattr(vault_login, "_SERVICE_ACCOUNT_TOKEN", str(file))
    login = {"auth_method": "kubernetes", "role_id": "ci", "token": None}
    with stand_in_vault() as vault:
        vault.logins["kubernetes/login"] = {"role": "ci", "jwt": "a.b.c"}
        with pytest.raises(DynatraceError, match="jwt is missing, which auth_method kubernetes"):
            opened(vault, **login)
        file.write_text("a.b.c\n")
        assert opened(vault, **login).load(REPORTS) == Entry(REPORTS)


@pytest.mark.parametrize("as_text", [True, False])
def test_requests_go_through_the_proxy_for_the_scheme_of_the_address(as_text: bool) -> None:
    with stand_in_vault() as vault:
        proxies = vault.url if as_text else {"http": vault.url, "https": "http://127.0.0.1:9"}
        store = opened(vault, url="http://vault.example.com:8200", allow_http=True, proxies=proxies)
        assert store.load(REPORTS) == Entry(REPORTS)
        assert vault.requests == [
            ("GET", f"http://vault.example.com:8200/v1/secret/data/{PATH}"),
        ]


def test_an_engine_that_keeps_one_version_and_wants_check_and_set_is_enough(
    vault: KeyVault,
) -> None:
    vault.configure(cas_required=True, max_versions=1)
    store = opened(vault)
    saved = store.save(store.save(kept(intents=(INTENT,))))
    assert store.load(REPORTS) == saved
    vault.delete(PATH)
    lost = store.load(REPORTS)
    assert store.entries(ENVIRONMENT) == []
    store.remove(lost)
    intended = store.save(dataclasses.replace(lost, intents=(INTENT,)))
    store.remove(intended)
    again = store.save(kept(version=store.load(REPORTS).version))
    assert store.load(REPORTS) == again
    store.remove(again)
    assert vault.known() == {}


def test_an_engine_that_deletes_by_itself_is_a_warning_once_and_later_the_way_back(
    vault: KeyVault,
) -> None:
    warnings: list[str] = []
    vault.configure(delete_version_after="1s")
    store = store_from(vault.store, context(warn=warnings.append))
    saved = store.save(store.save(kept()))
    store.save(kept(identity("others")))
    (warning,) = warnings
    assert re.search(r"is deleted by the server on \d{4}-\d\d-\d\dT[\d:]{8}Z, because", warning)
    deadline = time.monotonic() + 10
    while (loaded := store.load(REPORTS)).id is not None:
        assert time.monotonic() < deadline
    assert loaded.version == saved.version
    assert re.fullmatch(
        rf"the secret secret/{PATH} of {vault.url} was deleted on [\dT:-]{{19}}Z, by hand or by "
        rf"delete_version_after; vault kv undelete -mount=secret -versions=2 {PATH} brings it back",
        loaded.why_empty,
    )


def test_an_engine_of_version_1_is_refused_before_anything_is_written(vault: KeyVault) -> None:
    vault.add_kv1("old")
    store = opened(vault, engine_mount_point="old")
    assert store.load(REPORTS) == Entry(REPORTS)
    with pytest.raises(DynatraceError, match=r"at engine_mount_point is KV version 1\. Upgrade"):
        store.check_may("save", kept())
    assert [method for method, path in vault.requests if "/old" in path] == ["GET"] * 2


def test_what_is_permitted_is_asked_once_for_all_tokens(vault: KeyVault) -> None:
    store = opened(vault)
    entries = [kept(identity(f"t{number}"), version=number % 2 or None) for number in range(16)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda entry: store.check_may("save", entry), entries))
    assert [path for _method, path in vault.requests].count("/v1/sys/capabilities-self") <= 2
    store.check_may("remove", kept(version=1))
    assert len(vault.requests) <= 4
