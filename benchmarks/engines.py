"""The engines: where they are installed, with what settings, how a context opens.

Known names are `minispark`, `pyspark`, `pysparkling`, `dask` and `ideal`;
`minispark@MASTER` is minispark on another master than `local[2]`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.ideal import PROGRAMS
from benchmarks.model import Function
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parent.parent
CORES = 2

#: Settings by profile and engine; what is not named is the engine's default.
#: PySpark compares the resident memory of a Python worker, which is about
#: 50 MB before it has any data, with its limit; minispark counts the data.
SETTINGS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "default": {
        "minispark": {},
        "pyspark": {"spark.driver.memory": "2g", "spark.ui.enabled": "false"},
    },
    "spill": {
        "minispark": {"spark.executor.memory": "25m", "spark.memory.fraction": "0.6"},
        "pyspark": {
            "spark.driver.memory": "2g",
            "spark.ui.enabled": "false",
            "spark.python.worker.memory": "65m",
        },
    },
}


@dataclass(frozen=True)
class Engine:
    """One engine of a run."""

    name: str
    #: The Python it is installed in.
    python: str

    @property
    def kind(self) -> str:
        """The name without the master."""
        return self.name.partition("@")[0]

    @property
    def master(self) -> str:
        """Where it runs."""
        return self.name.partition("@")[2] or f"local[{CORES}]"

    def settings(self, profile: str) -> Mapping[str, str]:
        """What its context is configured with."""
        return SETTINGS[profile].get(self.kind, {})

    def environment(self) -> dict[str, str]:
        """Of its processes: tasks import this package, too; one thread per core for numpy.

        Bytecode is kept: installed engines have theirs, this one runs from its source.
        """
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "PYSPARK_PYTHON": self.python,
            "PYSPARK_DRIVER_PYTHON": self.python,
            "PYTHONHASHSEED": "0",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }


def function_of(kind: str, name: str) -> Function:
    """What computes a workload on an engine."""
    return PROGRAMS[name] if kind == "ideal" else WORKLOADS[name].function


def open_context(kind: str, master: str, settings: Mapping[str, str]) -> Any:
    """A context of the engine this process is for; it has `stop()`."""
    if kind == "ideal":
        from benchmarks.ideal.pair import Pair

        return Pair()
    if kind == "dask":
        from benchmarks.dask_adapter import BagContext

        return BagContext(CORES)
    if kind == "pysparkling":
        from pysparkling import Context

        return _SingleProcess(Context())
    if kind == "pyspark":
        from pyspark import SparkConf, SparkContext
    else:
        from minispark import SparkConf, SparkContext
    conf = SparkConf().setAll(list(settings.items()))
    return SparkContext(master=master, appName="benchmarks", conf=conf)


def version_of(kind: str) -> str:
    """The version of the engine this process is for."""
    if kind == "ideal":
        return "Python " + sys.version.split()[0]
    from importlib.metadata import version

    return f"{kind} {version(kind)}"


class _SingleProcess:
    """pysparkling's context with what it lacks for the workloads."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def range(self, n: int, numSlices: int) -> Any:
        """As PySpark's, for what the workloads pass."""
        return self._context.parallelize(range(n), numSlices)

    def textFile(self, path: str, minPartitions: int) -> Any:
        """The files of a directory, which pysparkling wants by pattern."""
        return self._context.textFile(f"{path}/*", minPartitions)

    def broadcast(self, value: Any) -> Any:
        """The value itself: there is one process."""
        return SimpleNamespace(value=value, destroy=lambda: None)

    def stop(self) -> None:
        """There is nothing to stop."""
