"""Fusing: a run of element-wise steps becomes one generated loop.

Ten chained steps as nested generators cost ten Python frames per record; one
generated generator costs one, plus the user's own calls. The source depends
only on the kinds of the steps, so it is compiled once per shape and cached.

Rules the generated code keeps:

* Lazy: one record in, its results out, before the next is read.
* `StopIteration` raised by a user function never ends a partition silently:
  all calls happen inside a generator, where Python turns it into
  `RuntimeError` (PEP 479).
* `Partitions` steps get an iterator and are wrapped so that the same holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from minispark.plan.steps import (
    Filter,
    FlatMap,
    FlatMapValues,
    KeyBy,
    Keys,
    Map,
    MapValues,
    Partitions,
    Step,
    Values,
)

PartitionFunction = Callable[[int, Iterator[Any]], Iterator[Any]]

#: Python allows 20 statically nested blocks; each filter or flat map opens one.
_MAX_BLOCKS = 16
_OPENS_BLOCK = "FGW"

_KINDS: dict[type[Step], str] = {
    Map: "M",
    Filter: "F",
    FlatMap: "G",
    MapValues: "V",
    FlatMapValues: "W",
    KeyBy: "B",
    Keys: "K",
    Values: "L",
}


@lru_cache(maxsize=512)
def _compiled(kinds: str) -> Callable[..., Callable[[Iterator[Any]], Iterator[Any]]]:
    """A factory: the steps' functions in, the fused generator function out."""
    params = ", ".join(f"f{i}" for i, kind in enumerate(kinds) if kind not in "KL")
    lines = [f"def make({params}):", "    def fused(records):", "        for x in records:"]
    indent = " " * 12
    for i, kind in enumerate(kinds):
        if kind == "M":
            lines.append(f"{indent}x = f{i}(x)")
        elif kind == "F":
            lines.append(f"{indent}if f{i}(x):")
            indent += " "
        elif kind == "G":
            lines.append(f"{indent}for x in f{i}(x):")
            indent += " "
        elif kind == "V":
            lines += [f"{indent}k, v = x", f"{indent}x = (k, f{i}(v))"]
        elif kind == "W":
            # The key needs a name of its own: inner steps may rebind `k`.
            lines += [
                f"{indent}k{i}, v = x",
                f"{indent}for x in f{i}(v):",
                f"{indent} x = (k{i}, x)",
            ]
            indent += " "
        elif kind == "B":
            lines.append(f"{indent}x = (f{i}(x), x)")
        elif kind == "K":
            lines.append(f"{indent}x = x[0]")
        else:
            lines.append(f"{indent}x = x[1]")
    lines += [f"{indent}yield x", "    return fused"]
    namespace: dict[str, Any] = {}
    exec(compile("\n".join(lines), "<minispark fused steps>", "exec"), namespace)
    make: Callable[..., Callable[[Iterator[Any]], Iterator[Any]]] = namespace["make"]
    return make


def _guarded(f: Callable[[int, Iterator[Any]], Iterable[Any]]) -> PartitionFunction:
    """Calls a partition function so that its `StopIteration` is an error."""

    def run(index: int, records: Iterator[Any]) -> Iterator[Any]:
        try:
            result = f(index, records)
        except StopIteration as stop:
            raise RuntimeError("the partition function raised StopIteration") from stop
        return iter(result)

    return run


def _elementwise(run: list[Step]) -> PartitionFunction:
    kinds = "".join(_KINDS[type(step)] for step in run)
    functions = [step.f for step in run if hasattr(step, "f")]
    fused = _compiled(kinds)(*functions)
    return lambda _index, records: fused(records)


def fuse(steps: tuple[Step, ...]) -> PartitionFunction:
    """One function of `(partition index, records)` that applies all the steps."""
    parts: list[PartitionFunction] = []
    run: list[Step] = []
    blocks = 0

    def flush() -> None:
        nonlocal run, blocks
        if run:
            parts.append(_elementwise(run))
            run, blocks = [], 0

    for step in steps:
        if isinstance(step, Partitions):
            flush()
            parts.append(_guarded(step.f))
            continue
        if _KINDS[type(step)] in _OPENS_BLOCK:
            if blocks == _MAX_BLOCKS:
                flush()
            blocks += 1
        run.append(step)
    flush()
    if len(parts) == 1:
        return parts[0]

    def apply(index: int, records: Iterator[Any]) -> Iterator[Any]:
        for part in parts:
            records = part(index, records)
        return records

    return apply
