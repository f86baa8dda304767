"""Reading files of nodes: shuffle blocks and whole files, local or remote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from minispark.ids import NodeId, ShuffleId
from minispark.runtime.boot import NodeInfo
from minispark.shuffle.reader import LocalFetcher, MapLocation
from minispark.storage.files import NodeFiles


class NodeReader(Protocol):
    """What an executor needs of the nodes' files (a `BlockFetcher` and more)."""

    def fetch(
        self, shuffle_id: ShuffleId, reduce_id: int, locations: Sequence[MapLocation]
    ) -> Iterator[tuple[MapLocation, memoryview]]:
        """The blocks of one reduce partition, in the order of `locations`."""

    def fetch_file(self, node_id: NodeId, relpath: str) -> memoryview:
        """A whole file of a node; copied to this node once if it is another's."""

    def update_nodes(self, nodes: Sequence[NodeInfo]) -> None:
        """Learns the addresses of the nodes."""


class SameNodeReader:
    """For masters whose executors all share the driver's node directory."""

    def __init__(self, files: NodeFiles) -> None:
        self._files = files
        self._fetcher = LocalFetcher(files)

    def fetch(
        self, shuffle_id: ShuffleId, reduce_id: int, locations: Sequence[MapLocation]
    ) -> Iterator[tuple[MapLocation, memoryview]]:
        """See `NodeReader`."""
        return self._fetcher.fetch(shuffle_id, reduce_id, locations)

    def fetch_file(self, node_id: NodeId, relpath: str) -> memoryview:
        """See `NodeReader`."""
        return self._files.map_read(relpath)

    def update_nodes(self, nodes: Sequence[NodeInfo]) -> None:
        """See `NodeReader`; there is only one node."""
