"""The reduce side of `combineByKey` and what is made of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minispark.plan.nodes import Aggregator
from minispark.shuffle.pairs import combiner_loop, value_loop
from minispark.shuffle.table import SpillableTable
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager


class ExternalCombiner(SpillableTable):
    """Key → combiner; see `SpillableTable` for order and spilling.

    Parameters
    ----------
    combined
        Records are `(key, combiner)`, as map-side combining writes them;
        otherwise they are `(key, value)`.
    """

    def __init__(
        self,
        aggregator: Aggregator,
        *,
        combined: bool,
        files: NodeFiles,
        memory: MemoryManager,
        task_id: int,
    ) -> None:
        super().__init__(files=files, memory=memory, task_id=task_id)
        self._merge_combiners = combiner_loop(aggregator)
        self._insert = self._merge_combiners if combined else value_loop(aggregator)

    def _add(self, table: dict[Any, Any], records: Iterable[Any]) -> None:
        self._insert(table, records)

    def _add_parts(self, table: dict[Any, Any], parts: Iterable[tuple[Any, Any]]) -> None:
        self._merge_combiners(table, parts)
