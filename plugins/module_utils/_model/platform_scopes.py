# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scopes of platform tokens that replace those of access tokens."""

from __future__ import annotations

import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError

# What a platform token needs in place of a scope of an access token (documented). The guide to
# migrating has the page for each of them. ReadConfig and WriteConfig have no counterpart: the
# Configuration API takes no platform token.
PLATFORM_SCOPES = {
    "InstallerDownload": (
        "fleet-management:activegate.connection-info:read",
        "fleet-management:activegates:download",
        "fleet-management:container-images:read",
        "fleet-management:oneagent.connection-info:read",
        "fleet-management:oneagents:download",
    ),
    "activeGateTokenManagement.create": ("fleet-management:activegate.tokens:create",),
    "apiTokens.read": ("api-tokens:tokens:read",),
    "apiTokens.write": ("api-tokens:tokens:write",),
    "logs.ingest": ("openpipeline:logs:ingest",),
    "metrics.ingest": ("openpipeline:metrics:ingest", "storage:metrics:write"),
    "openTelemetryTrace.ingest": ("openpipeline:traces:ingest",),
    "settings.read": ("settings:objects:read", "settings:schemas:read"),
    "settings.write": ("settings:objects:write",),
}


def platform_scopes(
    scopes: t.Iterable[str], more: t.Mapping[str, t.Sequence[str]]
) -> tuple[str, ...]:
    """What a platform token needs to do the same as an access token with these scopes.

    :param more: further translations, which win over the known ones.
    :raises OptionError: naming the scopes without a translation.
    """
    known = {**PLATFORM_SCOPES, **more}
    unknown = sorted({scope for scope in scopes if scope not in known})
    if unknown:
        raise OptionError(
            f"No platform scope is known for {', '.join(unknown)}. Nothing was done. Name the "
            "scopes that replace it, or leave the token out."
        )
    return tuple(sorted({translated for scope in scopes for translated in known[scope]}))
