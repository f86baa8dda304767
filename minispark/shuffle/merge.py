"""What a reduce task makes of the records it read: combined, grouped, sorted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from minispark.plan.nodes import Aggregator, Ordering
from minispark.shuffle.combine import ExternalCombiner
from minispark.shuffle.group import ExternalGrouper
from minispark.shuffle.sort import ExternalSorter
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager


def merge_records(
    records: Iterable[Any],
    *,
    aggregator: Aggregator | None,
    map_side_combine: bool,
    ordering: Ordering | None,
    files: NodeFiles,
    memory: MemoryManager,
    task_id: int,
) -> Iterator[Any]:
    """The records of a reduce partition (see `plan.nodes.Shuffle`).

    `records` are those of the blocks in map order:
    `chain.from_iterable(read_blocks(…))`. Memory still held when the iterator
    is not read to its end goes with `MemoryManager.release_task`.
    """
    merged: Iterator[Any] = iter(records)
    if aggregator is not None:
        table: ExternalCombiner | ExternalGrouper
        if aggregator.kind == "group":
            table = ExternalGrouper(
                combined=map_side_combine, files=files, memory=memory, task_id=task_id
            )
        else:
            table = ExternalCombiner(
                aggregator, combined=map_side_combine, files=files, memory=memory, task_id=task_id
            )
        table.insert_all(merged)
        merged = table.items()
    if ordering is not None:
        sorter = ExternalSorter(ordering, files=files, memory=memory, task_id=task_id)
        merged = sorter.sort(merged)
    return merged
