"""The status tracker: what runs, and what ran lately.

Translates the scheduler's snapshots into PySpark's records. Owns nothing and
changes nothing; any thread of the driver may ask at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from minispark.ids import JobId, NodeId, StageId
from minispark.runtime.boot import NodeInfo
from minispark.scheduler.dag import DAGScheduler
from minispark.scheduler.stage import JobInfo, StageInfo


class SparkJobInfo(NamedTuple):
    """A job: its stages, and RUNNING, SUCCEEDED or FAILED."""

    jobId: int
    stageIds: list[int]
    status: str


class SparkStageInfo(NamedTuple):
    """A stage: its name and how many of its tasks run, are done, have failed."""

    stageId: int
    currentAttemptId: int
    name: str
    numTasks: int
    numActiveTasks: int
    numCompletedTasks: int
    numFailedTasks: int


class SparkExecutorInfo(NamedTuple):
    """An executor: where it is and what it does. Memory figures are not kept: 0."""

    host: str
    port: int
    cacheSize: int
    numRunningTasks: int
    usedOnHeapStorageMemory: int
    usedOffHeapStorageMemory: int
    totalOnHeapStorageMemory: int
    totalOffHeapStorageMemory: int


class DriverStatus:
    """Snapshots taken under the driver's lock."""

    def __init__(
        self, lock: Any, scheduler: DAGScheduler, nodes: Mapping[NodeId, NodeInfo]
    ) -> None:
        self._lock = lock
        self._scheduler = scheduler
        self._nodes = nodes

    def jobs(self) -> tuple[JobInfo, ...]:
        """All active jobs and those that ended lately, by id."""
        with self._lock:
            return self._scheduler.jobs_info()

    def job(self, job_id: int) -> JobInfo | None:
        """One of them."""
        with self._lock:
            return self._scheduler.job_info(JobId(job_id))

    def stage(self, stage_id: int) -> StageInfo | None:
        """A stage of one of them."""
        with self._lock:
            return self._scheduler.stage_info(StageId(stage_id))

    def executors(self) -> list[SparkExecutorInfo]:
        """The executors that take part."""
        with self._lock:
            return [
                SparkExecutorInfo(
                    *self._address(executor.node_id),
                    0,
                    self._scheduler.num_running(executor.executor_id),
                    *(0, 0, 0, 0),
                )
                for executor in self._scheduler.executors
            ]

    def address(self, node_id: NodeId) -> str:
        """`host:port` of a node, as well as it is known."""
        return "{}:{}".format(*self._address(node_id))

    def _address(self, node_id: NodeId) -> tuple[str, int]:
        node = self._nodes.get(node_id)
        if node is None or not isinstance(node.address, tuple):
            return "localhost", 0
        return node.address


for _cls in (SparkJobInfo, SparkStageInfo, SparkExecutorInfo):
    _cls.__module__ = "minispark"  # not in their bodies: a named tuple's takes only fields
del _cls


class StatusTracker:
    """Reports on running and recent jobs and stages; `sc.statusTracker()`.

    A job or stage that ended long ago is forgotten: the answer is None then.

    Examples
    --------
    >>> sc.setJobGroup("nightly", "an example")
    >>> sc.parallelize(range(4), 2).map(lambda x: (x % 2, x)).groupByKey().count()
    2
    >>> tracker = sc.statusTracker()
    >>> job = tracker.getJobInfo(max(tracker.getJobIdsForGroup("nightly")))
    >>> job.status, len(job.stageIds)
    ('SUCCEEDED', 2)
    >>> stage = tracker.getStageInfo(job.stageIds[0])
    >>> stage.numTasks, stage.numCompletedTasks, stage.numFailedTasks
    (2, 2, 0)
    >>> tracker.getActiveJobsIds(), tracker.getActiveStageIds()
    ([], [])
    >>> sc.setLocalProperty("spark.jobGroup.id", None)
    """

    __module__ = "minispark"

    def __init__(self, jtracker: DriverStatus) -> None:
        self._source = jtracker

    def getJobIdsForGroup(self, jobGroup: str | None = None) -> list[int]:
        """Known jobs of a group, running or ended; without a name those in no group.

        Examples
        --------
        >>> sc.statusTracker().getJobIdsForGroup("a group without jobs")
        []
        """
        return [job.job_id for job in self._source.jobs() if job.group == jobGroup]

    def getJobIdsForTag(self, jobTag: str) -> list[int]:
        """Known jobs that have a tag, running or ended.

        Examples
        --------
        >>> sc.statusTracker().getJobIdsForTag("nobodys")
        []
        """
        return [job.job_id for job in self._source.jobs() if jobTag in job.tags]

    def getActiveJobsIds(self) -> list[int]:
        """The jobs that run now.

        Examples
        --------
        >>> sc.statusTracker().getActiveJobsIds()
        []
        """
        return [job.job_id for job in self._source.jobs() if job.status == "running"]

    def getActiveStageIds(self) -> list[int]:
        """The stages whose tasks run now.

        Examples
        --------
        >>> sc.statusTracker().getActiveStageIds()
        []
        """
        return sorted({i for job in self._source.jobs() for i in job.active_stage_ids})

    def getJobInfo(self, jobId: int) -> SparkJobInfo | None:
        """A job; None when it is not known (any more).

        Examples
        --------
        >>> sc.setJobGroup("status", "an example")
        >>> sc.parallelize([1]).count()
        1
        >>> tracker = sc.statusTracker()
        >>> tracker.getJobInfo(tracker.getJobIdsForGroup("status")[-1]).status
        'SUCCEEDED'
        >>> sc.setLocalProperty("spark.jobGroup.id", None)
        """
        job = self._source.job(jobId)
        if job is None:
            return None
        return SparkJobInfo(job.job_id, list(job.stage_ids), job.status.upper())

    def getStageInfo(self, stageId: int) -> SparkStageInfo | None:
        """A stage; None when it is not known (any more).

        Examples
        --------
        >>> sc.statusTracker().getStageInfo(10**6) is None
        True
        """
        stage = self._source.stage(stageId)
        if stage is None:
            return None
        return SparkStageInfo(
            stage.stage_id,
            max(stage.attempt, 0),
            stage.name,
            stage.num_tasks,
            stage.num_active,
            # A stage that was skipped, its outputs being there, did nothing.
            stage.num_completed if stage.attempt >= 0 else 0,
            stage.num_failed,
        )

    def getExecutorInfos(self) -> list[SparkExecutorInfo]:
        """The executors that take part.

        Examples
        --------
        >>> len(sc.statusTracker().getExecutorInfos()) >= 1
        True
        """
        return self._source.executors()
