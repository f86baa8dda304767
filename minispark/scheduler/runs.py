"""Which run of its input a persisted RDD's blocks have to be made of.

An indeterminate stage that was rolled back runs again, and what was made of its
earlier run must not be mixed with what is made of the next. The run of an RDD
is the time, on the clock of `MapOutputs.num_clears`, when the latest run of any
stage that it is made of began; 0 where nothing was rolled back. Must not know:
jobs, and where blocks are.
"""

from __future__ import annotations

from minispark.ids import RddId
from minispark.plan.spec import StageSpec, shuffles_behind
from minispark.scheduler.blocks import BlockTracker
from minispark.scheduler.map_outputs import MapOutputs


def input_run(outputs: MapOutputs, blocks: BlockTracker, stage: StageSpec, rdd_id: RddId) -> int:
    """When the latest run of what a persisted RDD is made of began.

    What was rolled back before a checkpoint cut the lineage, the blocks know.
    """
    shuffles = shuffles_behind(stage.behind, rdd_id)
    return max(blocks.run(rdd_id), *map(outputs.cleared_at, shuffles), 0)


def input_runs(
    outputs: MapOutputs, blocks: BlockTracker, stage: StageSpec
) -> tuple[tuple[RddId, int], ...]:
    """The runs of the stage's persisted RDDs, of those made of something rolled back."""
    if not outputs.num_clears:
        return ()
    runs = ((rdd_id, input_run(outputs, blocks, stage, rdd_id)) for rdd_id in stage.behind)
    return tuple((rdd_id, run) for rdd_id, run in runs if run)
