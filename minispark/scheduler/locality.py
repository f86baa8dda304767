"""Where the tasks of a stage find their input.

An executor with the cached block in memory, before a node with the block on
disk, before the node with most of the shuffle input. Pure functions of the
tables.
"""

from __future__ import annotations

from collections.abc import Callable

from minispark.ids import NodeId
from minispark.plan.spec import ShufflePoint
from minispark.scheduler.blocks import BlockTracker
from minispark.scheduler.executors import ExecutorTable
from minispark.scheduler.map_outputs import SIZE_OF_BYTE, MapOutputs
from minispark.scheduler.stage import Stage
from minispark.scheduler.task_set import NO_PREFERENCE, Preference

#: Map outputs times reducers beyond which sizes are not summed up (time in the driver).
_MAX_SIZES = 200_000
#: A node matters when it has so many times the share it would have if the
#: shuffle input were spread evenly.
_MIN_FACTOR = 1.5


def preferences(
    stage: Stage, outputs: MapOutputs, blocks: BlockTracker, executors: ExecutorTable
) -> Callable[[int], Preference] | None:
    """A function from task index to its preferred places; None when none matters."""
    if len(executors) < 2 or stage.spec.is_barrier:
        return None
    block_lists = stage.spec.blocks
    num_nodes = executors.num_nodes
    heavy = _heavy_nodes(stage, outputs, num_nodes) if num_nodes > 1 else {}
    if not heavy and not any(blocks.num_blocks(rdd) for rdd in stage.spec.behind):
        return None

    def prefer(index: int) -> Preference:
        partition = stage.partitions[index]
        for block in block_lists[partition] if block_lists else ():
            holders = blocks.holders(block)
            if holders.executors or holders.nodes:
                return Preference(holders.executors, holders.nodes)
        node = heavy.get(partition)
        return NO_PREFERENCE if node is None else Preference((), (node,))

    return prefer


def _heavy_nodes(stage: Stage, outputs: MapOutputs, num_nodes: int) -> dict[int, NodeId]:
    """By reduce partition: the node with most of its shuffle input."""
    spec = stage.spec
    totals: list[dict[NodeId, float]] = [{} for _ in range(spec.num_partitions)]
    budget = _MAX_SIZES
    for point in spec.reads:
        if not isinstance(point, ShufflePoint):
            return {}
        for status in outputs.statuses(point.shuffle_id):
            if status is None or len(status.sizes) != spec.num_partitions:
                return {}  # partitions of the stage are not those of the shuffle
            budget -= len(status.sizes)
            if budget < 0:
                return {}
            node_id = status.node_id
            for total, size in zip(totals, status.sizes, strict=True):
                if size:
                    total[node_id] = total.get(node_id, 0.0) + SIZE_OF_BYTE[size]
    heavy = {}
    for partition, by_node in enumerate(totals):
        if by_node:
            node_id = max(by_node, key=lambda n: by_node[n])
            even = sum(by_node.values()) / num_nodes
            if by_node[node_id] >= _MIN_FACTOR * even:
                heavy[partition] = node_id
    return heavy
