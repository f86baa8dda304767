"""How jobs and stages begin, advance and end.

Owns: creation of stages, the walk to missing inputs, completion, failure and
cancellation of jobs. What must run is found by looking at what is missing,
never remembered; all walks are iterative. Must not know: which executor runs
what (`dispatch`), why something was lost (`faults`).
"""

from __future__ import annotations

from collections.abc import Iterable

from minispark.ids import ShuffleId, StageId
from minispark.plan.spec import JobSpec, RddPoint, StageSpec
from minispark.scheduler import rollback
from minispark.scheduler.commands import (
    DiscardResult,
    DropShuffle,
    EndStage,
    FailJob,
    Failure,
    FinishJob,
)
from minispark.scheduler.locality import preferences
from minispark.scheduler.runs import input_runs
from minispark.scheduler.stage import Idle, Job, Running, Stage, Waiting, all_shuffles
from minispark.scheduler.state import SchedulerState
from minispark.scheduler.task_set import TaskSet


class Lifecycle:
    """Jobs and stages, on the shared state."""

    def __init__(self, state: SchedulerState) -> None:
        self.state = state
        self._next_stage = 0
        self._next_job = 0

    # -- jobs -----------------------------------------------------------------

    def submit(self, spec: JobSpec, now: float) -> None:
        """A new job: its result stage, and whatever that needs."""
        state = self.state
        if spec.job_id in state.jobs:
            raise ValueError(f"job {spec.job_id} was submitted twice")
        refusal = self._refusal() or rollback.mixture(state, spec)
        if refusal is not None:
            state.emit(FailJob(spec.job_id, refusal))
            return
        if not spec.partitions:
            state.emit(FinishJob(spec.job_id))
            return
        specs: dict[ShuffleId, StageSpec] = {}
        positions: dict[ShuffleId, int] = {}
        for position, stage_spec in enumerate(spec.stages):
            shuffle_id = stage_spec.shuffle_id
            assert shuffle_id is not None, "a map stage without a shuffle"
            specs[shuffle_id] = stage_spec
            positions[shuffle_id] = position
            if shuffle_id not in state.map_outputs:
                parents = all_shuffles(stage_spec)
                state.map_outputs.declare(shuffle_id, stage_spec.num_partitions, parents)
        job = Job(spec, self._next_job, now, self._next_stage, specs, positions)
        self._next_job += 1
        self._next_stage += len(spec.stages) + 1
        state.jobs[job.id] = job
        final = self._add_stage(StageId(self._next_stage - 1), spec.final, spec.partitions, job)
        final.done = bytearray(len(spec.partitions))
        self.watch_desertion(now)
        self.pursue([final], now)

    def _refusal(self) -> Failure | None:
        state = self.state
        if state.stopped is not None:
            return Failure("stopped", state.stopped)
        if state.exhausted is not None and not len(state.executors):
            return Failure("executors", state.exhausted)
        return None

    def finish(self, job: Job, now: float) -> None:
        """All results of the job were accepted."""
        self.state.emit(FinishJob(job.id))
        self.state.history.job_ended(job, "succeeded")
        self._leave(job, "the job has its results", now)

    def fail(self, job: Job, failure: Failure, now: float) -> None:
        """The job ends now; what only it wanted is stopped."""
        if job.id in self.state.jobs:
            self.state.emit(FailJob(job.id, failure))
            self.state.history.job_ended(job, "failed")
            self._leave(job, failure.message, now)

    def fail_all(self, kind: str, reason: str, now: float) -> None:
        """Every active job ends for the same reason."""
        for job in list(self.state.jobs.values()):
            self.fail(job, Failure(kind, reason), now)

    def abort(self, stage: Stage, failure: Failure, now: float) -> None:
        """Every job that wants the stage fails."""
        for job in list(stage.jobs.values()):
            self.fail(job, failure, now)

    def watch_desertion(self, now: float) -> None:
        """While no executor is there, jobs wait for a limited time only."""
        state = self.state
        if len(state.executors) or not state.jobs:
            return
        if state.deserted_since_s is None:
            state.deserted_since_s = now
        first = min(job.submitted_s for job in state.jobs.values())
        since = max(state.deserted_since_s, first)
        state.at(since + state.config.executor_timeout_s, self._check_desertion)

    def _check_desertion(self, now: float) -> None:
        state = self.state
        if len(state.executors):
            return
        timeout = state.config.executor_timeout_s
        for job in list(state.jobs.values()):
            since = max(state.deserted_since_s or 0.0, job.submitted_s)
            if now >= since + timeout:
                text = f"no executor has been available for {timeout:g} s"
                self.fail(job, Failure("executors", text), now)

    def _leave(self, job: Job, reason: str, now: float) -> None:
        state = self.state
        del state.jobs[job.id]
        handed_over = []
        for stage in job.stages.values():
            was_owner = stage.owner is job
            if len(stage.jobs) == 1:
                state.history.stage_ended(stage, state.map_outputs)
            del stage.jobs[job.id]
            if not stage.jobs:
                self._retire(stage, reason, now)
            elif was_owner:
                handed_over.append(stage)
        job.stages.clear()
        for shuffle_id in list(state.forgotten):
            self.forget_shuffle(shuffle_id)
        self._hand_over(handed_over, now)

    def _hand_over(self, stages: list[Stage], now: float) -> None:
        """Another job's view of these stages counts from now on."""
        state = self.state
        changed = []
        for stage in stages:
            if stage.shuffle_id is None:
                continue
            spec = stage.owner.specs[stage.shuffle_id]
            if spec != stage.spec:
                stage.spec = spec
                stage.shuffles = all_shuffles(spec)
                stage.runs = input_runs(state.map_outputs, state.blocks, spec)
                stage.forced.intersection_update(stage.shuffles)
                if isinstance(stage.state, Running | Waiting):
                    changed.append(stage)
        self.pursue(changed, now)

    def _retire(self, stage: Stage, reason: str, now: float) -> None:
        state = self.state
        del state.stages[stage.id]
        if stage.shuffle_id is not None:
            del state.by_shuffle[stage.shuffle_id]
        self.withdraw(stage, reason, now)
        stage.state = Idle()
        stage.waiters.clear()
        if stage.attempt >= 0:
            state.emit(EndStage(stage.id))

    def withdraw(self, stage: Stage, reason: str, now: float) -> None:
        """Stops every task of the stage; none is pending, held or running."""
        for attempt in list(stage.tasks.attempts()):
            self.state.cancel(attempt, reason, now)
        for attempt, _ in stage.held:
            self.state.emit(DiscardResult(attempt.id))
        stage.held.clear()
        stage.tasks.clear()
        self.state.ready.discard(stage)

    def forget_shuffle(self, shuffle_id: ShuffleId) -> None:
        """Drops a shuffle, as soon as no active job may read it."""
        state = self.state
        if any(shuffle_id in job.specs for job in state.jobs.values()):
            state.forgotten.add(shuffle_id)
            return
        state.forgotten.discard(shuffle_id)
        state.map_outputs.forget(shuffle_id)
        state.emit(DropShuffle(shuffle_id))

    # -- stages ---------------------------------------------------------------

    def _add_stage(
        self, stage_id: StageId, spec: StageSpec, partitions: tuple[int, ...] | range, job: Job
    ) -> Stage:
        stage = Stage(stage_id, spec, partitions, TaskSet(), shuffles=all_shuffles(spec))
        if self.state.config.speculation:
            stage.tasks.durations = []
        stage.pool = job.spec.pool
        self.state.stages[stage_id] = stage
        self._join(stage, (job,))
        return stage

    def _map_stage(self, shuffle_id: ShuffleId, jobs: Iterable[Job]) -> Stage:
        """The stage that writes the shuffle, wanted by these jobs from now on."""
        wanting = [job for job in jobs if shuffle_id in job.specs]
        stage = self.state.by_shuffle.get(shuffle_id)
        if stage is None:
            assert wanting, f"no job describes shuffle {shuffle_id}"
            job = wanting[0]
            spec = job.specs[shuffle_id]
            stage_id = StageId(job.first_stage_id + job.positions[shuffle_id])
            stage = self._add_stage(stage_id, spec, range(spec.num_partitions), job)
            self.state.by_shuffle[shuffle_id] = stage
        self._join(stage, wanting)
        return stage

    def _join(self, stage: Stage, jobs: Iterable[Job]) -> None:
        """The jobs want the stage, and with it whatever it waits for."""
        stack = [stage]
        while stack:
            current = stack.pop()
            new = [job for job in jobs if job.id not in current.jobs]
            if current.shuffle_id is not None:
                new = [job for job in new if current.shuffle_id in job.specs]
            if not new:
                continue
            for job in new:
                current.jobs[job.id] = job
                job.stages[current.id] = current
            if isinstance(current.state, Waiting):
                by_shuffle = self.state.by_shuffle
                stack.extend(by_shuffle[s] for s in current.state.missing if s in by_shuffle)

    def missing_shuffles(self, stage: Stage) -> list[ShuffleId]:
        """The incomplete shuffles the stage has to read, as things stand.

        A persisted RDD all of whose blocks are there hides what is behind it.
        """
        state = self.state
        is_complete = state.map_outputs.is_complete
        missing = {s: None for s in stage.forced if not is_complete(s)}
        stack = list(stage.spec.reads)
        seen: set[RddPoint] = set()
        while stack:
            point = stack.pop()
            if not isinstance(point, RddPoint):
                if not is_complete(point.shuffle_id):
                    missing[point.shuffle_id] = None
            elif point not in seen:
                seen.add(point)
                if not state.blocks.is_complete(point.rdd_id, point.num_partitions):
                    stack.extend(stage.spec.behind.get(point.rdd_id, ()))
        return sorted(missing)

    def pursue(self, stages: Iterable[Stage], now: float) -> None:
        """Lets the stages run as soon as their inputs are there.

        Starts what is ready, and wakes the stages of missing inputs, upwards.
        """
        state = self.state
        stack = list(stages)
        while stack:
            stage = stack.pop()
            if state.stages.get(stage.id) is not stage:
                continue
            missing = self.missing_shuffles(stage)
            if not missing:
                self._run(stage, now)
                continue
            waiting = Waiting(set(missing))
            stage.state = waiting
            state.ready.discard(stage)
            for shuffle_id in missing:
                parent = self._map_stage(shuffle_id, list(stage.jobs.values()))
                parent.waiters[stage.id] = stage
                if isinstance(parent.state, Idle):
                    if rollback.has_readers(state, parent):
                        stack.extend(rollback.roll_back(self, parent, now))
                        if state.stages.get(stage.id) is not stage:
                            parent.waiters.pop(stage.id, None)
                            break
                    stack.append(parent)
                    # Whoever comes to it before the stack does must not
                    # think that it rests.
                    parent.state = Waiting(set())

    def _run(self, stage: Stage, now: float) -> None:
        state = self.state
        tasks = stage.tasks
        shuffle_id = stage.shuffle_id
        if shuffle_id is None:
            unfinished = [i for i, done in enumerate(stage.done) if not done]
        else:
            unfinished = state.map_outputs.missing(shuffle_id)
        if tasks.running:
            unfinished = [i for i in unfinished if i not in tasks.running]
        if stage.spec.is_barrier:
            self.withdraw(stage, "all tasks of the barrier stage start again", now)
            if shuffle_id is not None:
                state.map_outputs.clear(shuffle_id)
            unfinished = list(range(len(stage.partitions)))
        stage.attempt += 1
        stage.state = Running()
        state.refresh_reads(stage)
        state.blocks.expect(stage.spec.behind)
        prefer = preferences(stage, state.map_outputs, state.blocks, state.executors)
        by_id, has_node = state.executors.by_id, state.executors.has_node
        tasks.start(
            unfinished,
            prefer,
            lambda p: any(e in by_id for e in p.executors) or any(map(has_node, p.nodes)),
            now,
        )
        state.update_ready(stage)
        if not unfinished and not tasks.running:
            self.map_stage_done(stage, now)

    def map_stage_done(self, stage: Stage, now: float) -> None:
        """All map outputs are there: whoever waited for them may go on."""
        assert stage.shuffle_id is not None
        self.withdraw(stage, "every map output is there", now)
        stage.state = Idle()
        stage.fetch_failures = 0
        stage.barrier_failures = 0
        waiters = list(stage.waiters.values())
        stage.waiters.clear()
        go_on = []
        for waiter in waiters:
            if isinstance(waiter.state, Waiting):
                waiter.state.missing.discard(stage.shuffle_id)
                if not waiter.state.missing:
                    go_on.append(waiter)
        self.pursue(go_on, now)

    def recheck(self, now: float) -> None:
        """Inputs were lost: stages that still need them wait for them."""
        state = self.state
        concerned = [
            stage
            for stage in state.stages.values()
            if isinstance(stage.state, Waiting)
            or (isinstance(stage.state, Running) and stage.tasks.pending)
        ]
        for stage in concerned:
            if state.stages.get(stage.id) is stage and self.missing_shuffles(stage):
                self.pursue([stage], now)
