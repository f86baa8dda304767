"""Spark's RDD engine for Python, without a JVM, on Ray.

>>> from minispark import SparkContext
>>> with SparkContext("local", "example") as sc:
...     sc.parallelize([1, 2, 3]).map(lambda x: x * x).sum()
14
"""

from minispark.conf import SparkConf
from minispark.context import SparkContext
from minispark.rdd.rdd import RDD
from minispark.runtime.accumulators import Accumulator, AccumulatorParam
from minispark.runtime.broadcast import Broadcast
from minispark.runtime.task_context import TaskContext
from minispark.storagelevel import StorageLevel
from minispark.version import __version__

__all__ = [
    "RDD",
    "Accumulator",
    "AccumulatorParam",
    "Broadcast",
    "SparkConf",
    "SparkContext",
    "StorageLevel",
    "TaskContext",
    "__version__",
]

for _name in __all__:
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = "minispark"
del _name
