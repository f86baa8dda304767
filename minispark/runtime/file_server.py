"""Serves the files of one node to other nodes: shuffle blocks, cached blocks, broadcasts.

Runs in the driver process and in every node's agent. Each connection has a
thread, so a slow peer delays nobody else; their number is bounded, and the
longest idle connection makes room for a new one. A peer that does not pass
the handshake in time is dropped before anything of it is read.

Requests are tuples, answered by `("ok", …)`, where raw bytes may follow, or by
`("error", kind, text)`:

======================================  ===========================================
``ping``                                incarnation
``stats``                               requests answered, by kind, and bytes
``cpu pid machine``                     processor time of a process's main thread, or None
``blocks shuffle reduce maps limit c``  (length, crc) of each block, -1 if missing;
                                        then as many blocks as fit into the limit
``range path offset length c``          file size, bytes that follow, their crc
``delete prefix``                       number of files and directories removed
``remove paths``                        number of files removed
``store path size crc c``               (bytes follow the request)
======================================  ===========================================

`c` names a codec for the raw bytes, or is None; answers end with the codec that
was used (`wire_codec`). Lengths and checksums are those of the bytes themselves.

Knows nothing of records and of who needs what.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
import zlib
from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Any

from minispark.errors import PySparkRuntimeError, PySparkValueError
from minispark.runtime.boot import Address
from minispark.runtime.file_wire import (
    PeerRefused,
    connect,
    handshake,
    receive_message,
    send_message,
)
from minispark.runtime.ports import listen
from minispark.runtime.vitals import machine, main_thread_cpu_s
from minispark.runtime.wire_codec import (
    MAX_PIECE,
    MIN_BYTES,
    Received,
    codec_named,
    send_packed,
)
from minispark.shuffle.format import (
    CorruptBlockError,
    MapOutputIndex,
    map_output_name,
    open_index,
    raw_block_range,
)
from minispark.storage.files import NodeFiles

_log = logging.getLogger("minispark.files")

#: A peer that takes nothing of an answer for this long is dropped.
_IDLE_S = 60.0
_MAX_CONNECTIONS = 512
_MAX_HANDSHAKES = 64
_MAX_INDEXES = 4096
#: Largest answer to one `range`; also the piece in which files are received.
MAX_RANGE = MAX_PIECE

#: Length of a block that is not there.
MISSING = -1


def ping(address: Address, secret: bytes, timeout: float) -> int:
    """The incarnation of the server at `address`."""
    with connect(address, secret, timeout) as sock:
        sock.settimeout(timeout)
        send_message(sock, ("ping",))
        return int(receive_message(sock)[1])


def stats(address: Address, secret: bytes, timeout: float) -> dict[str, int]:
    """What the server at `address` has answered: requests by kind, `"bytes"` of payload,
    and `"sent"`, what these were on the wire."""
    with connect(address, secret, timeout) as sock:
        sock.settimeout(timeout)
        send_message(sock, ("stats",))
        return dict(receive_message(sock)[1])


def cpu_s(address: Address, secret: bytes, pid: int, where: str, timeout: float) -> float | None:
    """Processor time of a process's main thread on the server's machine, if it is there."""
    with connect(address, secret, timeout) as sock:
        sock.settimeout(timeout)
        send_message(sock, ("cpu", pid, where))
        found = receive_message(sock)[1]
        return None if found is None else float(found)


class _Peer:
    """One authenticated connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        #: When its last request ended; None while one is served.
        self.idle_since: float | None = time.monotonic()


class FileServer:
    """Serves the directory `root` from the moment it is made until `close()`.

    Parameters
    ----------
    bind
        The path of a Unix socket, or a host and the ports to try in order.
    """

    def __init__(self, root: str, secret: bytes, bind: str | tuple[str, Sequence[int]]) -> None:
        self._files = NodeFiles(root)
        self._secret = secret
        #: Distinguishes this server from one that was at its place before.
        self.incarnation: int = time.time_ns()
        self._listener = listen(bind)
        #: Where it is reached.
        self.address: Address = (
            bind if isinstance(bind, str) else (bind[0], self._listener.getsockname()[1])
        )
        self._lock = threading.Lock()
        self._peers: dict[threading.Thread, _Peer | None] = {}
        self._handshakes = 0
        self._last_request = time.monotonic()
        self._indexes: OrderedDict[str, tuple[memoryview, MapOutputIndex]] = OrderedDict()
        #: Requests by kind, and the bytes that followed the answers.
        self._answered: Counter[str] = Counter()
        self._closed = False
        self._acceptor = threading.Thread(
            target=self._accept, name="minispark-file-server", daemon=True
        )
        self._acceptor.start()

    def idle_seconds(self) -> float:
        """Time since anybody asked for anything."""
        return time.monotonic() - self._last_request

    def delete(self, prefix: str) -> int:
        """Removes the files and directories whose name begins so; how many.

        To be used instead of removing them behind the server's back: a file
        that is still mapped keeps its disk space.
        """
        removed = self._files.remove_prefix(_inside(prefix))
        with self._lock:
            for name in [n for n in self._indexes if n.startswith(prefix)]:
                del self._indexes[name]
        return removed

    def close(self) -> None:
        """Ends all connections and threads. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            threads = list(self._peers)
            for peer in self._peers.values():
                if peer is not None:
                    _hang_up(peer.sock)
        # Wakes the acceptor on every system; closing alone does not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()
        if isinstance(self.address, str):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.address)

    # ------------------------------------------------------------ connections

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError as error:
                if self._closed:
                    return
                # Out of descriptors, or a peer that left already: go on.
                _log.warning("cannot accept a connection: %s", error)
                time.sleep(0.05)
                continue
            with self._lock:
                if self._closed or self._handshakes >= _MAX_HANDSHAKES:
                    sock.close()
                    continue
                if len(self._peers) >= _MAX_CONNECTIONS:
                    self._evict_one()
                self._handshakes += 1
                thread = threading.Thread(
                    target=self._attend, args=(sock,), name="minispark-file-peer", daemon=True
                )
                self._peers[thread] = None
                thread.start()

    def _evict_one(self) -> None:
        idle = [p for p in self._peers.values() if p is not None and p.idle_since is not None]
        if idle:
            _hang_up(min(idle, key=lambda p: p.idle_since or 0.0).sock)

    def _attend(self, sock: socket.socket) -> None:
        try:
            with sock:
                try:
                    handshake(sock, self._secret, is_server=True)
                finally:
                    with self._lock:
                        self._handshakes -= 1
                peer = _Peer(sock)
                with self._lock:
                    if self._closed:
                        return
                    self._peers[threading.current_thread()] = peer
                self._converse(peer)
        except PeerRefused as error:
            _log.warning("dropped a peer: %s", error)
        except (EOFError, OSError):
            return  # it hung up, or is silent: the client's side reports that
        finally:
            with self._lock:
                del self._peers[threading.current_thread()]

    def _converse(self, peer: _Peer) -> None:
        sock = peer.sock
        while True:
            # Between requests a client may be silent for as long as it likes.
            sock.settimeout(None)
            request = receive_message(sock)
            sock.settimeout(_IDLE_S)
            peer.idle_since = None
            self._last_request = time.monotonic()
            self._answer(sock, request)
            peer.idle_since = self._last_request = time.monotonic()

    # --------------------------------------------------------------- requests

    def _answer(self, sock: socket.socket, request: tuple[Any, ...]) -> None:
        kind, args = request[0], request[1:]
        payload: Sequence[Any] = ()
        codec: Any = None
        try:
            if kind == "ping":
                answer: tuple[Any, ...] = ("ok", self.incarnation)
            elif kind == "stats":
                with self._lock:
                    answer = ("ok", dict(self._answered))
            elif kind == "cpu":
                pid, where = args
                answer = ("ok", main_thread_cpu_s(pid) if where == machine() else None)
            elif kind == "blocks":
                answer, payload = self._blocks(*args[:-1])
                codec = args[-1]
            elif kind == "range":
                answer, payload = self._range(*args[:-1])
                codec = args[-1]
            elif kind == "delete":
                answer = ("ok", self.delete(args[0]))
            elif kind == "remove":
                answer = ("ok", sum(self._files.remove(_inside(path)) for path in args[0]))
            elif kind == "store":
                answer = self._store(sock, *args)
            else:
                answer = ("error", "ValueError", f"unknown request {kind!r}")
        except (OSError, PySparkRuntimeError, PySparkValueError) as error:
            if isinstance(error, (ConnectionError, TimeoutError)):
                raise
            answer, payload = ("error", type(error).__name__, str(error)), ()
        size = sum(map(len, payload))
        used = codec_named(codec) if size >= MIN_BYTES else None
        if kind in ("blocks", "range") and answer[0] == "ok":
            answer = (*answer, codec if used is not None else None)
        if used is None:
            send_message(sock, answer, payload)
            sent = size
        else:
            send_message(sock, answer)
            sent = send_packed(sock, payload, used)
        with self._lock:
            self._answered[kind] += 1
            self._answered["bytes"] += size
            self._answered["sent"] += sent

    def _blocks(
        self, shuffle_id: int, reduce_id: int, maps: Sequence[tuple[int, int]], limit: int
    ) -> tuple[tuple[Any, ...], list[memoryview]]:
        found: list[tuple[int, int]] = []
        payload: list[memoryview] = []
        size = 0
        is_full = False
        for map_id, attempt in maps:
            try:
                data, index = self._index(map_output_name(shuffle_id, map_id, attempt))
                if reduce_id >= index.num_reducers:
                    raise CorruptBlockError(f"it has {index.num_reducers} blocks only")
            except (OSError, CorruptBlockError) as error:
                _log.info("no block of map output %s/%s: %s", shuffle_id, map_id, error)
                found.append((MISSING, 0))
                # Blocks are given up to the first that is missing.
                is_full = True
                continue
            offset, length, crc = raw_block_range(index, reduce_id)
            found.append((length, crc))
            # Always one, or a block larger than the limit would never come.
            is_full = is_full or (bool(payload) and size + length > limit)
            if not is_full:
                payload.append(data[offset : offset + length])
                size += length
        return ("ok", found, len(payload)), payload

    def _index(self, name: str) -> tuple[memoryview, MapOutputIndex]:
        data = self._files.map_read(name)
        with self._lock:
            known = self._indexes.get(name)
        if known is not None and known[0] is data:
            return known
        entry = (data, open_index(data))
        with self._lock:
            self._indexes[name] = entry
            while len(self._indexes) > _MAX_INDEXES:
                self._indexes.popitem(last=False)
        return entry

    def _range(
        self, path: str, offset: int, length: int
    ) -> tuple[tuple[Any, ...], list[memoryview]]:
        data = self._files.map_read(_inside(path))
        piece = data[offset : offset + min(length, MAX_RANGE)]
        return ("ok", len(data), len(piece), zlib.crc32(piece)), [piece]

    def _store(
        self, sock: socket.socket, path: str, size: int, crc: int, codec: str | None
    ) -> tuple[Any, ...]:
        pieces = Received(sock, size, crc, codec_named(codec))
        try:
            self._files.write_atomic(_inside(path), pieces)
        except (ConnectionError, EOFError, TimeoutError):
            raise
        except (OSError, PySparkRuntimeError, PySparkValueError):
            # The rest of the file stands between us and the next request.
            with contextlib.suppress(CorruptBlockError):
                for _ in pieces:
                    continue
            raise
        return ("ok",)


def _inside(path: str) -> str:
    """The path, if it cannot lead out of the directory."""
    if os.path.isabs(path) or ".." in path.split("/") or not path:
        raise PySparkValueError(f"not a path of this node: {path!r}")
    return path


def _hang_up(sock: socket.socket) -> None:
    # Wakes the thread that reads it; closing under its hands would not.
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
