# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to AWS Secrets Manager: credentials, and what a failure means."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._http.address import (
    parse_address,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    OptionError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
    printable,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import Data

Environments = t.Sequence[t.Mapping[str, str]]
Credentials = tuple[tuple[str, str], ...]  # keywords of boto3.Session

_ENDPOINT_EXAMPLE = "Give one such as https://secretsmanager.eu-central-1.amazonaws.com."
_CONNECT_TIMEOUT = 10  # seconds
_READ_TIMEOUT = 30  # seconds
_MOST_CONNECTIONS = 64  # kept open: as many as there can be workers
_LONGEST_REASON = 500  # characters

_DONE = {
    "GetSecretValue": "read",
    "DescribeSecret": "read",
    "ListSecrets": "listed",
    "CreateSecret": "written",
    "PutSecretValue": "written",
    "UpdateSecretVersionStage": "written",
    "RestoreSecret": "restored",
    "DeleteSecret": "removed",
}

_NO_CREDENTIALS = (
    "Give profile, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run on a "
    "machine with a role of its own."
)
_EXPIRED = "Get new ones, for example with aws sso login, and run again."
_UNKNOWN_KEY = (
    "See whether the access key is right, and whether the region is enabled in its account."
)
_WRONG_SIGNATURE = (
    "See whether the secret access key is that of the access key, and whether the clock of this "
    "machine is right."
)
_WRONG_REGION = "See whether region is right, and whether this machine reaches that address."
_KEY = "See whether the KMS key of the secret is enabled, and whether kms_key_id is right."
_THROTTLED = "Run again later, or with fewer workers."

_NEXT_STEP = {
    "ConnectTimeoutError": _WRONG_REGION,
    "CredentialRetrievalError": "Run the credential_process of the profile by hand to see why.",
    "DecryptionFailure": _KEY,
    "EncryptionFailure": _KEY,
    "EndpointConnectionError": _WRONG_REGION,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "IncompleteSignatureException": _WRONG_SIGNATURE,
    "InvalidClientTokenId": _UNKNOWN_KEY,
    "InvalidRegionError": "Give a region such as eu-central-1.",
    "InvalidSignatureException": _WRONG_SIGNATURE,
    "LimitExceededException": (
        "AWS keeps all versions of a secret that are younger than a day. If it has too many, run "
        "again tomorrow."
    ),
    "NoCredentialsError": _NO_CREDENTIALS,
    "NoRegionError": "Give region, or set AWS_REGION.",
    "PartialCredentialsError": _NO_CREDENTIALS,
    "ProfileNotFound": "See whether profile is right, and whether ~/.aws/config has it.",
    "RequestExpired": _WRONG_SIGNATURE,
    "SSLError": "If its certificate is signed by an authority of your own, set AWS_CA_BUNDLE.",
    "SSOTokenLoadError": _EXPIRED,
    "SignatureDoesNotMatch": _WRONG_SIGNATURE,
    "Throttling": _THROTTLED,
    "ThrottlingException": _THROTTLED,
    "TokenRetrievalError": _EXPIRED,
    "UnauthorizedSSOTokenError": _EXPIRED,
    "UnrecognizedClientException": _UNKNOWN_KEY,
}
_OTHERWISE = "See whether region and endpoint_url are right, and run again when it answers."

# Failures whose messages quote the request, its headers, or what a program of the user printed.
_UNQUOTED = {
    "CredentialRetrievalError",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "ParamValidationError",
    "SignatureDoesNotMatch",
    "ValidationException",
}


class AwsFailure(DynatraceError):
    """A request was refused or not answered.

    :param code: that of AWS, or the name of the exception of botocore.
    """

    def __init__(self, what: str, next_step: str, code: str) -> None:
        super().__init__(f"{what} {next_step}")
        self.code = code


class AwsClient:
    """Can be used by several threads: a client of boto3 may be shared, its session may not."""

    def __init__(
        self, options: t.Mapping[str, t.Any], environments: Environments, redactor: Redactor
    ) -> None:
        """Asks for credentials, so that a task without any fails before all else.

        :raises DynatraceError: if boto3, the region or the credentials are missing.
        """
        self._redactor = redactor
        endpoint_url = _parse_endpoint(options["endpoint_url"])
        chosen = _credentials(options["profile"], environments)
        try:
            session, self._client = _connected(options["region"], endpoint_url, chosen)
            _parse_endpoint(self._client.meta.endpoint_url)  # a profile can have one too
            self._hide(session.get_credentials())
        except DynatraceError:
            raise
        except Exception as error:
            raise self._failure("The store in AWS Secrets Manager cannot be used", error) from None
        self.region: str = self._client.meta.region_name

    def describe(self, name: str) -> str:
        """How messages name a secret."""
        return f"secret {name} of AWS Secrets Manager in {self.region}"

    def call(self, method: str, name: str, **parameters: t.Any) -> Data:
        """The answer of this method of the client.

        :param name: the secret that it is about, or the prefix of those that are listed.
        :raises AwsFailure: if the request is refused, not answered, or answered with nonsense.
        """
        operation = self._client.meta.method_to_api_mapping[method]
        what = f"The {self.describe(name)} cannot be {_DONE[operation]}"
        try:
            return dict(getattr(self._client, method)(**parameters))
        except Exception as error:
            # Not chained: the exceptions of botocore carry the answer, or the request.
            raise self._failure(what, error, f"secretsmanager:{operation}") from None

    def nonsense(self, name: str) -> AwsFailure:
        """The failure for an answer that lacks a part."""
        what = f"The answer about the {self.describe(name)} is not that of AWS Secrets Manager."
        return AwsFailure(what, _OTHERWISE, "Nonsense")

    def _hide(self, credentials: t.Any) -> None:
        if credentials is None:
            raise _botocore_exceptions().NoCredentialsError
        frozen = credentials.get_frozen_credentials()
        self._redactor.hide(*(Secret(one) for one in (frozen.secret_key, frozen.token) if one))

    def _failure(self, what: str, error: Exception, action: str = "") -> AwsFailure:
        code, reason = _reason(error)
        next_step = _NEXT_STEP.get(code, _OTHERWISE)
        if code.startswith("AccessDenied"):
            next_step = _permission(reason, action)
        # Hidden before it is cut, because a part of a secret would not be found.
        reason = printable(self._redactor.text(reason))[:_LONGEST_REASON].rstrip(".")
        return AwsFailure(f"{self._redactor.text(what)}: {reason}.", next_step, code)


def _reason(error: Exception) -> tuple[str, str]:
    """The code of a failure, and what it says about itself."""
    code, said = type(error).__name__, str(error)
    if isinstance(error, _botocore_exceptions().ClientError):
        answered = error.response.get("Error", {})
        code, said = str(answered.get("Code")), str(answered.get("Message"))
    return code, code if code in _UNQUOTED else f"{said} ({code})"


def _permission(reason: str, action: str) -> str:
    if "kms" in reason.lower():
        action = "kms:Decrypt and kms:GenerateDataKey with the KMS key of the secret"
    if not action:
        return _NO_CREDENTIALS
    return f"See whether the policy of these credentials allows {action}."


def _credentials(profile: str | None, environments: Environments) -> Credentials:
    """Those of the nearest source that has any. Empty: boto3 looks for them by itself."""
    if profile:
        return (("profile_name", profile),)
    for environment in environments:
        key = environment.get("AWS_ACCESS_KEY_ID")
        if key:
            secret_key = environment.get("AWS_SECRET_ACCESS_KEY", "")
            if not secret_key:
                raise OptionError(
                    "store: AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY beside it is not."
                )
            return (
                ("aws_access_key_id", key),
                ("aws_secret_access_key", secret_key),
                ("aws_session_token", environment.get("AWS_SESSION_TOKEN", "")),
            )
        named = environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE")
        if named:
            return (("profile_name", named),)
    return ()


@functools.lru_cache(maxsize=8)
def _connected(
    region: str | None, endpoint_url: str | None, credentials: Credentials
) -> tuple[t.Any, t.Any]:
    """A session and its client, which take longer to make than most requests."""
    try:
        import boto3
        import botocore.config
    except ImportError:
        raise DynatraceError(
            "The Python library boto3 is missing, which a store of type aws_secrets_manager needs "
            "(pip install boto3)."
        ) from None
    given = {name: value for name, value in credentials if value}
    session = boto3.Session(region_name=region, **given)
    config = botocore.config.Config(
        connect_timeout=_CONNECT_TIMEOUT,
        read_timeout=_READ_TIMEOUT,
        max_pool_connections=_MOST_CONNECTIONS,
        retries={"mode": "adaptive"},  # slows down all threads if AWS throttles one
    )
    return session, session.client("secretsmanager", endpoint_url=endpoint_url, config=config)


def _parse_endpoint(text: str | None) -> str | None:
    if text:
        parse_address("store: endpoint_url", text, _ENDPOINT_EXAMPLE)
    return text


def _botocore_exceptions() -> t.Any:
    import botocore.exceptions

    return botocore.exceptions
