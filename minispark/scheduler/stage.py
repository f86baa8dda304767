"""What the scheduler keeps per job, stage and task attempt.

A stage's state is a type, holding only what exists in that state:

::

    Idle ──────────▶ Waiting(missing) ──inputs there──▶ Running ──▶ Idle (all done)
      ▲  pursued        ▲    ▲                            │  │
      │                 │    └──an input was lost─────────┘  │ FetchFailed
      │                 └──time is up── Delayed(until) ◀─────┘
      └── map stage whose outputs are all there

`Idle` also covers a map stage whose outputs were lost while nobody needs them.
Must not know: executors, commands; who changes these records is in
`lifecycle`, `dispatch` and `faults`.
"""

from __future__ import annotations

from collections.abc import Sequence

from minispark.ids import JobId, RddId, ShuffleId, StageId
from minispark.plan.spec import JobSpec, ShufflePoint, StageSpec
from minispark.records import field, record
from minispark.scheduler.model import MapStatus
from minispark.scheduler.task_set import TaskAttempt, TaskSet


@record
class Idle:
    """Nobody asked for the stage, or everything it had to do is done."""


@record
class Waiting:
    """Some shuffles the stage reads are incomplete; their stages are at work."""

    #: Shrinks as shuffles complete; looked up anew when it is empty.
    missing: set[ShuffleId]


@record
class Delayed:
    """An input was lost; more reports of the same loss are awaited."""

    until_s: float


@record
class Running:
    """Its inputs are there; tasks run or wait for a core."""


StageState = Idle | Waiting | Delayed | Running


def all_shuffles(spec: StageSpec) -> tuple[ShuffleId, ...]:
    """Every shuffle a task of the stage may have to read, cached blocks or not."""
    found: dict[ShuffleId, None] = {}
    for points in (spec.reads, *spec.behind.values()):
        for point in points:
            if isinstance(point, ShufflePoint):
                found[point.shuffle_id] = None
    return tuple(found)


@record(frozen=False, eq=False)
class Stage:
    """One stage that at least one active job wants."""

    id: StageId
    spec: StageSpec
    #: Index of a task -> partition of the stage. They differ only in result stages.
    partitions: Sequence[int]
    tasks: TaskSet
    #: Who wants it; the first one's code runs. Empty only while being retired.
    jobs: dict[JobId, Job] = field(default_factory=dict)
    state: StageState = field(default_factory=Idle)
    #: Grows each time the stage starts to run; -1 before.
    attempt: int = -1
    #: Attempts in a row that a lost input ended.
    fetch_failures: int = 0
    #: Barrier only: how often all its tasks had to start again.
    barrier_failures: int = 0
    #: Stages in state `Waiting` for this one. May name retired ones.
    waiters: dict[StageId, Stage] = field(default_factory=dict)
    #: Shuffles a task lacked although cached blocks seemed to hide them.
    forced: set[ShuffleId] = field(default_factory=set)
    shuffles: tuple[ShuffleId, ...] = ()
    #: The shuffles a task may read: those complete when the attempt started,
    #: and still complete after as many losses as `reads_at`.
    reads: tuple[ShuffleId, ...] = ()
    reads_at: int = 0
    #: See `LaunchTask.runs`; as old as `reads`.
    runs: tuple[tuple[RddId, int], ...] = ()
    #: Barrier only: successes held back until all tasks succeeded.
    held: list[tuple[TaskAttempt, MapStatus | None]] = field(default_factory=list)
    #: When it is given up because no set of executors here could ever run it;
    #: None while there is room.
    room_deadline_s: float | None = None
    #: Result stages: 1 where the result was accepted.
    done: bytearray = field(default_factory=bytearray)
    num_done: int = 0
    #: When the first task was launched; None before.
    started_s: float | None = None
    pool: str = "default"
    #: Sort key of first come, first served: (submission of the first job, id).
    priority: tuple[int, int] = (0, 0)

    #: Result stages: next attempt number of indexes that ran before.
    _attempts: dict[int, int] = field(default_factory=dict)

    @property
    def is_running(self) -> bool:
        """Whether its tasks may be launched."""
        return isinstance(self.state, Running)

    def next_result_attempt(self, index: int) -> int:
        """Numbers the attempts of a result task from 0."""
        attempt = self._attempts.get(index, 0)
        self._attempts[index] = attempt + 1
        return attempt

    @property
    def shuffle_id(self) -> ShuffleId | None:
        """The shuffle the stage writes; None for a result stage."""
        return self.spec.shuffle_id

    @property
    def owner(self) -> Job:
        """The job whose code and view of the lineage the stage uses."""
        return next(iter(self.jobs.values()))


@record(frozen=False, eq=False)
class Job:
    """One active job."""

    spec: JobSpec
    #: Order of submission.
    sequence: int
    submitted_s: float
    #: The ids of the job's map stages, should they have to run, in the order
    #: of `JobSpec.stages`; the result stage's id follows.
    first_stage_id: int
    #: By shuffle: the job's view of the stage that writes it.
    specs: dict[ShuffleId, StageSpec]
    #: By shuffle: position in `JobSpec.stages`.
    positions: dict[ShuffleId, int]
    #: The stages that exist because this job (maybe among others) wants them.
    stages: dict[StageId, Stage] = field(default_factory=dict)

    @property
    def id(self) -> JobId:
        """The job's id."""
        return self.spec.job_id


@record
class StageInfo:
    """What the status tracker shows of a stage."""

    stage_id: StageId
    attempt: int
    name: str
    state: str
    num_tasks: int
    num_active: int
    num_completed: int
    num_failed: int
    shuffle_id: ShuffleId | None
    job_ids: tuple[JobId, ...]
    started_s: float | None


@record
class JobInfo:
    """What the status tracker shows of a job."""

    job_id: JobId
    group: str | None
    tags: frozenset[str]
    description: str | None
    call_site: str
    submitted_s: float
    #: All stages of the job; those that never ran are the skipped ones.
    stage_ids: tuple[StageId, ...]
    active_stage_ids: tuple[StageId, ...]
    num_partitions: int
    num_completed: int
    #: `"running"`, `"succeeded"` or `"failed"`.
    status: str = "running"
