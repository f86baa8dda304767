"""Where RDDs begin: collections, files, other RDDs; and shared variables."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from minispark.context._base import path_text
from minispark.context._files import _Files
from minispark.errors import PySparkNotImplementedError, PySparkTypeError, PySparkValueError
from minispark.plan.batches import AUTO
from minispark.plan.capture import capture
from minispark.plan.nodes import Source
from minispark.rdd._narrow import union_node
from minispark.rdd.rdd import RDD
from minispark.runtime.accumulators import Accumulator, AccumulatorParam, param_for
from minispark.runtime.broadcast import Broadcast
from minispark.runtime.call_site import call_site
from minispark.runtime.slices import read_slice, sliced

if TYPE_CHECKING:
    from minispark.context import SparkContext

# What reads files is imported where it is used: most programs need little of it (ADR 0032).

T = TypeVar("T")

#: What the JVM reads itself comes in batches of one record; see `plan.batches`.
_ALONE = 1


class _Sources(_Files):
    """Inputs become source nodes here."""

    # -- sources -----------------------------------------------------------------

    def _source(
        self, reader: Callable[[Any], Any], splits: Sequence[Any], batch: int = AUTO
    ) -> RDD[Any]:
        node = Source(self._new_rdd_id(), reader, splits, batch)
        node.info.call_site = call_site()
        node.info.scope = node.info.call_site.partition(" at ")[0]
        return RDD(node, cast("SparkContext", self))

    def parallelize(self, c: Iterable[T], numSlices: int | None = None) -> RDD[T]:
        """An RDD of the elements of a collection, copied now.

        Examples
        --------
        >>> sc.parallelize([0, 2, 3, 4, 6], 5).glom().collect()
        [[0], [2], [3], [4], [6]]
        >>> sc.parallelize(range(0, 6, 2), 5).glom().collect()
        [[], [0], [], [2], [4]]
        """
        self._assert_active()
        slices = self._slices(numSlices)
        ranges, data, batch = sliced(c, slices, self._batch_size or 1024)
        if ranges is not None:
            return self._source(iter, ranges)
        blocks = self._engine.data.store_slices(data)
        rdd: RDD[T] = self._source(read_slice, blocks, batch)
        self._engine.data.own_slices(rdd._node, blocks)
        return rdd

    def _slices(self, numSlices: Any) -> int:
        """The number of slices; whatever `int()` takes, as scripts divide to find it."""
        if numSlices is None:
            return self.defaultParallelism
        try:
            slices = int(numSlices)
        except (TypeError, ValueError, OverflowError) as error:
            raise PySparkValueError(f"numSlices: expected an integer, got {numSlices!r}") from error
        return self._partitions("numSlices", slices, slices)

    def range(
        self, start: int, end: int | None = None, step: int = 1, numSlices: int | None = None
    ) -> RDD[int]:
        """An RDD of the integers from `start` (or 0) up to, not including, `end`.

        Examples
        --------
        >>> sc.range(5).collect(), sc.range(2, 6, 2).collect()
        ([0, 1, 2, 3, 4], [2, 4])
        """
        for name, value in (("start", start), ("step", step), ("end", 0 if end is None else end)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise PySparkTypeError(f"range({name}): expected an integer, got {value!r}")
        if step == 0:
            raise PySparkValueError("range(step): must not be 0")
        numbers = range(start) if end is None else range(start, end, step)
        return self.parallelize(numbers, numSlices)

    def emptyRDD(self) -> RDD[Any]:
        """An RDD without partitions and records.

        Examples
        --------
        >>> sc.emptyRDD().collect(), sc.emptyRDD().getNumPartitions()
        ([], 0)
        """
        self._assert_active()
        return self._source(iter, ())

    def textFile(
        self, name: str, minPartitions: int | None = None, use_unicode: bool = True
    ) -> RDD[str]:
        """The lines of text files: a path, directory, glob or comma list of them.

        Files ending in .gz, .bz2, .zst or .xz are decompressed. Bytes that are
        not UTF-8 are replaced by U+FFFD; without `use_unicode` lines are the bytes.

        Examples
        --------
        >>> path = tmp_path / "sample.txt"
        >>> _ = path.write_text("Hello world!")
        >>> sc.textFile(str(path)).collect()
        ['Hello world!']
        """
        from minispark.kernels.paths import expand_paths
        from minispark.kernels.splits import compute_splits
        from minispark.kernels.text import read_text

        self._assert_active()
        least = self._partitions("minPartitions", minPartitions, self.defaultMinPartitions)
        splits = compute_splits(expand_paths(path_text("name", name)), least)
        return self._source(
            functools.partial(read_text, use_unicode=bool(use_unicode)), splits, _ALONE
        )

    def wholeTextFiles(
        self, path: str, minPartitions: int | None = None, use_unicode: bool = True
    ) -> RDD[tuple[str, str]]:
        """Pairs of (path, content), one per text file.

        Examples
        --------
        >>> _ = (tmp_path / "a.txt").write_text("alpha")
        >>> [text for _, text in sc.wholeTextFiles(str(tmp_path)).collect()]
        ['alpha']
        """
        from minispark.kernels.paths import expand_paths
        from minispark.kernels.splits import whole_file_splits
        from minispark.kernels.text import read_whole_text

        self._assert_active()
        least = self._partitions("minPartitions", minPartitions, self.defaultMinPartitions)
        splits = whole_file_splits(expand_paths(path_text("path", path), skip_nested=True), least)
        return self._source(
            functools.partial(read_whole_text, use_unicode=bool(use_unicode)), splits, _ALONE
        )

    def binaryFiles(self, path: str, minPartitions: int | None = None) -> RDD[tuple[str, bytes]]:
        """Pairs of (path, bytes), one per file.

        Examples
        --------
        >>> _ = (tmp_path / "a.bin").write_bytes(b"\\x00\\x01")
        >>> [data for _, data in sc.binaryFiles(str(tmp_path)).collect()]
        [b'\\x00\\x01']
        """
        from minispark.kernels.paths import expand_paths
        from minispark.kernels.splits import binary_file_splits
        from minispark.kernels.text import read_binary

        self._assert_active()
        least = self._partitions("minPartitions", minPartitions, self.defaultMinPartitions)
        files = expand_paths(path_text("path", path), skip_nested=True)
        splits = binary_file_splits(files, least, self.defaultParallelism)
        return self._source(read_binary, splits, _ALONE)

    def binaryRecords(self, path: str, recordLength: int) -> RDD[bytes]:
        """The records of files of fixed-length binary records.

        Examples
        --------
        >>> _ = (tmp_path / "a.bin").write_bytes(b"abcd")
        >>> sc.binaryRecords(str(tmp_path / "a.bin"), 2).collect()
        [b'ab', b'cd']
        """
        from minispark.kernels.paths import expand_paths
        from minispark.kernels.splits import record_splits
        from minispark.kernels.text import read_records

        self._assert_active()
        length = self._partitions("recordLength", recordLength, 1)
        if length < 1:
            raise PySparkValueError("recordLength: expected a positive integer, got 0")
        splits = record_splits(expand_paths(path_text("path", path)), length)
        return self._source(functools.partial(read_records, record_length=length), splits, _ALONE)

    def pickleFile(self, name: str, minPartitions: int | None = None) -> RDD[Any]:
        """An RDD saved before with `RDD.saveAsPickleFile`, here or in PySpark.

        Reading runs code that is in the files: read only what you trust.

        Examples
        --------
        >>> sc.parallelize(range(4)).saveAsPickleFile(str(tmp_path / "p"))
        >>> sorted(sc.pickleFile(str(tmp_path / "p")).collect())
        [0, 1, 2, 3]
        """
        from minispark.kernels.paths import expand_paths
        from minispark.kernels.picklefile import read_pickle
        from minispark.kernels.sequence_files import sequence_splits

        self._assert_active()
        least = self._partitions("minPartitions", minPartitions, self.defaultMinPartitions)
        splits = sequence_splits(expand_paths(path_text("name", name)), least)
        return self._source(read_pickle, splits)

    def sequenceFile(
        self,
        path: str,
        keyClass: str | None = None,
        valueClass: str | None = None,
        keyConverter: str | None = None,
        valueConverter: str | None = None,
        minSplits: int | None = None,
        batchSize: int = 0,
    ) -> RDD[tuple[Any, Any]]:
        """The pairs of Hadoop's sequence files of simple Writables.

        The files say themselves of which classes they are: `keyClass` and
        `valueClass` are not needed. Converters are Java classes and refused.

        Examples
        --------
        >>> pairs = sc.parallelize([("a", 1.5), ("b", None)]).mapValues(str)
        >>> pairs.saveAsSequenceFile(str(tmp_path / "pairs"))
        >>> sorted(sc.sequenceFile(str(tmp_path / "pairs")).collect())
        [('a', '1.5'), ('b', 'None')]
        """
        from minispark.kernels.paths import expand_paths
        from minispark.kernels.sequence_files import sequence_splits
        from minispark.kernels.sequence_pairs import read_sequence

        self._assert_active()
        for name, value in (("keyClass", keyClass), ("valueClass", valueClass)):
            if value is not None and not isinstance(value, str):
                raise PySparkTypeError(f"{name}: expected a class name, got {value!r}", "NOT_STR")
        for name, value in (("keyConverter", keyConverter), ("valueConverter", valueConverter)):
            if value is not None:
                raise PySparkNotImplementedError(
                    f"sequenceFile({name}={value!r}): converters are Java classes, and there is "
                    "no JVM here; convert with map() what is read",
                    "NOT_IMPLEMENTED",
                    {"feature": name},
                )
        least = self._partitions("minSplits", minSplits, self.defaultMinPartitions)
        splits = sequence_splits(expand_paths(path_text("path", path)), least)
        return self._source(read_sequence, splits)

    def union(self, rdds: list[RDD[T]]) -> RDD[T]:
        """One RDD of all the records of several.

        Examples
        --------
        >>> sc.union([sc.parallelize([1, 2]), sc.parallelize([3])]).collect()
        [1, 2, 3]
        """
        self._assert_active()
        if not rdds or not all(isinstance(rdd, RDD) for rdd in rdds):
            raise PySparkTypeError(f"union(rdds): expected a non-empty list of RDDs, got {rdds!r}")
        nodes = tuple(rdd._node for rdd in rdds)
        for node in nodes:
            capture(node)
        return rdds[0]._derive(union_node(self._new_rdd_id(), nodes, False))

    # -- shared variables ----------------------------------------------------------

    def broadcast(self, value: T) -> Broadcast[T]:
        """A read-only copy of a value on each node.

        Examples
        --------
        >>> table = sc.broadcast({1: 10})
        >>> sc.parallelize([1, 1]).map(lambda k: table.value[k]).collect()
        [10, 10]
        """
        self._assert_active()
        data = self._engine.data
        file = data.new_broadcast(value)
        return Broadcast(file.bid, data, file)

    def accumulator(
        self, value: T, accum_param: AccumulatorParam[T] | None = None
    ) -> Accumulator[T]:
        """A variable that tasks add to and only the driver reads.

        Examples
        --------
        >>> seen = sc.accumulator(0)
        >>> sc.parallelize([1, 2, 3]).foreach(lambda x: seen.add(x))
        >>> seen.value
        6
        """
        self._assert_active()
        return self._engine.new_accumulator(value, accum_param or param_for(value))
