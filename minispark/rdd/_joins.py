"""Cogroup and the joins over it.

PySpark computes a cogroup as a union followed by a grouping. Here it is a node
of its own, which needs no tags and reads parents in place where their
partitioner fits; the number of partitions and the order of keys and values
are those of the union.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, overload

from minispark._typing import V1, V2, V3, K, T_co, U, V
from minispark.plan.capture import capture
from minispark.plan.nodes import CoGroup
from minispark.plan.partitioner import Partitioner
from minispark.rdd import _arguments as arguments
from minispark.rdd._pairs import _PairOps

if TYPE_CHECKING:
    from minispark.kernels.resultiterable import ResultIterable
    from minispark.rdd.rdd import RDD

# `joins` is imported where it is used: most programs join nothing (ADR 0032).


class _JoinOps(_PairOps[T_co]):
    """Operations that bring several RDDs together by key."""

    __slots__ = ()

    def _cogroup(
        self,
        others: tuple[RDD[Any], ...],
        numPartitions: int | None,
        join: str | None = None,
    ) -> RDD[tuple[Any, Any]]:
        """Each key with its values in every RDD, as plain iterables; or their join."""
        sides: tuple[_JoinOps[Any], ...] = (self, *others)
        partitioner = Partitioner(self._cogroup_partitions(others, numPartitions))
        if _aligned_elsewhere(sides, partitioner):
            groups = self._cogroup_by_union(others, partitioner)
            if join is None:
                return groups
            from minispark.kernels.joins import OF_GROUPS

            return groups.flatMapValues(OF_GROUPS[join])
        for side in sides:
            capture(side._node)
        sources = tuple(
            side._node if side.partitioner == partitioner else side._exchange(partitioner)
            for side in sides
        )
        return self._derive(CoGroup(self.ctx._new_rdd_id(), sources, partitioner, join))

    def _cogroup_partitions(self, others: tuple[RDD[Any], ...], numPartitions: int | None) -> int:
        """The number given, else that of the RDDs' union."""
        if numPartitions is not None:
            return arguments.positive("numPartitions", numPartitions)
        if self.ctx._conf.contains("spark.default.parallelism"):
            return self.ctx.defaultParallelism
        total, common = self.getNumPartitions(), self.partitioner
        for other in others:
            if common is None or other.partitioner != common:
                total, common = total + other.getNumPartitions(), None
        return total

    def _cogroup_by_union(
        self, others: tuple[RDD[Any], ...], partitioner: Partitioner
    ) -> RDD[tuple[Any, tuple[Any, ...]]]:
        """A cogroup in the order of an aligned union: partition by partition."""
        from minispark.kernels import joins

        union: RDD[Any] = self._handle().mapValues(partial(joins.tagged, 0))
        for i, other in enumerate(others, 1):
            union = union.union(other.mapValues(partial(joins.tagged, i)))
        grouped = union.groupByKey(partitioner.numPartitions)
        return grouped.mapValues(partial(joins.untagged, 1 + len(others)))

    def cogroup(
        self: _JoinOps[tuple[K, V]], other: RDD[tuple[K, U]], numPartitions: int | None = None
    ) -> RDD[tuple[K, tuple[ResultIterable[V], ResultIterable[U]]]]:
        """For each key of either RDD, its values in this one and in the other.

        Wide; narrow for a side whose keys are in place.

        Examples
        --------
        >>> x = sc.parallelize([("a", 1), ("b", 4)])
        >>> y = sc.parallelize([("a", 2)])
        >>> [(k, tuple(map(list, v))) for k, v in sorted(x.cogroup(y).collect())]
        [('a', ([1], [2])), ('b', ([4], []))]
        """
        self._check_others(other)
        groups: RDD[Any] = self._cogroup((other,), numPartitions)
        from minispark.kernels.joins import wrapped

        return groups.mapValues(wrapped)

    @overload
    def groupWith(
        self: _JoinOps[tuple[K, V]], other: RDD[tuple[K, V1]]
    ) -> RDD[tuple[K, tuple[ResultIterable[V], ResultIterable[V1]]]]: ...
    @overload
    def groupWith(
        self: _JoinOps[tuple[K, V]], other: RDD[tuple[K, V1]], _o1: RDD[tuple[K, V2]], /
    ) -> RDD[tuple[K, tuple[ResultIterable[V], ResultIterable[V1], ResultIterable[V2]]]]: ...
    @overload
    def groupWith(
        self: _JoinOps[tuple[K, V]],
        other: RDD[tuple[K, V1]],
        _o1: RDD[tuple[K, V2]],
        _o2: RDD[tuple[K, V3]],
        /,
    ) -> RDD[
        tuple[
            K,
            tuple[ResultIterable[V], ResultIterable[V1], ResultIterable[V2], ResultIterable[V3]],
        ]
    ]: ...
    def groupWith(
        self: _JoinOps[tuple[Any, Any]],
        other: RDD[tuple[Any, Any]],
        *others: RDD[tuple[Any, Any]],
    ) -> RDD[Any]:
        """`cogroup` for any number of RDDs.

        Wide; narrow for a side whose keys are in place.

        Examples
        --------
        >>> w, x, y = (sc.parallelize([(k, i)]) for i, k in enumerate("aba"))
        >>> [(k, tuple(map(list, v))) for k, v in sorted(w.groupWith(x, y).collect())]
        [('a', ([0], [], [2])), ('b', ([], [1], []))]
        """
        self._check_others(other, *others)
        from minispark.kernels.joins import wrapped

        return self._cogroup((other, *others), None).mapValues(wrapped)

    def join(
        self: _JoinOps[tuple[K, V]], other: RDD[tuple[K, U]], numPartitions: int | None = None
    ) -> RDD[tuple[K, tuple[V, U]]]:
        """All pairs of values that two RDDs have for the same key.

        Wide; narrow for a side whose keys are in place.

        Examples
        --------
        >>> x = sc.parallelize([("a", 1), ("b", 4)])
        >>> y = sc.parallelize([("a", 2), ("a", 3)])
        >>> sorted(x.join(y).collect())
        [('a', (1, 2)), ('a', (1, 3))]
        """
        self._check_others(other)
        return self._cogroup((other,), numPartitions, "inner")

    def leftOuterJoin(
        self: _JoinOps[tuple[K, V]], other: RDD[tuple[K, U]], numPartitions: int | None = None
    ) -> RDD[tuple[K, tuple[V, U | None]]]:
        """As `join`, and every value of this RDD without partner, with None.

        Wide; narrow for a side whose keys are in place.

        Examples
        --------
        >>> x = sc.parallelize([("a", 1), ("b", 4)])
        >>> sorted(x.leftOuterJoin(sc.parallelize([("a", 2)])).collect())
        [('a', (1, 2)), ('b', (4, None))]
        """
        self._check_others(other)
        return self._cogroup((other,), numPartitions, "left_outer")

    def rightOuterJoin(
        self: _JoinOps[tuple[K, V]], other: RDD[tuple[K, U]], numPartitions: int | None = None
    ) -> RDD[tuple[K, tuple[V | None, U]]]:
        """As `join`, and every value of the other RDD without partner, with None.

        Wide; narrow for a side whose keys are in place.

        Examples
        --------
        >>> x = sc.parallelize([("a", 1), ("b", 4)])
        >>> sorted(sc.parallelize([("a", 2)]).rightOuterJoin(x).collect())
        [('a', (2, 1)), ('b', (None, 4))]
        """
        self._check_others(other)
        return self._cogroup((other,), numPartitions, "right_outer")

    def fullOuterJoin(
        self: _JoinOps[tuple[K, V]], other: RDD[tuple[K, U]], numPartitions: int | None = None
    ) -> RDD[tuple[K, tuple[V | None, U | None]]]:
        """As `join`, and every value of either RDD without partner, with None.

        Wide; narrow for a side whose keys are in place.

        Examples
        --------
        >>> x = sc.parallelize([("a", 1), ("b", 4)])
        >>> sorted(x.fullOuterJoin(sc.parallelize([("a", 2), ("c", 8)])).collect())
        [('a', (1, 2)), ('b', (4, None)), ('c', (None, 8))]
        """
        self._check_others(other)
        return self._cogroup((other,), numPartitions, "full_outer")

    def subtractByKey(
        self: _JoinOps[tuple[K, V]], other: RDD[tuple[K, Any]], numPartitions: int | None = None
    ) -> RDD[tuple[K, V]]:
        """The pairs whose key another RDD does not have.

        Wide; narrow for a side whose keys are in place.

        Examples
        --------
        >>> x = sc.parallelize([("a", 1), ("b", 4), ("b", 5)])
        >>> sorted(x.subtractByKey(sc.parallelize([("a", 3)])).collect())
        [('b', 4), ('b', 5)]
        """
        self._check_others(other)
        return self._cogroup((other,), numPartitions, "only_left")


def _aligned_elsewhere(sides: tuple[_JoinOps[Any], ...], target: Partitioner) -> bool:
    """Whether the first sides share a partitioner that is not the target.

    PySpark's union then interleaves their partitions, so keys come in that order.
    """
    first = sides[0].partitioner
    return first is not None and first != target and sides[1].partitioner == first
