"""Joins and set operations, as functions of the groups of one key, or of all keys.

`groups` is the tuple a cogroup gives for a key: the values of the left side,
then those of the right one. Values can be iterated more than once; they may
come from disk, so only lists are multiplied out by `itertools.product`.

Functions of `left` and `right` take one dict per side, from keys to lists that
are not empty, and give pairs: what they give for a key is what the function of
its groups gives, and keys come in the order of a cogroup. They empty `right`
where they have to know what is left of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import product
from typing import Any

from minispark.kernels.resultiterable import ResultIterable

Groups = tuple[Iterable[Any], Iterable[Any]]
_NOTHING: list[Any] = [None]
_EMPTY: list[Any] = []


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


# -- of all keys -------------------------------------------------------------------

Table = dict[Any, list[Any]]


def grouped(sides: Sequence[Table]) -> Iterator[tuple[Any, tuple[list[Any], ...]]]:
    """A cogroup: each key with its values per side. Empties the sides."""
    if len(sides) == 2:
        left, right = sides
        take = right.pop
        for k, vs in left.items():
            yield k, (vs, take(k, _EMPTY) or [])
        for k, ws in right.items():
            yield k, ([], ws)
        return
    for i, side in enumerate(sides):
        others = [other.pop for other in sides[i + 1 :]]
        for k, vs in side.items():
            yield k, (*([] for _ in range(i)), vs, *(take(k, _EMPTY) or [] for take in others))


def inner_tables(left: Table, right: Table) -> Iterator[tuple[Any, tuple[Any, Any]]]:
    """See `inner`."""
    get = right.get
    for k, vs in left.items():
        ws = get(k)
        if ws is None:
            continue
        if len(ws) == 1:
            w = ws[0]
            for v in vs:
                yield k, (v, w)
        else:
            for v in vs:
                for w in ws:
                    yield k, (v, w)


def left_outer_tables(left: Table, right: Table) -> Iterator[tuple[Any, tuple[Any, Any]]]:
    """See `left_outer`."""
    get = right.get
    for k, vs in left.items():
        ws = get(k, _NOTHING)
        for v in vs:
            for w in ws:
                yield k, (v, w)


def right_outer_tables(left: Table, right: Table) -> Iterator[tuple[Any, tuple[Any, Any]]]:
    """See `right_outer`."""
    take = right.pop
    for k, vs in left.items():
        ws = take(k, _EMPTY)
        if ws:
            for v in vs:
                for w in ws:
                    yield k, (v, w)
    for k, ws in right.items():
        for w in ws:
            yield k, (None, w)


def full_outer_tables(left: Table, right: Table) -> Iterator[tuple[Any, tuple[Any, Any]]]:
    """See `full_outer`."""
    take = right.pop
    for k, vs in left.items():
        ws = take(k, _NOTHING)
        for v in vs:
            for w in ws:
                yield k, (v, w)
    for k, ws in right.items():
        for w in ws:
            yield k, (None, w)


def only_left_tables(left: Table, right: Table) -> Iterator[tuple[Any, Any]]:
    """See `only_left`."""
    for k, vs in left.items():
        if k not in right:
            for v in vs:
                yield k, v


#: A join by its kind, as a function of the groups of a key.
OF_GROUPS: dict[str, Callable[[Groups], Iterable[Any]]] = {
    "inner": inner,
    "left_outer": left_outer,
    "right_outer": right_outer,
    "full_outer": full_outer,
    "only_left": only_left,
}
#: The same as a function of one dict per side.
OF_TABLES: dict[str, Callable[[Table, Table], Iterator[tuple[Any, Any]]]] = {
    "inner": inner_tables,
    "left_outer": left_outer_tables,
    "right_outer": right_outer_tables,
    "full_outer": full_outer_tables,
    "only_left": only_left_tables,
}
