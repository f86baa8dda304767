"""The scheduler: events in, commands out.

One door, `DAGScheduler.handle(event, now) -> commands`. It does no I/O, reads
no clock, draws no random number, calls no function of the user and knows no
thread; whoever owns it calls it from one thread. An illegal event raises before
anything has changed.

Glossary
--------
*Job*: one action; computes some partitions of a result stage. *Stage*: equal
tasks without a shuffle between them. A *map stage* writes the map outputs of
one shuffle and is known by it, so jobs share it; a *result stage* belongs to
one job. *Task*: one index of a stage; *attempt*: one try of a task on one
executor (`TaskId`, never reused). *Stage attempt*: from the moment a stage's
inputs are there until one is found missing. *Point*: a shuffle or a persisted
RDD that a stage reads (`plan.spec`).

Parts
-----
`state` holds the tables; `lifecycle` begins, advances and ends jobs and stages;
`faults` judges what tasks report and what deaths take away; `dispatch` gives
cores to tasks; `task_set` knows the tasks of one stage, `map_outputs` and
`blocks` where data is; `invariants` says what must always hold.

Rules
-----
1. What must run is *found*, not remembered: missing outputs of a map stage,
   results not yet accepted of a result stage, incomplete shuffles met when
   walking up from a stage (a persisted RDD with all its blocks hides what is
   behind it). A loss needs no plan of repair, only a new look.
2. A stage runs once, for all the jobs that want it, and ends when none does.
   The first of them lends its code and its view of the lineage.
3. Every partition is accepted once. Any other success is discarded. A map
   output that was lost and made again is accepted with `is_repeat`.
4. An attempt that is not in the table of tasks says nothing: its executor was
   declared lost, or it was answered before.
5. A cancelled attempt keeps its core until its executor answers or dies.
6. A map output is named by (shuffle, map, attempt). A report of its loss that
   names a replaced attempt changes nothing, however late it comes.

Failure theory
--------------
A *task error* counts against its task; the fourth ends every job that wants the
stage. A lost *executor* counts against the tasks it ran, not against those in
its queue nor when we killed it; its files stay, its heap blocks go. A lost
*node* takes its files too. A *lost input* (`FetchFailed`) costs no task
failure: it ends the stage attempt, forgets exactly the outputs named, waits a
moment for more of the same, then lets the missing maps run and after them the
tasks that are not done. Attempts that were running go on: their results count,
their late complaints do not end the next attempt. Four stage attempts in a row
that end so abort. Whoever notices a loss first (task, node, evicted block),
stages with tasks still to launch wait for their inputs again; those whose
tasks all run do not, for they may not need them any more. An *indeterminate*
map stage that has to run again after somebody may have read it takes with it
all that was made of its output; where results were delivered, or persisted
blocks are of the earlier run, the job fails. It is indeterminate when the user
says so, or from the moment a map's `fingerprint` differs when it runs again.
A *barrier* stage keeps its successes back until all its tasks succeeded, so
that starting all over needs no undoing. Waiting for executors is bounded.

For reviewers
-------------
- A new table: is it in `assert_empty`, `validate`, and in what a loss clears?
- A new event: what if it is late, doubled, about a retired stage, from a dead
  executor? Does the simulation send it?
- A new wait: which timer ends it?
- A loop: over what the event touches, or over everything? Walks are iterative.
- Does every `TaskSucceeded` still get exactly one accept or discard?
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minispark.ids import ExecutorId, JobId, StageId
from minispark.scheduler import events as ev
from minispark.scheduler.blocks import BlockTracker
from minispark.scheduler.commands import Command, Failure
from minispark.scheduler.config import SchedulerConfig
from minispark.scheduler.dispatch import Dispatcher
from minispark.scheduler.faults import Faults
from minispark.scheduler.history import job_info, planned_stage_info, stage_info
from minispark.scheduler.lifecycle import Lifecycle
from minispark.scheduler.map_outputs import MapOutputs
from minispark.scheduler.model import ExecutorInfo
from minispark.scheduler.stage import JobInfo, StageInfo
from minispark.scheduler.state import SchedulerState

__all__ = ["DAGScheduler", "JobInfo", "SchedulerConfig", "StageInfo"]


class DAGScheduler:
    """Decides what runs where and what counts; see the module's text."""

    def __init__(self, config: SchedulerConfig | None = None) -> None:
        self._state = state = SchedulerState(config or SchedulerConfig())
        self._lifecycle = lifecycle = Lifecycle(state)
        self._faults = faults = Faults(state, lifecycle)
        self._dispatcher = Dispatcher(state, lifecycle)
        self._handlers: dict[type[ev.Event], Callable[[Any, float], None]] = {
            ev.JobSubmitted: self._on_job_submitted,
            ev.JobCancelled: self._on_job_cancelled,
            ev.ExecutorAdded: self._on_executor_added,
            ev.ExecutorLost: self._on_executor_lost,
            ev.NodeLost: faults.node_lost,
            ev.ExecutorsExhausted: self._on_executors_exhausted,
            ev.ProfileRefused: self._dispatcher.profile_refused,
            ev.BlocksUpdated: faults.blocks_updated,
            ev.TaskStarted: faults.started,
            ev.TaskSucceeded: faults.succeeded,
            ev.TaskFailed: faults.failed,
            ev.TaskKilled: faults.killed,
            ev.FetchFailed: faults.fetch_failed,
            ev.ShuffleForgotten: self._on_shuffle_forgotten,
            ev.RddUnpersisted: self._on_rdd_unpersisted,
            ev.TimerFired: self._on_timer_fired,
            ev.Stopped: self._on_stopped,
        }

    def handle(self, event: ev.Event, now: float) -> list[Command]:
        """Takes note of one event and says what is to be done, in this order."""
        state = self._state
        commands: list[Command] = []
        state.out = commands
        self._handlers[type(event)](event, now)
        self._dispatcher.run(now)
        return commands

    # -- what the runtime may look at -----------------------------------------

    @property
    def map_outputs(self) -> MapOutputs:
        """Where map outputs are. Read only."""
        return self._state.map_outputs

    @property
    def blocks(self) -> BlockTracker:
        """Where blocks of persisted RDDs are. Read only."""
        return self._state.blocks

    @property
    def executors(self) -> tuple[ExecutorInfo, ...]:
        """The executors that are alive."""
        return tuple(e.info for e in self._state.executors.by_id.values())

    @property
    def active_job_ids(self) -> tuple[JobId, ...]:
        """The jobs that have not ended."""
        return tuple(self._state.jobs)

    @property
    def active_stage_ids(self) -> tuple[StageId, ...]:
        """The stages whose tasks run or may be launched."""
        return tuple(s.id for s in self._state.stages.values() if s.is_running)

    def job_info(self, job_id: JobId) -> JobInfo | None:
        """A snapshot of a job that is active or ended lately; None for any other."""
        job = self._state.jobs.get(job_id)
        return self._state.history.jobs.get(job_id) if job is None else job_info(job)

    def jobs_info(self) -> tuple[JobInfo, ...]:
        """Snapshots of all active jobs and of those that ended lately, by id."""
        ended = self._state.history.jobs.values()
        known = {info.job_id: info for info in (*ended, *map(job_info, self._state.jobs.values()))}
        return tuple(known[job_id] for job_id in sorted(known))

    def stage_info(self, stage_id: StageId) -> StageInfo | None:
        """A snapshot of a stage of an active job, or of one that ended lately."""
        stage = self._state.stages.get(stage_id)
        if stage is not None:
            return stage_info(stage, self._state.map_outputs)
        found = self._state.history.stages.get(stage_id)
        if found is not None:
            return found
        planned = (planned_stage_info(job, stage_id) for job in self._state.jobs.values())
        return next((info for info in planned if info is not None), None)

    def num_running(self, executor_id: ExecutorId) -> int:
        """Tasks that an executor works on."""
        executor = self._state.executors.by_id.get(executor_id)
        return 0 if executor is None else len(executor.running)

    def validate(self) -> None:
        """Raises AssertionError when an invariant does not hold. For tests: O(n)."""
        from minispark.scheduler import invariants  # for tests alone

        invariants.validate(self._state)

    def assert_empty(self) -> None:
        """Raises AssertionError when anything of a job is left."""
        from minispark.scheduler import invariants

        invariants.assert_empty(self._state)

    # -- events of jobs -------------------------------------------------------

    def _on_job_submitted(self, event: ev.JobSubmitted, now: float) -> None:
        self._lifecycle.submit(event.job, now)

    def _on_job_cancelled(self, event: ev.JobCancelled, now: float) -> None:
        job = self._state.jobs.get(event.job_id)
        if job is not None:
            self._lifecycle.fail(job, Failure("cancelled", event.reason), now)

    def _on_stopped(self, event: ev.Stopped, now: float) -> None:
        self._state.stopped = event.reason
        self._lifecycle.fail_all("stopped", event.reason, now)

    def _on_shuffle_forgotten(self, event: ev.ShuffleForgotten, _now: float) -> None:
        self._lifecycle.forget_shuffle(event.shuffle_id)

    def _on_rdd_unpersisted(self, event: ev.RddUnpersisted, now: float) -> None:
        self._state.blocks.forget(event.rdd_id)
        self._lifecycle.recheck(now)

    # -- events of executors --------------------------------------------------

    def _on_executor_added(self, event: ev.ExecutorAdded, _now: float) -> None:
        self._faults.executor_added(event)

    def _on_executor_lost(self, event: ev.ExecutorLost, now: float) -> None:
        self._faults.executor_lost(event.executor_id, event.reason, event.intended, now)

    def _on_executors_exhausted(self, event: ev.ExecutorsExhausted, now: float) -> None:
        if not len(self._state.executors):
            self._state.exhausted = event.reason
            self._lifecycle.fail_all("executors", event.reason, now)

    def _on_timer_fired(self, _event: ev.TimerFired, now: float) -> None:
        self._state.fire_timers(now)
