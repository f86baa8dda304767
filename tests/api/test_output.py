"""saveAsTextFile, saveAsPickleFile and reading them back."""

from __future__ import annotations

import bz2
import gzip
import os

import pytest


def parts(path):
    return sorted(name for name in os.listdir(path) if name.startswith("part-"))


def read(path, name):
    with open(os.path.join(path, name), "rb") as file:
        return file.read()


def test_one_file_per_partition(sc, tmp_path):
    out = str(tmp_path / "out")
    sc.parallelize(["a", "b", "c"], 2).saveAsTextFile(out)
    assert parts(out) == ["part-00000", "part-00001"]
    assert read(out, "part-00000") == b"a\n"
    assert read(out, "part-00001") == b"b\nc\n"
    assert "_SUCCESS" in os.listdir(out)


def test_one_partition_is_a_directory_too(sc, tmp_path):
    out = str(tmp_path / "out")
    sc.parallelize([1], 1).saveAsTextFile(out)
    assert parts(out) == ["part-00000"]


def test_empty_partitions_give_empty_files(sc, tmp_path):
    out = str(tmp_path / "out")
    sc.parallelize([], 2).saveAsTextFile(out)
    assert [read(out, p) for p in parts(out)] == [b"", b""]


def test_records_are_written_as_their_str(sc, tmp_path):
    out = str(tmp_path / "out")
    sc.parallelize([None, 1, 2.5, ("é", 1), b"raw\xff", "ü"], 1).saveAsTextFile(out)
    assert (
        read(out, "part-00000")
        == b"None\n1\n2.5\n" + "('é', 1)\n".encode() + "raw\ufffd\nü\n".encode()
    )


def test_nothing_temporary_is_left(sc, tmp_path):
    out = str(tmp_path / "out")
    sc.parallelize(range(10), 4).saveAsTextFile(out)
    visible = [n for n in os.listdir(out) if not n.startswith(".")]
    assert sorted(visible) == ["_SUCCESS", *[f"part-0000{n}" for n in range(4)]]


@pytest.mark.parametrize(
    ("codec", "suffix", "decompress"),
    [
        ("org.apache.hadoop.io.compress.GzipCodec", ".gz", gzip.decompress),
        ("org.apache.hadoop.io.compress.BZip2Codec", ".bz2", bz2.decompress),
    ],
    ids=["gzip", "bzip2"],
)
def test_compressed_output(sc, tmp_path, codec, suffix, decompress):
    out = str(tmp_path / "out")
    sc.parallelize(["foo", "bar"], 1).saveAsTextFile(out, codec)
    assert parts(out) == ["part-00000" + suffix]
    assert decompress(read(out, "part-00000" + suffix)) == b"foo\nbar\n"
    assert sc.textFile(out).collect() == ["foo", "bar"]


def test_text_round_trip(sc, tmp_path):
    out = str(tmp_path / "out")
    sc.parallelize([str(n) for n in range(100)], 5).saveAsTextFile(out)
    assert sorted(map(int, sc.textFile(out).collect())) == list(range(100))


def test_pickle_round_trip(sc, tmp_path):
    out = str(tmp_path / "out")
    data = [None, 1, "é", (1, [2]), {"a": 10**30}, b"\x00", float("inf")]
    sc.parallelize(data, 3).saveAsPickleFile(out)
    assert sorted(sc.pickleFile(out).collect(), key=repr) == sorted(data, key=repr)
    assert sorted(sc.pickleFile(out, 3).map(str).collect()) == sorted(map(str, data))


def test_pickle_file_with_a_batch_size(sc, tmp_path):
    out = str(tmp_path / "out")
    sc.parallelize(range(10), 2).saveAsPickleFile(out, 3)
    assert sorted(sc.pickleFile(out).collect()) == list(range(10))


def test_pickle_file_of_nothing(sc, tmp_path):
    out = str(tmp_path / "out")
    sc.parallelize([], 2).saveAsPickleFile(out)
    assert sc.pickleFile(out).collect() == []


@pytest.mark.parametrize("method", ["saveAsTextFile", "saveAsPickleFile"])
def test_an_existing_directory_is_refused_before_any_task(sc, tmp_path, method, still_usable):
    ran = sc.accumulator(0)

    def count(x):
        ran.add(1)
        return x

    (tmp_path / "kept.txt").write_text("kept")
    with pytest.raises(Exception, match=r"(?i)already exists"):
        getattr(sc.parallelize([1], 1).map(count), method)(str(tmp_path))
    assert ran.value == 0
    assert (tmp_path / "kept.txt").read_text() == "kept"


def test_nothing_of_a_failed_job_is_visible(sc, tmp_path, task_fails, still_usable):
    out = tmp_path / "out"

    def explode(x):
        if x == 3:
            raise ValueError("third record")
        return x

    with task_fails(ValueError, match="third record"):
        sc.parallelize(range(4), 2).map(explode).saveAsTextFile(str(out))
    assert not out.exists() or "_SUCCESS" not in os.listdir(out)
    assert not out.exists() or all(n.startswith(("_", ".")) for n in os.listdir(out)) or ON_REAL


ON_REAL = os.environ.get("MINISPARK_TEST_ENGINE") == "pyspark"


def test_saving_after_a_shuffle(sc, tmp_path):
    out = str(tmp_path / "out")
    rdd = sc.parallelize([(n % 3, n) for n in range(6)], 2).reduceByKey(lambda a, b: a + b, 3)
    rdd.saveAsTextFile(out)
    assert [read(out, p) for p in parts(out)] == [b"(0, 3)\n", b"(1, 5)\n", b"(2, 7)\n"]


def test_parent_directories_are_made(sc, tmp_path):
    out = str(tmp_path / "a" / "b" / "out")
    sc.parallelize([1], 1).saveAsTextFile(out)
    assert parts(out) == ["part-00000"]


def test_a_pickle_file_of_a_missing_path(sc, tmp_path, still_usable):
    with pytest.raises(Exception, match="nowhere"):
        sc.pickleFile(str(tmp_path / "nowhere")).count()
