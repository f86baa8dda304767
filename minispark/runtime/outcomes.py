"""What becomes of task reports: kept until the scheduler judges, then passed on or dropped.

Owns the reports of successful attempts between `TaskSucceeded` and the
scheduler's `AcceptResult` or `DiscardResult`, the accumulators the user holds,
and the files of large results. Must not know: which result counts. Results are
only moved here; they are unpickled on the thread that waits for them. Nothing
a user wrote runs here except `AccumulatorParam.addInPlace` and `load`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import cloudpickle

from minispark.errors import PySparkRuntimeError
from minispark.ids import AccumulatorId, JobId, TaskId
from minispark.runtime.accumulators import Accumulator
from minispark.runtime.cluster_files import ClusterFiles
from minispark.runtime.janitor import Janitor
from minispark.runtime.job import JobRun
from minispark.runtime.messages import ResultFile, TaskFailureInfo, TaskReport
from minispark.scheduler import commands as c
from minispark.scheduler import events as e
from minispark.storage.values import load_value


class Outcomes:
    """Reports on their way to the thread that waits; under the driver's lock.

    Parameters
    ----------
    give_up
        Has a job cancelled whose result cannot be used: (job, why).
    """

    def __init__(
        self,
        jobs: Mapping[JobId, JobRun],
        files: ClusterFiles,
        janitor: Janitor,
        max_result_bytes: int,
        give_up: Callable[[JobId, str], None],
    ) -> None:
        self._jobs = jobs
        self._files = files
        self._janitor = janitor
        self._max_result_bytes = max_result_bytes
        self._give_up = give_up
        self._reports: dict[TaskId, TaskReport] = {}
        #: Jobs with results that nobody was woken for.
        self._told: set[JobRun] = set()
        #: Those that somebody still holds, and so may read.
        self.accumulators: weakref.WeakValueDictionary[AccumulatorId, Accumulator[Any]] = (
            weakref.WeakValueDictionary()
        )

    def __len__(self) -> int:
        """Reports that nobody has judged yet."""
        return len(self._reports)

    def keep(self, report: TaskReport) -> None:
        """Holds a success until the scheduler has judged it."""
        self._reports[report.task_id] = report

    def accept(self, command: c.AcceptResult) -> None:
        """The result counts: its accumulators are added, its value goes to who waits."""
        report = self._reports.pop(command.task_id)
        run = self._jobs.get(command.job_id)
        # What a recomputed map partition adds was counted when it first ran.
        is_counted = command.is_repeat or (
            run is not None and run.is_repeat and command.index is not None
        )
        for aid, data in () if is_counted else report.accumulators:
            accumulator = self.accumulators.get(aid)
            if accumulator is not None:
                try:
                    accumulator.add(cloudpickle.loads(data))
                except Exception as error:  # the user's addInPlace: the job fails, not we
                    self._break(run, error)
        if command.index is None or run is None:
            return
        assert report.result is not None
        run.result_bytes += _result_bytes(report)
        limit = self._max_result_bytes
        if limit and run.result_bytes > limit:
            self._break(
                run,
                PySparkRuntimeError(
                    f"the results of the job ({run.result_bytes} bytes so far) exceed "
                    f"spark.driver.maxResultSize ({limit} bytes)",
                    "RESULT_TOO_LARGE",
                ),
            )
        run.arrived.append((command.index, report.result))
        self._told.add(run)

    def hand_over(self) -> None:
        """Wakes the waiting threads: once for all results of a batch of reports."""
        if self._told:
            told, self._told = self._told, set()
            for run in told:
                run.hand_over()

    def _break(self, run: JobRun | None, error: BaseException) -> None:
        if run is not None and run.broken is None:
            run.broken = error
            self._give_up(run.job_id, str(error))

    def discard(self, task_id: TaskId) -> None:
        """The result does not count."""
        report = self._reports.pop(task_id, None)
        if report is not None:
            self.drop(report.result)

    def drop(self, payload: bytes | ResultFile | None) -> None:
        """Nobody takes the result: its file, if it has one, goes."""
        if isinstance(payload, ResultFile):
            self._remove_result(payload)

    def _remove_result(self, where: ResultFile) -> None:
        self._janitor.put(lambda: self._files.remove_result(where))

    def load(self, payload: bytes | ResultFile) -> Any:
        """The value of a result; its file, if it has one, goes."""
        if not isinstance(payload, ResultFile):
            # The caller may change its result in place, such as a reducer's array.
            return load_value(payload, copy=True)
        try:
            return self._files.read_result(payload)
        finally:
            self._remove_result(payload)


def event_of(report: TaskReport) -> e.Event:
    """What the scheduler is told of a report."""
    task_id, failure = report.task_id, report.failure
    if report.kind == "ok":
        return e.TaskSucceeded(task_id, report.status, _result_bytes(report))
    if report.kind == "killed":
        return e.TaskKilled(task_id)
    if isinstance(failure, TaskFailureInfo):
        return e.TaskFailed(task_id, failure, failure.is_retryable, failure.counts)
    assert failure is not None
    return e.FetchFailed(task_id, *failure)


def _result_bytes(report: TaskReport) -> int:
    result = report.result
    if result is None:
        return 0
    return result.length if isinstance(result, ResultFile) else len(result)
