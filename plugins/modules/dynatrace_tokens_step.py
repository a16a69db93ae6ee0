#!/usr/bin/python
# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dynatrace_tokens_step
short_description: A step of the role dynatrace_tokens
version_added: 1.1.0
author:
  - The community.dynatrace project (@ansible-collections)
description:
  - An internal part of the role P(community.dynatrace.dynatrace_tokens#role), useless without it.
  - Reads the variables of the role, so that no secret is among its options. Sends no request.
options:
  step:
    description:
      - V(ask) checks the list of a host. V(gather) combines the lists of all hosts into a list for
        each environment.
      - V(receive) takes the results for the tokens of a host. V(tell) prints the summary, and fails
        if a token of the host failed.
    type: str
    choices: [ask, gather, receive, tell]
    required: true
  entry:
    description:
      - With O(step=ask), the work that the host asks for. V(retire) follows a hand-over.
    type: str
    choices: [issue, revoke, retire]
    default: issue
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
extends_documentation_fragment:
  - community.dynatrace.attributes
  - community.dynatrace.attributes.on_controller
seealso:
  - module: community.dynatrace.dynatrace_token_set
"""

EXAMPLES = r"""
- name: Check the list of this host
  community.dynatrace.dynatrace_tokens_step:
    step: ask
    entry: issue
  register: __dynatrace_tokens_own
"""

RETURN = r"""
msg:
  description: The lines of the summary, without any secret.
  returned: with O(step=tell), on one host of each environment
  type: list
  elements: str
  sample:
    - "reader (dt0c01.ST2EY72KQINMH574WMNVI7YN): unchanged"
"""
