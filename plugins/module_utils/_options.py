# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of every plugin, as argument specs: the one place that names and types them."""

from __future__ import annotations

import typing as t

# The environment variables that stand in for a connection option, in order. Terraform's provider
# reads the same names. Of both kinds of tokens, an access token comes first.
CONNECTION_ENVIRONMENT = {
    "environment_url": (
        "DYNATRACE_ENV_URL",
        "DT_ENV_URL",
        "DYNATRACE_ENVIRONMENT_URL",
        "DT_ENVIRONMENT_URL",
    ),
    "api_token": (
        "DYNATRACE_API_TOKEN",
        "DT_API_TOKEN",
        "DYNATRACE_PLATFORM_TOKEN",
        "DT_PLATFORM_TOKEN",
    ),
    "oauth_client_id": ("DT_CLIENT_ID", "DYNATRACE_CLIENT_ID"),
    "oauth_client_secret": ("DT_CLIENT_SECRET", "DYNATRACE_CLIENT_SECRET"),
    "oauth_token_url": ("DT_SSO_URL",),
    "account_uuid": ("DT_ACCOUNT_ID", "DYNATRACE_ACCOUNT_ID"),
}

# Who calls Dynatrace: either the token or the client.
CALLER_OPTIONS = ("api_token", "oauth_client_id", "oauth_client_secret")

# Options of which an empty value says that there is none, whatever the environment says.
NONE_IF_EMPTY = ("proxy", "store")

STORE_ENVIRONMENT = {"store": ("DYNATRACE_TOKEN_STORE",)}

CONNECTION_OPTIONS: dict[str, dict[str, t.Any]] = {
    "environment_url": {"type": "str"},
    "api_token": {"type": "str", "no_log": True},
    "api_version": {"type": "str", "default": "v2", "choices": ["v1", "v2"]},
    "token_location": {
        "type": "str",
        "default": "header",
        "choices": ["header", "query"],
        "no_log": False,
    },
    "oauth_client_id": {"type": "str"},
    "oauth_client_secret": {"type": "str", "no_log": True},
    "oauth_token_url": {"type": "str", "no_log": False},
    "account_uuid": {"type": "str"},
    "account_url": {"type": "str"},
    "oauth_scopes": {"type": "list", "elements": "str"},
    "activegate_api": {
        "type": "str",
        "choices": ["environment", "gateway", "fleet_management"],
    },
    "allow_http": {"type": "bool", "default": False},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "proxy": {"type": "str"},
    "timeout": {"type": "float", "default": 30.0},
    "max_wait": {"type": "float", "default": 60.0},
}

KIND_OPTION = {
    "type": "str",
    "choices": ["access", "personal_access", "platform", "activegate"],
}
RESOURCES_OPTION = {"type": "list", "elements": "str"}

TOKEN_SPECIFICATION_OPTIONS: dict[str, dict[str, t.Any]] = {
    "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
    "name": {"type": "str"},
    "kind": KIND_OPTION,
    "token_id": {"type": "str", "no_log": False},
    "resources": RESOURCES_OPTION,
    "tags": {"type": "list", "elements": "str"},
    "user_uuid": {"type": "str"},
    "activegate_type": {"type": "str", "choices": ["environment", "cluster"]},
    "seed": {"type": "bool"},
    "scopes": {"type": "list", "elements": "str"},
    "scopes_mode": {"type": "str", "default": "exact", "choices": ["exact", "add", "remove"]},
    "enabled": {"type": "bool"},
    "personal_access_token": {"type": "bool", "default": False, "no_log": False},
    "expires_in": {"type": "str"},
    "expiration_date": {"type": "str"},
    "rotate": {"type": "str", "default": "never", "choices": ["never", "expiring", "always"]},
    "rotate_before": {"type": "str", "default": "7d"},
    "overlap": {"type": "str", "default": "0"},
    "delete_after": {"type": "str", "default": "0"},
    "retire": {"type": "bool", "default": True},
    "on_immutable_change": {
        "type": "str",
        "default": "fail",
        "choices": ["fail", "rotate", "ignore"],
    },
    "on_duplicates": {"type": "str", "default": "fail", "choices": ["fail", "newest", "oldest"]},
    "token": {"type": "str", "no_log": True},
    "on_missing_secret": {"type": "str", "choices": ["fail", "ignore", "rotate"], "no_log": False},
}

TOKEN_OPTIONS = {
    **CONNECTION_OPTIONS,
    **TOKEN_SPECIFICATION_OPTIONS,
    "store": {"type": "raw"},
    "reveal": {"type": "bool", "default": False},
}

TOKEN_SET_OPTIONS: dict[str, dict[str, t.Any]] = {
    **CONNECTION_OPTIONS,
    "tokens": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": TOKEN_SPECIFICATION_OPTIONS,
        "no_log": False,
    },
    "workers": {"type": "int", "default": 8},
    "purge": {"type": "bool", "default": False},
    "max_deletes": {"type": "int", "default": 10},
    "store": {"type": "raw"},
    "reveal": {"type": "bool", "default": False},
}

LOOKUP_OPTIONS: dict[str, dict[str, t.Any]] = {
    **CONNECTION_OPTIONS,
    "store": {"type": "raw"},
    "kind": KIND_OPTION,
    "resources": RESOURCES_OPTION,
    "personal_access_token": {"type": "bool", "default": False, "no_log": False},
    "verify": {"type": "bool", "default": False},
    "scopes": {"type": "list", "elements": "str"},
    "return": {"type": "str", "default": "secret", "choices": ["secret", "id", "metadata"]},
    "on_missing": {"type": "str", "default": "error", "choices": ["error", "warn", "skip"]},
}

QUERY_OPTIONS: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str"},
    "name_regex": {"type": "str"},
    "token_id": {"type": "str", "no_log": False},
    "kind": KIND_OPTION,
    "resources": RESOURCES_OPTION,
    "owner": {"type": "str"},
    "scopes": {"type": "list", "elements": "str"},
    "personal_access_token": {"type": "bool", "no_log": False},
    "enabled": {"type": "bool"},
    "expires_within": {"type": "str"},
    "unused_for": {"type": "str"},
    "token": {"type": "str", "no_log": True},
}

RESEAL_OPTIONS: dict[str, dict[str, t.Any]] = {
    "store": {"type": "raw"},
    "folders": {"type": "list", "elements": "str"},
}

TOKEN_INFO_OPTIONS = {**CONNECTION_OPTIONS, **QUERY_OPTIONS, "store": {"type": "raw"}}
