# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What reads an entry without the collection: each example of the guide, with the least policy of a
consumer."""

from __future__ import annotations

import pathlib
import re
import subprocess
import typing as t

import hvac
import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import ACCESS
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Identity
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import (
    StoreContext,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import store_from

from support import openbao
from support.key_vault import ALL

pytestmark = pytest.mark.once

GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "store-hashi-vault.md"
SECTION = GUIDE.read_text().partition("## Consumers")[2]
SECRET = "dt0c01.PUBLICPART.S3CR3TS3CR3T"


def block(language: str, number: int) -> str:
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)[number]


@pytest.fixture
def vault() -> openbao.Namespace:
    """A store has written an entry; the token may do what the guide lets a consumer do."""
    namespace = openbao.Namespace(openbao.dev_server(), None, "secret", ALL)
    identity = Identity("abc12345", "reports", ACCESS)
    around = StoreContext("/", DataLoader(), [{}], print, Redactor())
    store_from(namespace.store, around).save(
        Entry(identity, id="dt0c01.PUBLICPART", secret=Secret(SECRET))
    )
    namespace.call("POST", "sys/policies/acl/test", {"policy": block("hcl", 0)})
    return namespace


def read(vault: openbao.Namespace, mount: str, path: str) -> dict[str, t.Any]:
    client = hvac.Client(vault.url, vault.token, namespace=vault.namespace)
    answer = client.secrets.kv.v2.read_secret_version(
        path, mount_point=mount, raise_on_deleted_version=True
    )
    return t.cast(dict[str, t.Any], answer["data"]["data"])


def test_the_agent_renders_the_template(vault: openbao.Namespace, tmp_path: pathlib.Path) -> None:
    rendered, token = tmp_path / "rendered", tmp_path / "token"
    token.write_text(vault.token)
    template = re.sub(r"(destination = ).*", rf'\1"{rendered}"', block("hcl", 1))
    configuration = tmp_path / "agent.hcl"
    configuration.write_text(
        f"""
        exit_after_auth = true
        vault {{ address = "{vault.url}" }}
        auto_auth {{
          method "token_file" {{ config {{ token_file_path = "{token}" }} }}
        }}
        {template}
        """
    )
    command = [str(openbao.PROGRAM), "agent", f"-config={configuration}"]
    env = {"HOME": str(tmp_path), "VAULT_NAMESPACE": str(vault.namespace)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rendered.read_text() == SECRET
    assert rendered.stat().st_mode & 0o777 == 0o600


def test_the_external_secrets_operator_finds_the_entry(vault: openbao.Namespace) -> None:
    store, secret = yaml.safe_load_all(block("yaml", 1))
    engine = store["spec"]["provider"]["vault"]
    assert (engine["version"], secret["spec"]["secretStoreRef"]["name"]) == (
        "v2",
        store["metadata"]["name"],
    )
    (part,) = secret["spec"]["data"]
    found = read(vault, engine["path"], part["remoteRef"]["key"])
    assert found[part["remoteRef"]["property"]] == SECRET


def test_the_lookups_and_awx_name_the_path_and_the_key(vault: openbao.Namespace) -> None:
    lookups = block("yaml", 0)
    ((mount, path, key),) = re.findall(r"'(\w+)/data/([\w/]+):(\w+)'", lookups)
    ((same_path, same_mount),) = re.findall(r"'([\w/]+)', engine_mount_point='(\w+)'", lookups)
    page = (GUIDE.parent / "awx.md").read_text()
    # The last value of a row is the example.
    fields = dict(re.findall(r"^\| ([A-Z][\w ]+) \| .*`([\w/]+)`[^`]*\|$", page, re.MULTILINE))
    awx = (fields["Name of Secret Backend"], fields["Path to Secret"], fields["Key Name"])
    assert (mount, path, key) == awx == (same_mount, same_path, "token")
    assert read(vault, mount, path)[key] == SECRET
