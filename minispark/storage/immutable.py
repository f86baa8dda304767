"""Whether records can be handed out again and again without a copy.

A cached block keeps live objects only when no user function can change them;
otherwise a reducer that does `x += y` on an array would change the cache. The
test is exact for what it accepts and refuses what it does not know.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import uuid
from collections.abc import Sequence
from itertools import chain
from typing import Any

_ATOMS = {
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    range,
    type(...),
    datetime.date,
    datetime.datetime,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
}
#: Records are looked at so many at a time, so that nothing large is built.
_BATCH = 4096
_MAX_DEPTH = 16


def _is_plain_tuple(kind: type) -> bool:
    """A tuple, or a named tuple: no attributes besides its members."""
    return kind is tuple or (issubclass(kind, tuple) and kind.__dictoffset__ == 0)


def all_immutable(records: Sequence[Any]) -> bool:
    """Whether every record is immutable, with all that it contains."""
    return all(
        _immutable(records[start : start + _BATCH], 0) for start in range(0, len(records), _BATCH)
    )


def _immutable(values: Sequence[Any], depth: int) -> bool:
    kinds = set(map(type, values)) - _ATOMS
    if not kinds:
        return True
    if depth == _MAX_DEPTH or not all(_is_plain_tuple(kind) or kind is frozenset for kind in kinds):
        return False
    nested = [value for value in values if type(value) in kinds]
    return _immutable(list(chain.from_iterable(nested)), depth + 1)
