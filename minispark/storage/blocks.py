"""The persisted blocks that one executor holds, in its heap and in files.

Rules. A block is there whole or not at all: it is computed to its end before
its first record is handed out. Blocks in the heap are lists of the very objects
where no user function can change them, otherwise pickled frames, of which each
reader gets fresh objects; they go least recently used first, but never for the
sake of another block of the same RDD. Blocks in files are frames with a
checksum, in the node's directory: every executor of the node reads them, and
they outlive this one. A file that is not what was written counts as missing.
A block may be in both: `to_file` makes a copy for others of what is in the heap.
A block bears the run of the input it was made of (`LaunchTask.runs`): one of an
earlier run than its reader's counts as missing, wherever it comes from. So what
a task left behind that died or was cancelled is never mixed with what came after.

Knows nothing of tasks or of other nodes. What changed is kept as updates until
the runtime takes them (`drain_updates`).
"""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any

from minispark.errors import CorruptFileError, DiskFullError
from minispark.ids import NodeId
from minispark.plan.spec import BlockKey, BlockUpdate
from minispark.records import record
from minispark.storage.blockfile import (
    block_file,
    block_name,
    block_prefix,
    is_whole,
    open_block,
    run_of,
)
from minispark.storage.checked import ChangedError
from minispark.storage.files import NodeFiles
from minispark.storage.immutable import all_immutable
from minispark.storage.memory import MemoryManager
from minispark.storage.serializer import FrameReader, dump_records
from minispark.storage.sizing import estimate_bytes
from minispark.storagelevel import StorageLevel

#: Told of a file that changed while it was read.
WhenChanged = Callable[[CorruptFileError], None]
#: Records that are looked at each time the size of a growing block is checked.
_PROBE = 64


@record(frozen=False)
class _Entry:
    #: The records themselves, or frames of them.
    parts: list[Any]
    is_frames: bool
    num_bytes: int
    level: StorageLevel
    run: int

    def records(self) -> Iterator[Any]:
        """The records; those of frames are fresh objects each time."""
        if not self.is_frames:
            return iter(self.parts)
        return chain.from_iterable(map(FrameReader().load, self.parts))


@record(frozen=False, eq=False)
class _Export:
    """A block's file that is being written beside the tasks."""

    rdd_id: int
    #: Whether the RDD was dropped meanwhile.
    is_dropped: bool = False


class BlockStore:
    """Persisted blocks by (RDD, partition). Thread-safe.

    Parameters
    ----------
    freeze_gc
        The process is ours: take stored blocks out of the collector's sight,
        which would otherwise walk through all of them again and again.
    """

    def __init__(self, files: NodeFiles, memory: MemoryManager, freeze_gc: bool) -> None:
        self._files = files
        self._memory = memory
        self._freeze_gc = freeze_gc
        self._lock = threading.Lock()
        #: Blocks in the heap, least recently used first.
        self._entries: OrderedDict[BlockKey, _Entry] = OrderedDict()
        self._updates: list[BlockUpdate] = []
        #: Files that `to_file` is writing.
        self._exports: list[_Export] = []
        memory.set_evictor(lambda num_bytes: self._evict(num_bytes, None))

    def get(
        self, block: BlockKey, run: int = 0, changed: WhenChanged | None = None
    ) -> Iterator[Any] | None:
        """The records of a block, or None when this node does not hold it.

        A block of an earlier run than `run` is dropped. `changed` is told of the error that
        the records end with when their file changes meanwhile, should somebody catch it.
        """
        with self._lock:
            entry = self._entries.get(block)
            if entry is not None and entry.run >= run:
                self._entries.move_to_end(block)
                return entry.records()
            if entry is not None:
                del self._entries[block]
                self._drop_exports(block[0])
        if entry is not None:
            self._memory.release_storage(entry.num_bytes)
            self._note(block, in_memory=False, on_disk=self._has_file(block, run))
        data = self.read_file(block)
        if data is None:
            return None
        frames = open_block(data, run)
        if frames is None:
            self._remove_file(block)
            return None
        return chain.from_iterable(self._while_unchanged(block, frames, changed))

    def _while_unchanged(
        self, block: BlockKey, frames: Iterator[list[Any]], changed: WhenChanged | None
    ) -> Iterator[list[Any]]:
        """The frames; the next task computes a block that changes while this one reads it."""
        try:
            yield from frames
        except ChangedError as error:
            self._remove_file(block)
            problem = CorruptFileError(
                f"the file of block {block[1]} of the persisted RDD {block[0]} was damaged, or "
                "changed while a task read it"
            )
            if changed is not None:
                changed(problem)
            raise problem from error

    def _remove_file(self, block: BlockKey) -> None:
        self._files.remove(block_name(block))
        self._note(block, in_memory=False, on_disk=False)

    def read_file(self, block: BlockKey) -> memoryview | None:
        """The bytes of a block's file for `open_block`, None where there is none."""
        try:
            return self._files.map_read(block_name(block))
        except FileNotFoundError:
            return None

    def has_whole_file(self, block: BlockKey) -> bool:
        """Whether the node has a file of the block that is what was written; else it goes."""
        data = self.read_file(block)
        if data is not None and is_whole(data):
            return True
        self._files.remove(block_name(block))
        return False

    def _has_file(self, block: BlockKey, run: int) -> bool:
        """Whether the node has a file of the block that is not of an earlier run."""
        try:
            return run_of(self._files.map_once(block_name(block))) >= run
        except FileNotFoundError:
            return False

    def export(self, block: BlockKey) -> memoryview | None:
        """What the block's file holds or would hold, for a copy; None without the block.

        A block that is only in the heap is written to a file without a name:
        memory stays bounded by a frame.
        """
        data = self.read_file(block)
        entry = self._entry_of(block)
        if entry is not None and (data is None or run_of(data) < entry.run):
            data = self._files.map_nameless(block_file(entry.records(), entry.run))
        return data

    def to_file(self, block: BlockKey) -> bool:
        """Makes sure the node has a file of the block; False without the block.

        Any thread may call this while tasks read the block: its records are
        walked, a frame at a time, and nothing of it changes.
        """
        export = _Export(block[0])
        with self._lock:
            entry = self._entries.get(block)
            self._exports.append(export)
        try:
            if self._has_file(block, 0 if entry is None else entry.run):
                return True
            if entry is None:
                return False
            self._files.write_atomic(block_name(block), block_file(entry.records(), entry.run))
        finally:
            with self._lock:
                self._exports.remove(export)
                is_current = self._entries.get(block) is entry
        if is_current or (entry.level.useDisk and not export.is_dropped):
            # If it was evicted to disk, that is the file, and counted on.
            return True
        # Gone meanwhile: whoever saw to that may have looked for files before.
        self._files.remove(block_name(block))
        return False

    def _entry_of(self, block: BlockKey) -> _Entry | None:
        with self._lock:
            return self._entries.get(block)

    def note_file(self, block: BlockKey, node_id: NodeId, is_there: bool) -> None:
        """Reports a file of the block, here or on another node."""
        with self._lock:
            self._updates.append(BlockUpdate(block, False, is_there, node_id))

    def put(
        self,
        block: BlockKey,
        records: Iterator[Any],
        level: StorageLevel,
        run: int = 0,
        changed: WhenChanged | None = None,
    ) -> Iterator[Any]:
        """Stores a block if it fits; gives all its records, each once. `changed` is as in `get`.

        What `records` raises passes through, and nothing is stored then.

        Raises
        ------
        DiskFullError
            The block has to go to disk, and the disk cannot take it.
        """
        if not level.useMemory or level.useOffHeap:
            return self._put_file(block, records, run, changed)
        buffer: list[Any] = []
        reserved = self._unroll(block, records, buffer)
        if reserved is not None:
            entry = self._entry(buffer, reserved, level, run)
            with self._lock:
                known = self._entries.setdefault(block, entry)
                if stale := known.run < run:
                    self._entries[block] = entry
            if stale:
                self._memory.release_storage(known.num_bytes)
            elif known is not entry:
                # Another thread stored it meanwhile.
                self._memory.release_storage(entry.num_bytes)
                return known.records()
            if self._freeze_gc and not entry.is_frames:
                gc.freeze()
            self._note(block, in_memory=True, on_disk=False)
            return iter(buffer)
        if level.useDisk:
            return self._put_file(block, _emptying(buffer, records), run, changed)
        return _emptying(buffer, records)

    def drop_rdd(self, rdd_id: int) -> None:
        """Forgets the blocks of an RDD, and removes their files on this node."""
        with self._lock:
            self._drop_exports(rdd_id)
            dropped = [key for key in self._entries if key[0] == rdd_id]
            freed = sum(self._entries.pop(key).num_bytes for key in dropped)
        self._memory.release_storage(freed)
        self._files.remove_prefix(block_prefix(rdd_id))
        for key in dropped:
            self._note(key, in_memory=False, on_disk=False)
        if dropped and self._freeze_gc:
            # Cyclic garbage among what was frozen would stay for ever.
            gc.unfreeze()
            gc.collect()
            gc.freeze()

    def _drop_exports(self, rdd_id: int) -> None:
        for export in self._exports:
            export.is_dropped |= export.rdd_id == rdd_id

    def drain_updates(self) -> tuple[BlockUpdate, ...]:
        """What changed since the last call, in order."""
        with self._lock:
            updates, self._updates = tuple(self._updates), []
        return updates

    def _entry(self, buffer: list[Any], reserved: int, level: StorageLevel, run: int) -> _Entry:
        """What is kept of a block: its objects, or frames where they can change."""
        try:  # either takes its time, in which the task may be cancelled
            if all_immutable(buffer):
                return _Entry(buffer, False, reserved, level, run)
            frames = list(dump_records(buffer))
        except BaseException:
            self._memory.release_storage(reserved)
            raise
        # Frames are smaller than the objects, whose room they give back.
        size = min(reserved, sum(map(len, frames)))
        self._memory.release_storage(reserved - size)
        return _Entry(frames, True, size, level, run)

    def _note(self, block: BlockKey, *, in_memory: bool, on_disk: bool) -> None:
        with self._lock:
            self._updates.append(BlockUpdate(block, in_memory, on_disk))

    def _put_file(
        self, block: BlockKey, records: Iterator[Any], run: int, changed: WhenChanged | None
    ) -> Iterator[Any]:
        name = block_name(block)
        self._files.write_atomic(name, block_file(records, run))
        self._note(block, in_memory=False, on_disk=True)
        # A cancelled task of an earlier run may have replaced it just now.
        written = open_block(self._files.map_read(name), run)
        if written is None:
            raise OSError(f"{name} was damaged or replaced while it was written")
        return chain.from_iterable(self._while_unchanged(block, written, changed))

    def _unroll(self, block: BlockKey, records: Iterator[Any], buffer: list[Any]) -> int | None:
        """Fills `buffer`; gives the storage acquired, None when it was refused.

        After a refusal the rest of the records is still in `records`.
        """
        acquired, size, step = 0, 0.0, 0
        is_stored = False

        def evict(num_bytes: int) -> int:
            return self._evict(num_bytes, block[0])

        def acquire(wanted: int, evict: Callable[[int], int]) -> bool:
            nonlocal acquired
            if wanted <= acquired:
                return True
            if not self._memory.acquire_storage(wanted - acquired, evict):
                return False
            acquired = wanted
            return True

        try:
            while probe := list(islice(records, _PROBE)):
                before = len(buffer)
                buffer += probe
                buffer += islice(records, step)
                size += estimate_bytes(probe) / len(probe) * (len(buffer) - before)
                # Some ahead where there is room; no block has to go for a guess.
                if not (acquire(int(size * 1.5), _evict_nothing) or acquire(int(size), evict)):
                    return None
                # Never more at once than what was acquired lets expect.
                step = int(len(buffer) * max(0.1, min(1.0, acquired / size - 1)))
            final = estimate_bytes(buffer)
            if not acquire(final, evict):
                return None
            self._memory.release_storage(acquired - final)
            acquired = final
            is_stored = True
            return final
        finally:
            if not is_stored:
                self._memory.release_storage(acquired)

    def _evict(self, num_bytes: int, keep_rdd: int | None) -> int:
        """Frees storage, oldest blocks first, none of `keep_rdd`; how much."""
        freed = 0
        while freed < num_bytes:
            with self._lock:
                victim = next((key for key in self._entries if key[0] != keep_rdd), None)
                if victim is None:
                    break
                entry = self._entries.pop(victim)
            on_disk = False
            try:
                # Also a level without disk may have a file: a copy, or an export.
                on_disk = self._has_file(victim, entry.run) or (
                    entry.level.useDisk and self._demote(victim, entry)
                )
            finally:
                # Also when the task that wants memory is cancelled meanwhile.
                self._memory.release_storage(entry.num_bytes)
                self._note(victim, in_memory=False, on_disk=on_disk)
            freed += entry.num_bytes
        return freed

    def _demote(self, block: BlockKey, entry: _Entry) -> bool:
        try:
            self._files.write_atomic(block_name(block), block_file(entry.records(), entry.run))
        except DiskFullError:
            # The block can be computed again; the task that needs memory
            # must not fail for it. The update says that it is gone.
            return False
        return True


def _evict_nothing(_: int) -> int:
    return 0


def _emptying(buffer: list[Any], rest: Iterator[Any]) -> Iterator[Any]:
    """The records of both; the buffer is let go as soon as it was read."""
    buffer.reverse()
    while buffer:
        yield buffer.pop()
    yield from rest
