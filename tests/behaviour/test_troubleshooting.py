# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every message that the guide to troubleshooting quotes is one of the plugins, or one that they
pass on from Ansible and Python, and then it is produced here."""

from __future__ import annotations

import ast
import datetime as dt
import functools
import pathlib
import re
import ssl
import subprocess
import sys
import typing as t

import pytest
import trustme

from support.relay import relay
from support.runs import Ansible, Run, info, token, without_library
from support.stand_in import Environment, new_environment

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[2]
QUOTED = re.findall(
    r"^### `(.*)`$", (ROOT / "docs" / "troubleshooting.md").read_text(), re.MULTILINE
)
DIFFERS = "…"
MODULE = "community.dynatrace.dynatrace_token_info"
LABEL = "The token … (…)"  # what the functions and variables of this name say

# By a name for it, how the message begins that Ansible or Python words.
OF_OTHERS = {
    "misspelled": "couldn't resolve module/action 'community.dynatrace.…",
    "no_name": "… failed: Failed to resolve …",
    "nobody": "… failed: Failed to establish a new connection: …",
    "no_authority": (
        "… failed: TLS: … certificate verify failed: unable to get local issuer certificate …"
    ),
    "other_name": (
        "… failed: TLS: … certificate verify failed: Hostname mismatch, "
        "certificate is not valid for …"
    ),
    "expired": "… failed: TLS: … certificate verify failed: certificate has expired …",
    "no_tls": "… failed: TLS: [SSL: WRONG_VERSION_NUMBER] …",
    "redirected": (
        "… failed: … answered 302: a redirect to …, which is not followed, "
        "so that no token goes to another host."
    ),
}


@functools.cache
def messages() -> set[str]:
    """All texts of the plugins, with an ellipsis for each part that is computed."""
    trees = (ast.parse(file.read_text()) for file in (ROOT / "plugins").rglob("*.py"))
    return {text for tree in trees for node in ast.walk(tree) if (text := _text(node))}


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.FormattedValue):
        called = node.value.func if isinstance(node.value, ast.Call) else node.value
        return LABEL if getattr(called, "id", "").strip("_") == "label" else DIFFERS
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def matches(quoted: str, message: str) -> bool:
    """Whether the message holds all parts of the quotation between its ellipses, in this order."""
    return (
        re.search(".*?".join(re.escape(part) for part in quoted.split(DIFFERS)), message)
        is not None
    )


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_message_that_is_quoted_is_one_of_the_plugins_or_produced_here(quoted: str) -> None:
    assert quoted in OF_OTHERS.values() or any(matches(quoted, message) for message in messages())


def test_the_guide_quotes_messages_and_the_test_tells_them_from_others() -> None:
    assert len(QUOTED) >= 45
    assert set(OF_OTHERS.values()) <= set(QUOTED)
    assert not any(matches("The token … is on holiday", message) for message in messages())


def refused(register: str, **options: object) -> dict[str, object]:
    """A task that is to fail."""
    return {**info(register, **{"max_wait": 0, **options}), "ignore_errors": True}


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def test_who_does_not_reach_dynatrace_is_told_why_and_what_to_do(
    ansible: Ansible, server: Environment, environment: Environment, tmp_path: pathlib.Path
) -> None:
    authority, ca = trustme.CA(), str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(ca)
    yesterday = dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=1)
    of_address, expired = (
        server_context(authority.issue_cert("127.0.0.1", not_after=moment))
        for moment in (None, yesterday)
    )
    asking = new_environment(server)
    environment.set_faults({"kind": "silence", "times": 0})
    asking.set_faults({"kind": "answer", "status": 503, "headers": {"Retry-After": "300"}})
    with (
        relay(environment, tls=of_address) as secure,
        relay(environment, tls=expired) as outdated,
        relay(environment) as plain,
        relay(environment, lambda _method, _path: "/login?token=1") as redirecting,
    ):
        url = secure.environment.url
        by_name = url.replace("127.0.0.1", "localhost")
        over_tls = plain.environment.url.replace("http:", "https:")
        login = redirecting.environment.url.partition("/e/")[0] + "/login, which is not followed"
        tries: dict[str, tuple[dict[str, object], str]] = {
            "no_name": ({"environment_url": "https://nobody.invalid"}, "environment_url and proxy"),
            "nobody": ({"environment_url": "http://127.0.0.1:9"}, "environment_url and proxy"),
            "no_authority": ({"environment_url": url}, "name it with ca_path"),
            "other_name": (
                {"environment_url": by_name, "ca_path": ca},
                "Write the host in environment_url as the certificate names it.",
            ),
            "expired": (
                {"environment_url": outdated.environment.url, "ca_path": ca},
                "The server needs a new certificate",
            ),
            "no_tls": ({"environment_url": over_tls}, "There is no TLS on this port."),
            "no_tls_of_proxy": (
                {"environment_url": url, "proxy": over_tls},
                "There is no TLS on this port.",
            ),
            "redirected": ({"environment_url": redirecting.environment.url}, login),
            "silent": ({"timeout": 0.2}, "no answer within 0.2 s (timeout)"),
            "busy": (
                {"environment_url": asking.url, "api_token": asking.api_token, "max_wait": 60},
                "The server asks to wait 300 s, and 60 s are left (max_wait: 60 s), so it was not "
                "tried again.",
            ),
        }
        run = ansible.play(
            *(refused(name, **options) for name, (options, _says) in tries.items())
        ).succeeded()
    for name, (_options, says) in tries.items():
        message = run.result(name)["msg"]
        assert says in message
        assert name not in OF_OTHERS or matches(OF_OTHERS[name], message), message
        assert ("name it with ca_path" in message) == (name == "no_authority")


def test_a_module_that_is_not_found_and_a_library_that_is_missing_are_named(
    ansible: Ansible, tmp_path: pathlib.Path
) -> None:
    misspelled = {"name": "misspelled", "community.dynatrace.dynatrace_tokn": {}}
    assert matches(OF_OTHERS["misspelled"], ansible.play(misspelled).failed().text)
    without = without_library("requests", tmp_path / "without")
    # Not by the parents of other runs, which need it.
    run = subprocess.run(
        [sys.executable, "-m", "ansible", "adhoc", "localhost", "-m", MODULE],
        env={**ansible.variables(), **without},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    says = f"The Python library requests is missing for {sys.executable}. Install it there"
    assert says in run.stdout


def test_a_second_vault_id_is_asked_for_and_given(
    ansible: Ansible, environment: Environment, tmp_path: pathlib.Path
) -> None:
    for name in ("old", "new"):
        (tmp_path / f"{name}.password").write_text(name)

    def run(vault_ids: t.Sequence[str], **store: str) -> Run:
        options = [f"--vault-id={name}@{tmp_path / name}.password" for name in vault_ids]
        task = token(
            "ci", register="kept", scopes=["metrics.read"], store={"path": "store", **store}
        )
        return ansible.play(task, options=options, env={"ANSIBLE_VAULT_PASSWORD_FILE": None})

    both = ["old", "new"]
    assert "there is no vault secret of that id" in run(["old"], encrypt_vault_id="new").text
    assert "there are several vault secrets (old, new)" in run(both).text
    assert environment.writes() == []
    run(["old"]).succeeded()
    assert "cannot be decrypted with the vault secrets at hand" in run(["new"]).text
    run(both, encrypt_vault_id="new").succeeded()
    assert len(environment.tokens("ci")) == 1
