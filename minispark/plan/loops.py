"""Loops generated for a run of element-wise steps, with small functions put in.

Ten chained steps as nested generators cost ten Python frames per record. Here
they become one function with one loop: a step whose function is a known
expression (`plan.expressions`) stands in the loop as that expression, others
are called. What becomes of the records is the loop's ending: they are yielded,
counted, put in a list, merged into a dict.

A loop differs from the calls it replaces in nothing a program can see but time:

* Names mean what they meant: globals are looked up, when they are used, in the
  functions' own globals (one dict for the whole loop; a function with another
  one is called), captured variables in their own cells, defaults in the values
  the function has.
* The loop has the file and the line numbers of the expressions in it, so what
  looks at its caller (warnings, logging) sees the line of the lambda.
  `inlined_names` tells the lines that are the user's from the loop's own.
* Functions are called, not put in, while a tracer or profiler is on.
* `StopIteration` never ends a partition silently: loops are generators, where
  Python turns it into `RuntimeError` (PEP 479), or `Loop` does the same.

The source depends on the kinds of the steps, the expressions and the ending; it
is compiled once per such shape. Names of the user's are left alone: the loop's
own begin with `_minispark_`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from minispark.kernels.elements import with_none
from minispark.plan.expressions import RESERVED, Expression, names_in, parse
from minispark.plan.loop_source import Ending, StepShape, loop_lines
from minispark.plan.splice import Splicer
from minispark.plan.steps import (
    Filter,
    FlatMap,
    FlatMapValues,
    KeyBy,
    Keys,
    Map,
    MapValues,
    Step,
    Values,
)

#: The file that loops without anything of the user's are in.
LOOP_FILE = "<minispark fused steps>"
#: The variable that holds the record being worked on ...
RECORD = f"{RESERVED}x"
#: ... unless it is this: then key and value are in variables of their own.
KEY, VALUE = f"{RESERVED}k", f"{RESERVED}v"

KINDS: dict[type[Step], str] = {
    Map: "M",
    Filter: "F",
    FlatMap: "G",
    MapValues: "V",
    FlatMapValues: "W",
    KeyBy: "B",
    Keys: "K",
    Values: "L",
}
#: Kinds that open a block; Python allows 20 statically nested ones.
OPENS_BLOCK = "FGW"
MAX_BLOCKS = 14


class _Apart:
    """Stands in the record's variable while key and value are apart."""


APART = _Apart()


class Compiled(NamedTuple):
    """A loop to be bound to functions."""

    code: CodeType
    #: Steps whose functions are arguments; defaults that are: the step and the
    #: default's index, from the end.
    functions: tuple[int, ...]
    defaults: tuple[tuple[int, int], ...]
    #: For each of the code's free variables: the step and its cell's index.
    cells: tuple[tuple[int, int], ...]


#: Begins the constant of a loop's code that says which lines are the user's.
_LINES = "minispark: lines of the user"


def inlined_names(code: CodeType) -> dict[int, str] | None:
    """Line -> name of the user's function there; None if `code` is no loop."""
    if code.co_filename == LOOP_FILE:
        return {}
    last = code.co_consts[-1] if code.co_consts else None
    if isinstance(last, tuple) and last[:1] == (_LINES,):
        return dict(last[1:])
    return None


# -- binding -----------------------------------------------------------------------


def is_watched() -> bool:
    """Whether somebody counts calls or lines: then calls and lines there must be."""
    if sys.gettrace() is not None or sys.getprofile() is not None:
        return True
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and any(monitoring.get_tool(i) for i in range(6))


def _chosen(
    functions: Sequence[Any], expressions: Sequence[Expression | None]
) -> tuple[list[bool], dict[str, Any], str]:
    """Which functions are put in, the globals they have and the file they are from."""
    places: dict[tuple[str, int], int] = {}
    for f, expression in zip(functions, expressions):
        if expression is not None:
            at = f.__code__.co_filename, id(f.__globals__)
            places[at] = places.get(at, 0) + 1
    if not places or is_watched():
        return [False] * len(functions), {}, LOOP_FILE
    filename, place = max(places, key=places.__getitem__)
    chosen = [
        expression is not None
        and f.__code__.co_filename == filename
        and (id(f.__globals__) == place or not names_in(f.__code__))
        and not _has_empty_cell(f)
        for f, expression in zip(functions, expressions)
    ]
    scope = next(f.__globals__ for f in functions if id(getattr(f, "__globals__", None)) == place)
    return chosen, scope, filename


def _has_empty_cell(function: FunctionType) -> bool:
    for cell in function.__closure__ or ():
        try:
            _ = cell.cell_contents
        except ValueError:
            return True
    return False


def bind(
    steps: Sequence[Step],
    expressions: Sequence[Expression | None],
    ending: Ending,
) -> Callable[..., Any]:
    """A function of `(records, *ending's parameters)` that runs the steps."""
    functions: list[Any] = [getattr(step, "f", None) for step in steps]
    chosen, scope, filename = _chosen(functions, expressions)
    shape = tuple(
        StepShape(
            KINDS[type(step)],
            expression,
            f.__code__.co_name,
            f.__code__.co_freevars,
        )
        if is_in
        else StepShape(KINDS[type(step)], with_none=f is with_none)
        for step, f, expression, is_in in zip(steps, functions, expressions, chosen)
    )
    compiled = _compiled(shape, ending, filename)
    cells = tuple(functions[i].__closure__[j] for i, j in compiled.cells)
    loop = FunctionType(compiled.code, scope, "fused", None, cells)
    given = [functions[i] for i in compiled.functions]
    given += [functions[i].__defaults__[j] for i, j in compiled.defaults]
    given.append(APART)
    return lambda records, *values: loop(records, *given, *values)


# -- compiling ----------------------------------------------------------------------


@lru_cache(maxsize=512)
def _compiled(shape: tuple[StepShape, ...], ending: Ending, filename: str) -> Compiled:
    parsed = [parse(s.expression) if s.expression is not None else None for s in shape]
    called = tuple(i for i, s in enumerate(shape) if s.expression is None and s.kind not in "KL")
    defaults = tuple(
        (i, j - len(p.parameters))
        for i, p in enumerate(parsed)
        if p is not None
        for j in range(1, len(p.parameters))
    )
    own = [f"f{i}" for i in called] + [f"d{i}_{-j}" for i, j in defaults]
    free = [(i, j, name) for i, s in enumerate(shape) for j, name in enumerate(s.free)]
    source = "\n".join(
        [
            f"def make({', '.join(f'c{i}_{name}' for i, _, name in free)}):",
            f" def fused({', '.join(['records', *own, 'APART', *ending.parameters])}):",
            *loop_lines(shape, parsed, ending),
        ]
    )
    line = 1 + max((p.body.end_lineno or 0 for p in parsed if p is not None), default=0)
    tree = ast.parse(source)
    Splicer(parsed, [s.free for s in shape], line).visit(tree)
    module = compile(tree, filename, "exec", dont_inherit=True)
    (code,) = _codes(_codes(module)[0])
    by_line = {
        number: s.name
        for s, p in zip(shape, parsed)
        if p is not None
        for number in range(p.body.lineno, (p.body.end_lineno or p.body.lineno) + 1)
    }
    names = set(by_line.values())
    code = code.replace(co_name=names.pop() if len(names) == 1 else "<lambda>")
    if filename != LOOP_FILE:
        code = code.replace(co_consts=(*code.co_consts, (_LINES, *by_line.items())))
    where = {f"{RESERVED}c{i}_{name}": (i, j) for i, j, name in free}
    return Compiled(code, called, defaults, tuple(where[name] for name in code.co_freevars))


def _codes(code: CodeType) -> list[CodeType]:
    return [const for const in code.co_consts if isinstance(const, CodeType)]
