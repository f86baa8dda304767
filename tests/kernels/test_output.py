"""Output appears whole or not at all."""

from __future__ import annotations

import gzip
import os

import pytest

from minispark.errors import (
    OutputExistsError,
    PySparkException,
    PySparkRuntimeError,
    PySparkValueError,
)
from minispark.kernels import output
from minispark.kernels.compression import codec_by_name
from minispark.kernels.picklefile import pickle_chunks, read_pickle
from minispark.kernels.splits import FileSplit


def everything(folder):
    return sorted(
        os.path.relpath(os.path.join(d, n), folder)
        for d, _, names in os.walk(folder)
        for n in names
        if n != ".owner"  # the driver's claim, as long as the job runs
    )


def write(target, partition, attempt=0, data=b"x\n", token="job", **kw):
    output.begin_job(target, token)
    return output.write_part(target, token, partition, attempt, [data], **kw)


def test_a_job_from_begin_to_end(tmp_path):
    target = output.prepare_output(f"file:{tmp_path}/deep/out")
    for p in (1, 0):
        assert write(target, p, data=b"%d\n" % p) == 2
        output.commit_part(target, "job", p, 0)
        assert not os.path.exists(target)
    output.commit_job(target, "job", 2)
    assert everything(tmp_path) == [
        "deep/out/_SUCCESS",
        "deep/out/part-00000",
        "deep/out/part-00001",
    ]
    assert (tmp_path / "deep/out/part-00001").read_bytes() == b"1\n"
    assert os.listdir(tmp_path / "deep") == ["out"]


def test_a_task_that_outlives_its_job_leaves_nothing(tmp_path):
    target = output.prepare_output(str(tmp_path / "out"))
    write(target, 0)

    def endless():
        """The job is aborted while this task writes; then it starts a file anew."""
        yield b"x\n"
        output.abort_job(target, "job")
        assert os.listdir(tmp_path) == []
        yield b"y\n"

    output.write_part(target, "job", 1, 0, endless())
    with pytest.raises(FileNotFoundError):
        output.commit_part(target, "job", 1, 0)
    with pytest.raises(PySparkRuntimeError, match="job that writes .*out is over"):
        output.write_part(target, "job", 2, 0, [b"z\n"])
    assert os.listdir(tmp_path) == []


def test_every_step_may_be_repeated(tmp_path):
    target = output.prepare_output(str(tmp_path / "out"))
    write(target, 0)
    output.commit_part(target, "job", 0, 0)
    output.commit_part(target, "job", 0, 0)
    output.commit_job(target, "job", 1)
    output.commit_job(target, "job", 1)
    assert everything(target) == ["_SUCCESS", "part-00000"]


def test_the_first_committed_attempt_wins(tmp_path):
    target = output.prepare_output(str(tmp_path / "out"))
    write(target, 0, 0, b"first\n")
    write(target, 0, 1, b"second\n")
    output.commit_part(target, "job", 0, 1)
    output.commit_part(target, "job", 0, 0)
    output.commit_job(target, "job", 1)
    assert (tmp_path / "out/part-00000").read_bytes() == b"second\n"


def test_what_exists_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputExistsError, match="out already exists"):
        output.prepare_output(str(tmp_path / "out"))
    with pytest.raises(FileExistsError):
        output.prepare_output(str(tmp_path / "out"))


def test_a_target_that_appears_meanwhile_is_not_touched(tmp_path):
    target = output.prepare_output(str(tmp_path / "out"))
    write(target, 0)
    output.commit_part(target, "job", 0, 0)
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputExistsError):
        output.commit_job(target, "job", 1)
    output.abort_job(target, "job")
    assert os.listdir(tmp_path) == ["out"]
    assert everything(target) == []


def test_an_attempt_that_outlives_its_job_leaves_nothing(tmp_path):
    target = output.prepare_output(str(tmp_path / "out"))
    write(target, 0, 0)
    write(target, 0, 1, b"late\n")
    output.commit_part(target, "job", 0, 0)
    late = tmp_path / "late"
    os.rename(tmp_path / "_temporary-out-job/attempt-00000-1", late)
    output.commit_job(target, "job", 1)
    os.makedirs(tmp_path / "_temporary-out-job")
    os.rename(late, tmp_path / "_temporary-out-job/attempt-00000-1")
    with pytest.raises(OutputExistsError):
        output.commit_part(target, "job", 0, 1)
    with pytest.raises(OutputExistsError):
        write(target, 0, 2)
    assert everything(tmp_path) == ["out/_SUCCESS", "out/part-00000"]


def test_a_missing_partition_stops_the_commit(tmp_path):
    target = output.prepare_output(str(tmp_path / "out"))
    write(target, 1)
    output.commit_part(target, "job", 1, 0)
    with pytest.raises(PySparkRuntimeError, match=r"partitions \[0\] of 2"):
        output.commit_job(target, "job", 2)
    assert not os.path.exists(target)


def test_a_failing_record_leaves_no_file(tmp_path):
    def chunks():
        yield b"a\n"
        raise RuntimeError("user's")

    target = output.prepare_output(str(tmp_path / "out"))
    output.begin_job(target, "job")
    with pytest.raises(RuntimeError, match="user's"):
        output.write_part(target, "job", 0, 0, chunks())
    assert everything(tmp_path) == []
    write(target, 0)
    output.abort_part(target, "job", 0, 0)
    output.abort_job(target, "job")
    assert os.listdir(tmp_path) == []


def test_two_jobs_with_one_target_do_not_mix(tmp_path):
    target = output.prepare_output(str(tmp_path / "out"))
    write(target, 0, token="a", data=b"a\n")
    write(target, 0, token="b", data=b"b\n")
    output.commit_part(target, "a", 0, 0)
    output.commit_part(target, "b", 0, 0)
    output.commit_job(target, "a", 1)
    with pytest.raises(OutputExistsError):
        output.commit_job(target, "b", 1)
    assert (tmp_path / "out/part-00000").read_bytes() == b"a\n"


def test_no_partitions_make_an_empty_directory(tmp_path):
    target = output.prepare_output(str(tmp_path / "out"))
    output.commit_job(target, "job", 0)
    assert everything(target) == ["_SUCCESS"]


def test_codecs_and_suffixes(tmp_path):
    codec, suffix = codec_by_name("org.apache.hadoop.io.compress.GzipCodec")
    target = output.prepare_output(str(tmp_path / "out"))
    write(target, 0, data=b"a\nb\n", suffix=suffix, codec=codec)
    output.commit_part(target, "job", 0, 0, suffix)
    output.commit_job(target, "job", 1)
    assert gzip.decompress((tmp_path / "out/part-00000.gz").read_bytes()) == b"a\nb\n"
    with pytest.raises(PySparkValueError, match="NoSuchCodec"):
        codec_by_name("com.example.NoSuchCodec")


def test_other_file_systems_commit_file_by_file():
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    try:
        target = output.prepare_output("memory://base/out")
        for p in range(2):
            write(target, p)
            output.commit_part(target, "job", p, 0)
        assert not [n for n in memory.find("/base/out") if "_temporary" not in n]
        output.commit_job(target, "job", 2)
        names = sorted(n.rpartition("/")[2] for n in memory.find("/base/out"))
        assert names == ["_SUCCESS", "part-00000", "part-00001"]
        with pytest.raises(OutputExistsError):
            output.prepare_output("memory://base/out")
        other = output.prepare_output("memory://base/other")
        write(other, 0)
        output.abort_job(other, "job")
        assert not memory.exists("/base/other")
    finally:
        memory.rm("/base", recursive=True)


def test_text_lines():
    records = ["a", 1, None, b"raw\xff", "ü", ("x", 1.5)]
    assert (
        b"".join(output.text_chunks(records)) == "a\n1\nNone\nraw\ufffd\nü\n('x', 1.5)\n".encode()
    )
    assert b"".join(output.text_chunks(map(str, range(1000)))).split() == [
        b"%d" % i for i in range(1000)
    ]
    assert list(output.text_chunks([])) == []
    with pytest.raises(PySparkValueError, match="UTF-8"):
        list(output.text_chunks(["a\udc80"]))


def pickled(path, records, batch=10):
    path.write_bytes(b"".join(pickle_chunks(records, batch)))
    return FileSplit(str(path), 0, path.stat().st_size)


@pytest.mark.parametrize("batch", [0, 1, 3, 10])
@pytest.mark.parametrize("count", [0, 1, 10, 31])
def test_pickle_files_round_trip(tmp_path, batch, count):
    records = [(i, "x", None, [1.5]) for i in range(count)]
    assert list(read_pickle(pickled(tmp_path / "p", records, batch))) == records


def test_local_classes_go_by_value(tmp_path):
    (f,) = read_pickle(pickled(tmp_path / "p", [lambda: 7]))
    assert f() == 7


def test_damage_to_a_pickle_file_is_found_or_harmless(tmp_path):
    """A changed name in the header can switch a check off, no more."""
    path = tmp_path / "p"
    pickled(path, list(range(7)), 3)
    whole = path.read_bytes()
    for i in range(len(whole)):
        for data in (whole[:i], whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :]):
            path.write_bytes(data)
            split = FileSplit(str(path), 0, max(1, len(data)))
            if len(data) == len(whole) and harmless(split):
                continue
            with pytest.raises(PySparkException, match=str(path)):
                list(read_pickle(split))


def harmless(split):
    try:
        return list(read_pickle(split)) == list(range(7))
    except PySparkException:
        return False
