"""What kinds of values a column has, and that they go together.

Arrow itself turns some mixtures into one type and loses something: a bool among floats
becomes 1.0, a datetime among dates a date, a str among bytes bytes. So kinds are compared
before Arrow sees a column. Must not know Arrow nor records.
"""

from __future__ import annotations

import datetime
import decimal
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from numbers import Integral, Real
from typing import Any

__all__ = ["Mixed", "check_kinds", "first_failing", "kinds_of"]

#: Kinds that make one column together.
_TOGETHER = (frozenset(("int", "float")), frozenset(("int", "decimal")))
#: In this order: bool is an int, datetime a date.
_KINDS: tuple[tuple[Any, str], ...] = (
    (bool, "bool"),
    (int, "int"),
    (float, "float"),
    (decimal.Decimal, "decimal"),
    (str, "str"),
    ((bytes, bytearray, memoryview), "bytes"),
    (datetime.datetime, "datetime"),
    (datetime.date, "date"),
    (dict, "dict"),
    ((list, tuple), "list"),
    ((set, frozenset), "set"),
    (Integral, "int"),
    (Real, "float"),
)


class Mixed(Exception):
    """Values of one column that are of different kinds, or of none."""


def check_kinds(values: Iterable[Any]) -> None:
    """Raises Mixed when values cannot be one column without a change."""
    values = [v for v in values if v is not None]
    kinds = kinds_of(values)
    if len(kinds) > 1 and frozenset(kinds) not in _TOGETHER:
        raise Mixed(f"it has values of the kinds {' and '.join(sorted(kinds))}")
    if "set" in kinds:
        raise Mixed("it has sets, which have no order; use sorted(x) or list(x)")
    if "datetime" in kinds and len({v.tzinfo is None for v in values}) > 1:
        raise Mixed("it has datetimes with and without a time zone")
    if "list" in kinds:
        check_kinds(chain.from_iterable(values))
    if "dict" in kinds:
        for name in dict.fromkeys(chain.from_iterable(values)):
            if not isinstance(name, str):
                raise Mixed(f"it has dicts with a key that is no str: {name!r}")
            check_kinds([v.get(name) for v in values])


def kinds_of(values: Iterable[Any]) -> set[str]:
    """The kinds of values, none of which is None."""
    return {_kind(cls) for cls in set(map(type, values))}


def _kind(cls: type) -> str:
    for classes, kind in _KINDS:
        if issubclass(cls, classes):
            return kind
    name = cls.__name__
    if cls.__module__ == "numpy":  # its bool, arrays and times are no subclasses
        return {"bool": "bool", "bool_": "bool", "ndarray": "list"}.get(name, name)
    return name


def first_failing(values: Sequence[Any], check: Callable[[Sequence[Any]], object]) -> int:
    """The index of the first value with which `check` fails, if it fails for all of them."""

    def fails(size: int) -> bool:
        try:
            check(values[:size])
        except Exception:
            return True
        return False

    return bisect_left(range(len(values) + 1), True, key=fails) - 1
