"""Joins and set operations, as functions of the groups that one key has.

`groups` is the tuple a cogroup gives for a key: the values of the left side,
then those of the right one. Values can be iterated more than once; they may
come from disk, so only lists are multiplied out by `itertools.product`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import product
from typing import Any

from minispark.kernels.resultiterable import ResultIterable

Groups = tuple[Iterable[Any], Iterable[Any]]
_NOTHING: list[Any] = [None]


def _pairs(left: Iterable[Any], right: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    if type(left) is list and type(right) is list:
        return product(left, right)
    return ((v, w) for v in left for w in right)


def _is_empty(values: Iterable[Any]) -> bool:
    if type(values) is list:
        return not values
    return next(iter(values), _NOTHING) is _NOTHING


def inner(groups: Groups) -> Iterator[tuple[Any, Any]]:
    """Every left value with every right one."""
    left, right = groups
    # `_pairs`, spelled out: this is called once per key of every join.
    if type(left) is list and type(right) is list:
        return product(left, right)
    return ((v, w) for v in left for w in right)


def left_outer(groups: Groups) -> Iterator[tuple[Any, Any]]:
    """As `inner`; left values without partner are paired with None."""
    left, right = groups
    return _pairs(left, _NOTHING if _is_empty(right) else right)


def right_outer(groups: Groups) -> Iterator[tuple[Any, Any]]:
    """As `inner`; right values without partner are paired with None."""
    left, right = groups
    return _pairs(_NOTHING if _is_empty(left) else left, right)


def full_outer(groups: Groups) -> Iterator[tuple[Any, Any]]:
    """As `inner`; values without partner are paired with None."""
    left, right = groups
    return _pairs(_NOTHING if _is_empty(left) else left, _NOTHING if _is_empty(right) else right)


def only_left(groups: Groups) -> Iterable[Any]:
    """The left values, if there is no right one."""
    left, right = groups
    return left if _is_empty(right) else ()


def in_both(pair: tuple[Any, Groups]) -> bool:
    """Whether both sides have the key."""
    left, right = pair[1]
    return not (_is_empty(left) or _is_empty(right))


def wrapped(groups: tuple[Collection[Any], ...]) -> Any:
    """The groups as users get them."""
    return tuple([ResultIterable(group) for group in groups])


def tagged(source: int, value: Any) -> tuple[int, Any]:
    """A value with the number of the RDD it comes from."""
    return source, value


def untagged(sources: int, values: Iterable[tuple[int, Any]]) -> tuple[list[Any], ...]:
    """Tagged values, sorted out by the RDD they come from."""
    groups: tuple[list[Any], ...] = tuple([] for _ in range(sources))
    for source, value in values:
        groups[source].append(value)
    return groups
