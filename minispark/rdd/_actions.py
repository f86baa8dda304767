"""Actions that bring records, or what was made of them, to the driver.

Each runs one function per partition (`SparkContext._run_partitions`) and puts
the results together in the order of the partitions.
"""

from __future__ import annotations

import copy
import functools
import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, overload

from minispark._typing import S, T, T_co, U
from minispark.kernels import aggregate, ordering
from minispark.plan import steps
from minispark.rdd import _arguments as arguments
from minispark.rdd._joins import _JoinOps

if TYPE_CHECKING:
    from minispark.kernels.sampling import Sampler
    from minispark.rdd.rdd import RDD


class _ActionOps(_JoinOps[T_co]):
    """What runs jobs and returns plain Python values."""

    __slots__ = ()

    def _run(self, func: Callable[[int, Iterator[Any]], Any]) -> list[Any]:
        """One value per partition, in order."""
        return self.ctx._run_partitions(self._handle(), func)

    # -- all records, or some --------------------------------------------------------

    def collect(self: _ActionOps[T]) -> list[T]:
        """All records, as a list on the driver.

        Action. Brings everything to the driver.

        Examples
        --------
        >>> sc.parallelize(range(4), 2).collect()
        [0, 1, 2, 3]
        """
        return list(chain.from_iterable(self._run(aggregate.to_list)))

    def collectWithJobGroup(
        self: _ActionOps[T], groupId: str, description: str, interruptOnCancel: bool = False
    ) -> list[T]:
        """`collect`, as a job of the given group.

        Action. Deprecated, as in PySpark: use `SparkContext.setJobGroup` in the thread.

        Examples
        --------
        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     sc.parallelize([1, 2]).collectWithJobGroup("group", "an example")
        [1, 2]
        """
        warnings.warn(
            "collectWithJobGroup is deprecated; call sc.setJobGroup() in the thread instead",
            FutureWarning,
            stacklevel=2,
        )
        keys = ("spark.jobGroup.id", "spark.job.description", "spark.job.interruptOnCancel")
        before = [(key, self.ctx.getLocalProperty(key)) for key in keys]
        self.ctx.setJobGroup(groupId, description, interruptOnCancel)
        try:
            return self.collect()
        finally:
            for key, value in before:
                self.ctx.setLocalProperty(key, value)

    def toLocalIterator(self: _ActionOps[T], prefetchPartitions: bool = False) -> Iterator[T]:
        """An iterator over all records that holds one partition at a time.

        Action. One job per partition; two partitions with prefetching.

        Examples
        --------
        >>> list(sc.parallelize(range(4), 2).toLocalIterator())
        [0, 1, 2, 3]
        """
        parts = self.ctx._iterate_partitions(self._handle(), bool(prefetchPartitions))
        return chain.from_iterable(parts)

    def take(self: _ActionOps[T], num: int) -> list[T]:
        """The first records, at most `num` of them.

        Action. Runs one partition, then up to four times as many, until there are enough.

        Examples
        --------
        >>> sc.parallelize(range(100), 50).take(3)
        [0, 1, 2]
        """
        num = arguments.an_int("num", num)
        total = self.getNumPartitions()
        found: list[T] = []
        scanned = 0
        while len(found) < num and scanned < total:
            tries = 1
            if scanned and not found:
                tries = scanned * 4
            elif scanned:
                tries = int(1.5 * num * scanned / len(found)) - scanned
                tries = min(max(tries, 1), scanned * 4)
            partitions = range(scanned, min(scanned + tries, total))
            first = partial(aggregate.first_records, num - len(found))
            for part in self.ctx._run_partitions(self._handle(), first, partitions):
                found.extend(part)
            scanned += tries
        return found[: max(num, 0)]

    def first(self: _ActionOps[T]) -> T:
        """The first record.

        Action.

        Raises
        ------
        ValueError
            There is none.

        Examples
        --------
        >>> sc.parallelize([2, 3, 4]).first()
        2
        """
        for record in self.take(1):
            return record
        raise ValueError("RDD is empty")

    def isEmpty(self) -> bool:
        """Whether there is no record at all.

        Action. Computes one record at most.

        Examples
        --------
        >>> sc.parallelize([]).isEmpty(), sc.parallelize([1]).isEmpty()
        (True, False)
        """
        return not self.take(1)

    def takeSample(
        self: _ActionOps[T], withReplacement: bool, num: int, seed: int | None = None
    ) -> list[T]:
        """Exactly `num` random records, or all where there are fewer.

        Action. Counts first. The same seed gives the same sample as in PySpark.

        Examples
        --------
        >>> rdd = sc.parallelize(range(10))
        >>> len(rdd.takeSample(True, 20, 1)), len(rdd.takeSample(False, 5, 2))
        (20, 5)
        """
        num = arguments.an_int("num", num)
        # Imported here: most programs take no sample (ADR 0032).
        from minispark.kernels.sampling import take_sample

        return take_sample(withReplacement, num, seed, self.count, self._sampled)

    def _sampled(self: _ActionOps[T], sampler: Sampler | None) -> list[T]:
        """The records a sampler keeps, or all of them."""
        rdd = self._step(steps.Partitions(sampler)) if sampler else self._handle()
        return rdd.collect()

    @overload
    def takeOrdered(self: _ActionOps[S], num: int) -> list[S]: ...
    @overload
    def takeOrdered(self: _ActionOps[T], num: int, key: Callable[[T], S]) -> list[T]: ...
    def takeOrdered(
        self: _ActionOps[Any], num: int, key: Callable[[Any], Any] | None = None
    ) -> list[Any]:
        """The `num` smallest records, in order.

        Action. Brings `num` records of each partition to the driver.

        Examples
        --------
        >>> sc.parallelize([10, 1, 2, 9], 2).takeOrdered(3)
        [1, 2, 9]
        >>> sc.parallelize([10, 1, 2, 9], 2).takeOrdered(2, key=lambda x: -x)
        [10, 9]
        """
        num = arguments.at_least("num", num, 0)
        if num == 0 or self.getNumPartitions() == 0:
            return []
        smallest = partial(ordering.take_ordered, num=num, key=key)
        parts = self._run(partial(aggregate.applied, smallest))
        return functools.reduce(partial(ordering.merge_ordered, num=num, key=key), parts)

    @overload
    def top(self: _ActionOps[S], num: int) -> list[S]: ...
    @overload
    def top(self: _ActionOps[T], num: int, key: Callable[[T], S]) -> list[T]: ...
    def top(self: _ActionOps[Any], num: int, key: Callable[[Any], Any] | None = None) -> list[Any]:
        """The `num` largest records, the largest first.

        Action. Brings `num` records of each partition to the driver.

        Examples
        --------
        >>> sc.parallelize([10, 4, 2, 12, 3], 2).top(2)
        [12, 10]
        >>> sc.parallelize([10, 4, 2, 12, 3], 2).top(3, key=str)
        [4, 3, 2]
        """
        num = arguments.an_int("num", num)
        if self.getNumPartitions() == 0:
            return []
        largest = partial(ordering.top, num=num, key=key)
        parts = self._run(partial(aggregate.applied, largest))
        return functools.reduce(partial(ordering.merge_top, num=num, key=key), parts)

    # -- one value -------------------------------------------------------------------

    def count(self) -> int:
        """The number of records.

        Action.

        Examples
        --------
        >>> sc.parallelize([2, 3, 4]).count()
        3
        """
        return sum(self._run(aggregate.count_records))

    def reduce(self: _ActionOps[T], f: Callable[[T, T], T]) -> T:
        """The records reduced to one by an associative, commutative function.

        Action.

        Raises
        ------
        ValueError
            There is no record.

        Examples
        --------
        >>> sc.parallelize([1, 2, 3, 4, 5]).reduce(lambda a, b: a + b)
        15
        """
        arguments.a_callable("f", f)
        values = list(chain.from_iterable(self._run(partial(aggregate.reduced, f))))
        if not values:
            raise ValueError("Can not reduce() empty RDD")
        result: T = functools.reduce(f, values)
        return result

    def fold(self: _ActionOps[T], zeroValue: T, op: Callable[[T, T], T]) -> T:
        """The records folded from a neutral value, which enters once per partition.

        Action.

        Examples
        --------
        >>> from operator import add
        >>> sc.parallelize([1, 2, 3, 4, 5]).fold(0, add)
        15
        """
        arguments.a_callable("op", op)
        parts = self._run(partial(aggregate.folded, zeroValue, op))
        # The operator may change its first argument; the caller's value stays.
        return functools.reduce(op, parts, copy.deepcopy(zeroValue))

    def aggregate(
        self: _ActionOps[T],
        zeroValue: U,
        seqOp: Callable[[U, T], U],
        combOp: Callable[[U, U], U],
    ) -> U:
        """The records folded into a value of another type, per partition, then combined.

        Action. The zero value enters once per partition and once more at the end.

        Examples
        --------
        >>> seq = lambda acc, x: (acc[0] + x, acc[1] + 1)
        >>> comb = lambda a, b: (a[0] + b[0], a[1] + b[1])
        >>> sc.parallelize([1, 2, 3, 4]).aggregate((0, 0), seq, comb)
        (10, 4)
        """
        arguments.callables(seqOp=seqOp, combOp=combOp)
        parts = self._run(partial(aggregate.folded, zeroValue, seqOp))
        return functools.reduce(combOp, parts, copy.deepcopy(zeroValue))

    def treeAggregate(
        self: _ActionOps[T],
        zeroValue: U,
        seqOp: Callable[[U, T], U],
        combOp: Callable[[U, U], U],
        depth: int = 2,
    ) -> U:
        """`aggregate`, with the partitions' results combined in a tree of tasks.

        Action. Up to `depth` levels of shuffles, for many partitions or large results.

        Examples
        --------
        >>> from operator import add
        >>> sc.parallelize([-5, -4, -3, -2, -1, 1, 2, 3, 4], 9).treeAggregate(0, add, add)
        -5
        """
        arguments.callables(seqOp=seqOp, combOp=combOp)
        depth = arguments.at_least("depth", depth, 1)
        partitions: float = self.getNumPartitions()
        if partitions == 0:
            return zeroValue
        fold = partial(aggregate.folded_partition, zeroValue, seqOp)
        level: RDD[U] = self._step(steps.Partitions(fold))
        scale = max(math.ceil(math.pow(partitions, 1.0 / depth)), 2)
        while partitions > scale + partitions / scale:
            partitions /= scale
            spread = partial(aggregate.keyed_modulo, int(partitions))
            keyed: RDD[tuple[int, U]] = level.mapPartitionsWithIndex(spread)
            level = keyed.reduceByKey(combOp, int(partitions)).values()
        return level.reduce(combOp)

    def treeReduce(self: _ActionOps[T], f: Callable[[T, T], T], depth: int = 2) -> T:
        """`reduce`, with the partitions' results combined in a tree of tasks.

        Action. Up to `depth` levels of shuffles.

        Raises
        ------
        ValueError
            There is no record.

        Examples
        --------
        >>> sc.parallelize([-5, -4, 3, 2], 4).treeReduce(lambda a, b: a + b)
        -4
        """
        arguments.a_callable("f", f)
        join = partial(aggregate.reduced_lists, f)
        add = partial(aggregate.reduced_into_list, f)
        values: list[T] = self.treeAggregate([], add, join, depth)
        if not values:
            raise ValueError("Cannot reduce empty RDD.")
        return values[0]

    # -- for the effect ------------------------------------------------------------------

    def foreach(self: _ActionOps[T], f: Callable[[T], None]) -> None:
        """Calls a function with each record, in the tasks, for its effect.

        Action. Use an accumulator to get anything back.

        Examples
        --------
        >>> total = sc.accumulator(0)
        >>> sc.parallelize([1, 2, 3]).foreach(total.add)
        >>> total.value
        6
        """
        arguments.a_callable("f", f)
        self._run(partial(aggregate.each, f))

    def foreachPartition(self: _ActionOps[T], f: Callable[[Iterable[T]], None]) -> None:
        """Calls a function with each partition's records, in the tasks.

        Action. For what needs a set-up per partition, such as a connection.

        Examples
        --------
        >>> total = sc.accumulator(0)
        >>> sc.parallelize([1, 2, 3], 2).foreachPartition(lambda xs: total.add(sum(xs)))
        >>> total.value
        6
        """
        arguments.a_callable("f", f)
        self._run(partial(aggregate.each_partition, f))
