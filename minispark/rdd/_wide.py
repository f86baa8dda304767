"""Wide transformations of records that need not be pairs.

Each is an expression over the pair operations: records become keys, are
shuffled, and become records again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from minispark._typing import K, S, T, T_co
from minispark.kernels import elements
from minispark.kernels.hashing import portable_hash
from minispark.rdd import _arguments as arguments
from minispark.rdd._sampling import _SampleOps

if TYPE_CHECKING:
    from minispark.rdd.rdd import RDD


class _WideOps(_SampleOps[T_co]):
    """Transformations that move records between partitions."""

    __slots__ = ()

    def repartition(self: _WideOps[T], numPartitions: int) -> RDD[T]:
        """Spreads the records evenly over a number of partitions.

        Wide. Drops the partitioner. The partitions hold what PySpark's hold.

        Examples
        --------
        >>> sc.parallelize(range(100), 1).repartition(4).getNumPartitions()
        4
        """
        return self.coalesce(numPartitions, shuffle=True)

    def distinct(self: _WideOps[T], numPartitions: int | None = None) -> RDD[T]:
        """Each different record once. Records must be hashable.

        Wide. Combines map-side. Order unspecified.

        Examples
        --------
        >>> sorted(sc.parallelize([1, 1, 2, 3, 2]).distinct().collect())
        [1, 2, 3]
        """
        keyed = self.map(elements.with_none)
        return keyed.reduceByKey(elements.keep_first, numPartitions).keys()

    def groupBy(
        self: _WideOps[T],
        f: Callable[[T], K],
        numPartitions: int | None = None,
        partitionFunc: Callable[[K], int] = portable_hash,
    ) -> RDD[tuple[K, Iterable[T]]]:
        """The records grouped by the key that a function gives.

        Wide. Groups map-side; records of a key keep their order.

        Examples
        --------
        >>> groups = sc.parallelize([1, 1, 2, 3, 5, 8]).groupBy(lambda x: x % 2)
        >>> sorted((k, sorted(v)) for k, v in groups.collect())
        [(0, [2, 8]), (1, [1, 1, 3, 5])]
        """
        arguments.a_callable("f", f)
        return self.keyBy(f).groupByKey(numPartitions, partitionFunc)

    def sortBy(
        self: _WideOps[T],
        keyfunc: Callable[[T], S],
        ascending: bool = True,
        numPartitions: int | None = None,
    ) -> RDD[T]:
        """The records in order of a key; stable.

        Wide. Runs a job at once, as `sortByKey` does, to find the bounds.

        Examples
        --------
        >>> sc.parallelize([("b", 1), ("a", 2)]).sortBy(lambda x: x[0]).collect()
        [('a', 2), ('b', 1)]
        """
        arguments.a_callable("keyfunc", keyfunc)
        return self.keyBy(keyfunc).sortByKey(ascending, numPartitions).values()  # type: ignore[type-var]

    def intersection(self: _WideOps[T], other: RDD[T]) -> RDD[T]:
        """The records that two RDDs have in common, each once.

        Wide. Order unspecified.

        Examples
        --------
        >>> left, right = sc.parallelize([1, 2, 2, 3]), sc.parallelize([3, 2, 9])
        >>> sorted(left.intersection(right).collect())
        [2, 3]
        """
        self._check_others(other)
        theirs = other.map(elements.with_none)
        # Imported here: most programs join nothing (ADR 0032).
        from minispark.kernels.joins import in_both

        return self.map(elements.with_none)._cogroup((theirs,), None).filter(in_both).keys()

    def subtract(self: _WideOps[T], other: RDD[T], numPartitions: int | None = None) -> RDD[T]:
        """The records that another RDD does not have; duplicates stay.

        Wide. Order unspecified.

        Examples
        --------
        >>> sorted(sc.parallelize([1, 1, 2, 3]).subtract(sc.parallelize([3])).collect())
        [1, 1, 2]
        """
        self._check_others(other)
        theirs = other.map(elements.with_true)
        return self.map(elements.with_true).subtractByKey(theirs, numPartitions).keys()
