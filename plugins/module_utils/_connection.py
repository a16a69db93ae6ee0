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

from ansible_collections.community.dynatrace.plugins.module_utils._errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._options import CONNECTION_ENVIRONMENT
from ansible_collections.community.dynatrace.plugins.module_utils._secret import Secret, could_be_secret, looks_like_secret

_URL_EXAMPLE = "Give one such as https://abc12345.live.dynatrace.com, or https://managed.example.com/e/ENVIRONMENT-ID."
_LONGEST_TIMEOUT = 3600.0
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
_PATH = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)*")


@dataclasses.dataclass(frozen=True)
class Connection:
    """Everything a session depends on. Hashable, so that a session can be kept for it."""

    environment_url: str  # without a trailing slash and without /api/v2
    api_token: Secret
    validate_certs: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    proxy: str | None = None
    timeout: float = 30.0  # seconds, for connecting and for each wait on the server
    max_wait: float = 60.0  # seconds, for all that a task tries again


def parse_connection(params: t.Mapping[str, t.Any]) -> Connection:
    """The connection from its options.

    :raises OptionError: naming the option that is missing or cannot work; never with a secret in its message.
    """
    for option in CONNECTION_ENVIRONMENT:
        if not params[option]:
            raise OptionError(missing_option(option))
    if params["client_key"] and not params["client_cert"]:
        raise OptionError("client_key: it needs client_cert, the certificate that goes with the key.")
    return Connection(
        environment_url=parse_environment_url(params["environment_url"]),
        api_token=_parse_api_token(params["api_token"]),
        validate_certs=params["validate_certs"],
        ca_path=existing_path("ca_path", params["ca_path"]),
        client_cert=existing_path("client_cert", params["client_cert"]),
        client_key=existing_path("client_key", params["client_key"]),
        proxy=_parse_proxy(params["proxy"]),
        timeout=_parse_timeout(params["timeout"]),
        max_wait=_parse_max_wait(params["max_wait"]),
    )


def parse_environment_url(text: str) -> str:
    """The address of the environment, without what people paste behind it by habit.

    :raises OptionError: where the address is not one, or would send the token in the clear.
    """
    url = parse_address("environment_url", text, _URL_EXAMPLE)
    path = re.sub(r"/+(api(/v[12](/apiTokens|/tokens)?)?/*)?$", "", url.path)
    if not _PATH.fullmatch(path):
        raise OptionError(f"environment_url: its path is not that of an environment. {_URL_EXAMPLE}")
    standard_port = {"http": 80, "https": 443}[url.scheme]
    host = f"[{url.hostname}]" if ":" in str(url.hostname) else url.hostname
    return f"{url.scheme}://{host}{path}" if url.port in (None, standard_port) else f"{url.scheme}://{host}:{url.port}{path}"


def environment_key(url: str) -> str:
    """What stands for the environment, the same for every address of it that tells.

    :returns: the id behind ``/e/``, else the first label of a SaaS host, else the host with its port.
    :raises OptionError: where the address cannot work.
    """
    parts = urllib.parse.urlsplit(parse_environment_url(url))
    managed = re.match(r"/e/([^/]+)", parts.path)
    if managed:
        return managed.group(1)
    label, _dot, domain = str(parts.hostname).partition(".")
    return label if domain.endswith(_SAAS_DOMAINS) else parts.netloc


def _parse_proxy(text: str | None) -> str | None:
    if not text:
        return None
    _split("proxy", text, "Give one such as http://proxy.example.com:3128.", credentials=True)
    return text


def parse_address(option: str, text: str, example: str) -> urllib.parse.SplitResult:
    """The parts of an address that a secret is sent to.

    :raises OptionError: where it is not one, or would send the secret in the clear.
    """
    url = _split(option, text, example)
    if url.scheme == "http" and not _is_loopback(url.hostname or ""):
        raise OptionError(f"{option}: http:// would send the token in the clear. {example}")
    return url


def _split(option: str, text: str, example: str, credentials: bool = False) -> urllib.parse.SplitResult:
    # What is echoed here never holds credentials: those are refused, or not echoed, first.
    if looks_like_secret(text):
        raise OptionError(f"{option}: the address holds the secret of a token. It is not shown here. {example}")
    if not text.isascii() or any(character.isspace() or not character.isprintable() for character in text):
        raise OptionError(f"{option}: the address has a space, a line break or another character that no address has. {example}")
    try:
        url = urllib.parse.urlsplit(text)
        port = url.port
    except ValueError:
        raise OptionError(f"{option}: the address is damaged. {example}") from None
    if "@" in url.netloc and not credentials:
        raise OptionError(f"{option}: it must not hold a user or a password. {example}")
    if url.scheme not in ("http", "https") or not url.hostname or port == 0:
        raise OptionError(f"{option}: the address needs a scheme, https://, and a host. {example}")
    if not _is_host(url.hostname):
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
        raise OptionError("api_token: it has a space, a line break or another character that no token has. Was it cut or pasted badly?")
    if _ID_ALONE.fullmatch(text):
        raise OptionError("api_token: it is the id of a token alone, without the part behind the second dot, which is its secret.")
    kind = next((kind for prefixes, kind in _OTHER_KINDS.items() if text.startswith(prefixes)), None)
    if kind:
        raise OptionError(f"api_token: it is {kind}, which cannot manage access tokens. Give an access token, which begins with dt0c01.")
    return Secret(text)


def _parse_timeout(seconds: float) -> float:
    if not math.isfinite(seconds) or not 0 < seconds <= _LONGEST_TIMEOUT:
        raise OptionError(f"timeout: {seconds} is not a time to wait. Give seconds, more than 0 and at most {_LONGEST_TIMEOUT:.0f}.")
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
