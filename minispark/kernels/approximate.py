"""Approximate answers: a number with bounds, and counting distinct values.

`DistinctCounter` is HyperLogLog (Flajolet et al. 2007) over 64-bit hashes with
linear counting for small numbers. It knows nothing of RDDs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from minispark.kernels.hashing import portable_hash


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


class DistinctCounter:
    """Estimates how many different values it has seen.

    `2**bits` one-byte registers give a relative error of about
    `1.04 / sqrt(2**bits)`.
    """

    __slots__ = ("bits", "registers")

    def __init__(self, relative_sd: float) -> None:
        self.bits = max(4, math.ceil(2.0 * math.log2(1.054 / relative_sd)))
        self.registers = bytearray(1 << self.bits)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.bits, bytes(self.registers))

    def add_all(self, values: Iterable[Any]) -> DistinctCounter:
        """Adds values; returns the counter."""
        registers, rest_bits = self.registers, 64 - self.bits
        mask = (1 << rest_bits) - 1
        for value in values:
            key = (portable_hash(value) & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little")
            h = int.from_bytes(blake2b(key, digest_size=8).digest(), "little")
            rank = rest_bits - (h & mask).bit_length() + 1
            place = h >> rest_bits
            if rank > registers[place]:
                registers[place] = rank
        return self

    def merge(self, other: DistinctCounter) -> None:
        """Adds what another counter of the same size has seen."""
        self.registers = bytearray(map(max, self.registers, other.registers))

    def count(self) -> int:
        """The estimate."""
        m = len(self.registers)
        alpha = {16: 0.673, 32: 0.697, 64: 0.709}.get(m, 0.7213 / (1 + 1.079 / m))
        estimate = alpha * m * m / math.fsum(2.0**-r for r in self.registers)
        empty = self.registers.count(0)
        if estimate <= 2.5 * m and empty:
            estimate = m * math.log(m / empty)
        return round(estimate)


def _restored(bits: int, registers: bytes) -> DistinctCounter:
    counter = DistinctCounter.__new__(DistinctCounter)
    counter.bits, counter.registers = bits, bytearray(registers)
    return counter
