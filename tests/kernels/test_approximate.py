"""Estimates from some of the partitions: Spark's numbers, recorded from PySpark 4.3."""

from __future__ import annotations

import math
import pickle

import pytest

from minispark.kernels.approximate import BoundedFloat, mean_estimate, sum_estimate
from minispark.kernels.statcounter import StatCounter
from minispark.kernels.student import student_cdf, student_quantile


def close(bounded, value, low, high, confidence):
    shown = (float(bounded), bounded.low, bounded.high, bounded.confidence)
    return shown == pytest.approx((value, low, high, confidence), rel=1e-9)


#: Five of six partitions, 16 numbers each.
NUMBERS = [float(n) for n in range(80)]
SUMS = [sum(NUMBERS[n : n + 16]) for n in range(0, 80, 16)]


def test_sums_are_sparks():
    seen = StatCounter(SUMS)
    assert close(
        sum_estimate(seen, 5 / 6, 0.95), 3792.0, 1730.317227553348, 5853.682772446652, 0.95
    )
    assert close(sum_estimate(seen, 5 / 6, 0.5), 3792.0, 3241.9864535843262, 4342.013546415674, 0.5)
    equal = sum_estimate(StatCounter([6.0] * 5), 5 / 6, 0.9)
    assert close(equal, 36.0, 21.98807311427679, 50.011926885723206, 0.9)


def test_means_are_sparks():
    seen = StatCounter(NUMBERS)
    assert close(mean_estimate(seen, 0.95), 39.5, 34.32865865903886, 44.67134134096114, 0.95)
    assert close(mean_estimate(seen, 0.99), 39.5, 32.642365817656824, 46.357634182343176, 0.99)
    many = StatCounter(float(n * n) for n in range(830))
    assert close(mean_estimate(many, 0.9), 229218.5, 217498.20026010592, 240938.79973989408, 0.9)
    assert close(mean_estimate(StatCounter([3.0] * 10), 0.9), 3.0, 3.0, 3.0, 0.9)


def test_of_one_value_or_none_nothing_is_known():
    for estimate in (sum_estimate(StatCounter(), 0.0, 0.9), mean_estimate(StatCounter(), 0.9)):
        assert close(estimate, 0.0, -math.inf, math.inf, 0.0)
    assert close(mean_estimate(StatCounter([5.0]), 0.9), 5.0, -math.inf, math.inf, 0.9)
    assert close(sum_estimate(StatCounter([5.0]), 0.5, 0.9), 10.0, -math.inf, math.inf, 0.9)


def test_full_confidence_needs_all_numbers():
    bounded = mean_estimate(StatCounter(NUMBERS), 1.0)
    assert (bounded.low, bounded.high) == (-math.inf, math.inf)
    assert close(mean_estimate(StatCounter(NUMBERS), 0.0), 39.5, 39.5, 39.5, 0.0)


def test_a_bounded_float_travels():
    bounded = pickle.loads(pickle.dumps(BoundedFloat(1.5, 0.9, 1.0, 2.0)))
    assert close(bounded, 1.5, 1.0, 2.0, 0.9)


@pytest.mark.parametrize(
    ("p", "degrees", "value"),
    [
        (0.975, 1, 12.706204736174698),
        (0.975, 4, 2.7764451051977987),
        (0.95, 10, 1.8124611228107335),
        (0.995, 99, 2.6264054572808276),
        (0.75, 2, 0.816496580927726),
        (0.9995, 3, 12.923978636687485),
        (0.5, 7, 0.0),
        (0.025, 4, -2.7764451051977987),
    ],
)
def test_quantiles_of_student(p, degrees, value):
    assert student_quantile(p, degrees) == pytest.approx(value, rel=1e-8, abs=1e-15)


def test_quantiles_invert_probabilities():
    for degrees in (1, 2, 5, 30, 99):
        for p in (0.5 + 1e-9, 0.51, 0.8, 0.999, 1 - 1e-9):
            assert student_cdf(student_quantile(p, degrees), degrees) == pytest.approx(p, rel=1e-12)
    for p, degrees in ((0.0, 3), (1.0, 3), (0.5, 0)):
        with pytest.raises(ValueError, match="student_quantile"):
            student_quantile(p, degrees)
