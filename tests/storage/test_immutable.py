"""What a cached block may hand out without a copy."""

from __future__ import annotations

import datetime
from collections import namedtuple
from typing import Any

import pytest

from minispark.storage.immutable import all_immutable

Point = namedtuple("Point", "x y")


class Tagged(tuple):  # type: ignore[type-arg]
    """A tuple with attributes, which can be changed."""


class Text(str):
    """A subclass may have attributes too."""


@pytest.mark.parametrize(
    "records",
    [
        [],
        [1, 2.5, None, True, "a", b"b", 3 + 4j],
        [("a", 1), ("b", (2, ("c", None)))],
        [Point(1, (2, 3))],
        [frozenset([1, ("a", 2)])],
        [datetime.datetime(2020, 1, 1), datetime.timedelta(1)],
        [1, (2, 3), ("a", (None, frozenset([4]))), ()],
        [(i, str(i)) for i in range(10_000)],
    ],
)
def test_immutable(records: list[Any]) -> None:
    assert all_immutable(records)


@pytest.mark.parametrize(
    "records",
    [
        [[1]],
        [{"a": 1}],
        [(1, [2])],
        [Point(1, {2})],
        [Tagged((1, 2))],
        [Text("a")],
        [bytearray(b"a")],
        [object()],
        [(1, (2, (3, [])))],
        [*range(10_000), [1]],
        [frozenset([Text("a")])],
        [1, (2, 3), (4, [5])],
        [(1, (2, 3)), (4, (5, Text("a")))],
    ],
)
def test_mutable(records: list[Any]) -> None:
    assert not all_immutable(records)


def test_absurdly_deep_is_refused() -> None:
    value: Any = 1
    for _ in range(100):
        value = (value,)
    assert not all_immutable([value])
