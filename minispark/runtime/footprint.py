"""What the process of an executor really takes, beside what its tasks say they hold.

Sizes are estimates, and what was freed need not go back to the system: Python gives memory
back in whole arenas, and keeps freed tuples in lists of its own, each of which can hold its
arena until a full collection empties them. Tasks of one stage use the same arenas again and
again; those of a stage that collects bytes need other memory, and the process would come to
hold both.
"""

from __future__ import annotations

import gc

from minispark.runtime.messages import StageKey
from minispark.storage.memory import MemoryManager
from minispark.storage.resident import PrivateMemory

#: A task is large when it held such a part of the budget, and at least so many bytes.
_LARGE_PART, _LARGE_BYTES = 8, 4 << 20
#: What the process may take beyond the budget: a part of it, but not less than so many bytes.
_BEYOND_PART, _BEYOND_BYTES = 4, 3 << 20


class Footprint:
    """The memory of a process that runs the tasks of one executor, and nothing else."""

    def __init__(self, memory: MemoryManager) -> None:
        budget = memory.total_bytes
        self._memory = memory
        self._large = max(budget // _LARGE_PART, _LARGE_BYTES)
        self._most = budget + max(budget // _BEYOND_PART, _BEYOND_BYTES)
        self._resident = PrivateMemory()
        #: What the process takes without any data: looked at anew as long as no task was large.
        self._idle = 0
        self._is_idle = True
        self._had_large = False
        #: Whether large tasks ran since memory was given back.
        self._is_due = False
        self._stage: StageKey | None = None
        memory.set_room(self.room)

    def room(self) -> int:
        """By how many bytes the process may grow; negative where it is too large."""
        now = self._resident.num_bytes()
        if self._is_idle:
            # A first structure is about to grow: everything it needs was imported.
            self._is_idle, self._idle = False, now
        return self._most - (now - self._idle)

    def before(self, stage: StageKey, collects_bytes: bool) -> None:
        """A task is about to run; whether those of its stage collect bytes."""
        self._is_idle = not self._had_large
        if stage == self._stage:
            return
        self._stage = stage
        # Who turned the collector off has reasons to.
        if self._is_due and gc.isenabled() and (collects_bytes or self.room() < self._large):
            gc.collect()
            self._is_due = False

    def after(self) -> None:
        """A task has ended, and let go of everything."""
        if self._memory.take_peak() >= self._large:
            self._had_large = self._is_due = True
