"""One background thread for chores that may take long: files, processes.

Finalizers hand their work over here, since they may run on any thread, at any
moment, with any lock held; `SimpleQueue.put` is safe even then.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

log: logging.Logger = logging.getLogger("minispark")


class Janitor:
    """Runs chores one after the other, in order."""

    def __init__(self) -> None:
        self._chores: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="minispark-janitor", daemon=True)
        self._thread.start()

    def put(self, chore: Callable[[], object]) -> None:
        """Has a chore run soon; dropped after `close`."""
        if not self._closed:
            self._chores.put(chore)

    @property
    def is_closed(self) -> bool:
        """Whether chores are dropped."""
        return self._closed

    def _run(self) -> None:
        while (chore := self._chores.get()) is not None:
            try:
                chore()
            except Exception:
                log.exception("a background chore failed")

    def close(self) -> None:
        """Ends the thread after the chores that were put before."""
        self._closed = True
        self._chores.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join()
