"""Records that can be consumed inside the loop that makes them.

What an action does to the records of a partition is a function of an iterator.
Where the records come out of a generated loop, it can instead end the loop:
counting costs no frame per record then. Owns only what such records offer; the
functions in `aggregate` ask for it. Must not know how loops are made.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
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
