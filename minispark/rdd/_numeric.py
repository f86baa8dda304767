"""Statistics of records that are numbers."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, overload

from minispark._typing import NumberOrArray, S, T, T_co
from minispark.kernels import aggregate
from minispark.rdd._keyed import _KeyedActionOps

if TYPE_CHECKING:
    from minispark.kernels.statcounter import StatCounter


class _NumericOps(_KeyedActionOps[T_co]):
    """Actions over numbers."""

    __slots__ = ()

    @overload
    def max(self: _NumericOps[S]) -> S: ...
    @overload
    def max(self: _NumericOps[T], key: Callable[[T], S]) -> T: ...
    def max(self: _NumericOps[Any], key: Callable[[Any], Any] | None = None) -> Any:
        """The largest record, by a key if one is given.

        Action.

        Examples
        --------
        >>> sc.parallelize([1.0, 5.0, 43.0, 10.0]).max()
        43.0
        >>> sc.parallelize([1.0, 5.0, 43.0, 10.0]).max(key=str)
        5.0
        """
        return self.reduce(max if key is None else partial(aggregate.keyed_by, key, max))

    @overload
    def min(self: _NumericOps[S]) -> S: ...
    @overload
    def min(self: _NumericOps[T], key: Callable[[T], S]) -> T: ...
    def min(self: _NumericOps[Any], key: Callable[[Any], Any] | None = None) -> Any:
        """The smallest record, by a key if one is given.

        Action.

        Examples
        --------
        >>> sc.parallelize([2.0, 5.0, 43.0, 10.0]).min()
        2.0
        >>> sc.parallelize([2.0, 5.0, 43.0, 10.0]).min(key=str)
        10.0
        """
        return self.reduce(min if key is None else partial(aggregate.keyed_by, key, min))

    def sum(self: _NumericOps[NumberOrArray]) -> NumberOrArray:
        """The sum of the records, 0 if there is none.

        Action.

        Examples
        --------
        >>> sc.parallelize([1.0, 2.0, 3.0]).sum()
        6.0
        """
        return functools.reduce(operator.add, self._run(aggregate.sum_records), 0)  # type: ignore[arg-type]

    def stats(self: _NumericOps[NumberOrArray]) -> StatCounter:
        """Count, mean, variance, minimum and maximum, in one pass.

        Action.

        Examples
        --------
        >>> stats = sc.parallelize([1, 2, 3, 4]).stats()
        >>> stats.count(), stats.mean(), stats.max()
        (4, 2.5, 4.0)
        """
        # Imported here: most programs ask for no statistics (ADR 0032).
        from minispark.kernels.statcounter import StatCounter

        parts = self._run(aggregate.stats)
        return functools.reduce(StatCounter.mergeStats, parts, StatCounter())

    def mean(self: _NumericOps[NumberOrArray]) -> float:
        """The mean of the records.

        Action.

        Examples
        --------
        >>> sc.parallelize([1, 2, 3]).mean()
        2.0
        """
        return self.stats().mean()

    def variance(self: _NumericOps[NumberOrArray]) -> float:
        """The variance of the records as a whole population.

        Action.

        Examples
        --------
        >>> sc.parallelize([1, 2, 3]).variance()
        0.666...
        """
        return self.stats().variance()

    def stdev(self: _NumericOps[NumberOrArray]) -> float:
        """The standard deviation of the records as a whole population.

        Action.

        Examples
        --------
        >>> sc.parallelize([1, 2, 3]).stdev()
        0.816...
        """
        return self.stats().stdev()

    def sampleStdev(self: _NumericOps[NumberOrArray]) -> float:
        """The standard deviation estimated from the records as a sample (n - 1).

        Action.

        Examples
        --------
        >>> sc.parallelize([1, 2, 3]).sampleStdev()
        1.0
        """
        return self.stats().sampleStdev()

    def sampleVariance(self: _NumericOps[NumberOrArray]) -> float:
        """The variance estimated from the records as a sample (n - 1).

        Action.

        Examples
        --------
        >>> sc.parallelize([1, 2, 3]).sampleVariance()
        1.0
        """
        return self.stats().sampleVariance()

    def histogram(
        self: _NumericOps[S], buckets: int | list[S] | tuple[S, ...]
    ) -> tuple[Sequence[S], list[int]]:
        """How many records fall between bounds, given or evenly spaced.

        Action. A number of buckets costs one job more, for the range. Buckets are
        open on the right, but for the last one; None and NaN count nowhere.

        Examples
        --------
        >>> sc.parallelize(range(51), 2).histogram(2)
        ([0, 25, 50], [25, 26])
        >>> sc.parallelize(range(51), 2).histogram([0, 5, 25, 50])
        ([0, 5, 25, 50], [5, 20, 26])
        """
        # Imported here: most programs need no histogram (ADR 0032).
        from minispark.kernels import histogram

        if isinstance(buckets, int):
            histogram.check_bucket_count(buckets)
            extremes = self._run(partial(aggregate.applied, histogram.min_max))
            known = [value for pair in extremes if pair is not None for value in pair]
            chosen = histogram.even_buckets(histogram.min_max(known), buckets)
        else:
            chosen = histogram.given_buckets(buckets)
        parts = self._run(
            partial(aggregate.applied, partial(histogram.histogram_counts, buckets=chosen))
        )
        zeros = [0] * (len(chosen.edges) - 1)
        return chosen.edges, functools.reduce(histogram.merge_counts, parts, zeros)
