"""What narrow transformations do to the records of one partition.

Plain functions over iterators, used as `partial(function, the user's part)`:
pickled by reference, testable alone. They know nothing of RDDs or tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, islice
from threading import Thread
from typing import IO, Any

from minispark.errors import PySparkRuntimeError


def identity(x: Any) -> Any:
    """The value itself: `reduceByKey`'s creator, recognised by the engine."""
    return x


def to_partition_zero(_key: Any) -> int:
    """Places every key in the only partition there is."""
    return 0


def with_none(x: Any) -> tuple[Any, None]:
    """The record as a key, for set operations."""
    return x, None


def with_true(x: Any) -> tuple[Any, bool]:
    """The record as a key, for `subtract`."""
    return x, True


def keep_first(first: Any, _later: Any) -> Any:
    """The first of two equal keys stands for both, in `distinct`."""
    return first


def first_member(pair: Any) -> Any:
    """The key of a pair."""
    return pair[0]


def second_member(pair: Any) -> Any:
    """The value of a pair."""
    return pair[1]


def on_partition(
    f: Callable[[Iterator[Any]], Iterable[Any]], _index: int, records: Iterator[Any]
) -> Iterable[Any]:
    """A function of the records alone, as one of (index, records)."""
    return f(records)


def unchanged(_index: int, records: Iterator[Any]) -> Iterator[Any]:
    """The records as they come."""
    return records


def glom(_index: int, records: Iterator[Any]) -> Iterator[list[Any]]:
    """All records as one list."""
    yield list(records)


def numbered_from(
    starts: Sequence[int], index: int, records: Iterator[Any]
) -> Iterator[tuple[Any, int]]:
    """Each record with its position, counted from the partition's start."""
    return zip(records, count(starts[index]), strict=False)


def numbered_apart(
    partitions: int, index: int, records: Iterator[Any]
) -> Iterator[tuple[Any, int]]:
    """Each record with a number no other partition gives: index, index + n, …"""
    return zip(records, count(index, partitions), strict=False)


def has_key(key: Any, pair: Any) -> bool:
    """Whether the pair's key is `key`."""
    return bool(pair[0] == key)


# -- redistribution --------------------------------------------------------------

_MASK64 = 0xFFFFFFFFFFFFFFFF
_MASK32 = 0xFFFFFFFF
#: `scala.util.hashing.MurmurHash3.arraySeed`.
_ARRAY_SEED = 0x3C074A61


def _murmur3(words: Sequence[int], length: int, seed: int) -> int:
    """MurmurHash3 (32 bits) of little-endian words."""
    h = seed
    for word in words:
        k = word * 0xCC9E2D51 & _MASK32
        k = (k << 15 | k >> 17) * 0x1B873593 & _MASK32
        h ^= k
        h = ((h << 13 | h >> 19) & _MASK32) * 5 + 0xE6546B64 & _MASK32
    h ^= length
    h = (h ^ h >> 16) * 0x85EBCA6B & _MASK32
    h = (h ^ h >> 13) * 0xC2B2AE35 & _MASK32
    return h ^ h >> 16


def _xorshift_below(seed: int, bound: int) -> int:
    """The first `nextInt(bound)` of Spark's XORShiftRandom(seed)."""
    raw = seed.to_bytes(8, "big", signed=True)
    words = [int.from_bytes(raw[i : i + 4], "little") for i in (0, 4)]
    low = _murmur3(words, 8, _ARRAY_SEED)
    state = _murmur3(words, 8, low) << 32 | low
    while True:
        state ^= state << 21 & _MASK64
        state ^= state >> 35
        state ^= state << 4 & _MASK64
        bits = state & 0x7FFFFFFF
        if bound & (bound - 1) == 0:
            return bound * bits >> 31
        value = bits % bound
        if bits - value + bound - 1 < 1 << 31:
            return value


def deal_out(
    partitions: int, batch: int, index: int, records: Iterator[Any]
) -> Iterator[tuple[int, list[Any]]]:
    """Batches of records, dealt to the partitions in turn, as `repartition` does.

    The start differs by partition, so that many small partitions do not all
    begin with the same one. It is Spark's own choice: the partitions hold
    exactly what Spark's hold.
    """
    batches = iter(lambda: list(islice(records, batch)), [])
    yield from deal_batches(partitions, index, batches)


def deal_batches(
    partitions: int, index: int, batches: Iterator[list[Any]]
) -> Iterator[tuple[int, list[Any]]]:
    """Batches that are there already, dealt in turn; see `deal_out`."""
    for position, items in enumerate(batches, _xorshift_below(index, partitions) + 1):
        yield position % partitions, items


# -- external programs -------------------------------------------------------------

#: How much of a failed program's standard error its error message shows.
_STDERR_BYTES = 8192


class _Feeder(Thread):
    """Writes the records to a program's standard input, keeping what went wrong."""

    def __init__(self, records: Iterator[Any], stdin: IO[bytes]) -> None:
        super().__init__(name="pipe-feeder", daemon=True)
        self._records = records
        self._stdin = stdin
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with self._stdin:
                for record in self._records:
                    self._stdin.write(f"{str(record).rstrip(chr(10))}\n".encode())
        except (BrokenPipeError, ConnectionResetError):
            return  # The program has read all it wanted; its exit code decides.
        except BaseException as error:
            self.error = error


class _Tail(Thread):
    """Reads a stream to its end and keeps the last bytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(name="pipe-stderr", daemon=True)
        self._stream = stream
        self.kept = b""

    def run(self) -> None:
        while chunk := self._stream.read1(65536):  # type: ignore[attr-defined]
            self.kept = (self.kept + chunk)[-_STDERR_BYTES:]


def pipe(
    command: str,
    env: dict[str, str] | None,
    check_code: bool,
    _index: int,
    records: Iterator[Any],
) -> Iterator[str]:
    """The lines a program writes when the records are its input, one per line."""
    # Imported here: few programs pipe (ADR 0032).
    import shlex
    import subprocess

    process = subprocess.Popen(
        shlex.split(command),
        env=env or {},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    feeder = _Feeder(records, process.stdin)
    errors = _Tail(process.stderr)
    feeder.start()
    errors.start()
    try:
        for line in process.stdout:
            yield line.rstrip(b"\n").decode("utf-8")
        feeder.join()
        if feeder.error is not None:
            raise feeder.error
        code = process.wait()
        errors.join()
        if check_code and code:
            said = errors.kept.decode("utf-8", "replace").strip()
            raise PySparkRuntimeError(
                f"Pipe function `{command}` exited with error code {code}"
                + (f"; its standard error ended with:\n{said}" if said else ""),
                "PIPE_FUNCTION_EXITED",
                {"func_name": command, "error_code": str(code)},
            )
    finally:
        # The consumer may have stopped early: end the program, then its threads.
        if process.poll() is None:
            process.kill()
            process.wait()
        feeder.join()
        errors.join()
        process.stdout.close()
        process.stderr.close()
