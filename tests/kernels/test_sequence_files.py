"""Sequence files: what PySpark wrote is read; what is written here reads back, from any range."""

from __future__ import annotations

import importlib.util
import math
import os
import random
import struct
from itertools import chain, pairwise
from pathlib import Path

import pytest

from minispark.errors import (
    CorruptFileError,
    PySparkNotImplementedError,
    PySparkTypeError,
    PySparkValueError,
)
from minispark.kernels.bytestream import ByteStream
from minispark.kernels.filesystem import FileInfo
from minispark.kernels.hadoop_codecs import buffer_codec
from minispark.kernels.java_arrays import dump_byte_arrays, load_byte_arrays
from minispark.kernels.picklefile import pickle_chunks, read_pickle
from minispark.kernels.sequence_files import read_header, sequence_chunks, sequence_splits
from minispark.kernels.sequence_pairs import pair_chunks, pair_classes, read_sequence
from minispark.kernels.splits import FileSplit
from minispark.kernels.writables import decoder_of, read_vint, to_writable, vint

FILES = Path(__file__).with_name("sequence_files")
_spec = importlib.util.spec_from_file_location("sequence_contents", FILES / "contents.py")
assert _spec is not None
assert _spec.loader is not None
contents = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(contents)

CODECS = ["DefaultCodec", "GzipCodec", "BZip2Codec", "ZStandardCodec", "SnappyCodec", "Lz4Codec"]


def whole(path):
    return FileSplit(str(path), 0, os.path.getsize(path))


def ranges(path, count):
    """A file cut into ranges without regard to what is in it."""
    size = os.path.getsize(path)
    bounds = [size * n // count for n in range(count + 1)]
    return [FileSplit(str(path), a, b - a) for a, b in pairwise(bounds)]


def joined(parts):
    return list(chain.from_iterable(parts))


def write(path, pairs, codec=None):
    path.write_bytes(b"".join(pair_chunks(pairs, *pair_classes(pairs[0]), codec)))
    return path


def same(one, other):
    """Equal in types, signs of zero and NaN too."""
    return repr(one) == repr(other)


# -- what the real PySpark wrote -----------------------------------------------------------


@pytest.mark.parametrize("name", contents.files())
def test_files_of_pyspark_are_read(name):
    assert same(list(read_sequence(whole(FILES / name))), contents.files()[name]) or (
        # A map's order is Java's in the file.
        name == "map.seq" and list(read_sequence(whole(FILES / name))) == contents.TYPES["map"]
    )


@pytest.mark.parametrize("size", contents.BATCH_SIZES)
def test_pickled_files_of_pyspark_are_read(size):
    assert same(list(read_pickle(whole(FILES / f"pickled{size}.seq"))), contents.PICKLED)


@pytest.mark.parametrize("count", [2, 3, 7, 50])
def test_blocks_belong_to_the_range_their_marker_is_in(count):
    parts = [list(read_sequence(r)) for r in ranges(FILES / "blocks.seq", count)]
    assert joined(parts) == contents.BLOCKS
    assert sum(map(bool, parts)) == min(count, 3)


# -- round trips ----------------------------------------------------------------------------


@pytest.mark.parametrize("codec", [None, *CODECS])
@pytest.mark.parametrize("name", contents.TYPES)
def test_round_trip(tmp_path, name, codec):
    pairs = contents.TYPES[name]
    assert same(list(read_sequence(whole(write(tmp_path / "f", pairs, codec)))), pairs)


@pytest.mark.parametrize("codec", [None, "DefaultCodec", "Lz4Codec"])
def test_every_range_reads_its_own_pairs(tmp_path, codec):
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    pairs = [(n, rng.randbytes(rng.choice((0, 10, 3000)))) for n in range(2500)]
    path = write(tmp_path / "f", pairs, codec)
    expected = [(n, bytearray(data)) for n, data in pairs]
    for count in (1, 2, 5, 17, 400):
        parts = [list(read_sequence(r)) for r in ranges(path, count)]
        assert joined(parts) == expected
    size = os.path.getsize(path)
    cuts = sorted({0, size, *(rng.randrange(size) for _ in range(30))})
    parts = [list(read_sequence(FileSplit(str(path), a, b - a))) for a, b in pairwise(cuts)]
    assert joined(parts) == expected


def test_a_pair_larger_than_any_window(tmp_path):
    pairs = [("k", b"v" * 3_000_000), ("", b"")] * 2
    path = write(tmp_path / "f", pairs)
    expected = [(k, bytearray(v)) for k, v in pairs]
    assert list(read_sequence(whole(path))) == expected
    assert joined(read_sequence(r) for r in ranges(path, 9)) == expected


def test_a_file_without_pairs(tmp_path):
    path = tmp_path / "f"
    for codec in (None, "DefaultCodec"):
        classes = pair_classes(("a", 1))
        path.write_bytes(b"".join(pair_chunks([], *classes, codec)))
        assert list(read_sequence(whole(path))) == []


def test_markers_as_hadoop_places_them():
    marker = b"m" * 16
    pairs = [(b"", bytes(50_000))] * 7
    data = b"".join(sequence_chunks(pairs, "a", "b", marker=marker))
    header = data.index(marker) + 16
    at = [n for n in range(len(data)) if data.startswith(b"\xff\xff\xff\xff" + marker, n)]
    record = 50_008
    # Before the first record that begins 102,400 bytes or more behind the last marker.
    first = header + 3 * record
    assert at == [first, first + 20 + 3 * record, len(data) - 24]


def test_splits_are_not_smaller_than_hadoops_least():
    files = [FileInfo("/a.gz", 1_000_000), FileInfo("/empty", 0), FileInfo("/b", 10)]
    splits = sequence_splits(files, 100)
    assert [(s.path, s.length) for s in splits] == [
        *[("/a.gz", 102_400)] * 9,
        ("/a.gz", 78_400),
        ("/b", 10),
    ]


# -- damage ---------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", [None, "DefaultCodec", "BZip2Codec"])
def test_a_cut_file_is_never_less_than_what_was_written(tmp_path, codec):
    pairs = [(n, "text" * (n % 5)) for n in range(40)]
    data = write(tmp_path / "f", pairs, codec).read_bytes()
    cut = tmp_path / "cut"
    for size in range(1, len(data)):
        cut.write_bytes(data[:size])
        with pytest.raises(CorruptFileError, match="cut"):
            list(read_sequence(FileSplit(str(cut), 0, len(data))))
    # A later range finds it out as well.
    cut.write_bytes(data[:-30])
    with pytest.raises(CorruptFileError, match="cut ends too early"):
        list(read_sequence(FileSplit(str(cut), len(data) - 40, 40)))


@pytest.mark.parametrize("size", [10, 0])
def test_every_damaged_byte_of_a_pickled_list_is_found(tmp_path, size):
    records = [{"n": n} for n in range(30)]
    data = b"".join(pickle_chunks(records, size))
    path = tmp_path / "f"
    header_end = len(b"".join(pickle_chunks([], size))) - 24
    for at in range(header_end, len(data)):
        path.write_bytes(data[:at] + bytes((data[at] ^ 0x55,)) + data[at + 1 :])
        with pytest.raises(CorruptFileError):
            list(read_pickle(whole(path)))
    for end in range(1, len(data)):
        path.write_bytes(data[:end])
        with pytest.raises(CorruptFileError):
            list(read_pickle(FileSplit(str(path), 0, len(data))))


def test_damaged_compressed_data_name_the_file(tmp_path):
    for codec in ("DefaultCodec", "GzipCodec", "BZip2Codec"):  # the others have no checksum
        data = bytearray(write(tmp_path / "f", contents.BLOCKS[:300], codec).read_bytes())
        middle = len(data) // 2
        data[middle : middle + 8] = bytes(b ^ 0x55 for b in data[middle : middle + 8])
        (tmp_path / "bad").write_bytes(data)
        with pytest.raises(CorruptFileError, match="bad"):
            list(read_sequence(whole(tmp_path / "bad")))


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "f"
    for data in (b"S", b"hello world, this is text", b"SEQ\x03" + bytes(50), b"SEQ\x09"):
        path.write_bytes(data)
        with pytest.raises(CorruptFileError, match="sequence file"):
            list(read_sequence(whole(path)))
    write(path, [("a", 1)])
    with pytest.raises(CorruptFileError, match="was not written by saveAsPickleFile"):
        list(read_pickle(whole(path)))


def test_unknown_classes_and_codecs_are_named(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"".join(sequence_chunks([(b"", b"")], "my.Key", "my.Value")))
    with pytest.raises(PySparkNotImplementedError, match=r"my\.Key"):
        list(read_sequence(whole(path)))
    write(path, [(1, (1, 2))])
    with pytest.raises(PySparkNotImplementedError, match="ArrayWritable"):
        list(read_sequence(whole(path)))
    for name in ("nonsense", "com.hadoop.compression.lzo.LzoCodec", "my.GzipCodec"):
        with pytest.raises(PySparkValueError, match="Unknown compression codec"):
            buffer_codec(name)


# -- writables --------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(0, 63, 3))
def test_variable_length_integers(bits):
    for n in {sign * ((1 << bits) + d) for sign in (1, -1) for d in (-1, 0, 1)}:
        data = vint(n)
        assert read_vint(b"??" + data + b"x", 2) == (n, 2 + len(data))
        if len(data) > 1:
            with pytest.raises(IndexError):
                read_vint(data[:-1], 0)


@pytest.mark.parametrize(
    ("n", "data"),
    [(127, "7f"), (-112, "90"), (128, "8f80"), (-113, "8770"), (256, "8e0100"), (-257, "860100")],
)
def test_variable_length_integers_are_hadoops(n, data):
    assert vint(n).hex() == data


@pytest.mark.parametrize(
    "value",
    [[1], {1}, 1j, object(), range(3), type("S", (str,), {})("x"), {"a": [1]}, (1, {2})],
    ids=repr,
)
def test_what_pyspark_cannot_write_is_refused(value):
    with pytest.raises(PySparkTypeError, match="cannot be written to a sequence file"):
        to_writable(value)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**400, "lone \ud800"], ids=ascii)
def test_values_that_do_not_fit_are_refused(value):
    with pytest.raises(PySparkValueError):
        to_writable(value)


@pytest.mark.parametrize("record", [1, "ab", [1, 2], (1,), (1, 2, 3), None])
def test_only_pairs_are_written(record):
    with pytest.raises(PySparkTypeError, match="key and a value"):
        pair_classes(record)


@pytest.mark.parametrize(
    ("first", "second", "member"),
    [
        ((1, 2), (2**40, 2), "key"),
        ((2**40, 2), (1, 2), "key"),
        ((1, 2), (1, None), "value"),
        ((1, True), (1, 1), "value"),
        ((1, 1), (1, 1.0), "value"),
    ],
)
def test_a_file_has_one_class_of_keys_and_values(first, second, member):
    with pytest.raises(PySparkTypeError, match=f"The {member} of the record"):
        list(pair_chunks([first, second], *pair_classes(first)))


@pytest.mark.parametrize("value", ["", "é" * 100, b"\x00" * 300, 5, 2**40, 1.5, True, {"a": {}}])
def test_bytes_too_few_or_too_many_are_noticed(value):
    name, data = to_writable(value)
    decode = decoder_of(name)
    for wrong in (data[:-1], data + b"\x00"):
        with pytest.raises((ValueError, IndexError, struct.error)):
            decode(wrong)


def test_other_simple_writables_are_read():
    package = "org.apache.hadoop.io."
    assert decoder_of(package + "FloatWritable")(struct.pack(">f", 0.5)) == 0.5
    assert math.isnan(decoder_of(package + "FloatWritable")(struct.pack(">f", math.nan)))
    assert decoder_of(package + "VIntWritable")(vint(-3000)) == -3000
    assert decoder_of(package + "VLongWritable")(vint(2**60)) == 2**60
    assert decoder_of(package + "ShortWritable")(b"\xff\xfe") == -2
    assert decoder_of(package + "ByteWritable")(b"\xff") == -1


# -- parts ------------------------------------------------------------------------------------


def test_byte_arrays_of_java():
    for arrays in ([], [b""], [b"a", b"", b"q" * 1000], [b"u"] * 12):
        data = dump_byte_arrays(arrays)
        assert load_byte_arrays(data) == arrays
        assert load_byte_arrays(b"1234" + data, 4) == arrays
        for end in range(len(data)):
            with pytest.raises(ValueError, match="array"):
                load_byte_arrays(data[:end])
    repeated = dump_byte_arrays([b"x"]).replace(b"\x00\x00\x00\x01ur", b"\x00\x00\x00\x02ur")
    assert load_byte_arrays(repeated + b"q\x00\x7e\x00\x03") == [b"x", b"x"]


def test_large_pickled_lists_are_a_record_each(tmp_path):
    records = [bytes(10_000_000), b"small", bytes(10_000_000)]
    path = tmp_path / "f"
    path.write_bytes(b"".join(pickle_chunks(records, 1)))
    assert list(read_pickle(whole(path))) == records


def test_a_batch_size_of_0_grows_to_64_kb(tmp_path):
    path = tmp_path / "f"
    records = ["x" * 100] * 3000
    path.write_bytes(b"".join(pickle_chunks(records, 0)))
    assert list(read_pickle(whole(path))) == records
    stream = ByteStream(open(path, "rb", buffering=0), "f")  # noqa: SIM115
    header = read_header(stream)
    stream.close()
    assert header.metadata == {"minispark.end": "marker", "minispark.checksum": "crc32"}


class _Trickle:
    """A file that gives less than what is asked for."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def read(self, n):
        part = self.data[self.at : self.at + min(n, 3)]
        self.at += len(part)
        return part

    def seek(self, to, whence=0):
        self.at = to + (len(self.data) if whence == 2 else 0)
        return self.at


def test_a_stream_of_short_reads():
    stream = ByteStream(_Trickle(b"0123456789abcdef"), "f")
    assert stream.exactly(5) == b"01234"
    assert stream.position == 5
    assert stream.find(b"89ab")
    assert stream.position == 8
    assert stream.exactly(2) == b"89"
    stream.seek(3)
    assert stream.exactly(4) == b"3456"
    assert not stream.find(b"nothing")
    assert stream.at_end()
    assert stream.position == 16
    assert stream.last(3) == b"def"
    with pytest.raises(CorruptFileError, match="f ends in the middle"):
        stream.exactly(1)
