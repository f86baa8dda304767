"""Promise 17 on a file system that is really full: a small one, mounted for the test.

`test_disk_full` does the same by a quota, for which nobody has to be root.
"""

from __future__ import annotations

import gc
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minispark import StorageLevel
from minispark.errors import DiskFullError
from tests.chaos.run_log import executor_pids, files_below

pytestmark = pytest.mark.own_context

MB = 1 << 20
SIZE = 24 * MB
#: What is left when the ballast is there; each job needs several times as much.
ROOM = 1 * MB
RECORDS = 20_000


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of 24 MB."""
    path = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", str(path)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture(scope="module")
def tight(open_context: Callable[..., Any], small_disk: Path) -> Iterator[Any]:
    """A context that keeps its files there and has little memory."""
    context = open_context(
        "local-process[2]", spark_executor_memory="2m", spark_local_dir=str(small_disk)
    )
    context.setCheckpointDir(str(small_disk / "checkpoints"))
    executor_pids(context)
    yield context
    context.stop()


def free(disk: Path) -> int:
    status = os.statvfs(disk)
    return status.f_bavail * status.f_frsize


class Ballast:
    """A file that takes nearly all the room."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "ballast"
        self._disk = disk

    def __enter__(self) -> None:
        with self._path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free(self._disk) - ROOM)

    def __exit__(self, *_: object) -> None:
        self._path.unlink()


def checkpoint(sc: Any, rdd: Any, _: Path) -> int:
    rdd.checkpoint()
    return int(rdd.count())


def save(sc: Any, rdd: Any, disk: Path, method: str) -> int:
    path = str(disk / "saved")
    getattr(rdd.values(), method)(path)
    read = sc.textFile if method == "saveAsTextFile" else sc.pickleFile
    return int(read(path).count())


def broadcast(sc: Any, rdd: Any, _: Path) -> int:
    shared = sc.broadcast(os.urandom(5 * MB))
    try:
        return len(sc.parallelize([0], 1).map(lambda _: shared.value).first()) // 262144 * 1000
    finally:
        shared.destroy()


def slices(sc: Any, rdd: Any, _: Path) -> int:
    return int(sc.parallelize([os.urandom(200) for _ in range(RECORDS)], 2).count())


def result(sc: Any, rdd: Any, _: Path) -> int:
    return len(rdd.coalesce(1).collect())


#: Each gives the number of records when there is room.
FILLING: dict[str, Callable[[Any, Any, Path], int]] = {
    "shuffle": lambda sc, rdd, _: rdd.groupByKey(2).count(),
    "spill": lambda sc, rdd, _: len(rdd.sortByKey(numPartitions=1).map(len).collect()),
    "disk cache": lambda sc, rdd, _: rdd.persist(StorageLevel.DISK_ONLY).count(),
    "memory and disk cache": lambda sc, rdd, _: rdd.persist(StorageLevel.MEMORY_AND_DISK).count(),
    "large results": result,
    "checkpoint": checkpoint,
    "saveAsTextFile": lambda sc, rdd, disk: save(sc, rdd, disk, "saveAsTextFile"),
    "saveAsPickleFile": lambda sc, rdd, disk: save(sc, rdd, disk, "saveAsPickleFile"),
    "broadcast": broadcast,
    "slices of parallelize": slices,
}


def await_free(disk: Path, wanted: int) -> int:
    """The room, once there is as much as wanted: what nobody holds goes soon."""
    patience = threading.Event()
    for _ in range(200):
        gc.collect()
        if free(disk) >= wanted:
            break
        patience.wait(0.05)
    return free(disk)


@pytest.mark.parametrize("what", FILLING)
def test_a_full_file_system(tight: Any, small_disk: Path, what: str) -> None:
    def records() -> Any:
        return tight.range(RECORDS, numSlices=2).map(lambda i: (i * 7919 % RECORDS, f"{i:0250d}"))

    before = free(small_disk)
    rdd = records()
    with Ballast(small_disk):
        with pytest.raises(DiskFullError, match=r"Cannot write .*No space left on device"):
            FILLING[what](tight, rdd, small_disk)
        # What does not need the disk goes on.
        assert tight.range(10, numSlices=2).sum() == 45
        rdd.unpersist(blocking=True)
        del rdd
        assert await_free(small_disk, ROOM) >= ROOM - 64 * 1024, files_below(str(small_disk))
    assert [name for name in files_below(str(small_disk)) if name.endswith(".tmp")] == []
    assert not (small_disk / "saved").exists()
    # Once there is room, the same job works.
    rdd = records()
    assert FILLING[what](tight, rdd, small_disk) == RECORDS
    rdd.unpersist(blocking=True)
    del rdd
    for folder in ("saved", "checkpoints"):
        subprocess.run(["rm", "-rf", str(small_disk / folder)], check=True)
    assert await_free(small_disk, before) >= before - 64 * 1024, files_below(str(small_disk))
