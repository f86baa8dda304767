"""HyperLogLog++: about how many distinct elements, in bounded memory.

Owns the sketch and its estimate, which are those of Spark's `countApproxDistinct` number
for number: PySpark hands it `portable_hash` cut to 32 bits, and Spark hashes the decimal
text of that once more. Must not know RDDs.

The correction of the bias between small counts (counted by empty registers) and large
ones is a table in `hll_bias.csv`, loaded when it is needed.
"""

from __future__ import annotations

import heapq
import math
import pkgutil
from collections.abc import Iterable
from functools import cache
from typing import Any

from minispark.errors import PySparkValueError
from minispark.kernels.hashing import portable_hash

_MASK64 = (1 << 64) - 1
_MASK32 = (1 << 32) - 1
_MIN_PRECISION, _MAX_PRECISION = 4, 26
#: The precisions of the table: above them nothing is corrected.
_FIRST_BIAS, _LAST_BIAS = 4, 18
#: Estimates by empty registers count below these, for each precision of the table.
_THRESHOLDS = (
    10, 20, 40, 80, 220, 400, 900, 1800, 3100, 6500, 11500, 20000, 50000, 120000, 350000,
)  # fmt: skip
_ALPHA = {4: 0.673, 5: 0.697, 6: 0.709}
#: Points of the table whose biases are averaged.
_NEIGHBOURS = 6
#: Hashes that wait before they go into registers.
_PENDING = 1 << 12


class HyperLogLog:
    """A sketch of a set; sketches of equal `relative_sd` can be merged.

    Parameters
    ----------
    relative_sd
        The standard deviation of the estimate, relative to it; memory grows with the
        inverse square: 512 bytes for 0.05, 64 MB (the most used) below 0.00013.

    Raises
    ------
    ValueError
        `relative_sd` is too small.
    """

    __slots__ = ("_pending", "_precision", "_registers")

    def __init__(self, relative_sd: float = 0.05) -> None:
        if not relative_sd >= 0.000017:
            raise ValueError("relativeSD should be greater than 0.000017")
        precision = math.ceil(2.0 * math.log(1.054 / relative_sd) / math.log(2))
        self._precision = min(max(precision, _MIN_PRECISION), _MAX_PRECISION)
        #: Elements' hashes; a set, since many are equal.
        self._pending: set[int] = set()
        self._registers: bytearray | None = None

    def add_all(self, elements: Iterable[Any]) -> HyperLogLog:
        """Adds elements; returns this sketch."""
        pending = self._pending
        for x in elements:
            pending.add(portable_hash(x) & _MASK32)
            if len(pending) > _PENDING:
                self._flush()
        if self._registers is not None:
            self._flush()
        return self

    def merge(self, other: HyperLogLog) -> HyperLogLog:
        """Adds what another sketch has seen; returns this sketch."""
        if self._precision != other._precision:
            raise PySparkValueError("Sketches of different precision cannot be merged")
        self._pending |= other._pending
        if other._registers is not None:
            if self._registers is None:
                self._registers = bytearray(other._registers)
            else:
                self._registers = bytearray(map(max, self._registers, other._registers))
        if self._registers is not None or len(self._pending) > _PENDING:
            self._flush()
        return self

    def estimate(self) -> int:
        """About how many distinct elements were added."""
        self._flush()
        assert self._registers is not None
        precision = self._precision
        m = 1 << precision
        counts = [self._registers.count(value) for value in range(66 - precision)]
        total = sum(n / (1 << value) for value, n in enumerate(counts))
        alpha = _ALPHA.get(precision, 0.7213 / (1 + 1.079 / m))
        raw = alpha * m * m * (1 / total)
        is_small = raw <= 5 * m
        corrected = raw - _bias(raw, precision) if is_small else raw
        by_empty = m * math.log(m / counts[0]) if counts[0] else corrected
        if precision <= _LAST_BIAS:
            use_empty = by_empty < _THRESHOLDS[precision - _FIRST_BIAS]
        else:
            use_empty = is_small
        return math.floor((by_empty if use_empty else corrected) + 0.5)

    def _flush(self) -> None:
        precision = self._precision
        if self._registers is None:
            self._registers = bytearray(1 << precision)
        registers = self._registers
        width = 64 - precision
        end = 1 << (precision - 1)  # ends the run of zeros
        for n in self._pending:
            h = _murmur64(b"%d" % n)
            rank = 65 - (((h << precision) & _MASK64) | end).bit_length()
            if registers[h >> width] < rank:
                registers[h >> width] = rank
        self._pending.clear()


def _murmur64(data: bytes) -> int:
    """MurmurHash64A, with the seed that the JVM's library takes."""
    m = 0xC6A4A7935BD1E995
    h = 0xE17A1465 ^ (len(data) * m) & _MASK64
    whole = len(data) & ~7
    for start in range(0, whole, 8):
        k = int.from_bytes(data[start : start + 8], "little") * m & _MASK64
        h = (h ^ (k ^ k >> 47) * m & _MASK64) * m & _MASK64
    if whole < len(data):
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & _MASK64
    h = (h ^ h >> 47) * m & _MASK64
    return h ^ h >> 47


def _bias(raw: float, precision: int) -> float:
    if not _FIRST_BIAS <= precision <= _LAST_BIAS:
        return 0.0
    estimates, biases = _table()[precision - _FIRST_BIAS]
    # Of points equally far away the later one counts.
    by_distance = {(raw - estimate) ** 2: i for i, estimate in enumerate(estimates)}
    nearest = heapq.nsmallest(_NEIGHBOURS, by_distance)
    return sum(biases[by_distance[d]] for d in nearest) / _NEIGHBOURS


@cache
def _table() -> list[tuple[list[float], list[float]]]:
    data = pkgutil.get_data(__name__, "hll_bias.csv")
    assert data is not None
    rows = [
        [float(number) for number in line.split(",")]
        for line in data.decode().splitlines()
        if not line.startswith("#")
    ]
    return list(zip(rows[::2], rows[1::2]))
