"""sum, mean, stats, histogram and their relatives."""

from __future__ import annotations

import math

import pytest


def test_sum(sc):
    assert sc.parallelize([1.0, 2.0, 3.0], 2).sum() == 6.0
    assert sc.parallelize([1, 2, 3], 5).sum() == 6
    assert sc.parallelize([], 3).sum() == 0
    assert sc.parallelize([10**30, 1], 2).sum() == 10**30 + 1
    assert sc.parallelize([True, True], 2).sum() == 2


def test_mean(sc):
    assert sc.parallelize([1, 2, 3], 2).mean() == pytest.approx(2.0)


def test_stats(sc):
    stats = sc.parallelize([1, 2, 3, 4], 3).stats()
    assert stats.count() == 4
    assert stats.mean() == pytest.approx(2.5)
    assert stats.sum() == pytest.approx(10)
    assert (stats.min(), stats.max()) == (1, 4)
    assert stats.variance() == pytest.approx(1.25)
    assert stats.sampleVariance() == pytest.approx(5 / 3)
    assert stats.stdev() == pytest.approx(math.sqrt(1.25))
    assert stats.sampleStdev() == pytest.approx(math.sqrt(5 / 3))


def test_stats_print(sc):
    text = str(sc.parallelize([1.0, 3.0], 1).stats())
    assert text.startswith("(count: 2, mean: 2.0, stdev: 1.0")
    assert "max: 3" in text
    assert "min: 1" in text


def test_stats_of_nothing(sc):
    stats = sc.parallelize([], 2).stats()
    assert stats.count() == 0
    assert math.isnan(stats.variance())
    assert stats.max() == -math.inf
    assert stats.min() == math.inf


def test_variance_and_deviation(sc):
    rdd = sc.parallelize([1, 2, 3], 2)
    assert rdd.variance() == pytest.approx(2 / 3)
    assert rdd.stdev() == pytest.approx(math.sqrt(2 / 3))
    assert rdd.sampleVariance() == pytest.approx(1.0)
    assert rdd.sampleStdev() == pytest.approx(1.0)


def test_variance_of_one_record(sc):
    rdd = sc.parallelize([5], 3)
    assert rdd.variance() == 0.0
    assert math.isnan(rdd.sampleVariance())


def test_stats_of_large_offsets_stay_exact(sc):
    rdd = sc.parallelize([1e9 + n for n in (4, 7, 13, 16)], 3)
    assert rdd.sampleVariance() == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("data", "buckets", "expected"),
    [
        (range(51), 2, ([0, 25, 50], [25, 26])),
        (range(51), [0, 5, 25, 50], ([0, 5, 25, 50], [5, 20, 26])),
        (range(51), [0, 15, 30, 45, 60], ([0, 15, 30, 45, 60], [15, 15, 15, 6])),
        (["ab", "ac", "b", "bd", "ef"], ("a", "b", "c"), (("a", "b", "c"), [2, 2])),
        ([1, 2, 3, 4], 3, ([1, 2, 3, 4], [1, 1, 2])),
        ([1, 1, 1], 3, ([1, 1], [3])),
        ([1.0, math.nan, None, 3.0], 2, ([1, 2, 3.0], [1, 1])),
        ([10.01, -0.01], [0, 10], ([0, 10], [0])),
        ([0, 10, 5], [0, 5, 10], ([0, 5, 10], [1, 2])),
        ([1, 2], 1, ([1, 2], [2])),
        (["a", "b"], 1, (["a", "b"], [2])),
        ([1.0, math.inf, 2.0], [0.0, 1.5, math.inf], ([0.0, 1.5, math.inf], [1, 2])),
        ([0.1, 0.3], 2, ([0.1, 0.2, 0.3], [1, 1])),
    ],
)
def test_histogram(sc, data, buckets, expected):
    limits, counts = sc.parallelize(list(data), 2).histogram(buckets)
    assert (
        list(limits) == pytest.approx(list(expected[0]))
        if isinstance(expected[0][0], float)
        else limits == expected[0]
    )
    assert counts == expected[1]


@pytest.mark.parametrize(
    ("data", "buckets", "kind"),
    [
        ([], 2, ValueError),
        ([1, 2], 0, ValueError),
        ([1, 2], [1], ValueError),
        ([1, 2], [], ValueError),
        ([1, 2], [2, 1], ValueError),
        ([1, 2], [1, 1, 2], ValueError),
        ([1, 2], [1, None], ValueError),
        ([1, 2], [1, math.nan], ValueError),
        ([1, 2], 2.0, TypeError),
        ([1, 2], "ab", TypeError),
        (["a", "b"], 2, TypeError),
        ([1.0, math.inf], 2, ValueError),
    ],
)
def test_histogram_refuses(sc, data, buckets, kind, still_usable):
    with pytest.raises(kind):
        sc.parallelize(data, 2).histogram(buckets)


def test_sum_of_strings_fails(sc, still_usable):
    with pytest.raises(Exception, match="unsupported operand"):
        sc.parallelize(["a", "b"], 2).sum()
