"""The contents of files that one process keeps at hand: the ones used last, within a limit.

Knows nothing of where files are, nor how they are read.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

#: What tells a file from another one of its name.
Identity = tuple[int, int, int]


class _Kept(NamedTuple):
    identity: Identity
    view: memoryview
    weight: int


class KeptFiles:
    """Contents by name. Not thread-safe.

    Parameters
    ----------
    limit
        What the weights of all may sum up to; the one used last stays in any case.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weight = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, name: str, identity: Identity) -> memoryview | None:
        """The contents, if they are those of the file that is there now."""
        kept = self._kept.get(name)
        if kept is None or kept.identity != identity:
            return None
        self._kept.move_to_end(name)
        return kept.view

    def has(self, name: str, view: memoryview) -> bool:
        """Whether it is this view that is kept."""
        kept = self._kept.get(name)
        return kept is not None and kept.view is view

    def views(self) -> list[memoryview]:
        """All contents."""
        return [kept.view for kept in self._kept.values()]

    def put(self, name: str, identity: Identity, view: memoryview, weight: int) -> None:
        """Keeps contents instead of older ones, and lets go of what is too much."""
        self.drop(name)
        self._kept[name] = _Kept(identity, view, weight)
        self._weight += weight
        while self._weight > self._limit and len(self._kept) > 1:
            self._weight -= self._kept.popitem(last=False)[1].weight

    def drop(self, name: str) -> None:
        """Lets go of one, if it is there."""
        kept = self._kept.pop(name, None)
        if kept is not None:
            self._weight -= kept.weight

    def drop_prefix(self, prefix: str) -> None:
        """Lets go of those whose names begin so."""
        for name in [n for n in self._kept if n.startswith(prefix)]:
            self.drop(name)

    def sweep(self, number: int, is_there: Callable[[str], bool]) -> None:
        """Looks at the ones unused for longest, and lets go of those that are gone."""
        names: Iterator[str] = islice(self._kept, number)
        for name in list(names):
            if is_there(name):
                self._kept.move_to_end(name)
            else:
                self.drop(name)
