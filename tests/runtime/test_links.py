"""The driver's end of a connection never waits for an executor that is busy."""

from __future__ import annotations

import multiprocessing
import socket
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection

import pytest

from minispark.ids import ExecutorId, NodeId
from minispark.runtime.links import ProcessLink
from minispark.runtime.listener import set_timeouts
from minispark.runtime.messages import receive


@pytest.fixture
def ends() -> Iterator[tuple[ProcessLink, Connection]]:
    near, far = multiprocessing.Pipe()
    svc, _far_svc = multiprocessing.Pipe()
    link = ProcessLink(ExecutorId("0"), NodeId("driver"), 0, near, svc)
    yield link, far
    link.close()
    far.close()
    _far_svc.close()


def test_what_nobody_reads_is_kept_in_order(ends: tuple[ProcessLink, Connection]) -> None:
    link, far = ends
    told = []
    link.on_backlog = lambda *what: told.append(what)
    large = bytes(range(256)) * 40_000
    sent = [("task", 1), ("stage", large), ("task", 2), ("inputs", large[1:]), ("task", 3)]
    for message in sent:
        link.send_ctl(message)  # would wait for ever
    assert told == [(link, link.ctl)]

    received: list[tuple[object, ...]] = []
    reader = threading.Thread(target=lambda: received.extend(receive(far) for _ in sent))
    reader.start()
    while not link.flush(link.ctl):
        threading.Event().wait(0.001)
    reader.join()
    assert received == sent


def test_service_messages_to_a_frozen_executor_wait_for_nobody(
    ends: tuple[ProcessLink, Connection],
) -> None:
    link, _far = ends
    told = []
    link.on_backlog = lambda *what: told.append(what)
    for number in range(20_000):
        link.send_svc(("drop_rdd", number))
    assert told == [(link, link.svc)]
    assert not link.flush(link.svc)


def test_a_dead_peer_is_an_error(ends: tuple[ProcessLink, Connection]) -> None:
    link, far = ends
    far.close()
    with pytest.raises(BrokenPipeError):
        link.send_ctl(("task", 1))


def test_shut_down_ends_a_read_under_way(ends: tuple[ProcessLink, Connection]) -> None:
    link, _far = ends
    ended: list[type[BaseException]] = []

    def read() -> None:
        try:
            link.ctl.recv_bytes()
        except (EOFError, OSError) as error:
            ended.append(type(error))

    reader = threading.Thread(target=read)
    reader.start()
    link.shut_down()
    reader.join(20)
    assert not reader.is_alive()
    assert ended


def test_a_default_timeout_of_the_script_does_not_reach_us(
    ends: tuple[ProcessLink, Connection],
) -> None:
    link, far = ends
    socket.setdefaulttimeout(5)
    try:
        set_timeouts(link.ctl, 30)
    finally:
        socket.setdefaulttimeout(None)
    sender = threading.Timer(0.05, lambda: far.send_bytes(b"late"))
    sender.start()
    assert link.ctl.recv_bytes() == b"late"  # non-blocking, this would raise at once
    sender.join()
