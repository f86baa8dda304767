"""State of an RDD handle, and what concerns the handle rather than the records.

Owns the two fields every RDD has (its context and its plan node) and the one
place where a new handle is made from a node. It knows nothing of what the
operations mean; those are the classes above it in the chain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, NoReturn, cast

from minispark.closures import dumps_closure
from minispark.errors import PySparkRuntimeError, PySparkValueError
from minispark.plan.capture import capture
from minispark.plan.nodes import (
    Aggregator,
    CheckpointData,
    Exchange,
    MapPartitions,
    Node,
    Ordering,
    Shuffle,
)
from minispark.plan.partitioner import Partitioner
from minispark.plan.steps import Step
from minispark.rdd import _arguments as arguments
from minispark.storagelevel import StorageLevel

if TYPE_CHECKING:
    from minispark._typing import T
    from minispark.context import SparkContext
    from minispark.rdd.rdd import RDD

from minispark._typing import T_co


class _Core(Generic[T_co]):
    """A typed handle on an immutable plan node."""

    __slots__ = ("__weakref__", "_node", "ctx")

    def __init__(self, node: Node, ctx: SparkContext) -> None:
        self._node = node
        self.ctx: SparkContext = ctx

    # -- how the classes above build ------------------------------------------

    def _derive(self, node: Node) -> RDD[Any]:
        """A new handle; the only place where one is made from another."""
        node.info.call_site = self.ctx._call_site()
        node.info.scope = node.info.call_site.partition(" at ")[0]
        node.info.is_barrier = any(parent.info.is_barrier for parent in node.narrow_parents)
        return cast("RDD[Any]", type(self)(node, self.ctx))

    def _handle(self) -> RDD[Any]:
        """This handle, typed as the class at the top of the chain."""
        return cast("RDD[Any]", self)

    def _check_others(self, *others: Any) -> None:
        """Refuses operands that are no RDDs, or RDDs of another context."""
        for other in others:
            if not isinstance(other, _Core):
                raise arguments.wrong_type("other", other, "an RDD", "NOT_EXPECTED_TYPE")
            if other.ctx is not self.ctx:
                raise PySparkValueError(
                    f"{other!r} belongs to another SparkContext than {self!r}; "
                    "RDDs of two contexts cannot be brought together",
                    "DIFFERENT_CONTEXTS",
                )

    def _step(self, step: Step, preserves_partitioning: bool = False) -> RDD[Any]:
        """This RDD with one narrow step applied."""
        return self._derive(
            MapPartitions(self.ctx._new_rdd_id(), self._node, step, preserves_partitioning)
        )

    def _exchange(
        self,
        partitioner: Partitioner,
        aggregator: Aggregator | None = None,
        map_side_combine: bool = False,
        writes_by: Callable[[Any], int] | None = None,
    ) -> Exchange:
        """A shuffle of this RDD's pairs; captures the functions as of now.

        `writes_by` places keys as the partitioner does, but knows a faster way.
        """
        capture(self._node)
        place = writes_by or partitioner.partitionFunc
        return Exchange(
            self.ctx._new_shuffle_id(),
            self._node,
            partitioner,
            aggregator,
            map_side_combine,
            dumps_closure((place, aggregator), self.ctx._call_site()),
        )

    def _shuffle(self, exchange: Exchange, ordering: Ordering | None = None) -> RDD[Any]:
        """The RDD that reads an exchange."""
        captured = dumps_closure(ordering, self.ctx._call_site()) if ordering else None
        return self._derive(Shuffle(self.ctx._new_rdd_id(), exchange, ordering, captured))

    def _reduce_partitions(self, numPartitions: int | None) -> int:
        """The given number of partitions, checked, else the default one."""
        if numPartitions is None:
            return self._defaultReducePartitions()
        return arguments.positive("numPartitions", numPartitions)

    def _defaultReducePartitions(self) -> int:
        if self.ctx._conf.contains("spark.default.parallelism"):
            return self.ctx.defaultParallelism
        return self._node.num_partitions

    # -- identity --------------------------------------------------------------

    @property
    def context(self) -> SparkContext:
        """The context that this RDD was made with.

        Examples
        --------
        >>> sc.parallelize([1]).context is sc
        True
        """
        return self.ctx

    @property
    def partitioner(self) -> Partitioner | None:
        """How the keys are placed, where that is known.

        Examples
        --------
        >>> pairs = sc.parallelize([("a", 1)], 2)
        >>> pairs.partitioner is None, pairs.partitionBy(3).partitioner.numPartitions
        (True, 3)
        """
        return self._node.partitioner

    def id(self) -> int:
        """A number that no other RDD of this context has.

        Examples
        --------
        >>> rdd = sc.parallelize([1])
        >>> rdd.id() < rdd.map(str).id()
        True
        """
        return self._node.id

    def name(self) -> str | None:
        """The name given by `setName`, or None.

        Examples
        --------
        >>> sc.parallelize([1]).name() is None
        True
        """
        return self._node.info.name

    def setName(self: _Core[T], name: str) -> RDD[T]:
        """Names this RDD, for `toDebugString`, listings and error messages.

        Examples
        --------
        >>> sc.parallelize([1]).setName("ones").name()
        'ones'
        """
        self._node.info.name = arguments.a_string("name", name)
        return cast("RDD[T]", self)

    def getNumPartitions(self) -> int:
        """The number of partitions.

        Examples
        --------
        >>> sc.parallelize(range(10), 4).getNumPartitions()
        4
        """
        return self._node.num_partitions

    def __repr__(self) -> str:
        from minispark.plan.lineage import describe

        return describe(self._node)

    def __reduce__(self) -> NoReturn:
        raise PySparkRuntimeError(
            "An RDD was referenced inside a function that runs in tasks, or put into a "
            "broadcast variable. RDDs exist on the driver only: `rdd1.map(lambda x: "
            "rdd2.count() * x)` cannot work; compute `rdd2.count()` first, or join the two. "
            "See SPARK-5063.",
            "RDD_TRANSFORM_ONLY_VALID_ON_DRIVER",
        )

    def __getstate__(self) -> NoReturn:
        self.__reduce__()

    # -- persistence -----------------------------------------------------------

    def cache(self: _Core[T]) -> RDD[T]:
        """Keeps the partitions in memory once computed: `persist(MEMORY_ONLY)`.

        Examples
        --------
        >>> sc.parallelize(range(3)).cache().is_cached
        True
        """
        return self.persist(StorageLevel.MEMORY_ONLY)

    def persist(self: _Core[T], storageLevel: StorageLevel = StorageLevel.MEMORY_ONLY) -> RDD[T]:
        """Keeps the partitions at a storage level once an action has computed them.

        Raises
        ------
        PySparkRuntimeError
            The RDD already has another level; `unpersist` it first.

        Examples
        --------
        >>> from minispark import StorageLevel
        >>> rdd = sc.parallelize(range(3)).persist(StorageLevel.DISK_ONLY)
        >>> print(rdd.getStorageLevel())
        Disk Serialized 1x Replicated
        """
        if not isinstance(storageLevel, StorageLevel):
            raise arguments.wrong_type(
                "storageLevel", storageLevel, "a StorageLevel", "NOT_EXPECTED_TYPE"
            )
        info = self._node.info
        if self._node.is_persisted and info.storage_level != storageLevel:
            raise PySparkRuntimeError(
                f"Cannot change storage level of {self!r} from '{info.storage_level}' to "
                f"'{storageLevel}'; call unpersist() first",
                "CANNOT_CHANGE_STORAGE_LEVEL",
            )
        info.storage_level = storageLevel
        self.ctx._persisted(cast("RDD[T]", self))
        return cast("RDD[T]", self)

    def unpersist(self: _Core[T], blocking: bool = False) -> RDD[T]:
        """Forgets the kept partitions; `blocking` waits until they are removed.

        Examples
        --------
        >>> sc.parallelize(range(3)).cache().unpersist().is_cached
        False
        """
        self._node.info.storage_level = StorageLevel.NONE
        self.ctx._unpersist(cast("RDD[T]", self), blocking)
        return cast("RDD[T]", self)

    @property
    def is_cached(self) -> bool:
        """Whether the partitions are to be kept.

        Examples
        --------
        >>> sc.parallelize([1]).is_cached
        False
        """
        return self._node.is_persisted

    def getStorageLevel(self) -> StorageLevel:
        """Where the partitions are to be kept.

        Examples
        --------
        >>> print(sc.parallelize([1]).getStorageLevel())
        Serialized 1x Replicated
        """
        return self._node.info.storage_level

    def checkpoint(self) -> None:
        """Writes the records to the checkpoint directory after the next action.

        Cuts the lineage then. Persist the RDD too, or it is computed twice.

        Raises
        ------
        PySparkRuntimeError
            No directory was set with `SparkContext.setCheckpointDir`.

        Examples
        --------
        >>> import tempfile
        >>> sc.setCheckpointDir(tempfile.mkdtemp())
        >>> rdd = sc.parallelize(range(3))
        >>> rdd.checkpoint()
        >>> rdd.count(), rdd.isCheckpointed()
        (3, True)
        """
        directory = self.ctx._checkpoint_dir
        if directory is None:
            raise PySparkRuntimeError(
                "Checkpoint directory has not been set in the SparkContext; "
                "call sc.setCheckpointDir(path) first",
                "CHECKPOINT_DIRECTORY_NOT_SET",
            )
        if self._node.info.checkpoint is None:
            self._node.info.checkpoint = CheckpointData(f"{directory}/rdd-{self._node.id}")
            self.ctx._checkpoint_pending(self._handle())

    def localCheckpoint(self) -> None:
        """Keeps the partitions on the executors and cuts the lineage.

        Fast, and not fault-tolerant: a lost executor may lose the records.

        Examples
        --------
        >>> rdd = sc.parallelize(range(3)).map(str)
        >>> rdd.localCheckpoint()
        >>> rdd.collect(), rdd.isLocallyCheckpointed()
        (['0', '1', '2'], True)
        """
        info = self._node.info
        if self._node.is_checkpointed:
            return  # what is written already is as good, and safer
        level = info.storage_level
        info.storage_level = StorageLevel(
            True,
            level.useMemory or not level.is_persistent,
            False,
            level.deserialized or not level.is_persistent,
            level.replication,
        )
        info.checkpoint = CheckpointData(None)
        self.ctx._persisted(cast("RDD[Any]", self))
        self.ctx._checkpoint_pending(self._handle())

    def isCheckpointed(self) -> bool:
        """Whether the records have been checkpointed, reliably or locally.

        Examples
        --------
        >>> sc.parallelize([1]).isCheckpointed()
        False
        """
        return self._node.is_checkpointed

    @property
    def is_checkpointed(self) -> bool:
        """Whether a checkpoint was asked for, done or not.

        Examples
        --------
        >>> sc.parallelize([1]).is_checkpointed
        False
        """
        return self._node.info.checkpoint is not None

    def isLocallyCheckpointed(self) -> bool:
        """Whether `localCheckpoint` was called.

        Examples
        --------
        >>> sc.parallelize([1]).isLocallyCheckpointed()
        False
        """
        checkpoint = self._node.info.checkpoint
        return checkpoint is not None and checkpoint.directory is None

    def getCheckpointFile(self) -> str | None:
        """The directory of the finished checkpoint, or None.

        Examples
        --------
        >>> sc.parallelize([1]).getCheckpointFile() is None
        True
        """
        checkpoint = self._node.info.checkpoint
        return checkpoint.directory if checkpoint is not None and checkpoint.done else None

    def cleanShuffleDependencies(self, blocking: bool = False) -> None:
        """A hint that needs nothing done.

        The files of a shuffle are removed when no RDD that reads them is left.

        Examples
        --------
        >>> sc.parallelize([1]).distinct().cleanShuffleDependencies()
        """

    # -- explanation -----------------------------------------------------------

    def toDebugString(self) -> bytes | None:
        """The lineage, one RDD per line, indented at each shuffle.

        Examples
        --------
        >>> text = sc.parallelize([("a", 1)], 2).reduceByKey(max).toDebugString()
        >>> print(text.decode().splitlines()[0].split("]")[0].split("[")[0])
        (2) ShuffledRDD
        """
        from minispark.plan.lineage import to_debug_string

        return to_debug_string(self._node).encode("utf-8")

    def explain(self) -> None:
        """Prints the stages an action would run: what is fused, read, skipped, and why.

        Examples
        --------
        >>> sc.parallelize(range(4), 2).map(str).filter(bool).explain()  # doctest: +ELLIPSIS
        Result stage, 2 tasks: ...
          read parallelize: 2 splits...
          fused in one loop: map, filter...
        """
        from minispark.plan.explain import explain

        print(explain(self._node, self.ctx._exists, self.ctx._skew))
