# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions: each has its TLS and proxy, and takes nothing from the environment of the process."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import ssl
import threading
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import Transport
from ansible_collections.community.dynatrace.plugins.module_utils._http.requests_guard import (
    URLLIB3_1,
    HTTPAdapter,
    requests,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError

_HEADERS = {
    "Accept": "application/json; charset=utf-8",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": "community.dynatrace",
}


class Session(HTTPAdapter):
    """Sends requests over its own TLS context and proxy, and takes no other word on certificates.

    It follows no redirect. It keeps no cookie, which could authenticate a request of another
    caller, and so vouch for a useless token.
    """

    def __init__(
        self, tls: t.Callable[..., ssl.SSLContext], proxy: str | None, **pool: t.Any
    ) -> None:
        """Open nothing yet.

        :param tls: makes the TLS context, as ``tls_context`` does.
        :param pool: options of the pool of connections, and for ``max_retries``.
        """
        self._tls = tls
        self._context = tls()
        self.verify = self._context.verify_mode != ssl.CERT_NONE
        self.proxies = dict.fromkeys(("http", "https"), proxy) if proxy else {}
        super().__init__(**pool)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: t.Mapping[str, str],
        timeout: float,
        **content: t.Any,
    ) -> requests.Response:
        """The response to one request. Its body is left for the caller to read.

        :param content: ``params``, and ``data`` or ``json``, as ``requests.Request`` takes them.
        :raises requests.exceptions.RequestException: if no response comes.
        """
        # Without parameters: requests encodes an empty dictionary, and slowly, but no empty bytes.
        content["params"] = content.get("params") or b""
        request = requests.Request(method, url, {**_HEADERS, **headers}, **content)
        return self.send(
            request.prepare(),
            stream=True,
            timeout=timeout,
            verify=self.verify,
            proxies=self.proxies,
        )

    def init_poolmanager(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: t.Any, **kwargs: t.Any) -> t.Any:
        if str(proxy).lower().startswith("https"):
            kwargs["proxy_ssl_context"] = self._tls(of_proxy=True)
        return super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)

    def cert_verify(self, conn: t.Any, url: str, verify: t.Any, cert: t.Any) -> None:
        pass


@functools.cache
def tls_context(
    validate_certs: bool,
    ca_path: str | None,
    client_cert: str | None,
    client_key: str | None,
    ca_option: str = "ca_path",
    cert_option: str = "client_cert",
    of_proxy: bool = False,
) -> ssl.SSLContext:
    """A TLS context; kept, because reading the system's certificates takes longer than a request.

    :param ca_option: how messages call the option that ca_path comes from.
    :param cert_option: the same for client_cert.
    :param of_proxy: whether it is for the connection to a proxy itself.
    :raises OptionError: if certificates or keys cannot be read.
    """
    context = _trusting(ca_path, ca_option)
    # Seen in practice: urllib3 1 does not give OpenSSL a host that is an IP address. Where OpenSSL
    # is not to compare the host with the certificate, it does so itself, but not for a proxy.
    if not validate_certs or (URLLIB3_1 and not of_proxy):
        context.check_hostname = False
    if not validate_certs:
        context.verify_mode = ssl.CERT_NONE
    if client_cert:
        try:
            context.load_cert_chain(client_cert, client_key, password=_no_password)
        except (ssl.SSLError, OSError) as error:
            raise OptionError(
                f"{cert_option}: {client_cert!r} and its key cannot be read: {error}."
            ) from None
    return context


def _trusting(ca_path: str | None, option: str) -> ssl.SSLContext:
    """A context that trusts these certificates only, or those of the system if none are named."""
    try:
        if not ca_path or not os.path.isdir(ca_path):
            return ssl.create_default_context(cafile=ca_path)
        context = ssl.create_default_context(capath=ca_path)
        files = sorted(os.path.join(ca_path, name) for name in os.listdir(ca_path))
    except (ssl.SSLError, OSError) as error:
        raise OptionError(
            f"{option}: {ca_path!r} cannot be read as certificates: {error}."
        ) from None
    # By itself, OpenSSL reads only those files of a folder that are named by a hash.
    for file in files:
        with contextlib.suppress(ssl.SSLError, OSError):
            context.load_verify_locations(file)
    if not context.cert_store_stats()["x509_ca"]:
        raise OptionError(
            f"{option}: the folder {ca_path!r} has no file with certificates of an authority in "
            "PEM form."
        )
    return context


def _no_password() -> str:
    return ""  # without this, OpenSSL would ask on the terminal


# Paid once, where the plugin is loaded, and not again in each of Ansible's forks.
tls_context(True, None, None, None)

_sessions = threading.local()


def _may_be_logged(record: logging.LogRecord) -> bool:
    return "api-token=" not in record.getMessage()


# They write addresses with their queries, at times as warnings, which Python shows on stderr
# without being asked for a log.
for _logger in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_logger).addFilter(_may_be_logged)


def session_for(transport: Transport) -> Session:
    """The session for this transport, of this thread and process: no fork shares a connection."""
    sessions: dict[Transport, Session] = vars(_sessions).setdefault(str(os.getpid()), {})
    if transport not in sessions:
        tls = functools.partial(
            tls_context,
            transport.validate_certs,
            transport.ca_path,
            transport.client_cert,
            transport.client_key,
        )
        proxy = transport.proxy.reveal() if transport.proxy else None
        sessions[transport] = Session(tls, proxy)
    return sessions[transport]
