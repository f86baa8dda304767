"""What a workload is and when two answers are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: `function(sc, data, scale)`: runs its jobs to the end and returns the answer.
Function = Callable[[Any, Path, float], Any]

#: Partitions where the workload is not about their number: four per core of two.
PARTITIONS = 8

#: Characters of an answer that are kept for a reader; the rest is in the digest.
_SHOWN = 120


@dataclass(frozen=True)
class Workload:
    """One row of the table, or several when it reports laps."""

    name: str
    function: Function
    about: str
    #: Settings of the context it runs in; contexts are shared by equal settings.
    profile: str = "default"
    #: Jobs in one run, when the figure of interest is one of them.
    jobs: Callable[[float], int] | None = None


@dataclass(frozen=True)
class Laps:
    """An answer with times the workload took itself, by name."""

    answer: Any
    seconds: Mapping[str, float] = field(default_factory=dict)


def mixed(i: int) -> int:
    """A cheap number below 2**32 that looks random but is not."""
    return (i * 2_654_435_761) & 0xFFFFFFFF


def times(n: int, scale: float) -> int:
    """`n` at this scale, at least one."""
    return max(1, int(n * scale))


def canonical(answer: Any) -> str:
    """A text that is equal for equal answers of different engines.

    Floats count to six digits, since sums may be taken in any order; the order
    of dictionaries and sets does not count, that of lists does.
    """
    text = _text(answer)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[:_SHOWN]}#{digest}"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ",".join(sorted(f"{_text(k)}:{_text(v)}" for k, v in value.items())) + "}"
    if isinstance(value, set | frozenset):
        return "{" + ",".join(sorted(map(_text, value))) + "}"
    if isinstance(value, bool | int | str | bytes) or value is None:
        return repr(value)
    if isinstance(value, float) or hasattr(value, "dtype"):
        return f"{float(value):.6g}"
    if isinstance(value, Iterable):
        return "[" + ",".join(map(_text, value)) + "]"
    raise TypeError(f"an answer of type {type(value).__name__} cannot be compared")
