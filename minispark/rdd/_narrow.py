"""Narrow transformations: a partition of the result needs few of the parents'.

Everything here is lazy except what must know its input's size: `zipWithIndex`
counts. Work on records is in `minispark.kernels`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

from minispark._typing import K, T, T_co, U, V
from minispark.kernels import aggregate, elements
from minispark.plan import steps
from minispark.plan.capture import capture
from minispark.plan.nodes import AlignedUnion, Cartesian, Coalesce, MapPartitions, Node, Union, Zip
from minispark.plan.partitioner import Partitioner
from minispark.rdd import _arguments as arguments
from minispark.rdd._core import _Core

if TYPE_CHECKING:
    from minispark.ids import RddId
    from minispark.rdd.rdd import RDD


#: Records that `repartition` deals out together, as in Spark.
_DEALT_TOGETHER = 10


def union_node(rdd_id: RddId, nodes: Sequence[Node], says_partitioner: bool) -> Node:
    """The union of nodes; keeps the partitioner that all of them share."""
    partitioner = nodes[0].partitioner
    if partitioner is not None and all(n.partitioner == partitioner for n in nodes):
        # Spark's context forgets the partitioner that its union has kept.
        return AlignedUnion(rdd_id, tuple(nodes), partitioner if says_partitioner else None)
    return Union(rdd_id, tuple(nodes))


class _NarrowOps(_Core[T_co]):
    """Transformations that move no record between partitions."""

    __slots__ = ()

    def map(
        self: _NarrowOps[T], f: Callable[[T], U], preservesPartitioning: bool = False
    ) -> RDD[U]:
        """Applies a function to each record.

        Narrow. Keeps the partitioner only if told that keys do not change.

        Examples
        --------
        >>> sc.parallelize(["b", "a"]).map(lambda x: (x, 1)).collect()
        [('b', 1), ('a', 1)]
        """
        arguments.a_callable("f", f)
        return self._step(steps.Map(f), preservesPartitioning)

    def flatMap(
        self: _NarrowOps[T], f: Callable[[T], Iterable[U]], preservesPartitioning: bool = False
    ) -> RDD[U]:
        """Applies a function to each record and takes what it gives one by one.

        Narrow. Keeps the partitioner only if told that keys do not change.

        Examples
        --------
        >>> sc.parallelize([2, 3]).flatMap(range).collect()
        [0, 1, 0, 1, 2]
        """
        arguments.a_callable("f", f)
        return self._step(steps.FlatMap(f), preservesPartitioning)

    def filter(self: _NarrowOps[T], f: Callable[[T], bool]) -> RDD[T]:
        """Keeps the records for which a function is true.

        Narrow. Keeps the partitioner.

        Examples
        --------
        >>> sc.parallelize(range(6)).filter(lambda x: x % 2 == 0).collect()
        [0, 2, 4]
        """
        arguments.a_callable("f", f)
        return self._step(steps.Filter(f), True)

    def mapPartitions(
        self: _NarrowOps[T],
        f: Callable[[Iterable[T]], Iterable[U]],
        preservesPartitioning: bool = False,
    ) -> RDD[U]:
        """Applies a function to each partition's iterator of records.

        Narrow. Keeps the partitioner only if told that keys do not change.

        Examples
        --------
        >>> sc.parallelize([1, 2, 3, 4], 2).mapPartitions(lambda xs: [sum(xs)]).collect()
        [3, 7]
        """
        arguments.a_callable("f", f)
        step = steps.Partitions(partial(elements.on_partition, f))
        return self._step(step, preservesPartitioning)

    def mapPartitionsWithIndex(
        self: _NarrowOps[T],
        f: Callable[[int, Iterable[T]], Iterable[U]],
        preservesPartitioning: bool = False,
    ) -> RDD[U]:
        """Applies a function to each partition's index and iterator of records.

        Narrow. Keeps the partitioner only if told that keys do not change.

        Examples
        --------
        >>> rdd = sc.parallelize(["a", "b", "c"], 3)
        >>> rdd.mapPartitionsWithIndex(lambda i, xs: [(i, list(xs))]).collect()
        [(0, ['a']), (1, ['b']), (2, ['c'])]
        """
        arguments.a_callable("f", f)
        return self._step(steps.Partitions(f), preservesPartitioning)

    def mapPartitionsWithSplit(
        self: _NarrowOps[T],
        f: Callable[[int, Iterable[T]], Iterable[U]],
        preservesPartitioning: bool = False,
    ) -> RDD[U]:
        """The older name of `mapPartitionsWithIndex`; warns.

        Narrow. Keeps the partitioner only if told that keys do not change.

        Examples
        --------
        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     sc.parallelize([5, 5], 2).mapPartitionsWithSplit(lambda i, xs: [i]).collect()
        [0, 1]
        """
        warnings.warn(
            "mapPartitionsWithSplit is deprecated; use mapPartitionsWithIndex instead",
            FutureWarning,
            stacklevel=2,
        )
        return self.mapPartitionsWithIndex(f, preservesPartitioning)

    def mapValues(self: _NarrowOps[tuple[K, V]], f: Callable[[V], U]) -> RDD[tuple[K, U]]:
        """Applies a function to the value of each pair.

        Narrow. Keeps the partitioner.

        Examples
        --------
        >>> sc.parallelize([("a", [1, 2]), ("b", [3])]).mapValues(len).collect()
        [('a', 2), ('b', 1)]
        """
        arguments.a_callable("f", f)
        return self._step(steps.MapValues(f), True)

    def flatMapValues(
        self: _NarrowOps[tuple[K, V]], f: Callable[[V], Iterable[U]]
    ) -> RDD[tuple[K, U]]:
        """Pairs each key with everything a function makes of its value.

        Narrow. Keeps the partitioner.

        Examples
        --------
        >>> sc.parallelize([("a", "xy"), ("b", "z")]).flatMapValues(list).collect()
        [('a', 'x'), ('a', 'y'), ('b', 'z')]
        """
        arguments.a_callable("f", f)
        return self._step(steps.FlatMapValues(f), True)

    def keyBy(self: _NarrowOps[T], f: Callable[[T], K]) -> RDD[tuple[K, T]]:
        """Makes each record a pair of its key, as a function gives it, and itself.

        Narrow. Drops the partitioner.

        Examples
        --------
        >>> sc.parallelize(["pear", "fig"]).keyBy(len).collect()
        [(4, 'pear'), (3, 'fig')]
        """
        arguments.a_callable("f", f)
        return self._step(steps.KeyBy(f))

    def keys(self: _NarrowOps[tuple[K, V]]) -> RDD[K]:
        """The key of each pair.

        Narrow. Drops the partitioner.

        Examples
        --------
        >>> sc.parallelize([("a", 1), ("b", 2)]).keys().collect()
        ['a', 'b']
        """
        return self._step(steps.Keys())

    def values(self: _NarrowOps[tuple[K, V]]) -> RDD[V]:
        """The value of each pair.

        Narrow. Drops the partitioner.

        Examples
        --------
        >>> sc.parallelize([("a", 1), ("b", 2)]).values().collect()
        [1, 2]
        """
        return self._step(steps.Values())

    def glom(self: _NarrowOps[T]) -> RDD[list[T]]:
        """Makes each partition one record: the list of its records.

        Narrow. Drops the partitioner.

        Examples
        --------
        >>> sc.parallelize(range(5), 2).glom().collect()
        [[0, 1], [2, 3, 4]]
        """
        return self._step(steps.Partitions(elements.glom))

    def union(self: _NarrowOps[T], other: RDD[U]) -> RDD[T | U]:
        """The records of this RDD, then those of another; duplicates stay.

        Narrow. Keeps a partitioner that both share, else has the partitions of both.

        Examples
        --------
        >>> sc.parallelize([1, 1]).union(sc.parallelize([3, 1])).collect()
        [1, 1, 3, 1]
        """
        self._check_others(other)
        capture(self._node)
        capture(other._node)
        return self._derive(union_node(self.ctx._new_rdd_id(), (self._node, other._node), True))

    def __add__(self: _NarrowOps[T], other: RDD[U]) -> RDD[T | U]:
        """The same as `union`.

        Examples
        --------
        >>> (sc.parallelize([1]) + sc.parallelize([2])).collect()
        [1, 2]
        """
        if not isinstance(other, _NarrowOps):
            raise TypeError(
                f"An RDD can only be added to another RDD, not to {type(other).__name__}"
            )
        return self.union(other)

    def zip(self: _NarrowOps[T], other: RDD[U]) -> RDD[tuple[T, U]]:
        """Pairs the records of two RDDs of equal shape by their position.

        Narrow. The partitions must be equally many, and equally long.

        Raises
        ------
        ValueError
            The numbers of partitions differ. (Lengths that differ fail the action.)

        Examples
        --------
        >>> sc.parallelize([1, 2], 2).zip(sc.parallelize(["a", "b"], 2)).collect()
        [(1, 'a'), (2, 'b')]
        """
        self._check_others(other)
        if self.getNumPartitions() != other.getNumPartitions():
            raise ValueError(
                "Can only zip with RDD which has the same number of partitions; this one has "
                f"{self.getNumPartitions()}, the other {other.getNumPartitions()}"
            )
        capture(self._node)
        capture(other._node)
        return self._derive(Zip(self.ctx._new_rdd_id(), self._node, other._node))

    def zipWithIndex(self: _NarrowOps[T]) -> RDD[tuple[T, int]]:
        """Pairs each record with its position in the RDD.

        Narrow. Runs a job that counts, unless there is one partition only.

        Examples
        --------
        >>> sc.parallelize(["a", "b", "c"], 2).zipWithIndex().collect()
        [('a', 0), ('b', 1), ('c', 2)]
        """
        starts = [0]
        if self.getNumPartitions() > 1:
            lengths = self.ctx._run_partitions(self._handle(), aggregate.count_records)
            for length in lengths[:-1]:
                starts.append(starts[-1] + length)
        return self._step(steps.Partitions(partial(elements.numbered_from, starts)))

    def zipWithUniqueId(self: _NarrowOps[T]) -> RDD[tuple[T, int]]:
        """Pairs each record with a number that no other record gets.

        Narrow. Runs no job: the numbers of partition k of n are k, k + n, k + 2n, …

        Examples
        --------
        >>> sc.parallelize(["a", "b", "c"], 2).zipWithUniqueId().collect()
        [('a', 0), ('b', 1), ('c', 3)]
        """
        numbered = partial(elements.numbered_apart, self.getNumPartitions())
        return self._step(steps.Partitions(numbered))

    def cartesian(self: _NarrowOps[T], other: RDD[U]) -> RDD[tuple[T, U]]:
        """All pairs of a record of this RDD and one of another.

        Narrow. Has the product of both numbers of partitions.

        Examples
        --------
        >>> rdd = sc.parallelize([1, 2])
        >>> sorted(rdd.cartesian(rdd).collect())
        [(1, 1), (1, 2), (2, 1), (2, 2)]
        """
        self._check_others(other)
        capture(self._node)
        capture(other._node)
        return self._derive(Cartesian(self.ctx._new_rdd_id(), self._node, other._node))

    def coalesce(self: _NarrowOps[T], numPartitions: int, shuffle: bool = False) -> RDD[T]:
        """Merges neighbouring partitions, without moving records, into fewer.

        Narrow; with `shuffle`, wide: then it can also make more partitions, and the
        stages before it keep their own number of tasks.

        Examples
        --------
        >>> sc.parallelize([1, 2, 3, 4, 5], 3).coalesce(2).glom().collect()
        [[1], [2, 3, 4, 5]]
        """
        n = arguments.positive("numPartitions", numPartitions)
        if shuffle:
            batches = self._dealt_batches()
            if batches is not None:
                dealt = batches._step(steps.Partitions(partial(elements.deal_batches, n)))
            else:
                deal = partial(elements.deal_out, n, _DEALT_TOGETHER)
                dealt = self._step(steps.Partitions(deal))
            shuffled = dealt._shuffle(dealt._exchange(Partitioner(n, elements.identity)))
            return shuffled.values().flatMap(elements.identity)
        capture(self._node)
        have = self.getNumPartitions()
        n = min(n, have)
        groups = tuple(tuple(range(i * have // n, (i + 1) * have // n)) for i in range(n))
        return self._derive(Coalesce(self.ctx._new_rdd_id(), self._node, groups))

    def _dealt_batches(self) -> RDD[list[T_co]] | None:
        """What a `repartition` dealt out, if this is one: Spark deals the same batches on."""
        node = self._node
        if node.is_persisted or node.info.checkpoint is not None:
            return None
        if not isinstance(node, MapPartitions) or node.step != steps.FlatMap(elements.identity):
            return None
        return cast("RDD[list[T_co]]", type(self)(node.parent, self.ctx))

    def pipe(
        self, command: str, env: dict[str, str] | None = None, checkCode: bool = False
    ) -> RDD[str]:
        """Feeds the records to a program, line by line, and takes its output's lines.

        Narrow. One process per partition; its environment is `env` and nothing else.
        With `checkCode`, an exit code other than 0 fails the task.

        Examples
        --------
        >>> sc.parallelize(["b", "a", "c"], 1).pipe("sort").collect()
        ['a', 'b', 'c']
        """
        arguments.a_string("command", command)
        run = partial(elements.pipe, command, env, checkCode)
        return self._step(steps.Partitions(run))
