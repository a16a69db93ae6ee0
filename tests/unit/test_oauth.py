# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access tokens of OAuth clients: when one is asked for, and what goes out with it."""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import dataclasses
import json
import threading
import typing as t
import urllib.parse

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._api.answers import (
    environment_api,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http import client, oauth
from ansible_collections.community.dynatrace.plugins.module_utils._http.auth import Audience
from ansible_collections.community.dynatrace.plugins.module_utils._http.client import Http
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    Connection,
    OAuthClient,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.explain import DYNATRACE
from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import (
    HttpRequest,
    HttpResponse,
    Request,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.oauth import OAuth
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import RequestFailed
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
)

from builders import DOTTED_SECRET, URL, http_for
from support.scripted import answer, scripted

TOKEN_URL = "https://sso.example.com/token"
CLIENT = OAuthClient(
    "dt0s02.CLIENT", Secret("dt0s02.CLIENT.S3CR3TS3CR3T"), TOKEN_URL, "the-account"
)


@dataclasses.dataclass
class Clock:
    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time stands still unless a test says otherwise, and nothing is held from other tests."""
    clock = Clock()
    monkeypatch.setattr(oauth, "time", clock)
    monkeypatch.setattr(client, "time", clock)
    monkeypatch.setattr(oauth, "_held", {})
    return clock


def audience(**facts: t.Any) -> Audience:
    usual = {
        "address": URL,
        "oauth_scopes": {"tokens.read": "platform:read", "tokens.write": "platform:write"},
        "resource": "urn:dtaccount:the-account",
    }
    return Audience(**{**usual, **facts})


class SignOn:
    """A single sign-on that issues a1, a2, and so on, and a server that answers with the
    statuses given."""

    def __init__(self, **answer: t.Any) -> None:
        self.answer = answer
        self.forms: list[dict[str, list[str]]] = []

    @property
    def asked(self) -> int:
        return len(self.forms)

    def sign_on(self, request: HttpRequest) -> t.Any:
        self.forms.append(urllib.parse.parse_qs((request.body or b"").decode()))
        return {"access_token": f"a{self.asked}", **self.answer}

    def get(
        self,
        client: OAuthClient = CLIENT,
        audience: Audience = audience(),  # noqa: B008
        statuses: t.Sequence[int] = (200,),
    ) -> str:
        """The last access token that a request goes out with."""
        coming = iter(statuses)
        request = HttpRequest("GET", URL, DYNATRACE, str)
        flow = OAuth(client, audience, Redactor()).flow(request)
        step = next(flow)
        while True:
            if step.url == client.token_url:
                content = json.dumps(self.sign_on(step)).encode()
                response = HttpResponse(200, "OK", {}, content)
            else:
                sent = step.headers["Authorization"].removeprefix("Bearer ")
                response = HttpResponse(next(coming), "", {}, b"")
            try:
                step = flow.send(response)
            except StopIteration:
                return sent


def test_an_access_token_is_kept_until_shortly_before_it_ends(clock: Clock) -> None:
    sign_on = SignOn(expires_in=300)
    assert [sign_on.get(), sign_on.get()] == ["a1", "a1"]
    clock.now += 269
    assert sign_on.get() == "a1"
    clock.now += 2
    assert [sign_on.get(), sign_on.get()] == ["a2", "a2"]


@pytest.mark.parametrize("told", [None, "300", [300], float("nan")])
def test_how_long_it_lasts_need_not_be_told(clock: Clock, told: t.Any) -> None:
    sign_on = SignOn(expires_in=told)
    assert [sign_on.get(), sign_on.get()] == ["a1", "a1"]


@pytest.mark.parametrize("told", [10**400, float("inf"), 10**9])
def test_none_lasts_for_ever(clock: Clock, told: t.Any) -> None:
    sign_on = SignOn(expires_in=told)
    assert sign_on.get() == "a1"
    clock.now += 86_400
    assert sign_on.get() == "a2"


@pytest.mark.parametrize("told", [0, -5])
def test_what_has_ended_already_is_not_kept(clock: Clock, told: t.Any) -> None:
    sign_on = SignOn(expires_in=told)
    assert [sign_on.get(), sign_on.get()] == ["a1", "a2"]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "a1",
        {},
        *({"access_token": bad} for bad in (None, "", 5, "a b", "a\r\nX-Other: b", "\u00e4")),
    ],
)
def test_an_answer_without_an_access_token_is_refused_without_echo(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, answer: t.Any
) -> None:
    sign_on = SignOn()
    monkeypatch.setattr(sign_on, "sign_on", lambda _request: answer)
    with pytest.raises(RequestFailed) as raised:
        sign_on.get()
    assert (
        str(raised.value)
        == f"The answer of {TOKEN_URL} has no access token. Check oauth_token_url."
    )


def test_the_time_that_the_single_sign_on_takes_is_counted(clock: Clock) -> None:
    class Slow(SignOn):
        def sign_on(self, request: HttpRequest) -> t.Any:
            clock.now += 271
            return super().sign_on(request)

    sign_on = Slow(expires_in=300)
    assert [sign_on.get(), sign_on.get()] == ["a1", "a2"]


def test_a_refused_access_token_is_replaced_once(clock: Clock) -> None:
    sign_on = SignOn(expires_in=300)
    assert sign_on.get() == "a1"
    assert sign_on.get(statuses=(401, 200)) == "a2"
    assert sign_on.get() == "a2"
    assert sign_on.get(statuses=(401, 401)) == "a3"


def test_each_client_has_its_own(clock: Clock) -> None:
    sign_on = SignOn(expires_in=300)
    others = [
        dataclasses.replace(CLIENT, **{field: "other"}) for field in ("client_id", "token_url")
    ]
    others.append(dataclasses.replace(CLIENT, client_secret=Secret("other")))
    assert [sign_on.get(client) for client in (CLIENT, *others, CLIENT)] == [
        "a1",
        "a2",
        "a3",
        "a4",
        "a1",
    ]


def test_each_audience_has_its_own(clock: Clock) -> None:
    sign_on = SignOn(expires_in=300)
    others = [audience(resource="urn:dtenvironment:abc12345"), audience(oauth_scopes={"a": "b"})]
    audiences = [audience(), *others, audience(address="https://elsewhere.example.com")]
    assert [sign_on.get(audience=one) for one in audiences] == ["a1", "a2", "a3", "a1"]


def test_threads_share_one(clock: Clock) -> None:
    together = threading.Barrier(2)

    class Shared(SignOn):
        def sign_on(self, request: HttpRequest) -> t.Any:
            with contextlib.suppress(threading.BrokenBarrierError):
                together.wait(0.1)  # for another thread that asks too, which must not come
            return super().sign_on(request)

    sign_on = Shared(expires_in=300)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda _number: sign_on.get(), range(20)))
    assert (set(got), sign_on.asked) == ({"a1"}, 1)


@pytest.mark.parametrize(
    ("resource", "asked"),
    [
        ("urn:dtaccount:the-account", {"resource": ["urn:dtaccount:the-account"]}),
        ("urn:dtenvironment:abc12345", {"resource": ["urn:dtenvironment:abc12345"]}),
        (None, {}),
    ],
)
def test_the_single_sign_on_is_asked_for_what_the_api_needs(
    clock: Clock, resource: str | None, asked: dict[str, list[str]]
) -> None:
    sign_on = SignOn(expires_in=300)
    sign_on.get(audience=audience(resource=resource))
    assert sign_on.forms == [
        {
            "grant_type": ["client_credentials"],
            "client_id": ["dt0s02.CLIENT"],
            "client_secret": ["dt0s02.CLIENT.S3CR3TS3CR3T"],
            "scope": ["platform:read platform:write"],
            **asked,
        }
    ]


def test_the_environment_is_called_with_the_scopes_for_access_tokens() -> None:
    of_account = environment_api(Connection(URL, None, CLIENT))
    assert of_account.address == f"{URL}/api"
    assert of_account.resource == "urn:dtaccount:the-account"
    assert list(of_account.oauth_scopes.values()) == [
        "environment-api:api-tokens:read",
        "environment-api:api-tokens:write",
    ]
    without = dataclasses.replace(CLIENT, account_uuid=None)
    assert environment_api(Connection(URL, None, without)).resource is None


# In requests


class Answer(contextlib.AbstractContextManager["Answer"]):
    """What the library makes of an answer, as far as it is looked at."""

    reason = "Reason"

    def __init__(self, status: int, data: t.Any) -> None:
        self.status_code = status
        self.headers: dict[str, str] = {}
        self._content = json.dumps(data).encode()

    def iter_content(self, _size: int) -> t.Iterator[bytes]:
        yield self._content

    def __exit__(self, *_error: object) -> None:
        pass


class Session:
    """Notes what is sent and when connections are closed; the single sign-on takes so long."""

    def __init__(self, clock: Clock, seconds: float, *statuses: int) -> None:
        self.clock, self.seconds = clock, seconds
        self.statuses = list(statuses)
        self.said: list[str] = []
        self.urls: list[str] = []
        self.issued = 0

    def request(
        self, method: str, url: str, headers: t.Mapping[str, str], **_more: t.Any
    ) -> Answer:
        if url == TOKEN_URL:
            self.clock.now += self.seconds
            self.issued += 1
            self.said.append("sign on")
            return Answer(200, {"access_token": f"a{self.issued}", "expires_in": 300})
        self.said.append(f"{method} {headers['Authorization']}")
        self.urls.append(url)
        return Answer(
            self.statuses.pop(0) if self.statuses else 200,
            {"error": {"message": f"No: {headers['Authorization']}."}},
        )

    def close(self) -> None:
        self.said.append("close")


def http(session: Session, monkeypatch: pytest.MonkeyPatch) -> Http:
    monkeypatch.setattr(client, "session_for", lambda _transport: session)
    return http_for(Connection(URL, None, CLIENT))


def test_it_is_asked_for_once_and_renewed_once_where_it_is_refused(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(clock, 0, 200, 200, 401, 200, 401, 401)
    api = http(session, monkeypatch)
    for _request in range(3):
        api.request(Request("GET", "/"))
    assert session.said == [
        "sign on",
        "GET Bearer a1",
        "GET Bearer a1",
        "GET Bearer a1",
        "sign on",
        "GET Bearer a2",
    ]
    session.said.clear()
    with pytest.raises(RequestFailed, match="answered 401"):
        api.request(Request("GET", "/"))
    assert session.said == ["GET Bearer a2", "sign on", "GET Bearer a3"]


def test_a_refusal_of_another_kind_renews_nothing(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(clock, 0, 403)
    with pytest.raises(RequestFailed, match="answered 403"):
        http(session, monkeypatch).request(Request("GET", "/"))
    assert session.said == ["sign on", "GET Bearer a1"]


def test_an_access_token_is_hidden_in_errors(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestFailed, match=r"answered 403: No: Bearer \*\*\*\."):
        http(Session(clock, 0, 403), monkeypatch).request(Request("GET", "/"))


def test_a_new_token_proves_itself_at_the_classic_address(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(clock, 0)
    monkeypatch.setattr(client, "session_for", lambda _transport: session)
    http = http_for(Connection("https://abc12345.apps.dynatrace.com", None, CLIENT, gateway=True))
    http.request(Request("GET", "/v2/apiTokens"))
    http.as_caller(Secret(DOTTED_SECRET)).request(Request("GET", "/v2/apiTokens"))
    assert session.said == ["sign on", "GET Bearer a1", f"GET Api-Token {DOTTED_SECRET}"]
    assert session.urls == [
        "https://abc12345.apps.dynatrace.com/platform/classic/environment-api/v2/apiTokens",
        f"{URL}/api/v2/apiTokens",
    ]


def test_a_creation_goes_out_on_a_fresh_connection_after_waiting_for_the_single_sign_on(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(clock, 10, 200, 401, 201)
    api = http(session, monkeypatch)
    api.request(Request("GET", "/"))
    api.request(Request("POST", "/"))
    assert session.said == [
        "sign on",
        "GET Bearer a1",
        "POST Bearer a1",
        "sign on",
        "close",
        "POST Bearer a2",
    ]
    clock.now += 280
    session.said.clear()
    api.request(Request("POST", "/"))
    assert session.said == ["sign on", "close", "POST Bearer a3"]


# In words


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (
            answer("400 Bad Request"),
            "the single sign-on answered 400: Bad Request. Check oauth_client_id, "
            "oauth_client_secret and account_uuid.",
        ),
        (
            answer(
                "400 Bad",
                b"",
                b'{"error": "invalid_request", '
                b'"error_description": "OAuth client is missing scopes"}',
            ),
            "the single sign-on answered 400: OAuth client is missing scopes. Check "
            "oauth_client_id",
        ),
        (answer("401 No"), "Check oauth_client_id, oauth_client_secret and account_uuid."),
        (answer("404 Not Found"), "Check oauth_token_url."),
        (
            answer("302 Found", b"Location: https://elsewhere.example.com/\r\n"),
            "https://elsewhere.example.com/, which is not followed, so",
        ),
        (
            answer("302 Found", b"Location: https://elsewhere.example.com/\r\n"),
            "Check oauth_token_url.",
        ),
        (
            answer("200 OK", b"Content-Type: text/html\r\n", b"<html>"),
            "is not JSON but text/html. Check oauth_token_url.",
        ),
        (answer("200 OK"), "has no access token. Check oauth_token_url."),
        (b"", "Check oauth_token_url and proxy"),
    ],
)
def test_what_the_single_sign_on_refuses_names_the_option_that_is_wrong(
    clock: Clock, says: bytes, words: str
) -> None:
    with scripted() as server:
        server.says = says
        api = http_for(Connection(URL, None, dataclasses.replace(CLIENT, token_url=server.url)))
        with pytest.raises(RequestFailed) as raised:
            api.request(Request("POST", "/v2/apiTokens"))
    assert words in str(raised.value)
    assert f"POST {server.url}" in str(raised.value) or "The answer of" in str(raised.value)
    assert not raised.value.maybe_done
    assert "environment_url" not in str(raised.value)
    assert "S3CR3T" not in str(raised.value)


@pytest.mark.parametrize(
    ("caller", "method", "status", "words"),
    [
        (CLIENT, "GET", 401, "Check oauth_client_id: it may be wrong"),
        (
            CLIENT,
            "GET",
            403,
            "Give the OAuth client the scope environment-api:api-tokens:read, or use another as "
            "oauth_client_id.",
        ),
        (
            "dt0s16.A",
            "GET",
            403,
            "Give the calling token the scope environment-api:api-tokens:read, or use another as "
            "api_token.",
        ),
        ("dt0c01.A", "GET", 401, "Check api_token: it may be wrong"),
        (
            "dt0c01.A",
            "GET",
            403,
            "Give the calling token the scope apiTokens.read, or use another as api_token.",
        ),
        ("dt0c01.A", "DELETE", 403, "A personal access token deletes only tokens of its owner."),
        (
            "dt0c01.A",
            "POST",
            403,
            "its owner needs the permission environment:roles:manage-settings too.",
        ),
    ],
)
def test_what_dynatrace_refuses_names_the_option_of_the_caller(
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caller: OAuthClient | str,
    method: str,
    status: int,
    words: str,
) -> None:
    monkeypatch.setattr(client, "session_for", lambda _transport: Session(clock, 0, status, status))
    secret = None if isinstance(caller, OAuthClient) else Secret(caller + DOTTED_SECRET[6:])
    api = http_for(Connection(URL, secret, None if secret else CLIENT))
    with pytest.raises(RequestFailed) as raised:
        api.request(Request(method, "/", scope="apiTokens.read"))
    assert words in str(raised.value)


@pytest.mark.parametrize("told", ["platform:read other:scope", None])
def test_a_strict_audience_names_what_the_client_lacks_and_uses_no_other_grant(
    clock: Clock, told: str | None
) -> None:
    flow = OAuth(CLIENT, audience(strict=True), Redactor()).flow(
        HttpRequest("GET", URL, DYNATRACE, str)
    )
    next(flow)
    again = flow.send(HttpResponse(400, "Bad Request", {}, b"{}"))
    assert "scope" not in urllib.parse.parse_qs((again.body or b"").decode())
    grant = json.dumps({"access_token": "broad", "scope": told}).encode()
    with pytest.raises(RequestFailed, match=r"lacks .*platform:write.*oauth_scopes") as failure:
        flow.send(HttpResponse(200, "OK", {}, grant))
    assert "broad" not in str(failure.value)
    assert ("other:scope" in str(failure.value)) == bool(told)
    assert not failure.value.maybe_done


def test_the_subject_is_that_of_the_access_token_that_is_held(clock: Clock) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": "the-user"}).encode()).decode()
    auth = OAuth(CLIENT, audience(), Redactor())
    assert auth.subject() is None
    sign_on = SignOn(access_token=f"eyJh.{claims.rstrip('=')}.signature")
    sign_on.get()
    assert auth.subject() == "the-user"
