"""Odd moments of the engine's core: each of these once hung or leaked."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minispark.errors import JobCancelledError, PySparkRuntimeError
from tests.chaos.run_log import RunLog

pytestmark = pytest.mark.own_context

PATIENCE = threading.Event()


@pytest.fixture(scope="module", params=["local", "local-process[1]"])
def small(request: pytest.FixtureRequest, open_context: Callable[..., Any]) -> Iterator[Any]:
    """One core, in this process or beside it."""
    context = open_context(request.param)
    yield context
    context.stop()


def _wait_for(condition: Callable[[], object]) -> None:
    while not condition():
        PATIENCE.wait(0.01)


def _in_thread(action: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """A thread; what it returns or raises."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(action())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


@pytest.mark.filterwarnings("ignore:The function of")
def test_large_code_for_a_busy_executor(small: Any, log: RunLog, tmp_path: Path) -> None:
    gate = str(tmp_path / "gate")

    def busy(x: int) -> int:
        log.note("busy")
        while not os.path.exists(gate):
            threading.Event().wait(0.01)
        return x

    ballast = os.urandom(8 << 20)
    first, first_is = _in_thread(lambda: small.parallelize([1], 1).map(busy).collect())
    _wait_for(log.lines)
    second, second_is = _in_thread(
        lambda: small.parallelize([2], 1).map(lambda x: x + len(ballast)).collect()
    )
    _wait_for(lambda: len(small._engine.driver.jobs()) == 2)
    # The driver has other things to do meanwhile; with its lock held it could not.
    small.cancelJobGroup("nobody's")
    Path(gate).touch()
    first.join()
    second.join()
    assert first_is == [[1]]
    assert second_is == [[2 + len(ballast)]]
    assert log.counts() == {"busy": 1}


class _Closed:
    """A stream that nobody listens to any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    def flush(self) -> None:
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize("small", ["local-process[1]"], indirect=True)
def test_prints_that_cannot_be_shown(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", _Closed())
    assert small.parallelize([1], 1).map(lambda x: print("é", x) or x).collect() == [1]
    assert small.parallelize([2], 1).sum() == 2


def test_an_action_inside_a_task(small: Any) -> None:
    # Reached by import, as a module of the user's would be: nothing to pickle.
    sys.modules["context_of_a_test"] = module = type(sys)("context_of_a_test")
    module.rdd = small.parallelize([1], 1)  # type: ignore[attr-defined]

    def nested(x: int) -> int:
        import sys

        from minispark import SparkContext

        mine = sys.modules.get("context_of_a_test")
        return mine.rdd.count() if mine else SparkContext("local").parallelize([1]).count()

    try:
        with pytest.raises(PySparkRuntimeError, match="on the driver only"):
            small.parallelize([1], 1).map(nested).collect()
    finally:
        del sys.modules["context_of_a_test"]
    assert small.parallelize([1, 2], 2).count() == 2


def _results(context: Any) -> list[Path]:
    return list(Path(context._engine.files.root).glob("result/*"))


def test_results_that_nobody_takes_are_removed(small: Any) -> None:
    engine = small._engine
    rdd = small.parallelize(range(4), 4)
    items = engine.run(rdd._node, lambda _i, _records: os.urandom(1 << 20), range(4), "a test", {})
    next(items)
    if small.master != "local":
        _wait_for(lambda: len(_results(small)) >= 2)
    items.close()
    assert small.parallelize([1], 1).count() == 1  # what was cancelled has ended
    _wait_for(lambda: not _results(small))
    assert not engine.driver.outcomes


def test_accumulators_live_as_long_as_somebody_can_read_them(small: Any) -> None:
    known = small._engine.driver.outcomes.accumulators
    gc.collect()
    before = len(known)
    for _ in range(20):
        seen = small.accumulator(0)
        small.parallelize([1, 2], 2).foreach(seen.add)
        assert seen.value == 3
    gc.collect()
    assert len(known) == before + 1


def test_prefetching_jobs_belong_to_the_group(small: Any, log: RunLog, tmp_path: Path) -> None:
    gate = str(tmp_path / "gate")

    def wait(x: int) -> int:
        log.note("started")
        while not os.path.exists(gate):
            threading.Event().wait(0.01)
        return x

    def iterate() -> list[int]:
        small.setJobGroup("iterating", "prefetched partitions", interruptOnCancel=True)
        rdd = small.parallelize(range(2), 2).map(wait)
        return list(rdd.toLocalIterator(prefetchPartitions=True))

    thread, outcome = _in_thread(iterate)
    _wait_for(log.lines)
    small.cancelJobGroup("iterating")
    # Where the thread itself runs the task, the interrupt needs no gate either.
    thread.join(20)
    Path(gate).touch()
    thread.join()
    assert isinstance(outcome[0], JobCancelledError)


@pytest.mark.parametrize("small", ["local"], indirect=True)
def test_an_executor_forgets_no_stage_that_the_driver_counts_on(small: Any) -> None:
    executor = small._engine.driver._inline._executor
    keys = [("map", shuffle_id, -1) for shuffle_id in range(3000)]
    for key in keys:
        executor.put_stage(key, None)
    assert all(key in executor._stages for key in keys)
    for key in keys:
        executor.forget_stage(key)


def test_union_of_thousands_of_parents_with_a_cached_one(small: Any) -> None:
    from minispark.plan.stages import build_stages

    parts = [small.parallelize([i], 1) for i in range(3000)]
    parts[7].cache()
    spec = build_stages(small.union(parts)._node).final.spec
    assert spec.blocks[7] == ((parts[7].id(), 0),)
    assert not any(spec.blocks[8:])


def test_a_cached_rdd_zipped_with_itself_30_times_is_planned_at_once(small: Any) -> None:
    from minispark.plan.stages import build_stages

    base = rdd = small.parallelize([1], 1).cache()
    for _ in range(30):
        rdd = rdd.zip(rdd)
    spec = build_stages(rdd._node).final.spec
    assert spec.blocks == (((base.id(), 0),),)


def test_a_destroyed_broadcast_says_so(small: Any) -> None:
    table = small.broadcast(5)
    rdd = small.parallelize([1], 1).map(lambda x: table.value)
    small.union([rdd, rdd])  # pickled now
    table.destroy()
    _wait_for(lambda: not list(Path(small._engine.files.root).glob(f"broadcast/{table.id}")))
    with pytest.raises(PySparkRuntimeError, match="was destroyed"):
        rdd.collect()


@pytest.mark.parametrize("small", ["local-process[1]"], indirect=True)
def test_a_thousand_partition_functions_in_a_row(small: Any) -> None:
    rdd = small.parallelize([0], 1)
    for _ in range(1000):
        rdd = rdd.mapPartitions(lambda records: (x + 1 for x in records))
    assert rdd.collect() == [1000]
