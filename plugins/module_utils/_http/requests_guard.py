# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place that imports ``requests``, so that its absence is a message and not a traceback."""

from __future__ import annotations

import importlib.util
import traceback

REQUESTS_IMPORT_ERROR: str | None
try:
    import requests
    import urllib3
    from requests.adapters import HTTPAdapter

    REQUESTS_IMPORT_ERROR = None
    URLLIB3_1 = urllib3.__version__.startswith("1.")  # type: ignore[attr-defined]
except ImportError:
    REQUESTS_IMPORT_ERROR = traceback.format_exc()
    requests = None  # type: ignore[assignment]
    URLLIB3_1 = False

    class HTTPAdapter:  # type: ignore[no-redef]
        """Stands where the real one would, so that classes built on it can be defined."""


def has_socks() -> bool:
    """Whether PySocks is installed, which ``requests`` needs for a SOCKS proxy."""
    return importlib.util.find_spec("socks") is not None


__all__ = ["REQUESTS_IMPORT_ERROR", "URLLIB3_1", "HTTPAdapter", "has_socks", "requests"]
