"""Pipelines: what a task computes, as a flat list of operators.

A pipeline is made on the driver from plan nodes (`minispark.plan.stages`),
pickled once per stage and evaluated per task on an executor. Operators refer
to each other by index, children first, so that neither pickling nor building
recurses. User functions stay pickled bytes until a task starts: each task gets
fresh copies of them, as in Spark.

What a task may ask of its surroundings is the protocol `TaskEnv`; this module
knows nothing of files, memory, sockets or the scheduler.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Protocol

import cloudpickle

from minispark.errors import PySparkRuntimeError
from minispark.ids import RddId, ShuffleId
from minispark.kernels.elements import identity
from minispark.plan import batches
from minispark.plan.expressions import Expression
from minispark.plan.fuse import fuse
from minispark.plan.steps import FlatMap, Merge, Step
from minispark.records import record
from minispark.storagelevel import StorageLevel


class Op:
    """Base of all operators."""

    __slots__ = ()


@record
class ReadSplit(Op):
    """Records of the task's own split, read by the pickled `reader`."""

    reader: bytes
    batch: int


@record
class Chain(Op):
    """A fused run of narrow steps; `steps` is `plan.nodes.Captured.blob`."""

    child: int
    steps: bytes


@record
class ConcatOp(Op):
    """Partition p is one partition of one child (`plan.nodes.Union`)."""

    children: tuple[int, ...]
    offsets: tuple[int, ...]
    #: Whether the children's batches differ, so that there are none of theirs.
    batched_anew: bool


@record
class AlignedOp(Op):
    """Partition p is partition p of every child, in turn."""

    children: tuple[int, ...]
    batched_anew: bool


@record
class CoalesceOp(Op):
    """Partition p is the child's partitions of group p, in turn."""

    child: int
    groups: tuple[tuple[int, ...], ...]


@record
class CartesianOp(Op):
    """All pairs of a left and a right partition."""

    left: int
    right: int
    right_partitions: int


@record
class ZipOp(Op):
    """Two equally long partitions side by side."""

    left: int
    right: int
    batch: int


@record
class ReadShuffle(Op):
    """Reduce side of one exchange; see `plan.nodes.Shuffle`."""

    shuffle_id: ShuffleId
    #: Map outputs that must all be there: fewer would be a wrong answer.
    num_maps: int
    #: The pickled `(partition function, Aggregator | None)`.
    captured: bytes
    map_side_combine: bool
    #: The pickled `Ordering`, None where the order is the writers'.
    ordering: bytes | None


@record
class ShuffleSource:
    """One shuffled side of a cogroup."""

    shuffle_id: ShuffleId
    num_maps: int


@record
class CoGroupOp(Op):
    """Groups of all sources by key; an int is a narrow child's index."""

    sources: tuple[ShuffleSource | int, ...]
    #: What the groups become, see `plan.nodes.CoGroup`.
    join: str | None = None


@record
class CacheOp(Op):
    """The persisted block of an RDD, or the child's records, then persisted.

    `child` is -1 for a finished local checkpoint: nothing can recompute it.
    """

    child: int
    rdd_id: RddId
    level: StorageLevel


@record
class ReadCheckpoint(Op):
    """Partition p of a finished checkpoint in `directory`."""

    directory: str


@record
class Pipeline:
    """Operators, children before parents; the last one is the result."""

    ops: tuple[Op, ...]

    @property
    def root(self) -> int:
        """Index of the operator whose records the pipeline yields."""
        return len(self.ops) - 1


@record
class MapOutputPlan:
    """What a map task does with the records of its pipeline."""

    shuffle_id: ShuffleId
    num_reducers: int
    #: The pickled `(partition function, Aggregator | None)`.
    captured: bytes
    map_side_combine: bool


class TaskEnv(Protocol):
    """What a running task provides to its pipeline."""

    def split(self, op: int, partition: int) -> Any:
        """The split of the source operator `op` for one of its partitions."""

    def read_shuffle(self, op: ReadShuffle, partition: int) -> Iterator[Any]:
        """The merged (combined, sorted) records of a reduce partition."""

    def merge(self, step: Merge, records: Iterator[Any]) -> Iterator[Any]:
        """Pairs of one partition combined or sorted, bounded in memory."""

    def cogroup(
        self, sources: list[ShuffleSource | Iterator[Any]], partition: int, join: str | None
    ) -> Iterator[tuple[Any, Any]]:
        """Each key with its values per source, or the pairs of a join of the sources."""

    def get_or_compute(
        self,
        rdd_id: RddId,
        partition: int,
        level: StorageLevel,
        compute: Callable[[], Iterator[Any]] | None,
    ) -> Iterator[Any]:
        """The cached block, else the computed records, which are then cached."""

    def read_checkpoint(self, directory: str, partition: int) -> Iterator[Any]:
        """The records of one partition of a finished checkpoint."""

    def replayable(self, records: Iterator[Any]) -> Iterable[Any]:
        """The records as something that can be iterated again, bounded in memory."""


_SENTINEL = object()


def _zip(left: Iterator[Any], right: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    for a in left:
        b = next(right, _SENTINEL)
        if b is _SENTINEL:
            break
        yield a, b
    else:
        if next(right, _SENTINEL) is _SENTINEL:
            return
    raise PySparkRuntimeError("Can only zip RDDs with same number of elements in each partition")


def _apply(
    steps: tuple[Step, ...],
    expressions: tuple[Expression | None, ...],
    partition: int,
    records: Iterator[Any],
    env: TaskEnv,
) -> Iterator[Any]:
    """A run of narrow steps: what lies between merges is fused."""
    while (n := next((i for i, s in enumerate(steps) if isinstance(s, Merge)), -1)) >= 0:
        if n:
            records = fuse(steps[:n], expressions[:n])(partition, records)
        merge = steps[n]
        assert isinstance(merge, Merge)
        # Chained, not yielded one by one; and nothing is read before it is asked for.
        records = chain.from_iterable(_merged(merge, records, env))
        steps, expressions = steps[n + 1 :], expressions[n + 1 :]
    return fuse(steps, expressions)(partition, records) if steps else records


def _merged(merge: Merge, records: Iterator[Any], env: TaskEnv) -> Iterator[Iterator[Any]]:
    yield env.merge(merge, records)


def evaluate(pipeline: Pipeline, partition: int, env: TaskEnv) -> Iterator[Any]:
    """The records of one partition, lazily; a `fuse.Loop` where steps make them."""
    return _evaluate(pipeline.ops, pipeline.root, partition, env)


def _evaluate(ops: tuple[Op, ...], index: int, partition: int, env: TaskEnv) -> Iterator[Any]:
    # What passes its child's records on unchanged only redirects the loop, so
    # a union of hundreds of unions needs no stack.
    while True:
        op = ops[index]
        if isinstance(op, ConcatOp):
            child = bisect_right(op.offsets, partition) - 1
            index, partition = op.children[child], partition - op.offsets[child]
            continue
        break
    if isinstance(op, Chain):
        steps, expressions = cloudpickle.loads(op.steps)
        return _apply(steps, expressions, partition, _evaluate(ops, op.child, partition, env), env)
    if isinstance(op, ReadSplit):
        return iter(cloudpickle.loads(op.reader)(env.split(index, partition)))
    if isinstance(op, ReadShuffle):
        return env.read_shuffle(op, partition)
    if isinstance(op, CacheOp):
        if op.child < 0:
            return env.get_or_compute(op.rdd_id, partition, op.level, None)
        child_index = op.child
        return env.get_or_compute(
            op.rdd_id,
            partition,
            op.level,
            lambda: _evaluate(ops, child_index, partition, env),
        )
    if isinstance(op, CoGroupOp):
        return env.cogroup(
            [
                s if isinstance(s, ShuffleSource) else _evaluate(ops, s, partition, env)
                for s in op.sources
            ],
            partition,
            op.join,
        )
    if isinstance(op, AlignedOp):
        return chain.from_iterable(_evaluate(ops, c, partition, env) for c in op.children)
    if isinstance(op, CoalesceOp):
        child_index = op.child
        return chain.from_iterable(
            _evaluate(ops, child_index, p, env) for p in op.groups[partition]
        )
    if isinstance(op, ZipOp):
        return _zip(
            iter(_evaluate(ops, op.left, partition, env)),
            iter(_evaluate(ops, op.right, partition, env)),
        )
    if isinstance(op, CartesianOp):
        return chain.from_iterable(_batches(ops, index, partition, env))
    if isinstance(op, ReadCheckpoint):
        return env.read_checkpoint(op.directory, partition)
    raise AssertionError(f"unknown operator {op!r}")


def _batches(
    ops: tuple[Op, ...], index: int, partition: int, env: TaskEnv
) -> Iterator[Iterable[Any]]:
    """The records of one partition in PySpark's batches; see `plan.batches`."""
    op = ops[index]
    while isinstance(op, ConcatOp) and not op.batched_anew:
        child = bisect_right(op.offsets, partition) - 1
        index, partition = op.children[child], partition - op.offsets[child]
        op = ops[index]
    if isinstance(op, AlignedOp) and not op.batched_anew:
        parts = [(child, partition) for child in op.children]
        return chain.from_iterable(_batches(ops, c, p, env) for c, p in parts)
    if isinstance(op, CoalesceOp):
        child_index = op.child
        return chain.from_iterable(_batches(ops, child_index, p, env) for p in op.groups[partition])
    if isinstance(op, CartesianOp):
        i, j = divmod(partition, op.right_partitions)
        return batches.products(
            _batches(ops, op.left, i, env), _batches(ops, op.right, j, env), env.replayable
        )
    if isinstance(op, Chain):
        steps, known = cloudpickle.loads(op.steps)
        if isinstance(steps[-1], FlatMap) and steps[-1].f is identity:
            # The lists that `repartition` deals out.
            source = _evaluate(ops, op.child, partition, env)
            return iter(_apply(steps[:-1], known[:-1], partition, source, env))
    return batches.cut(_evaluate(ops, index, partition, env), _fixed(ops, op))


def _fixed(ops: tuple[Op, ...], op: Op) -> int:
    """The size of an operator's batches, where it is the same for all."""
    if isinstance(op, CacheOp) and op.child >= 0:
        op = ops[op.child]
    return op.batch if isinstance(op, ReadSplit | ZipOp) else batches.AUTO
