"""Checks of arguments, made at the call and not in a task minutes later.

Each check returns the value as it is to be used and otherwise raises an error
that names the argument, the value and what was expected.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from minispark.errors import PySparkTypeError, PySparkValueError


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def wrong_type(name: str, value: object, expected: str, condition: str) -> PySparkTypeError:
    """The error for an argument of a type that is not allowed."""
    return PySparkTypeError(
        f"Argument `{name}` should be {expected}, got {type(value).__name__}: {_shown(value)}",
        condition,
        {"arg_name": name, "arg_type": type(value).__name__},
    )


def wrong_value(name: str, value: object, expected: str) -> PySparkValueError:
    """The error for an argument of a value that is not allowed."""
    return PySparkValueError(
        f"Argument `{name}` should be {expected}, got {_shown(value)}",
        "VALUE_NOT_ALLOWED",
        {"arg_name": name, "arg_value": _shown(value)},
    )


def a_callable(name: str, value: Any) -> None:
    """Refuses what cannot be called."""
    if not callable(value):
        raise wrong_type(name, value, "callable (a function)", "NOT_CALLABLE")


def callables(**functions: Callable[..., Any]) -> None:
    """Refuses any argument that cannot be called."""
    for name, value in functions.items():
        a_callable(name, value)


def an_int(name: str, value: Any) -> int:
    """An integer, numpy's included; bool is none."""
    if isinstance(value, bool):
        raise wrong_type(name, value, "an int", "NOT_INT")
    try:
        return operator.index(value)
    except TypeError:
        raise wrong_type(name, value, "an int", "NOT_INT") from None


def at_least(name: str, value: Any, least: int) -> int:
    """An integer not below `least`."""
    number = an_int(name, value)
    if number < least:
        raise wrong_value(name, value, f"an int >= {least}")
    return number


def positive(name: str, value: Any) -> int:
    """A positive integer: a number of partitions, for one."""
    number = an_int(name, value)
    if number <= 0:
        raise wrong_value(name, value, "positive")
    return number


def fraction(name: str, value: Any) -> float:
    """A number that is not negative (nor NaN)."""
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise wrong_type(name, value, "a number", "NOT_FLOAT_OR_INT")
    if not value >= 0:
        raise wrong_value(name, value, "nonnegative")
    return float(value)


def a_string(name: str, value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise wrong_type(name, value, "a str", "NOT_STR")
    return value
