# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a request proves who it is from."""

from __future__ import annotations

import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._connection import Connection


def headers(connection: Connection) -> t.Mapping[str, str]:
    """The headers that authenticate a request (documented: the scheme of access tokens is Api-Token)."""
    return {"Authorization": "Api-Token " + connection.api_token.reveal()}
