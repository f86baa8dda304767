"""The driver's loop: facts in, decisions from the scheduler, orders out.

Whoever learns a fact (a user thread that submits a job, the receiving thread
that read a report) posts it as an event; the scheduler answers with commands,
which are executed at once, all under one lock: `task_sender` sends what a task
needs, `outcomes` passes results on.

Rules for changes: `post` may be called with the lock held (it is reentrant and
only queues then); a command handler never waits; what may take long goes to
the janitor.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence

from minispark.ids import (
    ExecutorId,
    JobId,
    NodeId,
    RddId,
    ShuffleId,
    TaskId,
)
from minispark.plan.spec import BlockKey, BlockUpdate, JobSpec, Point, ShufflePoint
from minispark.records import record
from minispark.runtime.block_broker import BlockBroker
from minispark.runtime.boot import NodeInfo
from minispark.runtime.cluster_files import ClusterFiles
from minispark.runtime.failures import to_exception
from minispark.runtime.files import SharedFiles
from minispark.runtime.inline import InlineRunner
from minispark.runtime.interrupts import deferred_interrupts
from minispark.runtime.janitor import Janitor
from minispark.runtime.job import JobRun, Result
from minispark.runtime.members import Members
from minispark.runtime.messages import ResultFile, TaskReport
from minispark.runtime.outcomes import Outcomes, event_of
from minispark.runtime.rendezvous import Rendezvous
from minispark.runtime.skew_reports import SkewReports, describe_skew
from minispark.runtime.status import DriverStatus
from minispark.runtime.task_sender import TaskSender
from minispark.scheduler import commands as c
from minispark.scheduler import events as e
from minispark.scheduler.config import SchedulerConfig
from minispark.scheduler.dag import DAGScheduler
from minispark.scheduler.model import ExecutorInfo
from minispark.scheduler.stage import StageInfo
from minispark.shuffle.format import shuffle_prefix
from minispark.storage.blockfile import block_prefix

log: logging.Logger = logging.getLogger("minispark")


@record
class DriverSettings:
    """What the driver takes from the configuration."""

    #: Sum of one job's serialised results above which it fails; 0: no limit.
    max_result_bytes: int
    heartbeat_s: float
    timeout_s: float
    #: Whether a file added under a name in use replaces the older one.
    overwrite_files: bool = False


class Driver:
    """Runs jobs on whatever executors register; see `LauncherEvents` too."""

    def __init__(
        self,
        config: SchedulerConfig,
        settings: DriverSettings,
        files: ClusterFiles,
    ) -> None:
        self._files = files
        self._lock = threading.RLock()
        self._scheduler = DAGScheduler(config)
        self._events: deque[e.Event] = deque()
        self._draining = False
        self._jobs: dict[JobId, JobRun] = {}
        #: Times (monotonic clock) at which the scheduler wants to be called.
        self._timers: list[float] = []
        self.janitor: Janitor = Janitor()
        self.members: Members = Members(
            self._lock, self, self.janitor, settings.heartbeat_s, settings.timeout_s
        )
        self.status: DriverStatus = DriverStatus(self._lock, self._scheduler, self.members.nodes)
        self.shared: SharedFiles = SharedFiles(files.local, settings.overwrite_files)
        self._rendezvous = Rendezvous(
            lambda executor, task, value: self.members.send_svc(executor, ("answer", task, value))
        )
        self._broker = BlockBroker(
            self._scheduler.blocks, self.members.links, self.members.send_svc
        )
        self.outcomes: Outcomes = Outcomes(
            self._jobs, files, self.janitor, settings.max_result_bytes, self._give_up
        )
        self._skews = SkewReports(self._scheduler.map_outputs, self.janitor)
        self._sender = TaskSender(
            self._jobs,
            self._scheduler.map_outputs,
            self._scheduler.blocks,
            self.members,
            self.shared,
            self._rendezvous,
            self.status,
            self._skews,
        )
        self._inline: InlineRunner | None = None
        #: Has executors of a resource profile started; the backend's.
        self.provide: Callable[[int, int], None] = lambda _profile_id, _num_tasks: None

    # -- life --------------------------------------------------------------

    def use_inline(self, runner: InlineRunner) -> None:
        """Runs tasks in this process, on the threads that wait."""
        self._inline = runner
        self.members.links[runner.executor_id] = runner
        self.added(ExecutorInfo(runner.executor_id, runner.node_id))

    def stop(self, reason: str, end_processes: Callable[[], None]) -> None:
        """Fails every job, lets executors go and ends all threads."""
        self.post(e.Stopped(reason))
        self.members.stop()
        end_processes()
        self.janitor.close()

    # -- events in ----------------------------------------------------------

    def post(self, *events: e.Event) -> None:
        """Tells the scheduler facts and carries out what it orders."""
        with deferred_interrupts(), self._lock:
            self._events.extend(events)
            if self._draining:
                return
            self._draining = True
            try:
                while self._events or self._flush():
                    if self._events:
                        self._handle(self._events.popleft())
            finally:
                self._draining = False
                self.outcomes.hand_over()

    def _handle(self, event: e.Event) -> None:
        try:
            for command in self._scheduler.handle(event, time.monotonic()):
                self._execute(command)
        except Exception as error:
            log.exception("the scheduler failed on %r", event)
            self._break_all(error)

    def _flush(self) -> bool:
        """Sends the tasks that the events led to; whether there were any."""
        try:
            return self._sender.flush()
        except Exception as error:
            log.exception("tasks could not be sent")
            self._break_all(error)
            return True

    def _break_all(self, error: Exception) -> None:
        # A defect of ours: better every job fails than one hangs.
        for run in list(self._jobs.values()):
            run.broken = error
            self._end(run.job_id, None)

    def added(self, executor: ExecutorInfo) -> None:
        """See `MemberEvents`."""
        self.post(e.ExecutorAdded(executor))

    def lost(self, executor_id: ExecutorId, reason: str) -> None:
        """See `MemberEvents`."""
        self.post(e.ExecutorLost(executor_id, reason))
        self._broker.executor_lost(executor_id)

    def exhausted(self, reason: str) -> None:
        """See `MemberEvents`."""
        self.post(e.ExecutorsExhausted(reason))

    def node_added(self, node: NodeInfo) -> None:
        """See `LauncherEvents`."""
        self.members.node_added(node)

    def node_lost(self, node_id: NodeId, reason: str) -> None:
        """See `LauncherEvents`."""
        self.members.node_lost(node_id, reason)
        self.post(e.NodeLost(node_id, reason))

    def profile_refused(self, profile_id: int, reason: str) -> None:
        """See `LauncherEvents`."""
        self.post(e.ProfileRefused(profile_id, reason))

    def executor_ended(self, executor_id: ExecutorId, reason: str) -> None:
        """See `LauncherEvents`."""
        self.members.ended(executor_id, reason)

    def due_s(self) -> float | None:
        """See `MemberEvents`."""
        with self._lock:
            return max(0.0, self._timers[0] - time.monotonic()) if self._timers else None

    def tick(self) -> None:
        """See `MemberEvents`."""
        with self._lock:
            is_due = False
            while self._timers and self._timers[0] <= time.monotonic():
                heapq.heappop(self._timers)
                is_due = True
            if is_due:
                self.post(e.TimerFired())

    def reported(self, reports: Sequence[tuple[ExecutorId, TaskReport]]) -> None:
        """See `MemberEvents`."""
        events: list[e.Event] = []
        with self._lock:
            for executor_id, report in reports:
                if report.updates:
                    events.append(e.BlocksUpdated(executor_id, report.updates, report.task_id))
                events.append(event_of(report))
                if report.kind == "ok":
                    self.outcomes.keep(report)
                    self._rendezvous.task_succeeded(report.task_id)
            self.post(*events)

    def asked(self, executor_id: ExecutorId, task_id: TaskId, method: str, text: str) -> None:
        """See `MemberEvents`."""
        with self._lock:
            self._rendezvous.asked(executor_id, task_id, method, text)

    def wanted(self, executor_id: ExecutorId, task_id: TaskId, block: BlockKey) -> None:
        """See `MemberEvents`."""
        with self._lock:
            self._broker.wanted(executor_id, task_id, block)

    def exported(self, executor_id: ExecutorId, block: BlockKey, is_there: bool) -> None:
        """See `MemberEvents`."""
        with self._lock:
            link = self.members.links.get(executor_id)
            node_id = link.node_id if link is not None and is_there else None
            self._broker.exported(executor_id, block, node_id)
            if node_id is not None:
                update = BlockUpdate(block, False, True, node_id)
                self.post(e.BlocksUpdated(executor_id, (update,)))

    # -- commands out ---------------------------------------------------------

    def _execute(self, command: c.Command) -> None:
        if isinstance(command, c.LaunchTask):
            self._sender.launch(command)
        elif isinstance(command, c.AcceptResult):
            self.outcomes.accept(command)
        elif isinstance(command, c.DiscardResult):
            self.outcomes.discard(command.task_id)
        elif isinstance(command, c.FinishJob):
            self._end(command.job_id, None)
        elif isinstance(command, c.FailJob):
            self._end(command.job_id, command.failure)
        elif isinstance(command, c.CancelTask):
            self.members.send_svc(command.executor_id, ("cancel", command.task_id))
        elif isinstance(command, c.EndStage):
            self._rendezvous.stage_ended(command.stage_id)
            self._sender.end_stage(command.stage_id)
        elif isinstance(command, c.DropShuffle):
            self._drop_shuffle(command.shuffle_id)
        elif isinstance(command, c.KillExecutor):
            self.members.kill(command.executor_id)
        elif isinstance(command, c.ProvideExecutors):
            profile_id, num_tasks = command.profile_id, command.num_tasks
            self.janitor.put(lambda: self.provide(profile_id, num_tasks))
        elif isinstance(command, c.SetTimer):
            heapq.heappush(self._timers, command.at_s)
            if self._inline is None:
                self.members.wake()
            else:
                self._inline.notify()
        else:
            raise AssertionError(f"unknown command {command!r}")

    def _end(self, job_id: JobId, failure: c.Failure | None) -> None:
        run = self._jobs.pop(job_id, None)
        if run is not None:
            run.end(failure)
            if self._inline is not None:
                self._inline.notify()

    def _drop_shuffle(self, shuffle_id: ShuffleId) -> None:
        self._sender.drop_shuffle(shuffle_id)
        self.janitor.put(lambda: self._files.remove_prefix(shuffle_prefix(shuffle_id)))

    def _give_up(self, job_id: JobId, reason: str) -> None:
        # Queued only: this comes while a command is carried out.
        self._events.append(e.JobCancelled(job_id, reason))

    # -- jobs ------------------------------------------------------------------

    def run(self, run: JobRun) -> Generator[tuple[int, bytes | ResultFile], None, None]:
        """Runs a job; yields (index, payload) as the results arrive, for `load`.

        Raises what the job failed with. Whatever interrupts the caller
        (Ctrl-C, closing the iterator) cancels the job.
        """
        results: deque[Result] = deque()
        try:
            with self._lock:
                self._jobs[run.job_id] = run
            self.post(e.JobSubmitted(run.spec))
            while (items := self._next(run)) is not None:
                results.extend(items)
                while results:
                    index, payload = results.popleft()
                    if run.broken is None:
                        yield index, payload
                    else:
                        self.outcomes.drop(payload)
        except BaseException:
            self.cancel([run.job_id], "the waiting thread was interrupted")
            for payload in (*(payload for _, payload in results), *run.unread()):
                self.outcomes.drop(payload)
            raise
        if run.broken is not None:
            raise run.broken
        if run.failure is not None:
            raise to_exception(run.failure, run.spec.call_site)

    def _next(self, run: JobRun) -> list[Result] | None:
        if self._inline is not None:
            self._inline.work_until(run, self)
        return run.inbox.get()

    def cancel(self, job_ids: Sequence[JobId], reason: str) -> None:
        """Cancels jobs that still run."""
        self.post(*(e.JobCancelled(job_id, reason) for job_id in job_ids))

    def jobs(self) -> list[JobSpec]:
        """The jobs that run or wait."""
        with self._lock:
            return [run.spec for run in self._jobs.values()]

    def running_stages(self) -> list[StageInfo]:
        """A snapshot of the stages whose tasks run or may be launched."""
        with self._lock:
            infos = map(self._scheduler.stage_info, self._scheduler.active_stage_ids)
            return [info for info in infos if info is not None]

    def exists(self, point: Point) -> bool:
        """Whether all blocks or map outputs of a point are there now."""
        with self._lock:
            if isinstance(point, ShufflePoint):
                return self._scheduler.map_outputs.is_complete(point.shuffle_id)
            return self._scheduler.blocks.is_complete(point.rdd_id, point.num_partitions)

    def skew(self, shuffle_id: ShuffleId) -> str:
        """How a shuffle whose outputs exist is skewed, in words; empty if it is not."""
        with self._lock:
            found = self._skews.of(shuffle_id)
        return "" if found is None else describe_skew(found)

    # -- forgetting --------------------------------------------------------------

    def forget_shuffle(self, shuffle_id: ShuffleId) -> None:
        """Nobody holds the shuffle any more."""
        self.post(e.ShuffleForgotten(shuffle_id))

    def drop_rdd(self, rdd_id: RddId) -> None:
        """Drops an RDD's blocks everywhere."""
        self.post(e.RddUnpersisted(rdd_id))
        self.members.tell_all(("drop_rdd", rdd_id))
        # Copies on nodes without executors, and what file servers have mapped.
        self.janitor.put(lambda: self._files.remove_from_others(block_prefix(rdd_id)))
