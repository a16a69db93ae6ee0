# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One session for each connection: its TLS context, its proxy, and nothing from the environment of the process."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import ssl
import threading
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import Connection
from ansible_collections.community.dynatrace.plugins.module_utils._http.requests_guard import (
    HTTPAdapter,
    requests,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError


class TlsAdapter(HTTPAdapter):
    """Hands its own TLS context to every connection and takes no other word on certificates."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        # The second one is for a proxy that is itself reached over TLS.
        return super().proxy_manager_for(
            *args, ssl_context=self._context, proxy_ssl_context=self._context, **kwargs
        )

    def cert_verify(self, conn: t.Any, url: str, verify: t.Any, cert: t.Any) -> None:
        pass


@functools.cache
def tls_context(
    validate_certs: bool, ca_path: str | None, client_cert: str | None, client_key: str | None
) -> ssl.SSLContext:
    """A TLS context; kept, because reading the certificates of the system takes longer than a request."""
    context = _trusting(ca_path)
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client_cert:
        try:
            context.load_cert_chain(client_cert, client_key, password=_no_password)
        except (ssl.SSLError, OSError) as error:
            raise OptionError(
                f"client_cert: {client_cert!r} and its key cannot be read: {error}."
            ) from None
    return context


def _trusting(ca_path: str | None) -> ssl.SSLContext:
    """A context that trusts these certificates alone, or those of the system where none are named."""
    try:
        if not ca_path or not os.path.isdir(ca_path):
            return ssl.create_default_context(cafile=ca_path)
        context = ssl.create_default_context(capath=ca_path)
        files = sorted(os.path.join(ca_path, name) for name in os.listdir(ca_path))
    except (ssl.SSLError, OSError) as error:
        raise OptionError(
            f"ca_path: {ca_path!r} cannot be read as certificates: {error}."
        ) from None
    # By itself, OpenSSL reads in a folder only what is named by a hash.
    for file in files:
        with contextlib.suppress(ssl.SSLError, OSError):
            context.load_verify_locations(file)
    if not context.cert_store_stats()["x509_ca"]:
        raise OptionError(
            f"ca_path: the folder {ca_path!r} has no file with certificates of an authority in PEM form."
        )
    return context


def _no_password() -> str:
    return ""  # without this, OpenSSL would ask on the terminal


tls_context(
    True, None, None, None
)  # paid once, where the plugin is loaded, and not again in each of Ansible's forks

_sessions = threading.local()


def _may_be_logged(record: logging.LogRecord) -> bool:
    return "api-token=" not in record.getMessage()


# They write addresses with their queries, at times as warnings, which Python shows on stderr where nobody asked for a log.
for _logger in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_logger).addFilter(_may_be_logged)


def session_for(connection: Connection) -> requests.Session:
    """The session of this thread and process for these options: a fork must not share a connection."""
    sessions: dict[Connection, requests.Session] = vars(_sessions).setdefault(str(os.getpid()), {})
    if connection not in sessions:
        sessions[connection] = _new_session(connection)
    return sessions[connection]


def _new_session(connection: Connection) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # neither .netrc nor REQUESTS_CA_BUNDLE replaces what the task says
    session.verify = connection.validate_certs
    session.proxies = (
        {"http": connection.proxy, "https": connection.proxy} if connection.proxy else {}
    )
    session.headers.update(
        {"Accept": "application/json; charset=utf-8", "User-Agent": "community.dynatrace"}
    )
    session.mount(
        "https://",
        TlsAdapter(
            tls_context(
                connection.validate_certs,
                connection.ca_path,
                connection.client_cert,
                connection.client_key,
            )
        ),
    )
    return session


def reason_of(error: Exception) -> str:
    """The innermost reason that a library gives, without the address, whose query might hold a secret."""
    inner = error.args[0] if error.args else error
    reason = getattr(inner, "reason", None) or (inner if isinstance(inner, Exception) else error)
    text = str(reason.args[-1]) if isinstance(reason, Exception) and reason.args else str(reason)
    return f"{text.rpartition('>: ')[2] or text}".rstrip(".") or type(error).__name__
