"""The rules of the architecture, executed: who may import whom, which modules are pure, who writes what."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from shared.streams import Stream, render_table

ROOT = Path(__file__).parents[2]

OURS = ("shared", "services", "research", "lobflow", "bench")
MAY_IMPORT = {
    "shared": {"shared"},
    "services": {"shared"},
    "research": {"shared", "services", "research"},
    "lobflow": {"shared", "services", "research", "lobflow", "bench"},
    "bench": {"shared", "services", "research", "lobflow", "bench"},
}
IMPURE = {
    "aiohttp", "asyncio", "concurrent", "gzip", "io", "logging", "multiprocessing", "os", "pathlib", "queue",
    "random", "redis", "secrets", "select", "signal", "socket", "subprocess", "sys", "tempfile", "threading",
    "time", "uuid", "uvloop", "websockets",
}  # fmt: skip
HEAVY = {
    "features": {"pandas", "pyarrow", "sklearn", "scipy", "joblib"},
    "model": {"numba", "pandas", "pyarrow", "sklearn", "scipy", "joblib"},
    "trader": {"numba", "pandas", "pyarrow", "sklearn", "scipy", "joblib"},
    "monitor": {"numba", "pandas", "pyarrow", "sklearn", "scipy", "joblib"},
    "collector": {"pandas", "pyarrow", "sklearn", "scipy", "joblib"},
    "venue": {"pandas", "pyarrow", "sklearn", "scipy", "joblib"},
}
CLOCKS = {"now", "utcnow", "today"}  # of datetime; converting a time that was given is pure
BANNED_NAMES = {"utils", "helpers", "common", "manager", "base_service"}
FILES = sorted(path for name in OURS for path in (ROOT / name).rglob("*.py"))
SERVICES = sorted(path.name for path in (ROOT / "services").iterdir() if (path / "__init__.py").exists())


def imports(path: Path) -> set[str]:
    """Dotted names that a file imports."""
    out = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            out |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            out |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return out


def module_file(name: str) -> Path | None:
    """The file of one of our modules, or None."""
    path = ROOT / Path(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()), None)


def reached(path: Path) -> dict[str, set[str]]:
    """Every module of ours that a file imports, directly or not, with the names each imports in turn."""
    seen: dict[str, set[str]] = {}
    waiting = [path]
    while waiting:
        current = waiting.pop()
        label = str(current.relative_to(ROOT))
        if label in seen:
            continue
        seen[label] = imports(current)
        waiting += [
            file for name in seen[label] if (file := module_file(name)) and name.split(".")[0] in OURS
        ]
    return seen


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_layers(path: Path) -> None:
    parts = path.relative_to(ROOT).parts
    for name in imports(path):
        top = name.split(".")[0]
        if top not in OURS:
            continue
        own_service = parts[0] == "services" and name.split(".")[:2] == ["services", parts[1]]
        assert own_service or name == "services" or top in MAY_IMPORT[parts[0]], f"{path} imports {name}"


@pytest.mark.parametrize("service", SERVICES)
def test_cores_are_pure(service: str) -> None:
    core = ROOT / "services" / service / "core.py"
    for label, names in reached(core).items():
        impure = {name for name in names if name.split(".")[0] in IMPURE} - {"sys"}
        assert not impure, f"{label} imports {impure}"
        tree = ast.parse((ROOT / label).read_text())
        clocks = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & CLOCKS
        assert not clocks, f"{label} reads the clock: {clocks}"


@pytest.mark.parametrize("service", sorted(HEAVY))
def test_services_import_only_what_they_need(service: str) -> None:
    for label, names in reached(ROOT / "services" / service / "__main__.py").items():
        heavy = {name for name in names if name.split(".")[0] in HEAVY[service]}
        assert not heavy, f"{label} imports {heavy}"


def test_only_settings_read_the_environment() -> None:
    for path in FILES:
        reads = [
            node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
        ]
        # Starting a child hands on our environment; it reads no setting from it.
        if path.relative_to(ROOT).parts not in (("shared", "settings.py"), ("lobflow", "processes.py")):
            assert not reads, f"{path} reads the environment"


def test_no_module_is_named_for_nothing() -> None:
    assert not [path for path in FILES if path.stem in BANNED_NAMES]


def test_every_public_thing_has_a_docstring() -> None:
    for path in FILES:
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), f"{path} has no docstring"
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                is_private = node.name.startswith("_") or any(
                    (isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef) and node in parent.body)
                    or (
                        isinstance(parent, ast.ClassDef)
                        and parent.name.startswith("_")
                        and node in parent.body
                    )
                    for parent in ast.walk(tree)
                )
                is_stub = any(ast.unparse(mark) == "overload" for mark in node.decorator_list)
                assert is_private or is_stub or ast.get_docstring(node), (
                    f"{path}:{node.lineno} {node.name}: no docstring"
                )


def test_every_stream_has_a_producer_that_exists() -> None:
    assert {stream.value.producer for stream in Stream} <= set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_services_write_their_own_streams_only(service: str) -> None:
    own = {stream.name for stream in Stream if stream.value.producer == service}
    written: set[str] = set()
    for path in (ROOT / "services" / service).glob("*.py"):
        tree = ast.parse(path.read_text())
        known = named_streams(tree)
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            # publish(link, key, entries) and transform(context, core, source, target, name): the key written.
            target = {"publish": 1, "transform": 3}.get(name)
            if target is not None and len(call.args) > target:
                found = streams_in(call.args[target], known) or handed_to(tree, service)
                assert found, f"{path}:{call.lineno}: cannot tell which stream is written"
                written |= found
    assert written == own, f"{service} writes {written}"


def handed_to(tree: ast.AST, service: str) -> set[str]:
    """The streams that a service's modules hand to the classes of one module when they make them."""
    classes = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    out: set[str] = set()
    for path in (ROOT / "services" / service).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in classes:
                out |= streams_in(node, {})
    return out


def streams_in(node: ast.AST, known: dict[str, set[str]]) -> set[str]:
    """The `Stream.X` that an expression names, itself or through names that were given them."""
    out: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "Stream":
            out.add(part.attr)
        elif isinstance(part, ast.Attribute):
            out |= known.get(part.attr, set())
        elif isinstance(part, ast.Name):
            out |= known.get(part.id, set())
    return out


def named_streams(tree: ast.AST) -> dict[str, set[str]]:
    """Variables and attributes of a module -> the streams in what they were assigned."""
    known: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                label = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
                if label and (found := streams_in(node.value, {})):
                    known[label] = known.get(label, set()) | found
    return known


def test_stream_table_in_the_docs_is_the_one_in_the_code() -> None:
    assert render_table() in (ROOT / "docs" / "streams.md").read_text()
