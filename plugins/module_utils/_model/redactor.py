# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must not be shown, for everything that writes text for people."""

from __future__ import annotations

from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Secret,
    scrub,
)


class Redactor:
    def __init__(self) -> None:
        self._secrets: set[Secret] = set()

    def hide(self, secret: Secret) -> None:
        """Hide this secret from now on."""
        self._secrets.add(secret)

    def text(self, text: str) -> str:
        """The text without the secrets that are to be hidden."""
        return scrub(text, tuple(self._secrets))
