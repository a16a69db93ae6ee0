# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scopes that are known, for hints alone: which scopes exist is for the API to say."""

from __future__ import annotations

import difflib

# Could be granted in the Environment API in mid 2026 (documented, or seen in practice).
KNOWN_SCOPES = (
    "ActiveGateCertManagement",
    "AdvancedSyntheticIntegration",
    "CaptureRequestData",
    "DTAQLAccess",
    "DataExport",
    "DataImport",
    "DataPrivacy",
    "Davis",
    "DssFileManagement",
    "ExternalSyntheticIntegration",
    "InstallerDownload",
    "LogExport",
    "PluginUpload",
    "ReadConfig",
    "ReadSyntheticData",
    "RestRequestForwarding",
    "RumBrowserExtension",
    "RumJavaScriptTagManagement",
    "SupportAlert",
    "TenantTokenManagement",
    "UserSessionAnonymization",
    "WriteConfig",
    "activeGateTokenManagement.create",
    "activeGateTokenManagement.read",
    "activeGateTokenManagement.write",
    "activeGates.read",
    "activeGates.write",
    "adaptiveTrafficManagement.read",
    "agentTokenManagement.read",
    "apiTokens.read",
    "apiTokens.write",
    "attacks.read",
    "attacks.write",
    "auditLogs.read",
    "bizevents.ingest",
    "credentialVault.read",
    "credentialVault.write",
    "entities.read",
    "entities.write",
    "events.ingest",
    "events.read",
    "extensionConfigurationActions.write",
    "extensionConfigurations.read",
    "extensionConfigurations.write",
    "extensionDiscoveryJmx.read",
    "extensionDiscoveryPmi.read",
    "extensionEnvironment.read",
    "extensionEnvironment.write",
    "extensions.read",
    "extensions.write",
    "geographicRegions.read",
    "hub.install",
    "hub.read",
    "hub.write",
    "javaScriptMappingFiles.read",
    "javaScriptMappingFiles.write",
    "logs.ingest",
    "logs.read",
    "metrics.ingest",
    "metrics.read",
    "metrics.write",
    "networkZones.read",
    "networkZones.write",
    "oneAgents.read",
    "oneAgents.write",
    "openTelemetryTrace.ingest",
    "openpipeline.events",
    "openpipeline.events.custom",
    "openpipeline.events_sdlc",
    "openpipeline.events_sdlc.custom",
    "openpipeline.events_security",
    "openpipeline.events_security.custom",
    "openpipeline.events_smartscape",
    "problems.read",
    "problems.write",
    "releases.read",
    "rumCookieNames.read",
    "rumManualInsertionTags.read",
    "securityProblems.read",
    "securityProblems.write",
    "settings.read",
    "settings.write",
    "slo.read",
    "slo.write",
    "syntheticExecutions.read",
    "syntheticExecutions.write",
    "syntheticLocations.read",
    "syntheticLocations.write",
    "tenantTokenRotation.write",
    "traces.lookup",
    "unifiedAnalysis.read",
)

# A selection of those that are published, by service: what people give.
KNOWN_PLATFORM_SCOPES = (
    "api-tokens:tokens:read",
    "api-tokens:tokens:write",
    "environment-api:activegate-tokens:read",
    "environment-api:activegate-tokens:write",
    "environment-api:api-tokens:read",
    "environment-api:api-tokens:write",
    "fleet-management:activegate.connection-info:read",
    "fleet-management:activegate.tokens:create",
    "fleet-management:activegate.tokens:read",
    "fleet-management:activegate.tokens:write",
    "fleet-management:activegates:download",
    "fleet-management:container-images:read",
    "fleet-management:oneagent.connection-info:read",
    "fleet-management:oneagents:download",
    "openpipeline:logs:ingest",
    "openpipeline:metrics:ingest",
    "openpipeline:traces:ingest",
    "settings:objects:read",
    "settings:objects:write",
    "settings:schemas:read",
    "storage:bizevents:read",
    "storage:buckets:read",
    "storage:entities:read",
    "storage:events:read",
    "storage:logs:read",
    "storage:metrics:read",
    "storage:metrics:write",
    "storage:spans:read",
    "storage:system:read",
)

# What the calling token needs to manage tokens (documented).
MANAGING_SCOPES = frozenset({"apiTokens.read", "apiTokens.write"})

# How much of a scope must be that of a known one.
_CUTOFF = {False: 0.6, True: 0.92}


def unknown_scope_hint(scope: str) -> str | None:
    """A warning for an unknown scope, with the nearest known one; None for a known scope.

    Scopes of the platform are published in part only, so that an unknown one is worth a warning
    only if it is nearly a known one.
    """
    on_platform = ":" in scope
    known_scopes = KNOWN_PLATFORM_SCOPES if on_platform else KNOWN_SCOPES
    if scope in known_scopes:
        return None
    by_lower = {known.lower(): known for known in known_scopes}
    near = difflib.get_close_matches(scope.lower(), by_lower, n=1, cutoff=_CUTOFF[on_platform])
    if on_platform and not near:
        return None
    meant = f" Did you mean {by_lower[near[0]]!r}?" if near else ""
    return f"The scope {scope!r} is not a known one; Dynatrace will say whether it exists.{meant}"
