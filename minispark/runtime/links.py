"""The driver's end of an executor; the in-process one is `runtime.inline`."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import struct
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from minispark.ids import ExecutorId, NodeId, ShuffleId
from minispark.runtime.message_reader import MessageReader
from minispark.runtime.messages import StageKey, TaskSpec
from minispark.runtime.vitals import Pulse

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


class Link(Protocol):
    """What the driver does with an executor, whichever way it runs."""

    executor_id: ExecutorId
    node_id: NodeId
    #: Stages whose code the executor has.
    stages: set[StageKey]
    #: Version of the map output locations the executor has.
    inputs: dict[ShuffleId, int]
    #: Version of the user's files the executor was told of.
    files: int

    def send_code(self, data: bytes) -> None:
        """Sends a pickled ``("stage", …)`` message; `OSError` when gone."""

    def send_ctl(self, message: tuple[Any, ...]) -> None:
        """Queues a message behind those sent before; `OSError` when gone."""

    def add_task(self, spec: TaskSpec) -> None:
        """Puts a task behind what was sent before; it goes with `send_tasks`."""

    def send_tasks(self) -> None:
        """Sends the tasks added since, together; `OSError` when gone."""

    def send_svc(self, message: tuple[Any, ...]) -> None:
        """Sends a message that is obeyed at once; `OSError` when gone."""

    def close(self) -> None:
        """Closes the connections."""


class Outbox:
    """Messages to a peer that may not read just now; nobody ever waits for it."""

    def __init__(self, connection: Connection) -> None:
        self.socket: socket.socket = socket.socket(fileno=os.dup(connection.fileno()))
        self.socket.setblocking(True)
        #: What the socket had no room for.
        self._backlog: deque[memoryview] = deque()

    def put(self, data: bytes) -> bool:
        """Queues a pickled message; False when some of it has to wait from now on."""
        size = len(data)
        # The framing of `Connection.send_bytes`.
        head = struct.pack("!i", size) if size < 1 << 31 else struct.pack("!iQ", -1, size)
        had_backlog = bool(self._backlog)
        self._backlog += (memoryview(head), memoryview(data))
        return had_backlog or self.flush()

    def flush(self) -> bool:
        """Writes what the socket takes; whether that was all. `OSError` when gone."""
        backlog = self._backlog
        try:
            while backlog:
                sent = self.socket.sendmsg(islice(backlog, 2), (), socket.MSG_DONTWAIT)
                while backlog and sent >= len(backlog[0]):
                    sent -= len(backlog.popleft())
                if sent:
                    backlog[0] = backlog[0][sent:]
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Drops what waits."""
        self._backlog.clear()
        with contextlib.suppress(OSError):
            self.socket.close()


class ProcessLink:
    """An executor process."""

    def __init__(
        self, executor_id: ExecutorId, node_id: NodeId, pid: int, ctl: Connection, svc: Connection
    ) -> None:
        self.executor_id = executor_id
        self.node_id = node_id
        self.pid = pid
        self.ctl = ctl
        self.svc = svc
        self.stages: set[StageKey] = set()
        self.inputs: dict[ShuffleId, int] = {}
        self.files = 0
        #: The resource profile it was started for.
        self.profile_id = 0
        #: When something last came from the executor (the driver's clock).
        self.heard_s: float = 0.0
        #: The machine it runs on, and what was seen of it there while it was silent.
        self.machine = ""
        self.pulse: Pulse = Pulse()
        #: Told, under the driver's lock, that `flush` has something to do.
        self.on_backlog: Callable[[ProcessLink, Connection], None] = lambda _link, _end: None
        # A busy executor does not read its tasks, a frozen one nothing at all.
        self._outboxes = {ctl: Outbox(ctl), svc: Outbox(svc)}
        #: What came in on *ctl*.
        self.reader: MessageReader = MessageReader(self._outboxes[ctl].socket)
        #: Tasks that have not been sent yet.
        self._tasks: list[TaskSpec] = []

    def send_code(self, data: bytes) -> None:
        """See `Link`; only under the driver's lock. Never waits."""
        self.send_tasks()
        self._put(self.ctl, data)

    def add_task(self, spec: TaskSpec) -> None:
        """See `Link`; only under the driver's lock."""
        self._tasks.append(spec)

    def send_tasks(self) -> None:
        """See `Link`; only under the driver's lock. Never waits."""
        if self._tasks:
            tasks, self._tasks = self._tasks, []
            self._put(self.ctl, pickle.dumps(("tasks", tasks), 5))

    def send_ctl(self, message: tuple[Any, ...]) -> None:
        """See `Link`; only under the driver's lock. Never waits."""
        self.send_code(pickle.dumps(message, 5))

    def send_svc(self, message: tuple[Any, ...]) -> None:
        """See `Link`; only under the driver's lock. Never waits."""
        self._put(self.svc, pickle.dumps(message, 5))

    def _put(self, end: Connection, data: bytes) -> None:
        if not self._outboxes[end].put(data):
            self.on_backlog(self, end)

    def flush(self, end: Connection) -> bool:
        """Writes what one connection takes; whether that was all. `OSError` when gone."""
        return self._outboxes[end].flush()

    def close(self) -> None:
        """See `Link`."""
        for outbox in self._outboxes.values():
            outbox.close()
        for connection in (self.ctl, self.svc):
            with contextlib.suppress(OSError):
                connection.close()

    def shut_down(self) -> None:
        """Ends the connections for whoever reads from them; `close` comes later."""
        for connection in (self.ctl, self.svc):
            with (
                contextlib.suppress(OSError),
                socket.socket(fileno=os.dup(connection.fileno())) as sock,
            ):
                sock.shutdown(socket.SHUT_RDWR)
