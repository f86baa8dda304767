"""Whether an executor that says nothing is at work or stands still.

A C call that keeps Python's global lock (a large `sum`, a regular expression
that backtracks) keeps the executor's service thread from answering, and may do
so for longer than `spark.network.timeout`. So a silent executor is also looked
at from outside: the processor time of the thread that runs its tasks grows, or
it does not. A process that is stopped, swapped out or deadlocked gains none.

Knows nothing of connections, tasks and the scheduler. Where the system does
not tell the time of a thread (no /proc), silence alone counts.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable

from minispark.records import record

#: A thread that works gets at least this share of a core, however loaded it is.
_MIN_SHARE = 0.02
_TICK_S = 0.01


def machine() -> str:
    """The same for two processes when each can see the other in /proc; else empty."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def main_thread_cpu_s(pid: int) -> float | None:
    """Processor time of a process's main thread; None where nobody can tell."""
    try:
        with open(f"/proc/{pid}/task/{pid}/stat", "rb") as file:
            # The name, in parentheses, may hold anything.
            fields = file.read().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return None


@record(frozen=False)
class Pulse:
    """What was seen of one executor's process."""

    #: Processor time at the last look, and when that was (the driver's clock).
    cpu_s: float | None = None
    looked_s: float = 0.0
    #: When it was last seen to have gained time.
    worked_s: float = float("-inf")
    is_being_looked_at: bool = False

    def saw(self, cpu_s: float | None, now: float) -> None:
        """Takes note of one look."""
        if cpu_s is not None and self.cpu_s is not None:
            gained, passed = cpu_s - self.cpu_s, now - self.looked_s
            if gained >= max(_TICK_S, _MIN_SHARE * passed):
                self.worked_s = now
        self.cpu_s, self.looked_s = cpu_s, now


class Vitals:
    """Looks at silent executors, those of this machine at once, others by a thread.

    Parameters
    ----------
    elsewhere
        Gives the processor time of a process on another machine, by executor's
        node and process number; may wait for the network.
    """

    def __init__(self, elsewhere: Callable[[str, int, str], float | None] | None = None) -> None:
        self._here = machine()
        self.elsewhere = elsewhere

    def look(self, pulse: Pulse, where: str, node_id: str, pid: int, now: float) -> None:
        """Has the pulse of one silent executor taken; `where` is its `machine()`."""
        if where and where == self._here:
            pulse.saw(main_thread_cpu_s(pid), now)
        elif self.elsewhere is not None and not pulse.is_being_looked_at:
            pulse.is_being_looked_at = True
            look = threading.Thread(
                target=self._look_elsewhere,
                args=(pulse, where, node_id, pid, now),
                name="minispark-vitals",
                daemon=True,
            )
            look.start()

    def end(self, where: str, pid: int) -> None:
        """Kills a process of this machine: stopped ones take no polite request."""
        if where and where == self._here:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def _look_elsewhere(self, pulse: Pulse, where: str, node_id: str, pid: int, now: float) -> None:
        assert self.elsewhere is not None
        try:
            pulse.saw(self.elsewhere(node_id, pid, where), now)
        finally:
            pulse.is_being_looked_at = False
