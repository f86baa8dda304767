"""Fusing: a run of element-wise steps becomes one generated loop.

Which steps make a run; how runs and partition functions follow each other. The
loops themselves are made by `minispark.plan.loops`. The last run of a stage is a
`Loop`, so that what consumes its records can become part of it.

Rules:

* Lazy where records are asked for one by one: one record in, its results out,
  before the next is read.
* `StopIteration` raised by a user function never ends a partition silently: all
  calls happen inside a generator, where Python turns it into `RuntimeError` (PEP
  479), or where `Loop` does the same.
* `Partitions` steps get an iterator and are wrapped so that the same holds.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, cast

from minispark.kernels.drain import Drainable, filled, in_pieces
from minispark.kernels.recognise import is_plus
from minispark.plan.expressions import Expression
from minispark.plan.loop_source import Ending
from minispark.plan.loops import KINDS, MAX_BLOCKS, OPENS_BLOCK, bind
from minispark.plan.steps import FlatMap, FlatMapValues, Partitions, Step

PartitionFunction = Callable[[int, Iterator[Any]], Iterator[Any]]

_STREAM = Ending(each=("yield x",))
_COUNT = Ending(before=("n = 0",), each=("n += 1",), after=("return n",))
_LIST = Ending(("out",), each=("out.append(x)",), after=("return out",))
_EACH = Ending(("call",), each=("call(x)",))
_TALLY = Ending(
    ("tally", "count", "kind", "a_list"),
    before=("get = tally.get",),
    each=("tally[x] = get(x, 0) + 1",),
    after=("return tally",),
    each_list=("count(tally, w)",),
)
#: Counts the records of a list at the speed of C, what is in the dict included.
count_elements: Callable[[dict[Any, int], list[Any]], None] = vars(collections)["_count_elements"]


def _reducing(merged: str) -> Ending:
    return Ending(
        ("merge", "nothing"),
        ("total = nothing",),
        ("if total is nothing:", " total = x", "else:", f" total = {merged}"),
        ("return total",),
    )


def _choosing(sign: str) -> Ending:
    """`min` or `max`: of equal records the first stays."""
    chosen = (f"elif x {sign} total:", " total = x")
    return _REDUCE._replace(each=("if total is nothing:", " total = x", *chosen))


_REDUCE = _reducing("merge(total, x)")
_ADD_UP = _reducing("total + x")
_LEAST, _MOST = _choosing("<"), _choosing(">")
_NOTHING = object()


class Loop(Drainable):
    """The records that steps make of other records.

    An iterator; as long as nothing was taken from it, what consumes it may
    instead be made the loop's ending.
    """

    __slots__ = ("_expressions", "_records", "_steps", "_stream")

    def __init__(
        self,
        records: Iterator[Any],
        steps: Sequence[Step] = (),
        expressions: Sequence[Expression | None] = (),
    ) -> None:
        self._records = iter(records)
        self._steps = steps
        self._expressions = expressions
        self._stream: Iterator[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        if self._stream is None:
            run = bind(self._steps, self._expressions, _STREAM)
            self._stream = cast("Iterator[Any]", run(self._records))
        return self._stream

    def __next__(self) -> Any:
        return next(iter(self))

    def ended(self, ending: Ending, *values: Any) -> Any:
        """What the loop with another ending gives: its result, or its generator."""
        if self._stream is not None:
            return Loop(self._stream).ended(ending, *values)
        records, run = self.in_pieces(ending)
        return run(records, *values)

    @property
    def never_multiplies(self) -> bool:
        """Whether no step gives more records than it takes."""
        return not any(isinstance(step, (FlatMap, FlatMapValues)) for step in self._steps)

    def in_pieces(self, ending: Ending) -> tuple[Iterator[Any], Callable[..., Any]]:
        """What enters the steps, and the loop with an ending, to be called with parts of it."""
        if self._stream is not None:
            return Loop(self._stream).in_pieces(ending)
        run = bind(self._steps, self._expressions, ending)
        self._stream = iter(())

        def guarded(*arguments: Any) -> Any:
            try:
                return run(*arguments)
            except StopIteration as stop:
                raise RuntimeError("generator raised StopIteration") from stop

        return self._records, guarded

    @property
    def last(self) -> tuple[Step | None, Expression | None]:
        """The last step and what is known of it, while the steps are still to be done."""
        if self._stream is not None or not self._steps:
            return None, None
        return self._steps[-1], self._expressions[-1]

    def counted(self) -> int:
        """See `Drainable`."""
        return cast("int", self.ended(_COUNT))

    def listed(self) -> list[Any]:
        """See `Drainable`."""
        return cast("list[Any]", self.ended(_LIST, []))

    def each(self, f: Callable[[Any], Any]) -> None:
        """See `Drainable`."""
        self.ended(_EACH, f)

    def reduced(self, f: Callable[[Any, Any], Any]) -> list[Any]:
        """See `Drainable`."""
        total = self.ended(_reduction(f), f, _NOTHING)
        return [] if total is _NOTHING else [total]

    def tallied(self) -> dict[Any, int]:
        """See `Drainable`."""
        return cast("dict[Any, int]", self.ended(_TALLY, {}, count_elements, type, list))

    def pieces(self, size: int) -> Iterator[list[Any]]:
        """See `Drainable`."""
        if not self.never_multiplies:
            return in_pieces(self, size)
        records, run = self.in_pieces(_LIST)

        def fill(piece: list[Any]) -> bool:
            for first in records:
                run(chain((first,), islice(records, size - 1)), piece)
                return True
            return False

        return filled(fill)


def _reduction(f: Callable[[Any, Any], Any]) -> Ending:
    """The ending that does what `f` does."""
    if f is min or f is max:
        return _LEAST if f is min else _MOST
    return _ADD_UP if is_plus(f) else _REDUCE


def loop_over(records: Iterator[Any]) -> Loop:
    """Any records as a loop that can be given an ending."""
    return records if isinstance(records, Loop) else Loop(records)


def _guarded(f: Callable[[int, Iterator[Any]], Iterable[Any]]) -> PartitionFunction:
    """Calls a partition function so that its `StopIteration` is an error."""

    def run(index: int, records: Iterator[Any]) -> Iterator[Any]:
        try:
            result = f(index, iter(records))
        except StopIteration as stop:
            raise RuntimeError("the partition function raised StopIteration") from stop
        return iter(result)

    return run


def _elementwise(
    steps: Sequence[Step], expressions: Sequence[Expression | None]
) -> PartitionFunction:
    return lambda _index, records: Loop(records, steps, expressions)


def fuse(
    steps: tuple[Step, ...], expressions: Sequence[Expression | None] = ()
) -> PartitionFunction:
    """One function of `(partition index, records)` that applies all the steps.

    Parameters
    ----------
    expressions
        What is known of each step's function; none at all means nothing of any.
    """
    parts: list[PartitionFunction] = []
    run: list[Step] = []
    known: list[Expression | None] = []
    blocks = 0

    def flush() -> None:
        nonlocal run, known, blocks
        if run:
            parts.append(_elementwise(run, known))
            run, known, blocks = [], [], 0

    for step, expression in zip(steps, expressions or [None] * len(steps)):
        if isinstance(step, Partitions):
            flush()
            parts.append(_guarded(step.f))
            continue
        if KINDS[type(step)] in OPENS_BLOCK:
            if blocks == MAX_BLOCKS:
                flush()
            blocks += 1
        run.append(step)
        known.append(expression)
    flush()
    if len(parts) == 1:
        return parts[0]

    def apply(index: int, records: Iterator[Any]) -> Iterator[Any]:
        for part in parts:
            records = part(index, records)
        return records

    return apply
