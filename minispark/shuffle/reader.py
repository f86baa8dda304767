"""Reading the blocks of a reduce partition, in map order.

Owns the protocol between a reduce task and whatever brings blocks to it, the
fetcher for files of this node, and the one error that says a block could not
be had. Knows nothing of keys, nor of connections.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple, Protocol

from minispark.errors import PySparkRuntimeError
from minispark.ids import NodeId, ShuffleId
from minispark.shuffle.format import (
    CorruptBlockError,
    MapOutputIndex,
    map_output_name,
    open_index,
)
from minispark.storage.checked import ChangedError, Checked
from minispark.storage.files import NodeFiles
from minispark.storage.serializer import lazy_frames

#: Indexes of map outputs kept open by a fetcher.
_MAX_INDEXES = 8192


class MapLocation(NamedTuple):
    """One map output: which attempt wrote it, and on which node it is."""

    map_id: int
    attempt: int
    node_id: NodeId


class FetchFailedError(PySparkRuntimeError):
    """Map outputs are missing or corrupt; they must be computed again.

    `map_attempts` names them as (map partition, attempt); `node_id` is None
    when not one node is to blame.
    """

    def __init__(
        self,
        shuffle_id: ShuffleId,
        map_attempts: tuple[tuple[int, int], ...],
        node_id: NodeId | None,
        message: str,
    ) -> None:
        super().__init__(message)
        self.shuffle_id = shuffle_id
        self.map_attempts = map_attempts
        self.node_id = node_id
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.shuffle_id, self.map_attempts, self.node_id, self.message)


class BlockFetcher(Protocol):
    """Brings blocks to a reduce task."""

    def fetch(
        self, shuffle_id: ShuffleId, reduce_id: int, locations: Sequence[MapLocation]
    ) -> Iterator[tuple[MapLocation, memoryview | Checked]]:
        """The blocks in the order of `locations`, each verified.

        Verified means: by `MapOutputIndex.block`, or by `format.verified` with
        the length and checksum of the writer's index. Raises
        `FetchFailedError`, or `OSError` or `CorruptBlockError` for the first
        location that was not given yet.
        """


def fetch_failed(
    shuffle_id: ShuffleId, location: MapLocation, error: BaseException
) -> FetchFailedError:
    """The error for one map output."""
    return FetchFailedError(
        shuffle_id,
        ((location.map_id, location.attempt),),
        location.node_id,
        f"Cannot read the output of map partition {location.map_id} (attempt "
        f"{location.attempt}) of shuffle {shuffle_id} on node {location.node_id}: "
        f"{type(error).__name__}: {error}",
    )


class LocalFetcher:
    """Maps the files of this node; no copy, no message."""

    def __init__(self, files: NodeFiles) -> None:
        self._files = files
        # Verifying an index once per file, not once per block of it.
        self._indexes: OrderedDict[str, tuple[memoryview, MapOutputIndex]] = OrderedDict()
        #: The locations of which all indexes were opened last.
        self._opened: Sequence[MapLocation] | None = None

    def fetch(
        self, shuffle_id: ShuffleId, reduce_id: int, locations: Sequence[MapLocation]
    ) -> Iterator[tuple[MapLocation, memoryview | Checked]]:
        """See `BlockFetcher`."""
        self._open_all(shuffle_id, locations)
        for position, location in enumerate(locations):
            try:
                block = self._block(shuffle_id, reduce_id, location)
            except (OSError, CorruptBlockError) as error:
                failed = fetch_failed(shuffle_id, location, error)
                # All that is lost must be told at once: each report costs the
                # stage one of its few attempts.
                failed.map_attempts += tuple(
                    (other.map_id, other.attempt)
                    for other in locations[position + 1 :]
                    if not self._is_readable(shuffle_id, reduce_id, other)
                )
                raise failed from error
            yield location, block

    def _open_all(self, shuffle_id: ShuffleId, locations: Sequence[MapLocation]) -> None:
        """Opens what is not open yet, before any record is read.

        Indexes stay. Opened one by one they would lie between the records of the whole
        partition, and each would hold the memory around it when the records are gone.
        """
        if self._opened is locations:
            return
        for location in locations:
            name = map_output_name(shuffle_id, location.map_id, location.attempt)
            if name not in self._indexes:
                with suppress(OSError, CorruptBlockError):  # its reader is told
                    self._index(name)
        self._opened = locations

    def forget(self, prefix: str) -> None:
        """Lets go of the files whose names begin so."""
        for name in [name for name in self._indexes if name.startswith(prefix)]:
            del self._indexes[name]
        self._files.unmap(prefix)

    def _block(
        self, shuffle_id: ShuffleId, reduce_id: int, location: MapLocation
    ) -> memoryview | Checked:
        name = map_output_name(shuffle_id, location.map_id, location.attempt)
        index = self._index(name)
        block = index.block(reduce_id)
        if index.is_mapped:
            self._files.was_read(len(block) if isinstance(block, memoryview) else 0)
        return block

    def _is_readable(self, shuffle_id: ShuffleId, reduce_id: int, location: MapLocation) -> bool:
        name = map_output_name(shuffle_id, location.map_id, location.attempt)
        try:
            return self._index(name).is_whole(reduce_id)
        except (OSError, CorruptBlockError):
            return False

    def _index(self, name: str) -> MapOutputIndex:
        data = self._files.map_read(name)
        known = self._indexes.get(name)
        # Read anew means that the file is another one.
        if known is not None and known[0] is data:
            return known[1]
        index = open_index(data)
        # An index keeps its file mapped: none outlives the mapping in `files`.
        for old in list(islice(self._indexes, 2)):
            if self._files.is_kept(old, self._indexes[old][0]):
                self._indexes.move_to_end(old)
            else:
                del self._indexes[old]
        self._indexes[name] = (data, index)
        while len(self._indexes) > _MAX_INDEXES:
            self._indexes.popitem(last=False)
        return index


def read_blocks(
    fetcher: BlockFetcher,
    shuffle_id: ShuffleId,
    reduce_id: int,
    locations: Sequence[MapLocation],
) -> Iterator[Iterable[Any]]:
    """The records of a reduce partition, frame by frame, in map order; each frame once.

    Raises
    ------
    FetchFailedError
        A block is missing, short or corrupt, or a fetcher gave too few.
    """
    given = 0
    fetched = fetcher.fetch(shuffle_id, reduce_id, locations)
    while given < len(locations):
        expected = locations[given]
        try:
            found = next(fetched, None)
        except (OSError, CorruptBlockError) as error:
            raise fetch_failed(shuffle_id, expected, error) from error
        if found is None or found[0] != expected:
            problem = CorruptBlockError("its block was not among those fetched")
            raise fetch_failed(shuffle_id, expected, problem)
        given += 1
        # What fails here is not the block, whose checksum is right, but its
        # contents (a class that cannot be imported): a task error.
        block = found[1]
        if isinstance(block, Checked):
            yield from _frames(block, shuffle_id, expected)
        else:
            yield from lazy_frames(block)


def _frames(block: Checked, shuffle_id: ShuffleId, at: MapLocation) -> Iterator[Iterable[Any]]:
    """Those of a large block, which may change while it is read."""
    source = lazy_frames(block)
    while True:
        try:
            frame = next(source, None)
        except ChangedError as error:
            raise fetch_failed(shuffle_id, at, error) from error
        if frame is None:
            return
        yield frame
