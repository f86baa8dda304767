"""What is left of an embedded Ray when its driver was killed, and ending it.

Run as a script of its own (`python -I -S reaper.py DIRECTORY`), with the
driver's end of a pipe as standard input. When the driver closes the pipe
properly it says so first; when the pipe just ends, the driver was killed: two
of Ray's helpers would go on for a minute, and its directory for ever. They are
told by the files they hold open below the directory. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time

#: Rounds of looking for helpers, 50 ms apart; the last ones find nothing.
_ROUNDS = 40
_QUIET_ROUNDS = 10


def holders(directory: str) -> list[int]:
    """Processes, other than this one, with a file open below the directory."""
    found = []
    prefix = os.path.join(directory, "")
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it has just ended, or is not ours
            for fd in os.listdir(f"/proc/{entry}/fd"):
                if os.readlink(f"/proc/{entry}/fd/{fd}").startswith(prefix):
                    found.append(int(entry))
                    break
    return found


def reap(directory: str) -> None:
    """Ends every process that uses the directory, then removes it."""
    quiet = 0
    for _ in range(_ROUNDS):
        pids = holders(directory)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        quiet = 0 if pids else quiet + 1
        if quiet == _QUIET_ROUNDS:
            break
        time.sleep(0.05)
    shutil.rmtree(directory, ignore_errors=True)


def main() -> None:
    """Waits for the driver's end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if sys.stdin.buffer.read() != b"done":
        reap(sys.argv[1])


if __name__ == "__main__":
    main()
