# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The authentication methods of HashiCorp Vault and OpenBao: their options and their requests."""

from __future__ import annotations

import os
import typing as t
import urllib.parse

from ansible_collections.community.dynatrace.plugins.module_utils._http.address import (
    existing_path,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
    could_be_secret,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.vault_cloud import (
    aws_credentials,
    azure_token,
)

Options = t.Mapping[str, t.Any]
Vault = t.Any  # hvac.Client

_SERVICE_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_MOUNTS = {"aws_iam": "aws"}  # others are mounted at their own name
_ONE_LINE = ("token", "secret_id", "jwt", "namespace")  # options without spaces


class _Method(t.NamedTuple):
    needs: tuple[str, ...]  # options
    parameters: t.Mapping[str, str]  # of the request, each with the option that has its value
    by_username: bool = False  # the user's name is the last part of the path


METHODS = {
    "token": _Method(("token",), {}),
    "none": _Method((), {}),
    "approle": _Method(("role_id", "secret_id"), {"role_id": "role_id", "secret_id": "secret_id"}),
    "userpass": _Method(("username", "password"), {"password": "password"}, by_username=True),
    "ldap": _Method(("username", "password"), {"password": "password"}, by_username=True),
    "jwt": _Method(("role_id", "jwt"), {"role": "role_id", "jwt": "jwt"}),
    "kubernetes": _Method(("role_id", "jwt"), {"role": "role_id", "jwt": "jwt"}),
    "azure": _Method(("role_id",), {"role": "role_id", "jwt": "jwt"}),
    "aws_iam": _Method((), {}),
    "cert": _Method(
        ("cert_auth_public_key", "cert_auth_private_key"),
        {"name": "role_id"},
    ),
}


def with_files(options: Options) -> dict[str, t.Any]:
    """The options, with the token or the JWT that a file holds.

    :raises OptionError: if a file cannot be read.
    """
    completed = dict(options)
    method = options["auth_method"]
    if method == "token" and not options["token"]:
        folder = options["token_path"] or "~"
        path = os.path.join(os.path.expanduser(folder), options["token_file"])
        completed["token"] = _content("token_file", path)
    if method == "kubernetes" and not options["jwt"]:
        completed["jwt"] = _content("jwt", _SERVICE_ACCOUNT_TOKEN)
    return completed


def check_login(options: Options) -> None:
    """:raises OptionError: if an option is missing or cannot work."""
    method = options["auth_method"]
    for option in METHODS[method].needs:
        if not options[option]:
            raise OptionError(
                f"store: {option} is missing, which auth_method {method} needs.{_hint(options)}"
            )
    for option in _ONE_LINE:
        if options[option] and not could_be_secret(options[option]):
            raise OptionError(
                f"store: {option} has a space, a line break or another character that none has. "
                "Was it cut or pasted badly?"
            )
    for option in ("cert_auth_public_key", "cert_auth_private_key"):
        existing_path(f"store: {option}", options[option])


def logs_in(options: Options) -> bool:
    return options["auth_method"] not in ("token", "none")


def login_request(options: Options, redactor: Redactor) -> t.Callable[[Vault], t.Any]:
    """The request whose answer has a token.

    :param redactor: learns the credentials that are found elsewhere than in the options.
    :raises DynatraceError: if there are no credentials of AWS or Azure.
    """
    name: str = options["auth_method"]
    mount = (options["mount_point"] or _MOUNTS.get(name, name)).strip("/")
    if name == "aws_iam":
        signed_with = aws_credentials(options)
        redactor.hide(*(Secret(signed_with[one] or "") for one in ("secret_key", "session_token")))
        return lambda vault: vault.auth.aws.iam_login(
            **signed_with, mount_point=mount, use_token=False
        )
    if name == "azure" and not options["jwt"]:
        options = {**options, "jwt": azure_token(options)}
        redactor.hide(Secret(options["jwt"]))
    path, body = _path(options, mount), _body(options)
    return lambda vault: vault.login(path, use_token=False, json=body)


def _path(options: Options, mount: str) -> str:
    path = f"/v1/auth/{urllib.parse.quote(mount)}/login"
    if METHODS[options["auth_method"]].by_username:
        path += "/" + urllib.parse.quote(options["username"], safe="")
    return path


def _body(options: Options) -> dict[str, str]:
    parameters = METHODS[options["auth_method"]].parameters
    return {name: options[option] for name, option in parameters.items() if options[option]}


def credentials(options: Options) -> str:
    """The credentials, for messages."""
    needs = METHODS[options["auth_method"]].needs
    return " and ".join(needs) or "the credentials of AWS and role_id"


def _hint(options: Options) -> str:
    if options["auth_method"] != "token":
        return ""
    folder = options["token_path"] or "~"
    path = os.path.join(folder, options["token_file"])
    return f" The environment variables VAULT_TOKEN and BAO_TOKEN and the file {path} have none."


def _content(option: str, path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip() or None
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise OptionError(f"store: {option}: {path!r} cannot be read: {reason}.") from None
