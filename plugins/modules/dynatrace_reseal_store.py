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
  - Encrypts each secret of a file store with the vault secret to encrypt with. Everything else in
    the files stays as it is, predecessors included. Dynatrace is not called.
  - Give all vault secrets that the secrets are encrypted with, and the new one. The new one is the
    one that C(encrypt_vault_id) in O(store) names, or C(vault_encrypt_identity) of Ansible's
    configuration.
  - If a secret cannot be decrypted with any of them, nothing is changed.
  - If the task is interrupted, each secret is encrypted with the old password or with the new one.
    The same task does the rest.
  - The playbook C(community.dynatrace.reseal_store) runs this module.
options:
  folders:
    description:
      - The names of the folders in the store to do this for, such as V(abc12345), if environments
        have different vault passwords. By default all of them.
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
"""

EXAMPLES = r"""
- name: Change the vault password of a store
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Encrypt every secret with the vault secret of the id new
      community.dynatrace.dynatrace_reseal_store:
        store:
          path: tokens
          encrypt_vault_id: new
"""

RETURN = r"""
resealed:
  description: The files whose secrets were encrypted anew, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [file /project/tokens/abc12345/reports.yml]
msg:
  description: How many there are.
  returned: success
  type: str
  sample: 12 secrets encrypted anew
"""
