"""Reading files of all nodes: mapped when they are here, requested when they are not.

Of each other node a reduce task asks for all its blocks at once; the answer
carries the length and checksum of every one, and the first of them up to the
node's share of the byte budget. The rest is asked for when those are taken
up, one answer ahead. So memory is bounded by the budget (or one block per
node, where blocks are larger), all nodes work at the same time, and no node
waits for a reader that thinks.

When a node cannot be reached (`node_connections` has tried), or outputs are
missing, exactly those are named in a `FetchFailedError`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from minispark.errors import PySparkRuntimeError
from minispark.ids import NodeId, ShuffleId
from minispark.runtime.boot import DRIVER_NODE, NodeInfo
from minispark.runtime.file_server import MAX_RANGE, MISSING
from minispark.runtime.file_wire import (
    CONNECT_TIMEOUT_S,
    IDLE_TIMEOUT_S,
    receive_message,
    send_message,
)
from minispark.runtime.node_connections import NodeConnections
from minispark.runtime.wire_codec import (
    MIN_BYTES,
    codec_named,
    leaves_machine,
    receive_payload,
    send_packed,
)
from minispark.shuffle.format import CorruptBlockError, shuffle_prefix, verified
from minispark.shuffle.reader import FetchFailedError, LocalFetcher, MapLocation, fetch_failed
from minispark.storage.checked import Checked
from minispark.storage.files import NodeFiles

#: Bytes of blocks of other nodes a reduce task has in memory, as in Spark.
BYTES_IN_FLIGHT = 48 << 20
_MIN_ANSWER = 256 << 10
#: Answers that are received at the same time.
_MAX_REQUESTS = 8


def local_copy_name(node_id: NodeId, relpath: str) -> str:
    """Where the copy of another node's file is kept in a node's directory."""
    return f"remote/{node_id}/{relpath}"


def copy_files(node_id: NodeId, relpath: str) -> list[str]:
    """All that a copy consists of, for removing it."""
    name = local_copy_name(node_id, relpath)
    return [name, f"{name}.lock"]


class _Answer:
    """One answer to a request for blocks, still to be verified."""

    def __init__(self, sizes: list[tuple[int, int]], blocks: list[memoryview]) -> None:
        #: (length, crc) of every block asked for.
        self.sizes = sizes
        #: The first of them.
        self.blocks = blocks


class _Source:
    """The blocks one reduce task wants of one node, brought answer by answer."""

    def __init__(
        self, fetcher: Fetcher, shuffle_id: ShuffleId, reduce_id: int, locations: list[MapLocation]
    ) -> None:
        self._fetcher = fetcher
        self._shuffle_id = shuffle_id
        self._reduce_id = reduce_id
        #: Asked for, or to be asked for; the first `_given` are done.
        self._locations = locations
        self._given = 0
        self._requested = 0
        self._blocks: list[memoryview] = []
        self._sizes: list[tuple[int, int]] = []
        self._next: Future[_Answer] | None = None

    def request(self, limit: int) -> None:
        """Asks for what comes next, in the background."""
        wanted = self._locations[self._requested :]
        if wanted:
            maps = [(at.map_id, at.attempt) for at in wanted]
            self._next = self._fetcher.in_background(
                wanted[0].node_id, self._shuffle_id, self._reduce_id, maps, limit
            )
        else:
            self._next = None

    def take(self, location: MapLocation, limit: int) -> memoryview:
        """The next block, verified."""
        if not self._blocks:
            self._receive(limit)
        block = self._blocks.pop(0)
        length, crc = self._sizes.pop(0)
        self._given += 1
        try:
            return verified(block, length, crc)
        except CorruptBlockError as error:
            raise fetch_failed(self._shuffle_id, location, error) from error

    def _receive(self, limit: int) -> None:
        assert self._next is not None
        try:
            answer = self._next.result()
        except (OSError, EOFError, PySparkRuntimeError) as error:
            raise self._failed(self._locations[self._given :], str(error)) from error
        wanted = self._locations[self._requested :]
        missing = [
            at for at, (size, _) in zip(wanted, answer.sizes, strict=True) if size == MISSING
        ]
        if missing:
            raise self._failed(missing, "missing or corrupt")
        if not answer.blocks:
            raise self._failed(wanted, "the answer was empty")
        self._blocks = answer.blocks
        self._sizes = answer.sizes[: len(answer.blocks)]
        self._requested += len(answer.blocks)
        # One answer ahead of the reader.
        self.request(limit)

    def _failed(self, locations: list[MapLocation], why: str) -> FetchFailedError:
        node_id = locations[0].node_id
        return FetchFailedError(
            self._shuffle_id,
            tuple((at.map_id, at.attempt) for at in locations),
            node_id,
            f"Cannot fetch {len(locations)} map outputs of shuffle {self._shuffle_id} from node "
            f"{node_id}: {why}",
        )

    def cancel(self) -> None:
        if self._next is not None:
            self._next.cancel()


class Fetcher:
    """Files of this node and of the others. Thread-safe.

    Parameters
    ----------
    local
        The directory of this node.
    node
        This node; its files are never asked for by a message.
    patience
        How long a node that cannot be reached is tried again, in seconds.
    codec
        Spark's name of the codec for what `wants_codec(connection)`: by default,
        for what other machines send and get.
    """

    def __init__(
        self,
        local: NodeFiles,
        node: NodeInfo,
        secret: bytes,
        *,
        connect_timeout: float = CONNECT_TIMEOUT_S,
        idle_timeout: float = IDLE_TIMEOUT_S,
        patience: float = 5.0,
        bytes_in_flight: int = BYTES_IN_FLIGHT,
        codec: str | None = None,
        wants_codec: Callable[[socket.socket], bool] = leaves_machine,
    ) -> None:
        self._files = local
        self._node_id = node.node_id
        self._peers: tuple[NodeId, ...] = ()
        self._nodes = NodeConnections(secret, connect_timeout, idle_timeout, patience)
        self._bytes_in_flight = bytes_in_flight
        self._codec = codec
        self._wants_codec = wants_codec
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._locals = threading.local()

    def update_nodes(self, nodes: Sequence[NodeInfo]) -> None:
        """Learns the addresses of all nodes there are; those left out are gone."""
        others = [node for node in nodes if node.node_id != self._node_id]
        self._peers = tuple(sorted(n.node_id for n in others if n.node_id != DRIVER_NODE))
        self._nodes.update(others)

    def close(self) -> None:
        """Closes the connections that are kept."""
        self._nodes.close()
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)

    def fetch(
        self, shuffle_id: ShuffleId, reduce_id: int, locations: Sequence[MapLocation]
    ) -> Iterator[tuple[MapLocation, memoryview | Checked]]:
        """See `BlockFetcher`."""
        by_node: dict[NodeId, list[MapLocation]] = {}
        for location in locations:
            by_node.setdefault(location.node_id, []).append(location)
        here = by_node.pop(self._node_id, [])
        # One answer being read and one ahead, per node.
        limit = max(_MIN_ANSWER, self._bytes_in_flight // max(1, 2 * len(by_node)))
        sources = {
            node_id: _Source(self, shuffle_id, reduce_id, wanted)
            for node_id, wanted in by_node.items()
        }
        local = self._local().fetch(shuffle_id, reduce_id, here)
        try:
            for source in sources.values():
                source.request(limit)
            for location in locations:
                if location.node_id == self._node_id:
                    yield next(local)
                else:
                    yield location, sources[location.node_id].take(location, limit)
        finally:
            for source in sources.values():
                source.cancel()

    def _local(self) -> LocalFetcher:
        # Its cache of indexes is not thread-safe.
        fetcher = getattr(self._locals, "fetcher", None)
        if fetcher is None:
            fetcher = self._locals.fetcher = LocalFetcher(self._files)
        return fetcher

    def forget_shuffle(self, shuffle_id: ShuffleId) -> None:
        """See `NodeReader`."""
        self._local().forget(shuffle_prefix(shuffle_id))

    def in_background(
        self,
        node_id: NodeId,
        shuffle_id: ShuffleId,
        reduce_id: int,
        maps: list[tuple[int, int]],
        limit: int,
    ) -> Future[_Answer]:
        """Starts one request for blocks."""

        def exchange(sock: socket.socket) -> _Answer:
            request = ("blocks", shuffle_id, reduce_id, maps, limit, self._codec_for(sock))
            send_message(sock, request)
            _, sizes, count, codec = _checked(receive_message(sock))
            lengths = [length for length, _ in sizes[:count]]
            buffer = memoryview(bytearray(sum(lengths)))
            receive_payload(sock, buffer, codec_named(codec))
            blocks = []
            for length in lengths:
                blocks.append(buffer[:length])
                buffer = buffer[length:]
            return _Answer(sizes, blocks)

        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_MAX_REQUESTS, "minispark-fetch")
            return self._pool.submit(self._nodes.ask, node_id, exchange)

    def _codec_for(self, sock: socket.socket) -> str | None:
        """What is worth compressing on this connection is asked for with this codec."""
        wanted = self._codec is not None and self._wants_codec(sock)
        return self._codec if wanted and codec_named(self._codec) is not None else None

    # ---------------------------------------------------------------- whole files

    def fetch_file(self, node_id: NodeId, relpath: str) -> memoryview:
        """A whole file, mapped; another node's is copied to this node, once for all executors.

        Raises
        ------
        FileNotFoundError
            The node has no such file.
        ConnectionError
            The node cannot be reached.
        """
        if node_id == self._node_id:
            return self._files.map_once(relpath)
        name = local_copy_name(node_id, relpath)
        with contextlib.suppress(FileNotFoundError):
            return self._files.map_once(name)
        return self._copy(node_id, relpath, name)

    def _copy(self, node_id: NodeId, relpath: str, name: str) -> memoryview:
        path = self._files.path(name)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        # The kernel frees the lock of an executor that dies while copying.
        with open(f"{path}.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._files.exists(name):
                self._files.write_atomic(name, self._pieces(node_id, relpath))
            return self._files.map_once(name)

    def forget_copy(self, node_id: NodeId, relpath: str) -> bool:
        """Removes this node's copy of another node's file; False when it is no copy."""
        return node_id != self._node_id and self._files.remove(local_copy_name(node_id, relpath))

    @property
    def others(self) -> Fetcher:
        """See `NodeReader`."""
        return self

    def peers(self) -> Sequence[NodeId]:
        """See `OtherNodes`. Never the driver's node: it need not have room."""
        return self._peers

    def copy_file(self, node_id: NodeId, relpath: str) -> None:
        """See `OtherNodes`; raises as `fetch_file`."""
        self._copy(node_id, relpath, relpath)

    def store_file(self, node_id: NodeId, relpath: str, data: bytes | memoryview) -> None:
        """See `OtherNodes`."""
        crc = zlib.crc32(data)

        def exchange(sock: socket.socket) -> tuple[Any, ...]:
            codec = self._codec_for(sock) if len(data) >= MIN_BYTES else None
            message = ("store", relpath, len(data), crc, codec)
            if codec is None:
                send_message(sock, message, (memoryview(data),))
            else:
                send_message(sock, message)
                send_packed(sock, (data,), codec_named(codec))
            return _checked(receive_message(sock))

        self._nodes.ask(node_id, exchange)

    def delete(self, node_id: NodeId, prefix: str) -> int:
        """Removes the files of a node whose name begins so; how many."""
        return int(self._request(node_id, ("delete", prefix))[1])

    def remove(self, node_id: NodeId, relpaths: Sequence[str]) -> int:
        """Removes exactly these files of a node; how many there were."""
        return int(self._request(node_id, ("remove", list(relpaths)))[1])

    def _request(
        self, node_id: NodeId, message: tuple[Any, ...], payload: Sequence[Any] = ()
    ) -> tuple[Any, ...]:
        def exchange(sock: socket.socket) -> tuple[Any, ...]:
            send_message(sock, message, payload)
            return _checked(receive_message(sock))

        return self._nodes.ask(node_id, exchange)

    def _pieces(self, node_id: NodeId, relpath: str) -> Iterator[bytes]:
        offset = 0
        while True:

            def exchange(sock: socket.socket, offset: int = offset) -> tuple[int, bytearray, int]:
                send_message(sock, ("range", relpath, offset, MAX_RANGE, self._codec_for(sock)))
                _, total, length, crc, codec = _checked(receive_message(sock))
                piece = bytearray(length)
                receive_payload(sock, memoryview(piece), codec_named(codec))
                return total, piece, crc

            total, piece, crc = self._nodes.ask(node_id, exchange)
            if zlib.crc32(piece) != crc or (not piece and offset < total):
                raise CorruptBlockError(f"{relpath} of node {node_id} came damaged")
            yield bytes(piece)
            offset += len(piece)
            if offset >= total:
                return


def _checked(answer: tuple[Any, ...]) -> tuple[Any, ...]:
    if answer[0] == "ok":
        return answer
    _, kind, text = answer
    if kind == "FileNotFoundError":
        raise FileNotFoundError(errno.ENOENT, text)
    raise PySparkRuntimeError(f"the node answered {kind}: {text}")
