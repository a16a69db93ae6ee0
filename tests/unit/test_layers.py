# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import pathlib
import typing as t

import pytest

PLUGINS = pathlib.Path(__file__).parents[2] / "plugins"
OWN = "ansible_collections.community.dynatrace.plugins."
FACES = ("modules", "action", "lookup", "doc_fragments")

# Lowest first. A file imports only from lines above its own; the faces come last.
LAYERS = (
    "module_utils: _errors _scopes _options _requests",
    "module_utils: _secret _time _token",
    "module_utils: _specification _connection _store",
    "module_utils: _retirement _query _auth _oauth _session _runtime _retry",
    "module_utils: _plan",
    "module_utils: _http",
    "module_utils: _api",
    "module_utils: _api_v1 _api_v2",
    "module_utils: _find _issue _snapshot",
    "module_utils: _reconcile",
    "module_utils: _many",
    "module_utils: _report",
    "module_utils: _tasks",
    "plugin_utils: _resolve _lock _seal _entry",
    "plugin_utils: _store_file _store_hashi_vault",
    "plugin_utils: _open_store",
    "plugin_utils: _action _lookup",
)
LAYER_OF = {
    f"{folder}/{file}": number for number, (folder, files) in enumerate(layer.split(": ") for layer in LAYERS) for file in files.split()
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


IMPORTS = {path.relative_to(PLUGINS).with_suffix("").as_posix(): _imports(path) for path in sorted(PLUGINS.rglob("*.py"))}


def _own(imports: t.Iterable[str]) -> set[str]:
    return {"/".join(name[len(OWN) :].split(".")[:2]) for name in imports if name.startswith(OWN)}


def _is_of(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def _importers(package: str) -> list[str]:
    return [f"{name} imports {other}" for name, imports in IMPORTS.items() for other in sorted(imports) if _is_of(other, package)]


def _reached_from(name: str) -> set[str]:
    """Everything that importing this file imports of the collection, and what that imports."""
    reached: set[str] = set()
    waiting = {name}
    while waiting:
        current = waiting.pop()
        reached |= {current} | IMPORTS[current]
        waiting |= _own(IMPORTS[current]) - reached
    return reached


@pytest.mark.parametrize("name", IMPORTS)
def test_every_file_has_its_layer(name: str) -> None:
    assert name in LAYER_OF or name.split("/")[0] in FACES, f"{name} is in no layer: put it into the table"


@pytest.mark.parametrize("name", IMPORTS)
def test_imports_point_one_way(name: str) -> None:
    own_layer = LAYER_OF.get(name, len(LAYERS))
    assert [f"{name} imports {other}" for other in _own(IMPORTS[name]) if LAYER_OF.get(other, len(LAYERS)) >= own_layer] == []


def test_the_core_knows_no_ansible() -> None:
    assert [line for line in _importers("ansible") if line.startswith("module_utils/")] == []


def test_only_modules_know_ansible_module() -> None:
    assert [path.name for path in PLUGINS.rglob("*.py") if "AnsibleModule" in path.read_text() and path.parent.name != "modules"] == []


def test_requests_is_imported_in_one_place() -> None:
    assert {line.split(" imports ")[0] for line in _importers("requests")} == {"module_utils/_requests"}


@pytest.mark.parametrize("package", ["module_utils/_http", "module_utils/_requests", "requests", "ansible", "time", "socket", "os"])
def test_the_plan_is_pure(package: str) -> None:
    reached = {name for name in _reached_from("module_utils/_plan") if _is_of(name, package)}
    assert reached == set(), f"module_utils/_plan reaches {package}"
