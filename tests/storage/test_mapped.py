"""Reading a mapped file to its end does not make the process as large as the file."""

from __future__ import annotations

import os
import sys
import zlib

import pytest

from minispark.storage.checked import STEP_BYTES, Checked, checked
from minispark.storage.files import NodeFiles
from minispark.storage.pages import Pages
from minispark.storage.resident import PrivateMemory, file_bytes

MB = 1 << 20
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


@pytest.fixture
def view(tmp_path):
    files = NodeFiles(str(tmp_path))
    files.write_atomic("x", (os.urandom(MB) for _ in range(16)))
    return files.map_read("x")


def read_all(source, size):
    parts = []
    while part := source.read(size):
        parts.append(bytes(part))
    return b"".join(parts)


@pytest.mark.parametrize("begin", [0, 5, 4096, 70_001])
@pytest.mark.parametrize("size", [1000, STEP_BYTES, 3 * MB + 1])
def test_pages_go_when_they_were_read(view, begin, size):
    part = view[begin : len(view) - 77]
    crc = zlib.crc32(part)
    source = checked(part, crc, origin=begin)
    assert isinstance(source, Checked)
    before = file_bytes()
    most = read = 0
    while piece := source.read(size):
        read += len(piece)
        most = max(most, file_bytes() - before)
    assert read == len(part)
    assert most < 5 * MB + size
    # They are still what they were.
    assert read_all(checked(part, crc, origin=begin), MB) == bytes(part)


def test_pages_of_small_blocks_go_now_and_then(tmp_path):
    files = NodeFiles(str(tmp_path), budget=8 * MB)
    views = []
    for i in range(24):
        files.write_atomic(f"x{i}", [os.urandom(MB)])
        views.append(files.map_read(f"x{i}"))
    start, most = file_bytes(), 0
    for begin in range(0, MB, 1 << 16):
        for view in views:
            part = view[begin : begin + 1000]
            assert checked(part, zlib.crc32(bytes(part)), origin=begin) is not None
            files.was_read(len(part))
            most = max(most, file_bytes() - start)
    # Half of an eighth goes by between two looks; each read may map all of its file.
    assert most < (1 + 8 + 3) * MB
    # Directories of a context are used in the user's process, too, which goes on.
    descriptors = (os.path.join("/proc/self/fd", fd) for fd in os.listdir("/proc/self/fd"))
    open_files = [os.readlink(fd) for fd in descriptors if os.path.islink(fd)]
    assert [path for path in open_files if path.endswith("statm")] == []


def test_other_memory_is_left_alone():
    data = memoryview(os.urandom(3 * MB))
    assert read_all(checked(data, zlib.crc32(data), origin=0), MB) == data
    part = data[1:1000]
    assert checked(part, zlib.crc32(part), origin=1) == part


def test_kept_bytes_go_back_with_their_last_view():
    memory = PrivateMemory()
    before = memory.num_bytes()
    pages = Pages()
    data = [os.urandom(n) for n in (0, 1, 40_000, MB - 1, MB, 3 * MB, 5) * 3]
    size = sum(map(len, data))
    kept = [pages.keep(d) for d in data]
    assert kept == data
    first = kept[5]
    pages.clear()
    assert first == data[5]
    kept.append(pages.keep(b"later"))
    assert kept[-1] == b"later"
    assert kept[:-1] == data
    del first
    data.clear()
    held = memory.num_bytes() - before
    kept.clear()
    pages.clear()
    assert memory.num_bytes() - before < held - size // 2
