"""Merging sorted runs that come in frames, a stretch of records at a time.

Where the end of some run's frame is reached first is known from the frames' last
records; everything up to there is put together and sorted, which finds the runs
and merges them at the speed of C. Stable: of equal keys those of earlier runs
come first. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

Key = Callable[[Any], Any]


def merge_runs(
    runs: Sequence[Iterator[list[Any]]], key: Key, reverse: bool = False
) -> Iterator[list[Any]]:
    """All records of the runs in order, as lists.

    Each run gives lists that are sorted by `key`, descending if `reverse`.
    """
    iterators = list(runs)
    frames = [_next_frame(run) for run in iterators]
    _drop_ended(iterators, frames)
    while len(frames) > 1:
        first, cut = _first_end(frames, key, reverse)
        stretch: list[Any] = []
        for i, frame in enumerate(frames):
            if i == first:
                end = len(frame)
            else:
                # An equal key of a later run waits for what `first` still has.
                end = _position(frame, key, cut, reverse, after_equal=i < first)
            stretch += frame[:end]
            del frame[:end]
            if not frame:
                frames[i] = _next_frame(iterators[i])
        stretch.sort(key=key, reverse=reverse)
        yield stretch
        _drop_ended(iterators, frames)
    if frames:
        yield frames[0]
        yield from iterators[0]


def _next_frame(run: Iterator[list[Any]]) -> list[Any]:
    """The next frame that is not empty; an empty one at the end."""
    return next(filter(None, run), [])


def _drop_ended(iterators: list[Iterator[list[Any]]], frames: list[list[Any]]) -> None:
    if not all(frames):
        iterators[:] = [run for run, frame in zip(iterators, frames, strict=True) if frame]
        frames[:] = [frame for frame in frames if frame]


def _first_end(frames: list[list[Any]], key: Key, reverse: bool) -> tuple[int, Any]:
    """The run whose frame ends first in the order, and the key of its end."""
    best, cut = 0, key(frames[0][-1])
    for i in range(1, len(frames)):
        last = key(frames[i][-1])
        if (cut < last) if reverse else (last < cut):
            best, cut = i, last
    return best, cut


def _position(frame: list[Any], key: Key, cut: Any, reverse: bool, after_equal: bool) -> int:
    """Where `cut` would be put into a sorted frame, before or after equal keys."""
    low, high = 0, len(frame)
    while low < high:
        middle = (low + high) // 2
        k = key(frame[middle])
        if after_equal:
            is_before = not ((k < cut) if reverse else (cut < k))
        else:
            is_before = (cut < k) if reverse else (k < cut)
        if is_before:
            low = middle + 1
        else:
            high = middle
    return low
