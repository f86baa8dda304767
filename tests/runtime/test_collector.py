"""The collector's settings during a task, and after it."""

from __future__ import annotations

import gc
import weakref

import pytest

from minispark import SparkContext
from minispark.runtime.collector import TASK_THRESHOLDS, rare_full_collections
from minispark.storage.serializer import no_gc


@pytest.fixture(autouse=True)
def settings():
    found, was_on = gc.get_threshold(), gc.isenabled()
    yield
    gc.set_threshold(*found)
    if was_on:
        gc.enable()


@pytest.fixture
def sc():
    with SparkContext("local") as context:
        yield context


def seen(sc):
    return sc.parallelize([0], 1).map(lambda _: (gc.get_threshold(), gc.isenabled())).first()


def test_a_task_runs_with_rare_full_passes_and_leaves_nothing_behind(sc):
    before = gc.get_threshold()
    assert seen(sc) == (TASK_THRESHOLDS, True)
    assert gc.get_threshold() == before
    with pytest.raises(ZeroDivisionError):
        sc.parallelize([0], 1).map(lambda x: 1 / x).collect()
    assert gc.get_threshold() == before


def test_what_the_user_chose_is_kept(sc):
    gc.set_threshold(123, 4, 5)
    assert seen(sc) == ((123, 4, 5), True)
    gc.disable()
    assert seen(sc) == ((123, 4, 5), False)
    assert not gc.isenabled()


def test_cycles_of_user_functions_are_collected_during_a_task(sc):
    class Node:
        pass

    def alive(records):
        found = []
        for _ in records:
            node = Node()
            node.itself = node
            found.append(weakref.ref(node))
        yield sum(ref() is not None for ref in found)

    left = sc.parallelize(range(20_000), 1).mapPartitions(alive).first()
    assert left < 10_000


@pytest.mark.parametrize(
    ("manager", "name"), [(no_gc, "disable"), (rare_full_collections, "set_threshold")]
)
def test_an_interrupt_right_after_the_collector_was_changed_leaves_it_as_it_was(
    monkeypatch, manager, name
):
    before = gc.get_threshold()
    change = getattr(gc, name)

    def interrupted(*values):
        monkeypatch.undo()
        change(*values)
        raise KeyboardInterrupt

    monkeypatch.setattr(gc, name, interrupted)
    with pytest.raises(KeyboardInterrupt), manager():
        pass
    assert (gc.isenabled(), gc.get_threshold()) == (True, before)
