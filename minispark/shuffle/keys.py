"""The map side of a shuffle of keys without values: `distinct`.

Keys that came before are dropped before they are written, as with every combining
shuffle, as long as that saves something. Where almost no key comes twice in a
partition, a table of them is work for nothing: then keys are passed on as they come,
and the reduce side alone drops what it has. A sample of the keys passed on tells
when they begin to repeat after all; from then on they go into a table again. (Other
engines give partial aggregation up likewise; here nothing else would be exact: to
combine values later than elsewhere may change the last digit of a sum.)

Either way a block has its keys in the order of their first occurrence, and which way
is taken depends on the keys alone, so a block made again is the same.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain, islice
from typing import Any, NoReturn, Protocol

from minispark.kernels.dealing import deal_by_hash
from minispark.kernels.hashing import portable_hash
from minispark.plan.fuse import Loop
from minispark.plan.loop_source import Ending
from minispark.shuffle.gauge import Gauge
from minispark.shuffle.pairs import keep_first_keys, reraise_for
from minispark.shuffle.placing import Partition, deal
from minispark.storage.memory import Reservation
from minispark.storage.serializer import FRAME_RECORDS
from minispark.storage.sizing import estimate_bytes

_KEYS = Ending(("add_key",), each=("add_key(k)",), takes_pair=True)
#: Keys that are looked at together.
_PIECE = 8192
#: After so many keys it is seen whether they repeat ...
_LOOK = 2 * _PIECE
#: ... which they do not where at least this part of them is new.
_NEW = 0.95
#: A table is filled again when more than this part of the sample came before, lately.
_REPEATED = 0.25
_SAMPLE = 128
#: Of how many keys one is in the sample, where there is one place.
_RARITY = 64
#: Keys of one piece that stand for its size.
_SIZED = 60
#: A frame has keys of so many bytes, where it does not have `FRAME_RECORDS`.
_FRAME_BYTES = 1 << 18
#: Types whose equal members no program can tell from one another after a trip through
#: a file. A NaN is not equal to its copy, but to itself: a table would keep one.
_PLAIN = frozenset({int, bool, str, bytes})


class Output(Protocol):
    """Where the blocks go."""

    num_reducers: int
    is_cut_by_memory: bool

    def add(self, reduce_id: int, keys: list[Any], values: None, first: int) -> None:
        """Appends keys to a block; `first` of them make the first frame."""

    def spill(self) -> None:
        """Moves what is in memory to disk."""


class _Pieces:
    """The keys that a loop makes, some at a time."""

    def __init__(self, loop: Loop) -> None:
        self._records, self._run = loop.in_pieces(_KEYS)

    def take(self, limit: int) -> list[Any]:
        """The next keys: so many, fewer at the end."""
        keys: list[Any] = []
        for first in self._records:
            more = islice(self._records, limit - len(keys) - 1)
            self._run(chain((first,), more), keys.append)
            if len(keys) == limit:
                break
        return keys


class _Repeats:
    """How many keys came before, by a sample that has all or none of equal keys.

    It is made of the keys of one place whose hash has one remainder.
    """

    def __init__(self, hands: list[list[Any]]) -> None:
        self.place = max(range(len(hands)), key=lambda p: len(hands[p]))
        self._divisor = max(1, _RARITY // len(hands))
        remainders = Counter(hash(k) % self._divisor for k in hands[self.place])
        self._remainder = remainders.most_common(1)[0][0]
        #: Hashes, not keys: those may be large, and would stay in memory uncounted.
        self._seen: set[int] = set(self._sample(hands[self.place]))
        self._count = self._repeated = 0

    def _sample(self, keys: list[Any]) -> list[int]:
        divisor, remainder = self._divisor, self._remainder
        return [h for h in map(hash, keys) if h % divisor == remainder]

    def add(self, keys: list[Any]) -> None:
        """Looks at keys of the place."""
        sample, before = self._sample(keys), len(self._seen)
        self._seen.update(sample)
        self._count += len(sample)
        self._repeated += len(sample) - (len(self._seen) - before)

    def are_too_many(self) -> bool:
        """Whether too many of the keys since it said no came before."""
        if self._count < _SAMPLE:
            return False
        is_too_much = self._repeated > _REPEATED * self._count
        self._count = self._repeated = 0
        return is_too_much


class _Passing:
    """Keys on their way to their blocks, without a table."""

    def __init__(
        self,
        hands: list[list[Any]],
        output: Output,
        reservation: Reservation,
        piece_bytes: int,
    ) -> None:
        self._piece_bytes = piece_bytes
        self._hands = hands
        self._output = output
        self._reservation = reservation
        self._repeats = _Repeats(hands)
        self._key_bytes = _bytes_of(hands[self._repeats.place])
        #: Keys until it is asked whether they repeat: where that is depends on nothing else.
        self._left = _PIECE

    @property
    def limit(self) -> int:
        """How many keys to take next."""
        return max(1, min(self._left, self._piece_bytes // self._key_bytes))

    @property
    def _frame(self) -> int:
        """How many keys make a frame."""
        return max(1, min(FRAME_RECORDS, _FRAME_BYTES // self._key_bytes))

    def add(self, keys: list[Any]) -> tuple[list[Any], bool]:
        """Passes keys on, up to one that is not plain; gives the others and whether to go on."""
        hands, place = self._hands, self._repeats.place
        before = len(hands[place])
        done = deal_by_hash(keys, hands, _PLAIN)
        self._repeats.add(hands[place][before:])
        self._key_bytes = _bytes_of(keys)
        size = self._frame
        for p, hand in enumerate(hands):
            # Whole frames: a rest would make a small one of its own.
            if whole := len(hand) // size * size:
                self._output.add(p, hand[:whole], None, size)
                del hand[:whole]
        if not self._reservation.covers(sum(map(len, hands)) * self._key_bytes):
            self.flush()
            self._output.spill()
        if done < len(keys):
            return keys[done:], False
        self._left -= done
        if self._left:
            return [], True
        self._left = _PIECE
        return [], not self._repeats.are_too_many()

    def flush(self) -> None:
        """Gives up what is held back."""
        for p, hand in enumerate(self._hands):
            self._output.add(p, hand, None, self._frame)
            hand.clear()
        self._reservation.release()


def _bytes_of(keys: list[Any]) -> int:
    """About what one of these keys occupies."""
    sample = keys[:: max(1, len(keys) // _SIZED)]
    return max(1, estimate_bytes(sample) // len(sample))


class _Combining:
    """A table of keys, written whenever memory is refused and in the end."""

    def __init__(self, output: Output, partition: Partition, reservation: Reservation) -> None:
        self._output = output
        self._partition = partition
        self._gauge = Gauge(reservation)
        self._table: dict[Any, None] = {}
        #: Keys that were added since the table was empty.
        self._added = 0
        #: New keys until memory is asked for.
        self._room = self._gauge.probe

    @property
    def limit(self) -> int:
        """How many keys to take next; at most a quarter more than there is room for come in."""
        return max(1, min((self._gauge.probe + self._gauge.step) // 4, _PIECE))

    def add(self, keys: list[Any]) -> None:
        """Adds keys; of equal ones the first stays."""
        table, gauge = self._table, self._gauge
        before = len(table)
        try:
            keep_first_keys(table, keys)
        except (TypeError, ValueError) as error:
            _blame(keys, error)
        self._added += len(keys)
        self._room -= len(table) - before
        if self._room > 0:
            return
        if not gauge.table_fits(table, gauge.probe + gauge.step - self._room):
            self.flush()
            self._output.spill()
            self._output.is_cut_by_memory = True  # keys come once per table
        self._room = gauge.probe + gauge.step

    @property
    def before_look(self) -> int:
        """How many keys are still to come before it is seen if they repeat."""
        return _LOOK - self._added

    @property
    def may_be_passed_on(self) -> bool:
        """Whether hardly any key was there already, and the sample is the same in each process."""
        is_new = len(self._table) >= _NEW * self._added
        # Not so of None, whose hash may be an address.
        return is_new and set(map(type, self._table)) <= _PLAIN

    def dealt(self) -> list[list[Any]]:
        """The keys by their places; the table is empty then."""
        hands = deal(self._table, self._partition, self._output.num_reducers)
        self._table.clear()
        self._added = 0
        self._gauge.reset()
        self._room = self._gauge.probe
        return hands

    def flush(self) -> None:
        """Writes the keys."""
        first = min(FRAME_RECORDS, self._gauge.keys_in(_FRAME_BYTES))
        for p, hand in enumerate(self.dealt()):
            self._output.add(p, hand, None, first)
            hand.clear()


def _blame(keys: list[Any], error: Exception) -> NoReturn:
    """Raises what names the key that has no hash, else `error` itself."""
    for k in keys:
        try:
            hash(k)
        except TypeError:
            reraise_for((k, None), error)
    raise error


def _pass_on(
    pieces: _Pieces,
    hands: list[list[Any]],
    output: Output,
    reservation: Reservation,
    piece_bytes: int,
) -> list[Any]:
    """Passes keys on while they are plain and new; gives those it took and left."""
    passing = _Passing(hands, output, reservation, piece_bytes)
    left: list[Any] = []
    while keys := pieces.take(passing.limit):
        left, goes_on = passing.add(keys)
        if not goes_on:
            break
    passing.flush()
    return left


def write_keys(
    loop: Loop, output: Output, partition: Partition, reservation: Reservation, piece_bytes: int
) -> None:
    """Writes the keys of a task's pairs, whose values are all None.

    Keys that are passed on are taken about `piece_bytes` at a time.
    """
    pieces = _Pieces(loop)
    table = _Combining(output, partition, reservation)
    # Once: a second try would find what the sample has found.
    may_pass = partition is portable_hash
    # How many keys come at a time depends on memory, at which of them it is decided does not:
    # a block that is made again has as many.
    while keys := pieces.take(min(table.limit, table.before_look) if may_pass else table.limit):
        table.add(keys)
        if may_pass and not table.before_look:
            may_pass = False
            if table.may_be_passed_on and (
                left := _pass_on(pieces, table.dealt(), output, reservation, piece_bytes)
            ):
                table.add(left)
    table.flush()
