"""Executors as Ray sees them: actors that are created, asked where they are, told to serve.

Owns what is known of one executor and the calls that make it. Every call gives
a reference; what is to be done when it is answered goes into the launcher's
queue. Must not know why an executor is wanted, nor what becomes of it. Used on
the launcher's control thread only.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

from minispark.ids import ExecutorId
from minispark.records import field, record
from minispark.runtime.boot import ExecutorBoot
from minispark.runtime.launch.ray_actors import ExecutorActor
from minispark.runtime.launch.ray_agents import affinity
from minispark.runtime.launch.ray_embedded import RaySession
from minispark.runtime.launch.ray_options import ClusterShape, await_exit, executor_options
from minispark.runtime.slots import Slot

#: How long killed processes may take to be seen dead.
_STOP_S = 10.0


@record(frozen=False, eq=False)
class Executor:
    """One actor, from its creation to its end."""

    executor_id: ExecutorId
    actor: Any
    #: What a resource profile asks for; None: a default executor.
    slot: Slot | None = None
    state: str = "placing"
    #: The GPUs that Ray gave it.
    gpus: list[str] = field(default_factory=list)
    #: Ray's id of the node it runs on.
    ray_node: str | None = None
    pid: int | None = None
    is_replaced: bool = False
    #: References that must live as long as their calls.
    refs: list[Any] = field(default_factory=list)

    def units(self) -> dict[str, tuple[str, ...]]:
        """The units of each resource: Ray tells those of GPUs, and of others the amount."""
        names = self.slot.resources if self.slot is not None else ()
        units: dict[str, tuple[str, ...]] = dict.fromkeys(names, ())
        if self.gpus:
            units["gpu"] = tuple(self.gpus)
        return units


#: Called with the executor and the answer.
Then = Callable[[Executor, "Future[Any]"], None]


class ExecutorActors:
    """Makes executors on the Ray of a session."""

    def __init__(
        self,
        session: RaySession,
        shape: ClusterShape,
        conf: Mapping[str, str],
        *,
        on_cluster: bool,
        post: Callable[[Callable[[], None]], None],
    ) -> None:
        self._session = session
        self._shape = shape
        self._conf = conf
        self._on_cluster = on_cluster
        self._post = post
        #: Whether the user decides how many threads numerical libraries use.
        self._has_threads = "OMP_NUM_THREADS" in os.environ or (
            "spark.executorEnv.OMP_NUM_THREADS" in conf
        )
        self._class = session.ray.remote(ExecutorActor)

    def create(self, executor_id: ExecutorId, near: str | None, slot: Slot | None) -> Executor:
        """A new executor; `near` is the node on which it should come up, if it can."""
        ray = self._session.ray
        options = executor_options(
            self._conf,
            self._shape,
            on_cluster=self._on_cluster,
            has_hash_seed=self._session.has_hash_seed,
            slot=slot,
            is_ours=self._session.is_embedded,
        )
        if not self._on_cluster:
            if not self._session.is_embedded:
                here = ray.get_runtime_context().get_node_id()
                options["scheduling_strategy"] = affinity(here, soft=False)
        elif near is not None:
            options["scheduling_strategy"] = affinity(near, soft=True)
        else:
            options["scheduling_strategy"] = "SPREAD"
        return Executor(executor_id, self._class.options(**options).remote(), slot)

    def ask_where(self, executor: Executor, then: Then) -> None:
        """Answered when it has been placed: (Ray's id of the node, process id, GPUs)."""
        self._call(executor, executor.actor.where.remote(), then)

    def serve(self, executor: Executor, entry_point: str, boot: ExecutorBoot, then: Then) -> None:
        """Answered when it has ended."""
        threads = boot.cpus if self._session.is_embedded and not self._has_threads else None
        ref = executor.actor.serve.remote(entry_point, pickle.dumps(boot, 5), threads)
        self._call(executor, ref, then)

    def kill(self, executor: Executor) -> None:
        """Ends its process, if there is one."""
        self._session.ray.kill(executor.actor, no_restart=True)

    def end(self, executors: Collection[Executor], ray_stays: bool) -> None:
        """Kills all that are left, and waits until Ray has seen it and no process is there.

        `ray_stays`: what Ray may leave behind of one that is killed while it is being
        placed would stay as long as this Ray of ours.
        """
        alive = [executor for executor in executors if executor.state != "ended"]
        placing = [e.refs[-1] for e in alive if e.state == "placing"]
        if placing and ray_stays:
            self._session.ray.wait(placing, num_returns=len(placing), timeout=_STOP_S)
        # One that a cluster has not placed yet it never will, now: not awaited.
        waiting = [e.refs[-1] for e in alive if not self._on_cluster or e.state != "placing"]
        # On a cluster the numbers are those of other machines.
        pids = [e.pid for e in executors if not self._on_cluster and e.pid is not None]
        while alive:
            self.kill(alive.pop())
        if waiting:
            self._session.ray.wait(waiting, num_returns=len(waiting), timeout=_STOP_S)
        await_exit(pids, time.monotonic() + _STOP_S)

    def _call(self, executor: Executor, ref: Any, then: Then) -> None:
        executor.refs.append(ref)
        # Ray's own thread: it may do no more than this.
        ref.future().add_done_callback(lambda future: self._post(partial(then, executor, future)))
