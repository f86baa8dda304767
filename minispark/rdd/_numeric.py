"""Statistics of records that are numbers, and approximate answers."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, overload

from minispark._typing import NumberOrArray, S, T, T_co
from minispark.kernels import aggregate, histogram
from minispark.kernels.approximate import BoundedFloat
from minispark.kernels.hll import HyperLogLog
from minispark.kernels.statcounter import StatCounter
from minispark.rdd import _arguments as arguments
from minispark.rdd._keyed import _KeyedActionOps


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
        parts = self._run(partial(aggregate.applied, StatCounter))
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

    # -- approximate -----------------------------------------------------------------

    def countApprox(self, timeout: int, confidence: float = 0.95) -> int:
        """The number of records, within a time limit in milliseconds.

        Action. What is counted is exact: the job is always finished.

        Examples
        --------
        >>> sc.parallelize(range(1000), 10).countApprox(1000, 1.0)
        1000
        """
        _approximation(timeout, confidence)
        return self.count()

    def sumApprox(
        self: _NumericOps[float | int], timeout: int, confidence: float = 0.95
    ) -> BoundedFloat:
        """The sum of the records with its bounds, within a time limit in milliseconds.

        Action. The sum is exact: the job is always finished.

        Examples
        --------
        >>> sc.parallelize(range(1000), 10).sumApprox(1000)
        499500.0
        """
        _approximation(timeout, confidence)
        total = float(sum(total for total, _n in self._run(aggregate.sum_floats)))
        return BoundedFloat(total, 1.0, total, total)

    def meanApprox(
        self: _NumericOps[float | int], timeout: int, confidence: float = 0.95
    ) -> BoundedFloat:
        """The mean of the records with its bounds, within a time limit in milliseconds.

        Action. The mean is exact: the job is always finished.

        Examples
        --------
        >>> sc.parallelize(range(1000), 10).meanApprox(1000)
        499.5
        """
        _approximation(timeout, confidence)
        parts = self._run(aggregate.sum_floats)
        n = sum(n for _total, n in parts)
        mean = sum(total for total, _n in parts) / n if n else float("nan")
        return BoundedFloat(mean, 1.0, mean, mean)

    def countApproxDistinct(self: _NumericOps[T], relativeSD: float = 0.05) -> int:
        """About how many different records there are, in little memory.

        Action. Smaller `relativeSD` needs more memory; it must exceed 0.000017.

        Examples
        --------
        >>> n = sc.parallelize(range(1000)).map(str).countApproxDistinct()
        >>> 900 < n < 1100
        True
        """
        sketch = HyperLogLog(relativeSD)
        parts = self._run(partial(aggregate.applied, sketch.add_all))
        return functools.reduce(HyperLogLog.merge, parts, sketch).estimate()


def _approximation(timeout: Any, confidence: Any) -> None:
    arguments.at_least("timeout", timeout, 0)
    if not 0 <= confidence <= 1:
        raise arguments.wrong_value("confidence", confidence, "between 0 and 1")
