"""Orders of the scheduler to the runtime, imperative. Frozen and comparable."""

from __future__ import annotations

from minispark.ids import ExecutorId, JobId, RddId, ShuffleId, StageId, TaskId
from minispark.records import record


class Command:
    """Base of all commands."""

    __slots__ = ()


@record
class LaunchTask(Command):
    """Send one task attempt to one executor."""

    task_id: TaskId
    executor_id: ExecutorId
    #: Any job that wants the stage; the runtime finds the stage's code there.
    job_id: JobId
    stage_id: StageId
    stage_attempt: int
    #: The map stage's shuffle; None for a result stage.
    shuffle_id: ShuffleId | None
    partition: int
    #: Number of this attempt, from 0. For a map task it names the output file:
    #: unique per (shuffle, map partition) as long as the shuffle exists.
    attempt: int
    #: The shuffles the task may read, as of now; the runtime sends the
    #: locations once per executor and version (`MapOutputs.version`).
    reads: tuple[ShuffleId, ...] = ()
    is_speculative: bool = False
    #: Of persisted RDDs whose input was rolled back: as of when it was made.
    #: The task's blocks bear it, and those of an earlier run count as missing.
    runs: tuple[tuple[RddId, int], ...] = ()


@record
class CancelTask(Command):
    """Ask the executor to stop the task; it answers `TaskKilled` or a result."""

    task_id: TaskId
    executor_id: ExecutorId
    reason: str


@record
class AcceptResult(Command):
    """The task's result counts: apply its accumulator updates, keep the value.

    `index` is the position in `JobSpec.partitions`; None for a map task.
    """

    task_id: TaskId
    job_id: JobId
    index: int | None
    #: The map partition was accepted before and its output lost since: its
    #: accumulator updates do not count again.
    is_repeat: bool = False


@record
class DiscardResult(Command):
    """The task's result is late, doubled or unwanted; drop it."""

    task_id: TaskId


@record
class FinishJob(Command):
    """All results of the job were accepted."""

    job_id: JobId


@record
class Failure:
    """Why a job failed, as the scheduler knows it."""

    #: `"task"`, `"cancelled"`, `"fetch"`, `"executors"`, `"stopped"`, `"barrier"`.
    kind: str
    message: str
    #: What `TaskFailed.failure` carried, for kind `"task"`.
    cause: object = None
    stage_id: StageId | None = None
    stage_name: str = ""
    partition: int | None = None
    attempt: int | None = None


@record
class FailJob(Command):
    """The job ends without its results."""

    job_id: JobId
    failure: Failure


@record
class EndStage(Command):
    """No task of the stage will be launched again; its code may be dropped."""

    stage_id: StageId


@record
class DropShuffle(Command):
    """Remove the shuffle's files everywhere."""

    shuffle_id: ShuffleId


@record
class KillExecutor(Command):
    """End the executor: it did not let go of a cancelled task."""

    executor_id: ExecutorId
    reason: str


@record
class ProvideExecutors(Command):
    """Have executors of a resource profile, as many as there is room for."""

    profile_id: int
    #: More than for so many tasks at once are of no use.
    num_tasks: int


@record
class SetTimer(Command):
    """Send `TimerFired` at the time `at_s` (the clock of `now`), once."""

    at_s: float
