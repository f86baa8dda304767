"""How much memory executors really take when they spill, by the size and shape of records.

Private memory of the processes, as the system counts it (`Private_Clean` and
`Private_Dirty`, sampled), beyond what they take when they have run a tiny job of the same
kind. It is to stay below `spark.executor.memory`. Linux only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

from benchmarks.model import PARTITIONS, mixed, times
from benchmarks.workloads.memory import spill_group, spill_sort

MB = 1 << 20
#: So many records are some 300 MB as objects, those of `mixed` a third of it.
SHAPES: dict[str, tuple[int, Callable[[int], Any]]] = {
    "short strings": (1_500_000, lambda i: f"v{i}"),
    "ints": (2_500_000, lambda i: i),
    "nested": (400_000, lambda i: ((i, (i + 1, float(i))), [str(i), ("x", i)])),
    "mixed": (300_000, lambda i: f"x{i}" * (1 if i % 50 else 1500)),
    "10 KB": (30_000, lambda i: f"{i:08d}" * 1250),
    "1 MB": (300, lambda i: bytes([i % 256]) * 1_000_000),
}


def private_bytes(pid: int) -> int:
    """What a process has in memory that is nobody else's."""
    words = Path(f"/proc/{pid}/smaps_rollup").read_text().split()
    kinds = ("Private_Clean:", "Private_Dirty:")
    return sum(int(words[words.index(kind) + 1]) for kind in kinds) << 10


class Peaks:
    """Samples processes as long as it is entered."""

    def __init__(self, pids: Iterable[int]) -> None:
        #: The most that was seen of each process.
        self.bytes = {pid: private_bytes(pid) for pid in pids}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="peaks")

    def __enter__(self) -> Peaks:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.01):
            for pid, most in self.bytes.items():
                self.bytes[pid] = max(most, private_bytes(pid))


def in_order(records: Iterable[tuple[Any, Any]]) -> Iterator[int]:
    """How many records a partition has; they must be sorted."""
    count, last = 0, None
    for key, _ in records:
        if last is not None and key < last:
            raise AssertionError(f"{key} comes after {last}")
        last, count = key, count + 1
    yield count


def values_of(groups: Iterable[tuple[Any, Iterable[Any]]]) -> Iterator[int]:
    """How many values the groups of a partition have."""
    yield sum(1 for _, values in groups for _ in values)


def _sort(sc: Any, shape: str, scale: float) -> None:
    size, value = SHAPES[shape]
    rows = sc.range(times(size, scale), numSlices=PARTITIONS).map(lambda i: (mixed(i), value(i)))
    found = rows.sortByKey(numPartitions=PARTITIONS).mapPartitions(in_order).sum()
    assert found == times(size, scale)


def _group(sc: Any, shape: str, scale: float) -> None:
    size, value = SHAPES[shape]
    keys = max(1, times(size, scale) // 50)
    rows = sc.range(times(size, scale), numSlices=PARTITIONS)
    groups = rows.map(lambda i: (mixed(i) % keys, value(i))).groupByKey(PARTITIONS)
    assert groups.mapPartitions(values_of).sum() == times(size, scale)


def _join(sc: Any, shape: str, scale: float) -> None:
    """Four values of one side for each of the other: 300 MB in all."""
    size, value = SHAPES[shape]
    keys = max(1, times(size, scale) // 5)
    left = sc.range(4 * keys, numSlices=PARTITIONS).map(lambda i: (mixed(i) % keys, value(i)))
    right = sc.range(keys, numSlices=PARTITIONS).map(lambda i: (mixed(i) % keys, value(i)))
    joined = left.leftOuterJoin(right, PARTITIONS)
    assert joined.mapPartitions(lambda pairs: [sum(1 for _ in pairs)]).sum() >= 4 * keys


def _cogroup(sc: Any, shape: str, scale: float, in_one_key: float = 0) -> None:
    """Two equal sides; a part of both may have one key."""
    size, value = SHAPES[shape]
    size = times(size, scale) // 2
    hot, keys = int(size * in_one_key), max(1, size // 25)
    side = sc.range(size, numSlices=PARTITIONS)
    side = side.map(lambda i: (0 if mixed(i) % size < hot else mixed(i) % keys, value(i)))
    groups = side.cogroup(side.map(lambda pair: pair), PARTITIONS).values()
    assert groups.map(lambda sides: sum(map(values_of_one, sides))).sum() == 2 * size


def values_of_one(values: Iterable[Any]) -> int:
    """How many values a group has."""
    return sum(1 for _ in values)


def _combine(sc: Any, shape: str, scale: float) -> None:
    """Combiners that become no fewer: each key comes twice, in different partitions."""
    size, value = SHAPES[shape]
    keys = max(1, times(size, scale) // 2)
    rows = sc.range(2 * keys, numSlices=PARTITIONS).map(lambda i: (i % keys, value(i)))
    assert rows.reduceByKey(lambda a, b: a, PARTITIONS).count() == keys


def _distinct(sc: Any, shape: str, scale: float) -> None:
    size, value = SHAPES[shape]
    rows = sc.range(times(size, scale), numSlices=PARTITIONS).map(value)
    assert 0 < rows.distinct(PARTITIONS).count() <= times(size, scale)


def programs() -> Iterator[tuple[str, Callable[[Any, float], object]]]:
    """What is measured, by name."""
    yield "spill_sort", lambda sc, scale: spill_sort(sc, Path(), scale)
    yield "spill_group", lambda sc, scale: spill_group(sc, Path(), scale)
    for shape in SHAPES:
        yield f"sort, {shape}", lambda sc, scale, shape=shape: _sort(sc, shape, scale)
        yield f"group, {shape}", lambda sc, scale, shape=shape: _group(sc, shape, scale)
        yield f"join, {shape}", lambda sc, scale, shape=shape: _join(sc, shape, scale)
        yield f"cogroup, {shape}", lambda sc, scale, shape=shape: _cogroup(sc, shape, scale)
        yield (
            f"cogroup, half in one key, {shape}",
            lambda sc, scale, shape=shape: _cogroup(sc, shape, scale, 0.5),
        )
        yield f"combine, {shape}", lambda sc, scale, shape=shape: _combine(sc, shape, scale)
        if shape != "nested":  # has lists
            yield f"distinct, {shape}", lambda sc, scale, shape=shape: _distinct(sc, shape, scale)


def _pids(sc: Any) -> set[int]:
    """The executors' processes, which have all run something."""
    seen = sc.parallelize(range(64), 64).map(lambda _: __import__("os").getpid()).collect()
    return {pid for pid in seen if psutil.pid_exists(pid)}


def beyond_idle(sc: Any, program: Callable[[Any, float], object], scale: float, jobs: int) -> int:
    """The most an executor takes beyond its idle self while a program runs some times."""
    for _ in range(2):
        program(sc, 1e-4)
    idle = {pid: private_bytes(pid) for pid in _pids(sc)}
    with Peaks(idle) as peaks:
        for _ in range(jobs):
            program(sc, scale)
    return max(peaks.bytes[pid] - size for pid, size in idle.items())


def measure(
    master: str,
    memory: str,
    scale: float,
    jobs: int,
    say: Callable[[str], None],
    words: Iterable[str] = (),
) -> list[tuple[str, int]]:
    """Each program in a context of its own; only those whose names have one of the words."""
    from minispark import SparkConf, SparkContext

    rows = []
    for name, program in programs():
        if words and not any(word in name for word in words):
            continue
        conf = SparkConf().set("spark.executor.memory", memory)
        with SparkContext(master, "footprint", conf=conf) as sc:
            rows.append((name, beyond_idle(sc, program, scale, jobs)))
        say(f"{name}: {rows[-1][1] / MB:.1f} MB")
    return rows
