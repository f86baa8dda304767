"""Functions that are known by what they do, so that calling them can be spared.

Compared by the code they run, not by name: a lambda counts as `operator.add` if
its bytecode is exactly that of `a + b`.
"""

from __future__ import annotations

import inspect
import operator
from types import FunctionType
from typing import Any

_GENERATORS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def _plus(a: Any, b: Any) -> Any:
    return a + b


def _itself(a: Any) -> Any:
    return a


def _is_like(function: Any, model: Any) -> bool:
    """Whether calling a function does exactly what the model does."""
    if type(function) is not FunctionType:
        return False
    code, like = function.__code__, model.__code__
    return (
        code.co_code == like.co_code
        and code.co_argcount == code.co_nlocals == like.co_argcount
        and not (code.co_freevars or code.co_cellvars or code.co_kwonlyargcount)
        and not code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | _GENERATORS)
    )


def is_plus(function: Any) -> bool:
    """Whether calling `function(a, b)` is exactly `a + b`."""
    return function is operator.add or _is_like(function, _plus)


def is_identity(function: Any) -> bool:
    """Whether `function(a)` is exactly `a`."""
    return _is_like(function, _itself)
