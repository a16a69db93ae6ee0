# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
import typing as t

import pytest
from ansible_collections.community.dynatrace.plugins.module_utils._http.address import parse_proxy
from ansible_collections.community.dynatrace.plugins.module_utils._http.auth import TokenAuth
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    environment_key,
    parse_environment_url,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.explain import DYNATRACE
from ansible_collections.community.dynatrace.plugins.module_utils._http.messages import HttpRequest
from ansible_collections.community.dynatrace.plugins.module_utils._http.placeholders import (
    placeholder,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from hypothesis import given
from hypothesis import strategies as st

from builders import DOTTED_SECRET, SECRET_PART, UNDOTTED_SECRET, URL, a_connection, refusal


@pytest.mark.parametrize(
    ("given_url", "url"),
    [
        (URL, URL),
        (URL + "///", URL),
        (URL + "/api/v2/", URL),
        (URL + "/api/v1", URL),
        ("HTTPS://ABC12345.Live.Dynatrace.com", URL),
        ("https://managed.example.com/e/Id-1/api/v2", "https://managed.example.com/e/Id-1"),
        ("https://managed.example.com:9999/e/Id-1/", "https://managed.example.com:9999/e/Id-1"),
        ("https://[2001:db8::1]:9999", "https://[2001:db8::1]:9999"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_what_people_paste_leads_to_the_environment(given_url: str, url: str) -> None:
    assert parse_environment_url(given_url) == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://[v1.example]:1", "the host in the address is not one"),
        ("https://h/" + "/" * 20_000 + "x", "longer than any"),
        ("http://abc12345.live.dynatrace.com", "in the clear"),
        ("http://127.0.0.1.example.com", "in the clear"),
        ("abc12345.live.dynatrace.com", "needs a scheme"),
        ("ftp://abc12345.live.dynatrace.com", "needs a scheme"),
        ("https://", "needs a scheme, https://, and a host"),
        ("https://abc12345:99999", "is damaged"),
        ("https://a..b", "environment_url: "),
        ("https://" + "a" * 64 + ".com", "environment_url: "),
        (URL + "?x=1", "query or a fragment"),
        (URL + "#top", "query or a fragment"),
        (URL + "/e/id;x", "is not that of an environment"),
        (URL + "\n", "a line break"),
        ("https://abc12345.live.dynatrace.cöm", "no address has"),
    ],
)
def test_an_address_that_cannot_work_is_refused_with_an_example(url: str, says: str) -> None:
    with pytest.raises(
        OptionError, match=r"^environment_url: .*Give one such as https://"
    ) as caught:
        parse_environment_url(url)
    assert says in str(caught.value)


@given(
    st.text()
    | st.from_regex(r"\Ahttps?://[ -~]{0,30}\Z")
    | st.from_regex(r"\Ahttps://[\[\]:@.%\\/0-9a-z]{0,12}\Z")
)
def test_any_text_is_an_address_or_refused(text: str) -> None:
    said = refusal(lambda: parse_environment_url(text))
    assert said is None or said.startswith("environment_url: ")


PASSWORDS = st.from_regex(r"\A[QXZ][!-~]{0,20}[0-9]{6}\Z", fullmatch=True)


@pytest.mark.parametrize(
    "form",
    [
        "https://user:{}@example.com",
        "http://user:{}@host:x",
        "//user:{}@",
        "https://user:8/{}@host",
    ],
)
@given(password=PASSWORDS)
def test_a_password_in_the_address_is_refused_without_echo(form: str, password: str) -> None:
    with pytest.raises(OptionError, match=r"^environment_url: ") as caught:
        parse_environment_url(form.format(password))
    assert password not in str(caught.value)


@pytest.mark.parametrize(
    "form",
    [
        "socks://user:{}@proxy",
        "ftp://user:{}@proxy",
        "user:{}@proxy",
        "http://user:{}@proxy:99999",
        "http://user:{}@pro xy",
    ],
)
@given(password=PASSWORDS)
def test_a_password_in_a_wrong_proxy_is_not_echoed(form: str, password: str) -> None:
    with pytest.raises(OptionError, match=r"^proxy: ") as caught:
        a_connection(proxy=form.format(password))
    assert password not in str(caught.value)


@pytest.mark.parametrize("form", [URL + "/?Api-Token={}", URL + "/{}", "{}", "https://{}"])
def test_a_secret_in_the_address_is_refused_without_echo(form: str) -> None:
    with pytest.raises(OptionError, match=r"^environment_url: .*not shown here") as caught:
        parse_environment_url(form.format(DOTTED_SECRET))
    assert SECRET_PART not in str(caught.value)


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize(
    ("option", "variables"),
    [
        ("environment_url", "DYNATRACE_ENV_URL or DT_ENV_URL"),
        ("api_token", "DYNATRACE_API_TOKEN or DT_API_TOKEN"),
    ],
)
def test_a_missing_option_is_named_with_its_variables(
    option: str, variables: str, nothing: str | None
) -> None:
    with pytest.raises(OptionError, match=f"^{option} is missing.*{variables}"):
        a_connection(**{option: nothing})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"client_key": __file__}, "client_key: it needs client_cert"),
        ({"client_cert": "/no/such/file"}, "client_cert: there is no '/no/such/file'"),
        ({"ca_path": "/no/such/file"}, "ca_path: there is no '/no/such/file'"),
        ({"timeout": 0.0}, "timeout: 0.0 is not a time to wait. Give"),
        ({"timeout": float("nan")}, "timeout: nan is not a time to wait. Give"),
        ({"timeout": 3600.5}, "timeout: 3600.5 is not a time to wait. Give"),
    ],
)
def test_what_cannot_work_is_refused_by_the_name_of_the_option(
    options: dict[str, t.Any], says: str
) -> None:
    with pytest.raises(OptionError, match=f"^{says}"):
        a_connection(**options)


@pytest.mark.parametrize("damage", [" ", "\n", "\t", "ä", "\x00"])
def test_a_damaged_api_token_is_refused_without_echo(damage: str) -> None:
    with pytest.raises(OptionError, match=r"^api_token: ") as caught:
        a_connection(api_token=DOTTED_SECRET + damage)
    assert SECRET_PART not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://abc12345.live.dynatrace.com", "abc12345"),
        ("https://ABC12345.live.dynatrace.com/api/v2/", "abc12345"),
        ("https://abc12345.sprint.dynatracelabs.com", "abc12345"),
        ("https://managed.example.com/e/abc12345", "abc12345"),
        ("https://activegate.example.com:9999/e/abc12345/api/v2", "abc12345"),
        ("https://dynatrace.example.com", "dynatrace.example.com"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
    ],
)
def test_every_address_of_an_environment_has_the_same_key(url: str, key: str) -> None:
    assert environment_key(url) == key


APPS, GATEWAY = "https://abc12345.apps.dynatrace.com", "/platform/classic/environment-api"
MANAGED, ACTIVEGATE = (
    "https://managed.example.com/e/Id-1",
    "https://activegate.example.com:9999/e/Id-1",
)
PLATFORM_TOKEN = "dt0s16.PUBLIC12." + SECRET_PART
JWT = "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"
CLIENT = {
    "api_token": None,
    "oauth_client_id": "dt0s02.CLIENT",
    "oauth_client_secret": "dt0s02.CLIENT." + SECRET_PART,
}
ACCESS_TOKENS: list[dict[str, t.Any]] = [
    {},
    {"api_token": UNDOTTED_SECRET},
    {"token_location": "query"},
    {"api_version": "v1"},
]
BEARERS: list[dict[str, t.Any]] = [{"api_token": PLATFORM_TOKEN}, {"api_token": JWT}, CLIENT]


@pytest.mark.parametrize(
    ("url", "classic", "platform"),
    [
        (URL, URL + "/api", URL + "/api"),
        (URL + "/", URL + "/api", URL + "/api"),
        (URL + "///api/v2/", URL + "/api", URL + "/api"),
        (URL + "/api/v2/apiTokens", URL + "/api", URL + "/api"),
        (URL + "/api/v1/tokens/", URL + "/api", URL + "/api"),
        (
            "https://abc12345.sprint.dynatracelabs.com",
            "https://abc12345.sprint.dynatracelabs.com/api",
            None,
        ),
        (MANAGED, MANAGED + "/api", MANAGED + "/api"),
        (MANAGED + "/api/v2", MANAGED + "/api", MANAGED + "/api"),
        (ACTIVEGATE + "/", ACTIVEGATE + "/api", ACTIVEGATE + "/api"),
        (APPS, URL + "/api", APPS + GATEWAY),
        (APPS.upper().replace("HTTPS", "https") + "/api/v2", URL + "/api", APPS + GATEWAY),
        (APPS + ":443/", URL + "/api", APPS + GATEWAY),
        (
            "https://abc12345.sprint.apps.dynatracelabs.com",
            "https://abc12345.sprint.dynatracelabs.com/api",
            "https://abc12345.sprint.apps.dynatracelabs.com" + GATEWAY,
        ),
        (
            "https://abc12345.dev.apps.dynatracelabs.com",
            "https://abc12345.dev.dynatracelabs.com/api",
            "https://abc12345.dev.apps.dynatracelabs.com" + GATEWAY,
        ),
        (APPS + GATEWAY, None, APPS + GATEWAY),
        (APPS + GATEWAY + "/v2/", None, APPS + GATEWAY),
        (APPS + GATEWAY + "/v2/apiTokens", None, APPS + GATEWAY),
        (URL + GATEWAY, None, URL + GATEWAY),
        (MANAGED + GATEWAY, None, MANAGED + GATEWAY),
    ],
)
def test_where_the_api_is_for_who_calls(
    url: str, classic: str | None, platform: str | None
) -> None:
    """Access tokens call the classic API, which no gateway has; what is of the platform goes
    through its gateway where there is one."""
    for caller in ACCESS_TOKENS:
        if classic is None:
            assert "takes platform tokens and OAuth clients alone" in str(
                refusal(lambda caller=caller: a_connection(environment_url=url, **caller))
            )
        else:
            assert a_connection(environment_url=url, **caller).api_address == classic
    for caller in BEARERS:
        assert a_connection(environment_url=url, **caller).api_address == (platform or classic)


@pytest.mark.parametrize(
    "url", [URL, APPS, APPS + GATEWAY + "/v2", "https://activegate.example.com:9999/e/abc12345"]
)
def test_the_key_of_an_environment_is_the_same_whichever_way_it_is_reached(url: str) -> None:
    assert environment_key(url) == "abc12345"


@pytest.mark.parametrize(
    ("options", "headers", "query"),
    [
        ({}, {"Authorization": f"Api-Token {DOTTED_SECRET}"}, {}),
        ({"api_token": UNDOTTED_SECRET}, {"Authorization": f"Api-Token {UNDOTTED_SECRET}"}, {}),
        ({"api_version": "v1"}, {"Authorization": f"Api-Token {DOTTED_SECRET}"}, {}),
        ({"token_location": "query"}, {}, {"api-token": DOTTED_SECRET}),
        ({"api_token": PLATFORM_TOKEN}, {"Authorization": f"Bearer {PLATFORM_TOKEN}"}, {}),
        ({"api_token": JWT}, {"Authorization": f"Bearer {JWT}"}, {}),
    ],
)
def test_how_a_token_is_shown_to_dynatrace(
    options: dict[str, t.Any], headers: dict[str, str], query: dict[str, str]
) -> None:
    connection = a_connection(**options)
    assert connection.api_token is not None
    auth = TokenAuth(connection.api_token, connection.token_location)
    (sent,) = auth.flow(HttpRequest("GET", URL, DYNATRACE, str))
    assert (sent.headers, sent.query) == (headers, query)
    assert not [text for text in (repr(sent), repr(auth)) if SECRET_PART in text]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {**CLIENT, "api_token": DOTTED_SECRET},
            "api_token and oauth_client_id exclude each other",
        ),
        ({**CLIENT, "oauth_client_id": None}, "oauth_client_id is missing"),
        ({**CLIENT, "oauth_client_secret": None}, "oauth_client_secret is missing"),
        ({**CLIENT, "oauth_client_secret": "two words"}, "oauth_client_secret: it has a space"),
        ({**CLIENT, "oauth_client_id": DOTTED_SECRET}, "oauth_client_id: it holds a secret"),
        ({**CLIENT, "account_uuid": DOTTED_SECRET}, "account_uuid: it holds a secret"),
        (
            {**CLIENT, "oauth_token_url": "http://sso.example.com"},
            "oauth_token_url: .*in the clear",
        ),
        (
            {**CLIENT, "oauth_token_url": "https://me:pass@sso.example.com"},
            "oauth_token_url: it must not hold a user",
        ),
        (
            {**CLIENT, "oauth_token_url": f"https://{DOTTED_SECRET}"},
            "oauth_token_url: the address holds the secret",
        ),
        ({**CLIENT, "api_version": "v1"}, "api_version: v1 takes access tokens alone"),
        (
            {"api_token": PLATFORM_TOKEN, "api_version": "v1"},
            "api_version: v1 takes access tokens alone",
        ),
        (
            {**CLIENT, "token_location": "query"},
            "token_location: platform tokens and OAuth clients authenticate in the header",
        ),
        (
            {"api_token": JWT, "token_location": "query"},
            "token_location: platform tokens and OAuth clients authenticate in the header",
        ),
    ],
)
def test_who_cannot_call_is_refused_with_the_reason_and_without_echo(
    options: dict[str, t.Any], says: str
) -> None:
    with pytest.raises(OptionError, match=f"^{says}") as caught:
        a_connection(**options)
    assert SECRET_PART not in str(caught.value)


def test_the_single_sign_on_is_that_of_dynatrace_unless_another_is_given() -> None:
    oauth = a_connection(**CLIENT).oauth
    other = a_connection(
        **CLIENT, oauth_token_url="http://sso.example.com/token", allow_http=True, account_uuid=""
    ).oauth
    assert oauth is not None
    assert other is not None
    assert (oauth.token_url, oauth.account_uuid) == (
        "https://sso.dynatrace.com/sso/oauth2/token",
        None,
    )
    assert (other.token_url, other.account_uuid) == ("http://sso.example.com/token", None)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1",
        "http://abc12345.live.dynatrace.com",
        "http://localhost.example.com",
        "http://[::2]",
    ],
)
def test_the_clear_is_for_loopback_unless_it_is_allowed(url: str) -> None:
    said = str(refusal(lambda: a_connection(environment_url=url)))
    assert "in the clear" in said
    assert said.endswith("say allow_http: true.")
    assert a_connection(environment_url=url, allow_http=True).environment_url == url


@pytest.mark.parametrize(
    ("proxy", "login"),
    [
        (None, None),
        ("", None),
        ("http://proxy:3128", None),
        ("http://me:pa@ss@proxy:3128/", "me:pa@ss"),
        ("http://me@proxy", "me"),
    ],
)
def test_the_login_of_a_proxy_is_one_of_the_secrets(proxy: str | None, login: str | None) -> None:
    connection = a_connection(proxy=proxy)
    secrets = [secret.reveal() for secret in connection.secrets if secret]
    assert secrets == [DOTTED_SECRET, *([login] if login else [])]


def test_no_secret_is_in_the_repr_of_a_connection() -> None:
    by_token = a_connection(proxy="http://me:hunter2@proxy:3128")
    by_client = a_connection(**CLIENT, proxy="http://me:hunter2@proxy:3128")
    for text in (repr(by_token), repr(by_client), str(by_token)):
        assert not [secret for secret in ("hunter2", SECRET_PART) if secret in text]


@pytest.mark.parametrize(
    ("secret", "kind"),
    [
        ("dt0s01.", "a SCIM token"),
        ("dt0s02.", "the secret of an OAuth client"),
        ("dt0s03.", "the secret of an OAuth client"),
        ("dt0s08.", "the secret of an OAuth client"),
        ("dt0g02.", "an ActiveGate token"),
        ("dt0a01.", "the connection token of an agent"),
    ],
)
def test_a_secret_of_another_kind_is_refused_with_what_it_is(secret: str, kind: str) -> None:
    with pytest.raises(
        OptionError, match=f"^api_token: it is {kind}, which cannot manage access tokens"
    ) as caught:
        a_connection(api_token=secret + DOTTED_SECRET.partition(".")[2])
    assert SECRET_PART not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "looks_like"),
    [
        ("$DT_TOKEN", "the name of a variable"),
        ("${DT_TOKEN}", "the name of a variable"),
        ("%DT_TOKEN%", "the name of a variable"),
        ("#{DtToken}#", "the name of a variable"),
        ('"$DT_TOKEN"', "a value with its quotes"),
        (f"'{DOTTED_SECRET}'", "a value with its quotes"),
        (f'"{DOTTED_SECRET}', "a value with its quotes"),
        ("$encrypted$", "what AWX shows"),
        ("****", "a masked value"),
        ("********\n", "a masked value"),
        ("VALUE_SPECIFIED_IN_NO_LOG_PARAMETER", "a masked value"),
        ("[MASKED]", "a masked value"),
        ("XXXXXXXX", "a masked value"),
        ("<your-token>", "a placeholder"),
        ("<your token>", "a placeholder"),
        ("your-api-token-here", "a placeholder"),
        ("changeme", "a placeholder"),
        ("None", "a placeholder"),
        ("undefined", "a placeholder"),
        ("{{dt_token}}", "a template"),
        ("{{ dt_token }}", "a template"),
        ("/run/secrets/dt_token", "the path of a file"),
        ("file:///run/secrets/dt_token", "the path of a file"),
        ("~/.dt_token", "the path of a file"),
        ("C:\\secrets\\dt.txt", "the path of a file"),
        ("https://abc12345.live.dynatrace.com", "an address"),
        (f"Api-Token {DOTTED_SECRET}", "a header"),
        (f"Bearer {JWT}", "a header"),
    ],
)
def test_a_placeholder_is_refused_with_what_it_looks_like_and_without_echo(
    value: str, looks_like: str
) -> None:
    for option in ("api_token", "oauth_client_secret"):
        options = {"api_token": value} if option == "api_token" else {**CLIENT, option: value}
        with pytest.raises(OptionError) as caught:
            a_connection(**options)
        said = str(caught.value)
        assert said.startswith(f"{option}: the value is not a secret but looks like {looks_like}")
        assert value.strip() not in said.replace("a secret", "").replace("the secret", "")


@given(
    st.from_regex(r"\A[A-Za-z0-9_-]{21}\Z").filter(lambda text: text.strip("_-."))
    | st.from_regex(r"\Adt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}\Z")
    | st.from_regex(r"\AeyJ[A-Za-z0-9_-]{9,40}\.[A-Za-z0-9_-]{9,40}\.[A-Za-z0-9_-]{9,40}\Z")
)
def test_no_secret_of_a_known_form_is_taken_for_a_placeholder(secret: str) -> None:
    assert placeholder(secret) is None


@pytest.mark.parametrize("account", ["the-account", "urn:dtaccount:the-account"])
def test_an_account_is_named_by_its_uuid_or_its_urn(account: str) -> None:
    oauth = a_connection(**CLIENT, account_uuid=account).oauth
    assert oauth is not None
    assert oauth.account_uuid == "the-account"


@pytest.mark.parametrize("scheme", ["http", "https", "socks4", "socks4a", "socks5", "SOCKS5h"])
def test_a_proxy_of_any_of_these_kinds_is_taken(scheme: str) -> None:
    proxy = parse_proxy("proxy", f"{scheme}://me:hunter2@proxy:1080")
    assert proxy is not None
    assert proxy.reveal() == f"{scheme}://me:hunter2@proxy:1080"


def test_a_socks_proxy_without_its_library_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "socks", None)
    with pytest.raises(
        OptionError, match=r"^proxy: a SOCKS proxy needs the Python library PySocks"
    ):
        a_connection(proxy="socks5h://proxy:1080")


@pytest.mark.parametrize("ending", ["", "."])
def test_the_id_of_a_token_is_no_api_token(ending: str) -> None:
    with pytest.raises(OptionError, match=r"^api_token: it is the id of a token alone"):
        a_connection(api_token=DOTTED_SECRET.rpartition(".")[0] + ending)


@pytest.mark.parametrize(
    "secret", [DOTTED_SECRET, "OLDFORMATWITHOUTDOTS", "dt0c99." + DOTTED_SECRET.partition(".")[2]]
)
def test_what_is_not_known_to_be_of_another_kind_is_tried(secret: str) -> None:
    assert a_connection(api_token=secret).api_token.reveal() == secret
