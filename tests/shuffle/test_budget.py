"""What shuffling really allocates stays near its budget: counted, not sampled from outside.

One key has nine tenths of the records, and all of them are several times the budget.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import pytest

from minispark.kernels import aggregate
from minispark.kernels.hashing import portable_hash
from minispark.plan.nodes import Aggregator, Ordering
from minispark.shuffle.merge import merge_records
from minispark.shuffle.reader import LocalFetcher, MapLocation, read_blocks
from minispark.shuffle.writer import write_map_output
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager

MB = 1 << 20
BUDGET = 6 * MB
RECORDS = 150_000
GROUP = Aggregator(aggregate.one_value, aggregate.append_value, aggregate.extend_group, "group")


def peak_of(action: Callable[[], object]) -> int:
    """The most bytes that Python had allocated at a time meanwhile."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def skewed() -> Iterator[tuple[int, str]]:
    return ((0 if i % 10 else i, f"value-{i:018d}") for i in range(RECORDS))


def write_map(
    records: Iterator[tuple[int, object]],
    files: NodeFiles,
    memory: MemoryManager,
    num_reducers: int,
    combine: bool,
) -> None:
    """The only map output of shuffle 1."""
    write_map_output(
        records,
        shuffle_id=1,
        map_id=0,
        attempt=0,
        num_reducers=num_reducers,
        partition=portable_hash,
        aggregator=GROUP if combine else None,
        map_side_combine=combine,
        files=files,
        memory=memory,
        task_id=1,
    )


@pytest.mark.parametrize("combine", [True, False])
def test_peaks(tmp_path: Path, combine: bool) -> None:
    files = NodeFiles(str(tmp_path))
    memory = MemoryManager(BUDGET)

    def write() -> None:
        write_map(skewed(), files, memory, 2, combine)

    count = 0

    def read() -> None:
        nonlocal count
        fetcher = LocalFetcher(files)
        for reduce_id in (0, 1):
            frames = read_blocks(fetcher, 1, reduce_id, [MapLocation(0, 0, "n")])
            merged = merge_records(
                chain.from_iterable(frames),
                aggregator=GROUP,
                map_side_combine=combine,
                ordering=None,
                files=files,
                memory=memory,
                task_id=2,
            )
            for _, values in merged:
                count += sum(1 for _ in values)
            memory.release_task(2)

    wrote, merged = peak_of(write), peak_of(read)
    print(f"budget {BUDGET / MB:.1f} MB, map side {wrote / MB:.1f}, reduce side {merged / MB:.1f}")
    assert count == RECORDS
    # Beside the budget: a frame being made, of which there are some copies for a moment.
    assert wrote < BUDGET + 4 * MB
    assert merged < BUDGET + 4 * MB


SHAPES: dict[str, tuple[int, Callable[[int], object]]] = {
    "short strings": (60_000, lambda i: f"v{i}"),
    "10 KB": (3000, lambda i: f"{i:08d}" * 1250),
    "100 KB": (300, lambda i: bytes([i % 256]) * 100_000),
    "1 MB": (32, lambda i: bytes([i % 256]) * 1_000_000),
    "nested": (30_000, lambda i: ((i, (i + 1, float(i))), [str(i), ("x", i)])),
    "few are large": (30_000, lambda i: f"x{i}" * (1 if i % 300 else 9000)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("groups", [False, True])
def test_records_of_any_size(tmp_path: Path, shape: str, groups: bool) -> None:
    files = NodeFiles(str(tmp_path))
    memory = MemoryManager(BUDGET)
    size, value = SHAPES[shape]
    # Few groups: the largest is larger than the budget where records are large.
    keys = [i * 7919 % (7 if groups else size) for i in range(size)]

    def write() -> None:
        pairs = ((key, value(i)) for i, key in enumerate(keys))
        write_map(pairs, files, memory, 3, groups)

    found: list[list[int]] = []

    def read() -> None:
        for reduce_id in range(3):
            frames = read_blocks(LocalFetcher(files), 1, reduce_id, [MapLocation(0, 0, "n")])
            merged = merge_records(
                chain.from_iterable(frames),
                aggregator=GROUP if groups else None,
                map_side_combine=groups,
                ordering=None if groups else Ordering(True, None),
                files=files,
                memory=memory,
                task_id=2,
            )
            found.append([k for k, v in merged for _ in (v if groups else (v,))])
            memory.release_task(2)

    wrote, merged = peak_of(write), peak_of(read)
    print(f"budget {BUDGET / MB:.1f} MB, map side {wrote / MB:.1f}, reduce side {merged / MB:.1f}")
    assert sorted(chain.from_iterable(found)) == sorted(keys)
    assert groups or all(part == sorted(part) for part in found)
    beside = 6 * MB if shape == "1 MB" else 4 * MB
    # `found` has all keys; with tracing they take 40 bytes each.
    assert wrote < BUDGET + beside
    assert merged < BUDGET + beside + 40 * size
