# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom the collection trusts, and to whom it shows its token."""

from __future__ import annotations

import pathlib
import re
import ssl
import urllib.parse

import pytest
import trustme

from support.relay import Relay, relay
from support.runs import Ansible, info, token
from support.stand_in import Environment
from support.tunnel import socks, tunnel


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.mark.once
def test_certificates_are_checked_against_ca_path_alone(
    ansible: Ansible,
    environment: Environment,
    authority: trustme.CA,
    tls: ssl.SSLContext,
    tmp_path: pathlib.Path,
) -> None:
    """Neither REQUESTS_CA_BUNDLE makes a server trusted; and ca_path may be a folder."""
    for name, issuer in (("mine", authority), ("other", trustme.CA())):
        (tmp_path / name).mkdir()
        issuer.cert_pem.write_to_path(str(tmp_path / name / "ca.pem"))
    mine, other = (str(tmp_path / name / "ca.pem") for name in ("mine", "other"))
    with relay(environment, tls=tls) as secure:
        own = {**secure.environment.variables, "SSL_CERT_FILE": mine}
        ansible.play(info("of_the_system"), env=own).succeeded()
        run = ansible.play(
            {**refused("unknown"), "environment": {"SSL_CERT_FILE": mine}},
            refused("wrong", ca_path=other),
            refused("wrong_folder", ca_path=str(tmp_path / "other")),
            info("known", ca_path=mine),
            info("known_folder", ca_path=str(tmp_path / "mine")),
            info("unchecked", validate_certs=False),
            env={**secure.environment.variables, "REQUESTS_CA_BUNDLE": mine},
        ).succeeded()
    for name in ("unknown", "wrong", "wrong_folder"):
        assert "name it with ca_path" in run.result(name)["msg"]
    assert [len(run.result(name)["tokens"]) for name in ("known", "known_folder", "unchecked")] == [
        1,
        1,
        1,
    ]


@pytest.mark.once
def test_a_wait_is_told_on_stderr_by_the_modules_and_by_the_lookup(
    ansible: Ansible, environment: Environment
) -> None:
    kept = token("ci", scopes=["metrics.read"], store="store")
    silences = {"kind": "silence", "nth": 1}
    options = "store='store', verify=true, timeout=0.3"
    read = f"{{{{ lookup('community.dynatrace.api_token', 'ci', {options}) }}}}"
    ansible.play(kept).succeeded()
    run = ansible.play(
        set_faults(environment, silences),
        info("listed", timeout=0.3),
        set_faults(environment, silences),
        {"name": "read", "ansible.builtin.debug": {"msg": read}},
        env={"ANSIBLE_CALLBACKS_ENABLED": "recorder,impatient"},
    ).succeeded()
    for name in ("dynatrace_token_info", "api_token"):
        said = rf"{name}: waiting for \w+ {environment.url}\S+ \(no answer yet\) until"
        assert len(re.findall(said, run.stderr)) == 1
    assert "waiting for" not in run.stdout


@pytest.mark.once
def test_netrc_does_not_replace_the_api_token(
    ansible: Ansible, environment: Environment, tmp_path: pathlib.Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    netrc.chmod(0o600)
    with relay(environment) as plain:
        ansible.play(
            info("found"), env={**plain.environment.variables, "NETRC": str(netrc)}
        ).succeeded()
    assert [headers["Authorization"] for headers in plain.headers] == [
        f"Api-Token {environment.api_token}"
    ]


@pytest.mark.once
def test_a_redirect_is_an_error_and_the_token_stays(
    ansible: Ansible, environment: Environment
) -> None:
    with (
        relay(environment) as elsewhere,
        relay(environment, lambda method, path: elsewhere.environment.url) as redirecting,
    ):
        run = ansible.play(info("found"), env=redirecting.environment.variables).failed()
    assert (
        f"a redirect to {elsewhere.environment.url}, which is not followed"
        in run.result("found")["msg"]
    )
    assert elsewhere.headers == []


def test_the_proxy_of_the_tasks_environment_is_used_and_no_proxy_heeded(
    ansible: Ansible, environment: Environment
) -> None:
    with relay(environment) as proxy:
        origin = proxy.environment.url.partition("/e/")[0]
        through = {**info("through", max_wait=0), "environment": {"http_proxy": origin}}
        around = {
            **info("around"),
            "environment": {"http_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"},
        }
        option = {**info("option", proxy=""), "environment": {"http_proxy": "http://127.0.0.1:9"}}
        broken = {
            **info("broken", max_wait=0),
            "environment": {"http_proxy": "http://127.0.0.1:9"},
            "ignore_errors": True,
        }
        empty = {**info("empty"), "environment": {"http_proxy": "", "https_proxy": ""}}
        unclear = {
            **refused("unclear"),
            "environment": {"http_proxy": "", "HTTP_PROXY": "http://127.0.0.1:9"},
        }
        desktop = {
            **refused("desktop"),
            "environment": {"HTTP_PROXY": "socks://me:pa55w0rd@127.0.0.1:1080/"},
        }
        run = ansible.play(
            {**through, "ignore_errors": True},
            around,
            option,
            broken,
            empty,
            unclear,
            desktop,
            env={"HTTP_PROXY": "http://127.0.0.1:9"},
        ).succeeded()
        assert len(proxy.headers) == 1
    assert [len(run.result(name)["tokens"]) for name in ("empty", "unclear")] == [1, 1]
    assert run.result("desktop")["msg"].startswith(
        "The environment variable HTTP_PROXY: socks:// does not tell the version of SOCKS."
    )
    assert "pa55w0rd" not in run.output
    assert "Check environment_url and proxy" in run.result("broken")["msg"]


def port_of(relay: Relay) -> int:
    return urllib.parse.urlsplit(relay.environment.url).port or 0


def refused(register: str, **options: object) -> dict[str, object]:
    """A task that is to fail."""
    return {**info(register, **{"max_wait": 0, **options}), "ignore_errors": True}


def set_faults(environment: Environment, *faults: dict[str, object]) -> dict[str, object]:
    """A task after which these faults strike."""
    arguments = {
        "url": f"{environment.url}/_emulator/faults",
        "method": "PUT",
        "body_format": "json",
        "body": list(faults),
        "status_code": [200, 204],
    }
    return {"name": "faults", "ansible.builtin.uri": arguments}


@pytest.mark.once
def test_a_client_proves_itself_with_its_certificate(
    ansible: Ansible,
    environment: Environment,
    authority: trustme.CA,
    tls: ssl.SSLContext,
    tmp_path: pathlib.Path,
) -> None:
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    client, foreign = (
        authority.issue_cert("client.example.com"),
        trustme.CA().issue_cert("client.example.com"),
    )
    ca, cert, key, both, wrong = (
        str(tmp_path / f"{name}.pem") for name in ("ca", "cert", "key", "both", "wrong")
    )
    authority.cert_pem.write_to_path(ca)
    client.cert_chain_pems[0].write_to_path(cert)
    client.private_key_pem.write_to_path(key)
    client.private_key_and_cert_chain_pem.write_to_path(both)
    foreign.private_key_and_cert_chain_pem.write_to_path(wrong)
    with relay(environment, tls=tls) as secure:
        run = ansible.play(
            info("two_files", ca_path=ca, client_cert=cert, client_key=key),
            info("one_file", ca_path=ca, client_cert=both),
            refused("without", ca_path=ca),
            refused("wrong", ca_path=ca, client_cert=wrong),
            refused("without_key", ca_path=ca, client_cert=cert),
            env=secure.environment.variables,
        ).succeeded()
        assert len(secure.headers) == 2
    assert [len(run.result(name)["tokens"]) for name in ("two_files", "one_file")] == [1, 1]
    assert run.result("without_key")["msg"].startswith("client_cert: ")
    for name in ("without", "wrong"):
        assert "failed: " in run.result(name)["msg"]
        assert "tokens" not in run.result(name)


@pytest.mark.once
def test_https_goes_through_a_tunnel_that_sees_no_token(
    ansible: Ansible,
    environment: Environment,
    authority: trustme.CA,
    tls: ssl.SSLContext,
    tmp_path: pathlib.Path,
) -> None:
    ca, other = tmp_path / "ca.pem", tmp_path / "other.pem"
    authority.cert_pem.write_to_path(str(ca))
    trustme.CA().cert_pem.write_to_path(str(other))
    with (
        relay(environment, tls=tls) as secure,
        tunnel(port_of(secure)) as proxy,
        tunnel(port_of(secure), tls=tls) as over_tls,
    ):
        target = f"127.0.0.1:{port_of(secure)}"
        around = {"HTTPS_PROXY": proxy.url, "NO_PROXY": "127.0.0.1"}
        run = ansible.play(
            {**info("by_variable", ca_path=str(ca)), "environment": {"HTTPS_PROXY": proxy.url}},
            info("by_option", ca_path=str(ca), proxy=proxy.url),
            {**info("around", ca_path=str(ca)), "environment": around},
            {**info("option_wins", ca_path=str(ca), proxy=proxy.url), "environment": around},
            refused("untrusted", ca_path=str(other), proxy=proxy.url),
            info("over_tls", ca_path=str(ca), proxy=over_tls.url),
            refused("over_untrusted_tls", ca_path=str(other), proxy=over_tls.url),
            env={**secure.environment.variables, "REQUESTS_CA_BUNDLE": str(other)},
        ).succeeded()
    assert (proxy.targets, over_tls.targets) == ([target] * 4, [target])
    assert len(secure.headers) == 5
    assert not [
        headers for headers in proxy.headers + over_tls.headers if "Authorization" in headers
    ]
    messages = [run.result(name)["msg"] for name in ("untrusted", "over_untrusted_tls")]
    assert ["name it with ca_path" in message for message in messages] == [True, True]


@pytest.mark.once
def test_requests_go_through_a_socks_proxy(
    ansible: Ansible,
    environment: Environment,
    authority: trustme.CA,
    tls: ssl.SSLContext,
    tmp_path: pathlib.Path,
) -> None:
    ca = str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(ca)
    with (
        relay(environment, tls=tls) as secure,
        socks(port_of(secure), "me:pa55/w0rd") as proxy,
    ):
        url = f"{{}}://me:{{}}@127.0.0.1:{proxy.server_port}"
        by_name, by_address = (
            url.format(scheme, "pa55%2Fw0rd") for scheme in ("socks5h", "socks5")
        )
        run = ansible.play(
            info("option", ca_path=ca, proxy=by_name),
            {**info("variable", ca_path=ca), "environment": {"ALL_PROXY": by_address}},
            refused("unknown", ca_path=ca, proxy=url.format("socks5h", "wr0ngw0rd")),
            options=["-vvvv"],
            env=secure.environment.variables,
        ).succeeded()
    assert [len(run.result(name)["tokens"]) for name in ("option", "variable")] == [1, 1]
    assert "percent-encoded" in run.result("unknown")["msg"]
    assert proxy.targets == [f"127.0.0.1:{port_of(secure)}"] * 2
    assert not [word for word in ("pa55", "w0rd") if word in run.output + repr(run.events)]


def test_the_login_of_a_proxy_is_used_and_not_shown(
    ansible: Ansible,
    environment: Environment,
    authority: trustme.CA,
    tls: ssl.SSLContext,
    tmp_path: pathlib.Path,
) -> None:
    ca = str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(ca)
    with (
        relay(environment, tls=tls) as secure,
        tunnel(port_of(secure), login="me:pa55w0rd") as proxy,
    ):
        url = f"http://{{}}@127.0.0.1:{proxy.server_port}"
        run = ansible.play(
            info("known", ca_path=ca, proxy=url.format("me:pa55w0rd")),
            refused("unknown", ca_path=ca, proxy=url.format("me:wr0ngw0rd")),
            {
                **info("by_variable", ca_path=ca),
                "environment": {"https_proxy": url.format("me:pa55w0rd")},
            },
            refused("unreached", ca_path=ca, proxy="http://me:pa55w0rd@127.0.0.1:9"),
            refused("damaged", ca_path=ca, proxy="http://me:pa55w0rd@127.0.0.1:99999"),
            options=["-vvvv"],
            env=secure.environment.variables,
        ).succeeded()
    assert [len(run.result(name)["tokens"]) for name in ("known", "by_variable")] == [1, 1]
    assert "407" in run.result("unknown")["msg"]
    assert "Check environment_url and proxy" in run.result("unreached")["msg"]
    shown = run.output + repr(run.events)
    assert not [password for password in ("pa55w0rd", "wr0ngw0rd") if password in shown]
