"""Partitioners: which partition a key belongs to. Pure data plus one function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minispark.kernels.hashing import portable_hash


class Partitioner:
    """`numPartitions` and the function whose value modulo it places a key.

    Two partitioners are equal when both agree; equality is what lets a
    shuffle be skipped.
    """

    __slots__ = ("numPartitions", "partitionFunc")

    def __init__(
        self, numPartitions: int, partitionFunc: Callable[[Any], int] = portable_hash
    ) -> None:
        self.numPartitions: int = numPartitions
        self.partitionFunc: Callable[[Any], int] = partitionFunc

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Partitioner)
            and self.numPartitions == other.numPartitions
            and self.partitionFunc == other.partitionFunc
        )

    def __hash__(self) -> int:
        return hash((self.numPartitions, self.partitionFunc))

    def __call__(self, k: Any) -> int:
        return self.partitionFunc(k) % self.numPartitions

    def __repr__(self) -> str:
        name = getattr(self.partitionFunc, "__name__", repr(self.partitionFunc))
        return f"Partitioner(numPartitions={self.numPartitions}, partitionFunc={name})"
