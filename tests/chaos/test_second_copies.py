"""Promise 24 on one machine: what has a second copy needs no recomputation."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from minispark import StorageLevel
from tests.chaos.run_log import RunLog, executor_pids, files_below

pytestmark = pytest.mark.own_context

SECOND = ["MEMORY_ONLY_2", "MEMORY_AND_DISK_2", "DISK_ONLY_2"]


def noting(log: RunLog) -> Any:
    """A step that notes which partition is computed."""

    def note(index: int, records: Any) -> Any:
        log.note(f"part-{index}")
        return list(records)

    return note


def blocks_of(sc: Any, rdd: Any) -> list[str]:
    prefix = f"rdd/r{rdd.id()}_"
    return [name for name in files_below(sc._engine.files.root) if name.startswith(prefix)]


def kill(sc: Any, num: int) -> None:
    for pid in sorted(executor_pids(sc))[:num]:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("level", SECOND)
@pytest.mark.parametrize("victims", [1, 2])
def test_no_recomputation_after_a_loss(
    breakable: Any, log: RunLog, level: str, victims: int
) -> None:
    executor_pids(breakable)
    kept = breakable.parallelize(range(40), 4).mapPartitionsWithIndex(noting(log))
    kept.persist(getattr(StorageLevel, level))
    assert kept.collect() == list(range(40))
    kill(breakable, victims)
    assert kept.map(lambda x: x + 1).sum() == 820
    assert kept.collect() == list(range(40))
    assert log.counts() == {f"part-{i}": 1 for i in range(4)}
    kept.unpersist(blocking=True)
    assert blocks_of(breakable, kept) == []


def test_the_shuffle_behind_a_copy_stays_skipped(breakable: Any, log: RunLog) -> None:
    def note(kv: tuple[int, int]) -> tuple[int, int]:
        log.note("map")
        return kv

    pairs = breakable.parallelize([(i % 4, i) for i in range(20)], 2).map(note)
    kept = pairs.reduceByKey(int.__add__, 2).persist(StorageLevel.MEMORY_ONLY_2)
    expected = sorted(kept.collect())
    breakable._engine.files.remove_prefix("shuffle/")
    kill(breakable, 2)
    assert sorted(kept.collect()) == expected
    assert log.counts() == {"map": 20}
    kept.unpersist(blocking=True)


def test_a_damaged_copy_is_computed_again(breakable: Any, log: RunLog) -> None:
    kept = breakable.parallelize(range(40), 4).mapPartitionsWithIndex(noting(log))
    kept.persist(StorageLevel.MEMORY_ONLY_2)
    assert kept.collect() == list(range(40))
    (damaged,) = [name for name in blocks_of(breakable, kept) if name.endswith("_2.block")]
    path = breakable._engine.files.path(damaged)
    os.truncate(path, os.path.getsize(path) - 1)
    kill(breakable, 2)
    assert kept.collect() == list(range(40))
    assert log.counts() == {f"part-{i}": 1 + (i == 2) for i in range(4)}
    kept.unpersist(blocking=True)
