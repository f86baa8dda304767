"""The budget is never exceeded, and each side gets what Spark's rules give it."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from minispark.storage.memory import MemoryManager, Reservation
from minispark.storage.sizing import estimate_bytes


def never(_):
    raise AssertionError("must not evict")


def test_execution_gets_what_is_left_and_no_more():
    memory = MemoryManager(100)
    assert memory.acquire_execution(1, 60) == 60
    assert memory.acquire_execution(1, 60) == 40
    assert memory.acquire_execution(1, 1) == 0
    memory.release_execution(1, 30)
    assert memory.acquire_execution(1, 50) == 30
    assert memory.release_task(1) == 100
    assert memory.execution_bytes == 0


def test_tasks_share():
    memory = MemoryManager(100)
    assert memory.acquire_execution(1, 30) == 30
    assert memory.acquire_execution(2, 90) == 50
    assert memory.acquire_execution(1, 90) == 20


def test_storage_takes_the_rest_but_nothing_from_execution():
    memory = MemoryManager(100)
    assert memory.acquire_storage(80, never)
    assert memory.acquire_execution(1, 20) == 20
    assert not memory.acquire_storage(81, never)
    asked = []
    assert not memory.acquire_storage(10, lambda n: asked.append(n) or 0)
    assert asked == [10]


def test_execution_evicts_storage_down_to_its_share():
    memory = MemoryManager(100, 0.5)
    asked = []

    def evict(n):
        asked.append(n)
        memory.release_storage(n)
        return n

    memory.set_evictor(evict)
    assert memory.acquire_storage(90, never)
    assert memory.acquire_execution(1, 80) == 50
    assert asked == [40]
    assert memory.storage_bytes == 50


def test_storage_evicts_its_own():
    memory = MemoryManager(100)
    assert memory.acquire_storage(90, never)

    def evict(n):
        memory.release_storage(45)
        return 45

    assert memory.acquire_storage(50, evict)
    assert memory.storage_bytes == 95


def test_reservation_asks_ahead_and_gives_back():
    memory = MemoryManager(1000)
    reservation = Reservation(memory, 1)
    assert reservation.covers(100)
    assert memory.execution_bytes == 200
    assert reservation.covers(150)
    assert memory.execution_bytes == 200
    assert reservation.covers(900)
    assert not reservation.covers(1001)
    reservation.release()
    assert memory.execution_bytes == 0


def test_a_structure_that_is_not_small_may_not_grow_when_the_process_may_not():
    memory = MemoryManager(1000)
    assert memory.room() > 1 << 60
    room = [100]
    memory.set_room(lambda: room[0])
    reservation = Reservation(memory, 1)
    assert reservation.covers(600)
    room[0] = -1
    assert memory.room() == -1
    assert not reservation.covers(600)
    assert not reservation.covers(251)
    assert reservation.covers(250)
    room[0] = 0
    assert reservation.covers(600)


def test_a_structure_may_fill_what_a_process_that_is_too_large_has_anyway():
    memory = MemoryManager(1600)
    room = [-500]
    memory.set_room(lambda: room[0])
    reservation = Reservation(memory, 1)
    assert reservation.covers(10)
    room[0] = -600
    assert reservation.covers(1500)
    room[0] = -601
    assert not reservation.covers(1500)
    reservation.release()
    assert reservation.covers(10)
    assert reservation.covers(1500)


def test_the_peak_is_told_once():
    memory = MemoryManager(1000)
    assert memory.take_peak() == 0
    memory.acquire_execution(1, 300)
    memory.acquire_execution(2, 400)
    memory.release_task(2)
    assert memory.take_peak() == 700
    assert memory.take_peak() == 300
    memory.release_task(1)
    assert memory.take_peak() == 300
    assert memory.take_peak() == 0


class Budget(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.memory = MemoryManager(1000, 0.5)
        self.memory.set_evictor(self.evict)
        self.blocks = []

    def evict(self, n):
        freed = 0
        while self.blocks and freed < n:
            block = self.blocks.pop(0)
            self.memory.release_storage(block)
            freed += block
        return freed

    @rule(task=st.integers(0, 3), n=st.integers(0, 1500))
    def acquire(self, task, n):
        assert 0 <= self.memory.acquire_execution(task, n) <= n

    @rule(task=st.integers(0, 3), n=st.integers(0, 1500))
    def release(self, task, n):
        self.memory.release_execution(task, n)

    @rule(task=st.integers(0, 3))
    def end(self, task):
        self.memory.release_task(task)

    @rule(n=st.integers(0, 1500))
    def store(self, n):
        if self.memory.acquire_storage(n, self.evict):
            self.blocks.append(n)

    @invariant()
    def within_budget(self):
        assert self.memory.storage_bytes == sum(self.blocks)
        assert self.memory.storage_bytes + self.memory.execution_bytes <= 1000


TestBudget = Budget.TestCase


def test_sizes_are_about_right():
    # Known layouts: tuple of two 56, int 32, str of 8 chars 64, list slot 8.
    rows = [(f"{i:08d}", i + 1000) for i in range(5000)]
    assert abs(estimate_bytes(rows) / (5000 * 160) - 1) < 0.12
    shared = "x" * 100_000
    assert estimate_bytes([(shared, i + 1000) for i in range(5000)]) < 5000 * 200
    assert estimate_bytes([list(range(10_000, 110_000))]) > 3_000_000
    assert estimate_bytes([]) < 100


def test_sizes_of_objects_and_arrays():
    import numpy as np
    import pyarrow as pa

    class Plain:
        def __init__(self):
            self.data = "x" * 1000 + str(id(self))

    class Slotted:
        __slots__ = ("data",)

        def __init__(self):
            self.data = "x" * 1000 + str(id(self))

    assert estimate_bytes([Plain() for _ in range(10)]) > 10_000
    assert estimate_bytes([Slotted() for _ in range(10)]) > 10_000
    assert estimate_bytes([np.zeros(1000)]) > 8000
    assert estimate_bytes([pa.table({"a": list(range(1000))})]) > 8000
    cyclic = []
    cyclic.append(cyclic)
    assert estimate_bytes([cyclic, {1: {2: {3}}}, int, len, None]) > 0
