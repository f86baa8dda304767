"""The executors that are alive, and what each of them is busy with.

Owns: executor -> node, cores in use, running and prefetched attempts; which
executors have a free core. Must not know: stages beyond the cores a task takes.
"""

from __future__ import annotations

from minispark.ids import ExecutorId, NodeId, TaskId
from minispark.records import field, record
from minispark.scheduler.model import ExecutorInfo
from minispark.scheduler.task_set import TaskAttempt


@record(frozen=False, eq=False)
class Executor:
    """One living executor."""

    info: ExecutorInfo
    id: ExecutorId
    node_id: NodeId
    cores: int
    used: int = 0
    running: dict[TaskId, TaskAttempt] = field(default_factory=dict)
    #: Tasks sent ahead, in this order.
    queued: dict[TaskId, TaskAttempt] = field(default_factory=dict)
    #: It was told to end: it gets no task until it proves to be usable.
    is_doomed: bool = False


class ExecutorTable:
    """All living executors."""

    def __init__(self) -> None:
        self.by_id: dict[ExecutorId, Executor] = {}
        #: Those with at least one free core, in the order they became free.
        self.free: dict[ExecutorId, Executor] = {}
        #: The same, apart for each resource profile.
        self._free_of: dict[int, dict[ExecutorId, Executor]] = {}
        self.total_cores: int = 0
        self._cores_of: dict[int, int] = {}
        #: Tasks sent ahead, cancelled ones included, at all executors.
        self.num_queued: int = 0
        self._nodes: dict[NodeId, int] = {}

    def __len__(self) -> int:
        return len(self.by_id)

    def has_node(self, node_id: NodeId) -> bool:
        """Whether an executor lives on the node."""
        return node_id in self._nodes

    @property
    def num_nodes(self) -> int:
        """Nodes with at least one executor."""
        return len(self._nodes)

    @property
    def has_profiles(self) -> bool:
        """Whether executors of other profiles than the default live or have lived."""
        return len(self._cores_of) > 1 or (bool(self._cores_of) and 0 not in self._cores_of)

    def free_of(self, profile_id: int) -> dict[ExecutorId, Executor]:
        """Those of `free` that were started for a profile."""
        return self._free_of.setdefault(profile_id, {})

    def cores_of(self, profile_id: int) -> int:
        """Cores of all executors of a profile."""
        return self._cores_of.get(profile_id, 0)

    def add(self, info: ExecutorInfo) -> Executor:
        """A new executor, idle."""
        executor = Executor(info, info.executor_id, info.node_id, info.cores)
        self.by_id[executor.id] = executor
        self.total_cores += executor.cores
        profile_id = info.profile_id
        self._cores_of[profile_id] = self.cores_of(profile_id) + executor.cores
        self._nodes[executor.node_id] = self._nodes.get(executor.node_id, 0) + 1
        self.refresh(executor)
        return executor

    def remove(self, executor_id: ExecutorId) -> Executor | None:
        """Takes an executor out; None when it is not known."""
        executor = self.by_id.pop(executor_id, None)
        if executor is None:
            return None
        self._not_free(executor)
        self.total_cores -= executor.cores
        self._cores_of[executor.info.profile_id] -= executor.cores
        self.num_queued -= len(executor.queued)
        self._nodes[executor.node_id] -= 1
        if not self._nodes[executor.node_id]:
            del self._nodes[executor.node_id]
        return executor

    def on_node(self, node_id: NodeId) -> list[ExecutorId]:
        """The executors of a node."""
        return [e.id for e in self.by_id.values() if e.node_id == node_id]

    def occupy(self, attempt: TaskAttempt, cpus: int) -> None:
        """The attempt goes to its executor's cores, or into its queue."""
        executor = attempt.executor
        if attempt.is_queued:
            executor.queued[attempt.id] = attempt
            self.num_queued += 1
            return
        executor.running[attempt.id] = attempt
        executor.used += cpus
        if executor.used >= executor.cores:
            self._not_free(executor)

    def release(self, attempt: TaskAttempt, cpus: int) -> None:
        """The attempt's core is free again."""
        executor = attempt.executor
        if executor.queued.pop(attempt.id, None) is not None:
            self.num_queued -= executor.id in self.by_id
        else:
            del executor.running[attempt.id]
            executor.used -= cpus
            self.refresh(executor)

    def promote(self, attempt: TaskAttempt, cpus: int, now: float) -> None:
        """A prefetched attempt begins to run."""
        executor = attempt.executor
        del executor.queued[attempt.id]
        self.num_queued -= 1
        attempt.is_queued = False
        attempt.started_s = now
        self.occupy(attempt, cpus)

    def refresh(self, executor: Executor) -> None:
        """Puts the executor among the free ones, or out, as its state says."""
        if executor.used < executor.cores and not executor.is_doomed:
            self.free.setdefault(executor.id, executor)
            self.free_of(executor.info.profile_id).setdefault(executor.id, executor)
        else:
            self._not_free(executor)

    def _not_free(self, executor: Executor) -> None:
        self.free.pop(executor.id, None)
        self.free_of(executor.info.profile_id).pop(executor.id, None)
