"""Approximate answers: within a time limit, or in little memory."""

from __future__ import annotations

import functools
from functools import partial
from typing import TYPE_CHECKING, Any

from minispark._typing import T, T_co
from minispark.kernels import aggregate
from minispark.rdd import _arguments as arguments
from minispark.rdd._numeric import _NumericOps

if TYPE_CHECKING:
    from minispark.kernels.approximate import BoundedFloat

# Kernels are imported where they are used: most programs need few of them (ADR 0032).


class _ApproximateOps(_NumericOps[T_co]):
    """Actions whose answer may be off, and say how far."""

    __slots__ = ()

    def countApprox(self, timeout: int, confidence: float = 0.95) -> int:
        """The number of records, estimated if not all are counted in time (milliseconds).

        Action. Partitions not counted by then are taken to be like the others;
        their tasks go on.

        Examples
        --------
        >>> sc.parallelize(range(1000), 10).countApprox(60_000)
        1000
        """
        from minispark.kernels.approximate import sum_estimate
        from minispark.kernels.statcounter import StatCounter

        found = self._run_for(aggregate.count_records, timeout, confidence)
        if len(found) == self.getNumPartitions():
            return sum(found.values())
        counts = StatCounter(map(float, found.values()))
        return int(sum_estimate(counts, len(found) / self.getNumPartitions(), confidence))

    def sumApprox(
        self: _ApproximateOps[float | int], timeout: int, confidence: float = 0.95
    ) -> BoundedFloat:
        """The sum of the records, with bounds, within a time limit in milliseconds.

        Action. Partitions not summed by then are taken to be like the others;
        their tasks go on. The bounds are equal when all were in time.

        Examples
        --------
        >>> total = sc.parallelize(range(1000), 10).sumApprox(60_000)
        >>> total, total.low, total.high
        (499500.0, 499500.0, 499500.0)
        """
        from minispark.kernels.approximate import exactly, sum_estimate
        from minispark.kernels.statcounter import StatCounter

        found = self._run_for(aggregate.sum_records, timeout, confidence)
        if len(found) == self.getNumPartitions():
            return exactly(float(sum(found.values())))
        sums = StatCounter(map(float, found.values()))
        return sum_estimate(sums, len(found) / self.getNumPartitions(), confidence)

    def meanApprox(
        self: _ApproximateOps[float | int], timeout: int, confidence: float = 0.95
    ) -> BoundedFloat:
        """The mean of the records, with bounds, within a time limit in milliseconds.

        Action. Partitions not read by then are taken to be like the others;
        their tasks go on. The bounds are equal when all were in time.

        Examples
        --------
        >>> mean = sc.parallelize(range(1000), 10).meanApprox(60_000)
        >>> mean, mean.confidence
        (499.5, 1.0)
        """
        from minispark.kernels.approximate import exactly, mean_estimate
        from minispark.kernels.statcounter import StatCounter

        found = self._run_for(aggregate.float_stats, timeout, confidence)
        parts = [found[index] for index in sorted(found)]
        seen = functools.reduce(StatCounter.mergeStats, parts, StatCounter())
        if len(found) < self.getNumPartitions():
            return mean_estimate(seen, confidence)
        return exactly(seen.mean() if seen.count() else 0.0)

    def _run_for(self, func: Any, timeout: int, confidence: float) -> dict[int, Any]:
        """The results of the partitions that were in time, by index."""
        limit_s = arguments.at_least("timeout", timeout, 0) / 1000
        if isinstance(confidence, bool) or not isinstance(confidence, (int, float)):
            raise arguments.wrong_type("confidence", confidence, "a number", "NOT_FLOAT_OR_INT")
        if not 0 <= confidence <= 1:
            raise arguments.wrong_value("confidence", confidence, "between 0 and 1")
        return self.context._run_for(self._handle(), func, limit_s)

    def countApproxDistinct(self: _ApproximateOps[T], relativeSD: float = 0.05) -> int:
        """About how many different records there are, in little memory.

        Action. Smaller `relativeSD` needs more memory; it must exceed 0.000017.

        Examples
        --------
        >>> n = sc.parallelize(range(1000)).map(str).countApproxDistinct()
        >>> 900 < n < 1100
        True
        """
        from minispark.kernels.hll import HyperLogLog

        sketch = HyperLogLog(relativeSD)
        parts = self._run(partial(aggregate.applied, sketch.add_all))
        return functools.reduce(HyperLogLog.merge, parts, sketch).estimate()
