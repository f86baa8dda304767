"""Spark's RDD engine for Python, without a JVM, on Ray.

>>> from minispark import SparkContext
>>> with SparkContext("local", "example") as sc:
...     sc.parallelize([1, 2, 3]).map(lambda x: x * x).sum()
14
"""

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

for _name in __all__:
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = "minispark"
del _name
