"""Small numpy arrays of one kind as rows of larger ones, for frames.

To pickle an array of a few numbers costs a microsecond or two each way, most of it spent
on a Python call; a row of a larger array costs a tenth. Owns which arrays may be put
together, and takes them apart again. What comes out are arrays that own no memory of
their own, as those that pickle makes, writable, no two with the same memory; rows of one
block keep it alive, so blocks are small.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

#: Fewer are not worth looking at.
_FEWEST = 8
#: Larger ones are pickled: there, bytes count and not calls.
_LARGEST_BYTES = 2048
#: Arrays that are put together, and keep each other alive.
_BLOCK = 16
#: Arrays have at most so many dimensions (64 since numpy 2), and blocks one more than theirs.
_MAX_DIMENSIONS = 32
#: Booleans, integers, floats, complex numbers.
_KINDS = "biufc"


def stacked(records: list[Any]) -> tuple[Any, ...] | None:
    """Blocks whose rows are the arrays, or None if the records are not like that."""
    numpy = sys.modules.get("numpy")
    if numpy is None or len(records) < _FEWEST or type(records[0]) is not numpy.ndarray:
        return None
    if not _are_alike(records, numpy.ndarray):
        return None
    whole = numpy.array(records)
    return tuple(whole[i : i + _BLOCK] for i in range(0, len(records), _BLOCK))


def unstacked(blocks: Iterable[Any]) -> list[Any]:
    """The arrays that `stacked` was given."""
    rows: list[Any] = []
    for block in blocks:
        rows.extend(block)
    return rows


def _are_alike(records: list[Any], array: type) -> bool:
    first = records[0]
    shape, dtype = first.shape, first.dtype
    if (
        dtype.kind not in _KINDS
        or not dtype.isnative
        or dtype.metadata is not None
        or not 0 < len(shape) < _MAX_DIMENSIONS
        or not 0 < first.nbytes <= _LARGEST_BYTES
        or set(map(type, records)) != {array}
        # One array twice is one array after pickling, too.
        or len(set(map(id, records))) < len(records)
    ):
        return False
    for a in records:
        flags = a.flags
        if (
            a.shape != shape
            or a.dtype != dtype
            or a.dtype.metadata is not None
            or not flags.c_contiguous
            or not flags.writeable
        ):
            return False
    return True
