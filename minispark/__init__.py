"""Spark's RDD engine for Python, without a JVM, on Ray.

>>> from minispark import SparkContext
>>> with SparkContext("local", "example") as sc:
...     sc.parallelize([1, 2, 3]).map(lambda x: x * x).sum()
14

The names are loaded when they are first asked for: an executor needs none of
them, and a program few (docs/adr/0032).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minispark.conf import SparkConf
    from minispark.context import SparkContext
    from minispark.context.threads import InheritableThread, inheritable_thread_target
    from minispark.rdd.barrier import RDDBarrier
    from minispark.rdd.rdd import RDD
    from minispark.runtime.accumulators import Accumulator, AccumulatorParam
    from minispark.runtime.barrier import BarrierTaskContext, BarrierTaskInfo
    from minispark.runtime.broadcast import Broadcast
    from minispark.runtime.files import SparkFiles
    from minispark.runtime.profiler import BasicProfiler, Profiler, UDFBasicProfiler
    from minispark.runtime.resources import (
        ExecutorResourceRequest,
        ExecutorResourceRequests,
        ResourceInformation,
        ResourceProfile,
        ResourceProfileBuilder,
        TaskResourceRequest,
        TaskResourceRequests,
    )
    from minispark.runtime.status import (
        SparkExecutorInfo,
        SparkJobInfo,
        SparkStageInfo,
        StatusTracker,
    )
    from minispark.runtime.task_context import TaskContext
    from minispark.storagelevel import StorageLevel
    from minispark.version import __version__

__all__ = [
    "RDD",
    "Accumulator",
    "AccumulatorParam",
    "BarrierTaskContext",
    "BarrierTaskInfo",
    "BasicProfiler",
    "Broadcast",
    "ExecutorResourceRequest",
    "ExecutorResourceRequests",
    "InheritableThread",
    "Profiler",
    "RDDBarrier",
    "ResourceInformation",
    "ResourceProfile",
    "ResourceProfileBuilder",
    "SparkConf",
    "SparkContext",
    "SparkExecutorInfo",
    "SparkFiles",
    "SparkJobInfo",
    "SparkStageInfo",
    "StatusTracker",
    "StorageLevel",
    "TaskContext",
    "TaskResourceRequest",
    "TaskResourceRequests",
    "UDFBasicProfiler",
    "__version__",
    "inheritable_thread_target",
]

#: Where the names are, by module.
_HOMES = {
    "conf": ("SparkConf",),
    "context": ("SparkContext",),
    "context.threads": ("InheritableThread", "inheritable_thread_target"),
    "rdd.barrier": ("RDDBarrier",),
    "rdd.rdd": ("RDD",),
    "runtime.accumulators": ("Accumulator", "AccumulatorParam"),
    "runtime.barrier": ("BarrierTaskContext", "BarrierTaskInfo"),
    "runtime.broadcast": ("Broadcast",),
    "runtime.files": ("SparkFiles",),
    "runtime.profiler": ("BasicProfiler", "Profiler", "UDFBasicProfiler"),
    "runtime.resources": (
        "ExecutorResourceRequest",
        "ExecutorResourceRequests",
        "ResourceInformation",
        "ResourceProfile",
        "ResourceProfileBuilder",
        "TaskResourceRequest",
        "TaskResourceRequests",
    ),
    "runtime.status": ("SparkExecutorInfo", "SparkJobInfo", "SparkStageInfo", "StatusTracker"),
    "runtime.task_context": ("TaskContext",),
    "storagelevel": ("StorageLevel",),
    "version": ("__version__",),
}
#: Modules that programs reach as attributes, as in `minispark.rdd.RDD`.
_MODULES = ("conf", "context", "errors", "rdd", "storagelevel", "testing", "version")


def __getattr__(name: str) -> object:
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            value: object = getattr(import_module(f"minispark.{home}"), name)
            globals()[name] = value
            return value
    if name in _MODULES:
        return import_module(f"minispark.{name}")
    raise AttributeError(f"module 'minispark' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
