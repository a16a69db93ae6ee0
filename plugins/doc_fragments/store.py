# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option that says where secrets are kept."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  store:
    description:
      - Where secrets are kept, on the controller. Either the path of a folder, for a file store, or
        a dictionary with O(store.type) and the options of that type. The dictionary may be JSON.
      - If not given, the environment variable E(DYNATRACE_TOKEN_STORE) is used. An empty string
        means no store.
      - If an option of a store is not given, the environment variables named below are used. The
        C(environment) of the task comes before that of the controller.
    type: raw
    suboptions:
      type:
        description:
          - The type of the store. The default is V(file) if O(store.path) is given, and no option
            of another type.
          - Each type keeps an entry for each token, which contains the secret of the token.
          - V(file) keeps each entry in a YAML file, C(PATH/ENVIRONMENT/NAME.yml), where
            C(ENVIRONMENT) is the id of the Dynatrace environment, such as V(abc12345). The other
            kinds have C(NAME.pat.yml) for a personal access token, C(NAME.platform.yml) and
            C(NAME.activegate.yml). If a name has other characters than lower case letters, digits,
            V(.), V(_) and V(-), its file gets a safe name with a checksum. Folders have mode
            V(0700), files have mode V(0600).
          - If a folder of V(file) is in a git checkout and not committed, C(git clean -fd) deletes
            the folder. C(ansible-pull --purge) deletes the whole checkout, committed files too.
          - V(hashi_vault) keeps each entry in a KV v2 engine of HashiCorp Vault or OpenBao. An
            entry is replaced only if nobody else has written it meanwhile. Requires the Python
            library C(hvac). The options are named as in the collection C(community.hashi_vault).
          - V(aws_secrets_manager) keeps each entry as a secret of AWS Secrets Manager. An entry is
            replaced only if nobody else has written it meanwhile. Requires the Python library
            C(boto3), whose sources of credentials apply. The options are named as in the collection
            C(amazon.aws). O(community.dynatrace.dynatrace_token#module:state=absent) schedules the
            deletion of the entry in 30 days. If the token is issued again before, the entry is
            restored and gets the new secret.
        type: str
        choices: [file, hashi_vault, aws_secrets_manager]
      path:
        description:
          - With O(store.type=file), the folder. A relative path is relative to the folder of the
            playbook that the play is in. Required.
          - With O(store.type=hashi_vault), the folder in the engine, by default V(dynatrace).
        type: str
      encrypt:
        description:
          - With O(store.type=file), whether the secret is encrypted with the vault secret of the
            play. All secrets in the folder of an environment have the same vault secret. An
            encrypted secret is an inline vault value that C(ansible-vault) and
            M(ansible.builtin.include_vars) can read. The default is V(true).
        type: bool
      encrypt_vault_id:
        description:
          - With O(store.type=file), the vault id of the vault secret to encrypt with, if there are
            several and C(vault_encrypt_identity) is not set.
        type: str
      allow_other_writers:
        description:
          - With O(store.type=file), whether a folder or file is accepted if another user than
            C(root) and the user who runs Ansible owns it or may write it. Such a user can replace
            or remove secrets. The default is V(false).
        type: bool
      url:
        description:
          - With O(store.type=hashi_vault), the address of the server. Or E(VAULT_ADDR) or
            E(BAO_ADDR).
        type: str
      engine_mount_point:
        description:
          - With O(store.type=hashi_vault), where the KV v2 engine is mounted, by default V(secret).
        type: str
      auth_method:
        description:
          - With O(store.type=hashi_vault), the login method, by default V(token).
        type: str
        choices: [token, none, approle, userpass, ldap, jwt, kubernetes, azure, aws_iam, cert]
      mount_point:
        description:
          - With O(store.type=hashi_vault), where O(store.auth_method) is mounted, by default at its
            own name.
        type: str
      token:
        description:
          - With O(store.auth_method=token), the token to log in with. Or E(VAULT_TOKEN) or
            E(BAO_TOKEN), or else the file O(store.token_file).
        type: str
      token_path:
        description:
          - With O(store.auth_method=token), the folder of O(store.token_file), by default the home
            of the user.
        type: path
      token_file:
        description:
          - With O(store.auth_method=token), the name of the file with the token, by default
            V(.vault-token).
        type: str
      role_id:
        description:
          - With O(store.auth_method=approle), the id of the role. With V(jwt), V(kubernetes),
            V(aws_iam), V(azure) and V(cert), the name of the role.
        type: str
      secret_id:
        description:
          - With O(store.auth_method=approle), the secret id of the role.
        type: str
      username:
        description:
          - With O(store.auth_method=userpass) and V(ldap), the user.
        type: str
      password:
        description:
          - With O(store.auth_method=userpass) and V(ldap), the password of the user.
        type: str
      jwt:
        description:
          - With O(store.auth_method=jwt), V(kubernetes) and V(azure), the JSON Web Token.
        type: str
      cert_auth_public_key:
        description:
          - With O(store.auth_method=cert), the path of the file with the client certificate, in PEM
            format. Required, and O(store.cert_auth_private_key) too. A relative path is relative to
            the folder that Ansible is started in.
        type: path
      cert_auth_private_key:
        description:
          - With O(store.auth_method=cert), the path of the file with the unencrypted private key of
            the client certificate, in PEM format. Required. If the file in
            O(store.cert_auth_public_key) contains the key too, give the same path here.
        type: path
      aws_access_key:
        description:
          - With O(store.auth_method=aws_iam), the id of the access key. Or E(AWS_ACCESS_KEY_ID).
        type: str
      aws_secret_key:
        description:
          - With O(store.auth_method=aws_iam), the secret of the access key. Or
            E(AWS_SECRET_ACCESS_KEY).
        type: str
      aws_security_token:
        description:
          - With O(store.auth_method=aws_iam), the token of the session. Or E(AWS_SESSION_TOKEN).
        type: str
      aws_profile:
        description:
          - With O(store.auth_method=aws_iam), a profile of boto3. Or E(AWS_PROFILE).
        type: str
      aws_iam_server_id:
        description:
          - With O(store.auth_method=aws_iam), the value of the header C(X-Vault-AWS-IAM-Server-ID).
        type: str
      azure_tenant_id:
        description:
          - With O(store.auth_method=azure), the id of the tenant.
        type: str
      azure_client_id:
        description:
          - With O(store.auth_method=azure), the id of the service principal or the managed
            identity.
        type: str
      azure_client_secret:
        description:
          - With O(store.auth_method=azure), the secret of the service principal.
        type: str
      azure_resource:
        description:
          - With O(store.auth_method=azure), the resource that the token is for, by default
            V(https://management.azure.com/).
        type: str
      namespace:
        description:
          - With O(store.type=hashi_vault), the namespace. Or E(VAULT_NAMESPACE) or
            E(BAO_NAMESPACE).
        type: str
      ca_cert:
        description:
          - With O(store.type=hashi_vault), a file or a folder of certificates to trust instead of
            those of the system. Or E(VAULT_CACERT) or E(BAO_CACERT).
        type: path
      validate_certs:
        description:
          - With O(store.type=hashi_vault), whether the certificate of the server is verified. The
            default is V(true).
        type: bool
      allow_http:
        description:
          - With O(store.type=hashi_vault), whether the token may be sent without TLS to another
            machine. The default is V(false).
        type: bool
      proxies:
        description:
          - With O(store.type=hashi_vault), the address of a proxy, or a dictionary with C(http) and
            C(https).
        type: raw
      retries:
        description:
          - With O(store.type=hashi_vault), how often a request is repeated if it could not connect
            or was answered with 412, 429 or 503. The default is V(0).
        type: int
      timeout:
        description:
          - With O(store.type=hashi_vault), the time limit in seconds for a connection, and for each
            part of an answer, by default V(30). Each of the O(store.retries) and the login at the
            server have this limit too.
          - Other types of stores do not have this option.
        type: float
      region:
        description:
          - With O(store.type=aws_secrets_manager), the region. Or E(AWS_REGION) or
            E(AWS_DEFAULT_REGION).
          - With O(store.auth_method=aws_iam), the region of the login. Or E(AWS_REGION).
        type: str
      profile:
        description:
          - With O(store.type=aws_secrets_manager), a profile of C(~/.aws/config), which can assume
            a role.
        type: str
      endpoint_url:
        description:
          - With O(store.type=aws_secrets_manager), another address of the service. Or
            E(AWS_ENDPOINT_URL_SECRETS_MANAGER) or E(AWS_ENDPOINT_URL).
        type: str
      name_prefix:
        description:
          - With O(store.type=aws_secrets_manager), the beginning of the names of its secrets, by
            default V(dynatrace/).
        type: str
      kms_key_id:
        description:
          - With O(store.type=aws_secrets_manager), a KMS key for new secrets.
        type: str
      tags:
        description:
          - With O(store.type=aws_secrets_manager), tags for new secrets.
        type: dict
seealso:
  - name: Stores
    description: The types of stores, their options, and the entries in them.
    link: https://github.com/ansible-collections/community.dynatrace/blob/main/docs/stores.md
"""

    PLUGIN = r"""
options:
  store:
    env:
      - name: DYNATRACE_TOKEN_STORE
    ini:
      - section: dynatrace
        key: token_store
"""
