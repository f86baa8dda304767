"""When a hash table must spill: decides from samples, rarely.

A record costs nothing here; every so often the table is measured by a sample
and the next look is set where it could have outgrown what was granted. Knows
nothing of what is in the table beyond that.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from minispark.storage.memory import Reservation
from minispark.storage.serializer import FRAME_RECORDS
from minispark.storage.sizing import estimate_bytes

#: A dict's own bytes per key, at an average fill, and those of a list object.
SLOT_BYTES = 100
_LIST_BYTES = 88
_SAMPLE = 64
_STRATUM = 24
_MAX_STRATA = 12
#: How far the next look may be ahead, in records seen so far.
_MAX_AHEAD = 7.0
#: Records that are taken before anything is known of them, and later as a sample, at most.
_FIRST_PROBE, _PROBE = 16, 64
#: How large a record may be that this holds for at first.
_UNKNOWN_BYTES = 1 << 18


class Gauge:
    """Watches one structure of a task that grows by records.

    Use: take `probe` records into a list, add them, add `step` more, then ask.
    `slot_bytes` is what a key takes beside itself and what belongs to it.
    """

    def __init__(self, reservation: Reservation, slot_bytes: int = SLOT_BYTES) -> None:
        self._reservation = reservation
        self._slot_bytes = slot_bytes
        #: Of everything that ever went in.
        self._all_bytes = 0.0
        self._all = 0
        self.reset()

    def reset(self) -> None:
        """The structure was emptied."""
        self._reservation.release()
        self.expect_others()
        self._records = 0
        #: Bytes of the records that went in, where records stay as they are.
        self.record_bytes: float = 0.0
        #: Of one of the last records, where they stay as they are.
        self.last_bytes: float = 0.0
        #: Of a table: how many keys came between two looks, and some of them.
        self._strata: list[tuple[int, list[Any]]] = []
        self._counted = 0
        #: What it took when somebody looked last.
        self._used = 0

    def expect_others(self) -> None:
        """What comes now is unlike what came: nothing is known of its size."""
        first = self._reservation.allowance // _UNKNOWN_BYTES
        self.probe: int = max(2, min(_FIRST_PROBE, first))
        self.step: int = 0

    def went(self, part: float) -> None:
        """So much of the records, as a part of all, is not in the structure any more."""
        self.record_bytes *= 1 - part
        self._records -= int(self._records * part)

    @property
    def mean_bytes(self) -> int:
        """Of all records so far, or of all values where they are grouped."""
        return int(self._all_bytes / max(self._all, 1))

    def fitting(self, most: int, num_bytes: int) -> int:
        """How many records or values have so many bytes, at most `most`."""
        return max(1, min(most, num_bytes // max(self.mean_bytes, 1)))

    def keys_in(self, num_bytes: int) -> int:
        """How many keys of a table, with what belongs to them, have so many bytes."""
        return max(1, num_bytes * self._counted // max(self._used, 1))

    @property
    def few(self) -> int:
        """How many values may come before the next look, where they come in lists."""
        if not self._all:
            return self.probe
        return self.fitting(FRAME_RECORDS, self._reservation.allowance)

    def _came(self, sample: Sequence[Any], count: int) -> None:
        self.last_bytes = estimate_bytes(sample) / max(len(sample), 1)
        came = self.last_bytes * count
        self.record_bytes += came
        self._all_bytes += came
        self._all += count

    def _covers(self, used: int, count: int) -> bool:
        self._records += count
        self._used = used
        # Room for what comes before the next look, too.
        if not self._reservation.covers(used + used // 8):
            return False
        # As far as the room goes if records keep their size, with a margin;
        # where there is little room, steps of an eighth.
        room = 0.7 * self._reservation.room(used)
        ahead, least = self._records * min(_MAX_AHEAD, room), self._records / 8
        if self.last_bytes:
            # Or if they are all like the last ones, which may be larger.
            in_all = used / self.last_bytes
            ahead, least = min(ahead, in_all * room), min(least, in_all / 8)
        self.step = int(max(ahead, least))
        # Large records are looked at before many of them have come.
        record_bytes = max(used / max(self._records, 1), self.last_bytes, 1)
        self.probe = max(1, min(_PROBE, int(self._reservation.allowance / record_bytes)))
        return True

    def list_fits(self, probe: Sequence[Any], count: int) -> bool:
        """Whether a list to which `count` records like `probe` came may grow on."""
        self._came(probe, count)
        return self._covers(int(self.record_bytes), count)

    def groups_fit(
        self,
        table: dict[Any, Any],
        values: Sequence[Any],
        num_values: int,
        other_keys: int = 0,
        lists: int = 1,
    ) -> bool:
        """The same for a dict of lists, to which `num_values` came; steps are in values.

        `values` is a sample of the values; `other_keys` are those of other dicts
        of lists that fill the same room. A key may have several `lists`, in one of lists.
        """
        self._came(values[:_SAMPLE], num_values)
        keys = list(islice(table, _SAMPLE))
        key_bytes = estimate_bytes(keys) // max(len(keys), 1) + self._slot_bytes
        key_bytes += _LIST_BYTES * (lists + (lists > 1))
        return self._covers(
            int(self.record_bytes) + key_bytes * (len(table) + other_keys), num_values
        )

    def table_fits(self, table: dict[Any, Any], count: int) -> bool:
        """The same for a dict of combiners, which only grew since the last call."""
        new = len(table) - self._counted
        if new:
            # The newest keys stand for all that came since the last look: the
            # sample is spread over the table without a walk through it.
            self._strata.append((new, list(islice(reversed(table), min(new, _STRATUM)))))
            self._counted += new
            if len(self._strata) > _MAX_STRATA:
                (a, first), (b, second) = self._strata[:2]
                self._strata[:2] = [(a + b, first[::2] + second[::2])]
        used = self._slot_bytes * len(table)
        for size, keys in self._strata:
            sampled = estimate_bytes(keys) + estimate_bytes([table[k] for k in keys])
            used += sampled * size // len(keys)
        return self._covers(used, count)
