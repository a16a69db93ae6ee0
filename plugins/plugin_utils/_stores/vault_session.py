# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections to HashiCorp Vault or OpenBao: TLS, proxy, and what is sent again."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._http.requests_guard import (
    requests,
)
from ansible_collections.community.dynatrace.plugins.module_utils._http.session import (
    Session,
    tls_context,
)

# Surely not carried out: a replica that lags behind, a rate limit, a server that is sealed.
_RETRIED_STATUSES = (412, 429, 503)
# Options that hvac sends along, and that the session decides by itself.
_SETTLED = ("allow_redirects", "cert", "proxies", "verify")
_MOST_CONNECTIONS = 64  # kept open: as many as there can be workers


class VaultSession(Session):
    """What ``hvac`` takes for a session of ``requests``. Refuses redirects."""

    cert = None  # hvac reads it; the certificate of the client is in the TLS context

    def request(self, method: str, url: str, **options: t.Any) -> requests.Response:
        """The response to one request, with its body."""
        for option in _SETTLED:
            options.pop(option, None)
        response = super().request(method, url, **options)
        len(response.content)  # which reads it, and gives the connection back
        if response.is_redirect:
            raise requests.exceptions.TooManyRedirects(
                "the answer is a redirect, which would carry the token to another host"
            )
        return response


def vault_session(
    options: t.Mapping[str, t.Any], proxy: str | None, retries: int = 0
) -> VaultSession:
    """A session with the TLS of these options.

    :raises OptionError: if a file of theirs cannot be used.
    """
    tls = functools.partial(
        tls_context,
        options["validate_certs"],
        options["ca_cert"],
        options["cert_auth_public_key"],
        options["cert_auth_private_key"],
        "store: ca_cert",
        "store: cert_auth_public_key",
    )
    return VaultSession(tls, proxy, pool_maxsize=_MOST_CONNECTIONS, max_retries=_retries(retries))


def _retries(number: int) -> t.Any:
    # Not after a lost answer: a write that was carried out would then be refused as a stranger's.
    return requests.adapters.Retry(
        total=number,
        read=0,
        other=0,
        status_forcelist=_RETRIED_STATUSES,
        allowed_methods=None,
        raise_on_status=False,
        respect_retry_after_header=False,
        backoff_factor=0.3,
    )
