"""Large data between the driver and the executors."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.model import PARTITIONS, Workload, times


def collect(sc: Any, data: Path, scale: float) -> Any:
    """2M ints to the driver."""
    return sc.range(times(2_000_000, scale), numSlices=PARTITIONS).map(lambda i: i * 3).collect()


@cache
def blocks(number: int) -> list[Any]:
    """Arrays of 1 MB."""
    return [np.full(131_072, i, dtype=np.int64) for i in range(number)]


def parallelize(sc: Any, data: Path, scale: float) -> Any:
    """200 arrays of 1 MB to the executors, one number of each back."""
    arrays = blocks(times(200, scale))
    return sc.parallelize(arrays, PARTITIONS).map(lambda a: int(a[0]) + int(a[-1])).collect()


@cache
def table(size: int) -> Any:
    """100 MB at scale 1."""
    return np.arange(size, dtype=np.int64)


def broadcast(sc: Any, data: Path, scale: float) -> Any:
    """One array of 100 MB for every task, a few numbers of it back."""
    shared = sc.broadcast(table(times(13_107_200, scale)))
    picked = sc.range(times(1_000, scale), numSlices=PARTITIONS).map(
        lambda i: int(shared.value[i * 7 % len(shared.value)])
    )
    answer = picked.sum()
    shared.destroy()
    return answer


def broadcast_dict(sc: Any, data: Path, scale: float) -> Any:
    """A dictionary of 200,000 entries for every task."""
    names = {i: f"name-{i}" for i in range(times(200_000, scale))}
    shared = sc.broadcast(names)
    answer = sc.range(PARTITIONS, numSlices=PARTITIONS).map(lambda i: len(shared.value) + i).sum()
    shared.destroy()
    return answer


WORKLOADS = (
    Workload("collect", collect, "2M ints to the driver"),
    Workload("parallelize", parallelize, "200 MB of numpy arrays to the executors"),
    Workload("broadcast", broadcast, "an array of 100 MB to every task"),
    Workload("broadcast_dict", broadcast_dict, "a dictionary of 200,000 strings to every task"),
)
