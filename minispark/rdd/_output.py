"""Writing an RDD to files, and what only a JVM could do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from minispark._typing import K, T_co, V
from minispark.errors import PySparkNotImplementedError
from minispark.kernels import output
from minispark.rdd import _arguments as arguments
from minispark.rdd._numeric import _NumericOps

if TYPE_CHECKING:
    from minispark.rdd.rdd import RDD


def _unavailable(method: str, instead: str) -> PySparkNotImplementedError:
    return PySparkNotImplementedError(
        f"RDD.{method}() needs a JVM, which minispark does not have; use {instead}",
        "NOT_IMPLEMENTED",
        {"feature": f"RDD.{method}"},
    )


_TEXT_OR_PICKLE = "saveAsTextFile() or saveAsPickleFile()"


class _OutputOps(_NumericOps[T_co]):
    """Actions that write."""

    __slots__ = ()

    def saveAsTextFile(self, path: str, compressionCodecClass: str | None = None) -> None:
        """Writes each record as a line of text, one file per partition.

        Action. The directory must not exist. A codec is named as in Hadoop:
        `org.apache.hadoop.io.compress.GzipCodec`.

        Examples
        --------
        >>> import tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "lines")
        >>> sc.parallelize(["a", "b"], 1).saveAsTextFile(path)
        >>> sorted(sc.textFile(path).collect())
        ['a', 'b']
        """
        arguments.a_string("path", path)
        raise NotImplementedError

    def saveAsPickleFile(self, path: str, batchSize: int = 10) -> None:
        """Writes the records pickled, `batchSize` together, one file per partition.

        Action. The directory must not exist; `SparkContext.pickleFile` reads it.

        Examples
        --------
        >>> import tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "records")
        >>> sc.parallelize([1, "two", (3,)]).saveAsPickleFile(path)
        >>> sorted(map(str, sc.pickleFile(path).collect()))
        ['(3,)', '1', 'two']
        """
        arguments.a_string("path", path)
        arguments.at_least("batchSize", batchSize, 0)
        raise NotImplementedError

    # -- needs a JVM -------------------------------------------------------------------

    def saveAsSequenceFile(
        self: _OutputOps[tuple[K, V]], path: str, compressionCodecClass: str | None = None
    ) -> NoReturn:
        """Not available: Hadoop's sequence files.

        Action. Raises PySparkNotImplementedError.

        Examples
        --------
        >>> sc.parallelize([(1, 2)]).saveAsSequenceFile("/tmp/x")
        Traceback (most recent call last):
            ...
        minispark.errors.PySparkNotImplementedError: ...
        """
        raise _unavailable("saveAsSequenceFile", "saveAsPickleFile()")

    def saveAsHadoopFile(
        self: _OutputOps[tuple[K, V]],
        path: str,
        outputFormatClass: str,
        keyClass: str | None = None,
        valueClass: str | None = None,
        keyConverter: str | None = None,
        valueConverter: str | None = None,
        conf: dict[str, str] | None = None,
        compressionCodecClass: str | None = None,
    ) -> NoReturn:
        """Not available: Hadoop's output formats.

        Action. Raises PySparkNotImplementedError.

        Examples
        --------
        >>> sc.parallelize([(1, 2)]).saveAsHadoopFile("/tmp/x", "a.b.Format")
        Traceback (most recent call last):
            ...
        minispark.errors.PySparkNotImplementedError: ...
        """
        raise _unavailable("saveAsHadoopFile", _TEXT_OR_PICKLE)

    def saveAsHadoopDataset(
        self: _OutputOps[tuple[K, V]],
        conf: dict[str, str],
        keyConverter: str | None = None,
        valueConverter: str | None = None,
    ) -> NoReturn:
        """Not available: Hadoop's output formats.

        Action. Raises PySparkNotImplementedError.

        Examples
        --------
        >>> sc.parallelize([(1, 2)]).saveAsHadoopDataset({})
        Traceback (most recent call last):
            ...
        minispark.errors.PySparkNotImplementedError: ...
        """
        raise _unavailable("saveAsHadoopDataset", _TEXT_OR_PICKLE)

    def saveAsNewAPIHadoopFile(
        self: _OutputOps[tuple[K, V]],
        path: str,
        outputFormatClass: str,
        keyClass: str | None = None,
        valueClass: str | None = None,
        keyConverter: str | None = None,
        valueConverter: str | None = None,
        conf: dict[str, str] | None = None,
    ) -> NoReturn:
        """Not available: Hadoop's output formats.

        Action. Raises PySparkNotImplementedError.

        Examples
        --------
        >>> sc.parallelize([(1, 2)]).saveAsNewAPIHadoopFile("/tmp/x", "a.b.Format")
        Traceback (most recent call last):
            ...
        minispark.errors.PySparkNotImplementedError: ...
        """
        raise _unavailable("saveAsNewAPIHadoopFile", _TEXT_OR_PICKLE)

    def saveAsNewAPIHadoopDataset(
        self: _OutputOps[tuple[K, V]],
        conf: dict[str, str],
        keyConverter: str | None = None,
        valueConverter: str | None = None,
    ) -> NoReturn:
        """Not available: Hadoop's output formats.

        Action. Raises PySparkNotImplementedError.

        Examples
        --------
        >>> sc.parallelize([(1, 2)]).saveAsNewAPIHadoopDataset({})
        Traceback (most recent call last):
            ...
        minispark.errors.PySparkNotImplementedError: ...
        """
        raise _unavailable("saveAsNewAPIHadoopDataset", _TEXT_OR_PICKLE)

    def toDF(self, schema: Any = None, sampleRatio: float | None = None) -> NoReturn:
        """Not available: data frames.

        Action. Raises PySparkNotImplementedError.

        Examples
        --------
        >>> sc.parallelize([(1, 2)]).toDF()
        Traceback (most recent call last):
            ...
        minispark.errors.PySparkNotImplementedError: ...
        """
        raise _unavailable("toDF", "collect() and a data frame library, e.g. pandas.DataFrame")

    # -- not yet -----------------------------------------------------------------------

    def barrier(self) -> NoReturn:
        """Not available yet: tasks of a stage that all run at the same time.

        Narrow. Raises PySparkNotImplementedError.

        Examples
        --------
        >>> sc.parallelize([1]).barrier()
        Traceback (most recent call last):
            ...
        minispark.errors.PySparkNotImplementedError: ...
        """
        raise PySparkNotImplementedError(
            "RDD.barrier() is not implemented yet; use mapPartitions() where the tasks need "
            "not wait for each other",
            "NOT_IMPLEMENTED",
        )

    def withResources(self, profile: Any) -> NoReturn:
        """Not available yet: resources for the tasks of one stage.

        Narrow. Raises PySparkNotImplementedError.

        Examples
        --------
        >>> sc.parallelize([1]).withResources(None)
        Traceback (most recent call last):
            ...
        minispark.errors.PySparkNotImplementedError: ...
        """
        raise PySparkNotImplementedError(
            "RDD.withResources() is not implemented yet; set spark.executor.cores and "
            "spark.executor.memory in the SparkConf, for all stages",
            "NOT_IMPLEMENTED",
        )

    def getResourceProfile(self) -> None:
        """The resources asked for by `withResources`: always None so far.

        Examples
        --------
        >>> sc.parallelize([1]).getResourceProfile() is None
        True
        """
        return
