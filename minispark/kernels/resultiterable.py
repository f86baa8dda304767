"""`ResultIterable`: the values of one key, as `groupByKey` and `cogroup` give them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TypeVar

T_co = TypeVar("T_co", covariant=True)


class ResultIterable(Iterable[T_co]):
    """Values that can be iterated any number of times and counted.

    Examples
    --------
    >>> values = ResultIterable([1, 2, 3])
    >>> len(values), sum(values), sum(values)
    (3, 6, 6)
    """

    def __init__(self, data: Collection[T_co]) -> None:
        #: The values; anything with a length that iterates more than once.
        self.data = data
        #: PySpark's name for the length at construction.
        self.index = 0
        self.maxindex: int = len(data)

    def __iter__(self) -> Iterator[T_co]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)
