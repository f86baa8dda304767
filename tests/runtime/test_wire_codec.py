"""Compression between machines: what arrives is what was sent, checked as ever."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minispark.conf import SparkConf
from minispark.errors import PySparkValueError
from minispark.ids import NodeId, ShuffleId
from minispark.runtime import wire_codec
from minispark.runtime.boot import NodeInfo
from minispark.runtime.fetch import Fetcher
from minispark.runtime.file_server import FileServer, stats
from minispark.runtime.file_wire import PeerRefused
from minispark.runtime.wire_codec import (
    CHUNK,
    codec_named,
    configured_codec,
    leaves_machine,
    receive_payload,
    send_packed,
)
from minispark.shuffle import format as shuffle_format
from minispark.shuffle.format import CorruptBlockError
from minispark.shuffle.reader import MapLocation
from minispark.storage.files import NodeFiles

CODECS = ["lz4", "snappy", "zstd"]
SECRET = b"s" * 32
SHUFFLE = ShuffleId(3)
NOISE = random.Random(5).randbytes(3 * CHUNK + 77)
PAYLOADS = {
    "empty": [],
    "one byte": [b"x"],
    "small ones": [b"abc" * n for n in range(2000)],
    "exactly a chunk": [bytes(CHUNK)],
    "across chunks": [b"a" * (CHUNK - 1), b"b" * 3, bytes(range(256)) * 9000],
    "noise": [NOISE],
    "noise, then text": [NOISE[:CHUNK], *[b"text " * 100_000] * 40],
}


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    a, b = socket.socketpair()
    yield a, b
    a.close()
    b.close()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("name", PAYLOADS)
def test_round_trip(pair: Any, codec: str, name: str) -> None:
    payload = PAYLOADS[name]
    whole = b"".join(payload)
    sent: list[int] = []
    sender = threading.Thread(
        target=lambda: sent.append(send_packed(pair[0], payload, codec_named(codec)))
    )
    sender.start()
    got = bytearray(len(whole))
    receive_payload(pair[1], memoryview(got), codec_named(codec))
    sender.join()
    assert bytes(got) == whole
    num_chunks = -(-len(whole) // CHUNK)
    assert sent[0] <= len(whole) + 4 * num_chunks, "what does not shrink goes as it is"
    if "text" in name or name == "small ones":
        assert sent[0] < len(whole) / 2


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (b"\x05\x00\x00\x00hello", CorruptBlockError),
        (b"\xff\xff\x00\x00", PeerRefused),
        (b"\x05\x00\x00\x80hello", PeerRefused),
        (b"\x05\x00", EOFError),
    ],
)
def test_what_nobody_sends(pair: Any, head: bytes, error: type[Exception]) -> None:
    pair[0].sendall(head)
    pair[0].shutdown(socket.SHUT_WR)
    with pytest.raises(error):
        receive_payload(pair[1], memoryview(bytearray(1000)), codec_named("lz4"))


def test_nothing_is_compressed_on_one_machine(pair: Any) -> None:
    assert not leaves_machine(pair[0])
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert not leaves_machine(client)


def test_settings() -> None:
    assert configured_codec(SparkConf(False)) == "lz4"
    assert configured_codec(SparkConf(False).set("spark.io.compression.codec", "ZSTD")) == "zstd"
    assert configured_codec(SparkConf(False).set("spark.shuffle.compress", "false")) is None
    with pytest.raises(PySparkValueError, match="lz4, snappy or zstd"):
        SparkConf(False).set("spark.io.compression.codec", "lzf")


class Link:
    """A node `there` with a file server, and a fetcher `here` that takes it for far away."""

    def __init__(self, root: Path, codec: str | None) -> None:
        self.here, self.there = NodeFiles(str(root / "here")), NodeFiles(str(root / "there"))
        self.server = FileServer(self.there.root, SECRET, ("127.0.0.1", (0,)))
        self.fetcher = Fetcher(
            self.here,
            NodeInfo(NodeId("here"), self.here.root),
            SECRET,
            codec=codec,
            wants_codec=lambda _sock: True,
        )
        self.fetcher.update_nodes([NodeInfo(NodeId("there"), self.there.root, self.server.address)])

    def write(self, map_id: int, blocks: list[bytes]) -> MapLocation:
        name = shuffle_format.map_output_name(SHUFFLE, map_id, 0)
        self.there.write_atomic(name, shuffle_format.write([b] for b in blocks))
        return MapLocation(map_id, 0, NodeId("there"))

    def stats(self, num_bytes: int) -> dict[str, int]:
        """What the server counted, once it has counted so much: that is after it was sent."""
        patience = threading.Event()
        while (counted := stats(self.server.address, SECRET, 5.0)).get("bytes", 0) < num_bytes:
            patience.wait(0.01)
        return counted

    def close(self) -> None:
        self.fetcher.close()
        self.server.close()


@pytest.fixture(params=[None, *CODECS])
def link(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Link]:
    made = Link(tmp_path, request.param)
    yield made
    made.close()


BLOCKS = [b"", b"a line of text\n" * 20_000, NOISE[:5000], b"\x00" * (2 * CHUNK)]


def test_shuffle_blocks(link: Link) -> None:
    locations = [link.write(m, BLOCKS[m % 4 :] + BLOCKS[: m % 4]) for m in range(6)]
    got = [bytes(block) for _, block in link.fetcher.fetch(SHUFFLE, 1, locations)]
    assert got == [BLOCKS[(m + 1) % 4] for m in range(6)]
    seen = link.stats(sum(map(len, got)))
    assert seen["bytes"] == sum(map(len, got))
    is_packed = link.fetcher._codec is not None
    assert (seen["sent"] < seen["bytes"] / 10) == is_packed


def test_whole_files_there_and_back(link: Link) -> None:
    data = b"some text, " * 1_500_000 + NOISE
    link.fetcher.store_file(NodeId("there"), "rdd/r1_0.block", data)
    assert bytes(link.there.map_read("rdd/r1_0.block")) == data
    link.fetcher.store_file(NodeId("there"), "tiny", b"x")
    assert bytes(link.there.map_read("tiny")) == b"x"
    assert bytes(link.fetcher.fetch_file(NodeId("there"), "rdd/r1_0.block")) == data
    assert bytes(link.fetcher.fetch_file(NodeId("there"), "tiny")) == b"x"


def test_a_flipped_byte_in_the_file_is_found(link: Link) -> None:
    location = link.write(0, BLOCKS)
    path = link.there.path(shuffle_format.map_output_name(SHUFFLE, 0, 0))
    with open(path, "r+b") as file:
        file.seek(1000)
        file.write(b"?")
    with pytest.raises(Exception, match="checksum"):
        list(link.fetcher.fetch(SHUFFLE, 1, [location]))
    # And where it cannot be compressed to begin with.
    os.truncate(path, 100)
    with pytest.raises(Exception, match="missing or corrupt"):
        list(link.fetcher.fetch(SHUFFLE, 1, [location]))


def test_a_server_without_the_codec_sends_as_it_is(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = link.write(0, BLOCKS)
    monkeypatch.setattr("minispark.runtime.file_server.codec_named", lambda _name: None)
    assert [bytes(b) for _, b in link.fetcher.fetch(SHUFFLE, 3, [location])] == [BLOCKS[3]]
    seen = link.stats(len(BLOCKS[3]))
    assert seen["sent"] == seen["bytes"] == len(BLOCKS[3])


def test_a_reader_without_the_codec_asks_for_none(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = link.write(0, BLOCKS)
    monkeypatch.setattr("minispark.runtime.fetch.codec_named", lambda _name: None)
    assert [bytes(b) for _, b in link.fetcher.fetch(SHUFFLE, 3, [location])] == [BLOCKS[3]]
    assert wire_codec.codec_named("no such codec") is None
