"""Loops that put pairs into a dict: the hot code of every `*ByKey`.

Owns which loop fits an aggregator, and what is said when a record is no pair
or its key cannot be a key. A loop goes through records and keeps the keys in
order of first occurrence; what user functions raise passes unchanged.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from minispark.errors import PySparkException, PySparkTypeError
from minispark.plan.nodes import Aggregator
from minispark.storage.serializer import short_repr

#: Adds records to a dict.
PairLoop = Callable[[dict[Any, Any], Iterable[Any]], None]

#: Stands for the record while there was none yet.
NOTHING = object()


def _plus(a: Any, b: Any) -> Any:
    return a + b


def is_plus(function: Callable[..., Any]) -> bool:
    """Whether calling `function(a, b)` is exactly `a + b`."""
    if function is operator.add:
        return True
    code = getattr(function, "__code__", None)
    return (
        code is not None
        and type(function) is type(_plus)
        and code.co_code == _plus.__code__.co_code
        and code.co_argcount == 2
        and code.co_nlocals == 2
        and not (code.co_freevars or code.co_cellvars or code.co_kwonlyargcount)
        and not code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    )


def reraise_for(record: Any, error: Exception) -> NoReturn:
    """Raises what says that `record` is not a usable pair, else `error` itself."""
    if record is NOTHING or isinstance(error, PySparkException):
        raise error
    try:
        key, _ = record
    except (TypeError, ValueError):
        raise PySparkTypeError(
            f"Expected a pair (key, value), got {type(record).__name__}: {short_repr(record)}",
            "NOT_A_PAIR",
        ) from error
    try:
        hash(key)
    except TypeError:
        raise PySparkTypeError(
            f"The key of the record {short_repr(record)} cannot be hashed "
            f"({type(key).__name__}); use an immutable key such as a tuple",
            "UNHASHABLE_KEY",
        ) from error
    raise error


def value_loop(aggregator: Aggregator) -> PairLoop:
    """The loop over `(key, value)`."""
    create, merge = aggregator.create_combiner, aggregator.merge_value

    def general(table: dict[Any, Any], records: Iterable[Any]) -> None:
        record = NOTHING
        try:
            for record in records:
                k, v = record
                if k in table:
                    table[k] = merge(table[k], v)
                else:
                    table[k] = create(v)
        except (TypeError, ValueError) as error:
            reraise_for(record, error)

    def plus(table: dict[Any, Any], records: Iterable[Any]) -> None:
        record = NOTHING
        try:
            for record in records:
                k, v = record
                if k in table:
                    # Not `+=`: it would change the first value in place.
                    table[k] = table[k] + v
                else:
                    table[k] = create(v)
        except (TypeError, ValueError) as error:
            reraise_for(record, error)

    if aggregator.kind == "group":
        return group_values
    return plus if is_plus(merge) else general


def combiner_loop(aggregator: Aggregator) -> PairLoop:
    """The loop over `(key, combiner)`, as the map side wrote them."""
    merge = aggregator.merge_combiners

    def general(table: dict[Any, Any], records: Iterable[Any]) -> None:
        for k, c in records:
            if k in table:
                table[k] = merge(table[k], c)
            else:
                table[k] = c

    def plus(table: dict[Any, Any], records: Iterable[Any]) -> None:
        for k, c in records:
            if k in table:
                table[k] = table[k] + c
            else:
                table[k] = c

    if aggregator.kind == "group":
        return group_lists
    return plus if is_plus(merge) else general


def group_values(table: dict[Any, Any], records: Iterable[Any]) -> None:
    """Appends each value to the list of its key."""
    record = NOTHING
    try:
        for record in records:
            k, v = record
            if k in table:
                table[k].append(v)
            else:
                table[k] = [v]
    except (TypeError, ValueError) as error:
        reraise_for(record, error)


def group_lists(table: dict[Any, Any], records: Iterable[Any]) -> None:
    """Appends each list of values, which becomes the table's, to its key's."""
    for k, values in records:
        if k in table:
            table[k] += values
        else:
            table[k] = values
