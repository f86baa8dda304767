"""Checkpoints: after the first job on a marked RDD its lineage is cut.

A reliable checkpoint writes every partition below the checkpoint directory,
part by part, each renamed into place when complete. A local one makes sure
that every partition is persisted by the executors. Spark's
`RDD.doCheckpoint`, which also runs after the job.
"""

from __future__ import annotations

import functools
import os
import threading
import uuid
import weakref
from collections.abc import Iterator
from typing import Any

from minispark.kernels.aggregate import count_records
from minispark.plan.nodes import Node
from minispark.runtime.engine import Engine


def _write_part(directory: str, index: int, records: Iterator[Any]) -> None:
    from minispark.storage.partfile import write_part  # for few programs (ADR 0032)

    write_part(directory, index, records)


class Checkpoints:
    """Finds marked RDDs above the node of a finished job and does the work."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        #: Set while this thread writes a checkpoint: its job must not recurse.
        self._busy = threading.local()
        self.directory: str | None = None
        #: Marked and not yet written; most jobs have nothing to look for.
        self._pending: weakref.WeakSet[Node] = weakref.WeakSet()

    def set_directory(self, path: str) -> None:
        """Chooses a fresh directory below `path`."""
        directory = os.path.join(os.path.abspath(path), str(uuid.uuid4()))
        os.makedirs(directory)
        self.directory = directory

    def mark(self, node: Node) -> None:
        """The node is to be checkpointed after the next job that needs it."""
        self._pending.add(node)

    def after_job(self, node: Node) -> None:
        """Carries out the checkpoints that the job's RDDs were marked for."""
        if not self._pending or getattr(self._busy, "now", False):
            return
        with self._lock:
            self._busy.now = True
            try:
                for marked in _marked(node):
                    self._checkpoint(marked)
            finally:
                self._busy.now = False

    def _checkpoint(self, node: Node) -> None:
        data = node.info.checkpoint
        assert data is not None
        partitions = range(node.num_partitions)
        if data.directory is None:
            # What the job did not need is not persisted yet.
            for _ in self._engine.run(node, count_records, partitions, "localCheckpoint", {}):
                continue
        else:
            write = functools.partial(_write_part, data.directory)
            for _ in self._engine.run(node, write, partitions, "checkpoint", {}):
                continue
        data.done = True
        self._pending.discard(node)
        self._engine.replanned()


def _marked(node: Node) -> list[Node]:
    """Nodes at or above `node` to be checkpointed, nearest to the sources first."""
    found: list[Node] = []
    seen: set[int] = set()
    stack = [(node, False)]
    while stack:
        current, expanded = stack.pop()
        data = current.info.checkpoint
        if expanded:
            found.append(current)
            continue
        if current.id in seen or (data is not None and data.done):
            continue
        seen.add(current.id)
        if data is not None:
            stack.append((current, True))
        stack.extend((parent, False) for parent in current.parents)
    return found
