# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets that Ansible itself keeps out of its output, from ansible-core 2.22 on."""

from __future__ import annotations

try:
    from ansible.module_utils.secrets import register_secret as mask
except ImportError:

    def mask(value: str) -> str:
        """Nothing: ansible-core before 2.22 cannot mask a secret in the output of later tasks."""
        return value


__all__ = ["mask"]
