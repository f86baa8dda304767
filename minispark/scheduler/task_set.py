"""The tasks of one stage: which are pending, where they like to run, who runs them.

Owns: the pending indexes with their places, the running attempts, failure
counts, durations. Must not know: other stages, jobs, commands. A task is an
index from 0; a pending index may stand in several queues, an entry counts only
while the index is in `pending` (entries of started tasks are skipped when met).
All operations are O(1) amortised.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from minispark.ids import ExecutorId, NodeId, TaskId
from minispark.records import field, record

if TYPE_CHECKING:
    from minispark.scheduler.executors import Executor
    from minispark.scheduler.stage import Stage


@record
class Preference:
    """Where a task finds its input; both empty when it does not matter."""

    executors: tuple[ExecutorId, ...] = ()
    nodes: tuple[NodeId, ...] = ()


NO_PREFERENCE = Preference()


@record(frozen=False, eq=False)
class TaskAttempt:
    """One task that was sent to an executor and has not been heard of since."""

    id: TaskId
    stage: Stage
    index: int
    attempt: int
    stage_attempt: int
    executor: Executor
    is_speculative: bool
    #: When it began to run; for a prefetched task, when it was sent.
    started_s: float
    #: Sent ahead: waits in the executor's queue.
    is_queued: bool
    #: Nobody wants it any more; only its core is still accounted for.
    is_cancelled: bool = False
    #: `MapOutputs.num_clears` when it was sent: what it reads is not newer.
    reads_as_of: int = 0


@record(frozen=False, eq=False)
class TaskSet:
    """Pending and running tasks of a stage."""

    pending: set[int] = field(default_factory=set)
    running: dict[int, TaskAttempt] = field(default_factory=dict)
    #: Speculative copies of running tasks.
    copies: dict[int, TaskAttempt] = field(default_factory=dict)
    #: Tasks found slow, which want a copy.
    slow: deque[int] = field(default_factory=deque)
    #: Failures per index since its last success.
    failures: dict[int, int] = field(default_factory=dict)
    #: Failures per index that do not count (full disks), bounded all the same.
    uncounted: dict[int, int] = field(default_factory=dict)
    num_failed: int = 0
    num_timed: int = 0
    total_s: float = 0.0
    #: Sorted durations; kept only when asked to.
    durations: list[float] | None = None
    #: When a task last started where it likes to run.
    local_since_s: float = 0.0
    #: When a timer was asked for because of locality; in the past if none is out.
    wake_s: float = -1.0
    _retries: deque[tuple[int, ExecutorId | None]] = field(default_factory=deque)
    _anywhere: deque[int] = field(default_factory=deque)
    _by_executor: dict[ExecutorId, deque[int]] = field(default_factory=dict)
    _by_node: dict[NodeId, deque[int]] = field(default_factory=dict)
    _choosy: deque[int] = field(default_factory=deque)

    def start(
        self,
        indexes: Sequence[int],
        prefer: Callable[[int], Preference] | None,
        is_alive: Callable[[Preference], bool],
        now: float,
    ) -> None:
        """Makes exactly these indexes pending, with their preferred places."""
        self.pending = set(indexes)
        self.local_since_s = now
        self._retries = deque()
        self._by_executor = {}
        self._by_node = {}
        self._choosy = deque()
        if prefer is None:
            self._anywhere = deque(indexes)
            return
        self._anywhere = deque()
        for index in indexes:
            preference = prefer(index)
            if preference is NO_PREFERENCE or not is_alive(preference):
                self._anywhere.append(index)
                continue
            for executor_id in preference.executors:
                self._by_executor.setdefault(executor_id, deque()).append(index)
            for node_id in preference.nodes:
                self._by_node.setdefault(node_id, deque()).append(index)
            self._choosy.append(index)

    def clear(self) -> None:
        """Nothing is pending any more; what stands in queues counts no longer."""
        self.pending.clear()
        self._retries.clear()
        self.slow.clear()

    def put_back(self, index: int, avoid: ExecutorId | None = None) -> None:
        """Makes a task pending again, before all others; `avoid` if possible."""
        self.pending.add(index)
        self._retries.append((index, avoid))

    def take(self, executor: Executor, has_choice: bool) -> int | None:
        """A pending task that runs well on the executor, or None.

        With `has_choice` a task that just failed here is left to another one.
        """
        if not self.pending:
            return None
        for _ in range(len(self._retries)):
            index, avoid = self._retries.popleft()
            if index not in self.pending:
                continue
            if has_choice and avoid == executor.id:
                self._retries.append((index, avoid))
                continue
            return self._taken(index)
        for queue in (
            self._by_executor.get(executor.id),
            self._by_node.get(executor.node_id),
            self._anywhere,
        ):
            if queue:
                found = self._pop(queue)
                if found is not None:
                    return self._taken(found)
        return None

    def take_any(self) -> int | None:
        """A pending task that would rather run elsewhere, or None."""
        index = self._pop(self._choosy)
        return None if index is None else self._taken(index)

    def lose_executor(self, executor_id: ExecutorId) -> None:
        """Tasks that liked this executor run anywhere from now on."""
        self._anywhere.extend(self._by_executor.pop(executor_id, ()))

    def lose_node(self, node_id: NodeId) -> None:
        """Tasks that liked this node run anywhere from now on."""
        self._anywhere.extend(self._by_node.pop(node_id, ()))

    def attempts(self) -> Iterator[TaskAttempt]:
        """All attempts that are out and wanted."""
        yield from self.running.values()
        yield from self.copies.values()

    def detach(self, attempt: TaskAttempt) -> bool:
        """Removes an attempt; True when another one of its task still runs."""
        index = attempt.index
        if self.running.get(index) is attempt:
            copy = self.copies.pop(index, None)
            if copy is None:
                del self.running[index]
                return False
            self.running[index] = copy
            return True
        assert self.copies.pop(index, None) is attempt, "an attempt nobody runs"
        return True

    def succeeded(self, index: int, duration_s: float) -> None:
        """Takes note of a success."""
        self.failures.pop(index, None)
        self.num_timed += 1
        self.total_s += duration_s
        if self.durations is not None:
            insort(self.durations, duration_s)

    @property
    def num_places(self) -> int:
        """Executors, or nodes, that pending tasks like."""
        return max(len(self._by_executor), len(self._by_node), 1)

    @property
    def mean_s(self) -> float | None:
        """Mean duration of the stage's tasks so far; None before the first."""
        return self.total_s / self.num_timed if self.num_timed else None

    def _pop(self, queue: deque[int]) -> int | None:
        while queue:
            index = queue.popleft()
            if index in self.pending:
                return index
        return None

    def _taken(self, index: int) -> int:
        self.pending.discard(index)
        return index

    def reachable(self) -> set[int]:
        """The pending indexes that some queue holds; all, or tasks would be lost."""
        queues: Iterable[Iterable[int]] = (
            self._anywhere,
            self._choosy,
            (index for index, _ in self._retries),
        )
        return {index for queue in queues for index in queue} & self.pending
