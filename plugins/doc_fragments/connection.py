# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  environment_url:
    description:
      - The address of the Dynatrace environment, for example V(https://abc12345.live.dynatrace.com),
        V(https://managed.example.com/e/ENVIRONMENT-ID), or that of an ActiveGate,
        V(https://activegate.example.com:9999/e/ENVIRONMENT-ID). What is often pasted behind it, V(/api/v2), is taken away.
      - V(https://abc12345.apps.dynatrace.com) works too. Access tokens are sent to V(https://abc12345.live.dynatrace.com) then, platform
        tokens and OAuth clients go through the gateway of the platform, V(/platform/classic/environment-api).
      - V(http://) is accepted for loopback addresses alone, because it would send the token in the clear; see O(allow_http).
      - If not given, the environment variable E(DYNATRACE_ENV_URL), E(DT_ENV_URL), E(DYNATRACE_ENVIRONMENT_URL) or
        E(DT_ENVIRONMENT_URL) is used, the first that is set.
    type: str
  api_token:
    description:
      - The access token that the task calls Dynatrace with. It needs the scope C(apiTokens.read), and C(apiTokens.write) to
        change anything; with O(api_version=v1), C(TenantTokenManagement).
      - A personal access token works as well, but deletes only tokens of its owner.
      - A platform token works too. It needs the scopes C(environment-api:api-tokens:read) and C(environment-api:api-tokens:write).
      - Excludes O(oauth_client_id). Credentials are taken from the first source that has any, the task, then its C(environment), then
        that of the controller. If one environment has variables of both, O(api_token) wins.
      - If not given, the environment variable E(DYNATRACE_API_TOKEN), E(DT_API_TOKEN), E(DYNATRACE_PLATFORM_TOKEN) or
        E(DT_PLATFORM_TOKEN) is used, the first that is set. So if one environment has both, an access token is used before a platform
        token.
    type: str
  api_version:
    description:
      - The version of the token API. V(v1) is for older Dynatrace Managed clusters. It has no personal access tokens to issue,
        cannot change the token that it is called with, and costs a request for each token that is looked at.
    type: str
    choices: [v1, v2]
    default: v2
  token_location:
    description:
      - Where the O(api_token) stands in a request. V(query) puts it into the address, which servers and proxies write into their logs, so
        there is a warning.
    type: str
    choices: [header, query]
    default: header
  oauth_client_id:
    description:
      - The id of an OAuth client, such as V(dt0s02.ABCDEFGH), to call Dynatrace with instead of O(api_token). It needs the scopes
        C(environment-api:api-tokens:read), and C(environment-api:api-tokens:write) to change anything.
      - If not given, the environment variable E(DT_CLIENT_ID) or E(DYNATRACE_CLIENT_ID) is used.
    type: str
  oauth_client_secret:
    description:
      - The secret of O(oauth_client_id).
      - If not given, the environment variable E(DT_CLIENT_SECRET) or E(DYNATRACE_CLIENT_SECRET) is used.
    type: str
  oauth_token_url:
    description:
      - Where the OAuth client gets its access tokens. They are kept in memory alone.
      - If not given, the environment variable E(DT_SSO_URL) is used, or else V(https://sso.dynatrace.com/sso/oauth2/token).
    type: str
  account_uuid:
    description:
      - The account of the OAuth client, which becomes the resource C(urn:dtaccount:UUID) that the access token is for. It can be
        given in that form too.
      - If not given, the environment variable E(DT_ACCOUNT_ID) or E(DYNATRACE_ACCOUNT_ID) is used.
    type: str
  allow_http:
    description:
      - Whether V(http://) is accepted for other addresses than loopback, which sends the secrets of O(api_token) and of issued tokens in
        the clear. Meant for networks that are closed otherwise.
    type: bool
    default: false
  validate_certs:
    description:
      - Whether the certificate of the server is checked. Turn this off for experiments alone.
    type: bool
    default: true
  ca_path:
    description:
      - A file or a folder of certificates in PEM form that are trusted instead of those of the system, for the single sign-on of an OAuth
        client and for a proxy that is reached over TLS too.
    type: path
  client_cert:
    description:
      - A file in PEM form with the certificate, and maybe the key, that this client proves itself with.
    type: path
  client_key:
    description:
      - A file in PEM form with the key, not encrypted, that goes with O(client_cert), if it is not in that file.
    type: path
  proxy:
    description:
      - The address of the proxy to go through, for example V(http://proxy.example.com:3128), to O(oauth_token_url) too. A user and
        password can be in it; characters such as C(@), C(#) and C(%) in them have to be percent-encoded.
      - A proxy with V(socks5h://), V(socks5://), V(socks4a://) or V(socks4://) needs the Python library PySocks.
      - If not given, the environment variables E(HTTPS_PROXY), E(HTTP_PROXY), E(ALL_PROXY) and E(NO_PROXY) count, in lower case first.
        A variable that is set and empty means no proxy, as does an empty string here.
    type: str
  timeout:
    description:
      - How many seconds to wait for a connection, and then for each part of an answer.
    type: float
    default: 30.0
  max_wait:
    description:
      - How many seconds a task goes on with requests that fail in passing, all of them together, what was spent on them
        included. V(0) tries nothing again.
      - Tried again are requests that were answered with 429, 502, 503 or 504, or not at all. The time that Dynatrace asks to
        wait is heeded, within bounds. A host that is never reached is tried four times.
    type: float
    default: 60.0
requirements:
  - requests, on the machine that talks to Dynatrace
"""

    # What holds for tasks.
    ACTION = r"""
attributes:
  async:
    description: Supports being used with the C(async) keyword.
    support: none
notes:
  - Environment variables are taken from the C(environment) of the task first, then from that of the controller.
  - On a local connection, also with C(delegate_to) V(localhost), the task runs inside the process of Ansible itself. C(become) is
    ignored there.
"""

    # What holds for plugins that Ansible itself gives their options. Of several variables that are set, it takes the last.
    PLUGIN = r"""
options:
  environment_url:
    env:
      - name: DT_ENVIRONMENT_URL
      - name: DYNATRACE_ENVIRONMENT_URL
      - name: DT_ENV_URL
      - name: DYNATRACE_ENV_URL
    ini:
      - section: dynatrace
        key: environment_url
  api_token:
    env:
      - name: DT_PLATFORM_TOKEN
      - name: DYNATRACE_PLATFORM_TOKEN
      - name: DT_API_TOKEN
      - name: DYNATRACE_API_TOKEN
  api_version:
    ini:
      - section: dynatrace
        key: api_version
  token_location:
    ini:
      - section: dynatrace
        key: token_location
  oauth_client_id:
    env:
      - name: DYNATRACE_CLIENT_ID
      - name: DT_CLIENT_ID
  oauth_client_secret:
    env:
      - name: DYNATRACE_CLIENT_SECRET
      - name: DT_CLIENT_SECRET
  oauth_token_url:
    env:
      - name: DT_SSO_URL
    ini:
      - section: dynatrace
        key: oauth_token_url
  account_uuid:
    env:
      - name: DYNATRACE_ACCOUNT_ID
      - name: DT_ACCOUNT_ID
    ini:
      - section: dynatrace
        key: account_uuid
  allow_http:
    ini:
      - section: dynatrace
        key: allow_http
  validate_certs:
    ini:
      - section: dynatrace
        key: validate_certs
  ca_path:
    ini:
      - section: dynatrace
        key: ca_path
  client_cert:
    ini:
      - section: dynatrace
        key: client_cert
  client_key:
    ini:
      - section: dynatrace
        key: client_key
  proxy:
    ini:
      - section: dynatrace
        key: proxy
  timeout:
    ini:
      - section: dynatrace
        key: timeout
  max_wait:
    ini:
      - section: dynatrace
        key: max_wait
notes:
  - Environment variables are those of the controller. A lookup does not see the C(environment) of a task.
"""
