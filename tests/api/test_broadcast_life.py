"""Broadcasts that nobody holds any more are removed; those that anybody may read are not."""

from __future__ import annotations

import gc
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from minispark.runtime.current import current_task
from tests.chaos.run_log import files_below

pytestmark = pytest.mark.minispark_only


def files(sc: Any) -> set[str]:
    return {n for n in files_below(sc._engine.files.root) if n.startswith("broadcast/")}


def eventually(condition: Callable[[], bool]) -> None:
    patience = threading.Event()
    for _ in range(400):
        if condition():
            return
        patience.wait(0.02)
    raise AssertionError("it did not come true")


def file_of(shared: Any) -> str:
    return f"broadcast/{shared.id}"


def test_a_dropped_broadcast_goes(sc: Any) -> None:
    shared = sc.broadcast([1, 2])
    name = file_of(shared)
    assert shared.value == [1, 2]
    assert name in files(sc)
    del shared
    eventually(lambda: name not in files(sc))


def test_a_used_one_goes_with_the_rdd_that_uses_it(sc: Any) -> None:
    shared = sc.broadcast({"a": 1})
    name = file_of(shared)
    rdd = sc.parallelize(["a", "a"], 2).map(lambda k, shared=shared: shared.value[k])
    assert rdd.collect() == [1, 1]
    child = rdd.map(lambda x: x + 1)
    del shared, rdd
    gc.collect()
    assert child.collect() == [2, 2]
    assert child.collect() == [2, 2]
    assert name in files(sc)
    del child
    gc.collect()
    eventually(lambda: name not in files(sc))


def test_the_users_variable_changes_after_the_first_action(sc: Any) -> None:
    b = sc.broadcast({"a": 1})
    name = file_of(b)
    rdd = sc.parallelize(["a"], 1).map(lambda k: b.value[k])
    first = rdd.collect()
    b = None  # what the function refers to is gone; its bytes are not
    gc.collect()
    assert rdd.collect() == first == [1]
    del rdd
    gc.collect()
    eventually(lambda: name not in files(sc))


def test_what_a_shuffle_needs_stays_with_it(sc: Any) -> None:
    limit, factor, offset = sc.broadcast(2), sc.broadcast(10), sc.broadcast(100)
    names = {file_of(b) for b in (limit, factor, offset)}

    def place(key: int, limit: Any = limit) -> int:
        return int(key >= limit.value)

    def merge(a: int, b: int, factor: Any = factor) -> int:
        return a + b * factor.value

    pairs = sc.parallelize([(n % 4, n) for n in range(8)], 2)
    summed = pairs.reduceByKey(merge, 2, place)
    ordered = summed.sortBy(lambda kv, offset=offset: offset.value - kv[0], numPartitions=2)
    del limit, factor, offset, place, merge
    gc.collect()
    expected = [(k, k + 10 * (k + 4)) for k in (3, 2, 1, 0)]
    assert ordered.collect() == expected
    sc._engine.files.remove_prefix("shuffle/")  # and when it has to be done again
    assert ordered.collect() == expected
    assert names <= files(sc)
    del pairs, summed, ordered
    gc.collect()
    eventually(lambda: not names & files(sc))


def test_one_among_the_data_stays(sc: Any) -> None:
    shared = sc.broadcast("x")
    name = file_of(shared)
    rdd = sc.parallelize([shared, shared], 2)
    pickled = pickle.dumps(shared)
    del shared
    gc.collect()
    assert rdd.map(lambda b: b.value).collect() == ["x", "x"]
    assert sc.parallelize([pickled], 1).map(lambda p: pickle.loads(p).value).collect() == ["x"]
    assert name in files(sc)


def test_destroyed_and_then_dropped(sc: Any) -> None:
    shared = sc.broadcast("x")
    name = file_of(shared)
    shared.destroy()
    eventually(lambda: name not in files(sc))
    del shared
    gc.collect()
    assert sc.parallelize([1], 1).collect() == [1]


def test_thousands_level_off(sc: Any) -> None:
    before = files(sc)
    for turn in range(300 if sc.master != "local" else 3000):
        shared = sc.broadcast(turn)
        if turn % 50 == 0:
            rdd = sc.parallelize([1, 2], 2).map(lambda x, shared=shared: x * shared.value)
            assert rdd.collect() == [turn, 2 * turn]
            del rdd
        del shared
    gc.collect()
    eventually(lambda: len(files(sc) - before) == 0)

    def loaded(_: int) -> int:
        task: Any = current_task()
        return len(task.executor.broadcasts._loaded)

    # Executors, too, forget; the messages may still be on their way.
    eventually(lambda: max(sc.parallelize(range(4), 4).map(loaded).collect()) <= 8)
