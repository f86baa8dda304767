"""An executor process that is told to cancel: which task, and at which moment."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

import pytest

from minispark.ids import TaskId
from minispark.runtime.failures import TaskKilled
from minispark.runtime.messages import receive
from minispark.runtime.serve import _Session


@pytest.fixture
def session() -> Iterator[tuple[_Session, Connection]]:
    near, far = multiprocessing.Pipe()
    made: Any = object.__new__(_Session)
    made._ctl = near
    made._ctl_lock = threading.Lock()
    made._main_thread = threading.get_ident()
    made._running = None
    made._cancelled = set()
    made._is_writing = False
    yield made, far
    near.close()
    far.close()


def test_a_second_cancel_does_not_hide_the_first(session: tuple[Any, Connection]) -> None:
    serve, _ = session
    serve._running = TaskId(1)
    # Both arrive before the main thread comes to run the signal handler.
    serve._cancelled |= {TaskId(1), TaskId(2)}
    serve._kill = TaskId(2)
    with pytest.raises(TaskKilled):
        serve._interrupted(0, None)
    serve._running = TaskId(3)
    serve._interrupted(0, None)


def test_a_message_under_way_is_finished_first(session: tuple[Any, Connection]) -> None:
    serve, far = session
    serve._running = TaskId(1)
    real, times = serve._ctl, []

    class Interrupted:
        """The signal comes when half of the message is out."""

        def send_bytes(self, data: bytes) -> None:
            times.append(1)
            serve._cancelled.add(TaskId(1))
            serve._kill = TaskId(1)
            serve._interrupted(0, None)
            real.send_bytes(data)

    serve._ctl = Interrupted()
    with pytest.raises(TaskKilled):
        serve.send_output("stdout", "half a line")
    assert receive(far) == ("out", 1, "stdout", "half a line")
