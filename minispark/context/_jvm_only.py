"""What PySpark's context can only do with a JVM: named, and refused with an alternative."""

from __future__ import annotations

from typing import NoReturn

from minispark.context._profiles import _Profiles
from minispark.errors import PySparkNotImplementedError
from minispark.rdd._jvm import no_jvm

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


class _JvmOnly(_Profiles):
    """Methods that exist to say what to use instead."""

    @property
    def _jvm(self) -> NoReturn:
        raise no_jvm("SparkContext._jvm")

    @property
    def _jsc(self) -> NoReturn:
        raise no_jvm("SparkContext._jsc")

    @property
    def _gateway(self) -> NoReturn:
        raise no_jvm("SparkContext._gateway")

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
