"""The driver's end of an executor; the in-process one is `runtime.inline`."""

from __future__ import annotations

import contextlib
import threading
from multiprocessing.connection import Connection
from typing import Any, Protocol

from minispark.ids import ExecutorId, NodeId, ShuffleId
from minispark.runtime.messages import StageKey, send


class Link(Protocol):
    """What the driver does with an executor, whichever way it runs."""

    executor_id: ExecutorId
    node_id: NodeId
    #: Stages whose code the executor has.
    stages: set[StageKey]
    #: Version of the map output locations the executor has.
    inputs: dict[ShuffleId, int]

    def send_code(self, data: bytes) -> None:
        """Sends a pickled ``("stage", …)`` message; `OSError` when gone."""

    def send_ctl(self, message: tuple[Any, ...]) -> None:
        """Queues a message behind those sent before; `OSError` when gone."""

    def send_svc(self, message: tuple[Any, ...]) -> None:
        """Sends a message that is obeyed at once; `OSError` when gone."""

    def close(self) -> None:
        """Closes the connections."""


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
        #: When something last came from the executor (the driver's clock).
        self.heard_s = 0.0
        self._svc_lock = threading.Lock()

    def send_code(self, data: bytes) -> None:
        """See `Link`; only under the driver's lock."""
        self.ctl.send_bytes(data)

    def send_ctl(self, message: tuple[Any, ...]) -> None:
        """See `Link`; only under the driver's lock."""
        send(self.ctl, message)

    def send_svc(self, message: tuple[Any, ...]) -> None:
        """See `Link`."""
        with self._svc_lock:
            send(self.svc, message)

    def close(self) -> None:
        """See `Link`."""
        for connection in (self.ctl, self.svc):
            with contextlib.suppress(OSError):
                connection.close()
