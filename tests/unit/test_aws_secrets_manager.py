# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is the store's in AWS Secrets Manager alone: versions, deletion, failures, credentials."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
import json
import pathlib
import re
import threading
import time
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    OptionError,
    StoreChanged,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Store
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores import (
    aws_client,
    aws_secrets_manager,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.codec import dump_entry
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import store_from
from hypothesis import given
from hypothesis import strategies as st

from entries import (
    DOTTED_SECRET,
    ENVIRONMENT,
    ONLY_AN_INTENT,
    REPORTS,
    SECRET_PART,
    context,
    identity,
    kept,
)
from support.scripted import Scripted, answer, scripted
from support.secrets_manager import (
    ACCESS_KEY,
    NOWHERE,
    SECRET_KEY,
    WRITES,
    Data,
    Fault,
    SecretsManager,
    secrets_manager,
)

pytestmark = pytest.mark.once

GUIDE = "store-aws-secrets-manager"
NAME = f"dynatrace/{ENVIRONMENT}/reports"
OLD, NEW = kept(), kept(scopes=("logs.read",))
CREDENTIALS = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials but those of a test; nothing is tried again."""
    for name, value in {**NOWHERE, "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def own_client() -> t.Iterator[None]:
    """Clients that this test alone has, because they have read its files and variables."""
    aws_client._connected.cache_clear()
    yield
    aws_client._connected.cache_clear()


@pytest.fixture(scope="module")
def running() -> t.Iterator[SecretsManager]:
    with secrets_manager() as running:
        yield running


@pytest.fixture
def aws(running: SecretsManager) -> SecretsManager:
    running.clear()
    running.rule = lambda operation, given: None
    running.policies = []
    return running


def opened(aws: SecretsManager | None = None, **options: t.Any) -> Store:
    option = aws.store if aws else {"type": "aws_secrets_manager"}
    return store_from({**option, **options}, context(**CREDENTIALS))


def nth(operation: str, fault: Fault, number: int = 1) -> t.Callable[[str, Data], Fault]:
    """A rule that strikes one request for this operation."""
    asked = itertools.count(1)
    return lambda name, given: fault if name == operation and next(asked) == number else None


def refusal(act: t.Callable[[], t.Any]) -> str:
    """What the error says: in one line, with no secret in it or behind it."""
    with pytest.raises(DynatraceError) as raised:
        act()
    assert raised.value.__suppress_context__ or isinstance(
        raised.value.__context__, (DynatraceError, type(None))
    )
    message = str(raised.value)
    assert message.isprintable()
    for secret in (SECRET_PART, SECRET_KEY):
        assert secret not in message
    return message


# The secret as others read it.


def test_a_secret_has_the_name_the_value_and_the_attributes_that_were_asked_for(
    aws: SecretsManager,
) -> None:
    store = opened(
        aws, name_prefix="/teams/a.", kms_key_id="alias/tokens", tags={"team": "a", "cost": 7}
    )
    store.save(kept(identity("CI: main", place="127.0.0.1:8080")))
    [(operation, given)] = aws.requests
    [name] = aws.stored()
    assert name == "/teams/a.127.0.0.1=3A8080/ci-main=7Eb622a9c08b40"
    assert (operation, given["KmsKeyId"]) == ("CreateSecret", "alias/tokens")
    assert given["Tags"] == [{"Key": "team", "Value": "a"}, {"Key": "cost", "Value": "7"}]
    assert aws.stored()[name]["token"] == DOTTED_SECRET
    assert [entry.name for entry in store.entries("127.0.0.1:8080")] == ["CI: main"]


@given(st.text(st.characters(max_codepoint=127)))
def test_any_key_is_a_part_of_a_name_and_comes_back(text: str) -> None:
    escaped = aws_secrets_manager._escaped(text)
    assert aws_secrets_manager._unescaped(escaped) == text
    assert re.fullmatch(r"[A-Za-z0-9=_.-]*", escaped)


def test_secrets_of_others_and_of_other_environments_are_not_listed(aws: SecretsManager) -> None:
    store = opened(aws)
    mine = store.save(kept())
    for name in (
        f"dynatrace/{ENVIRONMENT}/repor=74s",  # which nobody writes so
        f"dynatrace/{ENVIRONMENT}/folder/ci",
        f"dynatrace/{ENVIRONMENT}2/ci",
        f"other/dynatrace/{ENVIRONMENT}/ci",
    ):
        aws.plant(name, {"password": "theirs"})
    assert store.entries(ENVIRONMENT) == [mine]


def test_a_listing_of_several_pages_is_read_to_its_end(aws: SecretsManager) -> None:
    for number in range(130):
        aws.plant(f"dynatrace/{ENVIRONMENT}/t{number}", dump_entry(kept(identity(f"t{number}"))))
    assert len(opened(aws).entries(ENVIRONMENT)) == 130
    assert aws.operations("ListSecrets") == ["ListSecrets"] * 2


def test_many_entries_are_read_without_a_listing_which_lags_behind(aws: SecretsManager) -> None:
    store = opened(aws)
    saved = store.save(kept())
    wanted = [REPORTS, *(identity(f"t{number}") for number in range(40))]
    aws.rule = lambda operation, given: "InternalServiceError" if operation[0] == "L" else None
    assert store.load_existing(wanted) == [saved]


def test_what_is_no_json_is_damaged_and_left(aws: SecretsManager) -> None:
    aws.plant(NAME, DOTTED_SECRET)
    before = aws.all()
    assert "is damaged" in refusal(lambda: opened(aws).load(REPORTS))
    assert "is damaged" in refusal(lambda: opened(aws).save(NEW)) or aws.all() == before


# Versions.


def test_a_secret_that_is_written_again_and_again_stays_within_the_quota_of_labels(
    aws: SecretsManager,
) -> None:
    store = opened(aws)
    entry = store.save(OLD)
    for _time in range(25):
        entry = store.save(entry)
    versions = aws.backend.secrets[NAME].versions.values()
    labels = [label for version in versions for label in version["version_stages"]]
    assert sorted(labels) == ["AWSCURRENT", "AWSPREVIOUS", "COMMUNITY_DYNATRACE_NEXT"]


def test_of_two_writers_that_have_read_the_same_version_one_is_refused(
    aws: SecretsManager,
) -> None:
    """Whichever is faster with the last of its requests, in whatever order the first arrive."""
    store = opened(aws)
    saved = store.save(OLD)
    theirs = dataclasses.replace(saved, scopes=("metrics.read",))
    mine = dataclasses.replace(saved, scopes=("logs.read",))

    def overtake(operation: str, given: Data) -> None:
        if operation == "UpdateSecretVersionStage":
            aws.rule = lambda operation, given: None
            opened(aws).save(theirs)

    aws.rule = overtake
    with pytest.raises(StoreChanged):
        store.save(mine)
    assert aws.stored()[NAME]["scopes"] == ["metrics.read"]
    assert store.load(REPORTS) == theirs


def test_of_two_who_create_the_same_secret_one_is_refused(aws: SecretsManager) -> None:
    def overtake(operation: str, given: Data) -> None:
        aws.rule = lambda operation, given: None
        opened(aws).save(OLD)

    aws.rule = overtake
    with pytest.raises(StoreChanged):
        opened(aws).save(NEW)
    assert opened(aws).load(REPORTS) == OLD


def test_a_secret_that_was_made_without_a_value_is_filled_by_one_of_two(
    aws: SecretsManager,
) -> None:
    """By Terraform, for example, which also sets its policy."""
    aws.plant(NAME, None, secret_string=None)
    store, other = opened(aws), opened(aws)
    assert store.load(REPORTS).version is None

    def overtake(operation: str, given: Data) -> None:
        if operation == "PutSecretValue":
            aws.rule = lambda operation, given: None
            other.save(OLD)

    aws.rule = overtake
    with pytest.raises(StoreChanged):
        store.save(NEW)
    assert store.load(REPORTS) == OLD
    assert aws.operations("PutSecretValue", "UpdateSecretVersionStage") == [
        "PutSecretValue",
        "PutSecretValue",
        "UpdateSecretVersionStage",
    ]


# Deletion.


def test_an_entry_that_was_removed_waits_for_its_deletion_and_comes_back_when_it_is_written(
    aws: SecretsManager,
) -> None:
    store = opened(aws)
    store.remove(store.save(OLD))
    [(_operation, deletion)] = [one for one in aws.requests if one[0] == "DeleteSecret"]
    assert deletion == {"SecretId": NAME, "RecoveryWindowInDays": 30}
    assert aws.all()[NAME][1]
    before = aws.all()
    store.remove(store.load(REPORTS))
    assert store.entries(ENVIRONMENT) == []
    assert aws.all() == before
    hint = f"restore-secret --secret-id {NAME} brings it back"
    assert store.describe(REPORTS).endswith(hint)
    assert "restore" not in store.describe(identity("others"))
    saved = store.save(NEW)
    assert aws.stored()[NAME]["scopes"] == ["logs.read"]
    assert store.load(REPORTS).version == saved.version


def test_of_two_who_write_to_a_secret_that_waits_for_its_deletion_one_is_refused(
    aws: SecretsManager,
) -> None:
    store, other = opened(aws), opened(aws)
    store.remove(store.save(OLD))

    def overtake(operation: str, given: Data) -> None:
        if operation == "RestoreSecret":
            aws.rule = lambda operation, given: None
            other.save(ONLY_AN_INTENT)

    aws.rule = overtake
    with pytest.raises(StoreChanged):
        store.save(NEW)
    assert store.load(REPORTS) == ONLY_AN_INTENT


def test_a_secret_that_somebody_deletes_while_it_is_written_is_left(aws: SecretsManager) -> None:
    store = opened(aws)
    saved = store.save(OLD)
    for operation in ("PutSecretValue", "UpdateSecretVersionStage"):
        aws.rule = lambda name, given, at=operation: aws.delete(NAME) if name == at else None
        with pytest.raises(StoreChanged):
            store.save(dataclasses.replace(saved, scopes=("logs.read",)))
        assert aws.all()[NAME][1]
        aws.backend.restore_secret(NAME)


# Answers that are lost, and runs that are killed: between any two requests.


def created(aws: SecretsManager) -> Entry:
    return Entry(REPORTS)


def replaced(aws: SecretsManager) -> Entry:
    return opened(aws).save(OLD)


def waiting(aws: SecretsManager) -> Entry:
    opened(aws).remove(opened(aws).save(OLD))
    return Entry(REPORTS)


SITUATIONS = [
    *((created, one) for one in ("CreateSecret",)),
    *((replaced, one) for one in ("PutSecretValue", "UpdateSecretVersionStage")),
    *(
        (waiting, one)
        for one in ("DescribeSecret", "RestoreSecret", "PutSecretValue", "UpdateSecretVersionStage")
    ),
]


@pytest.mark.parametrize(("situation", "operation"), SITUATIONS)
@pytest.mark.parametrize("fault", ["lose", "InternalServiceError", "AccessDeniedException"])
def test_after_any_fault_of_a_write_there_is_the_old_entry_or_the_new_one(
    aws: SecretsManager,
    situation: t.Callable[[SecretsManager], Entry],
    operation: str,
    fault: str,
) -> None:
    before = situation(aws)
    earlier = aws.all()
    new = dataclasses.replace(NEW, version=before.version)
    aws.rule = nth(operation, fault)
    try:
        saved = opened(aws).save(new)
    except DynatraceError:
        saved = None
    aws.rule = lambda operation, given: None
    there = opened(aws).load(REPORTS)
    if saved is not None:
        assert (there, there.version) == (new, saved.version)
    else:
        # A secret that waited for its deletion may have been restored, with what it had.
        assert aws.all().keys() == earlier.keys()
        assert [value for value, _waits in aws.all().values()] == [
            value for value, _waits in earlier.values()
        ]
    assert opened(aws).save(dataclasses.replace(NEW, version=there.version)).version is not None
    assert opened(aws).load(REPORTS) == NEW


@pytest.mark.parametrize("situation", [created, replaced, waiting])
def test_between_any_two_requests_of_a_write_there_is_the_old_entry_or_the_new_one(
    aws: SecretsManager, situation: t.Callable[[SecretsManager], Entry]
) -> None:
    before = situation(aws)
    values = [value for value, _waits in aws.all().values()]
    new = dump_entry(NEW)
    seen: list[t.Any] = []

    def watch(operation: str, given: Data) -> None:
        seen.append([value for value, _waits in aws.all().values()])

    aws.rule = watch
    opened(aws).save(dataclasses.replace(NEW, version=before.version))
    assert seen
    assert [one for one in seen if one not in (values, [new])] == []
    assert aws.stored() == {NAME: new}


@pytest.mark.usefixtures("own_client")
def test_a_write_whose_answer_is_lost_is_tried_again_and_is_done_once(
    aws: SecretsManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    store = opened(aws)
    entry = Entry(REPORTS)
    for operation in ("CreateSecret", "PutSecretValue", "UpdateSecretVersionStage"):
        aws.rule = nth(operation, "lose")
        entry = store.save(dataclasses.replace(NEW, version=entry.version))
        assert store.load(REPORTS).version == entry.version
    assert len(aws.backend.secrets[NAME].versions) == 3
    aws.rule = nth("DeleteSecret", "lose")
    store.remove(entry)
    assert aws.stored() == {}


@pytest.mark.usefixtures("own_client")
def test_many_writes_that_aws_throttles_are_slowed_down_and_none_fails(
    aws: SecretsManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    allowed_at_once, allowed_each_second = 5, 15
    lock, began, granted = threading.Lock(), time.monotonic(), 0

    def throttle(operation: str, given: Data) -> Fault:
        nonlocal granted
        with lock:
            elapsed = time.monotonic() - began
            if granted > allowed_at_once + elapsed * allowed_each_second:
                return "ThrottlingException"
            granted += 1
            return None

    aws.rule = throttle
    store = opened(aws)
    entries = [kept(identity(f"t{number}")) for number in range(30)]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert len(list(pool.map(store.save, entries))) == 30


def test_a_deletion_that_fails_leaves_the_secret_and_one_whose_answer_is_lost_is_done(
    aws: SecretsManager,
) -> None:
    store = opened(aws)
    saved = store.save(OLD)
    aws.rule = nth("DeleteSecret", "InternalServiceError")
    assert f"The secret {NAME} of AWS" in refusal(lambda: store.remove(saved))
    assert NAME in aws.stored()
    aws.rule = nth("DeleteSecret", "lose")
    store.remove(saved)
    assert aws.stored() == {}


# Failures.

CODES = {
    "ExpiredTokenException": "Get new ones, for example with aws sso login",
    "UnrecognizedClientException": "whether the region is enabled in its account",
    "InvalidSignatureException": "whether the clock of this machine is right",
    "DecryptionFailure": "See whether the KMS key of the secret is enabled",
    "ThrottlingException": "Run again later, or with fewer workers",
    "LimitExceededException": "run again tomorrow",
    "InternalServiceError": "run again when it answers",
    "SomethingNew": "run again when it answers",
}


@pytest.mark.parametrize(("code", "next_step"), CODES.items())
def test_a_refusal_names_the_secret_the_reason_and_the_next_step(
    aws: SecretsManager, code: str, next_step: str
) -> None:
    aws.rule = lambda operation, given: code
    message = refusal(lambda: opened(aws).load(REPORTS))
    assert message.startswith(
        f"The secret {NAME} of AWS Secrets Manager in {aws.region} cannot be read: "
    )
    assert code in message
    assert next_step in message


def test_a_failure_that_quotes_the_request_is_not_repeated(aws: SecretsManager) -> None:
    with scripted() as server:
        quoted = {
            "__type": "InvalidSignatureException",
            "message": f"The Canonical String should have been x-amz-security-token:{SECRET_PART}",
        }
        server.says = answer("400 Bad", b"", json.dumps(quoted).encode())
        store = opened(region="eu-central-1", endpoint_url=server.url)
        message = refusal(lambda: store.load(REPORTS))
        assert "Canonical" not in message
        quoted["message"] = "x" * 10_000 + "\r\n"
        quoted["__type"] = "InternalFailure"
        server.says = answer("400 Bad", b"", json.dumps(quoted).encode())
        assert len(refusal(lambda: store.load(REPORTS))) < 1_000


def test_a_secret_that_stands_where_a_reason_is_cut_is_hidden_whole() -> None:
    with scripted() as server:
        says = {"__type": "InternalFailure", "message": "x" * 490 + SECRET_KEY}
        server.says = answer("400 Bad", b"", json.dumps(says).encode())
        store = opened(region="eu-central-1", endpoint_url=server.url)
        assert SECRET_KEY[:5] not in refusal(lambda: store.load(REPORTS))


NEEDS = {
    "GetSecretValue": lambda store: store.load(REPORTS),
    "CreateSecret": lambda store: store.save(kept(identity("new"))),
    "TagResource": lambda store: store.save(kept(identity("new"))),
    "PutSecretValue": lambda store: store.save(store.load(REPORTS)),
    "UpdateSecretVersionStage": lambda store: store.save(store.load(REPORTS)),
    "RestoreSecret": lambda store: store.save(kept(identity("waiting"))),
    "DescribeSecret": lambda store: store.load(identity("waiting")),
    "DeleteSecret": lambda store: store.remove(store.load(REPORTS)),
    "ListSecrets": lambda store: store.entries(ENVIRONMENT),
}


@pytest.mark.parametrize("action", NEEDS)
def test_an_action_that_the_policy_lacks_is_named_with_the_secret(
    aws: SecretsManager, action: str
) -> None:
    store = opened(aws, tags={"team": "a"})
    store.save(OLD)
    store.remove(store.save(kept(identity("waiting"))))
    allowed = [f"secretsmanager:{one}" for one in NEEDS if one != action]
    aws.policies = [{"Action": allowed, "Resource": "*"}]
    before = aws.all()
    message = refusal(lambda: NEEDS[action](store))
    assert f"not authorized to perform: secretsmanager:{action} on resource: " in message
    assert f"dynatrace/{ENVIRONMENT}/" in message.partition(" cannot be ")[0]
    assert "See whether the policy of these credentials allows secretsmanager:" in message
    assert aws.stored().keys() == {name for name, (_value, waits) in before.items() if not waits}


def test_a_kms_key_that_may_not_be_used_is_told_from_a_secret_that_may_not() -> None:
    with scripted() as server:
        says = {"__type": "AccessDeniedException", "message": "Access to KMS is not allowed"}
        server.says = answer("400 Bad", b"", json.dumps(says).encode())
        store = opened(region="eu-central-1", endpoint_url=server.url)
        assert "allows kms:Decrypt and kms:GenerateDataKey" in refusal(lambda: store.load(REPORTS))


NONSENSE = {
    "nothing": answer("200 OK", b"", b""),
    "HTML": answer("200 OK", b"Content-Type: text/html\r\n", b"<html>"),
    "HTML as error": answer("502 Bad Gateway", b"Content-Type: text/html\r\n", b"<html>"),
    "no UTF-8": answer("200 OK", b"", b"\xff\xfe{"),
    "deeply nested": answer("200 OK", b"", b"[" * 100_000),
    "a list": answer("200 OK", b"", b"[5]"),
    "a redirect": answer("302 Found", b"Location: http://127.0.0.1:9/\r\n"),
    "cut off": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
    **{
        f"{value} everywhere": answer("200 OK", b"", json.dumps(value).encode())
        for value in (
            {"VersionId": 5, "SecretString": 5, "SecretList": 5, "VersionIdsToStages": 5},
            {"VersionId": None, "SecretList": [5], "VersionIdsToStages": {"a": 5}},
        )
    },
}


@pytest.fixture(scope="module")
def server() -> t.Iterator[Scripted]:
    with scripted() as running:
        yield running


@pytest.mark.parametrize("says", NONSENSE.values(), ids=NONSENSE)
def test_an_answer_that_is_not_that_of_aws_is_refused(server: Scripted, says: bytes) -> None:
    server.says = says
    store = opened(region="eu-central-1", endpoint_url=server.url)
    for act in (lambda: store.load(REPORTS), lambda: store.save(kept(version="1"))):
        assert f"secret {NAME} of AWS Secrets Manager" in refusal(act)


def test_what_is_listed_beside_what_was_asked_for_is_not_read(server: Scripted) -> None:
    listed = [{"Name": f"Dynatrace/{ENVIRONMENT}/reports"}, {}]
    server.says = answer("200 OK", b"", json.dumps({"SecretList": listed}).encode())
    assert opened(region="eu-central-1", endpoint_url=server.url).entries(ENVIRONMENT) == []


# Credentials and where they are looked for.


@pytest.mark.usefixtures("own_client")
def test_without_credentials_or_a_region_the_store_is_not_opened(aws: SecretsManager) -> None:
    def without(**variables: str) -> str:
        return refusal(lambda: store_from(aws.store, context(**variables)))

    assert "Give profile, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID" in without()
    assert "AWS_SECRET_ACCESS_KEY beside it is not" in without(AWS_ACCESS_KEY_ID=ACCESS_KEY)
    message = refusal(opened)
    assert "Give region, or set AWS_REGION" in message
    assert "See whether profile is right" in refusal(lambda: opened(aws, profile="nobody"))
    assert "Give a region such as eu-central-1" in refusal(lambda: opened(region="eu central"))
    assert aws.requests == []


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_region_and_address_come_from_the_usual_variables(
    aws: SecretsManager, variable: str
) -> None:
    around = context(**CREDENTIALS, **{variable: aws.region, "AWS_ENDPOINT_URL": aws.url})
    store_from({"type": "aws_secrets_manager"}, around).save(OLD)
    assert NAME in aws.stored()


def test_the_names_of_amazon_aws_work(aws: SecretsManager) -> None:
    options = {"aws_region": aws.region, "aws_endpoint_url": aws.url, "resource_tags": {"a": "b"}}
    around = context(**CREDENTIALS, AWS_REGION="us-gov-west-1")
    store_from({"type": "aws_secrets_manager", **options}, around).save(OLD)
    assert aws.backend.secrets[NAME].tags == [{"Key": "a", "Value": "b"}]


@pytest.mark.usefixtures("own_client")
def test_credentials_come_from_the_profile_then_from_the_nearest_environment(
    aws: SecretsManager, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile can assume a role; so it has its own region and address too."""
    files = {"AWS_SHARED_CREDENTIALS_FILE": tmp_path / "keys", "AWS_CONFIG_FILE": tmp_path / "conf"}
    for name, path in files.items():
        monkeypatch.setenv(name, str(path))
    (tmp_path / "keys").write_text(
        f"[good]\naws_access_key_id={ACCESS_KEY}\naws_secret_access_key={SECRET_KEY}\n"
        "[bad]\naws_access_key_id=AKIAUNKNOWN\naws_secret_access_key=unknown\n"
    )
    (tmp_path / "conf").write_text(
        f"[profile good]\nregion={aws.region}\nendpoint_url={aws.url}\n"
        f"[profile bad]\nregion={aws.region}\nendpoint_url={aws.url}\n"
        "[profile plain]\nregion=eu-central-1\nendpoint_url=http://secrets.example.com\n"
        "source_profile=good\n"
    )
    bad = {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN", "AWS_SECRET_ACCESS_KEY": "unknown"}

    def load(option: Data, *environments: Data) -> Entry:
        around = dataclasses.replace(context(), environments=environments)
        return store_from({"type": "aws_secrets_manager", **option}, around).load(REPORTS)

    assert load({"profile": "good"}, bad).version is None
    assert load({}, {"AWS_PROFILE": "good"}, bad).version is None
    assert load(aws.store, {"AWS_PROFILE": "bad", **CREDENTIALS}).version is None
    assert "security token" in refusal(lambda: load(aws.store, bad, CREDENTIALS))
    assert "security token" in refusal(lambda: load({"profile": "bad"}, CREDENTIALS))
    assert "http://" in refusal(lambda: load({"profile": "plain"}, CREDENTIALS))


ROLE = """[default]
aws_access_key_id = {key}
aws_secret_access_key = {secret}
"""


@pytest.mark.usefixtures("own_client")
def test_the_profile_of_the_guide_assumes_its_role(
    aws: SecretsManager, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = (pathlib.Path(__file__).parents[2] / "docs" / f"{GUIDE}.md").read_text()
    [profile] = re.findall(r"```ini\n(.*?)```", guide, re.DOTALL)
    (tmp_path / "config").write_text(profile.replace("eu-central-1", aws.region))
    (tmp_path / "keys").write_text(ROLE.format(key=ACCESS_KEY, secret=SECRET_KEY))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.url)
    option = {"type": "aws_secrets_manager", "profile": "tokens", "endpoint_url": aws.url}
    store_from(option, context(**CREDENTIALS)).save(OLD)
    assert aws.operations() == ["AssumeRole", "CreateSecret"]
    [role] = [given["RoleArn"] for operation, given in aws.requests if operation == "AssumeRole"]
    assert role.endswith(":role/dynatrace-tokens")


def test_an_address_that_would_send_secrets_in_the_clear_is_refused() -> None:
    for url in ("http://secrets.example.com", "secrets.example.com", "https://a:b@c"):
        with pytest.raises(OptionError, match=r"^store: endpoint_url: "):
            opened(region="eu-central-1", endpoint_url=url)


def test_the_credentials_are_kept_out_of_messages(aws: SecretsManager) -> None:
    redactor = Redactor()
    store_from(aws.store, context(redactor=redactor, **CREDENTIALS, AWS_SESSION_TOKEN="t0k3n"))
    assert redactor.text(f"{SECRET_KEY} t0k3n") == "*** ***"


def test_nobody_answers_at_the_address_of_a_mistyped_region() -> None:
    store = opened(region="eu-central-1", endpoint_url="https://127.0.0.1:9")
    message = refusal(lambda: store.load(REPORTS))
    assert "Could not connect to the endpoint URL" in message
    assert "See whether region is right" in message


@pytest.mark.usefixtures("own_client")
def test_the_items_of_a_loop_share_one_client(aws: SecretsManager) -> None:
    for _item in range(3):
        opened(aws).load(REPORTS)
    assert aws_client._connected.cache_info().misses == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name_prefix": "a b"}, "name_prefix is 'a b'. Give at most 100"),
        ({"name_prefix": "x" * 101}, "name_prefix"),
        ({"name_prefix": DOTTED_SECRET}, "name_prefix: the value is, or holds, the secret"),
        ({"tags": {"a": ["b"]}}, "tags: the value of 'a' is not text"),
        ({"tags": "a"}, "tags"),
        ({"tags": {"a": DOTTED_SECRET}}, "tags: the value is, or holds, the secret"),
        ({"regoin": "eu-central-1"}, "Did you mean 'region'"),
        ({"path": "tokens"}, "path"),
        ({"kms_key_id": DOTTED_SECRET}, "kms_key_id: the value is, or holds, the secret"),
    ],
)
def test_an_option_that_cannot_work_is_named(aws: SecretsManager, options: Data, says: str) -> None:
    message = refusal(lambda: opened(aws, **options))
    assert message.startswith("store: ")
    assert says in message
    assert aws.requests == []


def test_a_write_is_as_few_requests_as_can_be(aws: SecretsManager) -> None:
    store = opened(aws)
    store.save(store.save(OLD))
    assert aws.operations() == ["CreateSecret", "PutSecretValue", "UpdateSecretVersionStage"]
    assert set(aws.operations()) <= set(WRITES)
    assert store.unseal(store.load(REPORTS)) == Secret(DOTTED_SECRET)
