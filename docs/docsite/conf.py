# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Sphinx builds the pages of the plugins and the role. Used by make docs."""

from __future__ import annotations

project = "community.dynatrace"
extensions = ["sphinx.ext.intersphinx", "sphinx_antsibull_ext"]
highlight_language = "YAML+Jinja"
default_role = "any"
nitpicky = True

# Ansible's own documentation is not fetched, so that the pages can be built offline.
intersphinx_mapping: dict[str, tuple[str, str]] = {}
_OF_ANSIBLE = (
    r"action_plugins|ansible_collections\.ansible\.builtin\..*"
    r"|ansible_configuration_settings|common_return_values"
)
nitpick_ignore_regex = [("std:ref", _OF_ANSIBLE)]
