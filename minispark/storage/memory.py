"""The memory budget of one executor: arithmetic on bytes, nothing else.

Rules (Spark's unified manager). Execution (hash tables, sort buffers) and
storage (persisted blocks) share `total_bytes`. Storage may use all that
execution leaves. Execution may take what storage leaves, and may evict blocks
until storage is down to `storage_fraction`. Storage never takes memory from
execution. A task never waits: what it does not get, it spills. With N tasks
that use execution memory, each gets at most a N-th part.

Bytes are what callers say they are. Whether the process itself may grow is asked where
somebody knows (`set_room`): structures that are not small may not when it may not.
Evictors are called without the lock, since they call back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

#: Most bytes that one structure may hold without a grant.
_MAX_ALLOWANCE = 4 << 20
_UNKNOWN_ROOM = 1 << 62
#: The part of the budget that a structure may have though the process may not grow.
_SMALL_PART = 4


class MemoryManager:
    """One budget for the execution and the storage of all tasks. Thread-safe.

    Parameters
    ----------
    total_bytes
        What execution and storage may use together.
    storage_fraction
        The part of it that execution does not take from stored blocks.
    """

    def __init__(self, total_bytes: int, storage_fraction: float = 0.5) -> None:
        self.total_bytes = total_bytes
        self._protected = int(total_bytes * storage_fraction)
        self._lock = threading.Lock()
        #: Bytes per task; a task is here only while it holds some.
        self._execution: dict[int, int] = {}
        self._storage = 0
        #: Most bytes that tasks held since `take_peak`.
        self._peak = 0
        self._evict: Callable[[int], int] | None = None
        self._room: Callable[[], int] | None = None

    def set_evictor(self, evict: Callable[[int], int]) -> None:
        """Registers `evict(n)`: frees about n bytes of blocks, gives how many."""
        self._evict = evict

    def set_room(self, room: Callable[[], int]) -> None:
        """Registers `room()`: by how many bytes the process may grow."""
        self._room = room

    def room(self) -> int:
        """By how many bytes the process may grow, as far as somebody knows."""
        return _UNKNOWN_ROOM if self._room is None else self._room()

    @property
    def execution_bytes(self) -> int:
        """Bytes that tasks hold for execution."""
        with self._lock:
            return sum(self._execution.values())

    @property
    def storage_bytes(self) -> int:
        """Bytes of the stored blocks."""
        with self._lock:
            return self._storage

    def take_peak(self) -> int:
        """The most bytes that tasks held for execution since the last call."""
        with self._lock:
            peak, self._peak = self._peak, sum(self._execution.values())
            return peak

    def acquire_execution(self, task_id: int, num_bytes: int) -> int:
        """Up to `num_bytes` more for a task; gives how many it got."""
        if num_bytes <= 0:
            return 0
        with self._lock:
            missing = self._wanted(task_id, num_bytes) - self._free()
            evictable = min(missing, self._storage - self._protected)
        if evictable > 0 and self._evict is not None:
            self._evict(evictable)
        with self._lock:
            granted = max(0, min(self._wanted(task_id, num_bytes), self._free()))
            if granted:
                self._execution[task_id] = self._execution.get(task_id, 0) + granted
                self._peak = max(self._peak, sum(self._execution.values()))
            return granted

    def release_execution(self, task_id: int, num_bytes: int) -> None:
        """Gives back some of what a task holds."""
        with self._lock:
            left = self._execution.get(task_id, 0) - num_bytes
            if left > 0:
                self._execution[task_id] = left
            else:
                self._execution.pop(task_id, None)

    def release_task(self, task_id: int) -> int:
        """Gives back all a task holds; says how much that was."""
        with self._lock:
            return self._execution.pop(task_id, 0)

    def acquire_storage(self, num_bytes: int, evict: Callable[[int], int]) -> bool:
        """Room for blocks, all or nothing; `evict(n)` makes room where needed."""
        with self._lock:
            if num_bytes > self.total_bytes - sum(self._execution.values()):
                return False
            missing = num_bytes - self._free()
        if missing > 0:
            evict(missing)
        with self._lock:
            if num_bytes > self._free():
                return False
            self._storage += num_bytes
            return True

    def release_storage(self, num_bytes: int) -> None:
        """Gives back the room of blocks."""
        with self._lock:
            self._storage = max(0, self._storage - num_bytes)

    def _free(self) -> int:
        return self.total_bytes - self._storage - sum(self._execution.values())

    def _wanted(self, task_id: int, num_bytes: int) -> int:
        held = self._execution.get(task_id, 0)
        tasks = len(self._execution) + (task_id not in self._execution)
        pool = self.total_bytes - min(self._storage, self._protected)
        return min(num_bytes, pool // tasks - held)


class Reservation:
    """The execution memory that one data structure of a task holds.

    It is told now and then how large the structure is, and answers whether it
    may grow on. It asks for twice what is used, so it rarely needs to ask.

    A structure may have a little without asking: when another one of its task
    holds everything, it must not spill every few records.
    """

    def __init__(self, memory: MemoryManager, task_id: int) -> None:
        self._memory = memory
        self._task_id = task_id
        #: What is too small to be worth a spill.
        self._small = memory.total_bytes // _SMALL_PART
        #: What it may have without asking.
        self.allowance: int = min(memory.total_bytes // 16, _MAX_ALLOWANCE)
        self._granted = 0
        #: By how much the process could grow when the structure was small.
        self._first_room: int | None = None

    def covers(self, used_bytes: int) -> bool:
        """Whether a structure of this size may grow on."""
        if used_bytes + used_bytes // 4 > self._limit:
            wanted = 2 * used_bytes - self._granted
            self._granted += self._memory.acquire_execution(self._task_id, wanted)
        return used_bytes <= (self._limit if self._may_grow() else min(self._limit, self._small))

    def _may_grow(self) -> bool:
        room = self._memory.room()
        if self._first_room is None:
            self._first_room = room
        # What fills memory that the process has anyway makes it no larger.
        return room >= 0 or self._first_room - room <= self.allowance

    def room(self, used_bytes: int) -> float:
        """The part of `used_bytes` by which the structure may grow."""
        return (self._limit - used_bytes) / max(used_bytes, 1)

    def release(self) -> None:
        """Gives everything back; the reservation can be used again."""
        if self._granted:
            self._memory.release_execution(self._task_id, self._granted)
            self._granted = 0
        self._first_room = None

    @property
    def _limit(self) -> int:
        return max(self._granted, self.allowance)
