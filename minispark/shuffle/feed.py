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
from typing import Any, NoReturn, cast

from minispark.kernels.elements import keep_first, with_none
from minispark.kernels.recognise import is_identity, is_plus
from minispark.plan.fuse import count_elements, loop_over
from minispark.plan.loop_source import Ending
from minispark.plan.nodes import Aggregator
from minispark.plan.splice import constant_value
from minispark.plan.steps import Map
from minispark.shuffle.pairs import NOTHING, reraise_for

_ERRORS = (TypeError, ValueError)
#: How many values stand for all of them.
_SAMPLE = 64

_AFTER_RECORDS = ("left -= 1", "if not left:", " left = yield")
_AFTER_KEYS = ("if size(table) >= left:", " left = (yield) + size(table)")


def _ending(*each: str, parameters: tuple[str, ...] = ()) -> Ending:
    """A loop that fills `table` and stops when `left` records came."""
    return Ending(
        parameters=("table", "left", "size", "errors", "nothing", "blame", *parameters),
        each=(*each, *_AFTER_RECORDS),
        takes_pair=True,
        on_error=("blame(record, key, v, error)",),
    )


def _by_keys(
    *each: str, parameters: tuple[str, ...] = (), of_list: bool = False, value: str = ""
) -> Ending:
    """A loop that stops when `left` keys are new; `each` ends where a key is new.

    `of_list` adds all keys of a list, with the constant `value`.
    """
    ending = Ending(
        parameters=("table", "left", "size", "errors", "nothing", "blame", *parameters),
        before=("w = nothing", "left += size(table)"),
        each=each,
        takes_pair=True,
        on_error=(f"blame(record, key, v, error, w, {value})",)
        if of_list
        else ("blame(record, key, v, error)",),
    )
    if not of_list:
        return ending
    return ending._replace(
        parameters=(*ending.parameters, "add_all", "kind", "a_list"),
        each_list=("add_all(table, w)", *_AFTER_KEYS),
    )


def _merging(merged: str, created: str = "v", *parameters: str) -> Ending:
    return _ending(
        "if k in table:",
        f" table[k] = {merged}",
        "else:",
        f" table[k] = {created}",
        parameters=parameters,
    )


def _choosing(sign: str) -> Ending:
    """`min` or `max`: of equal values the first stays."""
    return _ending(
        "if k in table:", f" if v {sign} table[k]:", "  table[k] = v", "else:", " table[k] = v"
    )


_GENERAL = _merging("merge(table[k], v)", "create(v)", "create", "merge")
_MERGE = _merging("merge(table[k], v)", "v", "merge")
# Not `+=`: it would change the first value in place.
_PLUS = _merging("table[k] + v")
_MIN, _MAX = _choosing("<"), _choosing(">")
_GROUP = _ending("if k in table:", " table[k].append(v)", "else:", " table[k] = [v]")
_ADDING = (
    "n = get(k)",
    "if n is None:",
    " table[k] = v",
    *(f" {line}" for line in _AFTER_KEYS),
    "else:",
    " table[k] = n + v",
)
_ADD_CONSTANT = _by_keys(*_ADDING, parameters=("get",))
_COUNT = _by_keys(*_ADDING, parameters=("get",), of_list=True, value="1")
_DISTINCT = _by_keys(
    "if k not in table:",
    " table[k] = v",
    *(f" {line}" for line in _AFTER_KEYS),
    of_list=True,
    value="None",
)


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


def _recognised(
    aggregator: Aggregator, constant: Any, is_distinct: bool, table: dict[Any, Any]
) -> tuple[Ending, tuple[Any, ...]]:
    """The ending that fits, and the values of its own parameters."""
    create, merge = aggregator.create_combiner, aggregator.merge_value
    if aggregator.kind == "group":
        return _GROUP, ()
    if not is_identity(create):
        return _GENERAL, (create, merge)
    if is_plus(merge):
        if type(constant) is int:
            lists = (count_elements, type, list)
            return (_COUNT, (table.get, *lists)) if constant == 1 else (_ADD_CONSTANT, (table.get,))
        return _PLUS, ()
    if merge is keep_first and is_distinct:
        return _DISTINCT, (_add_keys, type, list)
    if merge is min or merge is max:
        return _MIN if merge is min else _MAX, ()
    return _MERGE, (merge,)


class Feed:
    """Records on their way into a dict `key -> combined value`."""

    def __init__(
        self, records: Iterator[Any], aggregator: Aggregator, table: dict[Any, Any]
    ) -> None:
        loop = loop_over(records)
        step, expression = loop.last
        constant = constant_value(expression) if isinstance(step, Map) else None
        is_distinct = isinstance(step, Map) and step.f is with_none
        self._table = table
        ending, values = _recognised(aggregator, constant, is_distinct, table)
        self._start: Callable[[int], Any] = lambda limit: loop.ended(
            ending, table, limit, len, _ERRORS, NOTHING, _blame, *values
        )
        self._running: Generator[None, int, None] | None = None
        #: Nothing is left to be fed.
        self.is_done = False

    def advance(self, limit: int) -> None:
        """Lets at most `limit` records in, or as many new keys."""
        try:
            if self._running is None:
                self._running = cast("Generator[None, int, None]", self._start(limit))
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
