"""Sequence and pickle files, written by one and read by the other, both ways.

See `test_differential` for the environment variables.
"""

from __future__ import annotations

import importlib.util
import math
import os
import pickle
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

PYTHON = os.environ.get("MINISPARK_PARITY_PYTHON") or (
    sys.executable if importlib.util.find_spec("pyspark") else None
)

pytestmark = [
    pytest.mark.pyspark,
    pytest.mark.own_context,
    pytest.mark.skipif(PYTHON is None, reason="no Python with PySpark"),
]

HERE = Path(__file__).parent
_CODECS = "org.apache.hadoop.io.compress."
#: Those that work in PySpark without native libraries.
_NAMES = ("Default", "Deflate", "Gzip", "BZip2", "Snappy", "Lz4")
CODECS = [None, *(f"{_CODECS}{name}Codec" for name in _NAMES)]

PAIRS: dict[str, list[tuple[Any, Any]]] = {
    "text": [("", "a"), ("ü€😀", "\x00"), ("x" * 127, "y" * 128), ("é" * 60, "z" * 70_000)],
    "bytes": [(b"", b"\x00\xff"), (bytearray(b"k"), bytes(range(256)))],
    "int": [(n, -n) for n in (0, 1, 112, 113, 127, 128, 255, 256, 2**31 - 1)],
    "least int": [(-(2**31), 0)],
    "long": [(2**31, -(2**31) - 1), (2**63 - 1, -(2**63))],
    "double": [(0.1, -0.0), (math.inf, 5e-324), (math.nan, -math.inf)],
    "boolean": [(True, False), (False, True)],
    "null": [(None, None)] * 3,
    "map": [
        (1, {"a": 1, 2: 3.5, "n": None, "b": b"x", "t": True, "l": 2**40, "y": bytearray(b"z")}),
        (2, {}),
        (-3, {"m": {"deep": {"er": 1.5}}, False: "no", 1.5: None}),
    ],
    "many": [(n, "some text that is repeated " * (n % 40)) for n in range(3000)],
}


class Files:
    """The real PySpark in a process of its own."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, str(HERE / "pyspark_files.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def __call__(self, *request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump(request, self._process.stdin)
        self._process.stdin.flush()
        state, result = pickle.load(self._process.stdout)
        assert state == "ok", result
        return result

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def pyspark():
    files = Files(PYTHON)
    yield files
    files.close()


@pytest.fixture(scope="module")
def ours(open_context):
    with open_context("local") as sc:
        yield sc


def plain(value: Any) -> Any:
    """Comparable by repr: dicts by the order of their items' texts."""
    if isinstance(value, dict):
        return sorted(((plain(k), plain(v)) for k, v in value.items()), key=repr)
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def partitions(glommed: list[list[Any]]) -> list[str]:
    """Comparable: in any order, since Hadoop lists files in the disk's."""
    return sorted(repr(plain(partition)) for partition in glommed)


def back(value: Any) -> Any:
    """What a value is when it has been in a file."""
    if isinstance(value, bytes):
        return bytearray(value)
    if isinstance(value, dict):
        return {k: back(v) for k, v in value.items()}
    return value


@pytest.mark.parametrize("codec", CODECS, ids=lambda c: str(c).rpartition(".")[2])
@pytest.mark.parametrize("name", PAIRS)
def test_both_ways(ours, pyspark, tmp_path, name, codec):
    pairs = PAIRS[name]
    slices = 1 if name != "many" else 3
    mine, theirs = str(tmp_path / "mine"), str(tmp_path / "theirs")
    ours.parallelize(pairs, slices).saveAsSequenceFile(mine, codec)
    pyspark("write", theirs, pairs, slices, codec)
    expected = repr(plain(sorted(((back(k), back(v)) for k, v in pairs), key=repr)))
    for path in (mine, theirs):
        for splits in (1, 7):
            real = pyspark("read", path, splits)
            own = ours.sequenceFile(path, minSplits=splits).glom().collect()
            assert partitions(own) == partitions(real), (path, splits)
            assert repr(plain(sorted(chain(*own), key=repr))) == expected


@pytest.mark.parametrize("codec", ["Default", "BZip2", "Gzip"])
def test_values_compressed_one_by_one_are_read(ours, pyspark, tmp_path, codec):
    for name in ("text", "null", "map", "many"):
        path = str(tmp_path / name)
        pyspark("write-records", path, PAIRS[name], 2, f"{_CODECS}{codec}Codec")
        for splits in (1, 5):
            own = ours.sequenceFile(path, minSplits=splits).glom().collect()
            assert partitions(own) == partitions(pyspark("read", path, splits))


RECORDS: list[Any] = [1, "two", (3, None), {"four": 4.0}, [b"five"], 2**70, True, *range(300)]


@pytest.mark.parametrize("size", [10, 1, 3, 0, -1])
def test_pickle_files_both_ways(ours, pyspark, tmp_path, size):
    mine, theirs = str(tmp_path / "mine"), str(tmp_path / "theirs")
    ours.parallelize(RECORDS, 3).saveAsPickleFile(mine, size)
    pyspark("pickle", theirs, RECORDS, 3, size)
    for path in (mine, theirs):
        real = pyspark("unpickle", path, 1)
        assert partitions(ours.pickleFile(path).glom().collect()) == partitions(real)
        assert sorted(map(repr, chain(*real))) == sorted(map(repr, RECORDS))


def test_large_pickle_files_are_cut_alike(ours, pyspark, tmp_path):
    records = [f"{n:050}" for n in range(20_000)]
    for path, write in (
        (str(tmp_path / "mine"), lambda p: ours.parallelize(records, 1).saveAsPickleFile(p)),
        (str(tmp_path / "theirs"), lambda p: pyspark("pickle", p, records, 1, 10)),
    ):
        write(path)
        for splits in (1, 2, 6):
            own = ours.pickleFile(path, splits).glom().collect()
            assert own == pyspark("unpickle", path, splits)
            assert list(chain(*own)) == records
