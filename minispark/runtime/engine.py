"""The engine: a driver, its executors and directories, assembled for a master.

Between the API above and the driver below: it turns plan nodes into jobs,
keeps what outlives a job (compiled stages, persisted RDDs, the driver's data)
and takes everything down again.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from minispark.closures import dumps_closure
from minispark.conf import SparkConf
from minispark.ids import (
    AccumulatorId,
    ExecutorId,
    JobId,
    NodeId,
    RddId,
    ShuffleId,
)
from minispark.plan.nodes import Exchange, Node
from minispark.plan.spec import JobSpec
from minispark.plan.stage_cache import StageCache
from minispark.plan.stages import StageGraph, build_stages
from minispark.runtime.accumulators import Accumulator, AccumulatorParam
from minispark.runtime.backend import Backend
from minispark.runtime.boot import DRIVER_NODE, NodeInfo
from minispark.runtime.cluster_files import ClusterFiles
from minispark.runtime.driver import Driver, DriverSettings
from minispark.runtime.driver_data import DriverData
from minispark.runtime.job import JobRun
from minispark.runtime.local_dirs import (
    AppDir,
    create_app_dir,
    local_base_dir,
)
from minispark.runtime.masters import Master
from minispark.runtime.results import values
from minispark.runtime.slots import slot_of
from minispark.scheduler.config import SchedulerConfig
from minispark.storage.blockfile import block_prefix
from minispark.storage.files import NodeFiles

if TYPE_CHECKING:
    from minispark.runtime.progress import ProgressLine
    from minispark.runtime.resources import ResourceProfile


class Engine:
    """Everything that runs for one SparkContext."""

    def __init__(self, master: Master, conf: SparkConf, app_id: str) -> None:
        self.master = master
        self.conf = conf
        self.app_id = app_id
        self.app_dir: AppDir = create_app_dir(local_base_dir(dict(conf.getAll())), app_id)
        self.nodes: ClusterFiles = ClusterFiles(
            NodeInfo(DRIVER_NODE, os.path.join(self.app_dir.path, "driver"))
        )
        self.files: NodeFiles = self.nodes.local
        self.backend: Backend = Backend(master, conf, app_id, self.app_dir.path, self.nodes)
        self._rdd_ids = itertools.count()
        self._shuffle_ids = itertools.count()
        self._job_ids = itertools.count()
        self._accumulator_ids = itertools.count()
        #: Counts changes (persist, checkpoint) after which plans are made anew.
        self.plan_version: int = 0
        #: Makes the profiler for an RDD's tasks; None: they are not profiled.
        self.profiler_of: Callable[[RddId], Any] | None = None
        self._stage_cache = StageCache()
        #: Reentrant: pickling a function may run code of the user.
        self._plan_lock = threading.RLock()
        self._tracked: weakref.WeakSet[Exchange] = weakref.WeakSet()
        self.persistent: weakref.WeakValueDictionary[RddId, Node] = weakref.WeakValueDictionary()
        self._stop_lock = threading.Lock()
        self._stopped = False
        self.stop_reason: str = ""
        self.driver: Driver = Driver(
            _scheduler_config(conf, master),
            DriverSettings(
                conf.value("spark.driver.maxResultSize"),
                conf.value("spark.executor.heartbeatInterval"),
                conf.value("spark.network.timeout"),
                conf.value("spark.files.overwrite"),
            ),
            self.nodes,
        )
        self.data: DriverData = DriverData(
            self.nodes, self.driver.janitor, self.driver.members.tell_all
        )
        self._progress: ProgressLine | None = None
        wanted = conf.value("spark.ui.showConsoleProgress")
        if wanted is None:
            # In-process tasks may be in a debugger: their terminal stays theirs.
            wanted = master.kind != "inline" and _is_watched()
        if wanted:
            from minispark.runtime.progress import ProgressLine

            self._progress = ProgressLine(self.driver.running_stages, sys.stderr)
        try:
            self.backend.start(self.driver, self)
        except BaseException:
            self.stop("the start failed")
            raise

    # -- life ------------------------------------------------------------

    def stop(self, reason: str) -> None:
        """Takes everything down; a second call does nothing."""
        with self._stop_lock:
            if self._stopped:
                return
            self._stopped = True
            self.stop_reason = reason
        if self._progress is not None:
            self._progress.close()
        self.backend.stop_listening()
        self.driver.stop(reason, self.backend.end_processes)
        self.nodes.close()
        self.backend.close()
        self.app_dir.close()

    # -- what launchers report (see `LauncherEvents`) -------------------------

    def node_added(self, node: NodeInfo) -> None:
        """A node is ready to hold files."""
        self.driver.node_added(node)
        self.nodes.update_nodes(list(self.driver.members.nodes.values()))

    def node_lost(self, node_id: NodeId, reason: str) -> None:
        """A node is gone with everything on it."""
        self.driver.node_lost(node_id, reason)
        self.nodes.update_nodes(list(self.driver.members.nodes.values()))

    def executor_ended(self, executor_id: ExecutorId, reason: str) -> None:
        """A process ended, or could not be started."""
        self.driver.executor_ended(executor_id, reason)

    def profile_refused(self, profile_id: int, reason: str) -> None:
        """There can be no executor of a resource profile."""
        self.driver.profile_refused(profile_id, reason)

    def exhausted(self, reason: str) -> None:
        """There will be no more executors."""
        self.driver.exhausted(reason)

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    @property
    def default_parallelism(self) -> int:
        """Partitions when the user names no number."""
        configured = self.conf.value("spark.default.parallelism")
        if configured is not None:
            return int(configured)
        return self.num_slots

    @property
    def num_slots(self) -> int:
        """How many tasks run at the same time."""
        if self.master.num_executors is not None:
            return self.master.num_executors
        # A cluster: only its launcher knows, once it has joined.
        return max(2, self.backend.cluster_size())

    # -- ids -------------------------------------------------------------

    def new_rdd_id(self) -> RddId:
        """A new RDD id."""
        return RddId(next(self._rdd_ids))

    def new_shuffle_id(self) -> ShuffleId:
        """A new shuffle id."""
        return ShuffleId(next(self._shuffle_ids))

    # -- jobs ------------------------------------------------------------

    def graph(self, node: Node) -> tuple[StageGraph, int]:
        """The stages that compute a node, and the version of the plans they are of."""
        with self._plan_lock:
            version = self.plan_version
            graph = build_stages(node, self._stage_cache, version)
        for exchange in graph.exchanges():
            if exchange not in self._tracked:
                self._tracked.add(exchange)
                weakref.finalize(
                    exchange, _forget_shuffle, weakref.ref(self), exchange.shuffle_id
                ).atexit = False
        return graph, version

    def run(
        self,
        node: Node,
        func: Callable[[int, Iterator[Any]], Any],
        partitions: Sequence[int],
        call_site: str,
        properties: Mapping[str, str],
        group: str | None = None,
        tags: frozenset[str] = frozenset(),
        description: str | None = None,
    ) -> Iterator[tuple[int, Any]]:
        """Runs `func(partition, records)` on partitions of a node.

        Yields (position in `partitions`, value) in order of completion.
        """
        result = dumps_closure(func, call_site)
        graph, version = self.graph(node)
        spec = JobSpec(
            self._new_job_id(),
            graph.final.spec,
            tuple(partitions),
            tuple(plan.spec for plan in graph.stages),
            group=group,
            tags=tags,
            description=description,
            pool=properties.get("spark.scheduler.pool", "default"),
            call_site=call_site,
        )
        run = JobRun(spec, graph, result, properties, version, self._profilers(graph, call_site))
        return values(self.driver.run, self.driver.outcomes.load, run, self._new_job_id)

    def _profilers(self, graph: StageGraph, call_site: str) -> dict[RddId, bytes]:
        """The pickled profilers of a job's stages, by their last RDD."""
        make = self.profiler_of
        if make is None:
            return {}
        ids = dict.fromkeys(plan.node.id for plan in (graph.final, *graph.stages))
        return {rdd_id: dumps_closure(make(rdd_id), call_site) for rdd_id in ids}

    def _new_job_id(self) -> JobId:
        return JobId(next(self._job_ids))

    # -- shared variables ----------------------------------------------------

    def new_accumulator(self, value: Any, param: AccumulatorParam[Any]) -> Accumulator[Any]:
        """Registers an accumulator for as long as the user holds it."""
        accumulator = Accumulator(AccumulatorId(next(self._accumulator_ids)), value, param)
        self.driver.outcomes.accumulators[accumulator.aid] = accumulator
        return accumulator

    # -- persistence -----------------------------------------------------------

    def persisted(self, node: Node) -> None:
        """A node's storage level was set."""
        self.replanned()
        if node.id not in self.persistent:
            self.persistent[node.id] = node
            weakref.finalize(node, _drop_rdd, weakref.ref(self), node.id).atexit = False

    def unpersist(self, node: Node, blocking: bool) -> None:
        """A node's storage level was taken back.

        Executors hear of it before any later task. With `blocking` the files
        on this machine are gone when this returns.
        """
        self.replanned()
        self.persistent.pop(node.id, None)
        self.driver.drop_rdd(node.id)
        if blocking:
            self.files.remove_prefix(block_prefix(node.id))

    def use_profile(self, profile: ResourceProfile) -> int:
        """The number under which tasks find executors of a profile; 0: any of them."""
        slot = slot_of(profile, dict(self.conf.getAll()))
        self.replanned()
        return self.backend.use_slot(slot)

    def replanned(self) -> None:
        """What plans are made of, beside their nodes, changed: they are made anew."""
        with self._plan_lock:
            self.plan_version += 1


def _is_watched() -> bool:
    from minispark.runtime.progress import is_watched  # for few programs (ADR 0032)

    return is_watched(sys.stderr)


def _scheduler_config(conf: SparkConf, master: Master) -> SchedulerConfig:
    return SchedulerConfig(
        max_task_failures=(
            master.max_failures
            if master.max_failures is not None
            else conf.value("spark.task.maxFailures")
        ),
        max_stage_attempts=conf.value("spark.stage.maxConsecutiveAttempts"),
        profile_wait_s=conf.value("minispark.resourceProfile.timeout"),
        locality_wait_s=conf.value("spark.locality.wait"),
        fair=str(conf.value("spark.scheduler.mode")).upper() == "FAIR",
        speculation=conf.value("spark.speculation"),
        executor_timeout_s=conf.value("minispark.executor.startTimeout"),
        cancel_grace_s=conf.value("minispark.cancel.grace"),
    )


# Finalizers: they may run on any thread at any moment, so they only hand a
# chore to the janitor.


def _forget_shuffle(engine_ref: weakref.ref[Engine], shuffle_id: ShuffleId) -> None:
    engine = engine_ref()
    if engine is not None and not engine.is_stopped:
        engine.driver.janitor.put(lambda: engine.driver.forget_shuffle(shuffle_id))


def _drop_rdd(engine_ref: weakref.ref[Engine], rdd_id: RddId) -> None:
    engine = engine_ref()
    if engine is not None and not engine.is_stopped:
        engine.driver.janitor.put(lambda: engine.driver.drop_rdd(rdd_id))
