"""Records that can be consumed inside the loop that makes them.

What an action does to the records of a partition is a function of an iterator.
Where the records come out of a generated loop, it can instead end the loop:
counting costs no frame per record then. Owns only what such records offer; the
functions in `aggregate` ask for it. Must not know how loops are made.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any


class Drainable(Iterator[Any]):
    """An iterator that can also do the consuming itself, once, to its end."""

    __slots__ = ()

    @abstractmethod
    def counted(self) -> int:
        """The number of records."""

    @abstractmethod
    def listed(self) -> list[Any]:
        """The records."""

    @abstractmethod
    def each(self, f: Callable[[Any], Any]) -> None:
        """Calls `f` with each record."""

    @abstractmethod
    def reduced(self, f: Callable[[Any, Any], Any]) -> list[Any]:
        """The records reduced to one by `f`, or none where there are none."""

    @abstractmethod
    def tallied(self) -> dict[Any, int]:
        """How often each record occurs, in the order they first come."""

    @abstractmethod
    def pieces(self, size: int) -> Iterator[list[Any]]:
        """The records in lists of at most so many; see `filled`."""


def filled(fill: Callable[[list[Any]], bool]) -> Iterator[list[Any]]:
    """The lists that a function fills until it says that there is no more.

    What came before an error comes before the error, as it does one by one.
    """
    goes_on = True
    while goes_on:
        piece: list[Any] = []
        failed = None
        try:
            goes_on = fill(piece)
        except Exception as error:
            failed = error
        if piece:
            yield piece
        if failed is not None:
            raise failed


def in_pieces(records: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Any records in lists of so many, the last of fewer; see `filled`."""

    def fill(piece: list[Any]) -> bool:
        piece.extend(islice(records, size))
        return len(piece) == size

    return filled(fill)
