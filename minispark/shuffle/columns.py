"""Pairs as a list of keys and a list of values, taken some at a time.

Owns the ending of the loop that makes the pairs (`plan.loops`): a pair that a lambda
displays is never built, and none is yielded. Knows nothing of where keys go, and asks
nothing of them: whoever places keys finds those that cannot be placed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from itertools import chain, islice
from typing import Any, NoReturn

from minispark.errors import PySparkException
from minispark.plan.fuse import Loop, loop_over
from minispark.plan.loop_source import Ending
from minispark.shuffle.pairs import NOTHING, not_a_pair

_ERRORS = (TypeError, ValueError)

_COLUMNS = Ending(
    parameters=("add_key", "add_value", "left", "errors", "nothing", "blame"),
    each=("add_key(k)", "add_value(v)"),
    takes_pair=True,
    on_error=("blame(record, error)",),
)
#: The loop stops whenever `left` pairs came.
_STOPPING = _COLUMNS._replace(
    each=(
        *_COLUMNS.each,
        "left -= 1",
        "if not left:",
        " add_key, add_value, left = yield",
    )
)

#: Where the next keys and values go, and how many at most.
_Room = tuple[Callable[[Any], None], Callable[[Any], None], int]


def _blame(record: Any, error: Exception) -> NoReturn:
    """Raises what says that the record is no pair, else `error` itself."""
    if record is not NOTHING and not isinstance(error, PySparkException):
        try:
            _, _ = record
        except _ERRORS:
            raise not_a_pair(record) from error
    raise error


class PairColumns:
    """The pairs of a task, to be taken to their end."""

    def __init__(self, records: Iterator[Any]) -> None:
        loop = loop_over(records)
        self._fill = _filling(loop)
        next(self._fill)

    def take(self, limit: int) -> tuple[list[Any], list[Any]]:
        """The next pairs, at most so many; none at the end."""
        keys: list[Any] = []
        values: list[Any] = []
        room = keys.append, values.append, limit
        while not keys:
            try:
                self._fill.send(room)
            except StopIteration:
                break
        return keys, values


def _filling(loop: Loop) -> Generator[None, _Room, None]:
    room = yield
    if loop.never_multiplies:
        # To give the loop so many records costs less than to have it count them.
        records, run = loop.in_pieces(_COLUMNS)
        for first in records:
            add_key, add_value, limit = room
            piece = chain((first,), islice(records, limit - 1))
            run(piece, add_key, add_value, 0, _ERRORS, NOTHING, _blame)
            room = yield
    else:
        yield from loop.ended(_STOPPING, *room, _ERRORS, NOTHING, _blame)
