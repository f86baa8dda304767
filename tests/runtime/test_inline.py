"""Master `local` with several threads: nobody holds two locks the wrong way round."""

from __future__ import annotations

import threading
from typing import Any

from minispark.runtime.inline import InlineRunner


class _Executor:
    class node:
        node_id = "driver"

    executor_id = "driver"


class _Run:
    """A job whose inbox fills when told."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.inbox = self

    def empty(self) -> bool:
        return not self.ready.is_set()


class _Events:
    """A driver in which other threads act while this one asks for the timer."""

    def __init__(self, during_due: Any) -> None:
        self.during_due = during_due
        self.waits = 0

    def due_s(self) -> float | None:
        self.during_due()
        return None

    def tick(self) -> None:
        pass


def test_asking_for_the_timer_holds_up_nobody() -> None:
    runner = InlineRunner(_Executor())  # type: ignore[arg-type]
    run = _Run()
    held_up = []

    def another_thread_queues() -> None:
        # `due_s` takes the driver's lock; who holds that lock notifies.
        other = threading.Thread(target=runner.notify)
        other.start()
        other.join(5)
        held_up.append(other.is_alive())
        run.ready.set()

    runner.work_until(run, _Events(another_thread_queues))  # type: ignore[arg-type]
    assert held_up == [False]


def test_news_between_the_question_and_the_wait_are_not_lost() -> None:
    runner = InlineRunner(_Executor())  # type: ignore[arg-type]
    run = _Run()
    asked = []

    def a_timer_is_set() -> None:
        asked.append(1)
        if len(asked) == 1:
            runner.notify()  # as `SetTimer` does: what was answered is out of date
        else:
            run.ready.set()

    runner.work_until(run, _Events(a_timer_is_set))  # type: ignore[arg-type]
    assert len(asked) == 2
