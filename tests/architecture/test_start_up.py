"""What a program loads before its first result: that it starts soon is kept here.

Numbers of modules, not times: those depend on the machine (`benchmarks` has them).
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import minispark

ROOT = Path(__file__).resolve().parents[2]

#: For few programs, and slow to load.
HEAVY = {
    "asyncio",
    "cProfile",
    "concurrent.futures",
    "ctypes",
    "hashlib",
    "multiprocessing",
    "numpy",
    "pandas",
    "pathlib",
    "pstats",
    "pyarrow",
    "ray",
    "secrets",
    "socket",
    "ssl",
    "statistics",
    "tarfile",
    "urllib.parse",
    "zipfile",
    "minispark.compat",
    "minispark.kernels.approximate",
    "minispark.kernels.arrow_tables",
    "minispark.kernels.compression",
    "minispark.kernels.filesystem",
    "minispark.kernels.hadoop_codecs",
    "minispark.kernels.histogram",
    "minispark.kernels.hll",
    "minispark.kernels.joins",
    "minispark.kernels.output",
    "minispark.kernels.picklefile",
    "minispark.kernels.sampling",
    "minispark.kernels.sequence_files",
    "minispark.kernels.sequence_pairs",
    "minispark.kernels.splits",
    "minispark.kernels.text",
    "minispark.kernels.writables",
    "minispark.runtime.barrier",
    "minispark.runtime.listener",
    "minispark.runtime.profiler",
    "minispark.runtime.resources",
    "minispark.shuffle.cogroup",
    "minispark.shuffle.writer",
    "minispark.testing",
}
#: A program on master `local` loaded 183 modules of ours before they were counted.
MOST_OURS = 142
MOST_OTHERS = 130
#: The driver's part of the engine.
DRIVERS = (
    "minispark.closures",
    "minispark.context",
    "minispark.plan.nodes",
    "minispark.plan.stages",
    "minispark.rdd",
    "minispark.runtime.driver",
    "minispark.scheduler.dag",
)
MOST_OF_AN_EXECUTOR = 66
_JOB = """
from minispark import SparkContext
sc = SparkContext("local", "start")
assert sc.parallelize(range(100), 2).map(lambda x: x + 1).sum() == 5050
sc.stop()
"""
_EXECUTOR = """
import json
from minispark import SparkContext
sc = SparkContext("local-process[1]", "start")
print(json.dumps(sc.parallelize([0], 1).map(lambda _: sorted(__import__("sys").modules)).first()))
sc.stop()
"""
_NAMES = "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"


def printed(program: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def loaded(program: str) -> set[str]:
    """The modules that a program has loaded at its end."""
    return printed(program + _NAMES)


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] == "minispark"}


def test_a_small_job_loads_little() -> None:
    bare = loaded("")
    modules = loaded(_JOB) - bare
    assert modules & HEAVY == set()
    assert len(ours(modules)) <= MOST_OURS
    assert len(modules - ours(modules)) <= MOST_OTHERS


def test_an_executor_loads_nothing_of_the_driver() -> None:
    modules = ours(printed(_EXECUTOR))
    assert {name for name in modules if name.startswith(DRIVERS)} == set()
    assert modules & HEAVY == set()
    assert len(modules) <= MOST_OF_AN_EXECUTOR


def test_the_package_alone_loads_nothing() -> None:
    assert ours(loaded("import minispark")) == {"minispark"}


@pytest.mark.parametrize("name", minispark.__all__)
def test_public_names_are_there(name: str) -> None:
    value = getattr(minispark, name)
    if isinstance(value, type):
        assert value.__module__ == "minispark"
        assert pickle.loads(pickle.dumps(value)) is value


def test_the_package_lists_its_names() -> None:
    assert set(minispark.__all__) <= set(dir(minispark))
    scope: dict[str, object] = {}
    exec("from minispark import *", scope)
    assert set(minispark.__all__) <= set(scope)
    with pytest.raises(AttributeError, match="no attribute 'SparkSession'"):
        minispark.SparkSession  # type: ignore[attr-defined]  # noqa: B018


def test_modules_are_reached_as_attributes() -> None:
    program = "import minispark; assert minispark.rdd.RDD is minispark.RDD; minispark.errors"
    assert "minispark.rdd.rdd" in loaded(program)
