# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that were to be replaced by a secret and were not, as it happens most often in CI."""

from __future__ import annotations

import re

_MASKED = "a masked value, as logs and web pages show it. Give the secret itself."
_UNSET = "a placeholder. Put the secret in its place."
_VARIABLE = "the name of a variable that nothing was put in place of. Is the variable defined here?"

# The first that matches counts. None of them matches what Dynatrace issues: letters, digits, dots,
# hyphens and underscores.
_LOOKS_LIKE = tuple(
    (re.compile(pattern, re.IGNORECASE), meaning)
    for pattern, meaning in (
        (r"""(["'`]).*\1|["'`].*|.*["'`]""", "a value with its quotes. Leave the quotes out."),
        (r"\$encrypted\$", "what AWX shows in place of a secret. Enter the secret itself."),
        (r"VALUE_SPECIFIED_IN_NO_LOG_PARAMETER", _MASKED),
        (r"[*\u2022.#_-]+|x{3,}|\[(masked|redacted|hidden)\]|\$redacted\$", _MASKED),
        (r"\$ENV:.*|\$.+|%\w+%|#\{.*\}#?|@\w+@", _VARIABLE),
        (r"\{\{.*|.*\}\}|\{%.*", "a template that was not evaluated."),
        (r"!vault.*|\$ANSIBLE_VAULT.*", "an encrypted value that was not decrypted."),
        (r"<.*>|\[.*\]|\{.*\}", _UNSET),
        (r"(file:|\.{0,2}/|~/|[a-z]:\\).*", "the path of a file. Give what the file holds."),
        (r"https?://.*", "an address. Give the secret."),
        (
            r"(api-?token|bearer|authorization)[:=]?.*",
            "a header, or a part of one. Give the secret only.",
        ),
        (
            r"((your|my|the)[-_]?)?((dynatrace|dt|api|access|admin)[-_]?)*"
            r"(token|secret)([-_]?here)?",
            _UNSET,
        ),
        (
            r"change[-_]?(me|it)|replace[-_]?me|insert.*here|todo|tbd|dummy|example|placeholder",
            _UNSET,
        ),
        (r"none|null|undefined|true|false|nil|n/a", _UNSET),
    )
)


def placeholder(text: str) -> str | None:
    """What the text looks like, if it is not a secret but a placeholder for one."""
    for pattern, meaning in _LOOKS_LIKE:
        if pattern.fullmatch(text):
            return meaning
    return None
