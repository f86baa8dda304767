"""Who may import whom, read from the source: nothing is imported to find out."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "minispark"

#: Rows from the bottom up. A module imports from lower rows and from its own
#: entry (`plan` means the whole folder); entries of one row do not know each
#: other, except in the lowest row, whose modules are small vocabularies.
ROWS: list[list[str]] = [
    ["errors", "ambient", "ids", "conf", "storagelevel", "version", "held", "records", "_typing"],
    ["kernels", "closures"],
    ["plan"],
    ["scheduler", "storage"],
    ["shuffle"],
    ["runtime"],
    ["rdd"],
    ["context"],
    ["compat"],
    ["cli", "testing", ""],
    ["__main__"],
]
ROW_OF = {name: row for row, names in enumerate(ROWS) for name in names}

#: User-facing modules: PySpark's names are the contract there.
CAMEL_CASE_ALLOWED = {
    "conf",
    "errors",
    "plan.partitioner",
    "storagelevel",
}
CAMEL_CASE_ALLOWED_UNDER = ("rdd.", "context.", "compat.")
#: Modules outside `rdd` and `context` whose classes users hold in their hands.
CAMEL_CASE_ALLOWED |= {
    "kernels.statcounter",
    "runtime.accumulators",
    "runtime.barrier",
    "runtime.broadcast",
    "runtime.files",
    "runtime.profiler",
    "runtime.resources",
    "runtime.status",
    "runtime.task_context",
}


def modules() -> list[tuple[str, Path]]:
    """Every module as (dotted name below minispark, file); the package is `""`."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found.append((".".join(parts), path))
    return found


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Names imported anywhere, functions included, but not for the type checker."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            stack.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute here"
            assert node.module is not None
            if node.module == "minispark":
                yield from ((f"minispark.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield node.module, node.lineno
        stack.extend(ast.iter_child_nodes(node))


def entry(dotted: str) -> str:
    """The entry of ROWS that a module belongs to."""
    return dotted.partition(".")[0]


def violations(name: str, source: str) -> list[str]:
    """Imports of one module that go up or sideways."""
    found = []
    own = entry(name)
    for imported, line in imports(ast.parse(source)):
        if imported != "minispark" and not imported.startswith("minispark."):
            continue
        target = entry(imported.removeprefix("minispark").lstrip("."))
        if target not in ROW_OF:
            # `from minispark import SparkContext`: a name of the package itself.
            target = ""
        is_lower = ROW_OF[target] < ROW_OF[own] or ROW_OF[target] == ROW_OF[own] == 0
        if target != own and not is_lower:
            found.append(f"minispark/{name or '__init__'}:{line} imports {imported}")
    return found


def test_every_module_has_a_layer() -> None:
    homeless = [name for name, _ in modules() if entry(name) not in ROW_OF]
    assert homeless == [], "give them a row in ROWS, or a folder that has one"


@pytest.mark.parametrize(("name", "path"), modules(), ids=[n or "minispark" for n, _ in modules()])
def test_imports_go_down(name: str, path: Path) -> None:
    assert violations(name, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("plan.nodes", "from minispark.runtime import driver"),
        ("plan.nodes", "def f():\n    import minispark.rdd"),
        ("scheduler.dag", "from minispark.storage import memory"),
        ("rdd.rdd", "from minispark import SparkContext"),
        ("errors", "from minispark.kernels import elements"),
    ],
)
def test_the_check_sees_a_violation(name: str, source: str) -> None:
    assert len(violations(name, source)) == 1


def test_the_type_checker_may_look_up() -> None:
    source = "if TYPE_CHECKING:\n    from minispark.context import SparkContext"
    assert violations("rdd.rdd", source) == []


def test_ray_is_imported_by_its_launcher_only() -> None:
    found = []
    for name, path in modules():
        if name.startswith("runtime.launch.ray_"):
            continue
        for imported, line in imports(ast.parse(path.read_text(encoding="utf-8"))):
            if entry(imported) == "ray":
                found.append(f"{name}:{line}")
    assert found == []


@pytest.mark.parametrize("library", ["ray", "numpy", "pyarrow"])
def test_import_is_light(library: str) -> None:
    code = f"import minispark, sys; sys.exit({library!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def _is_camel(name: str) -> bool:
    bare = name.strip("_")
    return bare[:1].islower() and bare != bare.lower() and "_" not in bare


def test_camel_case_stays_with_the_users() -> None:
    found = []
    for name, path in modules():
        if name in CAMEL_CASE_ALLOWED or name.startswith(CAMEL_CASE_ALLOWED_UNDER):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            names = [node.name, *(argument.arg for argument in arguments)]
            found += [f"{name}:{node.lineno} {used}" for used in names if _is_camel(used)]
    assert found == []


@pytest.mark.parametrize(("name", "path"), modules(), ids=[n or "minispark" for n, _ in modules()])
def test_module_says_what_it_owns(name: str, path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), "no module docstring"


def _own_calls(function: ast.FunctionDef) -> Iterator[ast.Call]:
    """Calls in the function's own body; what it defines inside are its tasks."""
    stack: list[ast.AST] = list(function.body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Call):
            yield node
        stack.extend(ast.iter_child_nodes(node))


def test_no_test_sleeps() -> None:
    """A test waits for an event, never for time to pass; its tasks may sleep."""
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found += [
                    f"{path.relative_to(ROOT)}:{call.lineno}"
                    for call in _own_calls(node)
                    if ast.unparse(call.func) in {"time.sleep", "sleep"}
                ]
    assert found == []
