"""Approximate numbers: what is known when some partitions are missing, and how far off it may be.

Owns `BoundedFloat` and the estimates, which are Spark's: what is missing is taken to be like
what was seen. Must not know jobs or clocks.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from minispark.kernels.statcounter import StatCounter
from minispark.kernels.student import student_quantile

__all__ = ["BoundedFloat", "mean_estimate", "sum_estimate"]

#: Above so many values Student's distribution is taken for the normal one.
_MANY = 100


class BoundedFloat(float):
    """An approximate number: with `confidence`, it lies between `low` and `high`."""

    confidence: float
    low: float
    high: float

    def __new__(cls, mean: float, confidence: float, low: float, high: float) -> BoundedFloat:
        number = super().__new__(cls, mean)
        number.confidence = confidence
        number.low = low
        number.high = high
        return number

    def __getnewargs__(self) -> tuple[float, float, float, float]:  # type: ignore[override]
        return float(self), self.confidence, self.low, self.high


def exactly(value: float) -> BoundedFloat:
    """A number that is known."""
    return BoundedFloat(value, 1.0, value, value)


def mean_estimate(seen: StatCounter, confidence: float) -> BoundedFloat:
    """The mean of all values, of which some partitions' are missing."""
    if seen.count() == 0:
        return BoundedFloat(0.0, 0.0, -math.inf, math.inf)
    mean = seen.mean()
    if seen.count() == 1:
        return BoundedFloat(mean, confidence, -math.inf, math.inf)
    spread = _factor(confidence, seen.count()) * math.sqrt(seen.sampleVariance() / seen.count())
    return BoundedFloat(mean, confidence, mean - spread, mean + spread)


def sum_estimate(seen: StatCounter, fraction: float, confidence: float) -> BoundedFloat:
    """The sum of all values, of which only a fraction of the partitions' was seen."""
    count = seen.count()
    if count == 0:
        return BoundedFloat(0.0, 0.0, -math.inf, math.inf)
    mean = seen.mean()
    missing = count * (1 - fraction) / fraction
    total = seen.sum() + mean * missing
    if count == 1:
        return BoundedFloat(total, confidence, -math.inf, math.inf)
    # The missing part is a product of two estimates: how many values, and their mean.
    mean_variance = seen.sampleVariance() / count
    count_variance = missing / fraction
    variance = (
        mean * mean * count_variance
        + missing * missing * mean_variance
        + mean_variance * count_variance
    )
    spread = _factor(confidence, count) * math.sqrt(variance)
    return BoundedFloat(total, confidence, total - spread, total + spread)


def _factor(confidence: float, count: float) -> float:
    """How many standard deviations the confidence takes to both sides."""
    p = (1 + confidence) / 2
    if p >= 1:
        return math.inf
    if count > _MANY:
        return NormalDist().inv_cdf(p)
    return student_quantile(p, int(count) - 1)
