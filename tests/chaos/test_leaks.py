"""Promise 21: a long life costs no more than a short one, whatever the jobs made.

MINISPARK_LEAK_JOBS asks for longer runs: 3,000 jobs take some ten seconds where
the machine is free.
"""

from __future__ import annotations

import gc
import importlib
import os
import threading
from collections.abc import Callable, Iterator
from operator import add
from typing import Any

import pytest

from minispark import StorageLevel
from tests.chaos.run_log import executor_pids, files_below
from tests.chaos.test_memory import MB, private_bytes

IS_LONG = "MINISPARK_LEAK_JOBS" in os.environ
JOBS = int(os.environ.get("MINISPARK_LEAK_JOBS", "600"))
pytestmark = [pytest.mark.own_context]
if IS_LONG:
    pytestmark.append(pytest.mark.usefixtures("without_time_limit"))

#: What a third of the jobs may add to the private memory of a process, when the
#: third before has filled every cache: pages that the allocator touches first now.
#: Five kilobytes kept per job are seen with 600 jobs, one with 3,000.
MEMORY = 1 * MB


@pytest.fixture(
    scope="module",
    params=["local-process[2]", pytest.param("local[2]", marks=pytest.mark.ray)],
)
def lasting(request: pytest.FixtureRequest, open_context: Callable[..., Any]) -> Iterator[Any]:
    context = open_context(request.param)
    yield context
    context.stop()


def job(sc: Any, turn: int) -> None:
    """A broadcast, a cached RDD, a shuffle and a large result; all dropped, in several ways."""
    shared = sc.broadcast(list(range(100)))
    kept = sc.parallelize(range(20), 2).map(lambda x: (x % 3, shared.value[x]))
    kept.persist(StorageLevel.DISK_ONLY if turn % 2 else StorageLevel.MEMORY_ONLY)
    assert kept.reduceByKey(add, 2).count() == 3
    if turn % 20 == 0:
        assert len(sc.parallelize([1], 1).map(lambda _: bytes(300_000)).first()) == 300_000
    if turn % 3 == 0:
        kept.unpersist()
    shared.destroy()


def ray_objects() -> int:
    """Objects this process refers to, where Ray runs."""
    worker = importlib.import_module("ray._private.worker").global_worker
    return len(worker.core_worker.get_all_reference_counts())


def levels(sc: Any) -> dict[str, int]:
    """What grows where something is not given back."""
    gc.collect()
    root = os.path.dirname(str(sc._engine.files.root))
    patience = threading.Event()
    for _ in range(400):
        if len(files_below(root)) <= 2:  # the directory's lock and the driver's socket
            break
        patience.wait(0.05)
    pids = executor_pids(sc)
    return {
        "files": len(files_below(root)),
        "threads": threading.active_count(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "executors' descriptors": sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids),
        "executors' threads": sum(len(os.listdir(f"/proc/{pid}/task")) for pid in pids),
        "persistent RDDs": len(sc._engine.persistent),
        "shuffles": len(sc._engine._tracked),
        "Ray objects": ray_objects() if sc.master.startswith("local[") else 0,
        "memory": private_bytes(os.getpid()),
        "executors' memory": max(map(private_bytes, pids)),
    }


def assert_level(
    before: dict[str, int], look: Callable[[], dict[str, int]], memory: int = MEMORY
) -> None:
    """What is given back behind the jobs, such as mapped files, gets the time it needs."""
    patience = threading.Event()
    for _ in range(100):
        after = look()
        grown = {
            what: (before[what], after[what])
            for what in before
            if after[what] > before[what] + (memory if "memory" in what else 2)
        }
        if not grown:
            break
        patience.wait(0.1)
    print("\n".join(f"{what}: {before[what]} {after[what]}" for what in before))
    assert not grown


def is_short(sc: Any) -> bool:
    """On Ray the same shows in fewer turns, unless a long run is asked for."""
    return bool(sc.master.startswith("local[")) and not IS_LONG


def test_many_small_jobs(lasting: Any) -> None:
    third = JOBS // (6 if is_short(lasting) else 3)
    for turn in range(2 * third):
        job(lasting, turn)
    before = levels(lasting)
    for turn in range(third):
        job(lasting, turn)
    assert_level(before, lambda: levels(lasting))


def test_an_iterative_job(lasting: Any) -> None:
    """PageRank of 200 turns that keeps each turn's ranks and drops those before."""
    turns = 80 if is_short(lasting) else 200
    links = lasting.parallelize([(n, [(n * 7 + i) % 40 for i in range(1, 4)]) for n in range(40)])
    links = links.partitionBy(2).cache()
    ranks = links.mapValues(lambda _: 1.0)

    def spread(pair: Any) -> list[tuple[int, float]]:
        targets, rank = pair[1]
        return [(target, rank / len(targets)) for target in targets]

    before: dict[str, int] = {}
    for turn in range(turns):
        new = links.join(ranks, 2).flatMap(spread).reduceByKey(add, 2)
        new = new.mapValues(lambda r: 0.15 + 0.85 * r).cache()
        assert new.count() == 40
        ranks.unpersist()
        ranks = new
        if turn == turns // 2:
            before = live_levels(lasting)
    assert abs(ranks.values().sum() - 40) < 1e-6
    # The lineage itself grows, as it does in Spark: some 20 KB a turn in the driver.
    assert_level(before, lambda: live_levels(lasting), memory=4 * MB)


def live_levels(sc: Any) -> dict[str, int]:
    """As `levels`, while RDDs with their shuffles live: those grow with the lineage."""
    gc.collect()
    pids = executor_pids(sc)
    return {
        "threads": threading.active_count(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "persistent RDDs": len(sc._engine.persistent),
        "memory": private_bytes(os.getpid()),
        "executors' memory": max(map(private_bytes, pids)),
    }
