"""Which run of its input a persisted RDD's blocks have to be made of.

An indeterminate stage that was rolled back runs again, and what was made of its
earlier run must not be mixed with what is made of the next. The run of an RDD
is the time, on the clock of `MapOutputs.num_clears`, when the latest run of any
stage that it is made of began; 0 where nothing was rolled back. Must not know:
jobs, and where blocks are.
"""

from __future__ import annotations

from minispark.ids import RddId
from minispark.plan.spec import Point, RddPoint, StageSpec
from minispark.scheduler.map_outputs import MapOutputs


def input_run(outputs: MapOutputs, stage: StageSpec, rdd_id: RddId) -> int:
    """When the latest run of what a persisted RDD is made of began."""
    latest = 0
    stack: list[Point] = list(stage.behind[rdd_id])
    seen: set[Point] = set()
    while stack:
        point = stack.pop()
        if point in seen:
            continue
        seen.add(point)
        if isinstance(point, RddPoint):
            stack.extend(stage.behind.get(point.rdd_id, ()))
        else:
            latest = max(latest, outputs.cleared_at(point.shuffle_id))
    return latest


def input_runs(outputs: MapOutputs, stage: StageSpec) -> tuple[tuple[RddId, int], ...]:
    """The runs of the stage's persisted RDDs, of those made of something rolled back."""
    if not outputs.num_clears:
        return ()
    runs = ((rdd_id, input_run(outputs, stage, rdd_id)) for rdd_id in stage.behind)
    return tuple((rdd_id, run) for rdd_id, run in runs if run)
