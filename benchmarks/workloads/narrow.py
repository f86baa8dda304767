"""No shuffle: what a record costs that passes through user functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.model import PARTITIONS, Workload, times


def narrow_chain(sc: Any, data: Path, scale: float) -> Any:
    """Ten lambdas in one stage, then count."""
    numbers = sc.range(times(3_000_000, scale), numSlices=PARTITIONS)
    return (
        numbers.map(lambda x: x + 1)
        .filter(lambda x: x % 7 != 3)
        .map(lambda x: x * 3)
        .map(lambda x: (x, x & 15))
        .filter(lambda pair: pair[1] != 5)
        .map(lambda pair: pair[0] - pair[1])
        .map(lambda x: x ^ 255)
        .filter(lambda x: x % 11 != 0)
        .map(lambda x: x >> 1)
        .filter(lambda x: x & 1 == 0)
        .count()
    )


WORKLOADS = (Workload("narrow_chain", narrow_chain, "3M ints through ten lambdas, count"),)
