"""Ends executor processes that a killed driver could not end itself.

An executor exits when its connections end, but only once it can look: a C call
that keeps the interpreter's lock, or a SIGSTOP, may last for ever. So a shell,
which costs nothing, holds the other end of a pipe of the driver's: it is told
which processes there are, and kills what is left of them a little after the
pipe has ended without a word. Knows nothing of executors but their numbers.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import threading
from collections.abc import Iterable

log: logging.Logger = logging.getLogger("minispark")

#: Executors that can look need milliseconds to exit by themselves.
_PATIENCE_S = 3

#: A number may be another process's by then: only what still is an executor is killed.
_SCRIPT = """
trap '' INT HUP
pids=
while IFS= read -r line; do
    test "$line" = done && exit 0
    pids=$line
done
sleep {patience}
for pid in $pids; do
    if {{ cat /proc/$pid/cmdline || ps -o command= -p $pid; }} | grep -q {mark}; then
        kill -9 $pid
    fi
done
"""


class OrphanGuard:
    """Watches over processes whose command line has `mark` in it."""

    def __init__(self, mark: str) -> None:
        self._lock = threading.Lock()
        self._shell: subprocess.Popen[bytes] | None = None
        script = _SCRIPT.format(patience=_PATIENCE_S, mark=mark)
        try:
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", script],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            log.debug("nobody watches over executors of a killed driver: %s", error)

    def watch(self, pids: Iterable[int]) -> None:
        """These are the processes now."""
        self._say(" ".join(map(str, pids)))

    def close(self) -> None:
        """They were ended in order."""
        self._say("done")
        with self._lock:
            shell, self._shell = self._shell, None
        if shell is not None:
            assert shell.stdin is not None
            with contextlib.suppress(OSError):
                shell.stdin.close()
            shell.wait()

    def _say(self, line: str) -> None:
        with self._lock:
            if self._shell is not None and self._shell.stdin is not None:
                with contextlib.suppress(OSError):  # somebody killed it: then nobody watches
                    self._shell.stdin.write(f"{line}\n".encode())
                    self._shell.stdin.flush()
