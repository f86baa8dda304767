"""Writing an RDD to files, and what only a JVM could do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import uuid4

from minispark._typing import K, T, T_co, V
from minispark.errors import PySparkNotImplementedError
from minispark.rdd import _arguments as arguments
from minispark.rdd._approximate import _ApproximateOps
from minispark.rdd._jvm import no_jvm
from minispark.runtime.task_context import TaskContext

if TYPE_CHECKING:
    from minispark.rdd.barrier import RDDBarrier
    from minispark.rdd.rdd import RDD
    from minispark.runtime.resources import ResourceProfile

# Kernels are imported where they are used: most programs need few of them (ADR 0032).


def _unavailable(method: str, instead: str) -> PySparkNotImplementedError:
    return PySparkNotImplementedError(
        f"RDD.{method}() needs a JVM, which minispark does not have; use {instead}",
        "NOT_IMPLEMENTED",
        {"feature": f"RDD.{method}"},
    )


def _codec(name: str | None) -> tuple[str | None, str]:
    if name is None:
        return None, ""
    from minispark.kernels.compression import codec_by_name

    return codec_by_name(name)


def _write_partition(
    target: str,
    token: str,
    chunks: Callable[[Iterator[Any]], Iterator[bytes]],
    suffix: str,
    codec: str | None,
    index: int,
    records: Iterator[Any],
) -> None:
    """Writes and commits one partition; each attempt has a file of its own."""
    from minispark.kernels import output

    task = TaskContext.get()
    attempt = task.taskAttemptId() if task is not None else 0
    output.write_part(target, token, index, attempt, chunks(records), suffix, codec)
    output.commit_part(target, token, index, attempt, suffix)


_TEXT_OR_PICKLE = "saveAsSequenceFile(), saveAsTextFile() or saveAsPickleFile()"


class _OutputOps(_ApproximateOps[T_co]):
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
        from minispark.kernels.output import text_chunks

        codec, suffix = _codec(compressionCodecClass)
        self._save(arguments.a_string("path", path), text_chunks, suffix, codec)

    def saveAsPickleFile(self, path: str, batchSize: int = 10) -> None:
        """Writes the records pickled, `batchSize` together, one file per partition.

        Action. The directory must not exist; `SparkContext.pickleFile` reads it, here
        and in PySpark. A `batchSize` of 0 means batches of about 64 KB.

        Examples
        --------
        >>> import tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "records")
        >>> sc.parallelize([1, "two", (3,)]).saveAsPickleFile(path)
        >>> sorted(map(str, sc.pickleFile(path).collect()))
        ['(3,)', '1', 'two']
        """
        from minispark.kernels.picklefile import pickle_chunks

        size = arguments.at_least("batchSize", batchSize, -1)
        chunks = partial(pickle_chunks, batch_size=size)
        self._save(arguments.a_string("path", path), chunks, "", None)

    def saveAsSequenceFile(
        self: _OutputOps[tuple[K, V]], path: str, compressionCodecClass: str | None = None
    ) -> None:
        """Writes pairs as Hadoop's sequence files, one file per partition.

        Action. Runs a job more, for the first pair, whose types are those of all:
        str becomes Text, int IntWritable or (above 32 bits) LongWritable, float
        DoubleWritable, bytes BytesWritable, and so for bool, None, dict and tuple.
        With a codec, such as `org.apache.hadoop.io.compress.GzipCodec`, records are
        compressed in blocks.

        Examples
        --------
        >>> import tempfile, os
        >>> path = os.path.join(tempfile.mkdtemp(), "pairs")
        >>> sc.parallelize([("a", 1), ("b", 2)]).saveAsSequenceFile(path)
        >>> sorted(sc.sequenceFile(path).collect())
        [('a', 1), ('b', 2)]
        """
        from minispark.kernels.hadoop_codecs import buffer_codec
        from minispark.kernels.output import prepare_output
        from minispark.kernels.sequence_pairs import pair_chunks, pair_classes

        target = arguments.a_string("path", path)
        codec = compressionCodecClass
        if codec is not None:
            codec = buffer_codec(arguments.a_string("compressionCodecClass", codec)).class_name
        prepare_output(target)  # refuses before the first job
        key_class, value_class = pair_classes(self.first())
        chunks = partial(
            pair_chunks, key_class=key_class, value_class=value_class, codec_name=codec
        )
        self._save(target, chunks, "", None)

    def _save(
        self,
        path: str,
        chunks: Callable[[Iterator[Any]], Iterator[bytes]],
        suffix: str,
        codec: str | None,
    ) -> None:
        """Writes all partitions; they appear together, or nothing does."""
        from minispark.kernels import output

        target, token = output.prepare_output(path), uuid4().hex
        try:
            with output.begin_job(target, token):
                self._run(partial(_write_partition, target, token, chunks, suffix, codec))
                output.commit_job(target, token, self.getNumPartitions())
        except BaseException:
            output.abort_job(target, token)
            raise

    # -- needs a JVM -------------------------------------------------------------------

    @property
    def _jrdd(self) -> NoReturn:
        raise no_jvm("RDD._jrdd")

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

    # -- how the tasks run -------------------------------------------------------------

    def barrier(self: _OutputOps[T]) -> RDDBarrier[T]:
        """This RDD, to be computed by tasks that start together and can meet.

        Narrow. The operation that follows runs in a barrier stage.

        Examples
        --------
        >>> from minispark import BarrierTaskContext
        >>> def meet(records):
        ...     BarrierTaskContext.get().barrier()
        ...     return records
        >>> sc.parallelize([1, 2], 1).barrier().mapPartitions(meet).collect()
        [1, 2]
        """
        from minispark.rdd.barrier import RDDBarrier

        return RDDBarrier(self._handle())

    def withResources(self: _OutputOps[T], profile: ResourceProfile) -> RDD[T]:
        """This RDD, computed by executors that have what a profile asks for.

        Narrow. Changes this RDD. They are started when a stage needs them, and
        stay. A profile that nothing here can satisfy fails the action.

        Examples
        --------
        >>> from minispark import ResourceProfileBuilder, TaskResourceRequests
        >>> profile = ResourceProfileBuilder().require(TaskResourceRequests().cpus(1)).build
        >>> rdd = sc.parallelize([1, 2]).withResources(profile)
        >>> rdd.getResourceProfile() is profile, rdd.collect()
        (True, [1, 2])
        """
        from minispark.runtime.resources import ResourceProfile

        if not isinstance(profile, ResourceProfile):
            raise arguments.wrong_type("profile", profile, "a ResourceProfile", "NOT_EXPECTED_TYPE")
        self._node.info.profile_id = self.ctx._use_profile(profile)
        self._node.info.resource_profile = profile
        return self._handle()

    def getResourceProfile(self) -> ResourceProfile | None:
        """What was given to `withResources`, or None.

        Examples
        --------
        >>> sc.parallelize([1]).getResourceProfile() is None
        True
        """
        profile: ResourceProfile | None = self._node.info.resource_profile
        return profile
