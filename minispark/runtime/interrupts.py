"""Keeping Ctrl-C out of the moments in which state is half changed.

Python runs signal handlers on the main thread between any two instructions, so
a `KeyboardInterrupt` could leave the scheduler with an event half handled.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Delivers a SIGINT that arrives inside when the block has ended.

    On the main thread only: no other thread runs signal handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        yield  # ignored, or not Python's to handle
        return
    arrived: list[FrameType | None] = []
    signal.signal(signal.SIGINT, lambda _signum, frame: arrived.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if arrived:
            handler(signal.SIGINT, arrived[0])
