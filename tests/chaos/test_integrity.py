"""Promise 16, kind by kind: what is on disk is what was written, or it is not used.

Each kind of file is damaged in each way, one file or all of them, between two
jobs and in the middle of one. Where it can be computed again the answer is the
same; where the only copy is gone the error names it.
"""

from __future__ import annotations

import fnmatch
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from operator import add
from pathlib import Path
from typing import Any

import pytest

from minispark import StorageLevel
from minispark.errors import CorruptFileError, PySparkRuntimeError
from minispark.plan.nodes import Shuffle
from minispark.storage.checked import SMALL_BYTES
from minispark.storage.files import NodeFiles
from minispark.storage.sealed import load_sealed, sealed
from minispark.storage.spill import SpillFile
from minispark.storage.values import dump_value
from tests.chaos.damage import DAMAGES
from tests.chaos.run_log import RunLog, executor_pids, files_below

pytestmark = pytest.mark.own_context

RECORDS = 4000
PARTS = 4


@pytest.fixture(scope="module")
def breakable(open_context: Callable[..., Any]) -> Iterator[Any]:
    """On processes only: how they are started changes nothing of what is on disk.

    One failure of a task ends a job: a damaged file must not be taken for one.
    """
    context = open_context("local-process[2]", spark_task_maxFailures="1")
    yield context
    context.stop()


def shuffle(sc: Any, _folder: Path) -> tuple[Any, str]:
    rdd = sc.parallelize(range(RECORDS), PARTS).map(lambda x: (x % 7, x)).reduceByKey(add, PARTS)
    return rdd, f"shuffle/s{rdd._node.exchange.shuffle_id}_*"


def sorting(sc: Any, _folder: Path) -> tuple[Any, str]:
    rdd = sc.parallelize(range(RECORDS), PARTS).map(lambda x: (x * 7919 % 1009, x))
    rdd = rdd.sortByKey(numPartitions=PARTS)
    node = rdd._node
    while not isinstance(node, Shuffle):
        (node,) = node.parents
    return rdd, f"shuffle/s{node.exchange.shuffle_id}_*"


def disk_cache(sc: Any, _folder: Path) -> tuple[Any, str]:
    rdd = sc.parallelize(range(RECORDS), PARTS).map(lambda x: (x, str(x)))
    rdd.persist(StorageLevel.DISK_ONLY)
    return rdd, f"rdd/r{rdd.id()}_*"


def checkpoint(sc: Any, folder: Path) -> tuple[Any, str]:
    sc.setCheckpointDir(str(folder / "checkpoints"))
    rdd = sc.parallelize(range(RECORDS), PARTS).map(lambda x: (x, str(x)))
    rdd.checkpoint()
    return rdd, str(folder / "checkpoints" / "*" / "part-*")


def slices(sc: Any, _folder: Path) -> tuple[Any, str]:
    """Data of the driver that is too large to travel with the tasks."""
    rdd = sc.parallelize([(i, str(i) * 100) for i in range(RECORDS)], PARTS)
    name = next(split.relpath for split in rdd._node.splits)
    return rdd.mapValues(len), name


@dataclass(frozen=True)
class Kind:
    """One kind of file and what its damage leads to."""

    make: Callable[[Any, Path], tuple[Any, str]]
    #: What the error says; None where the answer is the same.
    error: str | None = None


KINDS = {
    "shuffle": Kind(shuffle),
    "sort": Kind(sorting),
    "disk cache": Kind(disk_cache),
    "checkpoint": Kind(checkpoint, r"checkpoint file .*part-0000\d cannot be used"),
    "slices": Kind(slices, r"slices/\d+"),
}


def matching(root: str, pattern: str) -> list[str]:
    """The files of one kind; a pattern is relative to the node's directory or absolute."""
    if pattern.startswith("/"):
        folder, _, rest = pattern.partition("/*")
        return [
            os.path.join(folder, n)
            for n in files_below(folder)
            if fnmatch.fnmatch(n, f"*{rest[2:]}")
        ]
    return [os.path.join(root, n) for n in files_below(root) if fnmatch.fnmatch(n, pattern)]


@pytest.mark.parametrize(
    ("scope", "when"), [("one", "between"), ("all", "between"), ("all", "during")]
)
@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(
    breakable: Any, log: RunLog, tmp_path: Path, kind: str, how: str, scope: str, when: str
) -> None:
    rdd, pattern = KINDS[kind].make(breakable, tmp_path)
    expected = rdd.collect()
    root = breakable._engine.files.root
    files = sorted(matching(root, pattern))
    assert files, "nothing to damage: the test shows nothing"
    victims = files if scope == "all" else files[len(files) // 2 :][:1]

    def harm(index: int, records: Any) -> Any:
        if when == "during" and index == 1 and log.first_time("harm"):
            for path in victims:
                DAMAGES[how](path)
        return records

    if when == "between":
        for path in victims:
            DAMAGES[how](path)
    job = rdd.mapPartitionsWithIndex(harm, preservesPartitioning=True)
    error = KINDS[kind].error
    if error is None:
        assert job.collect() == expected
        assert rdd.collect() == expected
    elif when == "between":
        with pytest.raises((PySparkRuntimeError, OSError), match=error):
            job.collect()
    else:
        # Tasks that had read their part before may all have ended well.
        with suppress(PySparkRuntimeError, OSError):
            assert job.collect() == expected
        with pytest.raises((PySparkRuntimeError, OSError), match=error):
            rdd.collect()
    assert when == "between" or not log.first_time("harm")
    rdd.unpersist()
    assert breakable.parallelize(range(10), 2).sum() == 45


def test_a_cached_block_that_changes_under_its_reader(breakable: Any, log: RunLog) -> None:
    """Also when the user's function hides the error that it gets instead of a record."""
    kept = breakable.parallelize(range(150_000), 1).map(lambda x: (x, f"{x:06d}"))
    kept.persist(StorageLevel.DISK_ONLY)
    assert kept.count() == 150_000
    path = breakable._engine.files.path(f"rdd/r{kept.id()}_0.block")
    assert os.path.getsize(path) > 2 * SMALL_BYTES, "it is read as a whole"

    def read(records: Iterator[Any]) -> list[int]:
        found = [next(records)]
        if log.first_time("damage"):
            DAMAGES["flip"](path)
        with suppress(Exception):
            found.extend(records)
        log.note("read")
        return [len(found), sum(int(text) for _, text in found)]

    assert kept.mapPartitions(read).collect() == [150_000, sum(range(150_000))]
    assert log.counts() == {"read": 2}
    kept.unpersist()


def test_a_large_slice_that_changes_under_its_reader(breakable: Any, log: RunLog) -> None:
    """It exists only once: the job fails, also when the user's function hides the error."""
    rdd = breakable.parallelize([f"{x:06d}" for x in range(400_000)], 1)
    (path,) = matching(breakable._engine.files.root, "slices/*")
    assert os.path.getsize(path) > 2 * SMALL_BYTES, "it is read as a whole"

    def read(records: Iterator[Any]) -> list[int]:
        log.note("read")
        found = [next(records)]
        if log.first_time("damage"):
            DAMAGES["flip"](path)
        with suppress(Exception):
            found.extend(records)
        return [len(found)]

    with pytest.raises(PySparkRuntimeError, match=r"slices/\d+ is damaged"):
        rdd.mapPartitions(read).collect()
    assert breakable.getConf().get("spark.task.maxFailures") == "1"
    assert log.counts() == {"read": 1}, "the failure was not counted"
    assert breakable.parallelize(range(10), 2).sum() == 45


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_broadcast(breakable: Any, how: str) -> None:
    """Executors that have loaded it go on; others say which broadcast it is."""
    table = breakable.broadcast({i: str(i) for i in range(2000)})
    looked_up = breakable.parallelize(range(40), PARTS).map(lambda x: table.value[x])
    # A barrier stage: on a busy machine one executor might do all tasks of another.
    on_both = breakable.parallelize(range(2), 2).barrier()
    assert on_both.mapPartitions(lambda _: [len(table.value)]).collect() == [2000, 2000]
    path = breakable._engine.files.path(f"broadcast/{table.id}")
    DAMAGES[how](path)
    assert looked_up.collect() == [str(x) for x in range(40)]
    killed = executor_pids(breakable)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    patience = threading.Event()
    while executor_pids(breakable) & killed:
        patience.wait(0.02)
    with pytest.raises(PySparkRuntimeError, match=rf"Broadcast\({table.id}\)"):
        looked_up.collect()
    assert breakable.parallelize(range(10), 2).sum() == 45


def test_damaged_spill_file(tmp_path: Path) -> None:
    """It has no name, so only the disk itself could damage it."""
    spill = SpillFile(NodeFiles(str(tmp_path)))
    where = spill.append([b"frame" * 100, b"other" * 100])
    assert list(spill.raw(where)) == [b"frame" * 100, b"other" * 100]
    os.pwrite(spill._fd, b"X", where.length - 200)
    with pytest.raises(PySparkRuntimeError, match="does not have what was written"):
        list(spill.raw(where))
    os.ftruncate(spill._fd, where.length - 100)
    with pytest.raises(PySparkRuntimeError, match="shorter"):
        list(spill.raw(where))


@pytest.mark.parametrize("contents", [b"", b"a", bytes(range(256)) * 40])
def test_a_seal_finds_every_change(contents: bytes) -> None:
    data = b"".join(sealed(dump_value(contents)))
    assert load_sealed(memoryview(data), "it") == contents
    changed = [data[:n] for n in {0, 1, len(data) // 2, len(data) - 1}]
    for position in {0, len(data) // 2, len(data) - 17, len(data) - 9, len(data) - 1}:
        if position >= 0:
            other = bytearray(data)
            other[position] ^= 0x10
            changed.append(bytes(other))
    for wrong in (*changed, data + b"\0"):
        with pytest.raises(CorruptFileError, match="it is damaged"):
            load_sealed(memoryview(wrong), "it")
