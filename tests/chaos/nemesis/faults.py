"""What the nemesis does to a running application, one fault at a time.

Every fault is one that a promise covers: what the driver itself keeps on disk
(slices, broadcasts) exists once and is left alone, and so is the driver.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

#: Folders of a node's directory whose files can be made again.
_FOLDERS = ("shuffle", "rdd", "result")
#: How long to wait for a file that is there only for moments.
_PATIENCE_S = 0.15


class Faults:
    """Breaks one context; counts what it did by kind."""

    def __init__(self, sc: Any, rng: random.Random, silence_s: float) -> None:
        self._sc = sc
        self._rng = rng
        self._silence_s = silence_s
        self._frozen: dict[int, threading.Timer] = {}
        self.injected: Counter[str] = Counter()
        #: Told with true before a group, or everything (None), is cancelled, then with false.
        self.on_cancel: Callable[[str | None, bool], None] = lambda group, begins: None
        self.groups: list[str] = []
        self.weights: dict[Callable[[], str | None], float] = {
            self.kill: 1.0,
            self.kill_all: 0.15,
            self.freeze: 1.5,
            self.freeze_for_long: 0.15,
            self.delete: 3.0,
            self.flip: 4.0,
            self.truncate: 3.0,
            self.flip_spilled: 4.0,
            self.wipe: 0.4,
            self.cancel_group: 2.0,
            self.cancel_all: 0.4,
        }

    def strike(self) -> None:
        """One fault, if there is something to break just now."""
        fault = self._rng.choices(list(self.weights), list(self.weights.values()))[0]
        done = fault()
        if done is not None:
            self.injected[done] += 1

    def relent(self) -> None:
        """Lets everything that is stopped go on."""
        for pid, timer in list(self._frozen.items()):
            timer.cancel()
            self._thaw(pid)

    def roots(self) -> list[str]:
        """The directories whose files are damaged."""
        return [self._sc._engine.files.root]

    def pids(self) -> list[int]:
        """The executors that are registered now."""
        members = self._sc._engine.driver.members
        with members._lock:
            return sorted(link.pid for link in members.links.values())

    # -- processes --------------------------------------------------------------

    def send_signal(self, pid: int, number: int) -> bool:
        """False: the process is gone."""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> str | None:
        """One executor ends without a word."""
        pids = self.pids()
        return "kill" if pids and self.send_signal(self._rng.choice(pids), signal.SIGKILL) else None

    def kill_all(self) -> str | None:
        """All executors end at once."""
        return (
            "kill all" if [p for p in self.pids() if self.send_signal(p, signal.SIGKILL)] else None
        )

    def freeze(self) -> str | None:
        """An executor stops for a moment."""
        return self._freeze("freeze", self._rng.uniform(0.02, 0.25) * self._silence_s)

    def freeze_for_long(self) -> str | None:
        """An executor stops for so long that it counts as lost, and then speaks again."""
        return self._freeze("freeze beyond the time-out", 1.8 * self._silence_s)

    def _freeze(self, kind: str, seconds: float) -> str | None:
        pids = [pid for pid in self.pids() if pid not in self._frozen]
        if not pids:
            return None
        return self.freeze_process(kind, self._rng.choice(pids), seconds)

    def freeze_process(self, kind: str, pid: int, seconds: float) -> str | None:
        """Stops a process for so long; None when it is gone."""
        if pid in self._frozen or not self.send_signal(pid, signal.SIGSTOP):
            return None
        timer = self._frozen[pid] = threading.Timer(seconds, self._thaw, (pid,))
        timer.name = "nemesis-thaw"
        timer.daemon = True
        timer.start()
        return kind

    def _thaw(self, pid: int) -> None:
        self._frozen.pop(pid, None)
        self.send_signal(pid, signal.SIGCONT)

    # -- files --------------------------------------------------------------------

    def _file(self) -> str | None:
        """A file of one kind; what is there only for moments is waited for, a moment."""
        folder = self._rng.choice(_FOLDERS)

        def found() -> list[str]:
            paths = []
            for root in self.roots():
                with contextlib.suppress(FileNotFoundError):
                    paths += [entry.path for entry in os.scandir(os.path.join(root, folder))]
            return paths

        return self._one_of(found)

    def _one_of(self, find: Callable[[], list[str]]) -> str | None:
        end = time.monotonic() + _PATIENCE_S
        while not (found := find()) and time.monotonic() < end:
            time.sleep(0.002)
        return self._rng.choice(found) if found else None

    def _damage(self, kind: str, harm: Callable[[str], None], path: str | None) -> str | None:
        if path is None:
            return None
        try:
            harm(path)
        except (OSError, IndexError):  # it went, or it is empty
            return None
        folder = os.path.basename(os.path.dirname(path))
        return f"{kind} {folder}" if folder in _FOLDERS else kind

    def delete(self) -> str | None:
        """A file is gone."""
        return self._damage("delete", os.unlink, self._file())

    def truncate(self) -> str | None:
        """A file lost its end."""

        def harm(path: str) -> None:
            size = os.path.getsize(path)
            os.truncate(path, self._rng.randrange(size) if size else 0)

        # A file that somebody maps must not get shorter under him: reading what
        # is gone is SIGBUS, for which the executor is lost as if it was killed.
        return self._damage("truncate", harm, self._file())

    def _flip(self, path: str) -> None:
        with open(path, "r+b", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                raise IndexError("an empty file has no byte to flip")
            position = self._rng.randrange(size)
            byte = os.pread(file.fileno(), 1, position)[0]
            os.pwrite(file.fileno(), bytes([byte ^ (1 << self._rng.randrange(8))]), position)

    def flip(self) -> str | None:
        """One bit of a file is another one."""
        return self._damage("flip", self._flip, self._file())

    def flip_spilled(self) -> str | None:
        """One bit of a nameless spill file is another one."""

        def found() -> list[str]:
            paths = []
            for pid in self.pids():
                with contextlib.suppress(OSError):
                    for entry in os.scandir(f"/proc/{pid}/fd"):
                        with contextlib.suppress(OSError):
                            if "/spill/" in os.readlink(entry.path):
                                paths.append(entry.path)
            return paths

        return self._damage("flip spill", self._flip, self._one_of(found))

    def wipe(self) -> str | None:
        """All files of one kind are gone."""
        folder = self._rng.choice(_FOLDERS)
        path = os.path.join(self._rng.choice(self.roots()), folder)
        if not os.path.isdir(path) or not os.listdir(path):
            return None
        shutil.rmtree(path, ignore_errors=True)
        return f"wipe {folder}"

    # -- cancelling -----------------------------------------------------------------

    def cancel_group(self) -> str | None:
        """The jobs of one player are cancelled, from this thread."""
        group = self._rng.choice(self.groups)
        self.on_cancel(group, True)
        self._sc.cancelJobGroup(group)
        self.on_cancel(group, False)
        return "cancel group"

    def cancel_all(self) -> str | None:
        """All jobs are cancelled."""
        self.on_cancel(None, True)
        self._sc.cancelAllJobs()
        self.on_cancel(None, False)
        return "cancel all"
