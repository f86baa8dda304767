"""The scheduler's tables in one place, and the few operations all parts share.

Owns: every table, the commands of the event being handled, the timers. Knows
how to launch, cancel and release one task attempt; decides nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from minispark.ids import JobId, ShuffleId, StageId, TaskId
from minispark.scheduler.blocks import BlockTracker
from minispark.scheduler.commands import (
    CancelTask,
    Command,
    KillExecutor,
    LaunchTask,
    ProvideExecutors,
    SetTimer,
)
from minispark.scheduler.config import SchedulerConfig
from minispark.scheduler.executors import Executor, ExecutorTable
from minispark.scheduler.history import History
from minispark.scheduler.map_outputs import MapOutputs
from minispark.scheduler.pool import ReadyQueue
from minispark.scheduler.runs import input_runs
from minispark.scheduler.stage import Job, Stage
from minispark.scheduler.task_set import TaskAttempt


class SchedulerState:
    """Everything the scheduler knows."""

    def __init__(self, config: SchedulerConfig) -> None:
        self.config = config
        self.map_outputs: MapOutputs = MapOutputs()
        self.blocks: BlockTracker = BlockTracker()
        self.executors: ExecutorTable = ExecutorTable()
        self.ready: ReadyQueue = ReadyQueue(config.fair)
        self.jobs: dict[JobId, Job] = {}
        self.stages: dict[StageId, Stage] = {}
        self.by_shuffle: dict[ShuffleId, Stage] = {}
        #: Every attempt that an executor still has, wanted or cancelled.
        self.tasks: dict[TaskId, TaskAttempt] = {}
        self.history: History = History()
        #: Shuffles to drop as soon as no active job may read them.
        self.forgotten: set[ShuffleId] = set()
        #: Executors whose load changed in this event: candidates for prefetching.
        self.touched: list[Executor] = []
        #: A stage got a task back after something was lost: it may have to wait.
        self.is_doubtful: bool = False
        self.stopped: str | None = None
        self.exhausted: str | None = None
        #: Since when there has been no executor at all; None when there is one.
        self.deserted_since_s: float | None = 0.0
        #: Per resource profile, the number of tasks that executors were asked for.
        self.asked: dict[int, int] = {}
        self.out: list[Command] = []
        self._next_task = 0
        self._timers: list[tuple[float, int, Callable[[float], None]]] = []
        self._timer_count = 0
        self._armed_s: float | None = None

    def emit(self, command: Command) -> None:
        """Adds an order to the answer to this event."""
        self.out.append(command)

    # -- timers ---------------------------------------------------------------

    def at(self, time_s: float, action: Callable[[float], None]) -> None:
        """Calls `action(now)` at the first `TimerFired` at or after the time.

        Actions check that what they were meant for still exists.
        """
        self._timer_count += 1
        heapq.heappush(self._timers, (time_s, self._timer_count, action))
        if self._armed_s is None or time_s < self._armed_s:
            self._armed_s = time_s
            self.emit(SetTimer(time_s))

    @property
    def has_timer(self) -> bool:
        """Whether the runtime was asked for a `TimerFired`."""
        return self._armed_s is not None

    def fire_timers(self, now: float) -> None:
        """Calls what is due and asks for the next timer."""
        self._armed_s = None
        due = []
        while self._timers and self._timers[0][0] <= now:
            due.append(heapq.heappop(self._timers)[2])
        for action in due:
            action(now)
        if self._timers and self._armed_s is None:
            self._armed_s = self._timers[0][0]
            self.emit(SetTimer(self._armed_s))

    # -- task attempts --------------------------------------------------------

    def launch(
        self,
        stage: Stage,
        index: int,
        executor: Executor,
        now: float,
        *,
        queued: bool = False,
        copy: bool = False,
    ) -> None:
        """Sends one attempt of a task; the index is no longer pending."""
        if stage.reads_at != self.num_losses:
            self.refresh_reads(stage)
        task_id = TaskId(self._next_task)
        self._next_task += 1
        shuffle_id = stage.spec.shuffle_id
        partition = stage.partitions[index]
        number = (
            stage.next_result_attempt(index)
            if shuffle_id is None
            else self.map_outputs.next_attempt(shuffle_id, index)
        )
        attempt = TaskAttempt(
            task_id, stage, index, number, stage.attempt, executor, copy, now, queued
        )
        attempt.reads_as_of = self.map_outputs.num_clears
        if copy:
            stage.tasks.copies[index] = attempt
        else:
            stage.tasks.running[index] = attempt
        self.tasks[task_id] = attempt
        self.executors.occupy(attempt, stage.spec.task_cpus)
        if stage.started_s is None:
            stage.started_s = now
        self.out.append(
            LaunchTask(
                task_id,
                executor.id,
                stage.owner.id,
                stage.id,
                stage.attempt,
                shuffle_id,
                partition,
                number,
                stage.reads,
                copy,
                stage.runs,
            )
        )

    def refresh_reads(self, stage: Stage) -> None:
        """What a task finds no cached block for it must read whole, or not at all."""
        is_complete = self.map_outputs.is_complete
        stage.reads = tuple(s for s in stage.shuffles if is_complete(s))
        stage.runs = input_runs(self.map_outputs, self.blocks, stage.spec)
        stage.reads_at = self.num_losses

    @property
    def num_losses(self) -> int:
        """Changes whenever an input that was there is gone."""
        return self.map_outputs.num_losses + self.blocks.num_losses

    def cancel(self, attempt: TaskAttempt, reason: str, now: float) -> None:
        """Nobody wants the attempt any more; its core stays busy until it answers."""
        if attempt.is_cancelled:
            return
        attempt.is_cancelled = True
        attempt.stage.tasks.detach(attempt)
        if attempt.id not in self.tasks:
            return  # its executor is being taken out
        self.emit(CancelTask(attempt.id, attempt.executor.id, reason))
        if not attempt.is_queued:
            self._watch_cancelled(attempt, now)

    def release(self, attempt: TaskAttempt, now: float) -> None:
        """The executor has done with the attempt; its next one moves up."""
        executor = attempt.executor
        cpus = attempt.stage.spec.task_cpus
        del self.tasks[attempt.id]
        if executor.is_doomed and attempt.is_cancelled and not attempt.is_queued:
            # It answers after all; when it dies nevertheless, its tasks are
            # put back without counting as failures.
            executor.is_doomed = False
        self.executors.release(attempt, cpus)
        if executor.queued:
            waiting = next(iter(executor.queued.values()))
            if executor.used + waiting.stage.spec.task_cpus <= executor.cores:
                self.begin(waiting, now)
        self.touched.append(executor)

    def begin(self, attempt: TaskAttempt, now: float) -> None:
        """A task left its executor's queue."""
        self.executors.promote(attempt, attempt.stage.spec.task_cpus, now)
        if attempt.is_cancelled:
            self._watch_cancelled(attempt, now)

    def _watch_cancelled(self, attempt: TaskAttempt, now: float) -> None:
        def check(now: float) -> None:
            executor = attempt.executor
            if self.tasks.get(attempt.id) is attempt and not executor.is_doomed:
                executor.is_doomed = True
                self.executors.refresh(executor)
                self.emit(KillExecutor(executor.id, "it did not end a cancelled task"))

        self.at(now + self.config.cancel_grace_s, check)

    def put_back(self, stage: Stage, index: int, avoid: Executor | None = None) -> None:
        """A task of a stage in any state has to run again."""
        stage.tasks.put_back(index, avoid.id if avoid else None)
        if stage.reads_at != self.num_losses:
            self.is_doubtful = True
        self.update_ready(stage)

    def update_ready(self, stage: Stage) -> None:
        """Puts the stage among those with something to launch, or out."""
        if stage.is_running and (stage.tasks.pending or stage.tasks.slow):
            if stage.spec.profile_id:
                self._ask_for_executors(stage.spec.profile_id, len(stage.partitions))
            self.ready.add(stage)
        else:
            self.ready.discard(stage)

    def _ask_for_executors(self, profile_id: int, num_tasks: int) -> None:
        if self.asked.get(profile_id, 0) < num_tasks:
            self.asked[profile_id] = num_tasks
            self.emit(ProvideExecutors(profile_id, num_tasks))
