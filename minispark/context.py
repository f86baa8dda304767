"""`SparkContext`: where RDDs begin, and what runs their actions.

The user-facing side of `minispark.runtime.engine`: it checks arguments, turns
inputs into source nodes and actions into jobs. It holds no machinery itself.
"""

from __future__ import annotations

import atexit
import functools
import getpass
import itertools
import os
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, ClassVar, TypeVar

from minispark.conf import SparkConf
from minispark.errors import (
    PySparkRuntimeError,
    PySparkTypeError,
    PySparkValueError,
)
from minispark.ids import RddId, ShuffleId
from minispark.kernels.aggregate import to_list
from minispark.kernels.paths import expand_paths
from minispark.kernels.picklefile import pickle_splits, read_pickle
from minispark.kernels.splits import (
    binary_file_splits,
    compute_splits,
    record_splits,
    whole_file_splits,
)
from minispark.kernels.text import read_binary, read_records, read_text, read_whole_text
from minispark.plan.capture import capture
from minispark.plan.nodes import AlignedUnion, Node, Source, Union
from minispark.plan.spec import Point
from minispark.rdd.rdd import RDD
from minispark.runtime.accumulators import Accumulator, AccumulatorParam, param_for
from minispark.runtime.broadcast import Broadcast
from minispark.runtime.call_site import call_site
from minispark.runtime.checkpoints import Checkpoints
from minispark.runtime.engine import Engine
from minispark.runtime.masters import parse_master
from minispark.runtime.properties import LocalProperties, checked_tag
from minispark.runtime.slices import read_slice, sliced
from minispark.version import __version__

T = TypeVar("T")
U = TypeVar("U")

_DEFAULT_MASTER = "local[*]"


class SparkContext:
    """The connection to the executors; one at a time in a process.

    Parameters
    ----------
    master
        `local`, `local[N]`, `local[*]` (default), `local-process[N]`, or the
        address of a Ray cluster.
    appName
        Shown in messages.
    conf
        Settings; `master` and `appName` win over it.

    Examples
    --------
    >>> sc.parallelize([1, 2, 3]).map(lambda x: x * x).sum()
    14
    """

    _active_spark_context: ClassVar[SparkContext | None] = None
    _lock: ClassVar[Any] = threading.RLock()

    PACKAGE_EXTENSIONS: ClassVar[Iterable[str]] = (".zip", ".egg", ".jar")

    def __init__(
        self,
        master: str | None = None,
        appName: str | None = None,
        sparkHome: str | None = None,
        pyFiles: list[str] | None = None,
        environment: dict[str, Any] | None = None,
        batchSize: int = 0,
        serializer: Any = None,
        conf: SparkConf | None = None,
        gateway: Any = None,
        jsc: Any = None,
        profiler_cls: Any = None,
        udf_profiler_cls: Any = None,
        memory_profiler_cls: Any = None,
    ) -> None:
        if isinstance(master, SparkConf):
            raise PySparkTypeError(
                "SparkContext(master): expected a string, got a SparkConf; pass conf="
            )
        with SparkContext._lock:
            active = SparkContext._active_spark_context
            if active is not None:
                raise PySparkValueError(
                    "Cannot run multiple SparkContexts at once; existing SparkContext"
                    f"(app={active.appName}, master={active.master}) created by {active._made_at}",
                    "CONTEXT_ALREADY_EXISTS",
                )
            self._conf = conf.copy() if conf is not None else SparkConf()
            if master is not None:
                self._conf.setMaster(master)
            if appName is not None:
                self._conf.setAppName(appName)
            for key, value in (environment or {}).items():
                self._conf.setExecutorEnv(key, str(value))
            self._conf.setIfMissing("spark.master", _DEFAULT_MASTER)
            self._conf.setIfMissing("spark.app.name", "minispark")
            self.environment = dict(environment or {})
            self._batch_size = batchSize
            self._made_at: str = call_site()
            self.startTime = int(time.time() * 1000)
            self._application_id = f"local-{self.startTime}-{uuid.uuid4().hex[:6]}"
            self._conf.set("spark.app.id", self._application_id)
            self._engine = Engine(parse_master(self.master), self._conf, self._application_id)
            self._checkpoints = Checkpoints(self._engine)
            self._properties = LocalProperties()
            SparkContext._active_spark_context = self
        atexit.register(_stop_at_exit, weakref.ref(self))

    # -- life ------------------------------------------------------------------

    @classmethod
    def getOrCreate(cls, conf: SparkConf | None = None) -> SparkContext:
        """The active context, or a new one.

        Examples
        --------
        >>> SparkContext.getOrCreate() is sc
        True
        """
        with SparkContext._lock:
            if SparkContext._active_spark_context is None:
                SparkContext(conf=conf or SparkConf())
            assert SparkContext._active_spark_context is not None
            return SparkContext._active_spark_context

    def stop(self) -> None:
        """Ends the context, its executors and all it wrote; may be called twice."""
        self._engine.stop("the SparkContext was stopped")
        with SparkContext._lock:
            if SparkContext._active_spark_context is self:
                SparkContext._active_spark_context = None

    def __enter__(self) -> SparkContext:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<SparkContext master={self.master} appName={self.appName}>"

    def __reduce__(self) -> Any:
        raise PySparkRuntimeError(
            "It appears that you are attempting to reference SparkContext from a broadcast "
            "variable, action, or transformation. SparkContext can only be used on the driver, "
            "not in code that it runs on executors. See SPARK-5063.",
            "CONTEXT_ONLY_VALID_ON_DRIVER",
        )

    def _assert_active(self) -> None:
        if self._engine.is_stopped:
            raise PySparkRuntimeError(
                "this SparkContext was stopped; make a new one", "CONTEXT_STOPPED"
            )

    # -- facts -----------------------------------------------------------------

    @property
    def master(self) -> str:
        """The master as given."""
        return self._conf.get("spark.master", _DEFAULT_MASTER)

    @property
    def appName(self) -> str:
        """The application's name."""
        return self._conf.get("spark.app.name", "minispark")

    @property
    def version(self) -> str:
        """The version of the PySpark API that this is compatible with.

        Examples
        --------
        >>> sc.version >= "3.0"
        True
        """
        return f"4.0.0+minispark.{__version__}"

    @property
    def applicationId(self) -> str:
        """An id that no other application has."""
        return self._application_id

    @property
    def uiWebUrl(self) -> str | None:
        """None: there is no web interface."""
        return None

    @property
    def defaultParallelism(self) -> int:
        """Partitions of `parallelize` and of shuffles when no number is given."""
        return self._engine.default_parallelism

    @property
    def defaultMinPartitions(self) -> int:
        """Least number of partitions of files when no number is given."""
        return min(self.defaultParallelism, 2)

    def getConf(self) -> SparkConf:
        """A copy of the settings."""
        return self._conf.copy()

    def sparkUser(self) -> str:
        """The user who runs the context."""
        return os.environ.get("SPARK_USER") or getpass.getuser()

    def setLogLevel(self, logLevel: str) -> None:
        """Sets the level of minispark's own log: ALL, DEBUG, … ERROR, OFF."""
        import logging

        levels = {"ALL": 0, "TRACE": 5, "FATAL": logging.CRITICAL, "OFF": logging.CRITICAL + 1}
        level = levels.get(logLevel.upper(), logging.getLevelName(logLevel.upper()))
        if not isinstance(level, int):
            raise PySparkValueError(f"setLogLevel: unknown level {logLevel!r}")
        logging.getLogger("minispark").setLevel(level)

    @classmethod
    def setSystemProperty(cls, key: str, value: str) -> None:
        """Sets a default for contexts made later, as an environment of keys."""
        SparkConf.defaults[key] = value

    # -- sources -----------------------------------------------------------------

    def _source(self, reader: Callable[[Any], Any], splits: Sequence[Any]) -> RDD[Any]:
        node = Source(self._new_rdd_id(), reader, splits)
        node.info.call_site = call_site()
        node.info.scope = node.info.call_site.partition(" at ")[0]
        return RDD(node, self)

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
        slices = self._partitions("numSlices", numSlices, self.defaultParallelism)
        ranges, data = sliced(c, slices, self._batch_size or 1024)
        if ranges is not None:
            return self._source(iter, ranges)
        blocks = self._engine.store_slices(data)
        rdd: RDD[T] = self._source(read_slice, blocks)
        self._engine.own_slices(rdd._node, blocks)
        return rdd

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
        not UTF-8 are replaced by U+FFFD.

        Examples
        --------
        >>> path = tmp_path / "sample.txt"
        >>> _ = path.write_text("Hello world!")
        >>> sc.textFile(str(path)).collect()
        ['Hello world!']
        """
        self._assert_active()
        least = self._partitions("minPartitions", minPartitions, self.defaultMinPartitions)
        splits = compute_splits(expand_paths(_text("name", name)), least)
        return self._source(functools.partial(read_text, use_unicode=bool(use_unicode)), splits)

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
        self._assert_active()
        least = self._partitions("minPartitions", minPartitions, self.defaultMinPartitions)
        splits = whole_file_splits(expand_paths(_text("path", path), skip_nested=True), least)
        return self._source(
            functools.partial(read_whole_text, use_unicode=bool(use_unicode)), splits
        )

    def binaryFiles(self, path: str, minPartitions: int | None = None) -> RDD[tuple[str, bytes]]:
        """Pairs of (path, bytes), one per file.

        Examples
        --------
        >>> _ = (tmp_path / "a.bin").write_bytes(b"\\x00\\x01")
        >>> [data for _, data in sc.binaryFiles(str(tmp_path)).collect()]
        [b'\\x00\\x01']
        """
        self._assert_active()
        least = self._partitions("minPartitions", minPartitions, self.defaultMinPartitions)
        files = expand_paths(_text("path", path), skip_nested=True)
        return self._source(read_binary, binary_file_splits(files, least, self.defaultParallelism))

    def binaryRecords(self, path: str, recordLength: int) -> RDD[bytes]:
        """The records of files of fixed-length binary records.

        Examples
        --------
        >>> _ = (tmp_path / "a.bin").write_bytes(b"abcd")
        >>> sc.binaryRecords(str(tmp_path / "a.bin"), 2).collect()
        [b'ab', b'cd']
        """
        self._assert_active()
        length = self._partitions("recordLength", recordLength, 1)
        if length < 1:
            raise PySparkValueError("recordLength: expected a positive integer, got 0")
        splits = record_splits(expand_paths(_text("path", path)), length)
        return self._source(functools.partial(read_records, record_length=length), splits)

    def pickleFile(self, name: str, minPartitions: int | None = None) -> RDD[Any]:
        """An RDD saved before with `RDD.saveAsPickleFile`.

        Examples
        --------
        >>> sc.parallelize(range(4)).saveAsPickleFile(str(tmp_path / "p"))
        >>> sorted(sc.pickleFile(str(tmp_path / "p")).collect())
        [0, 1, 2, 3]
        """
        self._assert_active()
        least = self._partitions("minPartitions", minPartitions, self.defaultMinPartitions)
        return self._source(read_pickle, pickle_splits(expand_paths(_text("name", name)), least))

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
        first = nodes[0].partitioner
        if first is not None and all(node.partitioner == first for node in nodes):
            return rdds[0]._derive(AlignedUnion(self._new_rdd_id(), nodes))
        return rdds[0]._derive(Union(self._new_rdd_id(), nodes))

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
        return Broadcast(self._engine.new_broadcast(value), self._engine)

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

    # -- running -------------------------------------------------------------------

    def runJob(
        self,
        rdd: RDD[T],
        partitionFunc: Callable[[Iterable[T]], Iterable[U]],
        partitions: Sequence[int] | None = None,
        allowLocal: bool = False,
    ) -> list[U]:
        """Applies a function to the records of some partitions; all its results.

        Examples
        --------
        >>> rdd = sc.parallelize(range(6), 3)
        >>> sc.runJob(rdd, lambda part: [x * x for x in part], [0, 2])
        [0, 1, 16, 25]
        """
        parts = self._run_partitions(rdd, functools.partial(_as_list, partitionFunc), partitions)
        return list(itertools.chain.from_iterable(parts))

    def _run_partitions(
        self,
        rdd: RDD[Any],
        func: Callable[[int, Iterator[Any]], Any],
        partitions: Sequence[int] | None = None,
    ) -> list[Any]:
        """`func(index, records)` of each partition, in the order asked for."""
        results: dict[int, Any] = dict(self._start(rdd._node, func, partitions))
        self._checkpoints.after_job(rdd._node)
        return [results[index] for index in range(len(results))]

    def _start(
        self,
        node: Node,
        func: Callable[[int, Iterator[Any]], Any],
        partitions: Sequence[int] | None = None,
    ) -> Iterator[tuple[int, Any]]:
        self._assert_active()
        if partitions is None:
            partitions = range(node.num_partitions)
        for partition in partitions:
            if not 0 <= partition < node.num_partitions:
                raise PySparkValueError(
                    f"partitions: {partition} is not one of the RDD's "
                    f"{node.num_partitions} partitions"
                )
        return self._engine.run(
            node,
            func,
            partitions,
            call_site(),
            dict(self._properties.values),
            self._properties.group,
            frozenset(self._properties.tags),
            self._properties.description,
        )

    def _iterate_partitions(self, rdd: RDD[Any], prefetch: bool) -> Iterator[list[Any]]:
        """The partitions one after the other; with `prefetch` one ahead."""
        count = rdd._node.num_partitions
        if not prefetch:
            for index in range(count):
                yield self._run_partitions(rdd, to_list, [index])[0]
            return
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1, thread_name_prefix="minispark-prefetch") as pool:
            following = pool.submit(self._run_partitions, rdd, to_list, [0]) if count else None
            for index in range(count):
                assert following is not None
                current = following.result()[0]
                if index + 1 < count:
                    following = pool.submit(self._run_partitions, rdd, to_list, [index + 1])
                yield current

    # -- job groups and the like ---------------------------------------------------

    def setLocalProperty(self, key: str, value: str | None) -> None:
        """Sets a property of the jobs this thread submits; None removes it."""
        self._properties.set(key, value)

    def getLocalProperty(self, key: str) -> str | None:
        """A property set by this thread, or None."""
        return self._properties.values.get(key)

    def setJobGroup(self, groupId: str, description: str, interruptOnCancel: bool = False) -> None:
        """Puts the jobs this thread submits into a group that can be cancelled."""
        self._properties.set_group(groupId, description, interruptOnCancel)

    def setJobDescription(self, value: str | None) -> None:
        """Describes the jobs this thread submits."""
        self._properties.set_description(value)

    def addJobTag(self, tag: str) -> None:
        """Adds a tag to the jobs this thread submits."""
        self._properties.tags.add(checked_tag(tag))

    def removeJobTag(self, tag: str) -> None:
        """Removes a tag from the jobs this thread submits."""
        self._properties.tags.discard(checked_tag(tag))

    def getJobTags(self) -> set[str]:
        """The tags of the jobs this thread submits."""
        return set(self._properties.tags)

    def clearJobTags(self) -> None:
        """Removes all tags from the jobs this thread submits."""
        self._properties.tags.clear()

    def cancelJobGroup(self, groupId: str, reason: str | None = None) -> None:
        """Cancels the running jobs of a group."""
        self._cancel(
            lambda job: job.group == groupId, f"part of cancelled job group {groupId}", reason
        )

    def cancelJobsWithTag(self, tag: str, reason: str | None = None) -> None:
        """Cancels the running jobs that have a tag."""
        checked_tag(tag)
        self._cancel(lambda job: tag in job.tags, f"part of cancelled job tag {tag}", reason)

    def cancelAllJobs(self) -> None:
        """Cancels all running jobs."""
        self._cancel(lambda job: True, "all jobs were cancelled", None)

    def _cancel(self, chosen: Callable[[Any], bool], why: str, reason: str | None) -> None:
        driver = self._engine.driver
        ids = [job.job_id for job in driver.jobs() if chosen(job)]
        driver.cancel(ids, f"{why}: {reason}" if reason else why)

    # -- checkpoints -----------------------------------------------------------------

    def setCheckpointDir(self, dirName: str) -> None:
        """Sets the directory, on shared storage, that checkpoints go below."""
        self._checkpoints.set_directory(_text("dirName", dirName))

    def getCheckpointDir(self) -> str | None:
        """The directory that checkpoints go below, or None."""
        return self._checkpoints.directory

    @property
    def _checkpoint_dir(self) -> str | None:
        return self._checkpoints.directory

    # -- what the RDD classes need -----------------------------------------------------

    def _new_rdd_id(self) -> RddId:
        return self._engine.new_rdd_id()

    def _new_shuffle_id(self) -> ShuffleId:
        return self._engine.new_shuffle_id()

    def _call_site(self) -> str:
        return call_site()

    def _persisted(self, rdd: RDD[Any]) -> None:
        self._engine.persisted(rdd._node)

    def _unpersist(self, rdd: RDD[Any], blocking: bool) -> None:
        self._engine.unpersist(rdd._node)

    def _exists(self, point: Point) -> bool:
        return self._engine.driver.exists(point)

    def _checkpoint_pending(self) -> None:
        self._checkpoints.is_pending = True

    def _partitions(self, name: str, value: int | None, default: int) -> int:
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            raise PySparkTypeError(f"{name}: expected an integer, got {value!r}", "NOT_INT")
        if value < 0 or (value == 0 and name == "numSlices"):
            raise PySparkValueError(f"{name}: expected a positive integer, got {value}")
        return value


def _text(name: str, value: object) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        return ",".join(value)
    if not isinstance(value, str) or not value:
        raise PySparkTypeError(f"{name}: expected a path, got {value!r}", "NOT_STR")
    return value


def _as_list(function: Callable[[Any], Iterable[Any]], _index: int, records: Any) -> list[Any]:
    return list(function(records))


def _stop_at_exit(context_ref: weakref.ref[SparkContext]) -> None:
    context = context_ref()
    if context is not None:
        context.stop()
