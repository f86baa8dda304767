"""Histograms: where the buckets are, and counting into them.

Owns the edges' arithmetic and the errors of `RDD.histogram`. Must not know jobs: the
caller brings the smallest and the largest value.

Buckets are half-open, the last one closed. `None`, NaN and what is outside are left out.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from minispark.records import record

__all__ = [
    "Buckets",
    "check_bucket_count",
    "even_buckets",
    "given_buckets",
    "histogram_counts",
    "is_comparable",
    "merge_counts",
    "min_max",
]


@record
class Buckets:
    """Edges of buckets, and their common width when they have one."""

    edges: Sequence[Any]
    width: Any = None

    @property
    def is_even(self) -> bool:
        return self.width is not None


def check_bucket_count(count: int) -> None:
    """Raises ValueError unless there is at least one bucket."""
    if count < 1:
        raise ValueError("number of buckets must be >= 1")


def is_comparable(x: Any) -> bool:
    """Neither `None` nor NaN."""
    return x is not None and not (isinstance(x, float) and math.isnan(x))


def min_max(values: Iterable[Any]) -> tuple[Any, Any] | None:
    """The smallest and the largest comparable value, or None when there is none."""
    found: tuple[Any, Any] | None = None
    for x in values:
        if not is_comparable(x):
            continue
        if found is None:
            found = x, x
        elif x < found[0]:
            found = x, found[1]
        elif x > found[1]:
            found = found[0], x
    return found


def even_buckets(extremes: tuple[Any, Any] | None, count: int) -> Buckets:
    """`count` buckets of one width between the extremes; one when they are equal.

    Raises
    ------
    ValueError
        There are no values, or the range is infinite.
    TypeError
        The values are not numbers.
    """
    check_bucket_count(count)
    if extremes is None:
        raise ValueError("can not generate buckets from empty RDD")
    low, high = extremes
    if low == high or count == 1:
        return Buckets([low, high])
    try:
        width = (high - low) / count
        is_infinite = math.isinf(width)
    except TypeError as e:
        raise TypeError("Can not generate buckets with non-number in RDD") from e
    if is_infinite:
        raise ValueError("Can not generate buckets with infinite value")
    width = int(width)
    if width * count != high - low:
        width = (high - low) * 1.0 / count
    return Buckets([*(i * width + low for i in range(count)), high], width)


def given_buckets(edges: Any) -> Buckets:
    """Buckets with the edges the user gave.

    Raises
    ------
    ValueError
        Fewer than two edges, `None`, NaN, unsorted or repeated ones.
    TypeError
        Neither a list nor a tuple.
    """
    if not isinstance(edges, (list, tuple)):
        raise TypeError("buckets should be a list or tuple or number(int or long)")
    if len(edges) < 2:
        raise ValueError("buckets should have more than one value")
    if not all(map(is_comparable, edges)):
        raise ValueError("can not have None or NaN in buckets")
    if sorted(edges) != list(edges):
        raise ValueError("buckets should be sorted")
    if len(set(edges)) != len(edges):
        raise ValueError("buckets should not contain duplicated values")
    try:
        steps = [b - a for a, b in pairwise(edges)]
        is_even = max(steps) - min(steps) < 1e-10
    except TypeError:
        return Buckets(edges)  # ordered, but without a distance: strings
    return Buckets(edges, (edges[-1] - edges[0]) / (len(edges) - 1) if is_even else None)


def histogram_counts(values: Iterable[Any], buckets: Buckets) -> list[int]:
    """How many of a partition's values are in each bucket."""
    edges = buckets.edges
    width = buckets.width
    low, high = edges[0], edges[-1]
    # One more counter, for what equals (or by rounding reaches) the last edge.
    counters = [0] * len(edges)
    for x in values:
        if not is_comparable(x) or x > high or x < low:
            continue
        if width is None:
            counters[bisect.bisect_right(edges, x) - 1] += 1
        else:
            counters[int((x - low) / width)] += 1
    last = counters.pop()
    counters[-1] += last
    return counters


def merge_counts(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """Adds the counts of two partitions."""
    return [i + j for i, j in zip(a, b, strict=True)]
