"""Blocks in the heaps of executors, brought to the tasks that want them.

A task that runs elsewhere asks the driver; the holder writes the block to a
file of its node beside its own tasks, and the task is told where. Used under
the driver's lock. Must not know: how files travel, nor what happens when the
answer is "nobody" (the task computes the block).
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

from minispark.ids import ExecutorId, NodeId, TaskId
from minispark.plan.spec import BlockKey
from minispark.scheduler.blocks import BlockTracker


class BlockBroker:
    """Who waits for which block of which executor.

    Parameters
    ----------
    send
        Sends a service message to an executor.
    """

    def __init__(
        self,
        blocks: BlockTracker,
        living: Container[ExecutorId],
        send: Callable[[ExecutorId, tuple[Any, ...]], None],
    ) -> None:
        self._blocks = blocks
        self._living = living
        self._send = send
        self._waiting: dict[tuple[ExecutorId, BlockKey], list[tuple[ExecutorId, TaskId]]] = {}

    def wanted(self, asker: ExecutorId, task_id: TaskId, block: BlockKey) -> None:
        """A task waits for a block."""
        for holder in self._blocks.holders(block).executors:
            if holder == asker or holder not in self._living:
                continue
            waiting = self._waiting.get((holder, block))
            if waiting is not None:
                waiting.append((asker, task_id))
                return
            self._waiting[holder, block] = [(asker, task_id)]
            self._send(holder, ("export", block))
            return
        self._send(asker, ("block_at", task_id, block, None))

    def exported(self, holder: ExecutorId, block: BlockKey, node_id: NodeId | None) -> None:
        """The holder wrote the file on this node; None: it could not."""
        for asker, task_id in self._waiting.pop((holder, block), ()):
            self._send(asker, ("block_at", task_id, block, node_id))

    def executor_lost(self, executor_id: ExecutorId) -> None:
        """Nobody waits for the dead."""
        for holder, block in [key for key in self._waiting if key[0] == executor_id]:
            self.exported(holder, block, None)
