"""Facts the scheduler is told, past tense. Frozen, comparable, loggable."""

from __future__ import annotations

from minispark.ids import ExecutorId, JobId, NodeId, RddId, ShuffleId, TaskId
from minispark.plan.spec import BlockUpdate, JobSpec
from minispark.records import record
from minispark.scheduler.model import ExecutorInfo, MapStatus


class Event:
    """Base of all events."""

    __slots__ = ()


@record
class JobSubmitted(Event):
    """A driver thread waits for this job."""

    job: JobSpec


@record
class JobCancelled(Event):
    """The user, or the thread that waited, gave the job up."""

    job_id: JobId
    reason: str


@record
class ExecutorAdded(Event):
    """An executor registered and can take tasks."""

    executor: ExecutorInfo


@record
class ExecutorLost(Event):
    """An executor is gone: its connection closed or it was silent too long."""

    executor_id: ExecutorId
    reason: str
    #: We asked for it (cancel, replacement): its tasks' failures do not count.
    intended: bool = False


@record
class NodeLost(Event):
    """A node is gone with its executors, its files and its blocks."""

    node_id: NodeId
    reason: str


@record
class ExecutorsExhausted(Event):
    """No executor is left and the launcher cannot provide another one."""

    reason: str


@record
class ProfileRefused(Event):
    """There can be no executor of a resource profile here."""

    profile_id: int
    reason: str


@record
class BlocksUpdated(Event):
    """An executor stored, moved or dropped persisted blocks."""

    executor_id: ExecutorId
    updates: tuple[BlockUpdate, ...]
    #: The task that did it; None when it is not one task's doing.
    task_id: TaskId | None = None


@record
class TaskStarted(Event):
    """A task left the executor's queue (only reported where it had to wait)."""

    task_id: TaskId


@record
class TaskSucceeded(Event):
    """A task finished; `status` is set for shuffle map tasks.

    The result itself stays with the runtime until `AcceptResult` or
    `DiscardResult` says what becomes of it.
    """

    task_id: TaskId
    status: MapStatus | None = None
    result_bytes: int = 0


@record
class TaskFailed(Event):
    """A task raised. `failure` is opaque to the scheduler and handed on."""

    task_id: TaskId
    failure: object
    #: False for errors that another attempt cannot mend (result too large).
    is_retryable: bool = True
    #: False for what is not the task's fault (disk full, commit refused).
    counts: bool = True


@record
class TaskKilled(Event):
    """A task ended because we asked its executor to stop it."""

    task_id: TaskId


@record
class FetchFailed(Event):
    """A task could not read map outputs.

    `map_attempts` names the exact outputs (map partition, file attempt) that
    are missing or corrupt; empty when the task had no locations for the
    shuffle at all. `node_id` is None when not one node is to blame.
    """

    task_id: TaskId
    shuffle_id: ShuffleId
    map_attempts: tuple[tuple[int, int], ...]
    node_id: NodeId | None
    message: str


@record
class ShuffleForgotten(Event):
    """Nobody holds the shuffle any more; its outputs may go."""

    shuffle_id: ShuffleId


@record
class RddUnpersisted(Event):
    """The blocks of an RDD were dropped by the user."""

    rdd_id: RddId


@record
class TimerFired(Event):
    """The time asked for by `SetTimer` has come."""


@record
class Stopped(Event):
    """The context stops: every job fails with the reason."""

    reason: str
