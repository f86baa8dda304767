"""Many small jobs over cached data."""

from __future__ import annotations

from collections.abc import Iterator
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.model import Workload, mixed, times

PARTITIONS = 4


def pagerank(sc: Any, data: Path, scale: float) -> Any:
    """Ten iterations of join and reduceByKey over cached, partitioned links."""
    n = times(20_000, scale)
    edges = sc.range(n * 8, numSlices=PARTITIONS).map(
        lambda i: (i % n, int(n * (mixed(i) / 2**32) ** 2))
    )
    links = edges.groupByKey(PARTITIONS).mapValues(list).cache()
    ranks = links.mapValues(lambda _: 1.0)
    for _ in range(10):
        given = links.join(ranks, PARTITIONS).flatMap(
            lambda item: [(page, item[1][1] / len(item[1][0])) for page in item[1][0]]
        )
        ranks = given.reduceByKey(add, PARTITIONS).mapValues(lambda s: 0.15 + 0.85 * s)
    answer = ranks.values().sum(), ranks.count(), ranks.lookup(0)
    links.unpersist()
    return answer


def points(part: int, number: int, width: int) -> np.ndarray[Any, Any]:
    """A partition's points: the same on every engine."""
    rng = np.random.default_rng(part)
    return rng.normal(size=(number, width)) + rng.integers(0, 4, size=(number, 1)) * 3.0


def closest(point: Any, centers: Any) -> int:
    """The index of the nearest centre."""
    return int(((centers - point) ** 2).sum(axis=1).argmin())


def kmeans(sc: Any, data: Path, scale: float) -> Any:
    """Five iterations over 60,000 cached points; each record is an array."""
    number = times(15_000, scale)
    cached = sc.parallelize(range(PARTITIONS), PARTITIONS).flatMap(
        lambda part: list(points(part, number, 5))
    )
    cached = cached.cache()
    centers = np.array(points(0, 8, 5))
    for _ in range(5):
        sums = (
            cached.map(lambda p, centers=centers: (closest(p, centers), (p, 1)))
            .reduceByKey(lambda a, b: (a[0] + b[0], a[1] + b[1]))
            .collect()
        )
        centers = centers.copy()
        for index, (total, count) in sums:
            centers[index] = total / count
    cached.unpersist()
    return [float(x) for x in centers.ravel()]


def logistic_regression(sc: Any, data: Path, scale: float) -> Any:
    """Ten steps over 400,000 points of ten dimensions, cached as matrices."""
    number = times(100_000, scale)

    def matrices(parts: Iterator[int]) -> Iterator[Any]:
        for part in parts:
            xs = points(part, number, 10)
            yield xs, np.where(xs.sum(axis=1) > 45.0, 1.0, -1.0)

    cached = sc.parallelize(range(PARTITIONS), PARTITIONS).mapPartitions(matrices).cache()
    weights = np.zeros(10)

    def gradient(block: Any, weights: Any) -> Any:
        xs, labels = block
        return ((1.0 / (1.0 + np.exp(-labels * (xs @ weights))) - 1.0) * labels) @ xs

    for _ in range(10):
        total = cached.map(lambda block, w=weights: gradient(block, w)).reduce(lambda a, b: a + b)
        weights = weights - 0.1 * total / (number * PARTITIONS)
    cached.unpersist()
    return [float(x) for x in weights]


WORKLOADS = (
    Workload("pagerank", pagerank, "20,000 pages, 160,000 links, ten iterations"),
    Workload("kmeans", kmeans, "60,000 numpy points, eight centres, five iterations"),
    Workload("logistic_regression", logistic_regression, "400,000 points as matrices, ten steps"),
)
