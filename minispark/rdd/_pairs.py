"""Operations on pairs by key: combining, grouping, placing and sorting.

All of them end in `combineByKey`, `groupByKey` or `partitionBy`. A shuffle that
the partitioner already satisfies is left out; the combining then happens where
the records are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, overload

from minispark._typing import K, S, T_co, U, V
from minispark.kernels import aggregate, elements
from minispark.kernels.hashing import portable_hash
from minispark.kernels.ordering import (
    SORT_SAMPLE_SEED,
    RangeCut,
    RangePlacement,
    range_bounds,
    sort_sample_fraction,
)
from minispark.kernels.resultiterable import ResultIterable
from minispark.plan import steps
from minispark.plan.nodes import Aggregator, Ordering
from minispark.plan.partitioner import Partitioner
from minispark.rdd import _arguments as arguments
from minispark.rdd._wide import _WideOps

if TYPE_CHECKING:
    from minispark.rdd.rdd import RDD


class _PairOps(_WideOps[T_co]):
    """Transformations of an RDD of (key, value) pairs."""

    __slots__ = ()

    # -- the three that all others end in ---------------------------------------

    def _aggregated(
        self, aggregator: Aggregator, numPartitions: int | None, partitionFunc: Callable[[Any], int]
    ) -> RDD[Any]:
        """Pairs with the values of a key combined; no shuffle if keys are in place."""
        arguments.a_callable("partitionFunc", partitionFunc)
        partitioner = Partitioner(self._reduce_partitions(numPartitions), partitionFunc)
        if self.partitioner == partitioner:
            return self._step(steps.Merge(aggregator), True)
        return self._shuffle(self._exchange(partitioner, aggregator, map_side_combine=True))

    def combineByKey(
        self: _PairOps[tuple[K, V]],
        createCombiner: Callable[[V], U],
        mergeValue: Callable[[U, V], U],
        mergeCombiners: Callable[[U, U], U],
        numPartitions: int | None = None,
        partitionFunc: Callable[[K], int] = portable_hash,
    ) -> RDD[tuple[K, U]]:
        """Combines the values of each key by three functions.

        Wide; narrow where the keys are in place. Combines map-side.

        Examples
        --------
        >>> pairs = sc.parallelize([("a", 1), ("b", 1), ("a", 2)])
        >>> add = lambda xs, x: xs + [x]
        >>> lists = pairs.combineByKey(lambda x: [x], add, lambda xs, ys: xs + ys)
        >>> sorted(lists.collect())
        [('a', [1, 2]), ('b', [1])]
        """
        arguments.callables(
            createCombiner=createCombiner, mergeValue=mergeValue, mergeCombiners=mergeCombiners
        )
        aggregator = Aggregator(createCombiner, mergeValue, mergeCombiners)
        return self._aggregated(aggregator, numPartitions, partitionFunc)

    def groupByKey(
        self: _PairOps[tuple[K, V]],
        numPartitions: int | None = None,
        partitionFunc: Callable[[K], int] = portable_hash,
    ) -> RDD[tuple[K, Iterable[V]]]:
        """The values of each key as one iterable, in the order they come.

        Wide; narrow where the keys are in place. To sum or count per key,
        `reduceByKey` moves far less.

        Examples
        --------
        >>> pairs = sc.parallelize([("a", 1), ("b", 1), ("a", 2)])
        >>> sorted(pairs.groupByKey().mapValues(list).collect())
        [('a', [1, 2]), ('b', [1])]
        """
        group = Aggregator(
            aggregate.one_value, aggregate.append_value, aggregate.extend_group, "group"
        )
        return self._aggregated(group, numPartitions, partitionFunc).mapValues(ResultIterable)

    def partitionBy(
        self: _PairOps[tuple[K, V]],
        numPartitions: int | None,
        partitionFunc: Callable[[K], int] = portable_hash,
    ) -> RDD[tuple[K, V]]:
        """Places each pair by its key: `partitionFunc(key) % numPartitions`.

        Wide; the RDD itself if its pairs are placed so already.

        Examples
        --------
        >>> pairs = sc.parallelize([1, 2, 3, 4, 2]).map(lambda x: (x, x))
        >>> [sorted(p) for p in pairs.partitionBy(2).keys().glom().collect()]
        [[2, 2, 4], [1, 3]]
        """
        arguments.a_callable("partitionFunc", partitionFunc)
        partitioner = Partitioner(self._reduce_partitions(numPartitions), partitionFunc)
        if self.partitioner == partitioner:
            return self._handle()
        return self._shuffle(self._exchange(partitioner))

    # -- combining -----------------------------------------------------------------

    def reduceByKey(
        self: _PairOps[tuple[K, V]],
        func: Callable[[V, V], V],
        numPartitions: int | None = None,
        partitionFunc: Callable[[K], int] = portable_hash,
    ) -> RDD[tuple[K, V]]:
        """Merges the values of each key by an associative, commutative function.

        Wide; narrow where the keys are in place. Combines map-side.

        Examples
        --------
        >>> from operator import add
        >>> sorted(sc.parallelize([("a", 1), ("b", 1), ("a", 1)]).reduceByKey(add).collect())
        [('a', 2), ('b', 1)]
        """
        arguments.a_callable("func", func)
        aggregator = Aggregator(elements.identity, func, func)
        return self._aggregated(aggregator, numPartitions, partitionFunc)

    def aggregateByKey(
        self: _PairOps[tuple[K, V]],
        zeroValue: U,
        seqFunc: Callable[[U, V], U],
        combFunc: Callable[[U, U], U],
        numPartitions: int | None = None,
        partitionFunc: Callable[[K], int] = portable_hash,
    ) -> RDD[tuple[K, U]]:
        """Folds the values of each key into its own copy of a zero value.

        Wide; narrow where the keys are in place. Combines map-side.

        Examples
        --------
        >>> pairs = sc.parallelize([("a", 1), ("b", 5), ("a", 2)])
        >>> seq = lambda acc, v: (acc[0] + v, acc[1] + 1)
        >>> comb = lambda a, b: (a[0] + b[0], a[1] + b[1])
        >>> sorted(pairs.aggregateByKey((0, 0), seq, comb).collect())
        [('a', (3, 2)), ('b', (5, 1))]
        """
        arguments.callables(seqFunc=seqFunc, combFunc=combFunc)
        create = aggregate.FromZero(zeroValue, seqFunc)
        aggregator = Aggregator(create, seqFunc, combFunc)
        return self._aggregated(aggregator, numPartitions, partitionFunc)

    def foldByKey(
        self: _PairOps[tuple[K, V]],
        zeroValue: V,
        func: Callable[[V, V], V],
        numPartitions: int | None = None,
        partitionFunc: Callable[[K], int] = portable_hash,
    ) -> RDD[tuple[K, V]]:
        """Folds the values of each key, starting from a neutral value.

        Wide; narrow where the keys are in place. The zero may enter once per partition.

        Examples
        --------
        >>> from operator import add
        >>> sorted(sc.parallelize([("a", 1), ("b", 1), ("a", 1)]).foldByKey(0, add).collect())
        [('a', 2), ('b', 1)]
        """
        arguments.a_callable("func", func)
        aggregator = Aggregator(aggregate.FromZero(zeroValue, func), func, func)
        return self._aggregated(aggregator, numPartitions, partitionFunc)

    # -- sorting -------------------------------------------------------------------

    @overload
    def repartitionAndSortWithinPartitions(
        self: _PairOps[tuple[S, V]],
        numPartitions: int | None = ...,
        partitionFunc: Callable[[S], int] = ...,
        ascending: bool = ...,
    ) -> RDD[tuple[S, V]]: ...
    @overload
    def repartitionAndSortWithinPartitions(
        self: _PairOps[tuple[K, V]],
        numPartitions: int | None,
        partitionFunc: Callable[[K], int],
        ascending: bool,
        keyfunc: Callable[[K], S],
    ) -> RDD[tuple[K, V]]: ...
    @overload
    def repartitionAndSortWithinPartitions(
        self: _PairOps[tuple[K, V]],
        numPartitions: int | None = ...,
        partitionFunc: Callable[[K], int] = ...,
        ascending: bool = ...,
        *,
        keyfunc: Callable[[K], S],
    ) -> RDD[tuple[K, V]]: ...
    def repartitionAndSortWithinPartitions(
        self: _PairOps[tuple[Any, Any]],
        numPartitions: int | None = None,
        partitionFunc: Callable[[Any], int] = portable_hash,
        ascending: bool = True,
        keyfunc: Callable[[Any], Any] = elements.identity,
    ) -> RDD[tuple[Any, Any]]:
        """Places the pairs by key and sorts each partition by key, in one pass.

        Wide. Stable.

        Examples
        --------
        >>> pairs = sc.parallelize([(0, 5), (3, 8), (2, 6), (0, 8), (3, 8), (1, 3)])
        >>> pairs.repartitionAndSortWithinPartitions(2, lambda x: x % 2).glom().collect()
        [[(0, 5), (0, 8), (2, 6)], [(1, 3), (3, 8), (3, 8)]]
        """
        arguments.callables(partitionFunc=partitionFunc, keyfunc=keyfunc)
        partitioner = Partitioner(self._reduce_partitions(numPartitions), partitionFunc)
        ordering = Ordering(ascending, _key_or_none(keyfunc))
        if self.partitioner == partitioner:
            return self._step(steps.Merge(ordering=ordering), True)
        return self._shuffle(self._exchange(partitioner), ordering)

    @overload
    def sortByKey(
        self: _PairOps[tuple[S, V]], ascending: bool = ..., numPartitions: int | None = ...
    ) -> RDD[tuple[S, V]]: ...
    @overload
    def sortByKey(
        self: _PairOps[tuple[K, V]],
        ascending: bool,
        numPartitions: int,
        keyfunc: Callable[[K], S],
    ) -> RDD[tuple[K, V]]: ...
    @overload
    def sortByKey(
        self: _PairOps[tuple[K, V]],
        ascending: bool = ...,
        numPartitions: int | None = ...,
        *,
        keyfunc: Callable[[K], S],
    ) -> RDD[tuple[K, V]]: ...
    def sortByKey(
        self: _PairOps[tuple[Any, Any]],
        ascending: bool | None = True,
        numPartitions: int | None = None,
        keyfunc: Callable[[Any], Any] = elements.identity,
    ) -> RDD[tuple[Any, Any]]:
        """The pairs in order of their keys; stable.

        Wide. Runs a job at once, which counts and samples the keys to find where
        the partitions begin; two if the records are in few of many partitions, none
        for one partition.

        Examples
        --------
        >>> pairs = sc.parallelize([("c", 3), ("a", 1), ("B", 2)])
        >>> pairs.sortByKey().keys().collect()
        ['B', 'a', 'c']
        >>> pairs.sortByKey(False, 2, keyfunc=str.lower).keys().collect()
        ['c', 'B', 'a']
        """
        arguments.a_callable("keyfunc", keyfunc)
        n = self._reduce_partitions(numPartitions)
        key = _key_or_none(keyfunc)
        ordering = Ordering(bool(ascending), key)
        if n == 1:
            return self._sorted_in_one(ordering)
        samples = self._sort_sample(n)
        if samples is None:
            return self._handle()
        placement = RangePlacement(range_bounds(samples, n, key), n, ordering.ascending, key)
        exchange = self._exchange(Partitioner(n, placement), writes_by=RangeCut(placement))
        return self._shuffle(exchange, ordering)

    def _sort_sample(self: _PairOps[tuple[K, V]], numPartitions: int) -> list[K] | None:
        """The keys that PySpark would sample for the bounds; None without records."""
        # Imported here: most programs sort nothing (ADR 0032).
        from minispark.kernels import sortsample

        inputs = max(1, self.getNumPartitions())
        parts = self.ctx._run_partitions(
            self._handle(), partial(sortsample.count_and_sample, numPartitions, inputs)
        )
        size = sum(part.size for part in parts)
        if not size:
            return None
        samples: list[K] | None = sortsample.joined_sample(numPartitions, parts)
        if samples is not None:
            return samples
        # Most records are in few partitions, which kept too few for all.
        fraction = sort_sample_fraction(numPartitions, size)
        return self.sample(False, fraction, SORT_SAMPLE_SEED).keys().collect()

    def _sorted_in_one(self, ordering: Ordering) -> RDD[Any]:
        """All pairs sorted in one partition, by a shuffle so that it may spill."""
        if self.getNumPartitions() <= 1:
            return self._step(steps.Merge(ordering=ordering), True)
        one = Partitioner(1, elements.to_partition_zero)
        # Sorted, not placed by key: the partitioner must not be seen.
        return self._shuffle(self._exchange(one), ordering)._step(
            steps.Partitions(elements.unchanged)
        )


def _key_or_none(keyfunc: Callable[[Any], Any]) -> Callable[[Any], Any] | None:
    """None for the default, so that sorting need not call it per record."""
    return None if keyfunc is elements.identity else keyfunc
