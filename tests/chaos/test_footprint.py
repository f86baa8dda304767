"""Promise 18, as the system sees it: an executor that spills stays within its memory.

No time is measured. What is compared with `spark.executor.memory` is the private memory
of the process, beyond what it takes when it has run a tiny job of the same kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.chaos.run_log import executor_pids
from tests.chaos.test_memory import MB, Watch, private_bytes

pytestmark = pytest.mark.own_context


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


@pytest.mark.parametrize(
    "master", ["local-process[2]", pytest.param("local[2]", marks=pytest.mark.ray)]
)
def test_a_spilling_executor_stays_within_its_memory(
    open_context: Callable[..., Any], master: str
) -> None:
    """Beyond its idle self; twice: what a job leaves must not add to what the next one takes."""
    context = open_context(master, spark_executor_memory="20m")
    try:

        def run(records: int) -> None:
            rows = context.range(records, numSlices=4).map(
                lambda i: (i * 2_654_435_761 & 0xFFFFFFFF, f"a value of some length: {i:018d}")
            )
            for _ in range(2):
                in_all = rows.sortByKey(numPartitions=4).mapPartitions(in_order).sum()
                assert in_all == records
            keyed = rows.map(lambda pair: (pair[0] % 5000, pair[1]))
            assert keyed.groupByKey(4).mapPartitions(sizes_of_groups).sum() == records

        run(8)
        pids = executor_pids(context)
        idle = {pid: private_bytes(pid) for pid in pids}
        with Watch(pids) as watch:
            run(240_000)
        beyond = max(watch.peaks[pid] - idle[pid] for pid in pids)
        print(f"{beyond / MB:.1f} MB beyond the idle executor")
        assert 5 * MB < beyond < 20 * MB
    finally:
        context.stop()
