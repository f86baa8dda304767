"""A hypothesis strategy for programs: `drawing` with choices that can shrink."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import drawing
from hypothesis import strategies as st
from programs import Program

T = TypeVar("T")


class Shrinkable:
    """A chooser of a composite strategy."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        """See `drawing.Chooser`."""
        return self._draw(st.integers(low, high))

    def one_of(self, options: Sequence[T]) -> T:
        """See `drawing.Chooser`."""
        return self._draw(st.sampled_from(options))


@st.composite
def programs(draw: Any, max_steps: int = 8) -> tuple[Program, Program]:
    """A program and what to look at after it."""
    return drawing.program(Shrinkable(draw), drawing.Size(steps=max_steps))
