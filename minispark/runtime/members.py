"""The executors and nodes that take part, and the thread that listens to them.

Owns the connections: registration, messages in and out, heartbeats, and the
loss of an executor by a closed connection or by silence. What a loss or a
report means is the driver's business (`MemberEvents`). All state is guarded by
the driver's lock, which is passed in.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import selectors
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from minispark.ids import ExecutorId, NodeId, TaskId
from minispark.kernels.hashing import HASH_PROBE, portable_hash
from minispark.plan.spec import BlockKey
from minispark.runtime.boot import NodeInfo
from minispark.runtime.janitor import Janitor
from minispark.runtime.messages import TaskReport
from minispark.runtime.vitals import Vitals
from minispark.scheduler.model import ExecutorInfo

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from minispark.runtime.links import Link, ProcessLink

# `links` is imported where it is used: master `local` has no connections (ADR 0032).

log: logging.Logger = logging.getLogger("minispark")

#: Executor processes that may end in a row before they register.
_MAX_FAILED_STARTS = 5


class MemberEvents(Protocol):
    """What the driver is told; `lost` and `added` come with the lock held."""

    def added(self, executor: ExecutorInfo) -> None:
        """An executor registered."""

    def lost(self, executor_id: ExecutorId, reason: str) -> None:
        """A registered executor is gone."""

    def reported(self, reports: Sequence[tuple[ExecutorId, TaskReport]]) -> None:
        """Task attempts ended."""

    def asked(self, executor_id: ExecutorId, task_id: TaskId, method: str, text: str) -> None:
        """A task of a barrier stage waits for the others."""

    def wanted(self, executor_id: ExecutorId, task_id: TaskId, block: BlockKey) -> None:
        """A task waits for a block that another executor holds."""

    def exported(self, executor_id: ExecutorId, block: BlockKey, is_there: bool) -> None:
        """An executor wrote a block to a file of its node, or could not."""

    def exhausted(self, reason: str) -> None:
        """There will be no more executors."""

    def due_s(self) -> float | None:
        """Seconds until the next timer, None without one."""

    def tick(self) -> None:
        """Fires timers that are due and handles what was put aside."""


class Members:
    """Executors by id, each behind a `Link`."""

    def __init__(
        self,
        lock: Any,
        events: MemberEvents,
        janitor: Janitor,
        heartbeat_s: float,
        timeout_s: float,
    ) -> None:
        self._lock = lock
        self._events = events
        self._janitor = janitor
        #: Often enough to tell a silence from a late beat.
        self._heartbeat_s = min(heartbeat_s, timeout_s / 4)
        self._timeout_s = timeout_s
        self.vitals: Vitals = Vitals()
        self.links: dict[ExecutorId, Link] = {}
        self.nodes: dict[NodeId, NodeInfo] = {}
        #: First of the two connections of executors that are registering.
        self._half_open: dict[ExecutorId, dict[str, tuple[Connection, dict[str, Any]]]] = {}
        self._gone: set[ExecutorId] = set()
        self._failed_starts = 0
        self._replace: Callable[[ExecutorId], None] | None = None
        self._kill: Callable[[ExecutorId], None] | None = None
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._receiver: threading.Thread | None = None
        self._stopping = False
        #: Read but not yet passed on; the receiving thread's.
        self._reports: list[tuple[ExecutorId, TaskReport]] = []
        #: Lost links that the receiving thread may still be reading from.
        self._closing: list[ProcessLink] = []

    # -- life --------------------------------------------------------------

    def listen(
        self, replace: Callable[[ExecutorId], None], kill: Callable[[ExecutorId], None]
    ) -> None:
        """Starts to receive; `replace` and `kill` are the launcher's."""
        self._replace, self._kill = replace, kill
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._receiver = threading.Thread(target=self._run, name="minispark-driver", daemon=True)
        self._receiver.start()

    def stop(self) -> None:
        """Tells every executor to exit and ends the receiving thread."""
        with self._lock:
            self._stopping = True
            links = list(self.links.values())
            waiting = [c for parts in self._half_open.values() for c, _ in parts.values()]
            for link in links:
                with contextlib.suppress(OSError):
                    link.send_ctl(("stop",))
        self._wake()
        if self._receiver is not None and self._receiver is not threading.current_thread():
            self._receiver.join()
        with self._lock:
            for link in (*links, *self._closing):
                link.close()
            for connection in waiting:
                connection.close()
            self._selector.close()
            os.close(self._wake_read)
            os.close(self._wake_write)

    # -- sending -------------------------------------------------------------

    def send_ctl(self, link: Link, message: tuple[Any, ...]) -> None:
        """Sends in order with tasks; a broken connection is a loss."""
        try:
            link.send_ctl(message)
        except OSError as error:
            self.lose(link.executor_id, f"its connection broke: {error}")

    def send_svc(self, executor_id: ExecutorId, message: tuple[Any, ...]) -> None:
        """Sends past the tasks; a broken connection is a loss."""
        link = self.links.get(executor_id)
        if link is not None:
            try:
                link.send_svc(message)
            except OSError as error:
                self.lose(executor_id, f"its connection broke: {error}")

    def tell_all(self, message: tuple[Any, ...]) -> None:
        """Sends a service message to every executor."""
        with self._lock:
            for executor_id in list(self.links):
                self.send_svc(executor_id, message)

    def kill(self, executor_id: ExecutorId) -> None:
        """Has the executor's process ended."""
        kill = self._kill
        if kill is not None:
            self._janitor.put(lambda: kill(executor_id))

    # -- joining and leaving ---------------------------------------------------

    def connected(self, connection: Connection, hello: tuple[Any, ...]) -> None:
        """An authenticated connection says who it is; called by the listener."""
        channel, executor_id, facts = hello
        with self._lock:
            if self._stopping:
                connection.close()
                return
            if executor_id in self._gone:
                connection.close()  # given up, and replaced, before it was up
                return
            parts = self._half_open.setdefault(executor_id, {})
            parts[channel] = (connection, facts)
            if len(parts) < 2:
                return
            del self._half_open[executor_id]
            ctl, svc = parts["ctl"][0], parts["svc"][0]
            refusal = _refusal(facts)
            if refusal is not None:
                ctl.close()
                svc.close()
                self._gone.add(executor_id)
                self._events.exhausted(refusal)
                return
            from minispark.runtime.links import ProcessLink

            link = ProcessLink(executor_id, facts["node"], facts["pid"], ctl, svc)
            link.machine = facts["machine"]
            link.profile_id = facts["profile"]
            self._register(link)

    def _register(self, link: ProcessLink) -> None:
        link.heard_s = time.monotonic()
        self._failed_starts = 0
        self.links[link.executor_id] = link
        for end in (link.ctl, link.svc):
            self._selector.register(end.fileno(), selectors.EVENT_READ, (link, end))
        link.on_backlog = self._watch_backlog
        self.wake()
        if self.nodes:
            self.send_svc(link.executor_id, ("nodes", list(self.nodes.values())))
        self._events.added(ExecutorInfo(link.executor_id, link.node_id, profile_id=link.profile_id))

    def lose(self, executor_id: ExecutorId, reason: str) -> None:
        """Under the lock: forgets an executor and has it replaced."""
        link = self.links.pop(executor_id, None)
        if link is None:
            return
        self._gone.add(executor_id)
        from minispark.runtime.links import ProcessLink

        if isinstance(link, ProcessLink):
            for end in (link.ctl, link.svc):
                with contextlib.suppress(KeyError, ValueError, OSError):
                    self._selector.unregister(end.fileno())
            # Closed by the receiving thread: it may be in the middle of a read,
            # and the number of a closed descriptor is soon another one's.
            link.shut_down()
            self._closing.append(link)
            self.wake()
        self._events.lost(executor_id, reason)
        self._put_replacement(executor_id)

    def _put_replacement(self, executor_id: ExecutorId) -> None:
        replace = self._replace
        if replace is not None and not self._stopping:
            self._janitor.put(lambda: replace(executor_id))

    def ended(self, executor_id: ExecutorId, reason: str) -> None:
        """The launcher saw a process end, or fail to start."""
        with self._lock:
            if self._stopping or executor_id in self._gone:
                return
            if executor_id in self.links:
                self.lose(executor_id, reason)
                return
            for connection, _ in self._half_open.pop(executor_id, {}).values():
                connection.close()
            self._gone.add(executor_id)
            self._failed_starts += 1
            if self._failed_starts < _MAX_FAILED_STARTS:
                self._put_replacement(executor_id)
                return
        self._events.exhausted(f"executors keep ending at their start; the last one: {reason}")

    def node_added(self, node: NodeInfo) -> None:
        """A node has files to serve."""
        with self._lock:
            self.nodes[node.node_id] = node
            self.tell_all(("nodes", list(self.nodes.values())))

    def node_lost(self, node_id: NodeId, reason: str) -> None:
        """A node is gone with its executors."""
        with self._lock:
            self.nodes.pop(node_id, None)
            here = [x.executor_id for x in self.links.values() if x.node_id == node_id]
            for executor_id in here:
                self.lose(executor_id, f"its node was lost: {reason}")
            # Those that wait for it need not try any longer.
            self.tell_all(("nodes", list(self.nodes.values())))

    # -- receiving -------------------------------------------------------------

    def wake(self) -> None:
        """Has the receiving thread look at timers and connections anew."""
        with self._lock:
            if not self._stopping:
                self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"x")

    def _run(self) -> None:
        next_beat = time.monotonic() + self._heartbeat_s
        while not self._stopping:
            timeout = max(0.0, next_beat - time.monotonic())
            due = self._events.due_s()
            if due is not None:
                timeout = min(timeout, due)
            for key, ready in self._selector.select(timeout):
                if key.data is None:
                    os.read(self._wake_read, 4096)
                    self._close_lost()
                    continue
                if ready & selectors.EVENT_WRITE:
                    self._flush(*key.data)
                if ready & selectors.EVENT_READ:
                    self._receive(*key.data)
            self._pass_on()
            self._events.tick()
            now = time.monotonic()
            if now >= next_beat:
                self._beat(now, now - next_beat)
                next_beat = now + self._heartbeat_s

    def _close_lost(self) -> None:
        with self._lock:
            lost, self._closing = self._closing, []
        for link in lost:
            link.close()

    def _watch_backlog(self, link: ProcessLink, end: Connection) -> None:
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        self._selector.modify(end.fileno(), both, (link, end))
        self.wake()

    def _flush(self, link: ProcessLink, end: Connection) -> None:
        with self._lock:
            if self.links.get(link.executor_id) is not link:
                return
            try:
                if link.flush(end):
                    self._selector.modify(end.fileno(), selectors.EVENT_READ, (link, end))
            except OSError as error:
                self.lose(link.executor_id, f"its connection broke: {error}")

    def _receive(self, link: ProcessLink, connection: Connection) -> None:
        if self.links.get(link.executor_id) is not link:
            return
        try:
            is_ctl = connection is link.ctl
            messages = link.reader.read() if is_ctl else [connection.recv_bytes()]
            link.heard_s = time.monotonic()
            for data in messages:
                self._handle(link.executor_id, pickle.loads(data))
        except (EOFError, OSError):
            self._pass_on()
            with self._lock:
                self.lose(link.executor_id, "its process ended")
        except Exception as error:
            # A message of which not one word is to be trusted; nobody else
            # may suffer from it.
            log.exception("executor %s sent what cannot be read", link.executor_id)
            self._pass_on()
            with self._lock:
                self.kill(link.executor_id)
                self.lose(link.executor_id, f"it sent what cannot be read: {error}")

    def _handle(self, executor_id: ExecutorId, message: tuple[Any, ...]) -> None:
        kind = message[0]
        if kind == "done":
            self._reports.append((executor_id, message[1]))
        elif kind == "ask":
            self._pass_on()
            self._events.asked(executor_id, *message[1:])
        elif kind == "want":
            self._pass_on()
            self._events.wanted(executor_id, *message[1:])
        elif kind == "exported":
            self._pass_on()
            self._events.exported(executor_id, *message[1:])
        elif kind == "out":
            _show(sys.stderr if message[2] == "stderr" else sys.stdout, message[3])

    def _pass_on(self) -> None:
        """Tells of the reports that have come in since: many at once are cheaper."""
        if self._reports:
            reports, self._reports = self._reports, []
            self._events.reported(reports)

    def _beat(self, now: float, late_s: float) -> None:
        """Asks every executor for a sign of life; those without one are lost."""
        from minispark.runtime.links import ProcessLink

        # While this process itself stood still nobody was asked.
        absent_s = late_s if late_s > self._heartbeat_s else 0.0
        with self._lock:
            for link in list(self.links.values()):
                if not isinstance(link, ProcessLink):
                    continue
                link.heard_s += absent_s
                if now - link.heard_s > self._heartbeat_s:
                    self.vitals.look(link.pulse, link.machine, link.node_id, link.pid, now)
                if now - max(link.heard_s, link.pulse.worked_s) > self._timeout_s:
                    self.vitals.end(link.machine, link.pid)
                    self.kill(link.executor_id)
                    self.lose(
                        link.executor_id,
                        f"it was silent and stood still for {self._timeout_s:g} s "
                        "(spark.network.timeout)",
                    )
                else:
                    self.send_svc(link.executor_id, ("ping", 0))
        self._events.tick()


def _show(stream: Any, text: str) -> None:
    """Prints what a task printed. Where that fails, the jobs go on."""
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError as error:
            stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
        stream.flush()
    except Exception as error:  # closed, a broken pipe, a full disk, None, the user's own
        log.debug("what a task printed could not be shown: %s", error)


def _refusal(facts: Mapping[str, Any]) -> str | None:
    """Why an executor cannot work for this driver, or None."""
    if facts["python"] != sys.version_info[:2]:
        ours = ".".join(map(str, sys.version_info[:2]))
        theirs = ".".join(map(str, facts["python"]))
        return f"the executor runs Python {theirs}, the driver Python {ours}; they must agree"
    if facts["probe"] != portable_hash(HASH_PROBE):
        return (
            "the executor places keys differently from the driver; start it with PYTHONHASHSEED=0"
        )
    return None
