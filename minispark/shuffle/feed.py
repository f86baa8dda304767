"""Feeding a dict of combined values: the map side's loop, in pieces.

Owns how the values of a key are combined, recognised for the common functions,
and that somebody can look at the table after a bounded growth. The combining is
the ending of the loop that makes the records (`plan.loops`), so that a pair which
a lambda displays is never built. Keys stay in order of first occurrence; what
user functions raise passes unchanged.

Where all that can grow is the number of keys (counting, distinct), a piece is
measured in new keys, else in records.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from itertools import islice
from typing import Any, NoReturn

from minispark.kernels.elements import keep_first, with_none
from minispark.kernels.recognise import is_identity, is_plus
from minispark.plan.fuse import Loop, count_elements, loop_over
from minispark.plan.loop_source import Ending
from minispark.plan.nodes import Aggregator
from minispark.plan.splice import constant_value
from minispark.plan.steps import Map
from minispark.shuffle.pairs import NOTHING, reraise_for

_ERRORS = (TypeError, ValueError)
#: How many values stand for all of them.
_SAMPLE = 64

_PARAMETERS = ("table", "left", "size", "errors", "nothing", "blame")
_AFTER_RECORDS = ("left -= 1", "if not left:", " left = yield")
_AFTER_KEYS = ("if size(table) >= left:", " left = (yield) + size(table)")


def _ending(first: str, *later: str, parameters: tuple[str, ...] = ()) -> Ending:
    """A loop that fills `table`: what it does with a key's first value, and with others.

    A later value is `v`; what the table has so far is `n`.
    """
    return Ending(
        parameters=(*_PARAMETERS, *parameters),
        before=("get = table.get",),
        each=("n = get(k, nothing)", "if n is nothing:", f" {first}", *later),
        takes_pair=True,
        on_error=("blame(record, key, v, error)",),
    )


def _merging(merged: str, created: str = "v", *parameters: str) -> Ending:
    return _ending(f"table[k] = {created}", "else:", f" table[k] = {merged}", parameters=parameters)


def _stopping(ending: Ending) -> Ending:
    """The loop stops whenever `left` records came."""
    return ending._replace(each=(*ending.each, *_AFTER_RECORDS))


def _stopping_by_keys(ending: Ending) -> Ending:
    """The loop stops whenever `left` keys were new."""
    look, test, first, *later = ending.each
    return ending._replace(
        before=(*ending.before, "left += size(table)"),
        each=(look, test, first, *(f" {line}" for line in _AFTER_KEYS), *later),
    )


def _taking_lists(ending: Ending, value: str) -> Ending:
    """Keys come in lists, too, each with the same `value`."""
    return ending._replace(
        parameters=(*ending.parameters, "add_all", "kind", "a_list"),
        before=("w = nothing", *ending.before),
        each_list=("add_all(table, w)", *_AFTER_KEYS),
        on_error=(f"blame(record, key, v, error, w, {value})",),
    )


_GENERAL = _merging("merge(n, v)", "create(v)", "create", "merge")
_MERGE = _merging("merge(n, v)", "v", "merge")
# Not `+=`: it would change the first value in place.
_PLUS = _merging("n + v")
#: Of equal values the first stays.
_MIN = _ending("table[k] = v", "elif v < n:", " table[k] = v")
_MAX = _ending("table[k] = v", "elif v > n:", " table[k] = v")
_GROUP = _ending("table[k] = [v]", "else:", " n.append(v)")
_ADD_CONSTANT = _stopping_by_keys(_PLUS)
_COUNT = _taking_lists(_ADD_CONSTANT, "1")
_DISTINCT = _taking_lists(_stopping_by_keys(_ending("table[k] = v")), "None")
_BY_KEYS = (_ADD_CONSTANT, _COUNT, _DISTINCT)


def _add_keys(table: dict[Any, None], keys: list[Any]) -> None:
    """Adds keys that are not there; of equal ones the first stays."""
    table.update(dict.fromkeys(keys))


def _blame(
    record: Any,
    key: Any,
    value: Any,
    error: Exception,
    keys: Any = (),
    value_of_keys: Any = None,
) -> NoReturn:
    """Raises what says which record cannot be used, else `error` itself."""
    for k in keys if type(keys) is list else ():
        try:
            hash(k)
        except TypeError:
            reraise_for((k, value_of_keys), error)
    if record is NOTHING and key is not NOTHING:
        record = (key, value)
    reraise_for(record, error)


def has_keys_only(loop: Loop, aggregator: Aggregator) -> bool:
    """Whether all that counts of the loop's pairs is the first of equal keys (`distinct`)."""
    step, _ = loop.last
    return (
        aggregator.kind != "group"
        and aggregator.merge_value is keep_first
        and is_identity(aggregator.create_combiner)
        and isinstance(step, Map)
        and step.f is with_none
    )


def _recognised(loop: Loop, aggregator: Aggregator) -> tuple[Ending, tuple[Any, ...]]:
    """The ending that fits, and the values of its own parameters."""
    if has_keys_only(loop, aggregator):
        return _DISTINCT, (_add_keys, type, list)
    create, merge = aggregator.create_combiner, aggregator.merge_value
    if aggregator.kind == "group":
        return _GROUP, ()
    if not is_identity(create):
        return _GENERAL, (create, merge)
    if is_plus(merge):
        step, expression = loop.last
        constant = constant_value(expression) if isinstance(step, Map) else None
        if type(constant) is not int:
            return _PLUS, ()
        return (_COUNT, (count_elements, type, list)) if constant == 1 else (_ADD_CONSTANT, ())
    if merge is min or merge is max:
        return _MIN if merge is min else _MAX, ()
    return _MERGE, (merge,)


#: Fills the table; is sent how much may come in until it yields.
_Filling = Generator[None, int, None]


def _filling(
    loop: Loop, ending: Ending, table: dict[Any, Any], limit: int, values: tuple[Any, ...]
) -> _Filling:
    arguments = (len, _ERRORS, NOTHING, _blame, *values)
    if ending in _BY_KEYS:
        yield from loop.ended(ending, table, limit, *arguments)
    elif not loop.never_multiplies:
        yield from loop.ended(_stopping(ending), table, limit, *arguments)
    else:
        # To give the loop so many records costs less than to have it count them.
        records, run = loop.in_pieces(ending)
        for first in records:
            run((first,), table, 0, *arguments)
            run(islice(records, limit - 1), table, 0, *arguments)
            limit = yield


class Feed:
    """Records on their way into a dict `key -> combined value`."""

    def __init__(
        self, records: Iterator[Any], aggregator: Aggregator, table: dict[Any, Any]
    ) -> None:
        loop = loop_over(records)
        ending, values = _recognised(loop, aggregator)
        self._table = table
        self._start: Callable[[int], _Filling] = lambda limit: _filling(
            loop, ending, table, limit, values
        )
        self._running: _Filling | None = None
        #: Whether every value of the table is None.
        self.is_of_keys: bool = ending is _DISTINCT
        #: Nothing is left to be fed.
        self.is_done: bool = False

    def advance(self, limit: int) -> None:
        """Lets at most `limit` records in, or as many new keys."""
        try:
            if self._running is None:
                self._running = self._start(limit)
                next(self._running)
            else:
                self._running.send(limit)
        except StopIteration:
            self.is_done = True

    def sample_values(self) -> list[Any]:
        """Some of the values that came last, where the table holds lists of values."""
        table = self._table
        each = max(1, _SAMPLE // max(len(table), 1))
        return [v for k in islice(reversed(table), _SAMPLE) for v in table[k][-each:]]
