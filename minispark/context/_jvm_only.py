"""What PySpark's context can only do with a JVM: named, and refused with an alternative."""

from __future__ import annotations

from typing import NoReturn

from minispark.context._sources import _Sources
from minispark.errors import PySparkNotImplementedError

_SOURCES = (
    "textFile(), sequenceFile(), binaryFiles(), binaryRecords() or pickleFile(), or read the "
    "files inside mapPartitions()"
)


def _refused(method: str, instead: str = _SOURCES) -> PySparkNotImplementedError:
    return PySparkNotImplementedError(
        f"SparkContext.{method}() needs Hadoop's Java classes, and there is no JVM here; "
        f"use {instead}",
        "NOT_IMPLEMENTED",
        {"feature": f"SparkContext.{method}"},
    )


class _JvmOnly(_Sources):
    """Methods that exist to say what to use instead."""

    def hadoopFile(
        self,
        path: str,
        inputFormatClass: str,
        keyClass: str,
        valueClass: str,
        keyConverter: str | None = None,
        valueConverter: str | None = None,
        conf: dict[str, str] | None = None,
        batchSize: int = 0,
    ) -> NoReturn:
        """Not available: Hadoop's input formats. Raises PySparkNotImplementedError."""
        raise _refused("hadoopFile")

    def hadoopRDD(
        self,
        inputFormatClass: str,
        keyClass: str,
        valueClass: str,
        keyConverter: str | None = None,
        valueConverter: str | None = None,
        conf: dict[str, str] | None = None,
        batchSize: int = 0,
    ) -> NoReturn:
        """Not available: Hadoop's input formats. Raises PySparkNotImplementedError."""
        raise _refused("hadoopRDD")

    def newAPIHadoopFile(
        self,
        path: str,
        inputFormatClass: str,
        keyClass: str,
        valueClass: str,
        keyConverter: str | None = None,
        valueConverter: str | None = None,
        conf: dict[str, str] | None = None,
        batchSize: int = 0,
    ) -> NoReturn:
        """Not available: Hadoop's input formats. Raises PySparkNotImplementedError."""
        raise _refused("newAPIHadoopFile")

    def newAPIHadoopRDD(
        self,
        inputFormatClass: str,
        keyClass: str,
        valueClass: str,
        keyConverter: str | None = None,
        valueConverter: str | None = None,
        conf: dict[str, str] | None = None,
        batchSize: int = 0,
    ) -> NoReturn:
        """Not available: Hadoop's input formats. Raises PySparkNotImplementedError."""
        raise _refused("newAPIHadoopRDD")

    def show_profiles(self) -> NoReturn:
        """Not available yet: profiles of tasks. Raises PySparkNotImplementedError."""
        raise PySparkNotImplementedError(_NO_PROFILES.format("show_profiles"), "NOT_IMPLEMENTED")

    def dump_profiles(self, path: str) -> NoReturn:
        """Not available yet: profiles of tasks. Raises PySparkNotImplementedError."""
        raise PySparkNotImplementedError(_NO_PROFILES.format("dump_profiles"), "NOT_IMPLEMENTED")


_NO_PROFILES = (
    "SparkContext.{}() is not implemented; with master 'local' tasks run on the driver's "
    "threads, so `python -m cProfile script.py` profiles them"
)
