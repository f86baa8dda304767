"""Plan nodes: the immutable lineage graph behind the RDD handles.

A node knows its parents, its number of partitions and its partitioner. What
the user may still change about an RDD (name, storage level, checkpoint) and
what is derived once (the captured functions) lives in `NodeInfo`. Nodes never
travel to executors: `minispark.plan.pipeline` turns them into flat operators.
Every walk over the graph is iterative (see `minispark.plan.lineage`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minispark.ids import RddId, ShuffleId
from minispark.plan.batches import AUTO, OWN, common, zipped
from minispark.plan.partitioner import Partitioner
from minispark.plan.steps import Step
from minispark.records import record
from minispark.storagelevel import StorageLevel


@record(frozen=False)
class CheckpointData:
    """Where a checkpoint of an RDD is, or will be, written."""

    #: Directory on shared storage; None for a local checkpoint.
    directory: str | None
    #: True once every partition is written; the lineage is cut from then on.
    done: bool = False


@record
class Captured:
    """A run of narrow steps, pickled: what `plan.capture` keeps."""

    #: The pickled `(steps, expressions)`, two tuples, the first step first.
    blob: bytes
    #: The node whose records enter the first step.
    base: Node
    #: Kind of each step, for `explain()`.
    labels: tuple[str, ...]


@record(frozen=False)
class NodeInfo:
    """What may change about a node after it was made. Owned by the driver."""

    name: str | None = None
    storage_level: StorageLevel = StorageLevel.NONE
    checkpoint: CheckpointData | None = None
    #: The functions of the node's fused chain, pickled at the first operation
    #: that PySpark would pickle them at; None before. See `plan.capture`.
    captured: Captured | None = None
    #: Method and line of the user's program that made the RDD.
    call_site: str = ""
    #: The method's name, as `toDebugString` prints it.
    scope: str = ""
    is_barrier: bool = False
    #: The user says that a partition computed again may have other records.
    is_indeterminate: bool = False
    #: What the user gave to `withResources`.
    resource_profile: Any = None
    #: The executors that go with it; 0: any.
    profile_id: int = 0


class Node:
    """Base of all nodes; compared by identity."""

    __slots__ = ("__weakref__", "batch", "id", "info", "num_partitions", "parents", "partitioner")

    def __init__(
        self,
        rdd_id: RddId,
        num_partitions: int,
        parents: tuple[Node, ...],
        partitioner: Partitioner | None,
        batch: int = AUTO,
    ) -> None:
        self.id: RddId = rdd_id
        #: How PySpark would batch the records; see `plan.batches`.
        self.batch: int = batch
        self.num_partitions: int = num_partitions
        self.parents: tuple[Node, ...] = parents
        self.partitioner: Partitioner | None = partitioner
        self.info: NodeInfo = NodeInfo()

    @property
    def narrow_parents(self) -> tuple[Node, ...]:
        """The parents that are computed in the same stage."""
        return self.parents

    @property
    def is_persisted(self) -> bool:
        """Whether the user asked to keep this node's partitions."""
        return self.info.storage_level.is_persistent

    @property
    def is_checkpointed(self) -> bool:
        """Whether a finished checkpoint replaces this node's lineage."""
        return self.info.checkpoint is not None and self.info.checkpoint.done

    def __repr__(self) -> str:
        return f"{type(self).__name__}[{self.id}]"


class Source(Node):
    """Records read from outside the plan: one split per partition.

    `reader(split)` gives the iterator of records; it is pickled by reference
    or by value like any function. A split is small plain data, or a
    `DriverBlock` that says where the driver keeps it.
    """

    __slots__ = ("reader", "splits")

    def __init__(
        self,
        rdd_id: RddId,
        reader: Callable[[Any], Any],
        splits: Sequence[Any],
        batch: int = AUTO,
    ) -> None:
        super().__init__(rdd_id, len(splits), (), None, batch)
        self.reader: Callable[[Any], Any] = reader
        self.splits: Sequence[Any] = splits


class MapPartitions(Node):
    """One narrow step over one parent."""

    __slots__ = ("step",)

    def __init__(
        self, rdd_id: RddId, parent: Node, step: Step, preserves_partitioning: bool
    ) -> None:
        super().__init__(
            rdd_id,
            parent.num_partitions,
            (parent,),
            parent.partitioner if preserves_partitioning else None,
        )
        self.step: Step = step

    @property
    def parent(self) -> Node:
        """The only parent."""
        return self.parents[0]


class Union(Node):
    """The partitions of all parents, one after the other."""

    __slots__ = ("offsets",)

    def __init__(self, rdd_id: RddId, parents: tuple[Node, ...]) -> None:
        offsets = [0]
        for parent in parents:
            offsets.append(offsets[-1] + parent.num_partitions)
        super().__init__(rdd_id, offsets[-1], parents, None, common(p.batch for p in parents))
        #: Parent `i` provides the partitions `offsets[i]` up to `offsets[i+1]`.
        self.offsets: tuple[int, ...] = tuple(offsets)


class AlignedUnion(Node):
    """Union of parents with one partitioner: partition p is all parents' p.

    Spark's `PartitionerAwareUnionRDD`. That the partitioner holds is not always said.
    """

    __slots__ = ()

    def __init__(
        self, rdd_id: RddId, parents: tuple[Node, ...], partitioner: Partitioner | None
    ) -> None:
        super().__init__(
            rdd_id,
            parents[0].num_partitions,
            parents,
            partitioner,
            common(p.batch for p in parents),
        )


class Coalesce(Node):
    """Fewer partitions without a shuffle: partition p is the parents in group p."""

    __slots__ = ("groups",)

    def __init__(self, rdd_id: RddId, parent: Node, groups: tuple[tuple[int, ...], ...]) -> None:
        super().__init__(rdd_id, len(groups), (parent,), None, parent.batch)
        self.groups: tuple[tuple[int, ...], ...] = groups


class Cartesian(Node):
    """All pairs; partition `i * right.num_partitions + j` is left i × right j."""

    __slots__ = ()

    def __init__(self, rdd_id: RddId, left: Node, right: Node) -> None:
        count = left.num_partitions * right.num_partitions
        super().__init__(rdd_id, count, (left, right), None, OWN)


class Zip(Node):
    """Records of equal partitions put side by side; unequal lengths are an error."""

    __slots__ = ()

    def __init__(self, rdd_id: RddId, left: Node, right: Node) -> None:
        batch = zipped(left.batch, right.batch)
        super().__init__(rdd_id, left.num_partitions, (left, right), None, batch)


@record
class Aggregator:
    """How the values of a key are combined (Spark's class of that name).

    `kind` lets the engine recognise the common cases and treat them
    specially, with the same result: `"combine"` is the general case;
    `"group"` collects the values into a list in which values of a key keep
    their order, and may stream them from disk.
    """

    create_combiner: Callable[[Any], Any]
    merge_value: Callable[[Any, Any], Any]
    merge_combiners: Callable[[Any, Any], Any]
    kind: str = "combine"


@record
class Ordering:
    """Sort the pairs of a partition by `keyfunc(key)`; stable."""

    ascending: bool
    keyfunc: Callable[[Any], Any] | None


class _WeaklyHeld:
    """Base of records that others hold weakly."""

    __slots__ = ("__weakref__",)


@record(eq=False)
class Exchange(_WeaklyHeld):
    """One shuffle: who writes it, how keys are placed, how values combine.

    Several nodes may read one exchange; its output is removed when the last
    of them is gone. `captured` holds the pickled
    `(partition function, Aggregator | None)`.
    """

    shuffle_id: ShuffleId
    parent: Node
    partitioner: Partitioner
    aggregator: Aggregator | None
    #: Combine before writing; else values are combined by the reader alone.
    map_side_combine: bool
    captured: bytes


class Shuffle(Node):
    """Pairs redistributed by key.

    Without aggregator the records are the pairs `(k, v)` as they came; with
    one they are `(k, combined)`; with an ordering they are sorted by key.
    """

    __slots__ = ("exchange", "ordering", "ordering_captured")

    def __init__(
        self,
        rdd_id: RddId,
        exchange: Exchange,
        ordering: Ordering | None = None,
        ordering_captured: bytes | None = None,
    ) -> None:
        super().__init__(
            rdd_id, exchange.partitioner.numPartitions, (exchange.parent,), exchange.partitioner
        )
        self.exchange: Exchange = exchange
        self.ordering: Ordering | None = ordering
        self.ordering_captured: bytes | None = ordering_captured

    @property
    def narrow_parents(self) -> tuple[Node, ...]:
        """None: the parent's records come across the shuffle."""
        return ()


class CoGroup(Node):
    """`(k, (values of parent 0, values of parent 1, …))` for every key.

    Each source is an `Exchange`, or the parent node itself where its
    partitioner already fits (a narrow dependency). With a `join`, a kind of
    `kernels.joins`, its records are the pairs of the join instead.
    """

    __slots__ = ("join", "sources")

    def __init__(
        self,
        rdd_id: RddId,
        sources: tuple[Exchange | Node, ...],
        partitioner: Partitioner,
        join: str | None = None,
    ) -> None:
        parents = tuple(s.parent if isinstance(s, Exchange) else s for s in sources)
        super().__init__(rdd_id, partitioner.numPartitions, parents, partitioner)
        self.sources: tuple[Exchange | Node, ...] = sources
        self.join: str | None = join

    @property
    def narrow_parents(self) -> tuple[Node, ...]:
        """The parents that need no shuffle."""
        return tuple(source for source in self.sources if isinstance(source, Node))
