# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a Dynatrace environment is and how to reach it, from the connection options."""

from __future__ import annotations

import dataclasses
import ipaddress
import math
import os
import re
import typing as t
import urllib.parse

from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Secret,
    could_be_secret,
    looks_like_secret,
)
from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    CONNECTION_ENVIRONMENT,
)

_URL_EXAMPLE = "Give one such as https://abc12345.live.dynatrace.com, or https://managed.example.com/e/ENVIRONMENT-ID."
_LONGEST_TIMEOUT = 3600.0
_LONGEST_URL = 2000
_SAAS_DOMAINS = (".dynatrace.com", ".dynatracelabs.com")
_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?")
_ID_ALONE = re.compile(r"dt0[a-z][0-9]{2}\.[A-Z0-9]{8,24}\.?")
# Documented. There may be others, which are tried.
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
_PASTED = re.compile(rf"/+((api|{_GATEWAY[1:]})(/v[12](/apiTokens|/tokens)?)?/*)?$")
_PATH = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)*")


@dataclasses.dataclass(frozen=True)
class OAuthClient:
    """Who gets an access token from the single sign-on."""

    client_id: str
    client_secret: Secret
    token_url: str
    account_uuid: str | None = None


@dataclasses.dataclass(frozen=True)
class Connection:
    """Everything a session depends on. Hashable, so that a session can be kept for it."""

    environment_url: str  # without a trailing slash and without /api/v2
    api_token: Secret | None  # None: the OAuth client is asked for one
    oauth: OAuthClient | None = None
    gateway: bool = False  # whether to go through the gateway of the platform
    api_version: str = "v2"
    token_location: str = "header"
    validate_certs: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    proxy: str | None = None
    timeout: float = 30.0  # seconds, for connecting and for each wait on the server
    max_wait: float = 60.0  # seconds, for all that a task tries again

    @property
    def api_address(self) -> str:
        """What the version of the API follows."""
        return (
            self.environment_url + _GATEWAY
            if self.gateway
            else classic_address(self.environment_url) + "/api"
        )

    @property
    def secrets(self) -> list[Secret]:
        """What must not be shown."""
        return [
            secret
            for secret in (
                self.api_token,
                self.oauth and self.oauth.client_secret,
                login_of(self.proxy),
            )
            if secret
        ]


def parse_connection(params: t.Mapping[str, t.Any]) -> Connection:
    """The connection from its options.

    :raises OptionError: naming the option that is missing or cannot work; never with a secret in its message.
    """
    if not params["environment_url"]:
        raise OptionError(missing_option("environment_url"))
    if params["client_key"] and not params["client_cert"]:
        raise OptionError(
            "client_key: it needs client_cert, the certificate that goes with the key."
        )
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
        validate_certs=params["validate_certs"],
        ca_path=existing_path("ca_path", params["ca_path"]),
        client_cert=existing_path("client_cert", params["client_cert"]),
        client_key=existing_path("client_key", params["client_key"]),
        proxy=_parse_proxy(params["proxy"]),
        timeout=_parse_timeout(params["timeout"]),
        max_wait=_parse_max_wait(params["max_wait"]),
    )


def parse_environment_url(text: str, allow_http: bool = False) -> str:
    """The address of the environment, without what people paste behind it by habit.

    :raises OptionError: where the address is not one, or would send the token in the clear.
    """
    url = parse_address("environment_url", text, _URL_EXAMPLE, allow_http)
    path = _PASTED.sub("", url.path)
    check_path("environment_url", path, "an environment", _URL_EXAMPLE)
    standard_port = {"http": 80, "https": 443}[url.scheme]
    host = f"[{url.hostname}]" if ":" in str(url.hostname) else url.hostname
    return (
        f"{url.scheme}://{host}{path}"
        if url.port in (None, standard_port)
        else f"{url.scheme}://{host}:{url.port}{path}"
    )


def environment_key(url: str) -> str:
    """What stands for the environment, the same for every address of it that tells.

    :returns: the id behind ``/e/``, else the first label of a SaaS host, else the host with its port.
    :raises OptionError: where the address cannot work.
    """
    parts = urllib.parse.urlsplit(parse_environment_url(url, allow_http=True))
    managed = re.match(r"/e/([^/]+)", parts.path)
    if managed:
        return managed.group(1)
    label, _dot, domain = str(parts.hostname).partition(".")
    return label if domain.endswith(_SAAS_DOMAINS) else parts.netloc


def classic_address(url: str) -> str:
    """The address of an environment at which the classic API is, which is not where its apps are (seen in practice)."""
    parts = urllib.parse.urlsplit(url)
    host = str(parts.hostname)
    for apps, classic in _CLASSIC_DOMAINS.items():
        if host.endswith(apps):
            return urllib.parse.urlunsplit(
                parts._replace(netloc=parts.netloc.replace(host, host[: -len(apps)] + classic))
            )
    return url


def _parse_gateway(url: str, bearer: bool) -> bool:
    """Whether to go through the gateway of the platform, which takes nothing but Bearer (seen in practice)."""
    parts = urllib.parse.urlsplit(url)
    asked = _GATEWAY in parts.path
    if asked and not bearer:
        raise OptionError(
            f"environment_url: the gateway of the platform, {_GATEWAY}, takes platform tokens and OAuth clients alone. Leave it out, or "
            "give one of those."
        )
    return asked or (bearer and str(parts.hostname).endswith(tuple(_CLASSIC_DOMAINS)))


def _parse_caller(params: t.Mapping[str, t.Any]) -> tuple[Secret | None, OAuthClient | None]:
    client_id, client_secret = params["oauth_client_id"], params["oauth_client_secret"]
    if params["api_token"] and (client_id or client_secret):
        raise OptionError(
            "api_token and oauth_client_id exclude each other: call Dynatrace with a token, or with an OAuth client."
        )
    if not (client_id or client_secret):
        if not params["api_token"]:
            raise OptionError(missing_option("api_token"))
        return _parse_api_token(params["api_token"]), None
    for option in ("oauth_client_id", "oauth_client_secret"):
        if not params[option]:
            raise OptionError(f"{missing_option(option)} It goes with the other of the two.")
        if not could_be_secret(params[option]):
            raise OptionError(
                f"{option}: it has a space, a line break or another character that none has. Was it cut or pasted badly?"
            )
    token_url = params["oauth_token_url"] or _TOKEN_URL
    example = f"The default is {_TOKEN_URL}."
    url = parse_address("oauth_token_url", token_url, example, params["allow_http"])
    check_path("oauth_token_url", url.path, "a single sign-on", example)
    for option in ("oauth_client_id", "account_uuid"):
        if looks_like_secret(params[option] or ""):
            raise OptionError(
                f"{option}: it holds a secret, which belongs into oauth_client_secret alone."
            )
    return None, OAuthClient(
        client_id, Secret(client_secret), token_url, params["account_uuid"] or None
    )


def is_bearer(secret: Secret | None) -> bool:
    """Whether a token is one of the platform, which authenticate as Bearer (seen in practice)."""
    return secret is not None and secret.reveal().startswith(_BEARER)


def _check_means(params: t.Mapping[str, t.Any], bearer: bool) -> None:
    if bearer and params["api_version"] == "v1":
        raise OptionError(
            "api_version: v1 takes access tokens alone, so give one as api_token, or use v2."
        )
    if bearer and params["token_location"] == "query":
        raise OptionError(
            "token_location: platform tokens and OAuth clients authenticate in the header alone."
        )


def _parse_proxy(text: str | None) -> str | None:
    if not text:
        return None
    _split("proxy", text, "Give one such as http://proxy.example.com:3128.", credentials=True)
    return text


def login_of(proxy: t.Any) -> Secret | None:
    """The user and the password in the address of a proxy, as they stand there."""
    login = str(proxy or "").rpartition("@")[0].rpartition("//")[2]
    return Secret(login) if login else None


def parse_address(
    option: str, text: str, example: str, allow_http: bool = False
) -> urllib.parse.SplitResult:
    """The parts of an address that a secret is sent to.

    :raises OptionError: where it is not one, or would send the secret in the clear.
    """
    url = _split(option, text, example)
    if url.scheme == "http" and not allow_http and not _is_loopback(url.hostname or ""):
        raise OptionError(f"{option}: http:// would send the token in the clear. {example}")
    return url


def check_path(option: str, path: str, of: str, example: str) -> None:
    """:raises OptionError: where a path is not one, or could lead elsewhere."""
    if not _PATH.fullmatch(path):
        raise OptionError(f"{option}: its path is not that of {of}. {example}")


def _split(
    option: str, text: str, example: str, credentials: bool = False
) -> urllib.parse.SplitResult:
    # What is echoed here never holds credentials: those are refused, or not echoed, first.
    if looks_like_secret(text):
        raise OptionError(
            f"{option}: the address holds the secret of a token. It is not shown here. {example}"
        )
    if not text.isascii() or any(
        character.isspace() or not character.isprintable() for character in text
    ):
        raise OptionError(
            f"{option}: the address has a space, a line break or another character that no address has. {example}"
        )
    if len(text) > _LONGEST_URL:
        raise OptionError(
            f"{option}: the address is longer than any, {len(text)} characters. {example}"
        )
    try:
        url = urllib.parse.urlsplit(text)
        port = url.port
    except ValueError:
        raise OptionError(f"{option}: the address is damaged. {example}") from None
    if "@" in url.netloc and not credentials:
        raise OptionError(f"{option}: it must not hold a user or a password. {example}")
    if url.scheme not in ("http", "https") or not url.hostname or port == 0:
        raise OptionError(f"{option}: the address needs a scheme, https://, and a host. {example}")
    if not _is_host(url.hostname) or ("[" in url.netloc.rpartition("@")[2]) != (
        ":" in url.hostname
    ):
        raise OptionError(f"{option}: the host in the address is not one. {example}")
    if url.query or url.fragment or "?" in text or "#" in text:
        raise OptionError(f"{option}: it must not hold a query or a fragment (? or #). {example}")
    return url


def _is_host(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return _HOST.fullmatch(host) is not None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parse_api_token(text: str) -> Secret:
    if not could_be_secret(text):
        raise OptionError(
            "api_token: it has a space, a line break or another character that no token has. Was it cut or pasted badly?"
        )
    if _ID_ALONE.fullmatch(text):
        raise OptionError(
            "api_token: it is the id of a token alone, without the part behind the second dot, which is its secret."
        )
    kind = next(
        (kind for prefixes, kind in _OTHER_KINDS.items() if text.startswith(prefixes)), None
    )
    if kind:
        raise OptionError(
            f"api_token: it is {kind}, which cannot manage access tokens. Give an access token, which begins with dt0c01."
        )
    return Secret(text)


def _parse_timeout(seconds: float) -> float:
    if not math.isfinite(seconds) or not 0 < seconds <= _LONGEST_TIMEOUT:
        raise OptionError(
            f"timeout: {seconds} is not a time to wait. Give seconds, more than 0 and at most {_LONGEST_TIMEOUT:.0f}."
        )
    return seconds


def _parse_max_wait(seconds: float) -> float:
    if not 0 <= seconds <= _LONGEST_TIMEOUT:
        raise OptionError(
            f"max_wait: {seconds} is not a time to wait. Give seconds, at most {_LONGEST_TIMEOUT:.0f}; 0 tries nothing again."
        )
    return seconds


def existing_path(option: str, path: str | None) -> str | None:
    if path and not os.path.exists(path):
        raise OptionError(f"{option}: there is no {path!r} on the machine that talks to Dynatrace.")
    return path or None


def missing_option(option: str) -> str:
    """What to say where this option is not given."""
    names = " or ".join(CONNECTION_ENVIRONMENT[option])
    return f"{option} is missing. Give the option, in the task or in module_defaults, or set the environment variable {names}."
