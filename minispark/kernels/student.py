"""Quantiles of Student's t distribution, without numpy or scipy.

Owns the arithmetic: the incomplete beta function by its continued fraction, inverted by
bisection to the last digits of a float.
"""

from __future__ import annotations

import math

__all__ = ["student_cdf", "student_quantile"]

_TINY = 1e-300
_MAX_TERMS = 10_000


def student_quantile(p: float, degrees: int) -> float:
    """The value that a variable does not exceed with probability `p`."""
    if not 0 < p < 1 or degrees < 1:
        raise ValueError(f"student_quantile({p}, {degrees})")
    if p < 0.5:
        return -student_quantile(1 - p, degrees)
    low, high = 0.0, 1.0
    while student_cdf(high, degrees) < p:
        low, high = high, 2 * high
        if math.isinf(high):
            return high
    while True:
        middle = (low + high) / 2
        if not low < middle < high:
            return middle
        if student_cdf(middle, degrees) < p:
            low = middle
        else:
            high = middle


def student_cdf(t: float, degrees: int) -> float:
    """The probability of at most `t`, which is not negative."""
    if t * t < degrees:  # the tail would be near 1/2, and lose digits
        return 0.5 + 0.5 * _beta(t * t / (degrees + t * t), 0.5, degrees / 2)
    return 1 - 0.5 * _beta(degrees / (degrees + t * t), degrees / 2, 0.5)


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(1 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    # Lentz's method for the continued fraction.
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, _MAX_TERMS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            step = c * d
            fraction *= step
        if abs(step - 1) < 1e-16:
            break
    return front * fraction / a


def _away_from_zero(x: float) -> float:
    return x if abs(x) > _TINY else _TINY
