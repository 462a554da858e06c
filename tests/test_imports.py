"""Imports point one way, and importing is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import emotrace

ROOT = Path(emotrace.__file__).parent

LAYERS: list[set[str]] = [
    {"_version", "errors", "span", "progress"},
    {"files", "models", "labels", "media"},
    {"heads"},
    {"evidence", "encoders", "datasets", "metrics", "training"},
    {"results", "hydra", "grace", "priors"},
    {"purpose", "installation", "testing", "samples"},
    {"systems", "provenance", "pipeline", "evaluation"},
    {"export", "report", "batch", "live"},
    {"server", "cli", "__main__"},
]
"""Each room may import from its own layer and from those above it in this list."""

RANK = {room: rank for rank, layer in enumerate(LAYERS) for room in layer}
APART = [
    ("hydra", {"grace", "priors"}),
    ("grace", {"hydra", "priors"}),
    ("priors", {"hydra", "grace"}),
    ("training", {"hydra", "grace", "priors", "datasets", "evidence", "media"}),
    ("encoders", {"datasets", "metrics", "training"}),
    ("evidence", {"datasets", "metrics", "training"}),
    ("datasets", {"evidence", "encoders", "hydra", "grace", "priors"}),
    ("metrics", {"media", "evidence", "encoders", "hydra", "grace", "priors"}),
    ("media", {"labels"}),
    ("labels", {"media"}),
]
"""Rooms that must not know each other although their layers would allow it."""


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path) -> set[str]:
    """Every emotrace module that a file imports, in functions too, but not those for type checkers only."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("emotrace"):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("emotrace")}
    return {name for name in found if name != "emotrace"}


MODULES = {_module(path): _imports(path) for path in sorted(ROOT.rglob("*.py"))}


def _room(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def test_every_room_has_a_layer() -> None:
    assert {room for module in MODULES if (room := _room(module))} <= set(RANK)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_one_way(module: str) -> None:
    room = _room(module)
    if room is None:
        return
    reached = {other for name in MODULES[module] if (other := _room(name)) in RANK}
    above = {other for other in reached if RANK[other] > RANK[room]}
    assert not above, f"{module} imports {above}, which lie further along the way"
    for apart, strangers in APART:
        if room == apart:
            assert not reached & strangers, f"{module} must not know {reached & strangers}"


def test_no_two_modules_import_each_other() -> None:
    # A module's own package is loaded before it in any case: that is no edge.
    edges = {
        module: {name for name in names if name in MODULES and name != module and not module.startswith(f"{name}.")}
        for module, names in MODULES.items()
    }
    state: dict[str, str] = {}

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert state.get(module) != "open", f"import cycle: {' -> '.join((*path, module))}"
        if module not in state:
            state[module] = "open"
            for other in sorted(edges[module]):
                visit(other, (*path, module))
            state[module] = "done"

    for module in sorted(edges):
        visit(module, ())


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = _python("import sys, emotrace; print(*sys.modules)").split()
    assert not {"torch", "cv2", "av", "numpy", "onnxruntime", "pydantic", "jinja2", "rich"} & set(loaded)


def test_importing_the_package_is_quick() -> None:
    code = "import time; start = time.process_time(); import emotrace; print(time.process_time() - start)"
    assert min(float(_python(code)) for _ in range(3)) < 0.15


def test_the_whole_main_job_loads_no_torch() -> None:
    assert "torch" not in _python("import sys, emotrace; emotrace.analyze; print(*sys.modules)").split()
