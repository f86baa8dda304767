"""Lists through pipes; arrays through pipes or a mapped file."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ideal.pair import Pair, both, half
from benchmarks.model import PARTITIONS, times
from benchmarks.workloads.transfer import blocks, table


def _triple(me: int, n: int) -> list[int]:
    return [i * 3 for i in half(me, n)]


def collect(pair: Pair, data: Path, scale: float) -> Any:
    """Two lists, one after the other."""
    one, other = pair.run(_triple, (0, 1), both(times(2_000_000, scale)))
    return one + other


def _first_and_last(arrays: list[Any]) -> list[int]:
    return [int(a[0]) + int(a[-1]) for a in arrays]


def parallelize(pair: Pair, data: Path, scale: float) -> Any:
    """Half of the arrays through each pipe."""
    arrays = blocks(times(200, scale))
    middle = len(arrays) // 2
    one, other = pair.run(_first_and_last, (arrays[:middle], arrays[middle:]))
    return one + other


def _pick(me: int, n: int, path: Path) -> int:
    array = np.load(path, mmap_mode="r")
    return sum(int(array[i * 7 % len(array)]) for i in half(me, n))


def broadcast(pair: Pair, data: Path, scale: float) -> Any:
    """A file that both map."""
    path = pair.scratch / "table.npy"
    np.save(path, table(times(13_107_200, scale)))
    answer = sum(pair.run(_pick, (0, 1), both(times(1_000, scale)), both(path)))
    path.unlink()
    return answer


def _lengths(me: int, path: Path) -> int:
    with path.open("rb") as file:
        length = len(pickle.load(file))
    return sum(length + i for i in half(me, PARTITIONS))


def broadcast_dict(pair: Pair, data: Path, scale: float) -> Any:
    """Pickled once to a file, loaded by both."""
    names = {i: f"name-{i}" for i in range(times(200_000, scale))}
    path = pair.scratch / "names"
    with path.open("wb") as file:
        pickle.dump(names, file, 5)
    answer = sum(pair.run(_lengths, (0, 1), both(path)))
    path.unlink()
    return answer


PROGRAMS = {
    "collect": collect,
    "parallelize": parallelize,
    "broadcast": broadcast,
    "broadcast_dict": broadcast_dict,
}
