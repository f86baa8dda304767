"""PageRank in two halves, k-means and logistic regression as matrices."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ideal.pair import KEPT, Pair, both
from benchmarks.model import mixed, times
from benchmarks.workloads.iterative import PARTITIONS, points


def _links(me: int, n: int) -> None:
    links: defaultdict[int, list[int]] = defaultdict(list)
    for i in range(n * 8):
        if i % n % 2 == me:
            links[i % n].append(int(n * (mixed(i) / 2**32) ** 2))
    KEPT["links"] = links
    KEPT["ranks"] = dict.fromkeys(links, 1.0)


def _give(me: int) -> tuple[dict[int, float], dict[int, float]]:
    links, ranks = KEPT["links"], KEPT["ranks"]
    given: defaultdict[int, float] = defaultdict(float)
    for page, targets in links.items():
        if page in ranks:
            share = ranks[page] / len(targets)
            for target in targets:
                given[target] += share
    return (
        {page: share for page, share in given.items() if page % 2 == 0},
        {page: share for page, share in given.items() if page % 2},
    )


def _rank(one: dict[int, float], other: dict[int, float]) -> tuple[float, int, float | None]:
    for page, share in other.items():
        one[page] = one.get(page, 0.0) + share
    ranks = KEPT["ranks"] = {page: 0.15 + 0.85 * share for page, share in one.items()}
    return sum(ranks.values()), len(ranks), ranks.get(0)


def pagerank(pair: Pair, data: Path, scale: float) -> Any:
    """Even pages here, odd pages there; what they give crosses over."""
    pair.run(_links, (0, 1), both(times(20_000, scale)))
    for _ in range(10):
        (even, odd), (more_even, more_odd) = pair.run(_give, (0, 1))
        one, other = pair.run(_rank, (even, odd), (more_even, more_odd))
    return one[0] + other[0], one[1] + other[1], [one[2]]


def _mine(me: int) -> range:
    return range(me, PARTITIONS, 2)


def _load_points(me: int, number: int) -> None:
    KEPT["points"] = np.vstack([points(part, number, 5) for part in _mine(me)])


def _assign(centers: Any) -> tuple[Any, Any]:
    rows = KEPT["points"]
    nearest = ((rows[:, None, :] - centers[None]) ** 2).sum(axis=2).argmin(axis=1)
    sums = np.zeros_like(centers)
    np.add.at(sums, nearest, rows)
    return sums, np.bincount(nearest, minlength=len(centers))


def kmeans(pair: Pair, data: Path, scale: float) -> Any:
    """All points of a process as one matrix."""
    pair.run(_load_points, (0, 1), both(times(15_000, scale)))
    centers = np.array(points(0, 8, 5))
    for _ in range(5):
        one, other = pair.run(_assign, both(centers))
        sums, counts = one[0] + other[0], one[1] + other[1]
        found = counts > 0
        centers[found] = sums[found] / counts[found, None]
    return [float(x) for x in centers.ravel()]


def _load_matrices(me: int, number: int) -> None:
    xs = np.vstack([points(part, number, 10) for part in _mine(me)])
    KEPT["xs"], KEPT["labels"] = xs, np.where(xs.sum(axis=1) > 45.0, 1.0, -1.0)


def _gradient(weights: Any) -> Any:
    xs, labels = KEPT["xs"], KEPT["labels"]
    return ((1.0 / (1.0 + np.exp(-labels * (xs @ weights))) - 1.0) * labels) @ xs


def logistic_regression(pair: Pair, data: Path, scale: float) -> Any:
    """One matrix per process."""
    number = times(100_000, scale)
    pair.run(_load_matrices, (0, 1), both(number))
    weights = np.zeros(10)
    for _ in range(10):
        weights = weights - 0.1 * sum(pair.run(_gradient, both(weights))) / (number * PARTITIONS)
    return [float(x) for x in weights]


PROGRAMS = {
    "pagerank": pagerank,
    "kmeans": kmeans,
    "logistic_regression": logistic_regression,
}
