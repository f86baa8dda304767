"""Indeterminate map stages that have to run again.

A stage whose records may differ from run to run (unseeded random before a
shuffle) must not mix outputs of two runs, and neither must anything made of
them. When such a stage has to run again after somebody may have read it, its
whole output and all that descends from it is forgotten. A stage is such a one
when the user says so, or when a map that ran again was seen to give other
records. Must not know: why the output was lost.

What cannot be forgotten ends the job instead: results that were delivered, and
blocks of persisted RDDs that were made of the earlier run and would be mixed
with partitions made of the next. Blocks that nobody reported (their executor
died, or their task was cancelled) are known by the run they bear: whoever
reads them takes them for missing (`scheduler.runs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minispark.ids import StageId
from minispark.plan.spec import JobSpec
from minispark.scheduler.commands import Failure
from minispark.scheduler.runs import input_run
from minispark.scheduler.stage import Running, Stage
from minispark.scheduler.state import SchedulerState

if TYPE_CHECKING:
    from minispark.scheduler.lifecycle import Lifecycle


def has_readers(state: SchedulerState, stage: Stage) -> bool:
    """Whether running only the missing tasks would mix two different outputs."""
    shuffle_id = stage.shuffle_id
    outputs = state.map_outputs
    return (
        shuffle_id is not None
        and (stage.spec.is_indeterminate or outputs.is_unsteady(shuffle_id))
        and outputs.was_complete(shuffle_id)
    )


def roll_back(lifecycle: Lifecycle, stage: Stage, now: float) -> list[Stage]:
    """Forgets the stage's output and all that was made of it.

    Returns the stages that were at work on it and have to start again. A job
    that already has results made of the old output cannot be saved.
    """
    state = lifecycle.state
    assert stage.shuffle_id is not None
    stale = state.map_outputs.descendants(stage.shuffle_id)
    readers: dict[StageId, Stage] = {}
    for job in list(state.jobs.values()):
        final = job.stages[StageId(job.first_stage_id + len(job.spec.stages))]
        if not stale.isdisjoint(final.shuffles):
            if final.num_done or job.spec.is_continuation:
                lifecycle.fail(job, _cannot_roll_back(stage), now)
                continue
            readers[final.id] = final
    for shuffle_id in stale:
        if shuffle_id not in state.map_outputs:
            continue  # only the jobs that just failed kept it
        state.map_outputs.roll_back(shuffle_id)
        reader = state.by_shuffle.get(shuffle_id)
        if reader is not None:
            readers[reader.id] = reader
    state.blocks.roll_back(stale, state.map_outputs.num_clears)
    end_mixed_jobs(lifecycle, now)
    again = []
    for reader in readers.values():
        if state.stages.get(reader.id) is reader:
            lifecycle.withdraw(reader, "its input is computed again", now)
            if reader is not stage and isinstance(reader.state, Running):
                again.append(reader)
    return again


def end_mixed_jobs(lifecycle: Lifecycle, now: float) -> None:
    """Ends the jobs that would read persisted blocks of an earlier run."""
    for job in list(lifecycle.state.jobs.values()):
        refusal = mixture(lifecycle.state, job.spec)
        if refusal is not None:
            lifecycle.fail(job, refusal, now)


def mixture(state: SchedulerState, spec: JobSpec) -> Failure | None:
    """Why a job could mix two runs of an indeterminate stage; None when it cannot."""
    if not state.map_outputs.num_clears:
        return None
    for stage in (*spec.stages, spec.final):
        for rdd_id in stage.behind:
            as_of = state.blocks.as_of(rdd_id)
            if as_of is not None and as_of < input_run(
                state.map_outputs, state.blocks, stage, rdd_id
            ):
                return Failure(
                    "fetch",
                    f"partitions of the persisted RDD {rdd_id} were made of an indeterminate "
                    "stage whose output was lost and has to be computed again, perhaps with "
                    "other records; unpersist the RDD and run the action again",
                    stage_name=stage.name,
                )
    return None


def _cannot_roll_back(stage: Stage) -> Failure:
    return Failure(
        "fetch",
        f"an output of the indeterminate stage {stage.id} ({stage.spec.name}) was lost after "
        "results made of it were delivered; computing it again could give other records. "
        "Persist or checkpoint the RDD before its shuffle, or seed its randomness",
        stage_id=stage.id,
        stage_name=stage.spec.name,
    )
