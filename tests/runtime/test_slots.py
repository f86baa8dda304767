"""What a process takes for a resource profile, and which units it gets."""

from __future__ import annotations

import pytest

from minispark.runtime.resources import (
    ExecutorResourceRequests,
    ResourceProfileBuilder,
    TaskResourceRequests,
)
from minispark.runtime.slots import Slot, Units, declared_resources, slot_of


def profile(*requests):
    builder = ResourceProfileBuilder()
    for request in requests:
        builder.require(request)
    return builder.build


def test_tasks_alone_say_what_they_need():
    asked = profile(TaskResourceRequests().cpus(2).resource("gpu", 0.5))
    slot = slot_of(asked, {})
    assert slot == Slot(asked.id, 2, {"gpu": 0.5}, None, None)
    assert (
        slot_of(profile(TaskResourceRequests().resource("gpu", 1)), {"spark.task.cpus": "3"}).cpus
        == 3
    )


def test_an_executor_is_as_many_processes_as_it_has_room_for_tasks():
    executor = ExecutorResourceRequests().cores(4).memory("8g").resource("gpu", 2)
    slot = slot_of(profile(executor, TaskResourceRequests().cpus(1).resource("gpu", 1)), {})
    assert (slot.per_executor, dict(slot.resources), slot.memory_bytes) == (
        2,
        {"gpu": 1.0},
        4 << 30,
    )
    slot = slot_of(profile(executor, TaskResourceRequests().cpus(1)), {})
    assert (slot.per_executor, dict(slot.resources)) == (4, {"gpu": 0.5})


@pytest.mark.parametrize(
    "requests",
    [
        (ExecutorResourceRequests().cores(1), TaskResourceRequests().cpus(2)),
        (ExecutorResourceRequests().resource("gpu", 1), TaskResourceRequests().resource("gpu", 2)),
        (ExecutorResourceRequests().resource("fpga", 1), TaskResourceRequests().resource("gpu", 1)),
    ],
)
def test_tasks_that_fit_into_no_executor_are_refused(requests):
    with pytest.raises(ValueError, match="profile"):
        slot_of(profile(*requests), {})


def test_room():
    slot = Slot(1, 2, {"gpu": 0.5})
    assert slot.room({"cpus": 8.0, "gpu": 1.0}) == 2
    assert slot.room({"cpus": 1.0, "gpu": 1.0}) == 0
    assert slot.room({"cpus": 8.0}) == 0
    assert (
        slot.lack({"cpus": 1.0})
        == "a task needs 2 cpus where there are 1 and 0.5 gpu where there are 0"
    )
    assert Slot(1, 1, {"x": 0.1}).room({"cpus": 100.0, "x": 1.0}) == 10


def test_units_are_shared_only_by_fractions():
    units = Units({"gpu": 3.0})
    whole, half = Slot(1, 1, {"gpu": 1}), Slot(2, 1, {"gpu": 0.5})
    first = units.take(half)
    assert first == {"gpu": ("0",)}
    assert units.take(whole) == {"gpu": ("1",)}
    assert units.take(half) == {"gpu": ("0",)}  # beside the other half
    assert units.take(Slot(3, 1, {"gpu": 2})) is None
    assert units.take(whole) == {"gpu": ("2",)}
    assert units.take(half) is None
    units.give_back(half, first)
    assert units.take(whole) is None
    assert units.take(half) == {"gpu": ("0",)}
    assert Units({}).take(whole) is None
    assert Units({"gpu": 4.0}).take(Slot(3, 1, {"gpu": 2})) == {"gpu": ("0", "1")}


def test_what_is_not_taken_whole_is_not_taken_at_all():
    units = Units({"gpu": 1.0})
    assert units.take(Slot(1, 1, {"gpu": 1, "fpga": 1})) is None
    assert units.take(Slot(1, 1, {"gpu": 1})) == {"gpu": ("0",)}


def test_declared_resources():
    conf = {"spark.driver.resource.gpu.amount": "2", "spark.driver.memory": "1g"}
    assert declared_resources(conf) == {"gpu": 2.0}
    for bad in ("many", "-1", "nan"):
        with pytest.raises(ValueError, match="gpu"):
            declared_resources({"spark.driver.resource.gpu.amount": bad})
