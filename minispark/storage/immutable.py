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
from collections.abc import Iterable, Sequence
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
        _immutable_members([records[start : start + _BATCH]], 0)
        for start in range(0, len(records), _BATCH)
    )


def _immutable_members(containers: Sequence[Iterable[Any]], depth: int) -> bool:
    # Types are looked at in passing: mostly all members are atoms, and nothing is copied.
    found = set(map(type, chain.from_iterable(containers)))
    kinds = found - _ATOMS
    if not kinds:
        return True
    if depth == _MAX_DEPTH or not all(_is_plain_tuple(kind) or kind is frozenset for kind in kinds):
        return False
    members = chain.from_iterable(containers)
    nested = list(members) if kinds == found else [m for m in members if type(m) in kinds]
    return _immutable_members(nested, depth + 1)
