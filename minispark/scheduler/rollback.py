"""Indeterminate map stages that have to run again.

A stage whose records may differ from run to run (unseeded random before a
shuffle) must not mix outputs of two runs, and neither must anything made of
them. When such a stage has to run again after somebody may have read it, its
whole output and all that descends from it is forgotten. Must not know: why the
output was lost. Blocks of persisted RDDs are kept, as Spark keeps them: a
block is a record of one run, and persisting is the way to pin one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minispark.ids import StageId
from minispark.scheduler.commands import Failure
from minispark.scheduler.stage import Running, Stage
from minispark.scheduler.state import SchedulerState

if TYPE_CHECKING:
    from minispark.scheduler.lifecycle import Lifecycle


def has_readers(state: SchedulerState, stage: Stage) -> bool:
    """Whether running only the missing tasks would mix two different outputs."""
    shuffle_id = stage.shuffle_id
    return (
        stage.spec.is_indeterminate
        and shuffle_id is not None
        and state.map_outputs.was_complete(shuffle_id)
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
            if final.num_done:
                lifecycle.fail(job, _cannot_roll_back(stage), now)
                continue
            readers[final.id] = final
    for shuffle_id in stale:
        if shuffle_id not in state.map_outputs:
            continue  # only the jobs that just failed kept it
        state.map_outputs.clear(shuffle_id)
        reader = state.by_shuffle.get(shuffle_id)
        if reader is not None:
            readers[reader.id] = reader
    again = []
    for reader in readers.values():
        if state.stages.get(reader.id) is reader:
            lifecycle.withdraw(reader, "its input is computed again", now)
            if reader is not stage and isinstance(reader.state, Running):
                again.append(reader)
    return again


def _cannot_roll_back(stage: Stage) -> Failure:
    return Failure(
        "fetch",
        f"an output of the indeterminate stage {stage.id} ({stage.spec.name}) was lost after "
        "results made of it were delivered; computing it again could give other records. "
        "Persist or checkpoint the RDD before its shuffle, or seed its randomness",
        stage_id=stage.id,
        stage_name=stage.spec.name,
    )
