# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Sphinx builds the site: the pages of the plugins and the role, and the guides. Used by make
docs.
"""

from __future__ import annotations

import pathlib
import posixpath
import re
import typing as t

project = "community.dynatrace"
copyright = "2026, the community.dynatrace project"
extensions = ["sphinx.ext.intersphinx", "sphinx_antsibull_ext", "myst_parser"]
highlight_language = "YAML+Jinja"
default_role = "any"
nitpicky = True

html_theme = "sphinx_ansible_theme"
html_title = "community.dynatrace"
html_theme_options = {
    "display_version": False,
    "documentation_home_url": "index.html",
    "topbar_links": {
        "GitHub": "https://github.com/ansible-collections/community.dynatrace",
        "Forum": "https://forum.ansible.com/tag/dynatrace",
    },
}
html_static_path = [str(pathlib.Path(__file__).parent / "static")]
html_css_files = ["site.css"]
html_show_sphinx = False

myst_heading_anchors = 4
# GitHub shows a block of this name as a console session.
suppress_warnings = ["misc.highlighting_failure"]

# Ansible's own documentation is not fetched, so that the pages can be built offline.
intersphinx_mapping: dict[str, tuple[str, str]] = {}
_OF_ANSIBLE = (
    r"action_plugins|ansible_collections\.ansible\.builtin\..*"
    r"|ansible_configuration_settings|common_return_values"
)
nitpick_ignore_regex = [("std:ref", _OF_ANSIBLE)]

_REPOSITORY = "https://github.com/ansible-collections/community.dynatrace/blob/main/"
_LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#]+)((?:#[^)]*)?)\)")


def _link_to_repository(app: t.Any, docname: str, source: list[str]) -> None:
    """Let links to files that are no page of the site lead to the repository. The pages lie in the
    site as they do in the repository.
    """
    if not (pathlib.Path(app.srcdir) / f"{docname}.md").is_file():
        return

    def target(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(docname), link[1]))
        if (pathlib.Path(app.srcdir) / path).is_file():
            return link[0]
        return f"]({_REPOSITORY}{path}{link[2]})"

    source[0] = _LINK.sub(target, source[0])


def setup(app: t.Any) -> None:
    app.connect("source-read", _link_to_repository)
