# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a Dynatrace environment is and how to reach it, from the connection options."""

from __future__ import annotations

import dataclasses
import math
import re
import typing as t
import urllib.parse

from ansible_collections.community.dynatrace.plugins.module_utils._http.address import (
    check_path,
    check_socks,
    existing_path,
    login_of,
    parse_address,
    parse_proxy,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.placeholders import (
    placeholder,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import ACCESS, Kind
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Secret,
    could_be_secret,
    looks_like_secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import Around
from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    CONNECTION_ENVIRONMENT,
)

Params = t.Mapping[str, t.Any]

_URL_EXAMPLE = (
    "Give one such as https://abc12345.live.dynatrace.com, or "
    "https://managed.example.com/e/ENVIRONMENT-ID."
)
_LONGEST_TIMEOUT = 3600.0
_SAAS_DOMAINS = (".dynatrace.com", ".dynatracelabs.com")
_ID_ONLY = re.compile(r"dt0[a-z][0-9]{2}\.[A-Z0-9]{8,24}\.?")
# Documented. Other prefixes may exist; those are tried.
_OTHER_KINDS = {
    ("dt0s01.",): "a SCIM token",
    ("dt0s02.", "dt0s03.", "dt0s08."): "the secret of an OAuth client",
    ("dt0g02.",): "an ActiveGate token",
    ("dt0a01.",): "the connection token of an agent",
}
_TOKEN_URL = "https://sso.dynatrace.com/sso/oauth2/token"  # documented
_BEARER = ("dt0s16.", "eyJ")  # platform tokens, and the access tokens of OAuth clients
_GATEWAY = "/platform/classic/environment-api"
_CLASSIC_DOMAINS = {
    ".sprint.apps.dynatracelabs.com": ".sprint.dynatracelabs.com",
    ".dev.apps.dynatracelabs.com": ".dev.dynatracelabs.com",
    ".apps.dynatrace.com": ".live.dynatrace.com",
}
_ACCOUNT_URL = "https://api.dynatrace.com"  # documented
_ACCOUNT_UUID = re.compile(r"[A-Za-z0-9-]{1,100}")
_SCOPE = re.compile(r"[!-~]+")
_PASTED = re.compile(rf"/+((api|{_GATEWAY[1:]})(/v[12](/apiTokens|/tokens)?)?/*)?$")
_BAD_CHARACTER = (
    "it has a space, a line break or another character that {} has. Was it cut or pasted badly?"
)


@dataclasses.dataclass(frozen=True)
class OAuthClient:
    """Who gets an access token from the single sign-on."""

    client_id: str
    client_secret: Secret
    token_url: str
    account_uuid: str | None = None


@dataclasses.dataclass(frozen=True)
class Transport:
    """All that a session depends on. Hashable, so that a session can be kept for it."""

    validate_certs: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    proxy: Secret | None = None  # its address, which may hold a password


@dataclasses.dataclass(frozen=True)
class Connection:
    """An environment, who calls it, and how it is reached."""

    environment_url: str  # without a trailing slash and without /api/v2; empty: none is given
    api_token: Secret | None  # None: the OAuth client is asked for one
    oauth: OAuthClient | None = None
    gateway: bool = False  # whether to go through the gateway of the platform
    api_version: str = "v2"
    token_location: str = "header"
    transport: Transport = Transport()
    timeout: float = 30.0  # seconds, for connecting and for each wait on the server
    max_wait: float = 60.0  # seconds, for all that a task tries again
    account_url: str = _ACCOUNT_URL
    oauth_scopes: tuple[str, ...] | None = None  # None: those that the API needs
    activegate_api: str = "environment"

    @property
    def api_address(self) -> str:
        """The address of the environment's API, without its version."""
        if self.gateway:
            return self.environment_url + _GATEWAY
        return classic_address(self.environment_url) + "/api"

    @property
    def secrets(self) -> tuple[Secret | None, ...]:
        """The secrets that the connection is made with."""
        client_secret = self.oauth.client_secret if self.oauth else None
        proxy = self.transport.proxy
        return (self.api_token, client_secret, login_of(proxy.reveal()) if proxy else None)


def parse_connection(params: Params, kind: Kind = ACCESS) -> Connection:
    """The connection from its options.

    :param kind: of the tokens that it is for.
    :raises OptionError: naming the option that is missing or cannot work; never with a secret in
        its message.
    """
    if kind.needs_oauth:
        return _parse_account_connection(params, kind)
    if not params["environment_url"]:
        raise OptionError(missing_option("environment_url"))
    api_token, oauth = _parse_caller(params)
    bearer = oauth is not None or is_bearer(api_token)
    _check_means(params, bearer)
    return Connection(
        environment_url=parse_environment_url(params["environment_url"], params["allow_http"]),
        api_token=api_token,
        oauth=oauth,
        gateway=_parse_gateway(params["environment_url"], bearer),
        api_version=params["api_version"],
        token_location=params["token_location"],
        transport=_parse_transport(params),
        timeout=_parse_timeout(params["timeout"]),
        max_wait=_parse_max_wait(params["max_wait"]),
        oauth_scopes=_parse_scopes(params["oauth_scopes"]),
        activegate_api=_parse_activegate_api(params["activegate_api"], bearer),
    )


def _parse_account_connection(params: Params, kind: Kind) -> Connection:
    """The connection of an OAuth client to its account, and to an environment if one is given."""
    needed = ("oauth_client_id", "oauth_client_secret", "account_uuid")
    if not all(params[option] for option in needed):
        raise OptionError(
            f"kind: {kind.option} needs an OAuth client: oauth_client_id, oauth_client_secret and "
            "account_uuid. Account Management takes no token as api_token."
        )
    client = _parse_client(params)
    if not _ACCOUNT_UUID.fullmatch(client.account_uuid or ""):
        raise OptionError(
            "account_uuid: it is not the UUID of an account, such as "
            "01234567-89ab-cdef-0123-456789abcdef."
        )
    url = params["environment_url"]
    return Connection(
        environment_url=parse_environment_url(url, params["allow_http"]) if url else "",
        api_token=None,
        oauth=client,
        transport=_parse_transport(params),
        timeout=_parse_timeout(params["timeout"]),
        max_wait=_parse_max_wait(params["max_wait"]),
        account_url=_parse_account_url(params),
        oauth_scopes=_parse_scopes(params["oauth_scopes"]),
    )


def parse_environment_url(text: str, allow_http: bool = False) -> str:
    """The address of the environment, without what people paste behind it by habit.

    :raises OptionError: if it is not an address, or would send the token in the clear.
    """
    url = parse_address("environment_url", text, _URL_EXAMPLE, allow_http)
    path = _PASTED.sub("", url.path)
    check_path("environment_url", path, "an environment", _URL_EXAMPLE)
    host = f"[{url.hostname}]" if ":" in str(url.hostname) else url.hostname
    if url.port in (None, {"http": 80, "https": 443}[url.scheme]):
        return f"{url.scheme}://{host}{path}"
    return f"{url.scheme}://{host}:{url.port}{path}"


def environment_key(url: str) -> str:
    """The key of the environment, the same for each of its addresses.

    :returns: the id behind ``/e/``, else the first label of a SaaS host, else the host with its
        port.
    :raises OptionError: if the address cannot work.
    """
    parts = urllib.parse.urlsplit(parse_environment_url(url, allow_http=True))
    managed = re.match(r"/e/([^/]+)", parts.path)
    if managed:
        return managed.group(1)
    label, _dot, domain = str(parts.hostname).partition(".")
    return label if domain.endswith(_SAAS_DOMAINS) else parts.netloc


def around(params: Params) -> Around:
    """Where the task is, from its options.

    :raises OptionError: if the address cannot work.
    """
    url = params["environment_url"]
    account = (params["account_uuid"] or "").rpartition("urn:dtaccount:")[2]
    return Around(environment_key(url) if url else "", account or None)


def classic_address(url: str) -> str:
    """The address of an environment's classic API, which that of its apps is not (in practice)."""
    parts = urllib.parse.urlsplit(url)
    host = str(parts.hostname)
    for apps, classic in _CLASSIC_DOMAINS.items():
        if host.endswith(apps):
            netloc = parts.netloc.replace(host, host[: -len(apps)] + classic)
            return urllib.parse.urlunsplit(parts._replace(netloc=netloc))
    return url


def apps_address(url: str) -> str:
    """The address of an environment's apps and platform; that of its classic API is another."""
    parts = urllib.parse.urlsplit(url)
    host = str(parts.hostname)
    if host.endswith(tuple(_CLASSIC_DOMAINS)):
        return url
    for apps, classic in _CLASSIC_DOMAINS.items():
        if host.endswith(classic):
            netloc = parts.netloc.replace(host, host[: -len(classic)] + apps)
            return urllib.parse.urlunsplit(parts._replace(netloc=netloc))
    return url


def gateway_address(url: str) -> str:
    """The address of an environment's classic API behind the gateway of the platform."""
    return apps_address(url) + _GATEWAY


def is_bearer(secret: Secret | None) -> bool:
    """Whether a token is one of the platform, which authenticate as Bearer (seen in practice)."""
    return secret is not None and secret.reveal().startswith(_BEARER)


def missing_option(option: str) -> str:
    """The message for an option that is not given."""
    names = " or ".join(CONNECTION_ENVIRONMENT[option][:2])
    return (
        f"{option} is missing. Give the option, in the task or in module_defaults, or set the "
        f"environment variable {names}."
    )


def _parse_gateway(url: str, bearer: bool) -> bool:
    """Whether to go through the gateway of the platform, which takes only Bearer (in practice)."""
    parts = urllib.parse.urlsplit(url)
    asked = _GATEWAY in parts.path
    if asked and not bearer:
        raise OptionError(
            f"environment_url: the gateway of the platform, {_GATEWAY}, takes platform tokens "
            "and OAuth clients alone. Leave it out, or give one of those."
        )
    return asked or (bearer and str(parts.hostname).endswith(tuple(_CLASSIC_DOMAINS)))


def _parse_caller(params: Params) -> tuple[Secret | None, OAuthClient | None]:
    wants_client = bool(params["oauth_client_id"] or params["oauth_client_secret"])
    if params["api_token"] and wants_client:
        raise OptionError(
            "api_token and oauth_client_id exclude each other: call Dynatrace with a token, or "
            "with an OAuth client."
        )
    if wants_client:
        return None, _parse_client(params)
    if not params["api_token"]:
        raise OptionError(missing_option("api_token"))
    return _parse_api_token(params["api_token"]), None


def _parse_client(params: Params) -> OAuthClient:
    for option in ("oauth_client_id", "oauth_client_secret"):
        if not params[option]:
            raise OptionError(f"{missing_option(option)} It goes with the other of the two.")
        _check_text(option, params[option], "none")
    for option in ("oauth_client_id", "account_uuid"):
        if looks_like_secret(params[option] or ""):
            raise OptionError(
                f"{option}: it holds a secret, which belongs into oauth_client_secret alone."
            )
    example = f"The default is {_TOKEN_URL}."
    token_url = params["oauth_token_url"] or _TOKEN_URL
    url = parse_address("oauth_token_url", token_url, example, params["allow_http"])
    check_path("oauth_token_url", url.path, "a single sign-on", example)
    account = (params["account_uuid"] or "").rpartition("urn:dtaccount:")[2] or None
    return OAuthClient(
        params["oauth_client_id"], Secret(params["oauth_client_secret"]), token_url, account
    )


def _parse_account_url(params: Params) -> str:
    text = params["account_url"] or _ACCOUNT_URL
    example = f"The default is {_ACCOUNT_URL}."
    url = parse_address("account_url", text, example, params["allow_http"])
    path = url.path.rstrip("/")
    check_path("account_url", path, "Account Management", example)
    return urllib.parse.urlunsplit(url._replace(path=path))


def _parse_scopes(scopes: t.Sequence[str] | None) -> tuple[str, ...] | None:
    if scopes is None:
        return None
    if not scopes:
        raise OptionError("oauth_scopes: the list is empty. Name a scope, or leave it out.")
    for scope in scopes:
        if not _SCOPE.fullmatch(scope) or looks_like_secret(scope):
            raise OptionError(
                "oauth_scopes: an entry is not a scope, such as platform-token:tokens:manage."
            )
    return tuple(dict.fromkeys(scopes))


def _parse_activegate_api(asked: str | None, bearer: bool) -> str:
    if asked in ("gateway", "fleet_management") and not bearer:
        raise OptionError(
            f"activegate_api: {asked} takes platform tokens and OAuth clients alone. Give one of "
            "those, or use activegate_api: environment."
        )
    return asked or ("fleet_management" if bearer else "environment")


def _parse_api_token(text: str) -> Secret:
    _check_text("api_token", text, "no token")
    if _ID_ONLY.fullmatch(text):
        raise OptionError(
            "api_token: it is the id of a token alone, without the part behind the second dot, "
            "which is its secret."
        )
    for prefixes, kind in _OTHER_KINDS.items():
        if text.startswith(prefixes):
            raise OptionError(
                f"api_token: it is {kind}, which cannot manage access tokens. Give an access "
                "token, which begins with dt0c01."
            )
    return Secret(text)


def _check_text(option: str, text: str, nothing: str) -> None:
    """:raises OptionError: if this can be no secret, nor the id of one. It is not echoed."""
    meaning = placeholder(text.strip())
    if meaning:
        raise OptionError(
            f"{option}: the value is not a secret but looks like {meaning} It is not shown here."
        )
    if not could_be_secret(text):
        raise OptionError(f"{option}: {_BAD_CHARACTER.format(nothing)}")


def _check_means(params: Params, bearer: bool) -> None:
    if bearer and params["api_version"] == "v1":
        raise OptionError(
            "api_version: v1 takes access tokens alone, so give one as api_token, or use v2."
        )
    if bearer and params["token_location"] == "query":
        raise OptionError(
            "token_location: platform tokens and OAuth clients authenticate in the header alone."
        )


def _parse_transport(params: Params) -> Transport:
    if params["client_key"] and not params["client_cert"]:
        raise OptionError(
            "client_key: it needs client_cert, the certificate that goes with the key."
        )
    proxy = parse_proxy("proxy", params["proxy"])
    check_socks("proxy", proxy)
    return Transport(
        validate_certs=params["validate_certs"],
        ca_path=existing_path("ca_path", params["ca_path"]),
        client_cert=existing_path("client_cert", params["client_cert"]),
        client_key=existing_path("client_key", params["client_key"]),
        proxy=proxy,
    )


def _parse_timeout(seconds: float) -> float:
    if not math.isfinite(seconds) or not 0 < seconds <= _LONGEST_TIMEOUT:
        raise OptionError(
            f"timeout: {seconds} is not a time to wait. Give seconds, more than 0 and at most "
            f"{_LONGEST_TIMEOUT:.0f}."
        )
    return seconds


def _parse_max_wait(seconds: float) -> float:
    if not 0 <= seconds <= _LONGEST_TIMEOUT:
        raise OptionError(
            f"max_wait: {seconds} is not a time to wait. Give seconds, at most "
            f"{_LONGEST_TIMEOUT:.0f}; 0 tries nothing again."
        )
    return seconds
