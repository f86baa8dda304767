"""One thread for every call to Ray that must outlive its caller. Knows nothing of Ray."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")


class RayThread:
    """Runs functions one after the other, on one thread while Ray is ours.

    The processes of an embedded Ray end with the thread that started them.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def call(self, function: Callable[[], _T]) -> _T:
        """The function's result; the thread is started when there is none."""
        future: Future[_T] = Future()
        with self._lock:
            self._calls.put((function, future))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="minispark-ray", daemon=True)
                self._thread.start()
        return future.result()

    def retire(self, is_needed: Callable[[], bool]) -> None:
        """Ends the thread, unless it is needed or has something to do."""

        def leave() -> threading.Thread | None:
            with self._lock:
                if is_needed() or not self._calls.empty():
                    return None
                thread, self._thread = self._thread, None
                return thread

        thread = self.call(leave)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while self._thread is threading.current_thread():
            function, future = self._calls.get()
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)
            # Or the last result would live until the next call.
            del function, future
