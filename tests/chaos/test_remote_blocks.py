"""A cached block is read from the heap of an executor that is busy."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from minispark import StorageLevel
from tests.chaos.run_log import RunLog, executor_pids, files_below

pytestmark = pytest.mark.own_context


def blocks_of(sc: Any, rdd: Any) -> list[str]:
    prefix = f"rdd/r{rdd.id()}_"
    return [name for name in files_below(sc._engine.files.root) if name.startswith(prefix)]


@pytest.fixture(scope="module")
def impatient(open_context: Callable[..., Any]) -> Iterator[Any]:
    """Tasks hardly wait for the executor that has their block."""
    context = open_context("local-process[2]", spark_locality_wait="20ms")
    yield context
    context.stop()


@pytest.mark.parametrize("level", ["MEMORY_ONLY", "MEMORY_AND_DISK"])
def test_a_block_is_read_from_another_executors_heap(
    impatient: Any, log: RunLog, level: str
) -> None:
    """Its holder is busy; it is not computed again, so what was drawn stays."""
    sc = impatient
    executor_pids(sc)

    def await_note(name: str) -> None:
        patience = threading.Event()
        for _ in range(600):
            if name in log.counts():
                return
            patience.wait(0.05)
        raise AssertionError(f"{name} never came")

    def draw(index: int, records: Any) -> Any:
        log.note(f"part-{index}")
        return [(x, random.random()) for x in records]

    def occupied(_: int) -> None:
        log.note("occupied")
        await_note("drawn")

    drawn = sc.parallelize(range(3000), 2).mapPartitionsWithIndex(draw)
    drawn.persist(getattr(StorageLevel, level))
    blocker = threading.Thread(target=sc.parallelize([0], 1).foreach, args=(occupied,))
    blocker.start()
    await_note("occupied")
    first = drawn.collect()  # both partitions by the executor that is free
    log.note("drawn")
    blocker.join()
    holders = sc._engine.driver._scheduler.blocks.holders
    (holder,) = {e for p in range(2) for e in holders((drawn.id(), p)).executors}

    def read(index: int, records: Any) -> Any:
        found = list(records)
        log.note("read-0" if found[0][0] == 0 else "read-1")
        await_note("read-0")
        await_note("read-1")
        return found

    assert drawn.mapPartitionsWithIndex(read).collect() == first
    assert len({line[-1] for line in log.lines() if line[0].startswith("read-")}) == 2
    assert log.counts()["part-0"] == log.counts()["part-1"] == 1
    (exported,) = blocks_of(sc, drawn)
    # The file outlives its holder, and goes with the rest.
    os.kill(sc._engine.driver.members.links[holder].pid, signal.SIGKILL)
    again = drawn.collect()
    part = 0 if exported.endswith("_0.block") else 1
    assert again[1500 * part : 1500 * (part + 1)] == first[1500 * part : 1500 * (part + 1)]
    assert log.counts()[f"part-{part}"] == 1
    assert log.counts()[f"part-{1 - part}"] == 2
    drawn.unpersist(blocking=True)
    assert blocks_of(sc, drawn) == []
