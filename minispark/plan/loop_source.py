"""The source text of a loop: the template into which functions are put.

Owns what statement each kind of step becomes, and where the record is between
two steps: as one object, or as the key and the value of a pair that need not be
built. Knows functions only as `F3(x)`; `plan.splice` replaces that.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import NamedTuple

from minispark.plan.expressions import Expression, Parsed
from minispark.plan.splice import is_pair, keys_are_records, uses_members_only

#: Kinds that take a pair apart.
_TAKES_PAIR = "VWKL"


class StepShape(NamedTuple):
    """What of a step the source depends on."""

    kind: str
    #: None where the function is called.
    expression: Expression | None = None
    #: The function's name and free variables, where it is put in.
    name: str = ""
    free: tuple[str, ...] = ()
    #: The function is the engine's own `x -> (x, None)`.
    with_none: bool = False


class Ending(NamedTuple):
    """What becomes of the records: source text below the steps.

    The lines use `x`, or `k` and `v` where `takes_pair`, and the names in
    `parameters`, whose values are given when the loop is called. No name is
    looked up: builtins are parameters, too.
    """

    parameters: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    each: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    takes_pair: bool = False
    #: In place of `each`, for a list `w` of records that a flat map gave; of keys,
    #: where `takes_pair`. Needs the parameters `kind` (type) and `a_list` (list).
    each_list: tuple[str, ...] = ()
    #: The handler of an `error` of the parameter `errors`. It finds what was last
    #: taken apart in `record`, or in `key` and `v`; these begin as `nothing`.
    on_error: tuple[str, ...] = ()


class _Writer:
    """Source of the loop.

    `F3(x)` is the third step's function of `x`; `K3(x)` and `V3(x)` are the members
    of the pair that it displays; `F3(k, v)` is it of a pair that is not built.
    """

    def __init__(self, parsed: Sequence[Parsed | None], shape: tuple[StepShape, ...]) -> None:
        self.lines: list[str] = []
        self.indent = 2
        self._displays = [p is not None and is_pair(p.body) for p in parsed]
        #: Steps that look at nothing of a pair but its members.
        self._wants_members = [
            p is not None and s.kind in "MFGB" and uses_members_only(p)
            for p, s in zip(parsed, shape)
        ]
        self._shape = shape
        #: Where the record is: in `x`, in `k` and `v`, or in both.
        self._in_x, self._in_kv = True, False

    def add(self, *lines: str) -> None:
        for line in lines:
            self.lines.append(" " * self.indent + line)

    def open(self, line: str) -> None:
        self.add(line)
        self.indent += 1

    def whole(self) -> None:
        """The record is needed in `x`."""
        if not self._in_x:
            self.add("x = (k, v)")
            self._in_x = True

    def apart(self) -> None:
        """The record is needed in `k` and `v`."""
        if not self._in_kv:
            self.add("k, v = x")
            self._in_kv = True

    def pair(self, is_noted: bool) -> None:
        """The record is needed in `k` and `v` by the ending."""
        if is_noted:
            self.add("key = k" if self._in_kv else "record = x")
        self.apart()

    def flat_list(self, i: int, each_list: tuple[str, ...]) -> None:
        """A flat map whose records need no loop where they are a list."""
        self.add(
            f"w = F{i}({self._argument(i)})",
            "if kind(w) is a_list:",
            *(f" {line}" for line in each_list),
        )
        self.open("else:")
        self.open("for x in w:")
        self._now(True, False)

    def _now(self, in_x: bool, in_kv: bool) -> None:
        self._in_x, self._in_kv = in_x, in_kv

    def _argument(self, i: int) -> str:
        """The record as the argument of a step's function."""
        if not self._in_x and self._wants_members[i]:
            return "k, v"
        self.whole()
        return "x"

    def step(self, i: int, last: str) -> None:
        """Adds a step; `last` is the kind of what follows the last one."""
        kind = self._shape[i].kind
        is_last = i + 1 == len(self._shape)
        next_kind = last if is_last else self._shape[i + 1].kind
        takes_pair = next_kind in _TAKES_PAIR or (not is_last and self._wants_members[i + 1])
        if kind == "M" and takes_pair and self._displays[i]:
            x = self._argument(i)
            self.add(f"k, v = K{i}({x}), V{i}({x})")
            self._now(False, True)
        elif kind == "M" and takes_pair and self._shape[i].with_none:
            self.whole()
            self.add("k, v = x, None")
            self._now(False, True)
        elif kind == "M":
            self.add(f"x = F{i}({self._argument(i)})")
            self._now(True, False)
        elif kind == "F":
            self.open(f"if F{i}({self._argument(i)}):")
        elif kind == "G":
            self.open(f"for x in F{i}({self._argument(i)}):")
            self._now(True, False)
        elif kind == "V":
            self.apart()
            self.add(f"v = F{i}(v)")
            self._now(False, True)
        elif kind == "W":
            self.apart()
            # The key needs a name of its own: inner steps may rebind `k`.
            self.add(f"k{i} = k")
            self.open(f"for v in F{i}(v):")
            self.add(f"k = k{i}")
            self._now(False, True)
        elif kind == "B":
            self.whole()
            if takes_pair:
                self.add(f"k, v = F{i}(x), x")
                self._now(False, True)
            else:
                self.add(f"x = (F{i}(x), x)")
                self._now(True, False)
        else:
            member, index = ("k", 0) if kind == "K" else ("v", 1)
            self.add(f"x = {member}" if self._in_kv else f"x = x[{index}]")
            self._now(True, False)
        if not is_last and not self._in_x and kind != "F" and next_kind not in "KL":
            # Should the next step fail: the record is not what `x` still holds.
            self.add("x = APART")


def loop_lines(
    shape: tuple[StepShape, ...], parsed: Sequence[Parsed | None], ending: Ending
) -> list[str]:
    """The loop over `records`, indented as the body of a function in another."""
    writer = _Writer(parsed, shape)
    writer.add(*(["record = key = v = nothing"] if ending.on_error else []), *ending.before)
    if ending.on_error:
        writer.open("try:")
    writer.open("for x in records:")
    in_lists = _flat_list(shape, parsed, ending) if ending.each_list else None
    for i in range(len(shape)):
        if i == in_lists:
            writer.flat_list(i, ending.each_list)
        else:
            writer.step(i, "K" if ending.takes_pair else ".")
    if ending.takes_pair:
        writer.pair(is_noted=bool(ending.on_error))
    elif "x" in _names_in(ending.each):
        writer.whole()
    writer.add(*ending.each)
    writer.indent = 2
    if ending.on_error:
        writer.add("except errors as error:", *(f" {line}" for line in ending.on_error))
    writer.add(*ending.after)
    return writer.lines


def _names_in(lines: tuple[str, ...]) -> set[str]:
    tree = ast.parse("\n".join(lines))
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _flat_list(
    shape: tuple[StepShape, ...], parsed: Sequence[Parsed | None], ending: Ending
) -> int | None:
    """The flat map whose records are the ending's (or its keys) as they are."""
    i = len(shape) - 1
    if i >= 0 and ending.takes_pair:
        made = parsed[i]
        if shape[i].kind != "M" or not (
            shape[i].with_none or (made is not None and keys_are_records(made))
        ):
            return None
        i -= 1
    elif ending.takes_pair:
        return None
    return i if i >= 0 and shape[i].kind == "G" else None
