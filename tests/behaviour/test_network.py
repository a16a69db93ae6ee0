# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom the collection trusts, and to whom it shows its token."""

from __future__ import annotations

import pathlib
import ssl

import pytest
import trustme

from support.relay import relay
from support.runs import Ansible, info
from support.stand_in import Environment


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_certificates_are_checked_against_ca_path_alone(
    ansible: Ansible, environment: Environment, authority: trustme.CA, tls: ssl.SSLContext, tmp_path: pathlib.Path
) -> None:
    mine, other = tmp_path / "mine.pem", tmp_path / "other.pem"
    authority.cert_pem.write_to_path(str(mine))
    trustme.CA().cert_pem.write_to_path(str(other))
    unknown = {**info("unknown"), "ignore_errors": True}
    wrong = {**info("wrong", ca_path=str(other)), "ignore_errors": True}
    with relay(environment, tls=tls) as secure:
        run = ansible.play(
            unknown,
            wrong,
            info("known", ca_path=str(mine)),
            info("unchecked", validate_certs=False),
            env={**secure.environment.variables, "REQUESTS_CA_BUNDLE": str(other)},
        ).succeeded()
    for name in ("unknown", "wrong"):
        assert "name it with ca_path" in run.result(name)["msg"]
    assert len(run.result("known")["tokens"]) == 1
    assert len(run.result("unchecked")["tokens"]) == 1


def test_requests_ca_bundle_does_not_make_a_server_trusted(
    ansible: Ansible, environment: Environment, authority: trustme.CA, tls: ssl.SSLContext, tmp_path: pathlib.Path
) -> None:
    mine = tmp_path / "mine.pem"
    authority.cert_pem.write_to_path(str(mine))
    with relay(environment, tls=tls) as secure:
        run = ansible.play(info("found"), env={**secure.environment.variables, "REQUESTS_CA_BUNDLE": str(mine)}).failed()
    assert "name it with ca_path" in run.result("found")["msg"]


def test_netrc_does_not_replace_the_api_token(ansible: Ansible, environment: Environment, tmp_path: pathlib.Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    netrc.chmod(0o600)
    with relay(environment) as plain:
        ansible.play(info("found"), env={**plain.environment.variables, "NETRC": str(netrc)}).succeeded()
    assert [headers["Authorization"] for headers in plain.headers] == [f"Api-Token {environment.api_token}"]


def test_a_redirect_is_an_error_and_the_token_stays(ansible: Ansible, environment: Environment) -> None:
    with relay(environment) as elsewhere, relay(environment, lambda method, path: elsewhere.environment.url) as redirecting:
        run = ansible.play(info("found"), env=redirecting.environment.variables).failed()
    assert "a redirect to http://127.0.0.1, which is not followed" in run.result("found")["msg"]
    assert elsewhere.headers == []


def test_the_proxy_of_the_tasks_environment_is_used_and_no_proxy_heeded(ansible: Ansible, environment: Environment) -> None:
    with relay(environment) as proxy:
        origin = proxy.environment.url.partition("/e/")[0]
        through = {**info("through", max_wait=0), "environment": {"http_proxy": origin}}
        around = {**info("around"), "environment": {"http_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"}}
        option = {**info("option", proxy=""), "environment": {"http_proxy": "http://127.0.0.1:9"}}
        broken = {**info("broken", max_wait=0), "environment": {"http_proxy": "http://127.0.0.1:9"}, "ignore_errors": True}
        run = ansible.play({**through, "ignore_errors": True}, around, option, broken).succeeded()
        assert len(proxy.headers) == 1
    assert "Check environment_url and proxy" in run.result("broken")["msg"]
