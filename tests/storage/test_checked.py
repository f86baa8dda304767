"""What is decoded is what was checked, whatever happens to the mapped file in between."""

from __future__ import annotations

import os
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minispark.errors import CorruptFileError
from minispark.shuffle import format as shuffle_format
from minispark.shuffle.reader import FetchFailedError, LocalFetcher, MapLocation, read_blocks
from minispark.storage import checked as checked_module
from minispark.storage.blockfile import block_name
from minispark.storage.blocks import BlockStore
from minispark.storage.checked import ChangedError, Checked, StepSums, checked
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager
from minispark.storage.sealed import load_sealed, seal_of, sealed
from minispark.storage.serializer import dump_records
from minispark.storage.values import dump_value, iter_value
from minispark.storagelevel import StorageLevel

#: Some frames each; strings, so that a bit that flips in one still unpickles.
ROWS = [f"{i:05d}-{'x' * (i % 97)}" for i in range(5000)]


@pytest.fixture(params=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether the bytes of a test are copied as a whole."""
    if request.param == "large":
        monkeypatch.setattr(checked_module, "SMALL_BYTES", 1000)
        monkeypatch.setattr(checked_module, "STEP_BYTES", 700)
    return str(request.param)


def damage(path: str) -> None:
    """Changes a digit of every record but the first, in place: it can still be unpickled."""
    data = Path(path).read_bytes().replace(b"2", b"3")
    fd = os.open(path, os.O_WRONLY)
    os.pwrite(fd, data, 0)
    os.close(fd)


@pytest.mark.parametrize("seed", range(20))
def test_reading_in_any_sizes_gives_the_bytes(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(checked_module, "STEP_BYTES", rng.choice([1, 7, 64]))
    data = rng.randbytes(rng.choice([0, 1, 63, 64, 65, 1000]))
    sums = StepSums(5)
    at = 0
    while at < len(data):
        end = at + rng.choice([1, 5, 64, 300])
        sums.add(data[at:end])
        at = end
    assert (sums.length, sums.crc) == (len(data), zlib.crc32(data, 5))
    monkeypatch.setattr(checked_module, "SMALL_BYTES", -1)
    assert checked(memoryview(data), sums.crc ^ 1, 5) is None
    source = checked(memoryview(data), sums.crc, 5, sums.steps)
    assert isinstance(source, Checked)
    read = b""
    while len(read) < len(data):
        wanted = rng.choice([0, 1, 3, 64, 200])
        part = bytes(source.read(wanted))
        assert len(part) == min(wanted, len(data) - len(read))
        read += part
    assert read == data
    assert bytes(source.read(9)) == b""
    for length in (len(data), len(data) + 1):
        source = checked(memoryview(data), sums.crc, 5)
        assert isinstance(source, Checked)
        target = bytearray(length)
        if length == len(data):
            source.fill(target)
            assert target == data
        else:
            with pytest.raises(ChangedError):
                source.fill(target)


def test_another_checksum_is_refused(size: str) -> None:
    data = memoryview(b"".join(dump_records(ROWS)))
    assert checked(data, zlib.crc32(data)) is not None
    assert checked(data, zlib.crc32(data) ^ 1) is None
    assert checked(data, zlib.crc32(data, 3), 3) is not None
    assert checked(data, zlib.crc32(data), 3) is None


VALUES: dict[str, Callable[[], Any]] = {
    "list": lambda: ROWS,
    "dict": lambda: dict(enumerate(ROWS)),
    "buffers": lambda: [bytearray(b"abc" * 900), bytearray(), bytearray(b"z" * 2000), ROWS],
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("copy", [True, False])
def test_values_are_the_same(size: str, kind: str, copy: bool) -> None:
    value = VALUES[kind]()
    if kind == "buffers":
        numpy = pytest.importorskip("numpy")
        value = [numpy.frombuffer(v, "u1") if type(v) is bytearray else v for v in value]
    data = memoryview(b"".join(sealed(dump_value(value))))
    found = load_sealed(data, "it", copy)
    assert repr(found) == repr(value)
    if kind == "buffers" and copy:
        assert found[0].flags.writeable
    if kind != "dict":
        seal = seal_of(data)
        contents = None if seal is None else seal.contents()
        assert contents is not None
        parts = list(iter_value(contents))
        assert repr([x for part in parts for x in part]) == repr(value)
    for position in range(0, len(data), 97):
        wrong = bytearray(data)
        wrong[position] ^= 0x20
        with pytest.raises(CorruptFileError, match="it is damaged"):
            load_sealed(memoryview(wrong), "it", copy)


def written(files: NodeFiles, rows: list[Any]) -> MapLocation:
    name = shuffle_format.map_output_name(1, 0, 0)
    files.write_atomic(name, shuffle_format.write([dump_records(rows)]))
    return MapLocation(0, 0, "here")


def rest_of(records: Iterator[Any]) -> tuple[list[Any], BaseException | None]:
    found: list[Any] = []
    try:
        found.extend(records)
    except Exception as error:
        return found, error
    return found, None


@pytest.mark.parametrize("when", ["before", "between"])
def test_a_shuffle_block_that_changes(tmp_path: Path, size: str, when: str) -> None:
    files = NodeFiles(str(tmp_path))
    location = written(files, ROWS)
    frames = read_blocks(LocalFetcher(files), 1, 0, [location])
    found = next(frames) if when == "between" else []
    damage(files.path(shuffle_format.map_output_name(1, 0, 0)))
    more, error = rest_of(record for frame in frames for record in frame)
    assert found + more == ROWS[: len(found) + len(more)], "what was changed is among the records"
    if (size, when) == ("small", "between"):
        assert error is None
        assert found + more == ROWS
    else:
        assert isinstance(error, FetchFailedError)
        assert error.map_attempts == ((0, 0),)


@pytest.mark.parametrize("when", ["before", "between"])
def test_a_cached_block_that_changes(tmp_path: Path, size: str, when: str) -> None:
    files = NodeFiles(str(tmp_path))
    store = BlockStore(files, MemoryManager(1 << 20), freeze_gc=False)
    block = (3, 0)
    assert list(store.put(block, iter(ROWS), StorageLevel.DISK_ONLY)) == ROWS
    store.drain_updates()
    assert store.has_whole_file(block)
    records = store.get(block)
    assert records is not None
    first = [next(records)] if when == "between" else []
    damage(files.path(block_name(block)))
    if when == "before" and size == "small":
        assert store.get(block) is None
    else:
        more, error = rest_of(records)
        assert first + more == ROWS[: len(first) + len(more)], "what was changed was given"
        if size == "small":
            assert error is None
            assert first + more == ROWS
            assert store.get(block) is None, "the next reader finds it damaged"
        else:
            assert isinstance(error, CorruptFileError)
            assert "persisted RDD 3" in str(error)
    assert not files.exists(block_name(block))
    (update,) = store.drain_updates()
    assert (update.block, update.in_memory, update.on_disk) == (block, False, False)
    assert not store.has_whole_file(block)


def test_a_damaged_copy_of_a_block_is_found_as_a_whole(tmp_path: Path, size: str) -> None:
    files = NodeFiles(str(tmp_path))
    store = BlockStore(files, MemoryManager(1 << 20), freeze_gc=False)
    list(store.put((3, 0), iter(ROWS), StorageLevel.DISK_ONLY))
    damage(files.path(block_name((3, 0))))
    assert not store.has_whole_file((3, 0))
    assert not files.exists(block_name((3, 0)))
