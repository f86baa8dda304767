"""What both engines call by other names: how an expression that fails is shown."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable
from typing import Any

_RAISED = re.compile(r"^(?:[\w.<>]*\.)?(\w+(?:Error|Exception|Exit|Iteration))\b", re.MULTILINE)


def tried(expression: Callable[[], Any]) -> Any:
    """The value of an expression, or `raises` and the built-in kind of its exception.

    What PySpark's JVM reports, where no Python exception is behind it, is
    `raises engine`.
    """
    try:
        return expression()
    except Exception as error:
        return f"raises {_kind(error)}"


def _kind(error: BaseException) -> str:
    if type(error).__name__.startswith("Py4J"):
        trace = str(error).rpartition("Traceback (most recent call last):")[2]
        names = _RAISED.findall(trace) if trace != str(error) else []
        return names[0].removeprefix("PySpark") if names else "engine"
    for cls in type(error).__mro__:
        if cls.__module__ == "builtins" and cls is not Exception:
            return cls.__name__
    return next((n for n in [type(error).__name__] if hasattr(builtins, n)), "Exception")
