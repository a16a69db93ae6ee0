# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection costs, beside its peers, all in one run against the stand-in.

Called by make bench.
"""

from __future__ import annotations

import pathlib
import platform
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import alone
import hosts
import key_vault
import memory
import sets
import tasks
from ansible.release import __version__


def main() -> int:
    print(f"ansible-core {__version__}, Python {platform.python_version()}")
    for part in (alone, tasks, sets, key_vault, memory, hosts):
        part.main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
