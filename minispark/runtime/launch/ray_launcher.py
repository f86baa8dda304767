"""Executors as Ray actors: embedded on this machine, or on an existing cluster.

Theory. One control thread owns all state and makes every call to Ray; others
only put closures into its queue (Ray's callbacks included, which may do no
more than that). It never waits for a single executor: creation, placement and
death all come back through the queue.

An executor goes *placing* → (*waiting* for its node's agent) → *serving* →
*ended*. Placement is Ray's, so resources, labels and autoscaling hold; where
an actor came up is asked afterwards, and only then it is told to serve. On a
cluster every node that gets an executor first gets an agent (`ray_agents`).

Nothing is restarted by Ray: the driver says `replace`, because it must first
forget what the dead executor held. The driver also decides when to give up: it
alone knows which of those that ended had registered (`runtime.members`).

Checklist for a new message: it must be harmless after `stop`, and for an
executor that has ended meanwhile.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

from minispark.conf import parse_seconds
from minispark.ids import ExecutorId, NodeId
from minispark.runtime.boot import Address, ExecutorBoot, LauncherEvents, NodeInfo
from minispark.runtime.launch import ray_embedded
from minispark.runtime.launch.ray_address import parse_cluster_address
from minispark.runtime.launch.ray_agents import Agents
from minispark.runtime.launch.ray_executors import Executor, ExecutorActors
from minispark.runtime.launch.ray_options import ClusterShape, reason_of
from minispark.runtime.local_dirs import local_base_dir
from minispark.runtime.slots import Slot, declared_resources

_log = logging.getLogger("minispark.launch")

#: Where actors enter the executor; tests put a stub here.
ENTRY_POINT = "minispark.runtime.serve:serve"


class RayLauncher:
    """Masters `local[N]` (`cluster_address` is None) and existing Ray clusters.

    Parameters
    ----------
    num_executors
        Executor processes; None on a cluster: as `spark.executor.instances`
        times `spark.executor.cores` say, or one per CPU of the cluster.
    cluster_address
        `ray://auto`, `auto` or `host:port`; None: on this machine.
    node
        The driver's own node, on which embedded executors live.
    """

    def __init__(
        self,
        num_executors: int | None,
        node: NodeInfo,
        conf: Mapping[str, str],
        sys_path: tuple[str, ...] = (),
        *,
        app_id: str = "app",
        cluster_address: str | None = None,
        entry_point: str = ENTRY_POINT,
    ) -> None:
        self._shape = ClusterShape.of(conf, num_executors)
        self._node = node
        self._conf = dict(conf)
        self._sys_path = sys_path
        self._app_id = app_id
        self._cluster_address = (
            None if cluster_address is None else parse_cluster_address(cluster_address)
        )
        self._entry_point = entry_point
        self._keep_alive = conf.get("minispark.ray.keepAlive", "false").lower() == "true"
        self._placement_s = parse_seconds(conf.get("minispark.ray.placementTimeout", "30s"))
        self._size: Future[int] = Future()
        self._queue: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._is_stopping = False
        # From here on: control thread only.
        self._session: ray_embedded.RaySession | None = None
        self._agents: Agents | None = None
        self._actors: ExecutorActors | None = None
        self._executors: dict[ExecutorId, Executor] = {}
        self._next_id = 0
        self._has_started = False
        self._placement_deadline: float | None = None

    # ------------------------------------------------------------ any thread

    def start(self, events: LauncherEvents, driver: Address, secret: bytes) -> None:
        """See `Launcher`."""
        self._events, self._driver, self._secret = events, driver, secret
        if self._cluster_address is None:
            events.node_added(self._node)
        with self._lock:
            if self._thread is None and not self._is_stopping:
                self._thread = threading.Thread(
                    target=self._run, name="minispark-launcher", daemon=True
                )
                self._thread.start()

    def size(self) -> int:
        """Executors asked for; waits until Ray has said what it has. 0: it cannot be reached."""
        return self._size.result()

    def replace(self, executor_id: ExecutorId) -> None:
        """See `Launcher`."""
        self._queue.put(partial(self._replace, executor_id))

    def provide(self, slot: Slot, num_tasks: int) -> None:
        """See `Launcher`."""
        self._queue.put(partial(self._provide, slot, num_tasks))

    def kill(self, executor_id: ExecutorId) -> None:
        """See `Launcher`."""
        self._queue.put(partial(self._kill, executor_id))

    def stop(self) -> None:
        """See `Launcher`. Waits for a start that is under way: Ray's cannot be broken off."""
        with self._lock:
            self._is_stopping = True
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        self._queue.put(lambda: None)  # wakes the loop
        thread.join()

    # -------------------------------------------------------- control thread

    def _run(self) -> None:
        try:
            if self._begin():
                self._loop()
        except Exception as error:
            _log.exception("the Ray launcher failed")
            self._report(self._events.exhausted, f"the Ray launcher failed: {reason_of(error)}")
        finally:
            if not self._size.done():
                self._size.set_result(0)
            self._end()

    def _begin(self) -> bool:
        try:
            if self._cluster_address is None:
                base = local_base_dir(self._conf)
                cpus = (self._shape.processes or 1) * self._shape.task_cpus
                declared = declared_resources(self._conf)
                self._session = ray_embedded.acquire_local(cpus, base, declared)
            else:
                self._session = ray_embedded.acquire_cluster(self._cluster_address)
        except Exception as error:
            self._report(self._events.exhausted, f"cannot start Ray: {reason_of(error)}")
            return False
        ray_embedded.stop_at_exit.add(self.stop)
        ray = self._session.ray
        self._actors = ExecutorActors(
            self._session,
            self._shape,
            self._conf,
            on_cluster=self._cluster_address is not None,
            post=self._queue.put,
        )
        processes = self._shape.processes
        if processes is None:
            processes = self._shape.fill(ray.cluster_resources())
        self._size.set_result(processes)
        if self._cluster_address is not None:
            self._agents = Agents(
                ray,
                self._app_id,
                self._secret,
                self._conf,
                post=self._queue.put,
                added=partial(self._report, self._events.node_added),
            )
        for _ in range(processes):
            self._create(None)
        return True

    def _loop(self) -> None:
        while not self._is_stopping:
            deadlines = [self._placement_deadline]
            if self._agents is not None:
                deadlines.append(self._agents.next_check)
            waits = [at - time.monotonic() for at in deadlines if at is not None]
            try:
                message = self._queue.get(timeout=max(0.0, min(waits)) if waits else None)
            except queue.Empty:
                pass
            else:
                message()
            now = time.monotonic()
            if self._placement_deadline is not None and now >= self._placement_deadline:
                self._placement_overdue()
            if self._agents is not None:
                for node_id, reason in self._agents.check(now):
                    self._node_lost(node_id, reason)

    def _provide(self, slot: Slot, num_tasks: int) -> None:
        assert self._session is not None
        is_local = self._cluster_address is None
        has = {name: float(n) for name, n in self._session.ray.cluster_resources().items()}
        available = {**has, "cpus": has.get("CPU", 0.0), "gpu": has.get("GPU", 0.0)}
        room = slot.room(available)
        if room < 1 and is_local:
            self._report(self._events.profile_refused, slot.profile_id, slot.lack(available))
            return
        # A cluster may grow: at least one is asked for, and the stage's patience decides.
        instances = int(self._conf.get("spark.executor.instances", "0"))
        if instances and slot.per_executor and not is_local:
            room = min(room, instances * slot.per_executor)
        there = sum(
            e.slot is not None and e.slot.profile_id == slot.profile_id and not e.is_replaced
            for e in self._executors.values()
        )
        for _ in range(min(max(1, room), num_tasks) - there):
            self._create(None, slot)

    def _create(self, near: str | None, slot: Slot | None = None) -> None:
        assert self._actors is not None
        executor_id = ExecutorId(str(self._next_id))
        self._next_id += 1
        executor = self._actors.create(executor_id, near, slot)
        self._executors[executor_id] = executor
        self._placement_deadline = time.monotonic() + self._placement_s
        self._actors.ask_where(executor, self._placed)

    def _placed(self, executor: Executor, future: Future[Any]) -> None:
        if executor.state == "ended":
            return
        error = future.exception()
        if error is not None:
            self._ended(executor, f"it could not be started: {reason_of(error)}")
            return
        executor.ray_node, executor.pid, executor.gpus = future.result()
        executor.state = "waiting"
        if not any(e.state == "placing" for e in self._executors.values()):
            self._placement_deadline = None
        if self._agents is None:
            self._serve(executor, self._node)
            return
        assert executor.ray_node is not None
        self._agents.when_ready(
            executor.ray_node,
            ready=partial(self._agent_ready, executor),
            failed=partial(self._agent_failed, executor),
        )

    def _agent_ready(self, executor: Executor, node: NodeInfo) -> None:
        if executor.state == "waiting":
            self._serve(executor, node)

    def _agent_failed(self, executor: Executor, reason: str) -> None:
        self._ended(executor, f"its node's agent could not be started: {reason}")

    def _serve(self, executor: Executor, node: NodeInfo) -> None:
        boot = ExecutorBoot(
            executor.executor_id,
            node,
            self._driver,
            self._secret,
            self._conf,
            self._sys_path,
            0 if executor.slot is None else executor.slot.profile_id,
            self._shape.task_cpus if executor.slot is None else executor.slot.cpus,
            executor.units(),
        )
        executor.state = "serving"
        self._has_started = True
        assert self._actors is not None
        self._actors.serve(executor, self._entry_point, boot, self._served)

    def _served(self, executor: Executor, future: Future[Any]) -> None:
        error = future.exception()
        self._ended(executor, reason_of(error) if error is not None else "it finished")

    def _ended(self, executor: Executor, reason: str) -> None:
        if executor.state == "ended":
            return
        self._retire(executor)
        self._report(self._events.executor_ended, executor.executor_id, reason)

    def _retire(self, executor: Executor) -> None:
        """Its process goes, if it has not gone already, and frees its CPU."""
        assert self._actors is not None
        executor.state = "ended"
        if executor.is_replaced:
            del self._executors[executor.executor_id]
        self._actors.kill(executor)

    def _replace(self, executor_id: ExecutorId) -> None:
        executor = self._executors.get(executor_id)
        if executor is None or executor.is_replaced:
            return
        executor.is_replaced = True
        if executor.state == "ended":
            del self._executors[executor_id]
        else:
            self._retire(executor)
        near = executor.ray_node
        if near is not None and self._agents is not None and not self._agents.is_alive(near):
            near = None
        self._create(near, executor.slot)

    def _kill(self, executor_id: ExecutorId) -> None:
        executor = self._executors.get(executor_id)
        if executor is not None and executor.state != "ended":
            assert self._actors is not None
            self._actors.kill(executor)

    def _node_lost(self, ray_node: str, reason: str) -> None:
        self._report(self._events.node_lost, NodeId(ray_node), reason)
        for executor in list(self._executors.values()):
            if executor.ray_node == ray_node and executor.state != "ended":
                self._ended(executor, f"its node is lost: {reason}")

    def _placement_overdue(self) -> None:
        assert self._session is not None
        self._placement_deadline = None
        placing = [e for e in self._executors.values() if e.state == "placing"]
        if not placing:
            return
        resources = self._session.ray.cluster_resources()
        usable = {k: v for k, v in resources.items() if not k.startswith(("node:", "object_"))}
        text = (
            f"{len(placing)} of {len(self._executors)} executors could not be placed within "
            f"{self._placement_s:g} s; the cluster has {usable}"
        )
        if self._has_started:
            # They stay requested, and join when there is room for them. There always is
            # where Ray is ours: what is stuck there is asked for anew.
            _log.warning("%s", text)
            if self._session.is_embedded:
                for executor in placing:
                    executor.is_replaced = True
                    self._retire(executor)
                    self._create(None, executor.slot)
        else:
            self._report(self._events.exhausted, text)

    def _report(self, event: Callable[..., None], *args: Any) -> None:
        if not self._is_stopping:
            event(*args)

    def _end(self) -> None:
        """Kills what is left, waits until Ray has seen it dead, lets go of Ray."""
        session = self._session
        if session is None:
            return
        self._session = None
        ray_embedded.stop_at_exit.discard(self.stop)
        try:
            if self._actors is not None:
                ray_stays = self._keep_alive and session.is_embedded
                self._actors.end(self._executors.values(), ray_stays)
            if self._agents is not None:
                self._agents.stop()
        except Exception as error:
            # The user shut Ray down, or the cluster is gone, and all actors with it.
            _log.warning("executors may not have ended: %s", reason_of(error))
        finally:
            # Handles and references would call into a Ray that is gone.
            self._executors.clear()
            self._actors = self._agents = None
            with contextlib.suppress(queue.Empty):
                while True:
                    self._queue.get_nowait()
            ray_embedded.release(session, self._keep_alive)
