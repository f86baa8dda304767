"""countApprox, sumApprox and meanApprox keep their time; countApproxDistinct is Spark's."""

from __future__ import annotations

import math
import time

import pytest

NUMBERS = [float(n) for n in range(96)]


@pytest.fixture
def gate(tmp_path):
    """Tasks of the last partition wait until the gate is opened; others do not."""
    path = tmp_path / "open"

    def wait(index, records):
        while index == 5 and not path.exists():
            time.sleep(0.02)
        return records

    wait.open = path.touch
    yield wait
    path.touch()


def until(condition):
    while not condition():
        time.sleep(0.02)


@pytest.mark.minispark_only
def test_what_is_known_when_the_time_is_up(sc, gate, still_usable):
    rdd = sc.parallelize(NUMBERS, 6).mapPartitionsWithIndex(gate)
    counted = sc.parallelize(NUMBERS, 6).mapPartitionsWithIndex(gate)
    # The other five partitions need milliseconds; on a busy machine a few are enough.
    mean = rdd.meanApprox(1500)
    total = sc.parallelize(NUMBERS, 6).mapPartitions(lambda records: gate(5, records)).sumApprox(1)
    assert mean.confidence in (0.95, 0.0)
    assert mean.low < mean < mean.high
    assert (float(total), total.low, total.high, total.confidence) == (
        0.0,
        -math.inf,
        math.inf,
        0.0,
    )
    gate.open()
    until(lambda: not sc.statusTracker().getActiveJobsIds())
    assert counted.countApprox(60_000) == 96


def test_exact_in_time(sc):
    rdd = sc.parallelize(NUMBERS, 6)
    total, mean = rdd.sumApprox(60_000), rdd.meanApprox(60_000, 0.5)
    assert (total, total.low, total.high, total.confidence) == (4560.0, 4560.0, 4560.0, 1.0)
    assert (mean, mean.low, mean.high, mean.confidence) == (47.5, 47.5, 47.5, 1.0)
    count = rdd.countApprox(60_000)
    assert (count, type(count)) == (96, int)


def test_of_nothing(sc):
    for rdd in (sc.parallelize([], 2), sc.emptyRDD()):
        assert rdd.countApprox(60_000) == 0
        assert (rdd.sumApprox(60_000), rdd.meanApprox(60_000)) == (0.0, 0.0)


@pytest.mark.minispark_only
def test_the_rest_goes_on(sc, gate):
    seen = sc.accumulator(0)

    def count(x):
        seen.add(1)
        return x

    rdd = sc.parallelize(NUMBERS, 6).map(count).mapPartitions(lambda records: gate(5, records))
    assert rdd.countApprox(1) == 0
    gate.open()
    until(lambda: not sc.statusTracker().getActiveJobsIds())
    assert seen.value == 96


@pytest.mark.minispark_only
def test_the_rest_can_be_cancelled(sc, gate, still_usable):
    sc.setJobGroup("approximately", "")
    try:
        rdd = sc.parallelize(NUMBERS, 6).mapPartitionsWithIndex(gate)
        rdd.countApprox(0)
        until(lambda: sc.statusTracker().getActiveJobsIds())
        sc.cancelJobGroup("approximately")
        until(lambda: not sc.statusTracker().getActiveJobsIds())
    finally:
        sc.setLocalProperty("spark.jobGroup.id", None)
        sc.setLocalProperty("spark.job.description", None)
    gate.open()


def test_a_failure_in_time_is_raised(sc, task_fails, still_usable):
    with task_fails(ValueError, match="no number"):
        sc.parallelize(["no number"], 1).map(lambda x: float(x[20:] or fail(x))).sumApprox(60_000)


def fail(text):
    raise ValueError(text)


@pytest.mark.minispark_only
@pytest.mark.parametrize("arguments", [(-1,), ("soon",), (1.5,), (10, 1.5), (10, -0.1), (10, "x")])
def test_arguments_are_checked(sc, arguments):
    with pytest.raises((TypeError, ValueError), match="`(timeout|confidence)`"):
        sc.parallelize([1.0]).meanApprox(*arguments)


@pytest.mark.parametrize(
    ("count", "relative_sd", "expected"),  # as PySpark 4.3 answered
    [(0, 0.05, 0), (10, 0.3, 11), (100, 0.05, 99), (700, 0.3, 994), (2000, 0.05, 2111)],
)
def test_distinct_counts_are_sparks(sc, count, relative_sd, expected):
    assert sc.parallelize(range(count), 3).countApproxDistinct(relative_sd) == expected
