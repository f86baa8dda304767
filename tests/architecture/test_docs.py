"""The documentation is complete and what it shows runs."""

from __future__ import annotations

import doctest
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import minispark
from minispark.kernels.statcounter import StatCounter
from minispark.rdd.rdd import RDD

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "api").glob("*.md")),
]
#: Methods of these links of the chain concern the handle, not the records:
#: they are neither narrow nor wide and start no job.
HANDLE_MODULES = {"minispark.rdd._core"}
HANDLE_METHODS = {"getResourceProfile", "withResources"}
#: A fenced block that follows this comment is run by the tests.
RUNNABLE = re.compile(r"<!-- run -->\n```(python|pycon)\n(.*?)```", re.DOTALL)


def public_methods() -> Iterator[tuple[str, Any]]:
    """Public methods and properties of RDD with the function that defines each."""
    for name in dir(RDD):
        if name.startswith("_"):
            continue
        member = inspect.getattr_static(RDD, name)
        if isinstance(member, property):
            member = member.fget
        if inspect.isfunction(member):
            yield name, member


METHODS = list(public_methods())


@pytest.mark.parametrize(("name", "method"), METHODS, ids=[name for name, _ in METHODS])
def test_method_has_example(name: str, method: Any) -> None:
    assert doctest.DocTestParser().get_examples(inspect.getdoc(method) or ""), "no example"


@pytest.mark.parametrize(("name", "method"), METHODS, ids=[name for name, _ in METHODS])
def test_method_says_what_it_costs(name: str, method: Any) -> None:
    if method.__module__ in HANDLE_MODULES or name in HANDLE_METHODS:
        return
    lines = (inspect.getdoc(method) or "").splitlines()
    assert any(re.match(r"(Narrow|Wide|Action)\b", line) for line in lines), (
        "no line that starts with Narrow, Wide or Action"
    )


@pytest.mark.parametrize("name", [name for name, _ in METHODS])
def test_method_is_in_the_index(name: str) -> None:
    assert re.search(rf"\b{name}\b", RDD.__doc__ or ""), "not in the docstring of RDD"


def test_the_chain_is_linear() -> None:
    chain = [cls for cls in RDD.__mro__ if cls.__module__.startswith("minispark.")]
    for cls in chain:
        bases = [base for base in cls.__bases__ if base.__module__.startswith("minispark.")]
        assert len(bases) <= 1, f"{cls.__name__} has the bases {bases}"


def blocks() -> list[Any]:
    """The runnable blocks of all documents, as test parameters."""
    return [
        pytest.param(kind, text, id=f"{path.name}-{number}")
        for path in DOCUMENTS
        for number, (kind, text) in enumerate(RUNNABLE.findall(path.read_text("utf-8")), 1)
    ]


def test_readme_has_runnable_blocks() -> None:
    assert len(RUNNABLE.findall((ROOT / "README.md").read_text("utf-8"))) >= 2


@pytest.mark.parametrize(("kind", "text"), blocks())
def test_block_runs(kind: str, text: str, tmp_path: Path) -> None:
    script = tmp_path / "block.py"
    if kind == "pycon":
        # A session finds `sc` ready, as in `minispark shell`.
        (tmp_path / "session.txt").write_text(text, encoding="utf-8")
        text = (
            "import doctest, sys\n"
            "from minispark import SparkContext\n"
            "with SparkContext('local') as sc:\n"
            "    sys.exit(doctest.testfile('session.txt', module_relative=False,\n"
            "             globs={'sc': sc}, optionflags=doctest.ELLIPSIS).failed)\n"
        )
    script.write_text(text, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MASTER": "local"}
    ran = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", path.read_text("utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_architecture_names_what_exists() -> None:
    """Every name in backquotes appears in the code: a rename must reach the walk."""
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "minispark").rglob("*.py"))
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    names = re.findall(r"`([A-Za-z_.]+)(?:\([^`]*\))?`", text)
    assert len(names) > 40
    unknown = {n for n in names if not re.search(rf"\b{re.escape(n.split('.')[-1])}\b", source)}
    assert unknown == set()


def test_the_api_pages_have_every_public_name() -> None:
    pages = "\n".join(path.read_text("utf-8") for path in (ROOT / "docs" / "api").glob("*.md"))
    shown = set(re.findall(r"^::: minispark\.(\w+)$", pages, re.MULTILINE))
    assert {name for name in minispark.__all__ if not name.startswith("__")} - shown == set()


def test_the_pages_of_the_site_exist() -> None:
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    pages = re.findall(r"([\w/.-]+\.md)$", text, re.MULTILINE)
    assert len(pages) > 10
    assert [page for page in pages if not (ROOT / "docs" / page).exists()] == []


def _of_the_public_classes() -> Iterator[tuple[str, Any]]:
    for cls in PUBLIC_CLASSES:
        for name in sorted(dir(cls)):
            member = inspect.getattr_static(cls, name)
            member = getattr(member, "fget", getattr(member, "__func__", member))
            if not name.startswith("_") and inspect.isfunction(member):
                yield f"{cls.__name__}.{name}", member


#: Whose methods all have examples, as those of RDD.
PUBLIC_CLASSES = (
    minispark.Accumulator,
    minispark.AccumulatorParam,
    minispark.Broadcast,
    minispark.RDDBarrier,
    minispark.SparkConf,
    minispark.SparkFiles,
    minispark.StatusTracker,
    minispark.StorageLevel,
    StatCounter,
)
OTHERS = list(_of_the_public_classes())


@pytest.mark.parametrize(("name", "member"), OTHERS, ids=[name for name, _ in OTHERS])
def test_public_classes_have_examples(name: str, member: Any) -> None:
    assert doctest.DocTestParser().get_examples(inspect.getdoc(member) or ""), "no example"


def test_every_promise_has_its_test() -> None:
    """`reliability.md` has a row per promise, and the tests that it names are there."""
    text = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \|.*\|(.*)\|$", text, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 32))
    for number, shown_by in rows:
        assert re.search(r"`tests/[^`]*\.py`", shown_by), f"promise {number} names no test"
    named = set(re.findall(r"`(tests/[^`]*)`", text))
    assert len(named) > 30
    assert sorted(name for name in named if not (ROOT / name).exists()) == []
