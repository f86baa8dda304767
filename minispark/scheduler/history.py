"""Snapshots of the jobs and stages that ended lately, for the status tracker.

Owns two bounded tables; the oldest entry makes room. Decides nothing: the
scheduler works the same when these are empty.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import TypeVar

from minispark.ids import JobId, StageId
from minispark.records import replace
from minispark.scheduler.map_outputs import MapOutputs
from minispark.scheduler.stage import Job, JobInfo, Stage, StageInfo

#: As in Spark (`spark.ui.retainedJobs`, `spark.ui.retainedStages`).
MAX_JOBS = 1000
MAX_STAGES = 1000

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class History:
    """What is remembered of what ended."""

    def __init__(self, max_jobs: int = MAX_JOBS, max_stages: int = MAX_STAGES) -> None:
        self._max_jobs = max_jobs
        self._max_stages = max_stages
        self.jobs: OrderedDict[JobId, JobInfo] = OrderedDict()
        self.stages: OrderedDict[StageId, StageInfo] = OrderedDict()

    def job_ended(self, job: Job, status: str) -> None:
        """Keeps the last look at a job, and of its stages that never ran."""
        info = replace(job_info(job, status), active_stage_ids=())
        _keep(self.jobs, job.id, info, self._max_jobs)
        for stage_id in info.stage_ids:
            if stage_id not in self.stages and stage_id not in job.stages:
                planned = planned_stage_info(job, stage_id)
                if planned is not None:
                    _keep(self.stages, stage_id, planned, self._max_stages)

    def stage_ended(self, stage: Stage, outputs: MapOutputs) -> None:
        """Keeps the last look at a stage."""
        # Its last tasks are being withdrawn: nobody will hear of their end.
        info = replace(stage_info(stage, outputs), state="idle", num_active=0)
        _keep(self.stages, stage.id, info, self._max_stages)


def _keep(table: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    table[key] = value
    table.move_to_end(key)
    while len(table) > most:
        table.popitem(last=False)


def job_info(job: Job, status: str = "running") -> JobInfo:
    """A snapshot of an active job."""
    spec = job.spec
    first, last = job.first_stage_id, job.first_stage_id + len(spec.stages)
    ids = dict.fromkeys((*map(StageId, range(first, last + 1)), *job.stages))
    final = job.stages[StageId(last)]
    return JobInfo(
        job.id,
        spec.group,
        spec.tags,
        spec.description,
        spec.call_site,
        job.submitted_s,
        tuple(ids),
        tuple(s.id for s in job.stages.values() if s.is_running),
        len(spec.partitions),
        final.num_done,
        status,
    )


def stage_info(stage: Stage, outputs: MapOutputs) -> StageInfo:
    """A snapshot of a stage that an active job wants."""
    shuffle_id = stage.shuffle_id
    return StageInfo(
        stage.id,
        stage.attempt,
        stage.spec.name,
        type(stage.state).__name__.lower(),
        len(stage.partitions),
        len(stage.tasks.running),
        stage.num_done if shuffle_id is None else outputs.num_registered(shuffle_id),
        stage.tasks.num_failed,
        shuffle_id,
        tuple(stage.jobs),
        stage.started_s,
    )


def planned_stage_info(job: Job, stage_id: StageId) -> StageInfo | None:
    """A stage of a job that was not needed so far, from its plan."""
    position = stage_id - job.first_stage_id
    if not 0 <= position < len(job.spec.stages):
        return None
    spec = job.spec.stages[position]
    return StageInfo(
        stage_id, -1, spec.name, "idle", spec.num_partitions, 0, 0, 0, spec.shuffle_id, (), None
    )
