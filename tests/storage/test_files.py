"""Files of a node appear whole or not at all."""

from __future__ import annotations

import os
import resource
import stat
import zlib
from contextlib import contextmanager
from pathlib import Path

import pytest

from minispark.errors import DiskFullError
from minispark.storage import files as storage_files
from minispark.storage.checked import STEP_BYTES, StepSums
from minispark.storage.files import NodeFiles
from minispark.storage.serializer import dump_frame
from minispark.storage.spill import SpillFile


@pytest.fixture
def files(tmp_path):
    return NodeFiles(str(tmp_path / "node"), max_maps=3)


def all_files(files):
    return sorted(
        os.path.relpath(os.path.join(folder, name), files.root)
        for folder, _, names in os.walk(files.root)
        for name in names
    )


@contextmanager
def small_disk():
    """No file may grow beyond 4 KB.

    Not a fixture: pytest writes its progress before a fixture ends, and the
    file it may write to is bound by the same limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_write_and_map(files):
    assert stat.S_IMODE(os.stat(files.root).st_mode) == 0o700
    large = bytes(range(256)) * (STEP_BYTES // 100)
    contents = b"onetwo" + large
    sums = StepSums()
    chunks = [b"one", memoryview(b"two"), memoryview(large).cast("B", (len(large),))]
    assert files.write_atomic("a/b.data", sums.passed(chunks)) == len(contents)
    assert (sums.length, sums.crc) == (len(contents), zlib.crc32(contents))
    assert sums.steps == [
        zlib.crc32(contents[: (i + 1) * STEP_BYTES]) for i in range(len(contents) // STEP_BYTES)
    ]
    assert bytes(files.map_read("a/b.data")) == contents
    assert all_files(files) == ["a/b.data"]


def test_failing_source_leaves_nothing(files):
    def chunks():
        yield b"x" * 10
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        files.write_atomic("a", chunks())
    assert all_files(files) == []


def test_what_an_interrupted_clean_up_left_can_be_removed(files, monkeypatch):
    def inner():
        yield b"x"
        files.write_atomic("inner", failing())

    def failing():
        yield b"x"
        raise KeyError("mine")

    def interrupted(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            files.write_atomic("outer", inner())
    assert len(all_files(files)) == 2
    files.abandon()
    assert all_files(files) == []
    files.write_atomic("again", [b"x"])
    with pytest.raises(KeyError):
        files.write_atomic("once more", failing())
    assert files._writing == {}


def test_disk_full_leaves_nothing(files):
    with small_disk():
        with pytest.raises(DiskFullError, match="big"):
            files.write_atomic("big", [b"x" * 1000] * 1000)
        assert all_files(files) == []
        files.write_atomic("small", [b"x"])
        assert all_files(files) == ["small"]


def test_disk_full_while_spilling(files):
    with small_disk():
        spill = SpillFile(files)
        with pytest.raises(DiskFullError):
            list(spill.raw(spill.append([dump_frame(["x" * 1000])] * 1000)))
        assert all_files(files) == []


def test_no_other_error_is_called_disk_full(files):
    files.write_atomic("file", [b""])
    with pytest.raises((NotADirectoryError, FileExistsError)):
        files.write_atomic("file/below", [b""])


def test_map_survives_removal_but_is_not_found_again(files):
    files.write_atomic("a", [b"data"])
    view = files.map_read("a")
    assert files.remove("a")
    assert not files.remove("a")
    assert bytes(view) == b"data"
    with pytest.raises(FileNotFoundError):
        files.map_read("a")


def test_map_sees_a_file_that_somebody_else_replaced(files):
    files.write_atomic("a", [b"old"])
    files.map_read("a")
    NodeFiles(files.root).write_atomic("a", [b"newer"])
    assert bytes(files.map_read("a")) == b"newer"
    os.truncate(files.path("a"), 0)
    assert bytes(files.map_read("a")) == b""


@pytest.fixture(params=["copied", "mapped"])
def large(request, monkeypatch):
    """Contents of a file that is kept in this way; three of them may be."""
    monkeypatch.setattr(storage_files, "_COPIES_BYTES", 3 * (1001 + storage_files._COPY_BYTES))
    if request.param == "copied":
        return b"x" * 1000
    return b"x" * (storage_files._SMALL_BYTES + 1)


def test_what_is_kept_is_bounded_and_used_again(tmp_path, large):
    files = NodeFiles(str(tmp_path / "node"), max_maps=3)
    for i in range(10):
        files.write_atomic(f"f{i}", [large, b"%d" % i])
        assert bytes(files.map_read(f"f{i}")) == large + b"%d" % i
    assert {len(files._maps), len(files._copies)} == {3, 0}
    assert files.map_read("f9") is files.map_read("f9")


def test_a_file_that_grows_or_shrinks_is_kept_once(files):
    small, big = b"s" * 10, b"b" * (storage_files._SMALL_BYTES + 1)
    for contents in (small, big, small, big):
        NodeFiles(files.root).write_atomic("a", [contents])
        assert bytes(files.map_read("a")) == contents
        assert len(files._maps) + len(files._copies) == 1


def test_remove_prefix(files):
    for name in ("shuffle/s1_0_0.data", "shuffle/s1_1_0.data", "shuffle/s11_0_0.data", "d/x/y"):
        files.write_atomic(name, [b"x"])
    assert files.remove_prefix("shuffle/s1_") == 2
    assert files.remove_prefix("d/") == 1
    assert files.remove_prefix("nothing/") == 0
    assert files.remove_prefix("nothing/s") == 0
    assert all_files(files) == ["shuffle/s11_0_0.data"]


def test_spill_file_has_no_name(files):
    spill = SpillFile(files)
    first = spill.append([dump_frame([1, 2]), dump_frame([3])])
    second = spill.append([dump_frame([4])])
    assert all_files(files) == []
    assert list(spill.frames(second)) == [[4]]
    assert list(spill.frames(first)) == [[1, 2], [3]]
    third = spill.append([dump_frame([5])])
    assert list(spill.frames(third)) == [[5]]


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_damaged_spill_is_found(files, damage):
    spill = SpillFile(files)
    where = spill.append([dump_frame(list(range(100)))])
    list(spill.raw(where))
    descriptor = spill._fd
    if damage == "flip":
        os.pwrite(descriptor, b"\xff\xfe", 50)
    else:
        os.ftruncate(descriptor, where.length - 1)
    with pytest.raises(RuntimeError, match="spill file"):
        list(spill.frames(where))


def test_files_that_others_removed_do_not_stay_mapped(files):
    reader = NodeFiles(files.root)
    for turn in range(50):
        name = f"shuffle/s{turn}"
        files.write_atomic(name, [b"data" * storage_files._SMALL_BYTES])
        view = reader.map_read(name)
        assert reader.is_kept(name, view)
        files.remove(name)
    assert len(reader._maps) <= 4
    assert not reader.is_kept("shuffle/s0", view)


def test_a_file_read_once_is_mapped_as_long_as_it_is_looked_at(tmp_path):
    files = NodeFiles(str(tmp_path))
    files.write_atomic("result/1", [b"x" * 5000])

    def mapped():
        return str(tmp_path) in Path("/proc/self/maps").read_text()

    view = files.map_once("result/1")
    files.remove("result/1")
    assert mapped()
    assert bytes(view[:2]) == b"xx"
    del view
    assert not mapped()


def test_a_file_that_others_remove_can_be_let_go(tmp_path):
    files = NodeFiles(str(tmp_path))
    files.write_atomic("shuffle/s1_0_0.data", [b"x" * 100_000])
    files.write_atomic("shuffle/s1_1_0.data", [b"x" * 100])
    for name in ("shuffle/s1_0_0.data", "shuffle/s1_1_0.data"):
        files.map_read(name)
    assert str(tmp_path) in Path("/proc/self/maps").read_text()
    files.unmap("shuffle/s1_")
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()
    assert len(files._copies) == 0


@pytest.mark.parametrize("left", [0, 10])
def test_a_file_that_is_cut_while_it_is_mapped_is_short(files, monkeypatch, left):
    """Whoever reads it finds out by its length and checksum, as at any other moment."""
    mapped = storage_files._mapped
    cuts = [left]

    def cut_first(fd, size):
        if cuts:
            os.truncate(files.path("f"), cuts.pop())
        return mapped(fd, size)

    monkeypatch.setattr(storage_files, "_mapped", cut_first)
    files.write_atomic("f", [b"x" * 10_000])
    assert bytes(files.map_once("f")) == b"x" * left
    assert not cuts
