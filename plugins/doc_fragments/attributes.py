# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The attributes of modules, in the words of ansible-core. Each module says its support."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description:
      - Can run in C(check_mode) and return the changed status prediction without modifying the
        target.
  diff_mode:
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)), when
        in diff mode.
"""

    IDEMPOTENT = r"""
attributes:
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation
        indicates no change.
"""

    ON_CONTROLLER = r"""
attributes:
  action:
    description:
      - Indicates this has a corresponding action plugin so some parts of the options can be
        executed on the controller.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: none
"""
