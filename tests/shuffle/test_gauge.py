"""A structure is looked at before what came since the last look can be large."""

from __future__ import annotations

import pytest

from minispark.shuffle.gauge import Gauge
from minispark.storage.memory import MemoryManager, Reservation

MB = 1 << 20


def held_until_refused(budget, record_bytes):
    """The bytes a list of such records has when it may not grow on, as a sorter fills it."""
    gauge = Gauge(Reservation(MemoryManager(budget), 1))
    total = 0
    while True:
        count = gauge.probe + gauge.step
        probe = [bytes(record_bytes) for _ in range(min(gauge.probe, 8))]
        total += count * (record_bytes + 41)
        if not gauge.list_fits(probe, count):
            return total


@pytest.mark.parametrize("budget", [2 * MB, 15 * MB, 600 * MB])
@pytest.mark.parametrize("record_bytes", [10, 1000, 10_000, 100_000, 1_000_000])
def test_no_more_than_the_budget_comes(budget, record_bytes):
    held = held_until_refused(budget, record_bytes)
    # Twice the record: whatever the budget, there must be two to tell their size.
    assert budget // 2 < held < budget + budget // 8 + 2 * record_bytes


def test_values_in_lists_are_taken_by_their_size():
    gauge = Gauge(Reservation(MemoryManager(15 * MB), 1))
    assert gauge.few == gauge.probe
    gauge.groups_fit({}, [b"x" * 100_000], 10)
    assert gauge.few == 9
    assert gauge.fitting(1000, 1 << 18) == 2
    assert gauge.fitting(1000, 10) == 1
    # What is known of sizes outlives the table.
    gauge.reset()
    assert gauge.few == 9
    small = Gauge(Reservation(MemoryManager(15 * MB), 1))
    small.groups_fit({}, list(range(1000, 1064)), 64)
    assert small.few == 1000
    assert small.fitting(500, 1 << 18) == 500
