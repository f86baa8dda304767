"""Finding the expression of a function: only what is proved to be its source."""

from __future__ import annotations

import ast
import functools
import linecache
import sys
import warnings
from typing import Any

import pytest

from minispark.plan.expressions import expression_of, parse

K = 3


def text_of(function: Any) -> str | None:
    """The expression found for a function, as text."""
    expression = expression_of(function)
    return None if expression is None else ast.unparse(parse(expression).body)


def inc(x):
    return x + 1


def documented(x: int, by: int = 2) -> int:
    """Its lambda: is a word in the documentation."""
    return x * by  # a comment


class Holder:
    @staticmethod
    def negative(x):
        return -x

    @staticmethod
    def mangled(x):
        return x.__secret

    def method(self, x):
        return x


def closing_over(z):
    return lambda x: x + z


# fmt: off
TWO_ON_A_LINE = (lambda x: x + 1, lambda x: x + 1.0, lambda x: x + True, lambda x: x)
SPREAD = [
    lambda x: (
        x,
        1,  # the count
    )
]
BARE = [
    lambda x:
        x + 1,
    lambda x: [x, ")", f"{x!r:>4}"],
]
# fmt: on


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (inc, "x + 1"),
        (documented, "x * by"),
        (Holder.negative, "-x"),
        (closing_over(1), "x + z"),
        (TWO_ON_A_LINE[0], "x + 1"),
        (TWO_ON_A_LINE[1], "x + 1.0"),
        (TWO_ON_A_LINE[2], "x + True"),
        (TWO_ON_A_LINE[3], "x"),
        (SPREAD[0], "(x, 1)"),
        (BARE[0], "x + 1"),
        (lambda x, k=K: x + k, "x + k"),
        (lambda x: x if x > K else -x, "x if x > K else -x"),
        (lambda x: 1 < x < K or x == 9, "1 < x < K or x == 9"),
        (lambda x: (x - 0.0, -0.0), "(x - 0.0, -0.0)"),
        (lambda x: x in {1, 2}, "x in {1, 2}"),
    ],
)
def test_found(function, text):
    assert text_of(function) == text


@pytest.mark.skipif(sys.version_info < (3, 11), reason="its code has the name of its outer scope")
def test_a_comprehension():
    assert text_of(lambda x: [-y for y in range(3)]) == "[-y for y in range(3)]"


def test_strings_and_brackets_inside():
    found = expression_of(BARE[1])
    assert found is not None
    assert eval(ast.unparse(parse(found).body), {"x": 7}) == [7, ")", "   7"]


def test_positions_are_those_of_the_file():
    found = expression_of(inc)
    assert found is not None
    body = parse(found).body
    assert body.lineno == inc.__code__.co_firstlineno + 1
    assert linecache.getline(__file__, body.lineno)[body.col_offset :].startswith("x + 1")


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (_y := x),
        lambda x: (yield x),
        lambda x: lambda: x,
        lambda x: sorted(x, key=lambda y: y),
        lambda x: [-x for x in range(3)],
        lambda x: locals(),
        lambda x: eval("x"),
        lambda x: sys._getframe(),
        lambda x: breakpoint(),
        lambda x: __debug__,
        lambda *x: x,
        lambda **x: x,
        lambda x, *, k=1: x,
        lambda x, y: x,
        lambda: 1,
        Holder.mangled,
        Holder().method,
        functools.partial(inc),
        len,
        str,
        functools.lru_cache(inc),
        None,
    ],
    ids=str,
)
def test_not_taken(function):
    assert text_of(function) is None


def test_more_than_a_return_is_not_taken():
    def two(x):
        y = x
        return y

    def nothing(x):
        return

    async def later(x):
        return x

    def items(x):
        yield x

    assert [text_of(f) for f in (two, nothing, later, items)] == [None] * 4


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="comprehensions have no frame there")
def test_a_comprehension_that_captures_the_parameter_is_not_taken():
    assert text_of(lambda x: [y * x for y in range(3)]) is None


def test_a_generator_that_captures_the_parameter_is_not_taken():
    assert text_of(lambda x: (y * x for y in range(3))) is None


def _made_in(path, source: str, name: str = "f") -> Any:
    namespace: dict[str, Any] = {}
    exec(compile(source, str(path), "exec"), namespace)
    return namespace[name]


def test_without_source_nothing_is_found():
    assert text_of(_made_in("<stdin>", "f = lambda x: x + 1")) is None


def test_an_edited_file_is_not_believed(tmp_path):
    path = tmp_path / "job.py"
    path.write_text("f = lambda x: x + 1\n")
    old = _made_in(path, "f = lambda x: x + 2")
    same = _made_in(path, "f = lambda x: x + 1")
    assert text_of(old) is None
    assert text_of(same) == "x + 1"


@pytest.mark.parametrize("content", ["", "f = (\n", "lambda lambda lambda\n", "\0", "f = lambda x"])
def test_any_file_may_be_there(tmp_path, content):
    path = tmp_path / "job.py"
    path.write_text(content)
    assert text_of(_made_in(path, "f = lambda x: x + 1")) is None


@pytest.mark.parametrize(
    ("in_file", "compiled"),
    [("1", "True"), ("0.0", "-0.0"), ("1", "1.0"), ("(1, 2)", "(True, 2)"), ("'a'", "b'a'")],
)
def test_equal_constants_of_other_types_are_different(tmp_path, in_file, compiled):
    path = tmp_path / "job.py"
    path.write_text(f"f = lambda x: [x, {in_file}]\n")
    assert text_of(_made_in(path, f"f = lambda x: [x, {compiled}]")) is None
    assert text_of(_made_in(path, f"f = lambda x: [x, {in_file}]")) is not None


@pytest.mark.parametrize("body", ["x is 1", "x is not ()", "'\\d' + x", "x is 1.0 or x"])
def test_nobody_is_warned_twice(tmp_path, body):
    path = tmp_path / "job.py"
    path.write_text(f"f = lambda x: {body}\n")
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        function = _made_in(path, path.read_text())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert text_of(function) is None
    assert caught == []


@pytest.mark.parametrize("body", ["x is None", "x is True", "r'\\d' + x", "'\\n' + x"])
def test_what_warns_nobody_is_taken(tmp_path, body):
    path = tmp_path / "job.py"
    path.write_text(f"f = lambda x: {body}\n")
    assert text_of(_made_in(path, path.read_text())) is not None
