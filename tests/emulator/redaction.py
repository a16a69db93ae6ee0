# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No secret in the log of requests."""

from __future__ import annotations

import json
import re
import typing as t

_FORMAT = re.compile(r"dt0[a-z]\d\d\.[A-Z0-9]+\.[A-Z0-9]{64}")
_WORD = re.compile(r"[\w.-]+")
_SECRET_PARAMETERS = {"api-token", "client_secret"}


def redact(entry: dict[str, t.Any], known: t.Container[str]) -> dict[str, t.Any]:
    """The entry without what is known to be secret, what looks so, and what is given as such."""
    entry = entry | {
        "query": {
            name: "***" if name in _SECRET_PARAMETERS else value
            for name, value in entry["query"].items()
        }
    }
    text = _WORD.sub(lambda word: "***" if word[0] in known else word[0], json.dumps(entry))
    redacted: dict[str, t.Any] = json.loads(_FORMAT.sub("***", text))
    return redacted
