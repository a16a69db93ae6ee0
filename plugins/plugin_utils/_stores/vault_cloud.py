# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials of AWS and Azure, with which HashiCorp Vault and OpenBao let in."""

from __future__ import annotations

import importlib
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    OptionError,
)

Options = t.Mapping[str, t.Any]

_AWS_REGION = "us-east-1"  # of the global address of STS


def aws_credentials(options: Options) -> dict[str, t.Any]:
    """What hvac signs the request to STS with: the options, or else what boto3 finds.

    :raises DynatraceError: if there are none.
    """
    found = {
        "access_key": options["aws_access_key"],
        "secret_key": options["aws_secret_key"],
        "session_token": options["aws_security_token"],
    }
    if not (found["access_key"] and found["secret_key"]):
        found = _boto3_credentials(options["aws_profile"])
    return {
        **found,
        "role": options["role_id"],
        "region": options["region"] or _AWS_REGION,
        "header_value": options["aws_iam_server_id"],
    }


def _boto3_credentials(profile: str | None) -> dict[str, t.Any]:
    boto3 = _library("boto3", "aws_iam", "aws_access_key and aws_secret_key")
    try:
        found = boto3.session.Session(profile_name=profile).get_credentials()
        frozen = found.get_frozen_credentials() if found else None
    except Exception as error:  # the library's own, and those of what it asks
        raise DynatraceError(_no_credentials("AWS", error)) from None
    if frozen is None:
        raise DynatraceError(
            "store: There are no credentials of AWS. Give aws_access_key and aws_secret_key, or "
            "aws_profile, or a role to this machine."
        )
    return {
        "access_key": frozen.access_key,
        "secret_key": frozen.secret_key,
        "session_token": frozen.token,
    }


def azure_token(options: Options) -> str:
    """A token of a service principal, if its secret is given, or else of a managed identity.

    :raises DynatraceError: if there is none.
    """
    client_id, secret = options["azure_client_id"], options["azure_client_secret"]
    tenant_id = options["azure_tenant_id"]
    if secret and not (client_id and tenant_id):
        raise OptionError(
            "store: azure_client_secret is that of a service principal. Give its azure_tenant_id "
            "and azure_client_id too."
        )
    identity = _library("azure.identity", "azure", "jwt")
    try:
        if secret:
            found = identity.ClientSecretCredential(tenant_id, client_id, secret)
        else:
            found = identity.ManagedIdentityCredential(client_id=client_id)
        token: str = found.get_token(options["azure_resource"] + "/.default").token
    except Exception as error:  # the library's own, and those of what it asks
        raise DynatraceError(_no_credentials("Azure", error)) from None
    return token


def _library(name: str, method: str, options: str) -> t.Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.replace(".", "-")
        raise DynatraceError(
            f"The Python library {package} is missing, which auth_method {method} needs without "
            f"{options} (pip install {package})."
        ) from None


def _no_credentials(whose: str, error: Exception) -> str:
    # The library's message may quote anything.
    return (
        f"store: The credentials of {whose} cannot be had ({type(error).__name__}). Nothing was "
        "done. See whether the options and this machine's identity are right."
    )
