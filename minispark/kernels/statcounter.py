"""`StatCounter`: count, mean, variance, minimum and maximum in one pass.

Owns the arithmetic (Welford's update, Chan's merge), in PySpark's order of operations
so that the last digits agree. numpy is used only when a value is an array.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from typing import Any

from minispark.errors import PySparkTypeError
from minispark.kernels import native
from minispark.kernels.drain import in_pieces

#: Values that are taken at a time where C merges them.
PIECE = 1024


class StatCounter:
    """Running statistics of numbers; two of them can be merged.

    Examples
    --------
    >>> StatCounter([1.0, 2.0, 3.0])
    (count: 3, mean: 2.0, stdev: 0.816496580927726, max: 3.0, min: 1.0)
    """

    def __init__(self, values: Iterable[float] | None = None) -> None:
        self.n: int = 0
        self.mu: Any = 0.0
        #: The sum of squared distances from the mean.
        self.m2: Any = 0.0
        self.maxValue: Any = float("-inf")
        self.minValue: Any = float("inf")
        if values is not None:
            self._merge_all(values)

    def _merge_all(self, values: Iterable[Any]) -> None:
        """`merge` of each, without its calls for plain numbers."""
        rest = iter(values)
        if native.NATIVE is not None and type(self).merge is StatCounter.merge:
            for piece in in_pieces(rest, PIECE):
                self._merge_piece(piece)
            return
        while type(self).merge is StatCounter.merge and self._is_of_floats():
            odd = self._merge_numbers(rest)
            if not odd:
                return
            self.merge(odd[0])
        for value in rest:
            self.merge(value)

    def _is_of_floats(self) -> bool:
        return {type(self.mu), type(self.m2), type(self.maxValue), type(self.minValue)} == {float}

    def _merge_numbers(self, values: Iterator[Any]) -> list[Any]:
        """Merges numbers up to the first value of another type, which it gives."""
        n, mu, m2 = float(self.n), self.mu, self.m2
        high, low = self.maxValue, self.minValue
        odd: list[Any] = []
        for value in values:
            # Floats among themselves are much faster than floats with ints.
            if type(value) is int:
                value += 0.0
            elif type(value) is not float:
                odd.append(value)
                break
            delta = value - mu
            n += 1.0
            mu += delta / n
            m2 += delta * (value - mu)
            if not high >= value and high == high:
                high = value
            if not low <= value and low == low:
                low = value
        self.n, self.mu, self.m2, self.maxValue, self.minValue = int(n), mu, m2, high, low
        return odd

    def _merge_piece(self, values: list[Any]) -> None:
        """Merges values: in C, but for those of other types."""
        merge_numbers: Any = native.NATIVE and native.NATIVE.merge_numbers
        start = 0
        while start < len(values):
            if not self._is_of_floats():
                for value in values[start:]:
                    self.merge(value)
                return
            state = float(self.n), self.mu, self.m2, self.maxValue, self.minValue
            start, n, *others = merge_numbers(values, start, *state)
            self.n = int(n)
            self.mu, self.m2, self.maxValue, self.minValue = others
            if start < len(values):
                self.merge(values[start])
                start += 1

    def merge(self, value: float) -> StatCounter:
        """Adds a value; returns this counter.

        Examples
        --------
        >>> StatCounter([1.0]).merge(3.0).mean()
        2.0
        """
        delta = value - self.mu
        self.n += 1
        self.mu += delta / self.n
        self.m2 += delta * (value - self.mu)
        self.maxValue = _maximum(self.maxValue, value)
        self.minValue = _minimum(self.minValue, value)
        return self

    def mergeStats(self, other: StatCounter) -> StatCounter:
        """Adds another counter's values; returns this counter.

        Examples
        --------
        >>> StatCounter([1.0]).mergeStats(StatCounter([3.0])).mean()
        2.0
        """
        if not isinstance(other, StatCounter):
            raise PySparkTypeError(
                f"Can only merge StatCounter but got {type(other)}",
                "NOT_STAT_COUNTER",
                {"arg_type": type(other).__name__},
            )
        if other is self:
            other = other.copy()
        if self.n == 0:
            self.n, self.mu, self.m2 = other.n, other.mu, other.m2
            self.maxValue, self.minValue = other.maxValue, other.minValue
        elif other.n != 0:
            delta = other.mu - self.mu
            total = self.n + other.n
            # Of very different counts, correct the larger one's mean: more exact.
            if other.n * 10 < self.n:
                self.mu = self.mu + (delta * other.n) / total
            elif self.n * 10 < other.n:
                self.mu = other.mu - (delta * self.n) / total
            else:
                self.mu = (self.mu * self.n + other.mu * other.n) / total
            self.maxValue = _maximum(self.maxValue, other.maxValue)
            self.minValue = _minimum(self.minValue, other.minValue)
            self.m2 += other.m2 + (delta * delta * self.n * other.n) / total
            self.n = total
        return self

    def copy(self) -> StatCounter:
        """A counter of its own with the same values.

        Examples
        --------
        >>> StatCounter([1.0, 3.0]).copy().merge(5.0).count()
        3
        """
        return copy.deepcopy(self)

    def count(self) -> int:
        """How many values.

        Examples
        --------
        >>> StatCounter([1.0, 3.0]).count()
        2
        """
        return int(self.n)

    def mean(self) -> float:
        """Their mean; 0.0 of none.

        Examples
        --------
        >>> StatCounter([1.0, 3.0]).mean()
        2.0
        """
        return self.mu  # type: ignore[no-any-return]

    def sum(self) -> float:
        """Their sum, from the mean.

        Examples
        --------
        >>> StatCounter([1.0, 3.0]).sum()
        4.0
        """
        return self.n * self.mu  # type: ignore[no-any-return]

    def min(self) -> float:
        """The smallest; infinity of none.

        Examples
        --------
        >>> StatCounter([1.0, 3.0]).min()
        1.0
        """
        return self.minValue  # type: ignore[no-any-return]

    def max(self) -> float:
        """The largest; minus infinity of none.

        Examples
        --------
        >>> StatCounter([1.0, 3.0]).max()
        3.0
        """
        return self.maxValue  # type: ignore[no-any-return]

    def variance(self) -> float:
        """The population's variance; NaN of none.

        Examples
        --------
        >>> StatCounter([1.0, 3.0]).variance()
        1.0
        """
        return float("nan") if self.n == 0 else self.m2 / self.n

    def sampleVariance(self) -> float:
        """The variance with n - 1; NaN of fewer than two.

        Examples
        --------
        >>> StatCounter([1.0, 3.0]).sampleVariance()
        2.0
        """
        return float("nan") if self.n <= 1 else self.m2 / (self.n - 1)

    def stdev(self) -> float:
        """The population's standard deviation.

        Examples
        --------
        >>> StatCounter([1.0, 3.0]).stdev()
        1.0
        """
        return _sqrt(self.variance())  # type: ignore[no-any-return]

    def sampleStdev(self) -> float:
        """The standard deviation with n - 1.

        Examples
        --------
        >>> round(StatCounter([1.0, 3.0]).sampleStdev(), 3)
        1.414
        """
        return _sqrt(self.sampleVariance())  # type: ignore[no-any-return]

    def asDict(self, sample: bool = False) -> dict[str, float]:
        """All of them by name.

        As in PySpark, `sample=True` gives the population's figures and False, the
        default, those with n - 1.

        Examples
        --------
        >>> StatCounter([1.0, 3.0]).asDict()["mean"]
        2.0
        """
        return {
            "count": self.count(),
            "mean": self.mean(),
            "sum": self.sum(),
            "min": self.min(),
            "max": self.max(),
            "stdev": self.stdev() if sample else self.sampleStdev(),
            "variance": self.variance() if sample else self.sampleVariance(),
        }

    def __repr__(self) -> str:
        return (
            f"(count: {self.count()}, mean: {self.mean()}, stdev: {self.stdev()},"
            f" max: {self.max()}, min: {self.min()})"
        )


def of_pieces(pieces: Iterable[list[Any]]) -> StatCounter:
    """Of the values of all lists; needs `native.NATIVE`."""
    counter = StatCounter()
    for piece in pieces:
        counter._merge_piece(piece)
    return counter


def _maximum(a: Any, b: Any) -> Any:
    """As numpy's: NaN wins, and numbers become floats."""
    if isinstance(b, (int, float)):
        return a if a >= b or a != a else float(b)
    import numpy as np

    return np.maximum(a, b)


def _minimum(a: Any, b: Any) -> Any:
    if isinstance(b, (int, float)):
        return a if a <= b or a != a else float(b)
    import numpy as np

    return np.minimum(a, b)


def _sqrt(x: Any) -> Any:
    if isinstance(x, (int, float)):
        return math.sqrt(x)
    import numpy as np

    return np.sqrt(x)
