"""Blocks of persisted RDDs across executors and nodes, as one executor handles them.

`replicate` makes the copies a `_2` level promises, `bring` gets a block that
another executor or node holds. A copy is always the block's file, with its
checksum, under its own name in a node's directory, so whatever reads a block of
this node reads a copy, too. Every fault leads to "not there" and a warning:
the block is computed then. Must not know: how to compute it, nor the driver.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from minispark.errors import PySparkRuntimeError
from minispark.ids import NodeId
from minispark.plan.spec import BlockKey
from minispark.runtime.messages import BlockSource
from minispark.runtime.node_reader import NodeReader
from minispark.storage.blockfile import block_name
from minispark.storage.blocks import BlockStore, WhenChanged
from minispark.storagelevel import StorageLevel

log: logging.Logger = logging.getLogger("minispark")

#: What may go wrong with another node or with a disk.
_FAULTS = (OSError, EOFError, PySparkRuntimeError)


class BlockCopies:
    """Copies to and from others, for the blocks of one executor."""

    def __init__(self, node_id: NodeId, blocks: BlockStore, reader: NodeReader) -> None:
        self._node_id = node_id
        self._blocks = blocks
        self._reader = reader

    def replicate(self, block: BlockKey, level: StorageLevel) -> None:
        """Makes the copies of a block that was just stored here, if it was.

        Where there are other nodes, a file on as many of them as the level
        asks for. Where there is none, or none takes it, the block gets a file of
        this node, which the executor does not take along when it dies.
        """
        try:
            if not self._send_copies(block, level.replication - 1) and self._blocks.to_file(block):
                self._blocks.note_file(block, self._node_id, True)
        except _FAULTS as error:
            log.warning("no second copy of block %s: %s", block, error)

    def _send_copies(self, block: BlockKey, wanted: int) -> int:
        """Puts the block onto so many other nodes; how many took it."""
        others = self._reader.others
        peers = [] if others is None else list(others.peers())
        data = self._blocks.export(block) if peers else None
        if others is None or data is None:
            return 0
        # Spread over the nodes, and the same nodes each time.
        first = (block[0] + block[1]) % len(peers)
        num = 0
        for peer in peers[first:] + peers[:first]:
            try:
                others.store_file(peer, block_name(block), data)
            except _FAULTS as error:
                log.warning("no copy of block %s on node %s: %s", block, peer, error)
                continue
            self._blocks.note_file(block, peer, True)
            num += 1
            if num == wanted:
                break
        return num

    def bring(
        self,
        block: BlockKey,
        source: BlockSource,
        run: int,
        ask: Callable[[], NodeId | None],
        changed: WhenChanged | None = None,
    ) -> Iterator[Any] | None:
        """The records of a block that others have; None when nobody gives it.

        Parameters
        ----------
        run
            Blocks of an earlier run do not count; see `BlockStore`.
        ask
            Has an executor that holds the block in memory write it to a file;
            says on which node that is.
        changed
            See `BlockStore.get`.
        """
        for node_id in source.nodes:
            records = self._bring_file(block, node_id, run, changed)
            if records is not None:
                return records
        if not source.in_memory:
            return None
        holder = ask()
        if holder is None:
            return None
        if holder == self._node_id:
            return self._blocks.get(block, run, changed)
        return self._bring_file(block, holder, run, changed)

    def _bring_file(
        self, block: BlockKey, node_id: NodeId, run: int, changed: WhenChanged | None
    ) -> Iterator[Any] | None:
        others = self._reader.others
        if others is None:
            return None
        try:
            others.copy_file(node_id, block_name(block))
            if not self._blocks.has_whole_file(block):
                log.warning("the file of block %s of node %s is damaged", block, node_id)
                return None
            records = self._blocks.get(block, run, changed)
        except FileNotFoundError:
            self._blocks.note_file(block, node_id, False)
            return None
        except _FAULTS as error:
            log.warning("cannot read block %s of node %s: %s", block, node_id, error)
            return None
        if records is not None:
            self._blocks.note_file(block, self._node_id, True)
        return records
