"""Lines and splits are Hadoop's, whatever the bytes and wherever the cuts."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zlib
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minispark.errors import CorruptFileError, PySparkValueError
from minispark.kernels import text
from minispark.kernels.compression import codec_by_name, open_compressor, open_decompressed
from minispark.kernels.filesystem import FileInfo
from minispark.kernels.splits import (
    FileSplit,
    FilesSplit,
    binary_file_splits,
    compute_splits,
    record_splits,
    whole_file_splits,
)
from minispark.kernels.text import read_binary, read_records, read_text, read_whole_text

FILES = {
    "one": b"a",
    "nonl": b"a\nb\nc",
    "nl": b"\n\n\n",
    "ten": b"".join(b"line %d\n" % i for i in range(10)),
    "hun": b"".join(b"line %d\n" % i for i in range(100)),
    "thou": b"".join(b"line %d\n" % i for i in range(1000)),
    "e": b"",
    "cr": b"a\rb\r\nc\n\rd\r\r\ne\r",
    "crend": b"a\r\nb\r",
    "bom": b"\xef\xbb\xbfhello\nx\n",
    "bom16": "\ufeffhi\nthere\n".encode("utf-16-le"),
    "bomonly": b"\xef\xbb\xbf",
    "bommid": b"a\n\xef\xbb\xbfb\n",
    "weird": "a\u2028b\x0bc\x0cd\x85e\x1cf\n".encode(),
    "bad": b"ab\xff\xfec\xe2\x82d\nok \xf0\x9f\x98\x80\n\xed\xa0\x80 surrogate\n"
    b"\xc0\xaf\xf5\x80\x80\x80\n",
    "nul": b"a\0b\n",
    "z2.gz": gzip.compress(b"a\nb") + gzip.compress(b"c\nd\n"),
}


@pytest.fixture
def folder(tmp_path):
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def info(path):
    return FileInfo(str(path), path.stat().st_size)


def glom(paths, min_partitions):
    return [list(read_text(s)) for s in compute_splits([info(p) for p in paths], min_partitions)]


def test_partitions_have_pysparks_lines(folder, recorded):
    for name, least, expected in recorded["text_splits"]:
        assert [len(p) for p in glom([folder / name], least)] == expected, (name, least)
    for least, expected in recorded["multi"]:
        paths = [folder / n for n in ("hun", "ten", "e", "thou")]
        assert [len(p) for p in glom(paths, least)] == expected, least


def test_line_ends_and_marks_at_all_cuts_are_pysparks(folder, recorded):
    for name in ("cr", "bom"):
        for least, expected in enumerate(recorded[name], 1):
            assert glom([folder / name], least) == expected, (name, least)


def test_contents_are_pysparks(folder, recorded):
    for name, expected in recorded["lines"].items():
        assert glom([folder / name], 1) == [expected], name


def test_block_sized_splits_are_pysparks(recorded):
    """By arithmetic: lines of 100 bytes; a split ends with the line at its end."""
    for megabytes, least, expected in recorded["big"]:
        size = int(megabytes * 1048576 / 100) * 100
        splits = compute_splits([FileInfo("/big", size)], least)
        first_lines = [0] + [s.start // 100 + 1 for s in splits[1:]] + [size // 100]
        counts = [b - a for a, b in pairwise(first_lines)]
        assert counts == expected, (megabytes, least)


def test_record_splits_are_pysparks(folder, recorded):
    splits = record_splits([FileInfo("/big", 104857600)], 100)
    assert [s.length // 100 for s in splits] == recorded["records"]
    (folder / "rec").write_bytes(b"abcdefghij" * 10)
    (split,) = record_splits([info(folder / "rec")], 25)
    assert (
        list(read_records(split, 25))
        == [
            b"abcdefghijabcdefghijabcde",
            b"fghijabcdefghijabcdefghij",
        ]
        * 2
    )
    with pytest.raises(PySparkValueError, match="rec has 100 bytes"):
        record_splits([info(folder / "rec")], 7)
    with pytest.raises(PySparkValueError, match="positive"):
        record_splits([info(folder / "rec")], 0)


def test_whole_file_partitions_are_pysparks(recorded):
    files = [FileInfo(f"/{n}", int(n[1:]) * 1000 + 1) for n in recorded["whole_order"]]
    for least, expected in recorded["whole"]:
        splits = whole_file_splits(files, least)
        assert [[p[1:] for p in s.paths] for s in splits] == expected, least
    assert whole_file_splits([], 2) == []
    empty = FileInfo("/e", 0)
    assert whole_file_splits([empty], 2) == [FilesSplit(("/e",))]
    assert len(binary_file_splits(files, 2, 2)) == 1


def expected_lines(data):
    data = data.removeprefix(b"\xef\xbb\xbf")
    lines = re.split(b"\r\n|\r|\n", data)
    return lines[:-1] if lines[-1] == b"" else lines


DATA = st.lists(
    st.sampled_from([b"\n", b"\r", b"\r\n", b"a", b"bc", b"\xef\xbb\xbf", b"\xff", b"\xc3\xa9"])
).map(b"".join)


@given(data=DATA, cuts=st.lists(st.integers(0, 60)), chunk=st.sampled_from([1, 2, 3, 7, 1 << 20]))
@example(data=b"\xef\xbb\xbf", cuts=[1, 2], chunk=1)
@example(data=b"\xef\xbb\xbf\n", cuts=[1], chunk=1)
@example(data=b"a\r\nb", cuts=[2], chunk=1 << 20)
@settings(deadline=None)
def test_splits_together_have_each_line_once(tmp_path_factory, data, cuts, chunk):
    path = tmp_path_factory.getbasetemp() / "lines"
    path.write_bytes(data)
    edges = sorted({0, len(data), *(c for c in cuts if c < len(data))})
    splits = [FileSplit(str(path), a, b - a) for a, b in pairwise(edges)] or [
        FileSplit(str(path), 0, 0)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_CHUNK_BYTES", chunk)
        patch.setattr(text, "_LOCAL_CHUNK_BYTES", chunk)
        patch.setattr(text, "_TAIL_BYTES", chunk)
        raw = [line for s in splits for line in read_text(s, use_unicode=False)]
        decoded = [line for s in splits for line in read_text(s)]
    assert raw == expected_lines(data)
    assert decoded == [text.decode(line) for line in raw]


@given(st.binary())
def test_decoding_never_fails_and_keeps_what_is_valid(data):
    decoded = text.decode(data)
    assert "\ufffd" in decoded or decoded.encode() == data


def compressed(codec, data):
    raw = io.BytesIO()
    out = open_compressor(codec, raw)
    out.write(data)
    out.close()
    return raw.getvalue()


@pytest.mark.parametrize("name", ["GzipCodec", "bzip2", "deflate", "xz", "zstd", "lz4"])
def test_codecs_round_trip_by_suffix(tmp_path, name):
    codec, suffix = codec_by_name(f"org.apache.hadoop.io.compress.{name}")
    path = tmp_path / f"f{suffix}"
    path.write_bytes(compressed(codec, FILES["thou"]))
    assert [len(p) for p in glom([path], 5)] == [1000]


def test_streams_of_other_programs_are_read(tmp_path):
    for name, data in {
        "a.gz": gzip.compress(b"a\n") * 2 + b"\0" * 10,
        "a.bz2": bz2.compress(b"a\n") * 2,
        "a.xz": lzma.compress(b"a\n") * 2,
        "a.deflate": zlib.compress(b"a\n") * 2,
    }.items():
        (tmp_path / name).write_bytes(data)
        assert glom([tmp_path / name], 1) == [["a", "a"]], name


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".deflate", ".xz", ".zst"])
@pytest.mark.parametrize("damage", ["truncated", "garbage"])
def test_damaged_files_are_named(tmp_path, suffix, damage):
    codec = {".gz": "gzip", ".bz2": "bzip2", ".deflate": "deflate", ".xz": "xz", ".zst": "zstd"}
    whole = compressed(codec[suffix], FILES["thou"])
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(whole[: len(whole) // 2] if damage == "truncated" else b"not it" * 99)
    with pytest.raises(CorruptFileError, match=f"broken{suffix}"):
        list(read_text(FileSplit(str(path), 0, 99)))


def test_a_large_deflate_stream_is_read_in_parts(tmp_path):
    path = tmp_path / "z.deflate"
    path.write_bytes(zlib.compress(b"0123456789" * 500_000))
    stream = open_decompressed(str(path))
    sizes = []
    while part := stream.read(1 << 16):
        sizes.append(len(part))
    stream.close()
    assert sum(sizes) == 5_000_000
    assert max(sizes) <= 1 << 16


def test_whole_files(folder):
    paths = (str(folder / "bom"), str(folder / "z2.gz"), str(folder / "e"))
    whole = list(read_whole_text(FilesSplit(paths)))
    assert whole == [
        (f"file:{paths[0]}", "\ufeffhello\nx\n"),
        (f"file:{paths[1]}", "a\nbc\nd\n"),
        (f"file:{paths[2]}", ""),
    ]
    assert list(read_binary(FilesSplit(paths[1:2]))) == [(f"file:{paths[1]}", FILES["z2.gz"])]
