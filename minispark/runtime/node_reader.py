"""Reading files of nodes: shuffle blocks and whole files, local or remote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from minispark.errors import CorruptFileError
from minispark.ids import NodeId, ShuffleId
from minispark.runtime.boot import NodeInfo
from minispark.shuffle.format import shuffle_prefix
from minispark.shuffle.reader import LocalFetcher, MapLocation
from minispark.storage.checked import Checked
from minispark.storage.files import NodeFiles

T = TypeVar("T")


class OtherNodes(Protocol):
    """What an executor does with the files of other nodes."""

    def peers(self) -> Sequence[NodeId]:
        """The other nodes that run executors, in a fixed order."""

    def store_file(self, node_id: NodeId, relpath: str, data: bytes | memoryview) -> None:
        """Puts a file onto another node: whole, or not at all."""

    def copy_file(self, node_id: NodeId, relpath: str) -> None:
        """Brings a file of another node to this one, under the same name."""


class NodeReader(Protocol):
    """What an executor needs of the nodes' files (a `BlockFetcher` and more)."""

    @property
    def others(self) -> OtherNodes | None:
        """Access to the other nodes; None where there can be none."""

    def fetch(
        self, shuffle_id: ShuffleId, reduce_id: int, locations: Sequence[MapLocation]
    ) -> Iterator[tuple[MapLocation, memoryview | Checked]]:
        """The blocks of one reduce partition, in the order of `locations`."""

    def fetch_file(self, node_id: NodeId, relpath: str) -> memoryview:
        """A whole file of a node; copied to this node once if it is another's."""

    def forget_copy(self, node_id: NodeId, relpath: str) -> bool:
        """Removes this node's copy of another node's file; False when it is no copy."""

    def forget_shuffle(self, shuffle_id: ShuffleId) -> None:
        """Lets go of a shuffle's files, which are being removed: their space is wanted."""

    def update_nodes(self, nodes: Sequence[NodeInfo]) -> None:
        """Learns the addresses of the nodes."""


def read_verified(
    reader: NodeReader, node_id: NodeId, relpath: str, read: Callable[[memoryview], T]
) -> T:
    """What `read` makes of a file; a damaged copy is brought again once.

    Raises
    ------
    CorruptFileError
        The node's own file is damaged.
    """
    try:
        return read(reader.fetch_file(node_id, relpath))
    except CorruptFileError:
        if not reader.forget_copy(node_id, relpath):
            raise
    return read(reader.fetch_file(node_id, relpath))


class SameNodeReader:
    """For masters whose executors all share the driver's node directory."""

    others: OtherNodes | None = None

    def __init__(self, files: NodeFiles) -> None:
        self._files = files
        self._fetcher = LocalFetcher(files)

    def fetch(
        self, shuffle_id: ShuffleId, reduce_id: int, locations: Sequence[MapLocation]
    ) -> Iterator[tuple[MapLocation, memoryview | Checked]]:
        """See `NodeReader`."""
        return self._fetcher.fetch(shuffle_id, reduce_id, locations)

    def fetch_file(self, node_id: NodeId, relpath: str) -> memoryview:
        """See `NodeReader`."""
        return self._files.map_once(relpath)

    def forget_copy(self, node_id: NodeId, relpath: str) -> bool:
        """See `NodeReader`; there is only one node."""
        return False

    def forget_shuffle(self, shuffle_id: ShuffleId) -> None:
        """See `NodeReader`."""
        self._fetcher.forget(shuffle_prefix(shuffle_id))

    def update_nodes(self, nodes: Sequence[NodeInfo]) -> None:
        """See `NodeReader`; there is only one node."""
