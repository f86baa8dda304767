"""Where PySpark's batches of records end, which shows in the order of a product.

PySpark pickles records in batches, and `cartesian` pairs batch with batch: all
pairs of the first left and the first right batch come first. Scripts see that
order, so it is kept. A node's `batch` says how its records would be batched:
`AUTO`, a fixed number, or `OWN` where the operator has batches of its own.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, product
from typing import Any

#: PySpark's default: batches grow until they are large enough.
AUTO = 0
#: Batches are those of the operator, such as the products of a `cartesian`.
OWN = -1

#: Batches double below this number of pickled bytes, and halve far above it.
_GOOD_BYTES = 1 << 16
_FAR_ABOVE = 10
#: What `zip` makes of two sides that have no fixed batches.
_ZIPPED = 100


def common(batches: Iterable[int]) -> int:
    """How a union is batched: as its members if they agree, else anew."""
    found = set(batches)
    return found.pop() if len(found) == 1 else AUTO


def zipped(left: int, right: int) -> int:
    """How two sides of a `zip` are batched."""
    # What is not in plain batches counts as batches of one record.
    one, other = (1 if batch == OWN else batch for batch in (left, right))
    if one == other and one != AUTO:
        return one
    return min(one, other) or _ZIPPED


def cut(records: Iterable[Any], batch: int) -> Iterator[list[Any]]:
    """The records in batches of a fixed size, or as PySpark's default."""
    iterator = iter(records)
    if batch > 0:
        while found := list(islice(iterator, batch)):
            yield found
        return
    size = 1
    while found := list(islice(iterator, size)):
        yield found
        pickled = _pickled_bytes(found)
        if pickled < _GOOD_BYTES:
            size *= 2
        elif pickled > _GOOD_BYTES * _FAR_ABOVE and size > 1:
            size //= 2


def _pickled_bytes(batch: list[Any]) -> int:
    try:
        return len(pickle.dumps(batch, pickle.HIGHEST_PROTOCOL))
    except (pickle.PicklingError, AttributeError, TypeError):
        return _GOOD_BYTES  # PySpark could not have batched them at all


def products(
    left: Iterable[Iterable[Any]],
    right: Iterable[Iterable[Any]],
    replayable: Callable[[Iterator[Any]], Iterable[Any]],
) -> Iterator[Iterator[tuple[Any, Any]]]:
    """Every left batch with every right one; the right ones are read many times."""
    sizes: list[int] = []

    def records() -> Iterator[Any]:
        for batch in right:
            found = list(batch)
            sizes.append(len(found))
            yield from found

    kept = replayable(records())
    for batch in left:
        found = list(batch)
        again = iter(kept)
        for size in sizes:
            yield product(found, islice(again, size))
