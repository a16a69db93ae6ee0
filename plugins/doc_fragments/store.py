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
      - Where secrets are kept, on the controller. Either the path of a folder, which is a file
        store, or a dictionary with C(type) and the options of that type, or such a dictionary as
        JSON.
      - If not given, the environment variable E(DYNATRACE_TOKEN_STORE) is used. An empty string
        means no store.
      - 'C(type: file) keeps a YAML file for each token, C(PATH/ENVIRONMENT/NAME.yml), or
        C(NAME.pat.yml) for a personal access token. If a name has other characters than lower case
        letters, digits, V(.), V(_) and V(-), its file gets a safe name with a checksum. Folders
        have mode V(0700), files have mode V(0600).'
      - A file store in a checkout goes with the checkout. C(git clean) removes it if it is not
        committed, C(ansible-pull --purge) in any case.
      - 'Options of C(type: file): C(path), a folder, relative to the folder of the playbook that
        the play is in;
        C(encrypt), by default V(true), whether the secret is encrypted with the vault secret of the
        play, as an inline vault value that C(ansible-vault) and M(ansible.builtin.include_vars)
        can read, and as the other secrets in the folder of the environment; C(encrypt_vault_id),
        the vault id of the vault secret to encrypt with, if there
        are several and C(vault_encrypt_identity) is not set; C(allow_other_writers), by default
        V(false), whether a folder or file is accepted that others than the user who runs Ansible
        and C(root) own or may write. Whoever can write it can then replace or remove secrets.'
      - 'C(type: hashi_vault) keeps a secret for each token in a KV v2 engine of HashiCorp Vault or
        OpenBao, written with check-and-set. It requires the Python library C(hvac).'
      - 'Options of C(type: hashi_vault), named as in the collection C(community.hashi_vault):
        C(url), or E(VAULT_ADDR); C(engine_mount_point), by default V(secret); C(path), the folder
        in that engine, by default V(dynatrace); C(namespace), or E(VAULT_NAMESPACE); C(ca_cert), or
        E(VAULT_CACERT), a file or a folder of certificates to trust instead of those of the system;
        C(validate_certs), by default V(true); C(allow_http), by default V(false), whether the
        token may be sent without TLS to another machine; C(proxies), an address, or a dictionary
        with C(http) and C(https); C(retries), by default V(0), how often a request is repeated
        that could not connect or was answered with 412, 429 or 503; C(timeout) in seconds, by
        default V(30).'
      - 'To log in, C(auth_method) is V(token) by default, V(none), V(approle), V(userpass),
        V(ldap), V(jwt), V(kubernetes) or V(cert). Its options are C(token), or E(VAULT_TOKEN), or
        the file C(token_file) in the folder C(token_path), by default C(~/.vault-token);
        C(role_id) and C(secret_id); C(username) and C(password); C(role_id) and C(jwt);
        C(cert_auth_public_key) and C(cert_auth_private_key). C(mount_point) says where the method
        is mounted, by default at its own name.'
      - 'The variables E(ANSIBLE_HASHI_VAULT_ADDR) and so on work too, the variables of Ansible
        C(ansible_hashi_vault_addr) and so on, and E(BAO_ADDR), E(BAO_TOKEN), E(BAO_NAMESPACE) and
        E(BAO_CACERT).'
      - 'C(type: aws_secrets_manager) keeps a secret for each token in AWS Secrets Manager, replaced
        only if nobody else has written it meanwhile. It requires the Python library C(boto3), whose
        sources of credentials apply. C(state=absent) schedules the deletion of the secret in 30
        days; until then, C(state=present) restores it.'
      - 'Options of C(type: aws_secrets_manager), named as in the collection C(amazon.aws):
        C(region), or E(AWS_REGION); C(profile), a profile of C(~/.aws/config), which can assume a
        role; C(name_prefix), the beginning of the names of its secrets, by default V(dynatrace/);
        C(kms_key_id), a KMS key for new secrets; C(tags), a dictionary of tags for new secrets;
        C(endpoint_url), another address of the service, or E(AWS_ENDPOINT_URL).'
    type: raw
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
