#!/usr/bin/python
# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dynatrace_reseal_store
short_description: Change the vault password of a file store
version_added: 1.1.0
author:
  - The community.dynatrace project (@ansible-collections)
description:
  - Encrypts each secret of a file store with a new vault secret. Everything else in the files stays
    as it is, predecessors included. Dynatrace is not called.
  - Give Ansible the vault secrets that the store is encrypted with, and the new vault secret.
    C(encrypt_vault_id) in O(store), or else C(vault_encrypt_identity) in Ansible's configuration,
    names the id of the new vault secret.
  - If none of these vault secrets decrypts a secret, the task fails and changes nothing.
  - If the task is interrupted, each secret is encrypted with either the old or the new password.
    Run the same task again to finish.
  - The playbook C(community.dynatrace.reseal_store) runs this module.
options:
  folders:
    description:
      - The names of the folders in the store to change, such as V(abc12345), if environments have
        different vault passwords. By default, all folders.
    type: list
    elements: str
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
extends_documentation_fragment:
  - community.dynatrace.attributes
  - community.dynatrace.attributes.on_controller
  - community.dynatrace.store
seealso:
  - module: community.dynatrace.dynatrace_token
  - name: The file store
    description: The options and files of a file store, and the command that changes its password.
    link: https://github.com/ansible-collections/community.dynatrace/blob/main/docs/store-file.md
"""

EXAMPLES = r"""
- name: Change the vault password of a store
  hosts: localhost
  gather_facts: false
  tasks:
    # Run it with --vault-id old@prompt --vault-id new@prompt.
    - name: Encrypt every secret with the vault secret whose id is new
      community.dynatrace.dynatrace_reseal_store:
        store:
          path: tokens
          encrypt_vault_id: new
"""

RETURN = r"""
resealed:
  description: The files whose secrets were encrypted anew. In check mode, those that would be.
  returned: success
  type: list
  elements: str
  sample: [file /project/tokens/abc12345/reports.yml]
msg:
  description: The number of secrets that were encrypted anew.
  returned: success
  type: str
  sample: 12 secrets encrypted anew
"""
