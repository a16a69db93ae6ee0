# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import pathlib
import typing as t

import pytest

pytestmark = pytest.mark.once

PLUGINS = pathlib.Path(__file__).parents[2] / "plugins"
OWN = "ansible_collections.community.dynatrace.plugins."
FACES = ("modules", "action", "lookup", "filter", "doc_fragments")

# Lowest first. A file imports only from lines above its own; the faces come last.
# Each package, and the packages that its files may import besides their own. A file outside of a
# package is one by itself.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "module_utils/_options": (),
    "module_utils/_long_waits": (),
    "module_utils/_model": (),
    "module_utils/_plan": ("_model",),
    "module_utils/_run": ("_model", "_plan"),
    "module_utils/_http": ("_model", "_options", "_long_waits"),
    "module_utils/_api": ("_model", "_plan", "_run", "_http"),
    "module_utils/_tasks": (
        "_model",
        "_plan",
        "_run",
        "_http",
        "_api",
        "_options",
        "_long_waits",
    ),
    "plugin_utils/_resolve": ("_model", "_http", "_options"),
    "plugin_utils/_lock": ("_model", "_long_waits"),
    "plugin_utils/_masking": (),
    "plugin_utils/_findings": ("_model",),
    "plugin_utils/_stores": ("_model", "_run", "_http", "_options", "_resolve", "_lock"),
    "plugin_utils/_role": ("_model", "_http", "_options", "_resolve", "_stores"),
    "plugin_utils/_action": (
        "_model",
        "_run",
        "_http",
        "_tasks",
        "_long_waits",
        "_resolve",
        "_lock",
        "_masking",
        "_stores",
    ),
    "plugin_utils/_lookup": (
        "_model",
        "_run",
        "_http",
        "_tasks",
        "_options",
        "_resolve",
        "_masking",
        "_stores",
    ),
}
WHAT_IT_IS = {
    "_model": "what things are, in terms of nothing else",
    "_plan": "decisions, pure: no request, no clock, no Ansible",
    "_run": "reading, and carrying a plan out, through its ports",
    "_http": "requests, which know nothing of tokens",
    "_api": "one file for each API that has tokens, behind the ports of _run",
    "_stores": "one file for each type of store, behind the ports of _run",
    "_role": "what hosts ask the role for and what they get: no request, no store opened",
}


def _imports(path: pathlib.Path) -> set[str]:
    """What a file imports, as dotted names; ``from a import b`` as a.b."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


IMPORTS = {
    path.relative_to(PLUGINS).with_suffix("").as_posix(): _imports(path)
    for path in sorted(PLUGINS.rglob("*.py"))
}


def _own(imports: t.Iterable[str]) -> set[str]:
    """The files of the collection among these imports."""
    names = (name[len(OWN) :].replace(".", "/") for name in imports if name.startswith(OWN))
    return {name if name in IMPORTS else name.rpartition("/")[0] for name in names}


def _package(file: str) -> str:
    return "/".join(file.split("/")[:2])


def _is_of(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def _importers(package: str) -> list[str]:
    return [
        f"{name} imports {other}"
        for name, imports in IMPORTS.items()
        for other in sorted(imports)
        if _is_of(other, package)
    ]


def _reached_from(*files: str) -> set[str]:
    """Everything that importing these files imports of the collection, and what that imports."""
    reached: set[str] = set()
    waiting = set(files)
    while waiting:
        current = waiting.pop()
        reached |= {current} | IMPORTS[current]
        waiting |= _own(IMPORTS[current]) - reached
    return reached


@pytest.mark.parametrize("file", IMPORTS)
def test_every_file_is_in_a_package_or_a_face(file: str) -> None:
    assert _package(file) in MAY_IMPORT or file.split("/")[0] in FACES, (
        f"{file} is in no package: {WHAT_IT_IS}"
    )


@pytest.mark.parametrize("file", [file for file in IMPORTS if _package(file) in MAY_IMPORT])
def test_an_arrow_points_from_a_face_to_the_core(file: str) -> None:
    package = _package(file)
    allowed = (package.split("/")[1], *MAY_IMPORT[package])
    for other in _own(IMPORTS[file]):
        name = _package(other).rpartition("/")[2]
        assert name in allowed, (
            f"{file} imports {other}, and {package} may import {', '.join(allowed)} only. "
            f"{name} is {WHAT_IT_IS.get(name, 'a face, or close to them')}: move what is needed "
            "down, or its use up."
        )


def test_no_files_import_each_other_in_a_circle() -> None:
    assert [file for file in IMPORTS if file in _reached_from(*_own(IMPORTS[file]))] == []


def test_the_core_knows_no_ansible() -> None:
    assert [line for line in _importers("ansible") if line.startswith("module_utils/")] == []


def test_only_modules_know_ansible_module() -> None:
    assert [
        path.name
        for path in PLUGINS.rglob("*.py")
        if "AnsibleModule" in path.read_text() and path.parent.name != "modules"
    ] == []


def test_requests_is_imported_in_one_place() -> None:
    assert {line.split(" imports ")[0] for line in _importers("requests")} == {
        "module_utils/_http/requests_guard"
    }


@pytest.mark.parametrize(
    "package", ["requests", "ansible", "time", "socket", "os", "random", "secrets"]
)
def test_the_plan_is_pure(package: str) -> None:
    files = [file for file in IMPORTS if _package(file) == "module_utils/_plan"]
    assert [name for name in _reached_from(*files) if _is_of(name, package)] == []
