"""What the planner tells the scheduler about a job: pure data, no function, no record.

Glossary. A *job* computes some partitions of one result stage. A *stage* is a
set of equal tasks, one per partition; a *shuffle map stage* writes the map
outputs of one shuffle and is identified by it, so jobs share it. A *point* is
something a stage's tasks may read instead of computing further up: the blocks
of a persisted RDD, or the map outputs of a shuffle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from minispark.ids import JobId, NodeId, RddId, ShuffleId
from minispark.records import field, record


@record
class RddPoint:
    """The blocks of one persisted RDD; complete when all partitions have one."""

    rdd_id: RddId
    num_partitions: int


@record
class ShufflePoint:
    """The map outputs of one shuffle; complete when all maps have one."""

    shuffle_id: ShuffleId


Point = RddPoint | ShufflePoint
#: Of persisted RDDs: what computing one would read.
Behind = Mapping[RddId, tuple[Point, ...]]
#: One block of a persisted RDD: (RDD, partition).
BlockKey = tuple[RddId, int]


@record
class StageSpec:
    """One stage as the planner describes it."""

    #: The shuffle whose map outputs the stage writes; None for a result stage.
    shuffle_id: ShuffleId | None
    #: Number of partitions of the stage's last RDD (= tasks of a map stage).
    num_partitions: int
    #: What the stage's tasks read first, walking up from its last RDD.
    reads: tuple[Point, ...] = ()
    #: Behind each persisted RDD of this stage: what computing it would read.
    behind: Behind = field(default_factory=dict)
    #: Per partition, the cached blocks that would spare its computation,
    #: best first. Empty when the stage has no persisted RDD.
    blocks: tuple[tuple[BlockKey, ...], ...] = ()
    #: What the user sees: the method and line that made the stage.
    name: str = ""
    #: The user says that the records may differ when a task runs again.
    is_indeterminate: bool = False
    #: All tasks must run at the same time.
    is_barrier: bool = False
    #: Cores that one task occupies.
    task_cpus: int = 1
    #: Only executors of this resource profile run its tasks; 0: the default ones.
    profile_id: int = 0
    #: What the profile asks for, for messages.
    profile: str = ""


def shuffles_behind(behind: Behind, rdd_id: RddId) -> Iterator[ShuffleId]:
    """What an RDD's partitions are made of, through other persisted RDDs; each once."""
    stack: list[Point] = list(behind[rdd_id])
    seen: set[Point] = set()
    while stack:
        point = stack.pop()
        if point in seen:
            continue
        seen.add(point)
        if isinstance(point, RddPoint):
            stack.extend(behind.get(point.rdd_id, ()))
        else:
            yield point.shuffle_id


@record
class JobSpec:
    """One action."""

    job_id: JobId
    #: The result stage.
    final: StageSpec
    #: Partitions of the result stage to compute, in the order of the results.
    partitions: tuple[int, ...]
    #: Every shuffle map stage above the final one, parents first.
    stages: tuple[StageSpec, ...] = ()
    group: str | None = None
    tags: frozenset[str] = frozenset()
    description: str | None = None
    pool: str = "default"
    #: The action and the line of the user's program.
    call_site: str = ""
    #: Other partitions of the same action were delivered before.
    is_continuation: bool = False


@record
class BlockUpdate:
    """One persisted block appeared or went; part of task reports."""

    block: BlockKey
    #: Held in the executor's heap: gone with the executor.
    in_memory: bool
    #: Held in a file of the node: gone with the node.
    on_disk: bool
    #: Set: this speaks of nothing but a file on this node, mostly another
    #: than the reporter's; `in_memory` says nothing then.
    on_node: NodeId | None = None
