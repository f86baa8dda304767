"""The expression that a small function is, for `plan.loops` to put into a loop.

Owns finding the source of a function, the proof that it is the function's, and
the choice of what may stand in another frame than its own. Runs on the driver,
when functions are captured: the source may exist nowhere else.

The proof: what is found in the file is compiled, and taken only if every part
of the resulting code object equals the function's own. So neither an edited file
nor two lambdas on one line can lead to a wrong expression; without a source (a
plain interactive shell) there is none, and the function is called.

Not taken: functions that are more than one `return`; parameters of other kinds
than plain ones; names bound by `:=`, `yield`, `await`; inner functions that
capture a parameter; what looks at its own frame.
"""

from __future__ import annotations

import ast
import inspect
import io
import linecache
import re
import tokenize
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any, NamedTuple

#: Longer ones gain nothing by it.
_MAX_CODE_BYTES = 600
_MAX_TEXT = 2000
_LAMBDA = re.compile(r"\blambda\b")
#: What the compiler would warn of again: a backslash that escapes nothing.
_STRAY_BACKSLASH = re.compile(r"\\[^\\'\"abfnrtv0-7xNuU\r\n]")
_RAW_STRING = re.compile(r"\b(?:[rR][bBfF]?|[bBfF][rR])['\"]")
#: Names that mean the frame they are used in, or stop in it.
_FRAME_NAMES = frozenset(
    {"locals", "vars", "dir", "eval", "exec", "globals", "super", "breakpoint"}
    | {"__class__", "__debug__", "__import__"}
)
_FRAME_ATTRIBUTES = frozenset(
    {"_getframe", "currentframe", "stack", "settrace", "setprofile", "set_trace"}
    | {"f_back", "f_locals", "f_code"}
)
#: Prefix of the names that `plan.loops` uses itself.
RESERVED = "_minispark_"
#: The compiler adds these to a function inside another, or by `__future__`.
_IRRELEVANT_FLAGS = inspect.CO_NESTED | 0x1FF0000
_NONE, _ELLIPSIS = type(None), type(...)
_REFUSED = (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await, ast.Lambda)


#: The source of a function that is one expression, to be parsed again: its text,
#: below one line that makes it parse, and what to add to line numbers. A plain
#: tuple, since every task unpickles it.
Expression = tuple[str, int]


class Parsed(NamedTuple):
    """A function that is one expression, as a syntax tree."""

    body: ast.expr
    #: Names of the parameters, the record first.
    parameters: tuple[str, ...]


def expression_of(function: Any) -> Expression | None:
    """The expression that a function returns, or None where it must be called."""
    if type(function) is not FunctionType or function.__kwdefaults__:
        return None
    if (function.__module__ or "").partition(".")[0] == "minispark":
        return None  # ours: its lines mean nothing to the user
    code = function.__code__
    required = code.co_argcount - len(function.__defaults__ or ())
    if required > 1 or code.co_argcount < 1:
        return None
    return _find(code, code.co_filename)


def parse(expression: Expression) -> Parsed:
    """The syntax tree, with the positions it has in the user's file."""
    text, offset = expression
    node = _function_node(ast.parse(text))
    assert node is not None
    ast.increment_lineno(node, offset)
    parameters = tuple(a.arg for a in (*node.args.posonlyargs, *node.args.args))
    body = node.body if isinstance(node, ast.Lambda) else _returned(node)
    assert body is not None
    return Parsed(body, parameters)


def names_in(code: CodeType) -> set[str]:
    """The globals and attributes that a function uses, those of its comprehensions too."""
    return set(code.co_names).union(*map(names_in, _inner_codes(code)))


@lru_cache(maxsize=1024)
def _find(code: CodeType, filename: str) -> Expression | None:
    # Code objects of two files may be equal.
    if (
        code.co_kwonlyargcount
        or code.co_cellvars
        or len(code.co_code) > _MAX_CODE_BYTES
        or code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
        or code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE)
        or code.co_flags & inspect.CO_ASYNC_GENERATOR
        or not _FRAME_NAMES.isdisjoint(names := names_in(code))
        or not _FRAME_ATTRIBUTES.isdisjoint(names)
    ):
        return None
    lines = linecache.getlines(filename)
    if not 0 < code.co_firstlineno <= len(lines):
        return None
    try:
        for text in _candidates(code, lines):
            if len(text) <= _MAX_TEXT and _is_source_of(text, code):
                return text, code.co_firstlineno - 2
    except (SyntaxError, ValueError, RecursionError, tokenize.TokenError):
        return None  # a file that has changed may hold anything
    return None


# -- finding -----------------------------------------------------------------------


def _candidates(code: CodeType, lines: list[str]) -> Iterator[str]:
    """Texts that may be the function's, each below one line of preparation."""
    first = code.co_firstlineno - 1
    if code.co_name != "<lambda>":
        block = "".join(inspect.getblock(lines[first : first + 60]))
        yield ("if 1:\n" if block[:1].isspace() else "\n") + block
        return
    line = lines[first]
    for match in _LAMBDA.finditer(line):
        begin = match.start()
        rest = line[begin:] + "".join(lines[first + 1 : first + 40])
        # In parentheses the ends of lines mean nothing, and indentation neither.
        padding = " " * len(line[:begin].encode())
        for end in _ends(rest):
            yield f"(\n{padding}{rest[:end]}\n)"


def _ends(text: str) -> Iterator[int]:
    """Where the lambda at the start of a text may end."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    depth = 0
    in_body = False
    for token in tokenize.generate_tokens(io.StringIO("(" + text).readline):
        row, column = token.start
        position = starts[row - 1] + column - (row == 1)
        if token.type == tokenize.OP:
            if token.string in "([{":
                depth += 1
            elif token.string in ")]}":
                depth -= 1
                if depth == 0:
                    yield position
                    return
            elif token.string == ":" and depth == 1:
                in_body = True
            elif token.string in (",", ";") and depth == 1 and in_body:
                yield position
                return
        elif depth == 1 and in_body and _may_end_at(token):
            yield position


def _may_end_at(token: tokenize.TokenInfo) -> bool:
    return token.type in (tokenize.NL, tokenize.COMMENT) or token.string == "for"


def _function_node(tree: ast.Module) -> ast.Lambda | ast.FunctionDef | None:
    node: ast.AST | None = tree.body[0] if len(tree.body) == 1 else None
    if isinstance(node, ast.If):
        node = node.body[0] if len(node.body) == 1 else None
    if isinstance(node, ast.Expr):
        node = node.value
    return node if isinstance(node, (ast.Lambda, ast.FunctionDef)) else None


def _returned(node: ast.FunctionDef) -> ast.expr | None:
    body = node.body
    if len(body) == 2 and ast.get_docstring(node, clean=False) is not None:
        body = body[1:]
    if len(body) == 1 and isinstance(body[0], ast.Return):
        return body[0].value
    return None


# -- proving -----------------------------------------------------------------------


def _is_source_of(text: str, code: CodeType) -> bool:
    if _STRAY_BACKSLASH.search(text) and not _RAW_STRING.search(text):
        return False
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return False  # cut in the wrong place
    node = _function_node(tree)
    if node is None:
        return False
    body = node.body if isinstance(node, ast.Lambda) else _returned(node)
    if body is None or not _may_move(body, node, code):
        return False
    return _same_code(_compiled(node, code), code)


def _may_move(body: ast.expr, function: ast.Lambda | ast.FunctionDef, code: CodeType) -> bool:
    own = {*code.co_varnames[: code.co_argcount], *code.co_freevars}
    for node in ast.walk(body):
        if isinstance(node, _REFUSED):
            return False
        if isinstance(node, ast.comprehension) and node.is_async:
            return False
        if isinstance(node, ast.Compare) and _warns(node):
            return False
        if isinstance(node, ast.Name):
            # A comprehension's variable of the same name is another variable.
            is_bound_here = isinstance(node.ctx, ast.Store) and node.id in own
            if is_bound_here or node.id in _FRAME_NAMES or node.id.startswith(RESERVED):
                return False
    return True


def _warns(node: ast.Compare) -> bool:
    """Whether the compiler warns of an `is` with a literal; once is enough."""
    operands = [node.left, *node.comparators]
    return any(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops) and any(
        isinstance(x, ast.Tuple)
        or (isinstance(x, ast.Constant) and not isinstance(x.value, (bool, _NONE, _ELLIPSIS)))
        for x in operands
    )


def _compiled(node: ast.Lambda | ast.FunctionDef, code: CodeType) -> CodeType:
    """The function's code as the compiler makes it where the free names are."""
    none = ast.Constant(None)
    node.args.defaults = [none for _ in node.args.defaults]
    function: ast.stmt
    if isinstance(node, ast.Lambda):
        function = ast.Expr(node)
    else:
        for argument in (*node.args.posonlyargs, *node.args.args):
            argument.annotation = None
        node.decorator_list, node.returns = [], None
        function = node
    free = [ast.arg(name) for name in code.co_freevars]
    outer = ast.parse("def outer(): pass").body[0]
    assert isinstance(outer, ast.FunctionDef)
    outer.args.args = free
    outer.body = [function]
    module = ast.fix_missing_locations(ast.Module([outer], []))
    (outer_code,) = _inner_codes(compile(module, code.co_filename, "exec", dont_inherit=True))
    (found,) = _inner_codes(outer_code)
    return found


def _inner_codes(code: CodeType) -> list[CodeType]:
    return [const for const in code.co_consts if isinstance(const, CodeType)]


def _same_code(a: CodeType, b: CodeType) -> bool:
    return (
        a.co_code == b.co_code
        and a.co_names == b.co_names
        and a.co_varnames == b.co_varnames
        and a.co_freevars == b.co_freevars
        and a.co_cellvars == b.co_cellvars
        and a.co_argcount == b.co_argcount
        and a.co_posonlyargcount == b.co_posonlyargcount
        and a.co_kwonlyargcount == b.co_kwonlyargcount
        and (a.co_flags ^ b.co_flags) & ~_IRRELEVANT_FLAGS == 0
        and _same_constant(a.co_consts, b.co_consts)
        and getattr(a, "co_exceptiontable", b"") == getattr(b, "co_exceptiontable", b"")
    )


def _same_constant(a: Any, b: Any) -> bool:
    """Whether two constants are the same to any program: 1 is not True, 0.0 not -0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, CodeType):
        return _same_code(a, b)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(_same_constant, a, b))
    if isinstance(a, frozenset):
        return sorted(map(_constant_text, a)) == sorted(map(_constant_text, b))
    return _constant_text(a) == _constant_text(b)


def _constant_text(constant: Any) -> str:
    return f"{type(constant).__name__} {constant!r}"
