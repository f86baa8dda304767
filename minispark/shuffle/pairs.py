"""Loops that put pairs into a dict: the hot code of every `*ByKey`.

Owns which loop fits an aggregator, and what is said when a record is no pair
or its key cannot be a key. A loop goes through records and keeps the keys in
order of first occurrence; what user functions raise passes unchanged.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from itertools import chain, starmap
from typing import TYPE_CHECKING, Any, NoReturn

from minispark.errors import PySparkException, PySparkTypeError
from minispark.kernels import native
from minispark.kernels.elements import keep_first
from minispark.kernels.recognise import is_identity, is_plus
from minispark.storage.serializer import short_repr

if TYPE_CHECKING:
    from minispark.plan.nodes import Aggregator

#: Adds records to a dict.
PairLoop = Callable[[dict[Any, Any], Iterable[Any]], None]

#: Stands for the record while there was none yet.
NOTHING = object()


def not_a_pair(record: Any) -> PySparkTypeError:
    """What is raised where a pair is needed."""
    return PySparkTypeError(
        f"Expected a pair (key, value), got {type(record).__name__}: {short_repr(record)}",
        "NOT_A_PAIR",
    )


def reraise_for(record: Any, error: Exception) -> NoReturn:
    """Raises what says that `record` is not a usable pair, else `error` itself."""
    if record is NOTHING or isinstance(error, PySparkException):
        raise error
    try:
        key, _ = record
    except (TypeError, ValueError):
        raise not_a_pair(record) from error
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
    if aggregator.kind == "group":
        return group_values
    if is_identity(create):
        return _merging_loop(merge)

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

    return general


def combiner_loop(aggregator: Aggregator) -> PairLoop:
    """The loop over `(key, combiner)`, as the map side wrote them."""
    if aggregator.kind == "group":
        return group_lists
    if aggregator.merge_combiners is keep_first:
        return _keep_first
    return _merging_loop(aggregator.merge_combiners)


def _keep_first(table: dict[Any, Any], records: Iterable[Any]) -> None:
    """The loop of `distinct`, at the speed of C."""
    deque(starmap(table.setdefault, chain(records, ((NOTHING, None),))), maxlen=0)
    _check_end(table)


def keep_first_keys(table: dict[Any, Any], keys: list[Any]) -> None:
    """The same for keys without a value."""
    if native.NATIVE is not None:
        try:
            native.NATIVE.keep(table, keys)
        except StopIteration as error:
            raise _stop_of_a_key() from error
        return
    deque(map(table.setdefault, chain(keys, (NOTHING,))), maxlen=0)
    _check_end(table)


def _check_end(table: dict[Any, Any]) -> None:
    # A StopIteration of a key's own methods ends a `map` as if all were there.
    if table.pop(NOTHING, NOTHING) is NOTHING:
        raise _stop_of_a_key()


def _stop_of_a_key() -> RuntimeError:
    return RuntimeError("a key's __eq__ or __hash__ raised StopIteration")


def _merging_loop(merge: Callable[[Any, Any], Any]) -> PairLoop:
    """The loop that takes a key's first value as it is."""

    def general(table: dict[Any, Any], records: Iterable[Any]) -> None:
        get, nothing, record = table.get, NOTHING, NOTHING
        try:
            for record in records:
                k, v = record
                n = get(k, nothing)
                table[k] = v if n is nothing else merge(n, v)
        except (TypeError, ValueError) as error:
            reraise_for(record, error)

    def plus(table: dict[Any, Any], records: Iterable[Any]) -> None:
        get, nothing, record = table.get, NOTHING, NOTHING
        try:
            for record in records:
                k, v = record
                n = get(k, nothing)
                # Not `+=`: it would change the first value in place.
                table[k] = v if n is nothing else n + v
        except (TypeError, ValueError) as error:
            reraise_for(record, error)

    def first(table: dict[Any, Any], records: Iterable[Any]) -> None:
        record = NOTHING
        try:
            for record in records:
                k, v = record
                if k not in table:
                    table[k] = v
        except (TypeError, ValueError) as error:
            reraise_for(record, error)

    if merge is keep_first:
        return first
    return plus if is_plus(merge) else general


def group_values(table: dict[Any, Any], records: Iterable[Any]) -> None:
    """Appends each value to the list of its key."""
    get, record = table.get, NOTHING
    try:
        for record in records:
            k, v = record
            values = get(k)
            if values is None:
                table[k] = [v]
            else:
                values.append(v)
    except (TypeError, ValueError) as error:
        reraise_for(record, error)


def group_columns(table: defaultdict[Any, list[Any]], keys: list[Any], values: list[Any]) -> None:
    """As `group_values` of the pairs of both, at the speed of C."""
    try:
        if native.NATIVE is not None:
            native.NATIVE.group(table, keys, values)
            return
        groups = map(table.__getitem__, chain(keys, (NOTHING,)))
        deque(map(list.append, groups, chain(values, (None,))), maxlen=0)
    except StopIteration as error:  # from C
        raise _stop_of_a_key() from error
    except (TypeError, ValueError) as error:
        for pair in zip(keys, values):
            try:
                hash(pair[0])
            except TypeError:
                reraise_for(pair, error)
        raise
    _check_end(table)


def group_lists(table: dict[Any, Any], records: Iterable[Any]) -> None:
    """Appends each list of values, which becomes the table's, to its key's."""
    get = table.get
    for k, values in records:
        known = get(k)
        if known is None:
            table[k] = values
        else:
            known += values
