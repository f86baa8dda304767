"""File server and fetcher, over real sockets of this machine."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from minispark.errors import CorruptFileError, PySparkRuntimeError, PySparkValueError
from minispark.ids import NodeId, ShuffleId
from minispark.runtime import fetch as fetch_module
from minispark.runtime.boot import NodeInfo
from minispark.runtime.fetch import Fetcher, local_copy_name
from minispark.runtime.file_server import FileServer, ping, stats
from minispark.runtime.file_wire import connect, receive_message, send_message
from minispark.runtime.node_reader import read_verified
from minispark.runtime.ports import parse_ports
from minispark.shuffle import format as shuffle_format
from minispark.shuffle.reader import FetchFailedError, MapLocation
from minispark.storage.files import NodeFiles
from minispark.storage.sealed import load_sealed, sealed
from minispark.storage.values import dump_value
from tests.chaos.damage import DAMAGES

SECRET = b"s" * 32
SHUFFLE = ShuffleId(7)
HERE = NodeId("here")


class Site:
    """Some nodes with file servers, and a fetcher on the node `here`."""

    def __init__(self, tmp_path: object) -> None:
        self.base = str(tmp_path)
        self.servers: dict[str, FileServer] = {}
        self.files: dict[str, NodeFiles] = {"here": NodeFiles(f"{self.base}/here")}
        self.fetchers: list[Fetcher] = []

    def add(self, name: str, unix: bool = False) -> FileServer:
        root = f"{self.base}/{name}"
        bind = f"{self.base}/{name}.sock" if unix else ("127.0.0.1", (0,))
        self.files[name] = NodeFiles(root)
        self.servers[name] = FileServer(root, SECRET, bind)
        return self.servers[name]

    def nodes(self) -> list[NodeInfo]:
        return [
            NodeInfo(NodeId(name), f"{self.base}/{name}", server.address, server.incarnation)
            for name, server in self.servers.items()
        ]

    def fetcher(self, patience: float = 0.0, **options: object) -> Fetcher:
        node = NodeInfo(HERE, self.files["here"].root)
        made = Fetcher(self.files["here"], node, SECRET, patience=patience, **options)  # type: ignore[arg-type]
        made.update_nodes(self.nodes())
        self.fetchers.append(made)
        return made

    def write(self, name: str, map_id: int, blocks: list[bytes], attempt: int = 0) -> MapLocation:
        relpath = shuffle_format.map_output_name(SHUFFLE, map_id, attempt)
        self.files[name].write_atomic(relpath, shuffle_format.write([b] for b in blocks))
        return MapLocation(map_id, attempt, NodeId(name))

    def close(self) -> None:
        for made in self.fetchers:
            made.close()
        for server in self.servers.values():
            server.close()


@pytest.fixture
def site(tmp_path: object) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("minispark-f")]


def got(fetcher: Fetcher, reduce_id: int, at: list[MapLocation]) -> list[tuple[int, bytes]]:
    return [(where.map_id, bytes(block)) for where, block in fetcher.fetch(SHUFFLE, reduce_id, at)]


@pytest.mark.parametrize("unix", [False, True])
def test_blocks_of_several_nodes_come_in_map_order(site: Site, unix: bool) -> None:
    site.add("a", unix)
    site.add("b", unix)
    names = ["here", "a", "b", "a", "here", "b", "a"]
    at = [site.write(n, i, [b"%d" % i * 9, b"", b"x" * i]) for i, n in enumerate(names)]
    fetcher = site.fetcher()
    assert got(fetcher, 0, at) == [(i, b"%d" % i * 9) for i in range(7)]
    assert got(fetcher, 1, at) == [(i, b"") for i in range(7)]
    assert got(fetcher, 2, at[::-1]) == [(i, b"x" * i) for i in range(6, -1, -1)]
    assert got(fetcher, 2, []) == []


def test_a_small_budget_gives_the_same_blocks_in_several_answers(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module, "_MIN_ANSWER", 1)
    site.add("a")
    site.add("b")
    at = [site.write("ab"[i % 2], i, [os.urandom(1000 * (i % 5))]) for i in range(40)]
    whole = got(site.fetcher(), 0, at)
    limits: list[int] = []
    fetcher = site.fetcher(bytes_in_flight=8000)
    ask = fetcher.in_background
    monkeypatch.setattr(fetcher, "in_background", lambda *a: (limits.append(a[-1]), ask(*a))[1])
    assert got(fetcher, 0, at) == whole
    assert len(limits) > 10
    assert set(limits) == {2000}


def test_large_blocks_are_not_harmed(site: Site) -> None:
    site.add("a")
    blocks = [os.urandom(n) for n in (5_000_000, 3, 100_000, 0, 65_536, 65_537)]
    at = [site.write("a", i, [block]) for i, block in enumerate(blocks)]
    assert got(site.fetcher(), 0, at) == list(enumerate(blocks))


def test_a_reader_that_stops_early_leaves_the_connections_usable(site: Site) -> None:
    site.add("a")
    at = [site.write("a", i, [b"x" * 100_000]) for i in range(20)]
    fetcher = site.fetcher(bytes_in_flight=1)
    reader = fetcher.fetch(SHUFFLE, 0, at)
    next(reader)
    reader.close()
    assert [i for i, _ in got(fetcher, 0, at)] == list(range(20))


def test_a_missing_output_is_named_exactly(site: Site) -> None:
    site.add("a")
    at = [site.write("a", i, [b"x"], attempt=i + 10) for i in range(5)]
    for lost in (1, 3):
        site.files["a"].remove(shuffle_format.map_output_name(SHUFFLE, lost, lost + 10))
    with pytest.raises(FetchFailedError) as caught:
        got(site.fetcher(), 0, at)
    assert caught.value.map_attempts == ((1, 11), (3, 13))
    assert caught.value.node_id == "a"
    assert caught.value.shuffle_id == SHUFFLE


@pytest.mark.parametrize("cut", [1, 40])
def test_a_cut_file_is_a_missing_output(site: Site, cut: int) -> None:
    site.add("a")
    at = [site.write("a", i, [b"x" * 100]) for i in range(3)]
    fetcher = site.fetcher()
    assert len(got(fetcher, 0, at)) == 3
    path = site.files["a"].path(shuffle_format.map_output_name(SHUFFLE, 1, 0))
    os.truncate(path, os.path.getsize(path) - cut)
    with pytest.raises(FetchFailedError) as caught:
        got(fetcher, 0, at)
    assert caught.value.map_attempts == ((1, 0),)


def test_a_flipped_bit_in_a_block_is_found_by_the_reader(site: Site) -> None:
    site.add("a")
    at = [site.write("a", i, [b"x" * 100, b"y" * 100]) for i in range(3)]
    path = site.files["a"].path(shuffle_format.map_output_name(SHUFFLE, 2, 0))
    with open(path, "r+b") as file:
        file.seek(150)
        file.write(b"z")
    fetcher = site.fetcher()
    assert len(got(fetcher, 0, at)) == 3
    with pytest.raises(FetchFailedError) as caught:
        got(fetcher, 1, at)
    assert caught.value.map_attempts == ((2, 0),)


def test_a_node_that_is_down_loses_all_it_had_left_to_give(site: Site) -> None:
    site.add("a")
    site.add("b")
    at = [site.write("ab"[i % 2], i, [b"x"]) for i in range(6)]
    fetcher = site.fetcher()
    assert len(got(fetcher, 0, at)) == 6
    site.servers["a"].close()
    with pytest.raises(FetchFailedError) as caught:
        got(fetcher, 0, at)
    assert caught.value.map_attempts == ((0, 0), (2, 0), (4, 0))
    assert caught.value.node_id == "a"


def test_a_restarted_server_is_used_at_its_new_address(site: Site) -> None:
    old = site.add("a")
    at = [site.write("a", 0, [b"x"])]
    fetcher = site.fetcher(patience=30.0)
    assert got(fetcher, 0, at) == [(0, b"x")]
    old.close()
    failed = threading.Event()
    connecting = fetcher._nodes._connect

    def connect_and_tell(node: NodeInfo) -> socket.socket:
        try:
            return connecting(node)
        except ConnectionError:
            failed.set()
            raise

    fetcher._nodes._connect = connect_and_tell  # type: ignore[method-assign]

    def restart() -> None:
        assert failed.wait(30)
        site.add("a")
        fetcher.update_nodes(site.nodes())

    thread = threading.Thread(target=restart)
    thread.start()
    assert got(fetcher, 0, at) == [(0, b"x")]
    thread.join()
    assert site.servers["a"].incarnation != old.incarnation


def test_a_node_left_out_of_the_nodes_is_not_waited_for(site: Site) -> None:
    site.add("a")
    at = [site.write("a", 0, [b"x"])]
    fetcher = site.fetcher(patience=3600.0)
    fetcher.update_nodes([])
    with pytest.raises(FetchFailedError, match="lost"):
        got(fetcher, 0, at)


def test_a_frozen_node_is_given_up_when_it_is_declared_lost(site: Site) -> None:
    site.add("a")
    asked, thaw = threading.Event(), threading.Event()

    class Frozen(FileServer):
        def _answer(self, sock: socket.socket, request: tuple[object, ...]) -> None:
            asked.set()
            thaw.wait()

    site.servers["a"].close()
    site.servers["a"] = Frozen(f"{site.base}/a", SECRET, ("127.0.0.1", (0,)))
    fetcher = site.fetcher(patience=1000.0, idle_timeout=1000.0)
    errors: list[BaseException] = []

    def read() -> None:
        try:
            fetcher.fetch_file(NodeId("a"), "f")
        except ConnectionError as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert asked.wait(30)
    fetcher.update_nodes([])
    reader.join(30)
    thaw.set()
    assert "lost" in str(errors[0])


def test_a_server_counts_what_it_answered(site: Site) -> None:
    address = site.add("a").address
    at = site.write("a", 0, [b"x" * 100, b"y"])
    fetcher = site.fetcher()
    assert got(fetcher, 0, [at]) == [(0, b"x" * 100)]
    assert got(fetcher, 1, [at]) == [(0, b"y")]
    # An answer is counted once it is sent, which is when the fetcher already has it.
    patience = threading.Event()
    while (counted := stats(address, SECRET, 5.0)).get("blocks", 0) < 2:
        patience.wait(0.01)
    assert counted == {"blocks": 2, "bytes": 101, "sent": 101}


def test_addresses_may_come_after_the_task(site: Site) -> None:
    site.add("a")
    at = [site.write("a", 0, [b"x"])]
    fetcher = Fetcher(site.files["here"], NodeInfo(HERE, ""), SECRET, patience=30.0)
    site.fetchers.append(fetcher)
    reader = fetcher.fetch(SHUFFLE, 0, at)
    thread = threading.Thread(target=fetcher.update_nodes, args=(site.nodes(),))
    thread.start()
    assert next(reader)[1] == b"x"
    thread.join()


def test_a_file_is_copied_once_and_mapped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.add("a")
    monkeypatch.setattr(fetch_module, "MAX_RANGE", 1000)
    data = os.urandom(10_500)
    site.files["a"].write_atomic("broadcast/3", [data])
    fetchers = [site.fetcher() for _ in range(4)]
    copies = []
    pieces = Fetcher._pieces
    monkeypatch.setattr(Fetcher, "_pieces", lambda *a: (copies.append(a[2]), pieces(*a))[1])
    results: list[bytes] = []

    def read(fetcher: Fetcher) -> None:
        results.append(bytes(fetcher.fetch_file(NodeId("a"), "broadcast/3")))

    threads = [threading.Thread(target=read, args=(f,)) for f in fetchers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [data] * 4
    assert copies == ["broadcast/3"]
    assert site.files["here"].exists(local_copy_name(NodeId("a"), "broadcast/3"))


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_copy_is_brought_again(site: Site, how: str) -> None:
    site.add("a")
    contents = os.urandom(5000)
    site.files["a"].write_atomic("broadcast/4", sealed(dump_value(contents)))
    fetcher = site.fetcher()

    def read(node: NodeId) -> bytes:
        load = partial(load_sealed, name="it")
        value: bytes = read_verified(fetcher, node, "broadcast/4", load)
        return value

    assert read(NodeId("a")) == contents
    DAMAGES[how](site.files["here"].path(local_copy_name(NodeId("a"), "broadcast/4")))
    assert read(NodeId("a")) == contents
    DAMAGES[how](site.files["a"].path("broadcast/4"))
    assert read(NodeId("a")) == contents, "the copy is as good as ever"
    assert fetcher.forget_copy(NodeId("a"), "broadcast/4")
    with pytest.raises((CorruptFileError, FileNotFoundError)):
        read(NodeId("a"))


def test_empty_and_missing_files(site: Site) -> None:
    site.add("a", unix=True)
    site.files["a"].write_atomic("empty", [])
    fetcher = site.fetcher(patience=3600.0)
    assert bytes(fetcher.fetch_file(NodeId("a"), "empty")) == b""
    with pytest.raises(FileNotFoundError):
        fetcher.fetch_file(NodeId("a"), "nothing")
    assert not site.files["here"].exists(local_copy_name(NodeId("a"), "nothing"))
    with pytest.raises(FileNotFoundError):
        fetcher.fetch_file(HERE, "nothing")


def test_store_and_delete(site: Site) -> None:
    site.add("a")
    fetcher = site.fetcher()
    data = os.urandom(300_000)
    fetcher.store_file(NodeId("a"), "rdd/1_2", data)
    fetcher.store_file(NodeId("a"), "rdd/1_22", b"")
    assert bytes(site.files["a"].map_read("rdd/1_2")) == data
    assert fetcher.remove(NodeId("a"), ["rdd/1_2", "rdd/1_3"]) == 1
    assert site.files["a"].exists("rdd/1_22")
    at = [site.write("a", i, [b"x"]) for i in range(3)]
    assert len(got(fetcher, 0, at)) == 3
    assert fetcher.delete(NodeId("a"), shuffle_format.shuffle_prefix(SHUFFLE)) == 3
    assert not site.servers["a"]._indexes


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", ""])
def test_no_path_leads_out_of_the_directory(site: Site, path: str) -> None:
    site.add("a")
    fetcher = site.fetcher()
    for call in (
        lambda: fetcher.store_file(NodeId("a"), path, b"y" * 100_000),
        lambda: fetcher.delete(NodeId("a"), path),
        lambda: fetcher._request(NodeId("a"), ("range", path, 0, 10, None)),
    ):
        with pytest.raises(PySparkRuntimeError, match="not a path of this node"):
            call()
    fetcher.store_file(NodeId("a"), "good", b"z")


def test_a_stored_file_that_came_damaged_does_not_appear(site: Site) -> None:
    site.add("a")
    fetcher = site.fetcher()
    with pytest.raises(PySparkRuntimeError, match="checksum"):
        fetcher._request(NodeId("a"), ("store", "bad", 3, 1, None), (b"abc",))
    assert not site.files["a"].exists("bad")


def test_silent_and_lying_peers_disturb_nobody(site: Site) -> None:
    server = site.add("a")
    assert isinstance(server.address, tuple)
    silent = [socket.create_connection(server.address) for _ in range(5)]
    liar = socket.create_connection(server.address)
    liar.sendall(b"\x00\x00\x00\x05hello")
    with pytest.raises(ConnectionError):
        connect(server.address, b"wrong" * 8)
    assert ping(server.address, SECRET, 5.0) == server.incarnation
    for peer in [*silent, liar]:
        peer.close()


def test_nothing_is_unpickled_for_a_peer_without_the_secret(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = site.add("a")
    reached: list[object] = []
    monkeypatch.setattr("minispark.runtime.file_server.receive_message", reached.append)
    assert isinstance(server.address, tuple)
    peer = socket.create_connection(server.address, timeout=10)
    with peer, contextlib.suppress(OSError):
        send_message(peer, ("ping",))
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(4096):
            continue
    server.close()
    assert reached == []


def test_idle_connections_make_room(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minispark.runtime.file_server._MAX_CONNECTIONS", 3)
    server = site.add("a")
    socks = []
    for _ in range(6):
        sock = connect(server.address, SECRET)
        send_message(sock, ("ping",))
        assert receive_message(sock) == ("ok", server.incarnation)
        socks.append(sock)
    # As a rule the first of them; which are idle already is the server's threads' to say.
    hung_up = select.select(socks, [], [], 30)[0]
    assert hung_up
    assert {sock.recv(1) for sock in hung_up} == {b""}
    for sock in socks:
        sock.close()


@pytest.mark.parametrize("close_first", [True, False])
def test_close_ends_connections_and_threads(site: Site, close_first: bool) -> None:
    server = site.add("a", unix=True)
    sock = connect(server.address, SECRET)
    send_message(sock, ("ping",))
    receive_message(sock)
    if close_first:
        sock.close()
    server.close()
    server.close()
    assert not os.path.exists(str(server.address))
    sock.close()


def test_ports() -> None:
    assert list(parse_ports("")) == [0]
    assert list(parse_ports("0")) == [0]
    assert list(parse_ports("7000:7002")) == [7000, 7001, 7002]
    assert len(parse_ports("7000")) == 17
    for wrong in ("x", "1:y", "-3"):
        with pytest.raises(PySparkValueError):
            parse_ports(wrong)


def test_a_taken_port_makes_way_for_the_next(tmp_path: object) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = FileServer(str(tmp_path), SECRET, ("127.0.0.1", (port, 0)))
        assert isinstance(server.address, tuple)
        assert server.address[1] not in (0, port)
        server.close()
        with pytest.raises(PySparkRuntimeError, match="free"):
            FileServer(str(tmp_path), SECRET, ("127.0.0.1", (port,)))
