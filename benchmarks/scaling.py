"""Whether cost grows in proportion: to the data, the partitions, the lineage.

Runs minispark in this process. Each series gives seconds per size and what a
unit costs at the largest size compared with the smallest: 1.00 is linear, less
means that fixed costs were spread out.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from operator import add
from pathlib import Path
from typing import Any

from benchmarks.workloads import WORKLOADS

#: Workloads whose data are computed, by how much of it the series begins with.
DATA = ("narrow_chain", "group_skew", "join", "sort", "distinct", "collect")


def seconds(function: Callable[[], Any], rounds: int) -> float:
    """The median, after one round to warm up."""
    function()
    samples = []
    for _ in range(rounds):
        began = time.perf_counter()
        function()
        samples.append(time.perf_counter() - began)
    return statistics.median(samples)


def partitions(sc: Any, number: int) -> Any:
    """A job of so many tasks."""
    return sc.range(number, numSlices=number).count()


def map_outputs(sc: Any, number: int) -> Any:
    """A shuffle from so many map tasks to eight reducers."""
    pairs = sc.range(number, numSlices=number).map(lambda i: (i % 100, 1))
    return dict(pairs.reduceByKey(add, 8).collect())


def lineage(sc: Any, steps: int) -> Any:
    """An RDD of so many steps, planned and run."""
    rdd = sc.range(8, numSlices=2)
    for _ in range(steps):
        rdd = rdd.map(lambda x: x + 1)
    return rdd.sum()


def unions(sc: Any, steps: int) -> Any:
    """So many RDDs, joined one by one into one."""
    rdd = sc.range(1, numSlices=1)
    for _ in range(steps):
        rdd = rdd.union(sc.range(1, numSlices=1))
    return rdd.count()


def shuffles(sc: Any, steps: int) -> Any:
    """So many stages, one after the other."""
    rdd = sc.range(8, numSlices=2).map(lambda i: (i, 1))
    for step in range(steps):
        rdd = rdd.reduceByKey(add, 2 + step % 2)  # else the partitioning would fit
    return rdd.count()


def measure(
    sc: Any, scale: float, rounds: int, say: Callable[[str], None]
) -> dict[str, dict[float, float]]:
    """Seconds by series and size."""
    found: dict[str, dict[float, float]] = {}

    def series(name: str, sizes: Sequence[float], run: Callable[[float], Any]) -> None:
        found[name] = {size: seconds(partial(run, size), rounds) for size in sizes}
        say(line(name, found[name]))

    for name in DATA:
        function = WORKLOADS[name].function
        sizes = [scale * k for k in (1, 3, 10)]
        series(f"{name}, scale", sizes, lambda s, f=function: f(sc, Path(), s))  # type: ignore[misc]
    series("tasks", (1_000, 3_000, 10_000), lambda n: partitions(sc, int(n)))
    series("map tasks of a shuffle", (300, 1_000, 3_000), lambda n: map_outputs(sc, int(n)))
    series("steps of lineage", (100, 300, 1_000), lambda n: lineage(sc, int(n)))
    series("unions", (100, 300, 1_000), lambda n: unions(sc, int(n)))
    series("stages in a row", (10, 30, 100), lambda n: shuffles(sc, int(n)))
    return found


def growth(sizes: dict[float, float]) -> float:
    """Cost of a unit at the largest size by that at the smallest."""
    (first, first_s), (last, last_s) = min(sizes.items()), max(sizes.items())
    return (last_s / last) / (first_s / first)


def line(name: str, sizes: dict[float, float]) -> str:
    """A series in a line."""
    points = ", ".join(f"{size:g}: {s * 1e3:.0f} ms" for size, s in sizes.items())
    return f"{name}: {points}; a unit of the last costs {growth(sizes):.2f}× one of the first"


def markdown(found: dict[str, dict[float, float]]) -> str:
    """The table."""
    out = ["| series | size: time | cost of a unit, last by first |", "|---|---|---|"]
    for name, sizes in found.items():
        points = ", ".join(f"{size:g}: {s * 1e3:.0f} ms" for size, s in sizes.items())
        out.append(f"| {name} | {points} | {growth(sizes):.2f}× |")
    return "\n".join(out) + "\n"
