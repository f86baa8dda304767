"""Messages read many at a time are those that were sent, however the stream is cut."""

from __future__ import annotations

import random
import socket
import threading
from multiprocessing.connection import Connection

import pytest

from minispark.runtime.message_reader import MessageReader


def test_messages_of_all_sizes_arrive_whole_and_in_order() -> None:
    ours, theirs = socket.socketpair()
    rng = random.Random(7)
    sent = [rng.randbytes(rng.choice((0, 1, 3, 100, 5_000, 70_000, 300_000))) for _ in range(200)]

    def write() -> None:
        connection = Connection(theirs.detach())
        for message in sent:
            connection.send_bytes(message)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    reader = MessageReader(ours)
    found: list[bytes] = []
    while len(found) < len(sent):
        found += reader.read()
    writer.join()
    with pytest.raises(EOFError):
        reader.read()
    ours.close()
    assert found == sent


def test_a_stream_cut_anywhere() -> None:
    short = b"\0\0\0\5hello"
    long = b"\xff\xff\xff\xff" + (6).to_bytes(8, "big") + b"worlds"
    stream = short + long + b"\0\0\0\0" + short
    for cut in range(len(stream) + 1):
        ours, theirs = socket.socketpair()
        reader = MessageReader(ours)
        found = []
        for part in (stream[:cut], stream[cut:]):
            if part:
                theirs.sendall(part)
                found += reader.read()
        assert found == [b"hello", b"worlds", b"", b"hello"], cut
        ours.close()
        theirs.close()


def test_many_small_messages_take_one_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"\0\0\0\1x" * 100)
        assert MessageReader(ours).read() == [b"x"] * 100
