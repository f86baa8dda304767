"""`BoundedFloat`: an approximate number and how far it may be off."""

from __future__ import annotations


class BoundedFloat(float):
    """An approximate number: with `confidence`, it lies between `low` and `high`."""

    confidence: float
    low: float
    high: float

    def __new__(cls, mean: float, confidence: float, low: float, high: float) -> BoundedFloat:
        number = super().__new__(cls, mean)
        number.confidence = confidence
        number.low = low
        number.high = high
        return number

    def __getnewargs__(self) -> tuple[float, float, float, float]:  # type: ignore[override]
        return float(self), self.confidence, self.low, self.high
