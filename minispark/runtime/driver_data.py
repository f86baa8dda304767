"""What the driver itself puts on disk for its executors: large slices and broadcasts.

Owns the names of these files and when they go. Must not know: jobs and stages.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from itertools import accumulate, chain
from typing import Any

from minispark.ids import BroadcastId
from minispark.plan.nodes import Node
from minispark.runtime.broadcast import BroadcastFile
from minispark.runtime.cluster_files import ClusterFiles
from minispark.runtime.janitor import Janitor
from minispark.runtime.messages import INLINE_BYTES, DriverBlock
from minispark.runtime.slices import Slice
from minispark.storage.checked import StepSums
from minispark.storage.sealed import load_sealed, sealed
from minispark.storage.values import dump_value


class DriverData:
    """Files of the driver's node that other nodes copy.

    Parameters
    ----------
    tell_executors
        Sends a service message to every executor.
    """

    def __init__(
        self,
        nodes: ClusterFiles,
        janitor: Janitor,
        tell_executors: Callable[[tuple[Any, ...]], None],
    ) -> None:
        self._nodes = nodes
        self._janitor = janitor
        self._tell_executors = tell_executors
        self._broadcast_ids = itertools.count()
        self._pinned: set[BroadcastFile] = set()
        self._slice_ids = itertools.count()

    # -- slices of the driver's data ---------------------------------------

    def store_slices(self, slices: Sequence[Slice]) -> list[bytes | DriverBlock]:
        """Small slices travel with their tasks; large ones go to a file."""
        sizes = [sum(map(len, chunks)) for chunks in slices]
        if max(sizes, default=0) <= INLINE_BYTES:
            return [b"".join(chunks) for chunks in slices]
        relpath = f"slices/{next(self._slice_ids)}"
        sums = [StepSums() for _ in slices]
        self._nodes.local.write_atomic(
            relpath,
            chain.from_iterable(one.passed(chunks) for one, chunks in zip(sums, slices)),
        )
        offsets = accumulate(sizes, initial=0)
        return [
            DriverBlock(relpath, offset, size, one.crc, tuple(one.steps))
            for offset, size, one in zip(offsets, sizes, sums)
        ]

    def own_slices(self, node: Node, blocks: Sequence[bytes | DriverBlock]) -> None:
        """Removes the slices' file when the node is gone."""
        for block in blocks:
            if isinstance(block, DriverBlock):
                weakref.finalize(
                    node, _remove_later, self._janitor, weakref.ref(self._nodes), block.relpath
                ).atexit = False
                return

    # -- broadcasts ----------------------------------------------------------

    def new_broadcast(self, value: Any) -> BroadcastFile:
        """Writes a value to the driver's node, where it stays while the result is held."""
        bid = BroadcastId(next(self._broadcast_ids))
        chunks = sealed(dump_value(value, by_value=True))
        self._nodes.local.write_atomic(f"broadcast/{bid}", chunks)
        file = BroadcastFile(bid)
        weakref.finalize(
            file, _broadcast_unused, self._janitor, weakref.ref(self), bid
        ).atexit = False
        return file

    def pin_broadcast(self, file: BroadcastFile) -> None:
        """See `BroadcastOwner`."""
        self._pinned.add(file)

    def load_broadcast(self, bid: BroadcastId) -> Any:
        """See `BroadcastOwner`."""
        data = self._nodes.local.map_read(f"broadcast/{bid}")
        return load_sealed(data, f"the file of Broadcast({bid})", copy=True)

    def unpersist_broadcast(self, bid: BroadcastId, destroy: bool, blocking: bool) -> None:
        """See `BroadcastOwner`."""
        if self._janitor.is_closed:
            return
        self._tell_executors(("drop_broadcast", bid))
        remove = self._nodes.remove_own if destroy else self._nodes.remove_copies
        self._janitor.put(lambda: remove(f"broadcast/{bid}"))


# Finalizers: they may run on any thread at any moment, so they only hand a chore
# to the janitor, who drops it when the engine has stopped.


def _broadcast_unused(
    janitor: Janitor, data_ref: weakref.ref[DriverData], bid: BroadcastId
) -> None:
    def remove() -> None:
        data = data_ref()
        if data is not None:
            data.unpersist_broadcast(bid, True, False)

    janitor.put(remove)


def _remove_later(janitor: Janitor, nodes: weakref.ref[ClusterFiles], relpath: str) -> None:
    files = nodes()
    if files is not None:
        janitor.put(lambda: files.remove_own(relpath))
