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

# What the calling token needs to manage tokens (documented).
MANAGING_SCOPES = frozenset({"apiTokens.read", "apiTokens.write"})


def unknown_scope_hint(scope: str) -> str | None:
    """A warning for an unknown scope, with the nearest known one; None for a known scope."""
    if scope in KNOWN_SCOPES:
        return None
    by_lower = {known.lower(): known for known in KNOWN_SCOPES}
    near = difflib.get_close_matches(scope.lower(), by_lower, n=1, cutoff=0.6)
    meant = f" Did you mean {by_lower[near[0]]!r}?" if near else ""
    return f"The scope {scope!r} is not a known one; Dynatrace will say whether it exists.{meant}"
