"""Putting a function's expression into a syntax tree, under the names it needs there.

Owns the change of a template's tree: its own names get a prefix no program of the
user's has, `F3(x)` becomes the third step's expression with its parameter renamed
to where the record is. Owns, too, what may be read off an expression on the way:
that it displays a pair, or looks at nothing but a pair's members.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from minispark.plan.expressions import RESERVED, Expression, Parsed, parse


def is_pair(body: ast.expr) -> bool:
    return (
        isinstance(body, ast.Tuple)
        and len(body.elts) == 2
        and not any(isinstance(member, ast.Starred) for member in body.elts)
    )


def keys_are_records(made: Parsed) -> bool:
    return (
        isinstance(made.body, ast.Tuple)
        and is_pair(made.body)
        and isinstance(made.body.elts[0], ast.Name)
        and made.body.elts[0].id == made.parameters[0]
        and isinstance(made.body.elts[1], ast.Constant)
    )


#: Stands for "no constant": None is one.
NO_CONSTANT = object()


@lru_cache(maxsize=512)
def constant_value(expression: Expression | None) -> Any:
    """The constant that is the value of every pair a function displays."""
    if expression is not None:
        body = parse(expression).body
        if isinstance(body, ast.Tuple) and is_pair(body) and isinstance(body.elts[1], ast.Constant):
            return body.elts[1].value
    return NO_CONSTANT


def _member(node: ast.AST, record: str) -> int | None:
    """0 or 1 where a node is that member of the pair in the variable `record`."""
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Load)
        and isinstance(node.value, ast.Name)
        and node.value.id == record
        and isinstance(node.slice, ast.Constant)
        and type(node.slice.value) is int
        and node.slice.value in (0, 1)
    ):
        return node.slice.value
    return None


def uses_members_only(parsed: Parsed) -> bool:
    """Whether a function of a pair needs its members, and not the pair."""
    record = parsed.parameters[0]
    uses = members = 0
    for node in ast.walk(parsed.body):
        uses += isinstance(node, ast.Name) and node.id == record
        members += _member(node, record) is not None
    return 0 < uses == members


class Splicer(ast.NodeTransformer):
    """Gives the template's names their prefix and puts the expressions in."""

    def __init__(
        self, parsed: Sequence[Parsed | None], free: Sequence[tuple[str, ...]], line: int
    ) -> None:
        self._parsed = parsed
        #: The free variables of each step's function.
        self._free = free
        self._line = line

    def visit(self, node: ast.AST) -> ast.AST:
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = self._line  # type: ignore[attr-defined]
            node.col_offset = node.end_col_offset = 0  # type: ignore[attr-defined]
        result: ast.AST = super().visit(node)
        return result

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = RESERVED + node.id
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg = RESERVED + node.arg
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = RESERVED + node.name if node.name else None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        part, number = name[:1], name[1:]
        if not (part and part in "FKV" and number.isdigit()):
            return self.generic_visit(node)
        i = int(number)
        parsed = self._parsed[i]
        if parsed is None:
            assert isinstance(node.func, ast.Name)
            node.func.id = f"f{i}"
            return self.generic_visit(node)
        arguments = [RESERVED + a.id for a in node.args if isinstance(a, ast.Name)]
        record, *others = parsed.parameters
        names = {name: f"{RESERVED}c{i}_{name}" for name in self._free[i]}
        for j, name in enumerate(others):
            names[name] = f"{RESERVED}d{i}_{len(others) - j}"
        body = parsed.body
        if len(arguments) == 1:
            names[record] = arguments[0]
        else:
            body = _Members(record, arguments).visit(body)
        if part != "F":
            assert isinstance(body, ast.Tuple)
            body = body.elts["KV".index(part)]
        renamed: ast.AST = _Renamer(names).visit(body)
        return renamed


class _Members(ast.NodeTransformer):
    """Puts variables in the place of a pair's members."""

    def __init__(self, record: str, members: list[str]) -> None:
        self._record = record
        self._members = members

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        member = _member(node, self._record)
        if member is None:
            return self.generic_visit(node)
        return ast.copy_location(ast.Name(self._members[member], ast.Load()), node)


class _Renamer(ast.NodeTransformer):
    """Gives parameters and captured variables their names in the loop."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._names.get(node.id, node.id)
        return node
