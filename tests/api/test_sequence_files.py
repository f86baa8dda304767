"""sequenceFile and saveAsSequenceFile; pickle files that PySpark reads as well."""

from __future__ import annotations

import os

import pytest

GZIP = "org.apache.hadoop.io.compress.GzipCodec"


def parts(path):
    return sorted(name for name in os.listdir(path) if name.startswith("part-"))


@pytest.mark.parametrize(
    "codec", [None, GZIP, "org.apache.hadoop.io.compress.DefaultCodec"], ids=["plain", "gz", "zlib"]
)
def test_pairs_come_back_with_their_types(sc, tmp_path, codec):
    pairs = [("a", 1), ("", -5), ("ü", 2**31 - 1)]
    out = str(tmp_path / "out")
    sc.parallelize(pairs, 2).saveAsSequenceFile(out, codec)
    assert parts(out) == ["part-00000", "part-00001"]
    assert "_SUCCESS" in os.listdir(out)
    assert sorted(sc.sequenceFile(out).collect()) == sorted(pairs)


def test_bytes_come_back_as_bytearray(sc, tmp_path):
    out = str(tmp_path / "out")
    sc.parallelize([(b"k", bytearray(b"v"))], 1).saveAsSequenceFile(out)
    ((key, value),) = sc.sequenceFile(out).collect()
    assert (type(key), type(value)) == (bytearray, bytearray)
    assert (key, value) == (b"k", b"v")


def test_dicts_and_none(sc, tmp_path):
    out = str(tmp_path / "out")
    pairs = [(None, {"a": 1, "b": None, "c": {"d": 1.5}}), (None, {})]
    sc.parallelize(pairs, 2).saveAsSequenceFile(out)
    assert sorted(sc.sequenceFile(out).collect(), key=repr) == sorted(pairs, key=repr)


def test_partitions_without_pairs(sc, tmp_path):
    out = str(tmp_path / "out")
    sc.parallelize([(1, 2)], 3).saveAsSequenceFile(out)
    assert parts(out) == ["part-00000", "part-00001", "part-00002"]
    rdd = sc.sequenceFile(out)
    assert (rdd.collect(), rdd.getNumPartitions()) == ([(1, 2)], 3)


def test_an_rdd_without_pairs_has_no_types(sc, tmp_path, still_usable):
    out = str(tmp_path / "out")
    with pytest.raises(Exception, match="empty"):
        sc.parallelize([], 2).saveAsSequenceFile(out)
    assert not os.path.exists(out)


def test_a_large_file_is_read_in_ranges(sc, tmp_path):
    out = str(tmp_path / "out")
    pairs = [(n, "x" * 100) for n in range(10_000)]
    sc.parallelize(pairs, 1).saveAsSequenceFile(out)
    rdd = sc.sequenceFile(out, minSplits=5)
    assert rdd.getNumPartitions() == 5
    assert all(rdd.glom().map(len).collect())
    assert rdd.collect() == pairs


@pytest.mark.parametrize(
    "data", [[(1, 2), (2**40, 3)], [(1, None), (2, 3)], [("a", 1), ("b", [1])]]
)
def test_pairs_of_other_types_fail_and_leave_nothing(sc, tmp_path, data, still_usable):
    out = tmp_path / "out"
    with pytest.raises(
        Exception, match=r"first record made it|cannot be (written|used)|wrong .* cl|abort"
    ):
        sc.parallelize(data, 1).saveAsSequenceFile(str(out))
    assert not out.exists() or not parts(out)


def test_an_existing_directory_is_refused_before_any_task(sc, tmp_path, engine):
    ran = sc.accumulator(0)

    def count(x):
        ran.add(1)
        return x, x

    if engine.__name__ == "minispark":
        with pytest.raises(FileExistsError):
            sc.parallelize([1], 1).map(count).saveAsSequenceFile(str(tmp_path))
        assert ran.value == 0


@pytest.mark.parametrize("codec", ["x.y", "com.hadoop.compression.lzo.LzoCodec"])
def test_an_unknown_codec_is_named(sc, tmp_path, codec):
    with pytest.raises(Exception, match=codec.replace(".", r"\.")):
        sc.parallelize([(1, 2)], 1).saveAsSequenceFile(str(tmp_path / "out"), codec)


@pytest.mark.minispark_only
def test_converters_are_refused(sc, tmp_path):
    with pytest.raises(NotImplementedError, match="valueConverter"):
        sc.sequenceFile(str(tmp_path), valueConverter="my.Converter")
    with pytest.raises(TypeError, match="keyClass"):
        sc.sequenceFile(str(tmp_path), keyClass=str)


def test_class_names_may_be_given(sc, tmp_path):
    out = str(tmp_path / "out")
    sc.parallelize([("a", 1)], 1).saveAsSequenceFile(out)
    package = "org.apache.hadoop.io."
    rdd = sc.sequenceFile(out, package + "Text", package + "IntWritable")
    assert rdd.collect() == [("a", 1)]


@pytest.mark.parametrize("size", [10, 1, 0, -1])
def test_pickle_files_are_sequence_files(sc, tmp_path, size):
    out = str(tmp_path / "out")
    data = [None, 1, "é", {"a": 10**30}, *range(200)]
    sc.parallelize(data, 2).saveAsPickleFile(out, size)
    assert sorted(map(repr, sc.pickleFile(out).collect())) == sorted(map(repr, data))
    values = sc.sequenceFile(out).values().collect()
    assert {type(v) for v in values} == {bytearray}


def test_a_large_pickle_file_is_read_in_ranges(sc, tmp_path):
    out = str(tmp_path / "out")
    data = [f"{n:0100}" for n in range(10_000)]
    sc.parallelize(data, 1).saveAsPickleFile(out)
    rdd = sc.pickleFile(out, 4)
    assert rdd.getNumPartitions() == 4
    assert rdd.collect() == data


@pytest.mark.minispark_only
def test_frames_of_earlier_versions_are_read(sc, tmp_path):
    import pickle
    import struct
    import zlib

    def frame(payload, size):
        return struct.pack("<II", size, zlib.crc32(payload)) + payload

    batches = [pickle.dumps([1, "a"], 5), pickle.dumps([None] * 5000, 5)]
    data = b"MINISPARKPICKLE1" + b"".join(frame(b, len(b)) for b in batches)
    data += frame(struct.pack("<Q", 5002), 0)
    (tmp_path / "part-00000").write_bytes(data)
    assert sc.pickleFile(str(tmp_path), 4).collect() == [1, "a", *[None] * 5000]
    damaged = bytearray(data)
    damaged[60] ^= 1
    (tmp_path / "part-00000").write_bytes(damaged)
    with pytest.raises(OSError, match="damaged"):
        sc.pickleFile(str(tmp_path)).count()
