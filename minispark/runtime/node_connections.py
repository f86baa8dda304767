"""Where the nodes are, and connections to their file servers, kept for the next request.

A connection that was kept and turns out dead is opened anew at once. A node
that cannot be reached is tried for some seconds, at the address it has then
(its agent may be restarting); a node known to be gone is not. Knows nothing
of what is asked.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from minispark.ids import NodeId
from minispark.runtime.boot import NodeInfo
from minispark.runtime.file_wire import PeerRefused, connect

_T = TypeVar("_T")

#: Connections kept per node, and in all.
_KEPT_PER_NODE = 4
_KEPT = 64
_RETRY_PAUSE_S = 0.2


class NodeGone(ConnectionError):
    """The node is not, or no longer, part of the application."""


class NodeConnections:
    """Addresses of nodes and connections to them. Thread-safe."""

    def __init__(
        self, secret: bytes, connect_timeout: float, idle_timeout: float, patience: float
    ) -> None:
        self._secret = secret
        self._connect_timeout = connect_timeout
        self._idle_timeout = idle_timeout
        self._patience = patience
        self._changed = threading.Condition()
        self._nodes: dict[NodeId, NodeInfo] = {}
        #: Nodes that were known once and are not any more.
        self._gone: set[NodeId] = set()
        #: Idle connections, the longest unused first.
        self._kept: list[tuple[NodeInfo, socket.socket]] = []
        #: Connections on which an answer is awaited.
        self._busy: dict[socket.socket, NodeInfo] = {}
        self._closed = False

    def update(self, nodes: Sequence[NodeInfo]) -> None:
        """Learns all nodes there are; those left out are gone."""
        with self._changed:
            now = {node.node_id: node for node in nodes}
            self._gone = (self._gone | self._nodes.keys()) - now.keys()
            self._nodes = now
            stale = [entry for entry in self._kept if entry[0] not in nodes]
            self._kept = [entry for entry in self._kept if entry[0] in nodes]
            for sock, node in self._busy.items():
                if node not in nodes:
                    # A frozen machine never hangs up: its readers are woken here.
                    with contextlib.suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)
            self._changed.notify_all()
        for _, sock in stale:
            sock.close()

    def ask(self, node_id: NodeId, exchange: Callable[[socket.socket], _T]) -> _T:
        """Runs one request and answer; repeats it where that may help.

        `exchange` must be repeatable from its start.
        """
        deadline = time.monotonic() + self._patience
        while True:
            try:
                kept = self._take_kept(node_id)
                if kept is not None:
                    try:
                        return self._run(*kept, exchange)
                    except (ConnectionError, EOFError):
                        pass  # it went stale while it was kept: open another one
                node = self._node(node_id, deadline)
                return self._run(node, self._connect(node), exchange)
            except (PeerRefused, NodeGone):
                raise
            except (OSError, EOFError) as error:
                if not _is_unreachable(error):
                    raise
                if time.monotonic() + _RETRY_PAUSE_S > deadline:
                    raise ConnectionError(f"{type(error).__name__}: {error}") from error
            with self._changed:
                self._changed.wait(_RETRY_PAUSE_S)

    def _connect(self, node: NodeInfo) -> socket.socket:
        assert node.address is not None
        try:
            sock = connect(node.address, self._secret, self._connect_timeout)
        except FileNotFoundError as error:
            # A Unix socket that is gone; not to be taken for a missing file.
            raise ConnectionRefusedError(str(error)) from error
        sock.settimeout(self._idle_timeout)
        return sock

    def _run(
        self, node: NodeInfo, sock: socket.socket, exchange: Callable[[socket.socket], _T]
    ) -> _T:
        with self._changed:
            is_current = self._nodes.get(node.node_id) == node
            self._busy[sock] = node
        try:
            if not is_current:
                raise ConnectionResetError("the node went while it was being connected")
            result = exchange(sock)
        except BaseException:
            # Whatever stands unread in it must not answer the next request.
            self._done(sock)
            sock.close()
            raise
        self._done(sock)
        self._keep(node, sock)
        return result

    def _done(self, sock: socket.socket) -> None:
        with self._changed:
            del self._busy[sock]

    def _node(self, node_id: NodeId, deadline: float) -> NodeInfo:
        """The node, awaited if nobody told of it yet: tasks may come before addresses."""
        with self._changed:
            while True:
                node = self._nodes.get(node_id)
                if node is not None and node.address is not None:
                    return node
                left = deadline - time.monotonic()
                if node_id in self._gone or self._closed or left <= 0:
                    raise NodeGone(f"node {node_id} is not known, or lost")
                self._changed.wait(left)

    def _take_kept(self, node_id: NodeId) -> tuple[NodeInfo, socket.socket] | None:
        with self._changed:
            for position in range(len(self._kept) - 1, -1, -1):
                if self._kept[position][0].node_id == node_id:
                    return self._kept.pop(position)
        return None

    def _keep(self, node: NodeInfo, sock: socket.socket) -> None:
        surplus: list[socket.socket] = []
        with self._changed:
            same = sum(entry[0].node_id == node.node_id for entry in self._kept)
            is_current = self._nodes.get(node.node_id) == node
            if self._closed or not is_current or same >= _KEPT_PER_NODE:
                surplus.append(sock)
            else:
                self._kept.append((node, sock))
            while len(self._kept) > _KEPT:
                surplus.append(self._kept.pop(0)[1])
        for old in surplus:
            old.close()

    def close(self) -> None:
        """Closes what is kept, and keeps nothing any more."""
        with self._changed:
            self._closed = True
            kept, self._kept = self._kept, []
            self._changed.notify_all()
        for _, sock in kept:
            sock.close()


def _is_unreachable(error: BaseException) -> bool:
    if isinstance(error, (ConnectionError, EOFError, TimeoutError)):
        return True
    return isinstance(error, OSError) and error.errno in (
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.EAGAIN,
    )
