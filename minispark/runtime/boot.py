"""What an executor process is told at its start, and how launchers report.

One executor, one transport, three launchers: a launcher only brings a process
to the point where it calls `minispark.runtime.serve.serve(boot)`; everything
after that goes over the executor's own connections to the driver.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from minispark.ids import ExecutorId, NodeId
from minispark.records import field, record
from minispark.runtime.slots import Slot

#: The node of the driver itself.
DRIVER_NODE = NodeId("driver")

#: Where a listener is: a Unix socket's path, or (host, port).
Address = str | tuple[str, int]


@record
class NodeInfo:
    """One node's directory and, unless it is the driver's own, its file server."""

    node_id: NodeId
    #: The node-local directory; private (0700), removed at the end.
    root: str
    #: The node's file server; every node but a purely local one has one.
    address: Address | None = None
    #: Changes when the file server was restarted.
    incarnation: int = 0


@record
class ExecutorBoot:
    """Everything an executor process needs before its first message."""

    executor_id: ExecutorId
    node: NodeInfo
    #: The driver's control listener.
    driver: Address
    #: Shared secret of this application, 32 bytes: HMAC before any unpickling.
    secret: bytes
    #: Spark configuration, as set by the user.
    conf: Mapping[str, str] = field(default_factory=dict)
    #: Entries the driver puts in front of `sys.path`, its working directory first.
    sys_path: tuple[str, ...] = ()
    #: The resource profile it is started for; 0: the default.
    profile_id: int = 0
    #: Cores that its tasks have.
    cpus: int = 1
    #: Units of other resources that are its own, by name.
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class LauncherEvents(Protocol):
    """What a launcher reports to the driver, from any of its threads."""

    def node_added(self, node: NodeInfo) -> None:
        """A node is ready to hold files; comes before its executors register."""

    def node_lost(self, node_id: NodeId, reason: str) -> None:
        """A node is gone with everything on it."""

    def executor_ended(self, executor_id: ExecutorId, reason: str) -> None:
        """A process ended, or could not be started. May come besides the EOF."""

    def profile_refused(self, profile_id: int, reason: str) -> None:
        """There can be no executor of a resource profile."""

    def exhausted(self, reason: str) -> None:
        """No executor is left and none can be started any more."""


class Launcher(Protocol):
    """Starts, watches, replaces and ends executor processes."""

    def start(self, events: LauncherEvents, driver: Address, secret: bytes) -> None:
        """Begins to provide executors, in the background; returns at once."""

    def replace(self, executor_id: ExecutorId) -> None:
        """The driver found this executor dead: start another one in its place."""

    def provide(self, slot: Slot, num_tasks: int) -> None:
        """Has executors of a profile, as there is room, but no more than tasks; returns at once."""

    def kill(self, executor_id: ExecutorId) -> None:
        """Ends the process at once (SIGKILL)."""

    def stop(self) -> None:
        """Ends and awaits every process, thread and directory. Idempotent."""
