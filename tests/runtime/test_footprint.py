"""What a process takes decides whether structures may grow; what was freed goes back in time."""

from __future__ import annotations

import gc

import pytest

from minispark.runtime import footprint
from minispark.runtime.footprint import Footprint
from minispark.storage.memory import MemoryManager

MB = 1 << 20


class Process:
    """Stands in for what the system says."""

    taken = 0

    def num_bytes(self) -> int:
        return self.taken


@pytest.fixture
def process(monkeypatch):
    process = Process()
    monkeypatch.setattr(footprint, "PrivateMemory", lambda: process)
    return process


@pytest.fixture
def collections(monkeypatch):
    done = []
    monkeypatch.setattr(gc, "collect", lambda: done.append(1))
    return done


def large_task(memory):
    memory.acquire_execution(1, memory.total_bytes)
    memory.release_task(1)


def test_what_the_process_takes_before_the_first_large_task_is_free(process):
    memory = MemoryManager(16 * MB)
    place = Footprint(memory)
    process.taken = 20 * MB
    place.before(("job", 1, 0), False)
    process.taken = 30 * MB  # imports
    assert place.room() == 20 * MB
    process.taken = 45 * MB
    assert memory.room() == 5 * MB
    place.after()
    # Small so far: the next task shows anew what is idle.
    place.before(("job", 1, 0), False)
    assert place.room() == 20 * MB
    large_task(memory)
    place.after()
    place.before(("job", 1, 0), False)
    process.taken = 66 * MB
    assert place.room() == -1 * MB
    assert memory.room() == -1 * MB


def test_memory_is_given_back_before_another_stage_collects_bytes(process, collections):
    memory = MemoryManager(16 * MB)
    place = Footprint(memory)
    for stage, collects_bytes, expected in [
        (("map", 1, 0), True, 0),  # nothing to give back yet
        (("map", 1, 0), True, 0),  # the same stage
        (("job", 1, 0), False, 0),  # needs no bytes
        (("map", 2, 0), True, 1),
        (("map", 2, 0), True, 1),
    ]:
        place.before(stage, collects_bytes)
        assert len(collections) == expected
        large_task(memory)
        place.after()
    # Little room is a reason, too.
    process.taken = 17 * MB
    place.before(("job", 2, 0), False)
    assert len(collections) == 2
    large_task(memory)
    place.after()
    process.taken = 0
    gc.disable()
    try:
        place.before(("map", 3, 0), True)
    finally:
        gc.enable()
    assert len(collections) == 2
    place.before(("map", 4, 0), True)
    place.after()
    place.before(("map", 5, 0), True)
    assert len(collections) == 3  # no task was large in between
