"""What must be so whatever happens: of launches, results, answers and failures."""

from __future__ import annotations

from collections import Counter

from minispark.ids import ExecutorId, JobId, ShuffleId
from minispark.plan.spec import JobSpec, ShufflePoint, StageSpec
from minispark.scheduler import commands as cmd
from minispark.scheduler.dag import DAGScheduler, SchedulerConfig
from tests.scheduler.simulation.cluster import Box
from tests.scheduler.simulation.plans import BARRIER_SLOTS, Plans, Value


class Checks:
    """Looks at what a world's scheduler decides; the world is the subclass."""

    scheduler: DAGScheduler
    config: SchedulerConfig
    plans: Plans
    cores: int
    boxes: dict[ExecutorId, Box]
    is_stopped: bool

    def __init__(self) -> None:
        self.launches: dict[int, cmd.LaunchTask] = {}
        self.results: dict[JobId, dict[int, Value]] = {}
        self.ended: dict[JobId, str] = {}
        self.asked_to_end: set[JobId] = set()
        self.values: dict[int, Value] = {}
        self.answers: dict[int, int] = {}
        self.errors: dict[object, int] = {}
        #: How often what each map partition adds to accumulators was counted.
        self.counted: Counter[tuple[ShuffleId, int]] = Counter()
        #: What happened how often, by kind: a run that never met a fault shows nothing.
        self.seen: Counter[str] = Counter()

    def check_barriers(self, commands: list[cmd.Command]) -> None:
        """Tasks of a barrier stage start all at the same time."""
        started: dict[tuple[int, int], tuple[int, StageSpec]] = {}
        for command in commands:
            if isinstance(command, cmd.LaunchTask):
                spec = self.spec_of(command)
                if spec.is_barrier:
                    key = (command.stage_id, command.stage_attempt)
                    started[key] = (started.get(key, (0, spec))[0] + 1, spec)
        for key, (count, spec) in started.items():
            whole = spec.num_partitions
            if spec.shuffle_id is None:
                whole = min(whole, count)  # a job may want only some of its partitions
            assert count == whole, f"{count} of {whole} barrier tasks started in {key}"

    def spec_of(self, command: cmd.LaunchTask) -> StageSpec:
        """The stage that a task belongs to."""
        job = self.plans.jobs[command.job_id]
        if command.shuffle_id is None:
            return job.final
        return next(s for s in job.stages if s.shuffle_id == command.shuffle_id)

    def needed_now(self, spec: StageSpec) -> set[ShuffleId]:
        """What a task reads if every cached block the scheduler knows is there."""
        needed = set()
        stack = list(spec.reads)
        while stack:
            point = stack.pop()
            if isinstance(point, ShufflePoint):
                needed.add(point.shuffle_id)
            elif not self.scheduler.blocks.is_complete(point.rdd_id, point.num_partitions):
                stack.extend(spec.behind[point.rdd_id])
        return needed

    def accept(self, command: cmd.AcceptResult) -> None:
        """Each partition of a job counts once, and each map partition's updates."""
        task_id, job_id, index = command.task_id, command.job_id, command.index
        self.answers[task_id] = self.answers.get(task_id, 0) + 1
        if index is not None:
            assert job_id not in self.ended, "a result for an ended job"
            assert index not in self.results[job_id], "a result was accepted twice"
            self.results[job_id][index] = self.values[task_id]
            return
        launch = self.launches[task_id]
        assert launch.shuffle_id is not None
        key = (launch.shuffle_id, launch.partition)
        self.counted[key] += not command.is_repeat
        self.seen["repeated map results"] += command.is_repeat
        assert self.counted[key] == 1, "accumulators of a map partition count not once"

    def end(self, job_id: JobId, how: str) -> None:
        """A job ends once."""
        assert job_id not in self.ended, "a job ended twice"
        self.ended[job_id] = how
        self.seen[f"jobs {how}"] += 1

    def check(self, job: JobSpec) -> None:
        """Every answer is what an undisturbed run gives; one run of what is random."""
        got = self.results[job.job_id]
        assert set(got) == set(range(len(job.partitions))), "results are missing"
        drawn: dict[object, int] = {}
        for index, partition in enumerate(job.partitions):
            truth = self.plans.truth_of(job.final, partition)
            assert got[index].digest == truth.digest, "a wrong answer"
            for shuffle, map_id, run in got[index].drawn:
                assert drawn.setdefault((shuffle, map_id), run) == run, "two runs are mixed"
        self.seen["random answers"] += bool(drawn)

    def check_failure(self, job_id: JobId, failure: cmd.Failure) -> None:
        """A job fails only for what may fail it."""
        if failure.kind == "cancelled":
            assert job_id in self.asked_to_end, "cancelled, but nobody asked"
        elif failure.kind == "stopped":
            assert self.is_stopped, "stopped, but nobody asked"
        elif failure.kind == "barrier":
            assert len(self.boxes) * self.cores < BARRIER_SLOTS, "there was room"
        elif failure.kind in ("task", "executors") and self.boxes:
            worst = max(self.errors.values(), default=0)
            assert worst >= self.config.max_task_failures, f"failed too early: {failure}"
        elif failure.kind == "fetch":  # so many losses in a row do not happen here
            assert "indeterminate" in failure.message, failure
        else:
            assert failure.kind == "executors", failure
