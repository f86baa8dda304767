"""Refusing keys that have no place: the error, and how the culprit reaches it."""

from __future__ import annotations

from reprlib import Repr
from typing import NoReturn

from minispark.errors import PySparkTypeError


class NoPortableHash(Exception):
    """Carries the innermost culprit to the place that knows the whole key."""

    def __init__(self, culprit: object, why: str) -> None:
        super().__init__(why)
        self.culprit = culprit
        self.why = why


def refuse(key: object, e: NoPortableHash) -> NoReturn:
    """Raises the error that shows the whole key."""
    short = Repr()
    short.maxstring = short.maxother = 120
    try:
        text = short.repr(key)
    except Exception as broken:
        text = f"<{type(key).__qualname__} whose repr raises {type(broken).__name__}>"
    name = _name(type(e.culprit))
    inside = f" has inside it an object of type {name}" if e.culprit is not key else ""
    raise PySparkTypeError(
        f"The key {text} of type {_name(type(key))}{inside} that cannot be placed in a"
        f" partition: {e.why}."
        if inside
        else f"The key {text} of type {name} cannot be placed in a partition: {e.why}.",
        "UNHASHABLE_KEY",
        {"key": text, "type": name},
    ) from (e.__cause__ or None)


def _name(t: type) -> str:
    return (
        t.__qualname__
        if t.__module__ in ("builtins", "__main__")
        else (f"{t.__module__}.{t.__qualname__}")
    )
