"""Pickled bytes that keep alive what they name by a mere number.

A broadcast is pickled as its id, but its file must stay as long as somebody may
unpickle that. So whoever pickles a closure does it in `holding()`, objects say
`hold(…)` while they are pickled, and the bytes carry what was held, wherever
they are kept. What is held stays in this process. Knows nothing of broadcasts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class HoldingBytes(bytes):
    """Bytes with an attribute that only this process sees."""

    held: tuple[object, ...]

    def __reduce__(self) -> tuple[type[bytes], tuple[bytes]]:
        return bytes, (bytes(self),)


class _Now(threading.local):
    """What is held by what this thread is pickling; None when it is no closure."""

    objects: list[object] | None = None


_now = _Now()


@contextmanager
def holding() -> Iterator[list[object]]:
    """Collects what is said to `hold` on this thread."""
    before = _now.objects
    objects: list[object] = []
    _now.objects = objects
    try:
        yield objects
    finally:
        _now.objects = before


def with_held(data: bytes, objects: list[object]) -> bytes:
    """The bytes, keeping the objects alive; themselves when there are none."""
    if not objects:
        return data
    found = HoldingBytes(data)
    found.held = tuple(objects)
    return found


def hold(obj: object) -> bool:
    """Called while something is pickled: its bytes shall keep `obj` alive.

    False when they cannot, since it is no closure that is being pickled.
    """
    if _now.objects is None:
        return False
    _now.objects.append(obj)
    return True
