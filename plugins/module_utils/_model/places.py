# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a token with resources belongs: which environments or which account it is for."""

from __future__ import annotations

import hashlib
import re
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError

_ENVIRONMENT = "urn:dtenvironment:"
_RESOURCE = re.compile(r"urn:(dtenvironment|dtaccount):([A-Za-z0-9][A-Za-z0-9._-]{0,99})")


def place_of(resources: t.Sequence[str], account_uuid: str) -> str:
    """The key of the place that tokens with exactly these resources share.

    :param resources: sorted.
    :returns: the id of the environment, if it is one; otherwise ``account-UUID-CHECKSUM``.
    """
    if len(resources) == 1 and resources[0].startswith(_ENVIRONMENT):
        return resources[0][len(_ENVIRONMENT) :]
    checksum = hashlib.sha256("\n".join(resources).encode()).hexdigest()[:12]
    return f"account-{account_uuid}-{checksum}"


def parse_resources(resources: t.Sequence[str] | None, environment: str) -> tuple[str, ...]:
    """The resources, sorted; by default the environment.

    :param environment: its key; empty where no address is given.
    :raises OptionError: where there are none, or one cannot be right.
    """
    if resources is None and not environment:
        raise OptionError(
            "resources: without environment_url, say which environments or account the token is "
            "for, such as urn:dtenvironment:abc12345."
        )
    if resources is None:
        return (_resource_of(environment),)
    if not resources:
        raise OptionError("resources: the list is empty. Name an environment or the account.")
    for resource in resources:
        if not _RESOURCE.fullmatch(resource):
            raise OptionError(
                f"resources: {resource!r} is neither an environment nor an account. Give such as "
                "urn:dtenvironment:abc12345 or urn:dtaccount:UUID."
            )
    return tuple(sorted(set(resources)))


def _resource_of(environment: str) -> str:
    resource = _ENVIRONMENT + environment
    if not _RESOURCE.fullmatch(resource):
        raise OptionError(
            "resources: the address in environment_url does not tell the id of the environment. "
            "Give such as urn:dtenvironment:abc12345."
        )
    return resource
