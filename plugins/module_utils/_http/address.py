# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses of servers and proxies: only those that can work, and no message that quotes one."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
import typing as t
import urllib.parse

from ansible_collections.community.dynatrace.plugins.module_utils._http.requests_guard import (
    has_socks,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Secret,
    looks_like_secret,
)

_LONGEST_URL = 2000
_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?")
_PATH = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)*")

_SERVER_SCHEMES = ("http", "https")
_SOCKS_SCHEMES = ("socks4", "socks4a", "socks5", "socks5h")
_PROXY_EXAMPLE = (
    "Give one such as http://proxy.example.com:3128 or socks5h://proxy.example.com:1080. "
    "Characters such as @, #, %, / and : in its user or password have to be percent-encoded: "
    "%40, %23, %25, %2F and %3A."
)


def parse_address(
    option: str, text: str, example: str, allow_http: bool | None = None
) -> urllib.parse.SplitResult:
    """The parts of an address that a secret is sent to.

    :param allow_http: whether the secret may be sent in the clear. None: there is no option that
        allows it.
    :raises OptionError: if it is not an address, or would send the secret in the clear.
    """
    url = _split(option, text, example)
    if url.scheme == "http" and not allow_http and not _is_loopback(url.hostname or ""):
        way_out = "" if allow_http is None else " If this network is closed, say allow_http: true."
        raise OptionError(
            f"{option}: http:// would send the token in the clear. {example}{way_out}"
        )
    return url


def parse_proxy(option: str, text: str | None) -> Secret | None:
    """The address of a proxy, which may hold a password. None: no proxy.

    :param option: the option, or the environment variable, for messages.
    :raises OptionError: if it cannot be the address of a proxy, or its kind of proxy is not
        supported.
    """
    if not text:
        return None
    scheme = _split(option, text, _PROXY_EXAMPLE, is_proxy=True).scheme
    if scheme == "socks":
        raise OptionError(
            f"{option}: socks:// does not tell the version of SOCKS. Write socks5h://, or "
            "socks5:// to look names up on this machine."
        )
    if scheme not in _SERVER_SCHEMES + _SOCKS_SCHEMES:
        raise OptionError(f"{option}: a proxy with {scheme}:// is not supported. {_PROXY_EXAMPLE}")
    return Secret(text)


def check_socks(option: str, proxy: Secret | None) -> None:
    """:raises OptionError: if the proxy needs a library that this Python does not have."""
    if proxy is not None and proxy.reveal().lower().startswith("socks") and not has_socks():
        raise OptionError(
            f"{option}: a SOCKS proxy needs the Python library PySocks, which {sys.executable} "
            "does not have. Install it there (pip install PySocks), or use a proxy with http://."
        )


def login_of(proxy: t.Any) -> Secret | None:
    """The user and the password in the address of a proxy, exactly as written."""
    login = str(proxy or "").rpartition("@")[0].rpartition("//")[2]
    return Secret(login) if login else None


def check_path(option: str, path: str, of: str, example: str) -> None:
    """:raises OptionError: if a path is not one, or could lead elsewhere."""
    if not _PATH.fullmatch(path):
        raise OptionError(f"{option}: its path is not that of {of}. {example}")


def existing_path(option: str, path: str | None) -> str | None:
    """:raises OptionError: if there is no such file or folder."""
    if path and not os.path.exists(path):
        raise OptionError(f"{option}: there is no {path!r} on the machine that sends the requests.")
    return path or None


def _split(
    option: str, text: str, example: str, is_proxy: bool = False
) -> urllib.parse.SplitResult:
    # A message never quotes the address, which may hold a secret.
    problem = _problem_of_text(text)
    if problem:
        raise OptionError(f"{option}: {problem} {example}")
    try:
        url = urllib.parse.urlsplit(text)
        port = url.port
    except ValueError:
        raise OptionError(f"{option}: the address is damaged. {example}") from None
    problem = _problem_of_login(url, is_proxy) or _problem_of_host(url, port, is_proxy)
    if not problem and ("?" in text or "#" in text):
        problem = "it must not hold a query or a fragment (? or #)."
    if problem:
        raise OptionError(f"{option}: {problem} {example}")
    return url


def _problem_of_text(text: str) -> str | None:
    if looks_like_secret(text):
        return "the address holds the secret of a token. It is not shown here."
    if not text.isascii() or not text.isprintable() or " " in text:
        return "the address has a space, a line break or another character that no address has."
    if len(text) > _LONGEST_URL:
        return f"the address is longer than any, {len(text)} characters."
    return None


def _problem_of_login(url: urllib.parse.SplitResult, is_proxy: bool) -> str | None:
    if "@" in url.netloc and not is_proxy:
        return "it must not hold a user or a password."
    return None


def _problem_of_host(url: urllib.parse.SplitResult, port: int | None, is_proxy: bool) -> str | None:
    has_scheme = bool(url.scheme) if is_proxy else url.scheme in _SERVER_SCHEMES
    if not has_scheme or not url.hostname or port == 0:
        return f"the address needs a scheme, {'http' if is_proxy else 'https'}://, and a host."
    in_brackets = "[" in url.netloc.rpartition("@")[2]
    if not _is_host(url.hostname) or in_brackets != (":" in url.hostname):
        return "the host in the address is not one."
    return None


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
