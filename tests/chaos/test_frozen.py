"""Promise 25: an executor that stands still counts as lost; one that works does not."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from operator import add
from typing import Any

import pytest

from tests.chaos.conftest import MASTERS
from tests.chaos.run_log import RunLog, executor_pids

pytestmark = pytest.mark.own_context

#: Short, so that a test waits for it; a busy machine must not take it for silence.
TIMEOUT_S = 2.0


@pytest.fixture(scope="module", params=MASTERS)
def short(request: pytest.FixtureRequest, soon: Callable[[str], Any]) -> Iterator[Any]:
    """A context that soon gives up who says nothing."""
    context = soon(request.param)
    yield context
    context.stop()


@pytest.fixture
def processes(soon: Callable[[str], Any]) -> Iterator[Any]:
    """The same for what has nothing to do with how executors are started."""
    context = soon("local-process[2]")
    yield context
    context.stop()


@pytest.fixture(scope="session")
def soon(open_context: Callable[..., Any]) -> Callable[[str], Any]:
    """Opens such a context."""
    return lambda master: open_context(
        master,
        spark_network_timeout=f"{TIMEOUT_S:g}s",
        spark_executor_heartbeatInterval="300ms",
    )


def eventually(is_so: Callable[[], bool]) -> None:
    """Waits for what others are about to do."""
    patience = threading.Event()
    for _ in range(1200):
        if is_so():
            return
        patience.wait(0.05)
    raise AssertionError("it never came")


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def freeze_one(sc: Any, log: RunLog) -> int:
    """Freezes an executor in the middle of a task; the job goes on without it."""
    pids = executor_pids(sc)

    def stop(index: int, records: Any) -> Any:
        log.ran("part", index)
        if index == 1 and log.first_time("frozen"):
            log.note(f"victim-{os.getpid()}")
            os.kill(os.getpid(), signal.SIGSTOP)
        return records

    sums = sc.parallelize(range(40), 4).map(lambda x: (x % 4, x)).reduceByKey(add, 4)
    expected = [(k, sum(range(k, 40, 4))) for k in range(4)]
    assert sorted(sums.mapPartitionsWithIndex(stop).collect()) == expected
    (victim,) = (int(name.split("-")[1]) for name in log.counts() if name.startswith("victim"))
    assert log.counts("part")["part-1"] == 2
    assert victim not in executor_pids(sc)
    assert executor_pids(sc) - pids, "it was replaced"
    return victim


def test_thawed_executor(processes: Any, log: RunLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could end it, as on a machine out of reach: it ends itself, unheard."""
    members = processes._engine.driver.members
    monkeypatch.setattr(members, "_kill", lambda _executor: None)
    monkeypatch.setattr(members.vitals, "end", lambda _machine, _pid: None)
    monkeypatch.setattr(processes._engine.backend._launcher, "kill", lambda _executor: None)
    victim = freeze_one(processes, log)
    counts = log.counts("part")
    # What it says now belongs to a task that was given up, from the dead.
    os.kill(victim, signal.SIGCONT)
    eventually(lambda: not is_alive(victim))
    assert processes.parallelize(range(40), 4).sum() == 780
    assert log.counts("part") == counts


def test_frozen_idle_executor_and_many_messages(processes: Any) -> None:
    """What it does not read must hold nobody up."""
    pids = executor_pids(processes)
    victim = min(pids)
    os.kill(victim, signal.SIGSTOP)
    kept = [processes.parallelize([n], 1).cache() for n in range(600)]
    for rdd in kept:
        rdd.unpersist()
    assert processes.parallelize(range(100), 4).sum() == 4950
    eventually(lambda: victim not in executor_pids(processes, 1))
    assert len(executor_pids(processes)) == 2
    eventually(lambda: not is_alive(victim))


def test_frozen_executor(short: Any, log: RunLog) -> None:
    victim = freeze_one(short, log)
    eventually(lambda: not is_alive(victim))


def test_c_call_that_keeps_the_global_lock(short: Any, log: RunLog) -> None:
    """Longer than the time-out nothing is heard of it; but it works, and is left alone."""
    pids = executor_pids(short)

    def work(index: int, records: Any) -> Any:
        log.ran("busy", index)
        size, took = 1_000_000, 0.0
        while took < 1.5 * TIMEOUT_S:
            # One C call: the only one who could answer waits for the lock.
            began = time.monotonic()
            sum(range(size))
            took = time.monotonic() - began
            size = int(size * min(8.0, 1.7 * TIMEOUT_S / took))
        log.note("took", took)
        return [index]

    assert short.parallelize(range(2), 2).mapPartitionsWithIndex(work).collect() == [0, 1]
    assert all(float(line[1]) > TIMEOUT_S for line in log.lines() if line[0] == "took")
    assert log.counts("busy") == {"busy-0": 1, "busy-1": 1}
    assert executor_pids(short) == pids
