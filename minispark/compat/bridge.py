"""What scripts and libraries reach through PySpark's bridge to its JVM.

There is no JVM. Under `minispark run` a few questions that pools of processes
ask there, such as how many tasks run at once, have an answer; everything else
is refused by name.
"""

from __future__ import annotations

from typing import Any

from minispark.context import SparkContext
from minispark.errors import PySparkNotImplementedError

#: What scripts reach for most -> what to use instead.
_INSTEAD = {
    "hadoopConfiguration": "the environment variables of the storage (AWS_ACCESS_KEY_ID …), or "
    "paths whose file systems pyarrow or fsspec know",
    "getExecutorMemoryStatus": "statusTracker().getExecutorInfos()",
    "getPersistentRDDs": "RDD.is_cached of the RDDs themselves",
    "textFile": "textFile()",
}


class JvmBridge:
    """Stands where PySpark has the Java context: `sc._jsc`, and `sc._jsc.sc()`."""

    def __init__(self, path: str, slots: int) -> None:
        self._path = path
        self._slots = slots

    def sc(self) -> JvmBridge:
        """The same for Spark's own context in the JVM."""
        return JvmBridge(f"{self._path}.sc()", self._slots)

    def maxNumConcurrentTasks(self, profile: Any = None) -> int:
        """How many tasks run at the same time."""
        return self._slots

    def resourceProfileManager(self) -> JvmBridge:
        """Who knows the resource profiles."""
        return JvmBridge(f"{self._path}.resourceProfileManager()", self._slots)

    def resourceProfileFromId(self, number: int) -> int:
        """A profile, to be handed on to `maxNumConcurrentTasks`."""
        return number

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        instead = _INSTEAD.get(name, "what SparkContext and RDD offer themselves")
        raise PySparkNotImplementedError(
            f"{self._path}.{name} is an object of the JVM, and there is no JVM here; use {instead}",
            "NOT_IMPLEMENTED",
            {"feature": f"{self._path}.{name}"},
        )

    def __repr__(self) -> str:
        return f"<{self._path}: there is no JVM>"


def install() -> None:
    """Gives contexts the bridge, as long as `pyspark` means minispark."""
    SparkContext._jsc = property(_bridge)  # type: ignore[assignment,method-assign]
    SparkContext._gateway = None  # type: ignore[assignment,method-assign]


def remove() -> None:
    """Undoes `install`."""
    for name in ("_jsc", "_gateway"):
        if name in vars(SparkContext):
            delattr(SparkContext, name)


def _bridge(context: SparkContext) -> JvmBridge:
    return JvmBridge("sc._jsc", context._engine.num_slots)
