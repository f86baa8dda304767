"""The garbage collector while tasks run: full passes are rare.

A task that builds a table of millions of tuples makes the default collector walk
through all of them again and again, in vain. Young garbage is still looked for
often, so that cycles with large buffers do not pile up; what survives is looked
at far less often.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: New containers between two young passes; young passes per middle one; middle
#: passes per full one.
TASK_THRESHOLDS = (2000, 50, 50)
_INTERPRETERS = gc.get_threshold()


@contextmanager
def rare_full_collections() -> Iterator[None]:
    """Raises the collector's thresholds; leaves them as it found them.

    What the user chose is kept: thresholds other than the interpreter's own, or
    a collector that is off.
    """
    if not gc.isenabled() or gc.get_threshold() != _INTERPRETERS:
        yield
        return
    try:
        # In here: an interrupt may hit this very line.
        gc.set_threshold(*TASK_THRESHOLDS)
        yield
    finally:
        if gc.get_threshold() == TASK_THRESHOLDS:
            gc.set_threshold(*_INTERPRETERS)
