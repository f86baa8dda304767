"""The cache, and what does not fit into memory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.model import PARTITIONS, Laps, Workload, mixed, times
from benchmarks.workloads.keyed import ends, in_order


def cached(sc: Any, data: Path, scale: float) -> Any:
    """The first action on a cached RDD of 1M tuples computes it, the second reads it."""
    rows = sc.range(times(1_000_000, scale), numSlices=PARTITIONS)
    rows = rows.map(lambda i: (mixed(i) % 1_000, f"value {i}")).cache()
    began = time.perf_counter()
    first = rows.count()
    middle = time.perf_counter()
    second = rows.map(lambda row: row[0]).sum()
    ended = time.perf_counter()
    rows.unpersist()
    return Laps((first, second), {"first": middle - began, "second": ended - middle})


def spilling_pairs(sc: Any, scale: float, keys: int) -> Any:
    """1.5M records of about 200 bytes each as objects: 300 MB."""
    return sc.range(times(1_500_000, scale), numSlices=PARTITIONS).map(
        lambda i: (mixed(i) % keys, f"a value of some length, so that it takes memory: {i:012d}")
    )


def spill_group(sc: Any, data: Path, scale: float) -> Any:
    """groupByKey under a budget of a tenth of the data."""
    groups = spilling_pairs(sc, scale, times(30_000, scale)).groupByKey(PARTITIONS)
    found = groups.map(lambda item: (len(item[1]), max(item[1])))
    return found.map(lambda row: row[0]).sum(), found.reduce(max)


def spill_sort(sc: Any, data: Path, scale: float) -> Any:
    """sortByKey under a budget of a tenth of the data."""
    pairs = spilling_pairs(sc, scale, 2**32)
    return in_order(pairs.sortByKey(numPartitions=PARTITIONS).mapPartitions(ends).collect())


WORKLOADS = (
    Workload("cached", cached, "1M tuples: the first action on a cached RDD, and the second"),
    Workload("spill_group", spill_group, "groupByKey of 300 MB, budget 30 MB", "spill"),
    Workload("spill_sort", spill_sort, "sortByKey of 300 MB, budget 30 MB", "spill"),
)
