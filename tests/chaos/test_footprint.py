"""Promise 18, as the system sees it: an executor that spills stays within its memory.

No time is measured. What is compared with `spark.executor.memory` is the resident memory
of the process, beyond what it takes when it has run a tiny job of the same kind. Pages of
files count, whoever else has mapped them: a library's become private when another process
that uses it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.run_log import executor_pids
from tests.chaos.test_memory import MB, Watch

pytestmark = pytest.mark.own_context


def resident_bytes(pid: int) -> int:
    """What a process has in memory."""
    words = Path(f"/proc/{pid}/smaps_rollup").read_text().split()
    return int(words[words.index("Rss:") + 1]) << 10


def in_order(records: Iterable[tuple[Any, Any]]) -> Iterator[int]:
    """How many there are; they are in the order of their keys."""
    count, last = 0, None
    for key, _ in records:
        assert last is None or last <= key
        last, count = key, count + 1
    yield count


def sizes_of_groups(records: Iterable[tuple[Any, Iterable[Any]]]) -> Iterator[int]:
    """The number of values, one by one."""
    yield sum(1 for _, values in records for _ in values)


def length(values: Iterable[Any]) -> int:
    """The number of values, one by one."""
    return sum(1 for _ in values)


def values_of(sc: Any, records: int) -> Any:
    return sc.range(records, numSlices=4).map(
        lambda i: (i * 2_654_435_761 & 0xFFFFFFFF, f"a value of some length: {i:018d}")
    )


def sort_and_group(sc: Any, records: int) -> None:
    """Twice: what a job leaves must not add to what the next one takes."""
    rows = values_of(sc, records)
    for _ in range(2):
        in_all = rows.sortByKey(numPartitions=4).mapPartitions(in_order).sum()
        assert in_all == records
    keyed = rows.map(lambda pair: (pair[0] % 5000, pair[1]))
    assert keyed.groupByKey(4).mapPartitions(sizes_of_groups).sum() == records


def join(sc: Any, records: int) -> None:
    """Two large sides, most of whose keys differ."""
    left = values_of(sc, records)
    right = left.map(lambda pair: (pair[0] ^ (pair[0] & 4), pair[1]))
    assert left.fullOuterJoin(right, 4).mapPartitions(lambda part: [length(part)]).sum() >= records


def cogroup(sc: Any, records: int) -> None:
    """Three quarters of either side have one key."""
    side = values_of(sc, records).map(lambda p: (0 if p[0] % 4 else p[0] % 5000, p[1]))
    groups = side.cogroup(side.mapValues(lambda value: value), 4)
    assert groups.map(lambda pair: sum(map(length, pair[1]))).sum() == 2 * records


def cogroup_large(sc: Any, records: int) -> None:
    """Values of a megabyte, as many bytes as the others are as objects."""
    records = max(8, records // 4000)
    side = sc.range(records, numSlices=4).map(lambda i: (i // 2, bytes([i % 256]) * 1_000_000))
    groups = side.cogroup(side.mapValues(lambda value: value), 4)
    assert groups.map(lambda pair: sum(map(length, pair[1]))).sum() == 2 * records


@pytest.mark.parametrize(
    "master", ["local-process[2]", pytest.param("local[2]", marks=pytest.mark.ray)]
)
def test_a_spilling_executor_stays_within_its_memory(
    open_context: Callable[..., Any], master: str
) -> None:
    """Beyond its idle self."""
    programs = (cogroup_large, cogroup, join, sort_and_group)
    context = open_context(master, spark_executor_memory="20m")
    try:
        for program in programs:
            program(context, 8)
        pids = executor_pids(context)
        idle = {pid: resident_bytes(pid) for pid in pids}
        for program in programs:
            with Watch(pids, resident_bytes) as watch:
                program(context, 240_000)
            beyond = max(watch.peaks[pid] - idle[pid] for pid in pids)
            print(f"{program.__name__}: {beyond / MB:.1f} MB beyond the idle executor")
            assert 5 * MB < beyond < 20 * MB, program.__name__
    finally:
        context.stop()
