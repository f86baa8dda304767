"""Where the map outputs of every shuffle are.

Owns: shuffle -> map partition -> `MapStatus`, the version of each shuffle's
locations, and the attempt numbers given out. Must not know: stages, jobs,
executors that are alive; whoever learns of a loss says so here. An output is
named by (shuffle, map partition, attempt), so a report of a loss that names an
attempt which was replaced meanwhile changes nothing: no epochs are needed.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator

from minispark.ids import ExecutorId, NodeId, ShuffleId
from minispark.records import field, record
from minispark.scheduler.model import MapStatus

#: What one byte of `MapStatus.sizes` stands for.
SIZE_OF_BYTE = (0.0, *(1.1**i for i in range(1, 256)))


@record(frozen=False)
class ShuffleOutputs:
    """The outputs of one shuffle."""

    num_maps: int
    #: By map partition; None where the output is missing.
    statuses: list[MapStatus | None]
    #: Next attempt number per map partition: never reused, they name files.
    attempts: array[int]
    #: 1 where an output was accepted before (its accumulators are counted).
    counted: bytearray
    #: The shuffles its map tasks may read.
    parents: tuple[ShuffleId, ...] = ()
    num_registered: int = 0
    version: int = 0
    #: All outputs were there at some time since the last `clear`: somebody
    #: may have read them.
    was_complete: bool = False
    #: Fingerprints of the outputs of this run of the stage, lost or not; 0: unknown.
    prints: array[int] = field(default_factory=lambda: array("I"))
    #: A map that ran again gave other records: its stage is indeterminate.
    is_unsteady: bool = False
    #: The count of `MapOutputs.num_clears` when this run of the stage began.
    cleared_at: int = 0


class MapOutputs:
    """The table of all map outputs."""

    def __init__(self) -> None:
        self._shuffles: dict[ShuffleId, ShuffleOutputs] = {}
        #: Grows with every output lost: whoever noted what was complete looks again.
        self.num_losses: int = 0
        #: Grows with every shuffle that is rolled back.
        self.num_clears: int = 0

    def declare(
        self, shuffle_id: ShuffleId, num_maps: int, parents: tuple[ShuffleId, ...] = ()
    ) -> None:
        """Makes a shuffle known that was not; those it is made of come first."""
        if shuffle_id not in self._shuffles:
            self._shuffles[shuffle_id] = ShuffleOutputs(
                num_maps,
                [None] * num_maps,
                array("I", bytes(4 * num_maps)),
                bytearray(num_maps),
                parents,
                was_complete=num_maps == 0,
                prints=array("I", bytes(4 * num_maps)),
            )

    def __contains__(self, shuffle_id: object) -> bool:
        return shuffle_id in self._shuffles

    def __iter__(self) -> Iterator[ShuffleId]:
        return iter(self._shuffles)

    def is_complete(self, shuffle_id: ShuffleId) -> bool:
        """Whether every map output is registered."""
        outputs = self._shuffles.get(shuffle_id)
        return outputs is not None and outputs.num_registered == outputs.num_maps

    def was_complete(self, shuffle_id: ShuffleId) -> bool:
        """Whether somebody may have read the outputs."""
        outputs = self._shuffles.get(shuffle_id)
        return outputs is not None and outputs.was_complete

    def num_registered(self, shuffle_id: ShuffleId) -> int:
        """How many map outputs are there."""
        outputs = self._shuffles.get(shuffle_id)
        return outputs.num_registered if outputs else 0

    def missing(self, shuffle_id: ShuffleId) -> list[int]:
        """Map partitions without output, in order."""
        statuses = self._shuffles[shuffle_id].statuses
        return [i for i, status in enumerate(statuses) if status is None]

    def has(self, shuffle_id: ShuffleId, map_id: int) -> bool:
        """Whether the output of one map partition is registered."""
        return self._shuffles[shuffle_id].statuses[map_id] is not None

    def locations(self, shuffle_id: ShuffleId) -> list[tuple[int, int, NodeId]]:
        """(map partition, attempt, node) of what is registered, in map order."""
        outputs = self._shuffles.get(shuffle_id)
        if outputs is None:
            return []
        return [(i, s.attempt, s.node_id) for i, s in enumerate(outputs.statuses) if s is not None]

    def statuses(self, shuffle_id: ShuffleId) -> tuple[MapStatus | None, ...]:
        """By map partition; empty for an unknown shuffle."""
        outputs = self._shuffles.get(shuffle_id)
        return tuple(outputs.statuses) if outputs else ()

    def version(self, shuffle_id: ShuffleId) -> int:
        """Changes whenever a location of the shuffle changes; 0 when unknown."""
        outputs = self._shuffles.get(shuffle_id)
        return outputs.version if outputs else 0

    def next_attempt(self, shuffle_id: ShuffleId, map_id: int) -> int:
        """A number no other attempt of the map partition had or will have."""
        attempts = self._shuffles[shuffle_id].attempts
        attempt = attempts[map_id]
        attempts[map_id] = attempt + 1
        return attempt

    def register(self, shuffle_id: ShuffleId, map_id: int, status: MapStatus) -> bool:
        """Adds an output where none was; True when it is the map's first one."""
        outputs = self._shuffles[shuffle_id]
        assert outputs.statuses[map_id] is None, "a map output would be replaced"
        outputs.statuses[map_id] = status
        if status.fingerprint:
            outputs.prints[map_id] = status.fingerprint
        outputs.num_registered += 1
        outputs.version += 1
        if outputs.num_registered == outputs.num_maps:
            outputs.was_complete = True
        first = not outputs.counted[map_id]
        outputs.counted[map_id] = 1
        return first

    def is_other_run(self, shuffle_id: ShuffleId, map_id: int, status: MapStatus) -> bool:
        """Whether the output surely differs from the one that was lost.

        The stage is taken for indeterminate from then on.
        """
        outputs = self._shuffles[shuffle_id]
        before = outputs.prints[map_id]
        differs = bool(before and status.fingerprint and before != status.fingerprint)
        outputs.is_unsteady |= differs
        return differs

    def is_unsteady(self, shuffle_id: ShuffleId) -> bool:
        """Whether a map was seen to give other records when it ran again."""
        outputs = self._shuffles.get(shuffle_id)
        return outputs is not None and outputs.is_unsteady

    def cleared_at(self, shuffle_id: ShuffleId) -> int:
        """When the present run of the stage began, on the clock of `num_clears`."""
        outputs = self._shuffles.get(shuffle_id)
        return outputs.cleared_at if outputs else 0

    def unregister(self, shuffle_id: ShuffleId, map_id: int, attempt: int) -> bool:
        """Forgets exactly this output; False when it is not (any more) registered."""
        outputs = self._shuffles.get(shuffle_id)
        if outputs is None or not 0 <= map_id < outputs.num_maps:
            return False
        status = outputs.statuses[map_id]
        if status is None or status.attempt != attempt:
            return False
        self._clear(outputs, map_id)
        return True

    def clear(self, shuffle_id: ShuffleId) -> None:
        """Forgets all outputs of a shuffle: they will be computed anew."""
        outputs = self._shuffles[shuffle_id]
        for map_id, status in enumerate(outputs.statuses):
            if status is not None:
                self._clear(outputs, map_id)

    def roll_back(self, shuffle_id: ShuffleId) -> None:
        """Forgets all outputs of a shuffle, and what they were like."""
        self.clear(shuffle_id)
        outputs = self._shuffles[shuffle_id]
        outputs.was_complete = outputs.num_maps == 0
        outputs.prints = array("I", bytes(4 * outputs.num_maps))
        self.num_losses += 1  # also where no output was left
        self.num_clears += 1
        outputs.cleared_at = self.num_clears

    def lose_node(self, node_id: NodeId) -> list[tuple[ShuffleId, int]]:
        """Forgets every output on the node and returns which those were."""
        return self._lose(lambda status: status.node_id == node_id)

    def lose_executor(self, executor_id: ExecutorId) -> list[tuple[ShuffleId, int]]:
        """Forgets the outputs that lived inside the executor's process."""
        return self._lose(lambda s: s.in_executor and s.executor_id == executor_id)

    def descendants(self, shuffle_id: ShuffleId) -> set[ShuffleId]:
        """The known shuffles made of this one, itself included."""
        found = {shuffle_id}
        for other, outputs in self._shuffles.items():  # parents first
            if not found.isdisjoint(outputs.parents):
                found.add(other)
        return found

    def forget(self, shuffle_id: ShuffleId) -> None:
        """Removes the shuffle altogether."""
        self._shuffles.pop(shuffle_id, None)

    def _lose(self, is_lost: Callable[[MapStatus], bool]) -> list[tuple[ShuffleId, int]]:
        lost = [
            (shuffle_id, map_id)
            for shuffle_id, outputs in self._shuffles.items()
            if outputs.num_registered
            for map_id, status in enumerate(outputs.statuses)
            if status is not None and is_lost(status)
        ]
        for shuffle_id, map_id in lost:
            self._clear(self._shuffles[shuffle_id], map_id)
        return lost

    def _clear(self, outputs: ShuffleOutputs, map_id: int) -> None:
        self.num_losses += 1
        outputs.statuses[map_id] = None
        outputs.num_registered -= 1
        outputs.version += 1

    def validate(self) -> None:
        """Raises AssertionError when a count disagrees with the table."""
        for shuffle_id, outputs in self._shuffles.items():
            count = sum(status is not None for status in outputs.statuses)
            assert count == outputs.num_registered, f"shuffle {shuffle_id}: wrong count"
            assert len(outputs.statuses) == outputs.num_maps, f"shuffle {shuffle_id}: wrong size"
