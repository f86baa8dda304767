"""When a reduce partition counts as skewed: sizes alone decide."""

from __future__ import annotations

import math

import pytest

from minispark.ids import ExecutorId, NodeId
from minispark.scheduler.model import MapStatus
from minispark.scheduler.skew import FACTOR, MIN_BYTES, Skew, find_skew

MB = 1 << 20


def status(*sizes: float) -> MapStatus:
    coded = bytes(0 if not s else max(1, math.ceil(math.log(s, 1.1))) for s in sizes)
    return MapStatus(NodeId("n"), ExecutorId("e"), 0, coded, int(sum(sizes)))


def test_one_partition_with_nearly_everything() -> None:
    found = find_skew([status(MB, 30 * MB, MB), status(2 * MB, 40 * MB, MB)])
    assert isinstance(found, Skew)
    assert (found.partition, found.num_partitions) == (1, 3)
    assert found.num_bytes == pytest.approx(70 * MB, rel=0.1)
    assert found.median_bytes == pytest.approx(2.5 * MB, rel=0.3)
    assert found.total_bytes == pytest.approx(75 * MB, rel=0.1)


@pytest.mark.parametrize(
    "sizes",
    [
        (40 * MB, 40 * MB, 45 * MB),
        (40 * MB, 9 * MB, 9 * MB),  # less than five times the median
        (MIN_BYTES / 2, 10, 10),  # a lot more than the others, but little
        (100 * MB,),
        (0, 0, 0),
    ],
)
def test_even_small_or_alone(sizes: tuple[float, ...]) -> None:
    assert find_skew([status(*sizes)]) is None


def test_few_keys_for_many_partitions() -> None:
    found = find_skew([status(0, 0, 0, 60 * MB, 0)])
    assert found is not None
    assert (found.partition, found.median_bytes) == (3, 0.0)


def test_what_is_missing_is_left_out() -> None:
    assert find_skew([]) is None
    assert find_skew([None, None]) is None
    assert find_skew([None, status(MB, FACTOR * 20 * MB)]) is None, "a median of two is the mean"
    assert find_skew([None, status(MB, MB, FACTOR * 20 * MB)]) is not None
