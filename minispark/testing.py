"""A backend that runs nothing: to test the scheduler, and what is built on it.

`FakeBackend` stands between a test and a `DAGScheduler`: the test says what
happens (a task succeeds, an executor dies), the backend sends the event,
validates the scheduler's state and remembers the commands. Time is a
`ManualClock`; timers fire when the clock is advanced past them.

>>> backend = FakeBackend(executors=2)
>>> _ = backend.submit(result_job(0, 2))
>>> [task.partition for task in backend.running]
[0, 1]
>>> backend.run_all()
>>> backend.finished
[0]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from minispark.ids import ExecutorId, JobId, NodeId, ShuffleId, TaskId
from minispark.plan.spec import JobSpec, Point, ShufflePoint, StageSpec
from minispark.records import replace
from minispark.scheduler import commands as cmd
from minispark.scheduler import events as ev
from minispark.scheduler.dag import DAGScheduler, SchedulerConfig
from minispark.scheduler.model import ExecutorInfo, MapStatus

C = TypeVar("C", bound=cmd.Command)


class ManualClock:
    """Time that passes only when told to."""

    def __init__(self, now: float = 0.0) -> None:
        self.now: float = now

    def advance(self, seconds: float) -> None:
        """Moves the clock."""
        self.now += seconds


def map_stage(
    shuffle_id: int, num_partitions: int = 2, reads: Iterable[int | Point] = (), **fields: object
) -> StageSpec:
    """The stage that writes a shuffle; an int among `reads` is a shuffle id."""
    return _stage(ShuffleId(shuffle_id), num_partitions, reads, **fields)


def result_job(
    job_id: int,
    num_partitions: int = 2,
    reads: Iterable[int | Point] = (),
    stages: Sequence[StageSpec] = (),
    partitions: Sequence[int] | None = None,
    **fields: object,
) -> JobSpec:
    """A job whose result stage reads the given shuffles; parents first in `stages`."""
    final = _stage(None, num_partitions, reads, **fields)
    wanted = range(num_partitions) if partitions is None else partitions
    return JobSpec(JobId(job_id), final, tuple(wanted), tuple(stages))


def _stage(
    shuffle_id: ShuffleId | None, n: int, reads: Iterable[int | Point], **fields: object
) -> StageSpec:
    points = tuple(ShufflePoint(ShuffleId(r)) if isinstance(r, int) else r for r in reads)
    return replace(StageSpec(shuffle_id, n, points), **fields)


class FakeBackend:
    """Plays the runtime: launched tasks wait until the test decides on them."""

    def __init__(
        self,
        config: SchedulerConfig | None = None,
        executors: int = 2,
        nodes: int = 1,
        cores: int = 1,
        scheduler: DAGScheduler | None = None,
        validate: bool = True,
    ) -> None:
        self.clock: ManualClock = ManualClock()
        self.scheduler: DAGScheduler = scheduler or DAGScheduler(config)
        self.validate = validate
        #: Every command, in order.
        self.log: list[cmd.Command] = []
        #: Tasks on executors, in the order of their launch.
        self.tasks: dict[TaskId, cmd.LaunchTask] = {}
        #: Every launch there was.
        self.launched: list[cmd.LaunchTask] = []
        self.accepted: list[cmd.AcceptResult] = []
        self.discarded: list[TaskId] = []
        self.finished: list[JobId] = []
        self.failed: dict[JobId, cmd.Failure] = {}
        self.timers: list[float] = []
        for i in range(executors):
            self.add_executor(f"e{i}", f"n{i % nodes}", cores)

    # -- events ---------------------------------------------------------------

    def send(self, event: ev.Event) -> list[cmd.Command]:
        """Hands the event over and takes note of the commands."""
        commands = self.scheduler.handle(event, self.clock.now)
        for command in commands:
            self._note(command)
        if self.validate:
            self.scheduler.validate()
        return commands

    def _note(self, command: cmd.Command) -> None:
        self.log.append(command)
        if isinstance(command, cmd.LaunchTask):
            assert command.executor_id in {e.executor_id for e in self.scheduler.executors}
            self.tasks[command.task_id] = command
            self.launched.append(command)
        elif isinstance(command, cmd.AcceptResult):
            self.accepted.append(command)
        elif isinstance(command, cmd.DiscardResult):
            self.discarded.append(command.task_id)
        elif isinstance(command, cmd.FinishJob):
            self.finished.append(command.job_id)
        elif isinstance(command, cmd.FailJob):
            self.failed[command.job_id] = command.failure
        elif isinstance(command, cmd.SetTimer):
            self.timers.append(command.at_s)

    def add_executor(
        self, name: str, node: str = "n0", cores: int = 1, profile_id: int = 0
    ) -> list[cmd.Command]:
        """An executor registers."""
        info = ExecutorInfo(ExecutorId(name), NodeId(node), cores, profile_id)
        return self.send(ev.ExecutorAdded(info))

    def submit(self, job: JobSpec) -> list[cmd.Command]:
        """A job begins."""
        return self.send(ev.JobSubmitted(job))

    def cancel(self, job_id: int, reason: str = "cancelled") -> list[cmd.Command]:
        """The user gives a job up."""
        return self.send(ev.JobCancelled(JobId(job_id), reason))

    def succeed(self, task: cmd.LaunchTask, fingerprint: int = 0) -> list[cmd.Command]:
        """The task ends well; a map task's output is on its executor's node."""
        self.tasks.pop(task.task_id, None)
        return self.send(ev.TaskSucceeded(task.task_id, self.status_of(task, fingerprint)))

    def status_of(self, task: cmd.LaunchTask, fingerprint: int = 0) -> MapStatus | None:
        """What a map task would report; None for a result task."""
        if task.shuffle_id is None:
            return None
        node = self._nodes.get(task.executor_id, NodeId("gone"))
        return MapStatus(
            node, task.executor_id, task.attempt, b"\x40\x40", 1000, False, fingerprint
        )

    @property
    def _nodes(self) -> dict[ExecutorId, NodeId]:
        return {e.executor_id: e.node_id for e in self.scheduler.executors}

    def fail(
        self,
        task: cmd.LaunchTask,
        failure: object = "boom",
        *,
        is_retryable: bool = True,
        counts: bool = True,
    ) -> list[cmd.Command]:
        """The task raises."""
        self.tasks.pop(task.task_id, None)
        return self.send(ev.TaskFailed(task.task_id, failure, is_retryable, counts))

    def kill(self, task: cmd.LaunchTask) -> list[cmd.Command]:
        """The executor stopped the task."""
        self.tasks.pop(task.task_id, None)
        return self.send(ev.TaskKilled(task.task_id))

    def fetch_fail(
        self, task: cmd.LaunchTask, shuffle_id: int, maps: Iterable[int] = ()
    ) -> list[cmd.Command]:
        """The task cannot read these map outputs (as they are registered now)."""
        self.tasks.pop(task.task_id, None)
        where = {m: a for m, a, _ in self.scheduler.map_outputs.locations(ShuffleId(shuffle_id))}
        lost = tuple((m, where.get(m, 0)) for m in maps)
        return self.send(
            ev.FetchFailed(task.task_id, ShuffleId(shuffle_id), lost, None, "a block is gone")
        )

    def lose_executor(
        self, name: str, reason: str = "died", intended: bool = False
    ) -> list[cmd.Command]:
        """An executor dies with its tasks."""
        executor_id = ExecutorId(name)
        self._forget(lambda task: task.executor_id == executor_id)
        return self.send(ev.ExecutorLost(executor_id, reason, intended))

    def lose_node(self, name: str, reason: str = "lost") -> list[cmd.Command]:
        """A node dies with its executors and files."""
        gone = {e for e, n in self._nodes.items() if n == name}
        self._forget(lambda task: task.executor_id in gone)
        return self.send(ev.NodeLost(NodeId(name), reason))

    def _forget(self, is_gone: Callable[[cmd.LaunchTask], bool]) -> None:
        self.tasks = {i: t for i, t in self.tasks.items() if not is_gone(t)}

    # -- driving --------------------------------------------------------------

    @property
    def running(self) -> list[cmd.LaunchTask]:
        """Tasks that executors have, oldest first."""
        return list(self.tasks.values())

    def task(self, partition: int, shuffle_id: int | None = None) -> cmd.LaunchTask:
        """The task on an executor for a partition; the newest if there are several."""
        found = [t for t in self.running if (t.shuffle_id, t.partition) == (shuffle_id, partition)]
        assert found, f"no task for partition {partition} of {shuffle_id}: {self.running}"
        return found[-1]

    def partitions(self, shuffle_id: int | None = None) -> list[int]:
        """Partitions of a shuffle's map stage (or the result stages) on executors."""
        return sorted(t.partition for t in self.running if t.shuffle_id == shuffle_id)

    def succeed_all(self) -> None:
        """Every task that is on an executor now succeeds."""
        for task in self.running:
            if task.task_id in self.tasks:
                self.succeed(task)

    def run_all(self) -> None:
        """Tasks succeed until none is left; time passes when only timers are left."""
        while self.tasks or (self.timers and self.scheduler.active_job_ids):
            if not self.tasks:
                self.advance(min(self.timers) - self.clock.now)
            self.succeed_all()

    def advance(self, seconds: float) -> None:
        """Time passes; timers fire on the way."""
        end = self.clock.now + seconds
        while self.timers and min(self.timers) <= end:
            self.clock.now = max(self.clock.now, min(self.timers))
            self.timers = [t for t in self.timers if t > self.clock.now]
            self.send(ev.TimerFired())
        self.clock.now = end

    def commands(self, kind: type[C]) -> list[C]:
        """All commands so far of one kind."""
        return [c for c in self.log if isinstance(c, kind)]

    def assert_done(self) -> None:
        """Nothing of any job is left."""
        self.scheduler.assert_empty()
