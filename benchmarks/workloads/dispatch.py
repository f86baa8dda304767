"""Jobs that do nothing: what jobs, tasks and blocks cost by themselves."""

from __future__ import annotations

from operator import add
from pathlib import Path
from typing import Any

from benchmarks.model import Workload, times


def _tiny(sc: Any, jobs: int, partitions: int) -> int:
    numbers = sc.parallelize(range(partitions), partitions)
    return sum(numbers.map(lambda x: x + 1).sum() for _ in range(jobs))


def jobs_2(scale: float) -> int:
    """Jobs of two tasks in one run."""
    return times(100, scale)


def jobs_8(scale: float) -> int:
    """Jobs of eight tasks in one run."""
    return times(100, scale)


def jobs_200(scale: float) -> int:
    """Jobs of 200 tasks in one run: few, for PySpark takes seconds for each."""
    return times(5, scale)


def tiny_2(sc: Any, data: Path, scale: float) -> Any:
    """Jobs of two tasks."""
    return _tiny(sc, jobs_2(scale), 2)


def tiny_8(sc: Any, data: Path, scale: float) -> Any:
    """Jobs of eight tasks."""
    return _tiny(sc, jobs_8(scale), 8)


def tiny_200(sc: Any, data: Path, scale: float) -> Any:
    """Jobs of 200 tasks."""
    return _tiny(sc, jobs_200(scale), 200)


def shuffle_200(sc: Any, data: Path, scale: float) -> Any:
    """Little data through 200 × 200 blocks."""
    n = times(200, scale**0.5)
    pairs = sc.range(100 * n, numSlices=n).map(lambda i: (i % 1_000, 1))
    return dict(pairs.reduceByKey(add, n).collect())


WORKLOADS = (
    Workload("tiny_2", tiny_2, "100 jobs of 2 tasks; one job", jobs=jobs_2),
    Workload("tiny_8", tiny_8, "100 jobs of 8 tasks; one job", jobs=jobs_8),
    Workload("tiny_200", tiny_200, "5 jobs of 200 tasks; one job", jobs=jobs_200),
    Workload("shuffle_200", shuffle_200, "20,000 records through 200 × 200 blocks"),
)
