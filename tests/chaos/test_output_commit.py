"""Promise 14: output appears as a whole or not at all, whoever dies on the way."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minispark import TaskContext
from minispark.errors import OutputExistsError
from minispark.rdd import _output
from tests.chaos.run_log import RunLog

pytestmark = pytest.mark.own_context

NUM_PARTS = 4
LINES = [str(i) for i in range(40)]


def names(path: Path) -> list[str]:
    """What a user sees in a directory."""
    return sorted(os.listdir(path)) if path.exists() else []


def check(path: Path) -> None:
    """The output is complete: one file per partition with its lines, and `_SUCCESS`."""
    assert names(path) == ["_SUCCESS", *(f"part-{i:05}" for i in range(NUM_PARTS))]
    text = [(path / f"part-{i:05}").read_text().split() for i in range(NUM_PARTS)]
    assert text == [LINES[i * 10 : i * 10 + 10] for i in range(NUM_PARTS)]
    assert (path / "_SUCCESS").read_bytes() == b""


def lines(sc: Any, function: Callable[[int], Any] = str) -> Any:
    return sc.parallelize(range(40), NUM_PARTS).map(function)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory for output alone."""
    path = tmp_path / "data"
    path.mkdir()
    return path


def test_duplicate_attempts_write_once(
    open_context: Callable[..., Any], log: RunLog, folder: Path, tmp_path: Path
) -> None:
    """A straggler stands still while its copy commits. Before the module's own context."""
    held = tmp_path / "held"
    os.mkfifo(held)

    def straggle(x: int) -> str:
        if x == 39:
            context = TaskContext.get()
            assert context is not None
            log.note("attempt", context.attemptNumber())
            if log.first_time("straggler"):
                with open(held) as gate:
                    gate.read()
        return str(x)

    context = open_context("local-process[2]", spark_speculation="true")
    try:
        # A copy is started when nine tenths of the partitions are done.
        context.parallelize(range(40), 20).map(straggle).saveAsTextFile(str(folder / "out"))
        assert [line[0] for line in log.lines()] == ["attempt", "attempt"]
    finally:
        context.stop()
    parts = [f"part-{i:05}" for i in range(20)]
    assert names(folder / "out") == ["_SUCCESS", *parts]
    assert "".join((folder / "out" / p).read_text() for p in parts).split() == LINES
    assert names(folder) == ["out"]


def test_an_existing_target_is_refused_before_any_task(
    breakable: Any, log: RunLog, folder: Path
) -> None:
    def note(x: int) -> int:
        log.note("ran")
        return x

    (folder / "empty").mkdir()
    (folder / "file").write_text("precious")
    for name in ("empty", "file"):
        with pytest.raises(OutputExistsError, match=name):
            lines(breakable, note).saveAsTextFile(str(folder / name))
        with pytest.raises(OutputExistsError, match=name):
            lines(breakable, note).saveAsPickleFile(str(folder / name))
    assert log.lines() == []
    assert (folder / "file").read_text() == "precious"
    assert names(folder) == ["empty", "file"]


def test_a_failing_task_leaves_nothing(breakable: Any, folder: Path) -> None:
    def fail(x: int) -> str:
        if x == 35:
            raise ValueError("of the record 35")
        return str(x)

    target = folder / "out"
    with pytest.raises(ValueError, match="of the record 35"):
        lines(breakable, fail).saveAsTextFile(str(target))
    assert names(folder) == []
    lines(breakable).saveAsTextFile(str(target))
    check(target)
    assert names(folder) == ["out"]


def test_an_executor_dies_while_writing(breakable: Any, log: RunLog, folder: Path) -> None:
    def die(x: int) -> str:
        if x == 25:
            log.die_once("writing")
        return str(x)

    lines(breakable, die).saveAsTextFile(str(folder / "out"))
    assert not log.first_time("writing"), "nobody was killed: the test shows nothing"
    check(folder / "out")
    assert names(folder) == ["out"]


def test_an_executor_dies_after_its_commit(breakable: Any, log: RunLog, folder: Path) -> None:
    """The partition is committed, but the driver never hears of it: it runs again."""
    target = str(folder / "out")
    rdd = lines(breakable)
    write = _output._write_partition

    def write_and_die(*arguments: Any) -> None:
        write(*arguments)
        if arguments[-2] == 1:
            log.note("committed")
            log.die_once("committed")

    _output._write_partition = write_and_die
    try:
        rdd.saveAsTextFile(target)
    finally:
        _output._write_partition = write
    assert log.counts() == {"committed": 2}
    check(folder / "out")
    assert names(folder) == ["out"]


def test_gzip(breakable: Any, log: RunLog, folder: Path) -> None:
    def die(x: int) -> str:
        if x == 25:
            log.die_once("gzip")
        return str(x)

    codec = "org.apache.hadoop.io.compress.GzipCodec"
    lines(breakable, die).saveAsTextFile(str(folder / "out"), codec)
    parts = [f"part-{i:05}.gz" for i in range(NUM_PARTS)]
    assert names(folder / "out") == ["_SUCCESS", *parts]
    with gzip.open(folder / "out" / parts[2], "rt") as file:
        assert file.read().split() == LINES[20:30]
    assert breakable.textFile(str(folder / "out")).collect() == LINES


def test_pickle_file(breakable: Any, log: RunLog, folder: Path) -> None:
    def die(x: int) -> tuple[int, str]:
        if x == 5:
            log.die_once("pickle")
        return x, str(x)

    lines(breakable, die).saveAsPickleFile(str(folder / "out"))
    assert len(names(folder / "out")) == NUM_PARTS + 1
    records = breakable.pickleFile(str(folder / "out")).collect()
    assert sorted(records) == [(x, str(x)) for x in range(40)]


SCRIPT = """
import os, sys
from minispark import SparkContext
target, gate, master, kind = sys.argv[1:]
sc = SparkContext(master)
def f(x):
    if x == 35 and gate:
        with open(gate) as file:
            file.read()
    return str(x)
rdd = sc.parallelize(range(40), 4).map(f)
if kind == "text":
    rdd.saveAsTextFile(target)
elif kind == "gzip":
    rdd.saveAsTextFile(target, "org.apache.hadoop.io.compress.GzipCodec")
elif kind == "pickle":
    rdd.saveAsPickleFile(target)
else:
    rdd.map(lambda text: (text, 1)).saveAsSequenceFile(target)
sc.stop()
"""

READ = """
import sys
from minispark import SparkContext
target, kind = sys.argv[1:]
sc = SparkContext("local")
read = {"pickle": sc.pickleFile, "sequence": sc.sequenceFile}.get(kind, sc.textFile)
found = [x[0] if kind == "sequence" else x for x in read(target).collect()]
assert sorted(found) == sorted(map(str, range(40))), found
"""


def run(script: str, *arguments: str, env: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-c", script, *arguments], env=env, check=True, timeout=60)


@pytest.mark.parametrize("kind", ["gzip", "pickle", "sequence"])
def test_the_driver_is_killed_whatever_it_writes(tmp_path: Path, kind: str) -> None:
    gate, target = tmp_path / "gate", tmp_path / "data" / "out"
    os.mkfifo(gate)
    target.parent.mkdir()
    env = {**os.environ, "SPARK_LOCAL_DIRS": str(tmp_path / "local")}
    command = [sys.executable, "-c", SCRIPT, str(target), str(gate), "local", kind]
    with subprocess.Popen(command, env=env) as driver, open(gate, "w"):
        driver.send_signal(signal.SIGKILL)
        driver.wait(30)
    assert not target.exists()
    assert len(list(target.parent.iterdir())) == 1, "it was in the middle"
    run(SCRIPT, str(target), "", "local", kind, env=env)
    assert [p.name for p in target.parent.iterdir()] == ["out"], "the dead one's files stay"
    assert len(names(target)) == NUM_PARTS + 1
    run(READ, str(target), kind, env=env)


def test_a_living_driver_keeps_its_files(tmp_path: Path) -> None:
    """Two write to one target at the same time: the first to end wins, the other
    is told; neither removes what the other is writing."""
    gate, target = tmp_path / "gate", tmp_path / "data" / "out"
    os.mkfifo(gate)
    target.parent.mkdir()
    env = {**os.environ, "SPARK_LOCAL_DIRS": str(tmp_path / "local")}
    slow = [sys.executable, "-c", SCRIPT, str(target), str(gate), "local", "text"]
    with subprocess.Popen(slow, env=env, stderr=subprocess.PIPE, text=True) as driver:
        with open(gate, "w"):
            (staging,) = target.parent.iterdir()
            written = {p.name for p in staging.rglob("part-*")}
            run(SCRIPT, str(target), "", "local", "text", env=env)
            assert {p.name for p in staging.rglob("part-*")} == written
        _, errors = driver.communicate(timeout=60)
        assert driver.returncode == 1
        assert "already exists" in errors
    assert [p.name for p in target.parent.iterdir()] == ["out"]
    check(target)


@pytest.mark.parametrize("master", ["local", "local-process[2]"])
def test_the_driver_is_killed(tmp_path: Path, master: str) -> None:
    script, gate, target = tmp_path / "s.py", tmp_path / "gate", tmp_path / "data" / "out"
    script.write_text(SCRIPT)
    os.mkfifo(gate)
    target.parent.mkdir()
    env = {**os.environ, "SPARK_LOCAL_DIRS": str(tmp_path / "local")}
    command = [sys.executable, str(script), str(target)]
    # Opening the gate waits until the task reads it: the job is in the middle.
    first = [*command, str(gate), master, "text"]
    with subprocess.Popen(first, env=env) as driver, open(gate, "w"):
        assert names(target) == []
        driver.send_signal(signal.SIGKILL)
        driver.wait(30)
    assert not target.exists()
    assert not [n for n in names(target.parent) if not n.startswith("_temporary-out-")]
    # What is left is hidden from readers of the directory, and goes with the next run.
    (left,) = target.parent.iterdir()
    shutil.copytree(left, target.parent / "_temporary-other")
    subprocess.run([*command, "", master, "text"], env=env, check=True, timeout=60)
    check(target)
    assert {p.name for p in target.parent.iterdir()} == {"out", "_temporary-other"}
    read = (
        "from minispark import SparkContext; sc = SparkContext('local'); "
        f"print(sc.textFile({str(target.parent)!r} + '/*').count())"
    )
    counted = subprocess.run(
        [sys.executable, "-c", read],
        env=env,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    assert counted.stdout == "40\n"
