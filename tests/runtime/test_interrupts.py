"""Ctrl-C waits until a critical moment is over, and is never lost."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from minispark.runtime.interrupts import deferred_interrupts


def test_delivered_at_the_end() -> None:
    reached = False
    with pytest.raises(KeyboardInterrupt), deferred_interrupts():  # noqa: PT012
        os.kill(os.getpid(), signal.SIGINT)
        reached = True
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nothing_happens_without_one() -> None:
    with deferred_interrupts(), deferred_interrupts():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nested_delivers_once() -> None:
    caught = 0
    try:
        with deferred_interrupts():
            try:
                with deferred_interrupts():
                    os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                pytest.fail("the outer block was not over")
    except KeyboardInterrupt:
        caught += 1
    assert caught == 1


def test_other_threads_leave_the_handler_alone() -> None:
    seen = []

    def run() -> None:
        with deferred_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
