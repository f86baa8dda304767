"""Shuffles by key and order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.model import PARTITIONS, Workload, mixed, times


def group_skew(sc: Any, data: Path, scale: float) -> Any:
    """groupByKey of 1M records; the first of 20,000 keys has about 4 % of them."""
    pairs = sc.range(times(1_000_000, scale), numSlices=PARTITIONS).map(
        lambda i: (int(20_000 * (mixed(i) / 2**32) ** 3), i)
    )
    return dict(pairs.groupByKey(PARTITIONS).mapValues(lambda vs: (len(vs), max(vs))).collect())


def join(sc: Any, data: Path, scale: float) -> Any:
    """1M records with 100k by a string key."""
    joined = _joined(sc, scale)
    return joined.stats().count(), joined.sum()


def join_once(sc: Any, data: Path, scale: float) -> Any:
    """The same in one action, which knows both answers."""
    stats = _joined(sc, scale).stats()
    return stats.count(), round(stats.sum())


def _joined(sc: Any, scale: float) -> Any:
    n = times(100_000, scale)
    left = sc.range(10 * n, numSlices=PARTITIONS).map(lambda i: (f"key-{mixed(i) % n}", i))
    right = sc.range(n, numSlices=PARTITIONS).map(lambda i: (f"key-{i}", -i))
    return left.join(right, PARTITIONS).map(lambda row: row[1][0] + row[1][1])


def ends(records: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, ...]]:
    """(first key, last key, number, whether sorted) of the keys of a partition."""
    keys = [key for key, _ in records]
    if keys:
        yield keys[0], keys[-1], len(keys), all(map(_le, keys, keys[1:]))


def _le(a: Any, b: Any) -> bool:
    return bool(a <= b)


def in_order(parts: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The same of all partitions, which engines may cut differently."""
    is_sorted = all(part[3] for part in parts) and all(
        one[1] <= other[0] for one, other in pairwise(parts)
    )
    return parts[0][0], parts[-1][1], sum(part[2] for part in parts), is_sorted


def sort(sc: Any, data: Path, scale: float) -> Any:
    """sortByKey of 1M records by an int."""
    pairs = sc.range(times(1_000_000, scale), numSlices=PARTITIONS).map(lambda i: (mixed(i), i))
    return in_order(pairs.sortByKey(numPartitions=PARTITIONS).mapPartitions(ends).collect())


def distinct(sc: Any, data: Path, scale: float) -> Any:
    """distinct().count() of 2M records, half of them different; countByValue; stats."""
    return _counts(_numbers(sc, scale))


def distinct_cached(sc: Any, data: Path, scale: float) -> Any:
    """The same by a user who caches what three questions are asked of."""
    numbers = _numbers(sc, scale).cache()
    answers = _counts(numbers)
    numbers.unpersist()
    return answers


def _numbers(sc: Any, scale: float) -> Any:
    n = times(2_000_000, scale)
    return sc.range(n, numSlices=PARTITIONS).map(lambda i: mixed(i) % (n // 2 + 1))


def _counts(numbers: Any) -> Any:
    number = numbers.distinct(PARTITIONS).count()
    common = numbers.map(lambda x: x % 1_000).countByValue()
    stats = numbers.stats()
    return number, dict(common), stats.mean(), stats.stdev()


WORKLOADS = (
    Workload("group_skew", group_skew, "1M records, 20,000 keys of very different size"),
    Workload("join", join, "1M records with 100k by a string; count, then sum"),
    Workload("join_once", join_once, "the same, both in one action"),
    Workload("sort", sort, "sortByKey of 1M records"),
    Workload("distinct", distinct, "distinct, countByValue and stats of 2M ints"),
    Workload("distinct_cached", distinct_cached, "the same, the ints cached"),
)
