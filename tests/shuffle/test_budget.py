"""What shuffling really allocates stays near its budget: counted, not sampled from outside.

One key has nine tenths of the records, and all of them are several times the budget.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path

import pytest

from minispark.kernels import aggregate, elements
from minispark.kernels.hashing import portable_hash
from minispark.plan.nodes import Aggregator, Ordering
from minispark.shuffle.cogroup import CoGrouper
from minispark.shuffle.merge import merge_records
from minispark.shuffle.reader import LocalFetcher, MapLocation, read_blocks
from minispark.shuffle.writer import write_map_output
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager
from minispark.storage.serializer import dump_records
from minispark.storage.spill import SpillFile

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
    records: Iterator[tuple[object, object]],
    files: NodeFiles,
    memory: MemoryManager,
    num_reducers: int,
    aggregator: Aggregator | None,
) -> None:
    """The only map output of shuffle 1."""
    write_map_output(
        records,
        shuffle_id=1,
        map_id=0,
        attempt=0,
        num_reducers=num_reducers,
        partition=portable_hash,
        aggregator=aggregator,
        map_side_combine=aggregator is not None,
        files=files,
        memory=memory,
        task_id=1,
    )


@pytest.mark.parametrize("combine", [True, False])
def test_peaks(tmp_path: Path, combine: bool) -> None:
    files = NodeFiles(str(tmp_path))
    memory = MemoryManager(BUDGET)

    def write() -> None:
        write_map(skewed(), files, memory, 2, GROUP if combine else None)

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
        write_map(pairs, files, memory, 3, GROUP if groups else None)

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


def hot_pairs(shape: str, side: int) -> Iterator[tuple[int, object]]:
    """Half of all have one key: the sides' differ."""
    size, value = SHAPES[shape]
    return ((side if i % 2 else i % 997, value(i)) for i in range(size))


def batched(records: Iterator[object], size: int) -> Iterator[list[object]]:
    """As blocks have them."""
    while batch := list(islice(records, size)):
        yield batch


@pytest.mark.parametrize("shape", ["10 KB", "1 MB", "few are large"])
def test_cogroups_of_records_of_any_size(tmp_path: Path, shape: str) -> None:
    files = NodeFiles(str(tmp_path))
    count = 0

    def run() -> None:
        nonlocal count
        with CoGrouper(2, files=files, memory=MemoryManager(BUDGET), task_id=1) as table:
            table.insert_source(0, hot_pairs(shape, 0))
            table.insert_frames(1, batched(hot_pairs(shape, 1), 16 if shape != "1 MB" else 1))
            for pair in table.items():
                count += sum(1 for values in pair[1] for _ in values)

    peak = peak_of(run)
    print(f"budget {BUDGET / MB:.1f} MB, peak {peak / MB:.1f}")
    assert count == 2 * SHAPES[shape][0]
    # A key has a record of either side; four runs are merged in any case.
    assert peak < BUDGET + (10 * MB if shape == "1 MB" else 4 * MB)


UNEVEN: dict[str, Callable[[bool], list[tuple[int, object]]]] = {
    "small": lambda hot: [(0 if hot and i % 2 else i % 9973, i) for i in range(50_000)],
    "10 KB": lambda hot: [(0 if hot and i % 2 else i % 97, f"{i}" * 2000) for i in range(1500)],
    "1 MB": lambda hot: [(0 if hot and i % 2 else i, bytes([i]) * 1_000_000) for i in range(16)],
}


@pytest.mark.parametrize(
    ("names", "hot"),
    [
        (("small", "10 KB"), True),
        (("10 KB", "small"), True),
        (("small", "1 MB"), True),
        (("small", "1 MB"), False),
    ],
)
def test_sources_of_unlike_records(tmp_path: Path, names: tuple[str, str], hot: bool) -> None:
    files = NodeFiles(str(tmp_path))
    # Written and read, so that no record is in memory otherwise.
    spill = SpillFile(files)
    sides = [
        spill.append(dump_records(UNEVEN[name](hot), max_bytes=1 << 17, first=1)) for name in names
    ]
    expected = sum(len(UNEVEN[name](hot)) for name in names)
    count = 0

    def run() -> None:
        nonlocal count
        with CoGrouper(2, files=files, memory=MemoryManager(BUDGET), task_id=1) as table:
            for source, where in enumerate(sides):
                table.insert_frames(source, spill.frames(where))
            for pair in table.items():
                count += sum(1 for values in pair[1] for _ in values)

    peak = peak_of(run)
    print(f"budget {BUDGET / MB:.1f} MB, peak {peak / MB:.1f}")
    assert count == expected
    assert peak < BUDGET + 5 * MB


def test_a_source_of_larger_records_than_those_before(tmp_path: Path) -> None:
    def run() -> None:
        around = {"files": NodeFiles(str(tmp_path)), "memory": MemoryManager(BUDGET)}
        with CoGrouper(2, **around, task_id=1) as table:
            table.insert_source(0, ((i, i) for i in range(12_000)))
            table.insert_source(1, ((i, bytes(200_000)) for i in range(100)))
            assert sum(len(groups[1]) for _, groups in table.items()) == 100

    assert peak_of(run) < BUDGET + 4 * MB


@pytest.mark.parametrize("combiners", [False, True], ids=["keys", "combiners"])
@pytest.mark.parametrize("num_reducers", [1, 4])
def test_large_combiners_of_few_reducers(
    tmp_path: Path, num_reducers: int, combiners: bool
) -> None:
    """No frame has all that fits in memory."""
    first = Aggregator(elements.identity, elements.keep_first, elements.keep_first)
    large = (f"{i:08d}" * 4000 for i in range(400))
    records = ((i, value) if combiners else (value, None) for i, value in enumerate(large))

    def run() -> None:
        write_map(records, NodeFiles(str(tmp_path)), MemoryManager(BUDGET), num_reducers, first)

    peak = peak_of(run)
    print(f"budget {BUDGET / MB:.1f} MB, peak {peak / MB:.1f}")
    assert peak < BUDGET + 3 * MB


def test_runs_that_are_read_together_are_in_memory_once(tmp_path: Path) -> None:
    spill = SpillFile(NodeFiles(str(tmp_path)))
    ranges = [spill.append(dump_records([bytes([i]) * MB])) for i in range(8)]
    found: list[list[bytes]] = []

    def run() -> None:
        readers = [spill.frames(where) for where in ranges]
        found.extend(next(reader) for reader in readers)

    # And one as it was written, while it is unpickled.
    assert peak_of(run) < 10 * MB
    assert found == [[bytes([i]) * MB] for i in range(8)]
