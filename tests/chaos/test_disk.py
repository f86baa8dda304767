"""Promises 16, 21 and 22: what is kept on disk, damaged, lost and given back."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from operator import add
from pathlib import Path
from typing import Any

import pytest

from minispark import StorageLevel
from minispark.errors import PySparkRuntimeError
from tests.chaos.run_log import RunLog, executor_pids, files_below

pytestmark = pytest.mark.own_context


@pytest.fixture(scope="module")
def breakable(open_context: Callable[..., Any]) -> Iterator[Any]:
    """On processes only: how they are started changes nothing of what is on disk."""
    context = open_context("local-process[2]")
    yield context
    context.stop()


def node_dir(sc: Any) -> str:
    return str(sc._engine.files.root)


def await_files(sc: Any, prefix: str, count: int) -> list[str]:
    """The files of one kind, once there are only so many: what nobody holds goes soon."""
    patience = threading.Event()
    found: list[str] = []
    for _ in range(400):
        found = [name for name in files_below(node_dir(sc)) if name.startswith(prefix)]
        if len(found) <= count:
            break
        patience.wait(0.05)
    return found


def kill_all(sc: Any) -> None:
    for pid in executor_pids(sc):
        os.kill(pid, signal.SIGKILL)


DAMAGES: dict[str, Callable[[str], None]] = {}


def damage(function: Callable[[str], None]) -> Callable[[str], None]:
    DAMAGES[function.__name__] = function
    return function


@damage
def flip(path: str) -> None:
    with open(path, "r+b") as file:
        middle = os.path.getsize(path) // 2
        file.seek(middle)
        byte = file.read(1)[0]
        file.seek(middle)
        file.write(bytes([byte ^ 1]))


@damage
def truncate(path: str) -> None:
    os.truncate(path, os.path.getsize(path) // 2)


@damage
def empty(path: str) -> None:
    os.truncate(path, 0)


@damage
def delete(path: str) -> None:
    os.unlink(path)


@pytest.mark.parametrize("every", [False, True], ids=["one", "all"])
@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_disk_cache(breakable: Any, log: RunLog, how: str, every: bool) -> None:
    def note(index: int, records: Any) -> Any:
        log.note(f"part-{index}")
        return [(x, "x" * x) for x in records]

    kept = breakable.parallelize(range(40), 4).mapPartitionsWithIndex(note)
    kept.persist(StorageLevel.DISK_ONLY)
    expected = [(x, "x" * x) for x in range(40)]
    assert kept.collect() == expected
    blocks = [n for n in files_below(node_dir(breakable)) if n.startswith(f"rdd/r{kept.id()}_")]
    assert len(blocks) == 4
    for name in blocks if every else blocks[2:3]:
        DAMAGES[how](os.path.join(node_dir(breakable), name))
    assert kept.collect() == expected
    again = {f"part-{i}": 2 if every or i == 2 else 1 for i in range(4)}
    assert log.counts() == again
    assert kept.collect() == expected
    assert log.counts() == again, "what was computed again must be stored again"
    kept.unpersist(blocking=True)
    assert await_files(breakable, f"rdd/r{kept.id()}_", 0) == []


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_checkpoint(breakable: Any, tmp_path: Path, how: str) -> None:
    breakable.setCheckpointDir(str(tmp_path))
    rdd = breakable.parallelize(range(400), 4).map(lambda x: (x, str(x)))
    rdd.checkpoint()
    assert rdd.count() == 400
    victim = sorted(path for path in tmp_path.rglob("part-*"))[2]
    DAMAGES[how](str(victim))
    with pytest.raises(
        PySparkRuntimeError, match=f"checkpoint file .*{victim.name} cannot be used"
    ):
        rdd.collect()
    assert breakable.parallelize(range(4), 2).sum() == 6


def test_the_local_directory_is_wiped(breakable: Any) -> None:
    big = "x" * 1000
    shared = breakable.broadcast({i: i * i for i in range(1000)})
    source = breakable.parallelize([(i % 7, big + str(i)) for i in range(2000)], 4)
    grouped = source.mapValues(lambda v: int(v[1000:])).reduceByKey(add, 3)
    kept = breakable.parallelize(range(100), 4).map(lambda x: shared.value[x])
    kept.persist(StorageLevel.DISK_ONLY)
    expected = sorted(grouped.collect()), kept.sum()
    root = node_dir(breakable)
    for name in ("shuffle", "rdd", "spill", "result"):
        shutil.rmtree(os.path.join(root, name), ignore_errors=True)
    assert (sorted(grouped.collect()), kept.sum()) == expected
    # Of what the driver itself put there, nothing can be computed again.
    shutil.rmtree(root)
    kill_all(breakable)
    with pytest.raises(Exception, match=r"slices/|broadcast/"):
        grouped.map(lambda kv: shared.value[kv[0]]).collect()
    assert (
        breakable.parallelize(range(100), 4).map(lambda x: (x % 3, x)).reduceByKey(add, 2).count()
        == 3
    )
    kept.unpersist(blocking=True)


def test_unpersist_removes_files(breakable: Any) -> None:
    kept = breakable.parallelize(range(40), 4).persist(StorageLevel.DISK_ONLY)
    assert kept.count() == 40
    prefix = f"rdd/r{kept.id()}_"
    assert len([n for n in files_below(node_dir(breakable)) if n.startswith(prefix)]) == 4
    kept.unpersist(blocking=True)
    assert [n for n in files_below(node_dir(breakable)) if n.startswith(prefix)] == []


def test_what_nobody_holds_is_removed(breakable: Any) -> None:
    held = breakable.parallelize(range(40), 4).map(lambda x: (x % 4, x)).reduceByKey(add, 2)
    held.persist(StorageLevel.DISK_ONLY)
    assert held.count() == 4
    gc.collect()
    own = [f"rdd/r{held.id()}_0.block", f"rdd/r{held.id()}_1.block"]
    await_files(breakable, "rdd/", 2)
    shuffles = len(await_files(breakable, "shuffle/", 4))
    dropped = held.map(lambda kv: (kv[1] % 2, kv)).groupByKey(3).persist(StorageLevel.DISK_ONLY)
    dropped.count()
    assert len([n for n in files_below(node_dir(breakable)) if n.startswith("rdd/")]) == 5
    del dropped
    gc.collect()
    assert await_files(breakable, "rdd/", 2) == own
    assert len(await_files(breakable, "shuffle/", shuffles)) == shuffles
    held.unpersist(blocking=True)


def test_a_checkpoint_cuts_the_lineage_and_survives(
    breakable: Any, log: RunLog, tmp_path: Path
) -> None:
    def note(x: int) -> tuple[int, int]:
        log.note("ran")
        return x % 5, x

    breakable.setCheckpointDir(str(tmp_path))
    rdd = breakable.parallelize(range(20), 4).map(note).reduceByKey(add, 3).mapValues(abs)
    rdd.checkpoint()
    assert not rdd.isCheckpointed()
    expected = sorted(rdd.collect())
    assert rdd.isCheckpointed()
    text = rdd.toDebugString().decode()
    assert "ReliableCheckpointRDD" in text
    assert "ParallelCollection" not in text
    ran = log.counts()
    kill_all(breakable)
    shutil.rmtree(os.path.join(node_dir(breakable), "shuffle"), ignore_errors=True)
    assert sorted(rdd.map(lambda kv: kv).collect()) == expected
    assert log.counts() == ran


def test_a_lost_local_checkpoint_says_so(breakable: Any) -> None:
    rdd = breakable.parallelize(range(20), 4).map(lambda x: [x])
    rdd.localCheckpoint()
    assert rdd.count() == 20
    assert rdd.collect() == [[x] for x in range(20)]
    kill_all(breakable)
    lost = r"checkpointed locally and is lost.*RDD\.checkpoint\(\)"
    with pytest.raises(PySparkRuntimeError, match=lost):
        rdd.collect()
    assert breakable.parallelize(range(4), 2).sum() == 6


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_results(
    breakable: Any, log: RunLog, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of large results, which wait in files, only the damaged ones are computed again."""

    def large(index: int, records: Any) -> list[Any]:
        log.note(f"part-{index}")
        return [(x, os.urandom(1) * 300_000) for x in records]

    nodes = breakable._engine.nodes
    read, loaded = nodes.read_result, []

    def read_damaged(where: Any) -> Any:
        loaded.append(where)
        if len(loaded) in (2, 3):
            DAMAGES[how](os.path.join(node_dir(breakable), where.relpath))
        return read(where)

    monkeypatch.setattr(nodes, "read_result", read_damaged)
    rows = breakable.parallelize(range(4), 4).mapPartitionsWithIndex(large).collect()
    assert [(x, len(data)) for x, data in rows] == [(x, 300_000) for x in range(4)]
    assert len(loaded) == 6
    assert sorted(log.counts().values()) == [1, 1, 2, 2]
    assert await_files(breakable, "result/", 0) == []
