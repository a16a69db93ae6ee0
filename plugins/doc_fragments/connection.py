# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that say how to reach Dynatrace."""

from __future__ import annotations

from ansible_collections.community.dynatrace.plugins.module_utils._options import (
    CALLER_OPTIONS,
    CONNECTION_ENVIRONMENT,
    CONNECTION_OPTIONS,
)


def _sources(option: str) -> str:
    """Where Ansible finds the option of a plugin that it gives its options."""
    lines = [f"  {option}:"]
    if option in CONNECTION_ENVIRONMENT:
        # If several variables are set, Ansible takes the last.
        variables = reversed(CONNECTION_ENVIRONMENT[option])
        lines += ["    env:", *(f"      - name: {name}" for name in variables)]
    if option not in CALLER_OPTIONS:
        lines += ["    ini:", "      - section: dynatrace", f"        key: {option}"]
    return "\n".join(lines)


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  environment_url:
    description:
      - The address of the Dynatrace environment, for example
        V(https://abc12345.live.dynatrace.com), V(https://managed.example.com/e/ENVIRONMENT-ID), or
        the address of an ActiveGate, V(https://activegate.example.com:9999/e/ENVIRONMENT-ID). A
        trailing V(/api/v2) is removed.
      - V(https://abc12345.apps.dynatrace.com) works too. Access tokens are then sent to
        V(https://abc12345.live.dynatrace.com). Platform tokens and OAuth clients use the gateway of
        the platform, V(/platform/classic/environment-api).
      - V(http://) is accepted only for loopback addresses, because it sends the token in the clear.
        See O(allow_http).
      - If not given, the first of the environment variables E(DYNATRACE_ENV_URL), E(DT_ENV_URL),
        E(DYNATRACE_ENVIRONMENT_URL) and E(DT_ENVIRONMENT_URL) that is set is used.
    type: str
  api_token:
    description:
      - The access token that the task calls Dynatrace with. It needs the scope C(apiTokens.read),
        and C(apiTokens.write) to change anything. With O(api_version=v1), it needs
        C(TenantTokenManagement).
      - A personal access token works too, but deletes only tokens of its owner.
      - A platform token works too. It needs the scopes C(environment-api:api-tokens:read) and
        C(environment-api:api-tokens:write), or the newer C(api-tokens:tokens:read) and
        C(api-tokens:tokens:write).
      - ActiveGate tokens need other scopes, see the guide to kinds of tokens. Platform tokens are
        not managed with a token at all, but with O(oauth_client_id).
      - >-
        Credentials are taken from the first source that has any: 1. the options of the task, 2. the
        variables in the C(environment) of the task, 3. the environment variables of the controller.
        If the variables of a source give both, O(api_token) is used.
      - Mutually exclusive with O(oauth_client_id) in the options of a task. A task that manages
        platform tokens can have both. It uses the OAuth client for platform tokens, and
        O(api_token) for tokens of other kinds.
      - If not given, the first of the environment variables E(DYNATRACE_API_TOKEN),
        E(DT_API_TOKEN), E(DYNATRACE_PLATFORM_TOKEN) and E(DT_PLATFORM_TOKEN) that is set is used.
    type: str
  api_version:
    description:
      - The version of the API for access tokens. V(v1) is for Dynatrace Managed clusters that are
        too old for V(v2). Dynatrace has deprecated V(v1) since version 1.242.
      - V(v1) requires an access token as O(api_token). It cannot issue personal access tokens, and
        cannot change the token in O(api_token) itself. Its list has only ids and names, so each
        token that the task reads costs another request.
    type: str
    choices: [v1, v2]
    default: v2
  token_location:
    description:
      - Where O(api_token) is sent in a request. V(query) puts it into the address, which servers
        and proxies write into their logs, so it causes a warning.
    type: str
    choices: [header, query]
    default: header
  oauth_client_id:
    description:
      - The id of an OAuth client, such as V(dt0s02.ABCDEFGH), to call Dynatrace with instead of
        O(api_token). It needs the scopes C(environment-api:api-tokens:read), and
        C(environment-api:api-tokens:write) to change anything.
      - If not given, the first of the environment variables E(DT_CLIENT_ID) and
        E(DYNATRACE_CLIENT_ID) that is set is used.
    type: str
  oauth_client_secret:
    description:
      - The secret of O(oauth_client_id).
      - If not given, the first of the environment variables E(DT_CLIENT_SECRET) and
        E(DYNATRACE_CLIENT_SECRET) that is set is used, also if the task gives O(oauth_client_id).
    type: str
  oauth_token_url:
    description:
      - The address where the OAuth client gets its access tokens, which are kept only in memory.
      - If not given, the environment variable E(DT_SSO_URL) is used, or else
        V(https://sso.dynatrace.com/sso/oauth2/token).
    type: str
  account_uuid:
    description:
      - The account of the OAuth client. The access token is requested for the resource
        C(urn:dtaccount:UUID). It can be given in that form too.
      - If not given, the first of the environment variables E(DT_ACCOUNT_ID) and
        E(DYNATRACE_ACCOUNT_ID) that is set is used.
    type: str
  account_url:
    description:
      - The address of the Account Management API, which has the platform tokens. The default is
        V(https://api.dynatrace.com).
    type: str
    version_added: 1.1.0
  oauth_scopes:
    description:
      - The scopes that the OAuth client asks for, instead of those that the task needs. By default,
        C(platform-token:tokens:manage) for platform tokens. The single sign-on refuses a request
        for a scope that the client does not have.
    type: list
    elements: str
    version_added: 1.1.0
  activegate_api:
    description:
      - The API that ActiveGate tokens are managed with. V(environment) is the Environment API, with
        an access token. V(fleet_management) is the API of the platform, with a platform token or an
        OAuth client. V(gateway) is the Environment API through the gateway of the platform.
      - The default is V(fleet_management) with a platform token or an OAuth client, and
        V(environment) otherwise.
    type: str
    choices: [environment, gateway, fleet_management]
    version_added: 1.1.0
  allow_http:
    description:
      - Whether V(http://) is accepted for addresses other than loopback. The secrets of
        O(api_token) and of issued tokens are then sent in the clear. Use it only in isolated
        networks.
    type: bool
    default: false
  validate_certs:
    description:
      - Whether the certificate of the server is verified. Use V(false) only for experiments.
    type: bool
    default: true
  ca_path:
    description:
      - A file or a folder of certificates in PEM format to trust instead of those of the system.
        They also apply to O(oauth_token_url), and to a proxy that is reached over TLS.
    type: path
  client_cert:
    description:
      - A file in PEM format with the client certificate. It may contain the key.
    type: path
  client_key:
    description:
      - A file in PEM format with the unencrypted key of O(client_cert), if that file does not
        contain it.
    type: path
  proxy:
    description:
      - The address of the proxy, for example V(http://proxy.example.com:3128). It also applies to
        O(oauth_token_url). It can contain a user and a password, in which characters such as C(@),
        C(#) and C(%) have to be percent-encoded.
      - A proxy with V(socks5h://), V(socks5://), V(socks4a://) or V(socks4://) needs the Python
        library PySocks.
      - If not given, the environment variables E(HTTPS_PROXY), E(HTTP_PROXY), E(ALL_PROXY) and
        E(NO_PROXY) are respected, in lower case first. A variable that is set and empty means no
        proxy, as an empty string here does.
    type: str
  timeout:
    description:
      - The time limit in seconds for a connection, and for each part of an answer.
    type: float
    default: 30.0
  max_wait:
    description:
      - The total time budget in seconds for retrying failed requests in one task, including the
        failed requests themselves. V(0) retries nothing.
      - A request is retried if it is answered with 429, 502, 503 or 504, or not at all. A host that
        is never reached is tried four times.
      - If Dynatrace asks for a wait that is longer than the rest of this time, the task fails at
        once.
    type: float
    default: 60.0
requirements:
  - Python 3.9 or newer, on the controller Python 3.11 or newer
  - requests, on the machine that talks to Dynatrace
seealso:
  - name: Connecting
    description: Addresses, credentials, environment variables, proxies, and the API v1.
    link: https://github.com/ansible-collections/community.dynatrace/blob/main/docs/ways-in.md
  - name: Troubleshooting
    description: Messages, their causes, and the next step.
    link: https://github.com/ansible-collections/community.dynatrace/blob/main/docs/troubleshooting.md
"""

    # For tasks.
    ACTION = r"""
attributes:
  action_group:
    description: Use C(group/community.dynatrace.dynatrace) in C(module_defaults) to set defaults.
    support: full
    membership: [community.dynatrace.dynatrace]
  async:
    description: Supports being used with the C(async) keyword.
    support: none
notes:
  - Environment variables are taken from the C(environment) of the task first, then from that of
    the controller.
  - On a local connection, also with C(delegate_to) V(localhost), the task runs inside the process
    of Ansible itself. C(become) is ignored there.
"""

    # For plugins that Ansible gives their options. Annotated, because ansible-test reads the plain
    # assignments of a fragment as literals.
    PLUGIN: str = "\n".join(
        [
            "options:",
            *map(_sources, CONNECTION_OPTIONS),
            "notes:",
            "  - Environment variables are those of the controller. A lookup does not see the",
            "    C(environment) of a task.",
        ]
    )
