"""What tasks report and what is lost: success, failure, lost inputs, deaths.

Owns: which result counts, which failure counts, what becomes of outputs and
blocks that are gone. Must not know: how cores are given out. A report about an
attempt that is not in `tasks` comes from the dead or is a repetition: a result
is discarded, everything else ignored.
"""

from __future__ import annotations

from collections.abc import Callable

from minispark.ids import ExecutorId, NodeId, ShuffleId, TaskId
from minispark.scheduler import events as ev
from minispark.scheduler import rollback
from minispark.scheduler.commands import AcceptResult, DiscardResult, Failure
from minispark.scheduler.lifecycle import Lifecycle
from minispark.scheduler.model import MapStatus
from minispark.scheduler.stage import Delayed, Running, Stage
from minispark.scheduler.state import SchedulerState
from minispark.scheduler.task_set import TaskAttempt

#: Failures that do not count may come so many times more often than those that do.
_UNCOUNTED_FACTOR = 10


class Faults:
    """Reports about tasks, executors, nodes and blocks, on the shared state."""

    def __init__(self, state: SchedulerState, lifecycle: Lifecycle) -> None:
        self.state = state
        self.lifecycle = lifecycle

    # -- results --------------------------------------------------------------

    def succeeded(self, event: ev.TaskSucceeded, now: float) -> None:
        """Exactly one result per partition is accepted, all others discarded."""
        state = self.state
        attempt = state.tasks.get(event.task_id)
        if attempt is None:
            state.out.append(DiscardResult(event.task_id))
            return
        stage = attempt.stage
        wanted = not attempt.is_cancelled
        if wanted and stage.spec.shuffle_id is not None and event.status is None:
            raise ValueError(f"map task {event.task_id} reported no map status")
        state.release(attempt, now)
        if not wanted:
            state.out.append(DiscardResult(event.task_id))
            return
        tasks = stage.tasks
        if tasks.detach(attempt):  # the other one of two copies lost the race
            loser = tasks.running[attempt.index]
            state.cancel(loser, "another attempt of the task was faster", now)
        tasks.succeeded(attempt.index, now - attempt.started_s)
        ended = [(attempt, event.status)]
        if stage.spec.is_barrier:
            stage.held += ended
            if len(stage.held) < len(stage.partitions):
                return
            ended, stage.held = stage.held, []
        if self._is_other_run(stage, ended):
            for earlier, _ in ended:
                state.out.append(DiscardResult(earlier.id))
            again = rollback.roll_back(self.lifecycle, stage, now)
            self.lifecycle.pursue([stage, *again], now)
            return
        for earlier, status in ended:
            self._accept(earlier, status, now)

    def _accept(self, attempt: TaskAttempt, status: MapStatus | None, now: float) -> None:
        state = self.state
        stage = attempt.stage
        shuffle_id = stage.spec.shuffle_id
        if shuffle_id is None:
            job = stage.owner
            stage.done[attempt.index] = 1
            stage.num_done += 1
            state.out.append(AcceptResult(attempt.id, job.id, attempt.index))
            if stage.num_done == len(stage.partitions):
                self.lifecycle.finish(job, now)
            return
        assert status is not None
        first = state.map_outputs.register(shuffle_id, attempt.index, status)
        state.out.append(AcceptResult(attempt.id, stage.owner.id, None, not first))
        if state.map_outputs.is_complete(shuffle_id):
            self.lifecycle.map_stage_done(stage, now)

    def _is_other_run(
        self, stage: Stage, ended: list[tuple[TaskAttempt, MapStatus | None]]
    ) -> bool:
        """Whether an output differs from the lost one, which somebody may have read."""
        outputs = self.state.map_outputs
        shuffle_id = stage.spec.shuffle_id
        differs = [
            outputs.is_other_run(shuffle_id, attempt.index, status)
            for attempt, status in ended
            if shuffle_id is not None and status is not None
        ]
        return any(differs) and shuffle_id is not None and outputs.was_complete(shuffle_id)

    # -- failures of tasks ----------------------------------------------------

    def failed(self, event: ev.TaskFailed, now: float) -> None:
        """The task raised: again elsewhere, or the job is over."""
        attempt = self._end(event.task_id, now)
        if attempt is None:
            return
        failure = Failure(
            "task",
            f"task for partition {self._partition(attempt)} of stage {attempt.stage.id} "
            f"({attempt.stage.spec.name}) failed",
            event.failure,
            attempt.stage.id,
            attempt.stage.spec.name,
            self._partition(attempt),
            attempt.attempt,
        )
        if not event.is_retryable:
            self.lifecycle.abort(attempt.stage, failure, now)
        else:
            self._again(attempt, failure, event.counts, now)

    def killed(self, event: ev.TaskKilled, now: float) -> None:
        """We asked for it; where we did not, the task runs again."""
        attempt = self._end(event.task_id, now)
        if attempt is not None:
            self._again(attempt, self._lost(attempt, "it was killed"), False, now)

    def started(self, event: ev.TaskStarted, now: float) -> None:
        """A prefetched task left its executor's queue."""
        attempt = self.state.tasks.get(event.task_id)
        if attempt is not None and attempt.is_queued:
            self.state.begin(attempt, now)
        elif attempt is not None:
            attempt.started_s = now

    def _end(self, task_id: TaskId, now: float) -> TaskAttempt | None:
        """Releases the attempt; None when nobody wanted it any more."""
        attempt = self.state.tasks.get(task_id)
        if attempt is None:
            return None
        self.state.release(attempt, now)
        return None if attempt.is_cancelled else attempt

    def _again(self, attempt: TaskAttempt, failure: Failure, counts: bool, now: float) -> None:
        """Counts a failure and lets the task, or its barrier stage, run again."""
        stage = attempt.stage
        tasks = stage.tasks
        index = attempt.index
        has_copy = tasks.detach(attempt)
        tasks.num_failed += 1
        limit = self.state.config.max_task_failures
        counter = tasks.failures if counts else tasks.uncounted
        counter[index] = counter.get(index, 0) + 1
        if counter[index] >= (limit if counts else limit * _UNCOUNTED_FACTOR):
            self.lifecycle.abort(stage, failure, now)
        elif stage.spec.is_barrier:
            stage.barrier_failures += counts
            if stage.barrier_failures >= limit:
                self.lifecycle.abort(stage, failure, now)
            elif isinstance(stage.state, Running):
                self.lifecycle.withdraw(stage, "a task of the barrier stage failed", now)
                self.lifecycle.pursue([stage], now)
        elif not has_copy:
            self.state.put_back(stage, index, attempt.executor)

    @staticmethod
    def _partition(attempt: TaskAttempt) -> int:
        return attempt.stage.partitions[attempt.index]

    def _lost(self, attempt: TaskAttempt, reason: str) -> Failure:
        partition = self._partition(attempt)
        stage = attempt.stage
        return Failure(
            "executors",
            f"the executor of the task for partition {partition} of stage {stage.id} "
            f"({stage.spec.name}) was lost, attempt {attempt.attempt}: {reason}",
            None,
            stage.id,
            stage.spec.name,
            partition,
            attempt.attempt,
        )

    # -- lost inputs ----------------------------------------------------------

    def fetch_failed(self, event: ev.FetchFailed, now: float) -> None:
        """A task could not read: forget exactly those outputs, make them again."""
        attempt = self._end(event.task_id, now)
        if attempt is None:
            return
        stage = attempt.stage
        has_copy = stage.tasks.detach(attempt)
        lost = False
        for map_id, number in event.map_attempts:
            if self.state.map_outputs.unregister(event.shuffle_id, map_id, number):
                lost = True
                self._output_lost(event.shuffle_id, map_id)
        if not event.map_attempts and event.shuffle_id in stage.shuffles:
            stage.forced.add(event.shuffle_id)
        if not has_copy:
            self.state.put_back(stage, attempt.index)
        is_current = attempt.stage_attempt == stage.attempt and isinstance(stage.state, Running)
        if is_current:
            self._delay(stage, event, now)
        if lost or not is_current:
            self.lifecycle.recheck(now)

    def _delay(self, stage: Stage, event: ev.FetchFailed, now: float) -> None:
        """Ends the stage's attempt; the next one starts when reports have come in."""
        state = self.state
        stage.fetch_failures += 1
        if stage.fetch_failures >= state.config.max_stage_attempts:
            text = (
                f"stage {stage.id} ({stage.spec.name}) could not read its input in "
                f"{stage.fetch_failures} attempts in a row; the last time: {event.message}"
            )
            failure = Failure("fetch", text, stage_id=stage.id, stage_name=stage.spec.name)
            self.lifecycle.abort(stage, failure, now)
            return
        if stage.spec.is_barrier:
            self.lifecycle.withdraw(stage, "a task of the barrier stage lost its input", now)
        until = now + state.config.fetch_coalesce_s
        stage.state = Delayed(until)
        state.update_ready(stage)

        def resume(now: float) -> None:
            if state.stages.get(stage.id) is stage and stage.state == Delayed(until):
                self.lifecycle.pursue([stage], now)

        state.at(until, resume)

    def _output_lost(self, shuffle_id: ShuffleId, map_id: int) -> None:
        """A map stage that still runs has one more task; others are asked if needed."""
        stage = self.state.by_shuffle.get(shuffle_id)
        if stage is not None and stage.is_running and map_id not in stage.tasks.running:
            self.state.put_back(stage, map_id)

    # -- deaths ---------------------------------------------------------------

    def executor_added(self, event: ev.ExecutorAdded) -> None:
        """A new executor can take tasks."""
        state = self.state
        if event.executor.executor_id in state.executors.by_id:
            raise ValueError(f"executor {event.executor.executor_id} registered twice")
        state.executors.add(event.executor)
        state.blocks.node_alive(event.executor.node_id)
        state.deserted_since_s = None
        state.exhausted = None

    def executor_lost(
        self, executor_id: ExecutorId, reason: str, intended: bool, now: float
    ) -> None:
        """Its tasks run again, what was in its process is gone, its files stay."""
        if executor_id in self.state.executors.by_id:
            self._bury([executor_id], None, reason, intended, now)

    def node_lost(self, event: ev.NodeLost, now: float) -> None:
        """Its executors, and every file on it."""
        executor_ids = self.state.executors.on_node(event.node_id)
        self._bury(executor_ids, event.node_id, event.reason, False, now)

    def _bury(
        self,
        executor_ids: list[ExecutorId],
        node_id: NodeId | None,
        reason: str,
        intended: bool,
        now: float,
    ) -> None:
        """Takes the dead out of every table first; then looks at what that means."""
        state = self.state
        lost: list[tuple[ShuffleId, int]] = []
        blocks_lost = False
        if node_id is not None:
            lost = state.map_outputs.lose_node(node_id)
            blocks_lost = state.blocks.lose_node(node_id)
            for stage in state.stages.values():
                stage.tasks.lose_node(node_id)
        attempts: list[TaskAttempt] = []
        for executor_id in executor_ids:
            executor = state.executors.remove(executor_id)
            assert executor is not None
            attempts += (*executor.running.values(), *executor.queued.values())
            lost += state.map_outputs.lose_executor(executor_id)
            blocks_lost |= state.blocks.lose_executor(executor_id)
            for stage in state.stages.values():
                stage.tasks.lose_executor(executor_id)
        for attempt in attempts:
            del state.tasks[attempt.id]
        self._return_tasks(attempts, reason, intended, now)
        dead = set(executor_ids)
        self._restart_barriers(
            lambda s: s.node_id == node_id or (s.in_executor and s.executor_id in dead), now
        )
        for shuffle_id, map_id in lost:
            self._output_lost(shuffle_id, map_id)
        if lost or blocks_lost:
            self.lifecycle.recheck(now)
        if executor_ids and not len(state.executors):
            state.deserted_since_s = now
            self.lifecycle.watch_desertion(now)

    def _restart_barriers(self, is_lost: Callable[[MapStatus], bool], now: float) -> None:
        """Outputs that barrier stages hold back may be lost like registered ones."""
        for stage in list(self.state.stages.values()):
            if any(status is not None and is_lost(status) for _, status in stage.held):
                self.lifecycle.withdraw(stage, "an output of the barrier stage was lost", now)
                self.lifecycle.pursue([stage], now)

    def _return_tasks(
        self, attempts: list[TaskAttempt], reason: str, intended: bool, now: float
    ) -> None:
        """They go back; those that ran count a failure, unless we killed them."""
        for attempt in attempts:
            if attempt.is_cancelled:
                continue
            stage = attempt.stage
            if stage.spec.is_barrier or not (intended or attempt.is_queued):
                self._again(attempt, self._lost(attempt, reason), not intended, now)
            elif not stage.tasks.detach(attempt):
                self.state.put_back(stage, attempt.index)

    def blocks_updated(self, event: ev.BlocksUpdated, now: float) -> None:
        """Persisted blocks came or went."""
        executor = self.state.executors.by_id.get(event.executor_id)
        if executor is None:
            return  # from the dead
        as_of: int | None = None
        if event.task_id is not None:
            attempt = self.state.tasks.get(event.task_id)
            as_of = attempt.reads_as_of if attempt is not None else 0
        if self.state.blocks.update(executor.id, executor.node_id, event.updates, as_of):
            self.lifecycle.recheck(now)
        if as_of is not None and as_of < self.state.map_outputs.num_clears:
            rollback.end_mixed_jobs(self.lifecycle, now)
